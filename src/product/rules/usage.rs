//! How much a customer has moved, as rules reckon with it.
//!
//! Amounts are whole millionths of a token, whatever the token's own precision: `10.50` is `10500000`. Of tokens that are
//! more precise what is left over counts as one more millionth, so that nothing slips below a limit.

use super::check::Movement;
use crate::foundation::Amount;

/// Fraction digits of the amounts that rules see.
const DIGITS: u8 = 6;

/// Reads a decimal of at most six fraction digits as millionths.
pub fn read_tokens(text: &str) -> Option<i64> {
    Amount::parse_decimal(text, DIGITS).ok().and_then(|amount| i64::try_from(amount.base_units()).ok())
}

/// An amount of a token with so many fraction digits in millionths, rounded up; the largest number when it is larger than
/// that. A token that is not configured any more is taken for one of six digits.
pub fn millionths(amount: Amount, decimals: Option<u8>) -> i64 {
    let units = amount.base_units();
    let decimals = decimals.unwrap_or(DIGITS);
    let scaled = match DIGITS.checked_sub(decimals) {
        Some(missing) => units.checked_mul(10u128.pow(u32::from(missing))),
        None => Some(units.div_ceil(10u128.pow(u32::from(decimals.saturating_sub(DIGITS))))),
    };
    scaled.and_then(|scaled| i64::try_from(scaled).ok()).unwrap_or(i64::MAX)
}

/// A number of movements and what they moved, in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub count: i64,
    /// How much.
    pub volume: i64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.volume = self.volume.saturating_add(other.volume);
    }
}

/// Tallies of a day and of a month, both of UTC and up to now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// Since midnight.
    pub day: Tally,
    /// Since the month began.
    pub month: Tally,
}

impl Period {
    /// One movement, now.
    pub const fn one(amount: i64) -> Self {
        let tally = Tally { count: 1, volume: amount };
        Self { day: tally, month: tally }
    }

    /// Counts others as well.
    pub fn add(&mut self, other: Self) {
        self.day.add(other.day);
        self.month.add(other.month);
    }
}

/// What a customer moved, of a token or of all: everything that was accepted and has not failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Deposits.
    pub deposits: Period,
    /// Transfers from other customers.
    pub transfers_in: Period,
    /// Transfers to other customers.
    pub transfers_out: Period,
    /// Withdrawals, without those whose tokens went back.
    pub withdrawals: Period,
}

impl Usage {
    /// What rules call the numbers.
    pub const NAMES: [&'static str; 20] = [
        "deposits_day",
        "deposits_month",
        "deposited_day",
        "deposited_month",
        "transfers_in_day",
        "transfers_in_month",
        "transferred_in_day",
        "transferred_in_month",
        "transfers_out_day",
        "transfers_out_month",
        "transferred_out_day",
        "transferred_out_month",
        "withdrawals_day",
        "withdrawals_month",
        "withdrawn_day",
        "withdrawn_month",
        "received_day",
        "received_month",
        "sent_day",
        "sent_month",
    ];

    /// What rules call the numbers of all tokens together.
    pub const NAMES_OF_ALL: [&'static str; 20] = [
        "all_deposits_day",
        "all_deposits_month",
        "all_deposited_day",
        "all_deposited_month",
        "all_transfers_in_day",
        "all_transfers_in_month",
        "all_transferred_in_day",
        "all_transferred_in_month",
        "all_transfers_out_day",
        "all_transfers_out_month",
        "all_transferred_out_day",
        "all_transferred_out_month",
        "all_withdrawals_day",
        "all_withdrawals_month",
        "all_withdrawn_day",
        "all_withdrawn_month",
        "all_received_day",
        "all_received_month",
        "all_sent_day",
        "all_sent_month",
    ];

    /// What was moved in this way.
    pub fn of(&mut self, movement: Movement) -> &mut Period {
        match movement {
            Movement::Deposit => &mut self.deposits,
            Movement::TransferIn => &mut self.transfers_in,
            Movement::TransferOut => &mut self.transfers_out,
            Movement::Withdrawal => &mut self.withdrawals,
        }
    }

    /// The numbers, in the order of [`Usage::NAMES`].
    pub fn values(&self) -> [i64; 20] {
        let of = |period: &Period| [period.day.count, period.month.count, period.day.volume, period.month.volume];
        let [d0, d1, d2, d3] = of(&self.deposits);
        let [i0, i1, i2, i3] = of(&self.transfers_in);
        let [o0, o1, o2, o3] = of(&self.transfers_out);
        let [w0, w1, w2, w3] = of(&self.withdrawals);
        let (in_day, in_month) = (d2.saturating_add(i2), d3.saturating_add(i3));
        let (out_day, out_month) = (o2.saturating_add(w2), o3.saturating_add(w3));
        [d0, d1, d2, d3, i0, i1, i2, i3, o0, o1, o2, o3, w0, w1, w2, w3, in_day, in_month, out_day, out_month]
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_millionths_and_rounded_up() {
        let of = |units, decimals| millionths(Amount::from_base_units(units).unwrap(), Some(decimals));
        assert_eq!(of(10_500_000, 6), 10_500_000);
        assert_eq!(of(1050, 2), 10_500_000);
        assert_eq!(of(10_500_000_000_000_000_000, 18), 10_500_000);
        assert_eq!(of(1, 18), 1);
        assert_eq!(of(1_000_000_000_001, 18), 2);
        assert_eq!(of(0, 18), 0);
        assert_eq!(of(10u128.pow(38) - 1, 6), i64::MAX);
        assert_eq!(of(10u128.pow(38) - 1, 0), i64::MAX);
        assert_eq!(millionths(Amount::from_base_units(7).unwrap(), None), 7);
    }

    #[test]
    fn numbers_stand_under_their_names() {
        let mut usage = Usage::default();
        usage.deposits.month.add(Tally { count: 1, volume: 1 });
        usage.deposits.add(Period::one(10));
        usage.transfers_in.add(Period::one(100));
        usage.transfers_out.add(Period::one(1000));
        usage.withdrawals.add(Period::one(10_000));
        let named: Vec<String> =
            Usage::NAMES.iter().zip(usage.values()).map(|(name, value)| format!("{name} {value}")).collect();
        insta::assert_snapshot!(named.join(", "), @"deposits_day 1, deposits_month 2, deposited_day 10, deposited_month 11, transfers_in_day 1, transfers_in_month 1, transferred_in_day 100, transferred_in_month 100, transfers_out_day 1, transfers_out_month 1, transferred_out_day 1000, transferred_out_month 1000, withdrawals_day 1, withdrawals_month 1, withdrawn_day 10000, withdrawn_month 10000, received_day 110, received_month 111, sent_day 11000, sent_month 11000");
    }

    #[test]
    fn what_is_counted_of_all_tokens_is_called_alike() {
        for (own, all) in Usage::NAMES.into_iter().zip(Usage::NAMES_OF_ALL) {
            assert_eq!(all, format!("all_{own}"));
        }
    }
}
