//! Quotes: made for a minute, taken once.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::arithmetic::{Spread, buying_rate, fiat_for, selling_rate, tokens_for};
use super::currency::{FiatAmount, LocalCurrency};
use super::store;
use crate::db::TenantTx;
use crate::foundation::{Amount, Mode, PublicId, Rehearsal, Token};
use crate::http::{Error, Result};
use crate::providers::fx::{Rate, RateError, RateSource};

/// What begins the id of a quote.
const PREFIX: &str = "fx";

/// What local money buys, and at which rate. Not stored yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub currency: LocalCurrency,
    pub fiat_amount: Decimal,
    pub token: String,
    pub amount: Amount,
    pub rate: Decimal,
    pub spread: Spread,
    pub middle: Rate,
}

/// A stored quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Its id; [`Quote::public_id`] is what callers see.
    pub id: Uuid,
    /// Local money that the customer pays.
    pub currency: LocalCurrency,
    /// How much of it, in whole units with the currency's minor digits.
    pub fiat_amount: Decimal,
    /// Symbol of the token that is bought.
    pub token: String,
    /// How much of it, in base units: `expected_out`.
    pub amount: Amount,
    /// Local units for one token, spread included, 8 fraction digits.
    pub rate: Decimal,
    /// Until when it may be taken.
    pub expires_at: DateTime<Utc>,
}

impl Quote {
    /// The id as callers see it: `fx_0197…`.
    pub fn public_id(&self) -> String {
        PublicId::format(PREFIX, self.id)
    }
}

/// What [`Quotes::take`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taking {
    /// It is the caller's, if the caller's transaction commits.
    Taken(Quote),
    /// Its minute is over.
    Expired,
    /// Somebody has taken it.
    Used,
    /// The tenant has no such quote in this mode.
    Unknown,
}

/// What tokens pay out at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payout {
    /// The local currency.
    pub currency: LocalCurrency,
    /// How much of it, in whole units with the currency's minor digits; greater than zero.
    pub amount: Decimal,
    /// Local units for one token, spread deducted, 8 fraction digits.
    pub rate: Decimal,
    /// The spread that was deducted.
    pub spread: Spread,
    /// The rate without the spread, and its time.
    pub middle: Rate,
}

/// Makes quotes and takes them. Cheap to clone.
#[derive(Clone)]
pub struct Quotes {
    live: Arc<dyn RateSource>,
    test: Arc<dyn RateSource>,
    spread: Spread,
}

impl Quotes {
    /// Quotes of a source for live keys and one for test keys.
    pub fn new(live: Arc<dyn RateSource>, test: Arc<dyn RateSource>, spread: Spread) -> Self {
        Self { live, test, spread }
    }

    /// Takes a quote of the transaction's tenant for the caller's purpose. It is used when the transaction commits, and
    /// free again when it does not; whoever else wants it meanwhile waits for that.
    pub async fn take(tx: &mut TenantTx, mode: Mode, quote_id: &str) -> Result<Taking> {
        let Ok(id) = PublicId::parse(PREFIX, quote_id) else { return Ok(Taking::Unknown) };
        if let Some(quote) = store::take(tx, mode, id).await? {
            return Ok(Taking::Taken(quote));
        }
        Ok(match store::is_used(tx, mode, id).await? {
            None => Taking::Unknown,
            Some(true) => Taking::Used,
            Some(false) => Taking::Expired,
        })
    }

    /// A quote of the transaction's tenant, whether it may still be taken or not.
    pub async fn look(tx: &mut TenantTx, mode: Mode, quote_id: &str) -> Result<Option<Quote>> {
        let Ok(id) = PublicId::parse(PREFIX, quote_id) else { return Ok(None) };
        Ok(store::find(tx, mode, id).await?)
    }

    /// What an amount of a token pays out at this moment. Asks the rate source: not to be called while a transaction is
    /// open.
    ///
    /// 400 `invalid_amount` when it is worth less than the currency's smallest unit (or more than can be written), 400
    /// `currency_not_quoted` or `token_not_quoted` when the source does not deal in it, 502 `fx_unavailable` when the
    /// source fails.
    pub async fn now(&self, mode: Mode, token: &Token, amount: Amount, currency: LocalCurrency) -> Result<Payout> {
        if mode == Mode::Test && Rehearsal::of(token, amount) == Some(Rehearsal::NoRate) {
            return Err(unavailable(RateError::Stale { as_of: DateTime::UNIX_EPOCH }));
        }
        let middle = self.middle(mode, token, currency).await?;
        let rate = selling_rate(middle.units_per_token, self.spread);
        let worth = rate.and_then(|rate| {
            let worth = fiat_for(amount, token.decimals, rate, currency.minor_digits())?;
            Some((rate, worth))
        });
        let (rate, worth) = worth.ok_or_else(|| Error::invalid_field("amount", "cannot be paid out at this rate"))?;
        if worth.is_zero() {
            return Err(Error::invalid_field("amount", format!("is worth less than the least of {}", currency.code())));
        }
        Ok(Payout { currency, amount: worth, rate, spread: self.spread, middle })
    }

    /// What local money buys at this moment.
    pub(super) async fn offer(
        &self,
        mode: Mode,
        currency: LocalCurrency,
        fiat: FiatAmount,
        token: &Token,
    ) -> Result<Offer> {
        let middle = self.middle(mode, token, currency).await?;
        let bought = buying_rate(middle.units_per_token, self.spread)
            .and_then(|rate| Some((rate, tokens_for(fiat.value(), rate, token.decimals)?)))
            .filter(|(_, amount)| *amount <= token.cap);
        let (rate, amount) =
            bought.ok_or_else(|| Error::invalid_field("fiat_amount", "buys more than may be moved at once"))?;
        if amount.is_zero() {
            return Err(Error::invalid_field("fiat_amount", format!("buys nothing of {}", token.symbol)));
        }
        let (token, fiat_amount) = (token.symbol.to_string(), fiat.value());
        Ok(Offer { currency, fiat_amount, token, amount, rate, spread: self.spread, middle })
    }

    async fn middle(&self, mode: Mode, token: &Token, currency: LocalCurrency) -> Result<Rate> {
        let source = match mode {
            Mode::Live => &self.live,
            Mode::Test => &self.test,
        };
        source.rate(&token.symbol, currency.iso()).await.map_err(|error| match error {
            RateError::UnknownCurrency => {
                Error::bad_request("currency_not_quoted", format!("there is no rate of {}", currency.code()))
            }
            RateError::UnknownToken => {
                Error::bad_request("token_not_quoted", format!("there is no rate of {}", token.symbol))
            }
            RateError::Stale { .. } | RateError::Unavailable(_) => unavailable(error),
        })
    }
}

fn unavailable(error: RateError) -> Error {
    const MESSAGE: &str = "the exchange rate cannot be had at the moment; try again";
    Error::bad_gateway("fx_unavailable", MESSAGE, error)
}
