//! Failures that a caller with a test key can have happen, by the fraction of the amount.

use super::{Amount, Token};

/// What is to go wrong with a payment of a test key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rehearsal {
    /// `.000001`: the transfer of the tokens reverts on chain.
    Reverts,
    /// `.000002`: the mobile-money network refuses the payout; the tokens go back.
    PayoutRefused,
    /// `.000003`: the balance does not cover it.
    Insufficient,
    /// `.000004`: the network is slow and sends no call-back.
    PayoutSlow,
    /// `.000005`: the network refuses the payout, and the tokens cannot be sent back.
    RefundReverts,
    /// `.000006`: no exchange rate can be had.
    NoRate,
}

impl Rehearsal {
    /// What the fraction of an amount asks for; nothing when it is another, or the token has fewer than six digits.
    pub fn of(token: &Token, amount: Amount) -> Option<Self> {
        let digits = u32::from(token.decimals);
        let millionth = 10_u128.pow(digits.checked_sub(6)?);
        match amount.base_units() % 10_u128.pow(digits) {
            fraction if fraction % millionth != 0 => None,
            fraction => match fraction / millionth {
                1 => Some(Self::Reverts),
                2 => Some(Self::PayoutRefused),
                3 => Some(Self::Insufficient),
                4 => Some(Self::PayoutSlow),
                5 => Some(Self::RefundReverts),
                6 => Some(Self::NoRate),
                _ => None,
            },
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    fn of(decimals: u8, text: &str) -> Option<Rehearsal> {
        let token: Token = format!("T:0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359:{decimals}").parse().unwrap();
        Rehearsal::of(&token, token.parse(text).unwrap())
    }

    #[test]
    fn the_fraction_alone_decides() {
        assert_eq!(of(6, "0.000001"), Some(Rehearsal::Reverts));
        assert_eq!(of(6, "12.000002"), Some(Rehearsal::PayoutRefused));
        assert_eq!(of(18, "12.000006"), Some(Rehearsal::NoRate));
        for plain in ["12", "0.500000", "0.000007", "1.000010", "0.100001"] {
            assert_eq!(of(6, plain), None, "{plain}");
        }
        assert_eq!(of(18, "1.0000010000000001"), None);
        assert_eq!(of(2, "1.01"), None);
    }
}
