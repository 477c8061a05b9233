//! Rates from configuration.

use std::collections::HashMap;
use std::str::FromStr;

use async_trait::async_trait;
use iso_currency::Currency;
use rust_decimal::Decimal;

use super::{DollarTokens, Rate, RateError, RateSource, is_plausible};
use crate::foundation::Clock;

/// Units of each currency for one US dollar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateTable(HashMap<Currency, Decimal>);

/// A part of a table that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rate is written CURRENCY:UNITS, such as XOF:560.50, each currency once; {0:?} is not")]
pub struct InvalidRate(String);

impl FromStr for RateTable {
    type Err = InvalidRate;

    /// Reads `XOF:560.50,KES:129.20`.
    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let mut table = HashMap::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let invalid = || InvalidRate(part.to_owned());
            let (code, units) = part.split_once(':').ok_or_else(invalid)?;
            let currency = Currency::from_code(code.trim()).ok_or_else(invalid)?;
            let units = Decimal::from_str_exact(units.trim()).ok().filter(|units| is_plausible(*units));
            if table.insert(currency, units.ok_or_else(invalid)?).is_some() {
                return Err(invalid());
            }
        }
        Ok(Self(table))
    }
}

/// A table that is always up to date, because whoever runs the server keeps it so.
#[derive(Clone, Debug)]
pub struct FixedRates {
    table: RateTable,
    dollars: DollarTokens,
    clock: Clock,
}

impl FixedRates {
    /// Rates of these tokens from a table.
    pub fn new(table: RateTable, dollars: DollarTokens, clock: Clock) -> Self {
        Self { table, dollars, clock }
    }
}

#[async_trait]
impl RateSource for FixedRates {
    async fn rate(&self, token: &str, currency: Currency) -> Result<Rate, RateError> {
        self.dollars.require(token)?;
        let units_per_token = self.table.0.get(&currency).copied().ok_or(RateError::UnknownCurrency)?;
        Ok(Rate { units_per_token, as_of: self.clock.now() })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_pairs_of_a_currency_and_its_units() {
        let table: RateTable = "XOF:560.50,KES:129.2".parse().unwrap();
        assert_eq!(table.0[&Currency::XOF].to_string(), "560.50");
        assert_eq!(" XOF : 1 , ".parse::<RateTable>().unwrap().0.len(), 1);
        for bad in
            ["XOF", "XOF:", ":1", "XYZ:1", "xof:1", "XOF:0", "XOF:-1", "XOF:1e3", "XOF:x", "XOF:1,XOF:2", "XOF:9e99"]
        {
            assert!(bad.parse::<RateTable>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn only_tokens_that_are_dollars_are_priced() {
        let dollars = DollarTokens::new(vec!["USDC".to_owned()]);
        let rates = FixedRates::new("XOF:560.50".parse().unwrap(), dollars, Clock::default());
        assert_eq!(rates.rate("USDC", Currency::XOF).await.unwrap().units_per_token, Decimal::new(56050, 2));
        assert!(matches!(rates.rate("USDC", Currency::KES).await, Err(RateError::UnknownCurrency)));
        assert!(matches!(rates.rate("EURC", Currency::XOF).await, Err(RateError::UnknownToken)));
    }
}
