//! Exchange rates: what one token costs in a local currency.
//!
//! [`FixedRates`] is a table from configuration (development, test keys); [`HttpRates`] asks a published source. Both
//! price tokens that stand for one US dollar ([`DollarTokens`]) and refuse all others.

mod document;
mod fetch;
mod fixed;
mod http;

use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

pub use fetch::FetchError;
pub use fixed::{FixedRates, InvalidRate, RateTable};
pub use http::{HttpRates, HttpRatesSettings};
pub use iso_currency::Currency;

/// What one token costs at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Units of the local currency (francs, not centimes) for one whole token: the middle, without any spread. From
    /// 0.000001 to 1,000,000,000.
    pub units_per_token: Decimal,
    /// When the source took it from the market.
    pub as_of: DateTime<Utc>,
}

/// Why there is no rate.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RateError {
    /// The source does not deal in this currency.
    #[error("the source has no rate of this currency")]
    UnknownCurrency,
    /// The token does not stand for a dollar.
    #[error("the token is not one that the source prices")]
    UnknownToken,
    /// The newest rate is older than the configured limit (or from the future).
    #[error("the rate of {as_of} is not fresh enough")]
    Stale {
        /// When the rate was taken.
        as_of: DateTime<Utc>,
    },
    /// The source failed, and no earlier answer is fresh enough.
    #[error("the rate source failed")]
    Unavailable(#[source] Arc<FetchError>),
}

/// Something that knows exchange rates.
#[async_trait]
pub trait RateSource: Send + Sync {
    /// The newest rate of a token (by its symbol) in a local currency. May take seconds: not to be called while a
    /// transaction is open.
    async fn rate(&self, token: &str, currency: Currency) -> Result<Rate, RateError>;
}

/// Symbols of the tokens that stand for one US dollar.
#[derive(Clone, Debug)]
pub struct DollarTokens(Arc<[String]>);

impl DollarTokens {
    /// These symbols, exactly as written.
    pub fn new(symbols: Vec<String>) -> Self {
        Self(symbols.into())
    }

    /// Refuses a token that is not among them: a dollar's rate would be wrong for it.
    fn require(&self, symbol: &str) -> Result<(), RateError> {
        if self.0.iter().any(|known| known == symbol) { Ok(()) } else { Err(RateError::UnknownToken) }
    }
}

/// The text is not symbols of tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("symbols are written with commas between, such as USDC,USDT; {0:?} is none")]
pub struct InvalidSymbol(String);

impl FromStr for DollarTokens {
    type Err = InvalidSymbol;

    /// Reads `USDC,USDT`.
    fn from_str(text: &str) -> Result<Self, InvalidSymbol> {
        let is_symbol = |symbol: &str| !symbol.is_empty() && symbol.bytes().all(|b| b.is_ascii_alphanumeric());
        let read = |symbol: &str| {
            if is_symbol(symbol) { Ok(symbol.to_owned()) } else { Err(InvalidSymbol(symbol.to_owned())) }
        };
        text.split(',').map(str::trim).map(read).collect::<Result<_, _>>().map(Self::new)
    }
}

/// Whether a rate is one that a market could have: a slip of the decimal point or a zero is not.
fn is_plausible(units_per_token: Decimal) -> bool {
    (Decimal::new(1, 6)..=Decimal::new(1_000_000_000, 0)).contains(&units_per_token)
}
