//! Reading a request for a deposit.

use rust_decimal::Decimal;
use serde::Deserialize;
use utoipa::ToSchema;
use validator::Validate;

use crate::foundation::{Amount, ClientKey, Phone, Token, Tokens};
use crate::http::{Error, Result};

/// Digits that a fiat amount has at most; what `Decimal` holds exactly.
const FIAT_DIGITS: usize = 28;

#[derive(Deserialize, Validate, ToSchema)]
pub struct Fund {
    /// The customer's phone number, E.164; its wallet is provisioned.
    #[schema(example = "+2250700000001")]
    phone_number: String,
    /// Your own name for this deposit, 1 to 128 visible ASCII characters. It happens once, however often it is sent.
    #[schema(example = "dep_001_20240601", min_length = 1, max_length = 128)]
    deposit_id: String,
    /// What the customer paid in local money, a plain decimal of at most 28 digits.
    #[schema(example = "11000.00")]
    local_fiat_amount: String,
    /// What the wallet receives, a plain decimal with at most the token's fraction digits.
    #[schema(example = "19.62")]
    stablecoin_amount: String,
    /// `USDC` or `USDT`.
    #[schema(example = "USDC")]
    target_token: String,
}

/// A request whose every field makes sense.
pub struct Wish {
    pub phone: Phone,
    pub deposit_id: ClientKey,
    pub local_fiat_amount: Decimal,
    pub token: Token,
    pub amount: Amount,
}

impl Fund {
    /// Reads every field; 400 for the first that makes no sense.
    pub fn read(&self, tokens: &Tokens) -> Result<Wish> {
        let phone = Phone::parse(&self.phone_number)
            .map_err(|why| Error::bad_request("invalid_phone", format!("phone_number {why}")))?;
        let deposit_id = ClientKey::parse(&self.deposit_id).map_err(|why| Error::invalid_field("deposit_id", why))?;
        let token = tokens.by_symbol(&self.target_token);
        let token = token.ok_or_else(|| Error::invalid_field("target_token", "is not a token of this server"))?;
        let amount =
            token.parse(&self.stablecoin_amount).map_err(|why| Error::invalid_field("stablecoin_amount", why))?;
        let local_fiat_amount = read_fiat(&self.local_fiat_amount).ok_or_else(|| {
            Error::invalid_field("local_fiat_amount", "must be a positive decimal such as \"11000.00\"")
        })?;
        Ok(Wish { phone, deposit_id, local_fiat_amount, token: token.clone(), amount })
    }
}

fn read_fiat(text: &str) -> Option<Decimal> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let few = text.bytes().filter(u8::is_ascii_digit).count() <= FIAT_DIGITS;
    if !digits(whole) || !digits(fraction) || !few {
        return None;
    }
    Decimal::from_str_exact(text).ok().filter(|amount| !amount.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fiat_amount_is_a_plain_positive_decimal() {
        for good in ["1", "11000.00", "0.01", "00012.5", &"9".repeat(28), "1234567890123456789012345.678"] {
            assert!(read_fiat(good).is_some(), "{good}");
        }
        assert_eq!(read_fiat("11000.00").map(|amount| amount.to_string()).as_deref(), Some("11000.00"));
        let long = "9".repeat(29);
        for bad in ["", "0", "0.00", "-1", "+1", "1e3", "1.", ".5", "1,5", "NaN", " 1", "1_000", "١", &long] {
            assert!(read_fiat(bad).is_none(), "{bad:?}");
        }
    }
}
