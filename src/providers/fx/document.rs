//! The document of a published rate source: the shape of Open Exchange Rates' `latest.json`.
//!
//! ```json
//! {"base": "USD", "timestamp": 1782388800, "rates": {"XOF": 560.50, "KES": 129.2, "EUR": "0.8545"}}
//! ```
//!
//! `timestamp` is in seconds since 1970, UTC; a rate is in units of its currency for one US dollar, a JSON number or
//! the same in a string. Other fields are not looked at. Numbers are read from their text, never through a float.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use iso_currency::Currency;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::fetch::FetchError;
use super::is_plausible;

/// All rates of one moment.
#[derive(Debug)]
pub struct Document {
    /// When they were taken.
    pub as_of: DateTime<Utc>,
    rates: HashMap<String, Option<Decimal>>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    base: String,
    timestamp: i64,
    #[serde(borrow)]
    rates: HashMap<String, &'a RawValue>,
}

impl Document {
    /// Reads a body.
    pub fn read(body: &[u8]) -> Result<Self, FetchError> {
        let wire: Wire<'_> = serde_json::from_slice(body).map_err(FetchError::NotADocument)?;
        if wire.base != "USD" {
            return Err(FetchError::Malformed("the base is not USD"));
        }
        let as_of = DateTime::from_timestamp(wire.timestamp, 0);
        let as_of = as_of.ok_or(FetchError::Malformed("the timestamp is out of range"))?;
        let rates = wire.rates.into_iter().map(|(code, rate)| (code, read_rate(rate.get()))).collect();
        Ok(Self { as_of, rates })
    }

    /// Units of a currency for one dollar; nothing when the document does not name it.
    pub fn units(&self, currency: Currency) -> Result<Option<Decimal>, FetchError> {
        match self.rates.get(currency.code()) {
            None => Ok(None),
            Some(Some(units)) => Ok(Some(*units)),
            Some(None) => Err(FetchError::Malformed("the rate is not one that a market could have")),
        }
    }
}

/// A number's text, or a string of it; nothing when that is no plausible rate.
fn read_rate(json: &str) -> Option<Decimal> {
    let text = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(json);
    let units = if text.contains(['e', 'E']) { Decimal::from_scientific(text) } else { Decimal::from_str_exact(text) };
    units.ok().filter(|units| is_plausible(*units))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    #[test]
    fn rates_keep_every_digit() {
        let body = br#"{"license": "x", "timestamp": 1782388800, "base": "USD", "rates":
            {"XOF": 560.123456789012345678, "KES": "129.20", "NGN": 1.395e3, "EUR": 0, "GHS": null, "UGX": -1}}"#;
        let document = Document::read(body).unwrap();
        let units = |currency| document.units(currency).map(|units| units.map(|units| units.to_string()));
        assert_eq!(units(Currency::XOF).unwrap().as_deref(), Some("560.123456789012345678"));
        assert_eq!(units(Currency::KES).unwrap().as_deref(), Some("129.20"));
        assert_eq!(units(Currency::NGN).unwrap().as_deref(), Some("1395"));
        assert_eq!(units(Currency::TZS).unwrap(), None);
        for currency in [Currency::EUR, Currency::GHS, Currency::UGX] {
            assert!(units(currency).is_err(), "{}", currency.code());
        }
        assert_eq!(document.as_of.to_rfc3339(), "2026-06-25T12:00:00+00:00");
    }

    #[test]
    fn what_is_no_such_document_is_refused() {
        for body in [
            "",
            "<html>",
            "[]",
            r#"{"base":"USD","timestamp":1}"#,
            r#"{"base":"EUR","timestamp":1,"rates":{}}"#,
            r#"{"base":"USD","timestamp":1e400,"rates":{}}"#,
            r#"{"base":"USD","timestamp":9223372036854775807,"rates":{}}"#,
            r#"{"base":"USD","timestamp":1,"rates":[1]}"#,
            r#"{"base":"USD","timestamp":1,"rates":{"XOF":560.5"#,
        ] {
            assert!(Document::read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
