//! Local currencies (ISO 4217) and sums of them.

use std::str::FromStr;

use iso_currency::{Currency, Flag};
use rust_decimal::Decimal;

/// Digits before the point that a sum has at most.
const WHOLE_DIGITS: usize = 18;

/// A currency that people pay with: it has minor digits (perhaps none), and is neither a fund nor a metal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalCurrency {
    currency: Currency,
    minor_digits: u32,
}

/// The text is not the code of a currency that people pay with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a currency of ISO 4217, such as XOF")]
pub struct UnknownCurrency;

impl LocalCurrency {
    /// The three capital letters.
    pub fn code(self) -> &'static str {
        self.currency.code()
    }

    /// Fraction digits of a sum: XOF 0, KES 2.
    pub const fn minor_digits(self) -> u32 {
        self.minor_digits
    }

    /// The currency as rate sources know it.
    pub const fn iso(self) -> Currency {
        self.currency
    }
}

impl FromStr for LocalCurrency {
    type Err = UnknownCurrency;

    /// Reads `XOF`; capitals only.
    fn from_str(code: &str) -> Result<Self, UnknownCurrency> {
        let currency = Currency::from_code(code).ok_or(UnknownCurrency)?;
        let is_money = !currency.flags().iter().any(|flag| matches!(flag, Flag::Special | Flag::Fund));
        let minor_digits = currency.exponent().filter(|_| is_money).ok_or(UnknownCurrency)?;
        Ok(Self { currency, minor_digits: minor_digits.into() })
    }
}

/// A positive sum of a local currency, with exactly the currency's minor digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FiatAmount(Decimal);

/// Why a text is not a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFiat {
    /// The text is not digits with at most one point between them.
    #[error("must be a decimal number such as \"11000\"")]
    NotDecimal,
    /// There are more digits after the point than the currency has, and they are not zeros.
    #[error("has more fraction digits than the currency, which has {0}")]
    TooPrecise(u32),
    /// Nothing.
    #[error("must be greater than zero")]
    Zero,
    /// More than 18 digits before the point.
    #[error("is larger than the limit")]
    TooLarge,
}

impl FiatAmount {
    /// Reads a plain decimal. Zeros beyond the currency's minor digits say nothing and are accepted (`11000.00` of
    /// XOF); any other digit there is refused: nothing is rounded.
    pub fn parse(text: &str, currency: LocalCurrency) -> Result<Self, InvalidFiat> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) {
            return Err(InvalidFiat::NotDecimal);
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let digits = currency.minor_digits;
        let width = usize::try_from(digits).map_err(|_| InvalidFiat::TooLarge)?;
        if fraction.len() > width {
            return Err(InvalidFiat::TooPrecise(digits));
        }
        if whole.len() > WHOLE_DIGITS {
            return Err(InvalidFiat::TooLarge);
        }
        let minor: i128 = format!("0{whole}{fraction:0<width$}").parse().map_err(|_| InvalidFiat::TooLarge)?;
        if minor == 0 {
            return Err(InvalidFiat::Zero);
        }
        Decimal::try_from_i128_with_scale(minor, digits).map(Self).map_err(|_| InvalidFiat::TooLarge)
    }

    /// The sum as a decimal.
    pub const fn value(self) -> Decimal {
        self.0
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    fn parse(text: &str, code: &str) -> Result<String, InvalidFiat> {
        FiatAmount::parse(text, code.parse().unwrap()).map(|amount| amount.value().to_string())
    }

    #[test]
    fn a_sum_has_the_digits_of_its_currency() {
        for (text, code, read) in [
            ("11000", "XOF", "11000"),
            ("11000.00", "XOF", "11000"),
            ("011000.0", "XOF", "11000"),
            ("11000", "KES", "11000.00"),
            ("0.01", "KES", "0.01"),
            ("1.2345", "TND", "1.2345"),
            ("999999999999999999.99", "KES", "999999999999999999.99"),
        ] {
            let expected = if code == "TND" { Err(InvalidFiat::TooPrecise(3)) } else { Ok(read.to_owned()) };
            assert_eq!(parse(text, code), expected, "{text} {code}");
        }
        assert_eq!(parse("100.5", "XOF"), Err(InvalidFiat::TooPrecise(0)));
        assert_eq!(parse("0.001", "KES"), Err(InvalidFiat::TooPrecise(2)));
        assert_eq!(parse("0.00", "KES"), Err(InvalidFiat::Zero));
        assert_eq!(parse("1000000000000000000", "KES"), Err(InvalidFiat::TooLarge));
        for bad in ["", ".", "1.", ".5", "-1", "-0", "+1", "1e3", "1e400", "NaN", "1,5", " 1", "1_000", "١", "0x10"] {
            assert_eq!(parse(bad, "KES"), Err(InvalidFiat::NotDecimal), "{bad:?}");
        }
    }

    #[test]
    fn metals_funds_and_tests_are_no_local_currencies() {
        for code in ["XAU", "XDR", "XXX", "XTS", "CLF", "USN", "BTC", "xof", "XO", "ХОF", "", "XOF "] {
            assert_eq!(code.parse::<LocalCurrency>(), Err(UnknownCurrency), "{code}");
        }
        assert_eq!("UGX".parse::<LocalCurrency>().unwrap().minor_digits(), 0);
    }
}
