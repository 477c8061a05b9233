//! Money as an integer number of a token's base units.

use std::fmt;

use bigdecimal::{BigDecimal, ToPrimitive};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};

/// A sum in a token's base units (USDC: millionths), never negative, at most 38 digits (`numeric(38, 0)`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(u128);

/// Why a decimal text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAmount {
    /// The text is not digits with at most one point between them.
    #[error("must be a decimal number such as \"19.62\"")]
    NotDecimal,
    /// There are more digits after the point than the token has.
    #[error("must have at most {0} fraction digits")]
    TooPrecise(u8),
    /// The amount is zero where zero has no meaning.
    #[error("must be greater than zero")]
    Zero,
    /// The amount is above what may be moved at once.
    #[error("is larger than the limit")]
    TooLarge,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount that the database can hold: 38 nines.
    pub const MAX: Self = Self(10u128.pow(38) - 1);

    /// An amount of `base_units`; `None` above [`Amount::MAX`].
    pub fn from_base_units(base_units: u128) -> Option<Self> {
        (base_units <= Self::MAX.0).then_some(Self(base_units))
    }

    /// The number of base units.
    pub const fn base_units(self) -> u128 {
        self.0
    }

    /// Whether this is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Reads a plain decimal such as `19.62` of a token with `decimals` fraction digits.
    ///
    /// Signs, exponents, blanks, a bare point and superfluous precision are refused: nothing is rounded.
    pub fn parse_decimal(text: &str, decimals: u8) -> Result<Self, InvalidAmount> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) {
            return Err(InvalidAmount::NotDecimal);
        }
        if text.contains('.') && fraction.len() > usize::from(decimals) {
            return Err(InvalidAmount::TooPrecise(decimals));
        }
        let fraction = if text.contains('.') { fraction } else { "" };
        let digits = format!("{whole}{fraction:0<width$}", width = usize::from(decimals));
        let significant = digits.trim_start_matches('0');
        if significant.is_empty() {
            return Ok(Self::ZERO);
        }
        significant.parse().ok().and_then(Self::from_base_units).ok_or(InvalidAmount::TooLarge)
    }

    /// The amount as a decimal with all of the token's fraction digits, such as `19.620000`.
    pub fn to_decimal(self, decimals: u8) -> String {
        let width = usize::from(decimals) + 1;
        let mut digits = format!("{:0>width$}", self.0);
        if decimals > 0 {
            digits.insert(digits.len() - usize::from(decimals), '.');
        }
        digits
    }

    /// The sum; `None` above [`Amount::MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::from_base_units)
    }

    /// The difference; `None` when it would be negative.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }
}

/// Base units, as in the database.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Type<Postgres> for Amount {
    fn type_info() -> PgTypeInfo {
        <BigDecimal as Type<Postgres>>::type_info()
    }
}

impl PgHasArrayType for Amount {
    fn array_type_info() -> PgTypeInfo {
        <BigDecimal as PgHasArrayType>::array_type_info()
    }
}

impl Encode<'_, Postgres> for Amount {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <BigDecimal as Encode<Postgres>>::encode(BigDecimal::from(self.0), buffer)
    }
}

impl<'r> Decode<'r, Postgres> for Amount {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let decimal = <BigDecimal as Decode<Postgres>>::decode(value)?;
        if !decimal.is_integer() {
            return Err("an amount in the database is not a whole number of base units".into());
        }
        decimal
            .to_u128()
            .and_then(Self::from_base_units)
            .ok_or_else(|| "an amount in the database is out of range".into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(units in 0..Amount::MAX.0, decimals in 0u8..=18) {
            let amount = Amount(units);
            prop_assert_eq!(Amount::parse_decimal(&amount.to_decimal(decimals), decimals), Ok(amount));
        }

        #[test]
        fn a_decimal_is_worth_its_digits(whole in 0u64.., fraction in 0u32..1_000_000) {
            let text = format!("{whole}.{fraction:06}");
            let expected = u128::from(whole) * 1_000_000 + u128::from(fraction);
            prop_assert_eq!(Amount::parse_decimal(&text, 6), Ok(Amount(expected)));
        }

        #[test]
        fn no_text_makes_it_panic_or_round(text in ".{0,60}", decimals in 0u8..=18) {
            if let Ok(amount) = Amount::parse_decimal(&text, decimals) {
                let plain = |text: &str| {
                    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
                    (whole.trim_start_matches('0').to_owned(), fraction.trim_end_matches('0').to_owned())
                };
                prop_assert_eq!(plain(&text), plain(&amount.to_decimal(decimals)));
            }
        }

        #[test]
        fn sums_and_differences_are_exact_or_refused(a in 0..=Amount::MAX.0, b in 0..=Amount::MAX.0) {
            prop_assert_eq!(Amount(a).checked_add(Amount(b)).map(|sum| sum.0), Some(a + b).filter(|sum| *sum <= Amount::MAX.0));
            prop_assert_eq!(Amount(a).checked_sub(Amount(b)).map(|rest| rest.0), a.checked_sub(b));
        }
    }

    #[test]
    fn whatever_is_not_a_plain_decimal_is_refused() {
        let not_decimal = [
            "", ".", "1.", ".5", "-1", "+1", "1e3", "1E3", "1,5", " 1", "1 ", "1_0", "0x1", "NaN", "inf", "\u{661}",
            "\u{ff11}", "1.2.3", "-0",
        ];
        for text in not_decimal {
            assert_eq!(Amount::parse_decimal(text, 6), Err(InvalidAmount::NotDecimal), "{text:?}");
        }
        assert_eq!(Amount::parse_decimal("0.0000001", 6), Err(InvalidAmount::TooPrecise(6)));
        assert_eq!(Amount::parse_decimal("1.0", 0), Err(InvalidAmount::TooPrecise(0)));
        assert_eq!(Amount::parse_decimal(&"9".repeat(39), 0), Err(InvalidAmount::TooLarge));
        assert_eq!(Amount::parse_decimal(&"9".repeat(4000), 6), Err(InvalidAmount::TooLarge));
        assert_eq!(Amount::parse_decimal(&"9".repeat(38), 0), Ok(Amount::MAX));
        assert_eq!(Amount::parse_decimal("000.000000", 6), Ok(Amount::ZERO));
    }
}
