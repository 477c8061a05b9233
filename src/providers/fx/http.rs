//! Rates from a published source over HTTP. The document's shape is described in [`super::document`].
//!
//! A document is remembered for a short while and asked for once however many wait for it. When the source fails, the
//! last document goes on serving until it is too old; after that there is no rate rather than a wrong one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable};
use chrono::{DateTime, TimeDelta, Utc};
use iso_currency::Currency;
use moka::future::Cache;
use recloser::{AsyncRecloser, Recloser};
use secrecy::SecretString;

use super::document::Document;
use super::fetch::{FetchError, fetch};
use super::{DollarTokens, Rate, RateError, RateSource};
use crate::foundation::Clock;

/// How far a source's clock may be ahead of ours.
const AHEAD: TimeDelta = TimeDelta::seconds(60);

/// Fetches in a row (each with its retries) that may fail before the source is left alone, less one.
const PATIENCE: usize = 3;

/// Where rates come from and how long they count.
#[derive(Clone, Debug)]
pub struct HttpRatesSettings {
    /// The document's URL; it may hold a key, so that it is kept from logs.
    pub url: SecretString,
    /// How long one try may take; there are three at most.
    pub time_limit: Duration,
    /// How long a document is used before a newer one is asked for.
    pub refresh: Duration,
    /// A rate older than this is none.
    pub max_age: Duration,
    /// How long a source that keeps failing is left alone.
    pub rest: Duration,
}

/// A source of rates over HTTP.
pub struct HttpRates {
    client: reqwest::Client,
    settings: HttpRatesSettings,
    dollars: DollarTokens,
    clock: Clock,
    newest: Cache<(), Arc<Document>>,
    last: Mutex<Option<Arc<Document>>>,
    breaker: AsyncRecloser,
}

impl HttpRates {
    /// A source; nothing is asked yet. Fails when the system has no TLS.
    pub fn new(settings: HttpRatesSettings, dollars: DollarTokens, clock: Clock) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(settings.time_limit)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("diolkos/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let newest = Cache::builder().max_capacity(1).time_to_live(settings.refresh).build();
        let breaker = Recloser::custom().closed_len(PATIENCE).half_open_len(1).open_wait(settings.rest).build();
        let breaker = AsyncRecloser::from(breaker);
        Ok(Self { client, settings, dollars, clock, newest, last: Mutex::default(), breaker })
    }

    async fn document(&self) -> Result<Arc<Document>, RateError> {
        let error = match self.newest.try_get_with((), self.fetch()).await {
            Ok(document) => return Ok(document),
            Err(error) => error,
        };
        metrics::counter!("diolkos_fx_errors_total").increment(1);
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match last.filter(|document| self.is_fresh(document.as_of)) {
            Some(document) => {
                tracing::warn!(%error, as_of = %document.as_of, "the rate source failed; its last rates are used");
                Ok(document)
            }
            None => Err(RateError::Unavailable(error)),
        }
    }

    async fn fetch(&self) -> Result<Arc<Document>, FetchError> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(1))
            .with_max_times(2)
            .with_jitter();
        let tries = (|| fetch(&self.client, &self.settings.url)).retry(pauses).when(FetchError::is_passing);
        let document = self.breaker.call(tries).await.map_err(|error| match error {
            recloser::Error::Inner(error) => error,
            recloser::Error::Rejected => FetchError::Resting,
        })?;
        let document = Arc::new(document);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(document.clone());
        Ok(document)
    }

    fn is_fresh(&self, as_of: DateTime<Utc>) -> bool {
        let age = self.clock.now() - as_of;
        // An age that does not fit is a configured limit of hundreds of millions of years.
        age >= -AHEAD && age <= TimeDelta::from_std(self.settings.max_age).unwrap_or(TimeDelta::MAX)
    }
}

#[async_trait]
impl RateSource for HttpRates {
    async fn rate(&self, token: &str, currency: Currency) -> Result<Rate, RateError> {
        self.dollars.require(token)?;
        let document = self.document().await?;
        let as_of = document.as_of;
        if !self.is_fresh(as_of) {
            return Err(RateError::Stale { as_of });
        }
        let units = document.units(currency).map_err(|error| RateError::Unavailable(Arc::new(error)))?;
        Ok(Rate { units_per_token: units.ok_or(RateError::UnknownCurrency)?, as_of })
    }
}
