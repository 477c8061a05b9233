//! Exact arithmetic of rates: integers of 256 bits, one rounding at the end, none hidden.

use std::str::FromStr;

use alloy::primitives::U256;
use rust_decimal::Decimal;

use crate::foundation::Amount;

/// Fraction digits of a rate that callers see.
pub(super) const RATE_DIGITS: u32 = 8;

/// Hundredths of a percent in a whole.
const WHOLE: u16 = 10_000;

/// What the house earns on an exchange, in basis points (hundredths of a percent) of the middle rate; at most 5,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread(u16);

/// The text is not a number of basis points from 0 to 5000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a spread is a whole number of basis points from 0 to 5000")]
pub struct InvalidSpread;

impl Spread {
    /// The basis points.
    pub const fn basis_points(self) -> u16 {
        self.0
    }
}

impl FromStr for Spread {
    type Err = InvalidSpread;

    fn from_str(text: &str) -> Result<Self, InvalidSpread> {
        text.parse().ok().filter(|points| *points <= WHOLE / 2).map(Self).ok_or(InvalidSpread)
    }
}

/// Local units that a buyer pays for one token, rounded up. `None` beyond what a decimal holds.
pub fn buying_rate(middle: Decimal, spread: Spread) -> Option<Decimal> {
    with_spread(middle, WHOLE + spread.0, Rounding::Up)
}

/// Local units that a seller gets for one token, rounded down. `None` when nothing is left of it.
pub fn selling_rate(middle: Decimal, spread: Spread) -> Option<Decimal> {
    with_spread(middle, WHOLE - spread.0, Rounding::Down).filter(|rate| !rate.is_zero())
}

/// Base units of a token that local money buys at a rate, rounded down. `None` beyond [`Amount::MAX`].
pub fn tokens_for(fiat: Decimal, rate: Decimal, token_decimals: u8) -> Option<Amount> {
    let dividend = mantissa(fiat)?.checked_mul(ten_to(rate.scale())?)?.checked_mul(ten_to(token_decimals.into())?)?;
    let divisor = mantissa(rate)?.checked_mul(ten_to(fiat.scale())?)?;
    u128::try_from(dividend.checked_div(divisor)?).ok().and_then(Amount::from_base_units)
}

/// Local money, with the currency's minor digits, that tokens are worth at a rate, rounded down. `None` beyond what a
/// decimal holds.
pub fn fiat_for(amount: Amount, token_decimals: u8, rate: Decimal, minor_digits: u32) -> Option<Decimal> {
    let dividend = U256::from(amount.base_units()).checked_mul(mantissa(rate)?)?.checked_mul(ten_to(minor_digits)?)?;
    let divisor = ten_to(u32::from(token_decimals) + rate.scale())?;
    decimal(dividend.checked_div(divisor)?, minor_digits)
}

#[derive(Clone, Copy)]
enum Rounding {
    Up,
    Down,
}

fn with_spread(middle: Decimal, parts: u16, rounding: Rounding) -> Option<Decimal> {
    let dividend = mantissa(middle)?.checked_mul(U256::from(parts))?.checked_mul(ten_to(RATE_DIGITS)?)?;
    let divisor = ten_to(middle.scale())?.checked_mul(U256::from(WHOLE))?;
    let (quotient, rest) = (dividend.checked_div(divisor)?, dividend.checked_rem(divisor)?);
    let more = match rounding {
        Rounding::Up if !rest.is_zero() => U256::from(1u8),
        Rounding::Up | Rounding::Down => U256::ZERO,
    };
    decimal(quotient.checked_add(more)?, RATE_DIGITS)
}

fn mantissa(decimal: Decimal) -> Option<U256> {
    u128::try_from(decimal.mantissa()).ok().map(U256::from)
}

fn decimal(mantissa: U256, scale: u32) -> Option<Decimal> {
    Decimal::try_from_i128_with_scale(i128::try_from(u128::try_from(mantissa).ok()?).ok()?, scale).ok()
}

fn ten_to(exponent: u32) -> Option<U256> {
    U256::from(10u8).checked_pow(U256::from(exponent))
}

#[cfg(test)]
mod tests;
