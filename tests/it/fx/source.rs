//! The adapter of a published rate source, against one that misbehaves.

use std::error::Error;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use diolkos::foundation::Clock;
use diolkos::providers::fx::{
    Currency, DollarTokens, FetchError, HttpRates, HttpRatesSettings, Rate, RateError, RateSource,
};

use super::rate_server::{RateServer, Reply};
use crate::harness::until;

struct Source {
    server: RateServer,
    rates: HttpRates,
    clock: Clock,
}

impl Source {
    /// A source that is asked anew each time.
    async fn new(reply: Reply) -> Self {
        Self::with_refresh(reply, Duration::ZERO).await
    }

    async fn with_refresh(reply: Reply, refresh: Duration) -> Self {
        let (server, clock) = (RateServer::start(reply).await, Clock::default());
        let settings = HttpRatesSettings {
            url: server.url().into(),
            time_limit: Duration::from_millis(200),
            refresh,
            max_age: Duration::from_secs(600),
            rest: Duration::from_millis(300),
        };
        let rates = HttpRates::new(settings, DollarTokens::new(vec!["USDC".to_owned()]), clock.clone()).unwrap();
        Self { server, rates, clock }
    }

    async fn francs(&self) -> Result<Rate, RateError> {
        self.rates.rate("USDC", Currency::XOF).await
    }

    async fn fetch_error(&self) -> std::sync::Arc<FetchError> {
        match self.francs().await.unwrap_err() {
            RateError::Unavailable(error) => error,
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_rate_comes_with_its_time() {
    let at = Utc::now() - TimeDelta::seconds(30);
    let source = Source::new(Reply::rates(at, "560.123456789")).await;

    let rate = source.francs().await.unwrap();

    assert_eq!((rate.units_per_token.to_string().as_str(), rate.as_of.timestamp()), ("560.123456789", at.timestamp()));
    assert!(matches!(source.rates.rate("USDC", Currency::GHS).await, Err(RateError::UnknownCurrency)));
    assert!(matches!(source.rates.rate("EURC", Currency::XOF).await, Err(RateError::UnknownToken)));
    // A currency whose rate makes no sense is not one that has none.
    assert!(matches!(source.rates.rate("USDC", Currency::KES).await, Err(RateError::Unavailable(_))));
}

#[tokio::test]
async fn fifty_who_ask_at_once_cost_one_request() {
    let source = Source::with_refresh(Reply::rates(Utc::now(), "560"), Duration::from_secs(60)).await;
    let answers = futures::future::join_all((0..50).map(|_| source.francs())).await;
    assert!(answers.iter().all(Result::is_ok));
    source.francs().await.unwrap();
    assert_eq!(source.server.calls(), 1);
}

#[tokio::test]
async fn a_slow_source_is_given_up_in_time() {
    let source = Source::new(Reply::Hang).await;
    let begun = Instant::now();

    let error = source.fetch_error().await;

    assert!(matches!(*error, FetchError::Transport(_)), "{error}");
    assert_eq!(source.server.calls(), 3);
    assert!(begun.elapsed() < Duration::from_secs(10));
    let told = format!("{error} {} {error:?}", error.source().unwrap());
    assert!(!told.contains("SECRET"), "{told}");
}

#[tokio::test]
async fn a_failure_that_passes_is_tried_again_and_a_refusal_is_not() {
    for (reply, tries) in [
        (Reply::Status(500), 3),
        (Reply::Status(429), 3),
        (Reply::Body("{\"base\":\"USD\",".to_owned()), 3),
        (Reply::Status(401), 1),
        (Reply::Redirect, 1),
        (Reply::Body(r#"{"base":"EUR","timestamp":1,"rates":{}}"#.to_owned()), 1),
        (Reply::Body(" ".repeat(2 << 20)), 1),
    ] {
        let source = Source::new(reply.clone()).await;
        source.fetch_error().await;
        assert_eq!(source.server.calls(), tries, "{reply:?}");
    }
}

#[tokio::test]
async fn a_failure_that_has_passed_is_not_seen() {
    let source = Source::new(Reply::Status(503)).await;
    let (server, asked) = (source.server.clone(), source.francs());
    let healed = async {
        until("the first try", async || (server.calls() > 0).then_some(())).await;
        server.reply(Reply::rates(Utc::now(), "560"));
    };
    let (rate, ()) = tokio::join!(asked, healed);
    assert!(rate.is_ok(), "{rate:?}");
}

#[tokio::test]
async fn a_rate_that_is_too_old_or_from_the_future_is_none() {
    let source = Source::new(Reply::rates(Utc::now() - TimeDelta::seconds(700), "560")).await;
    assert!(matches!(source.francs().await, Err(RateError::Stale { .. })));
    source.server.reply(Reply::rates(Utc::now() + TimeDelta::seconds(120), "560"));
    assert!(matches!(source.francs().await, Err(RateError::Stale { .. })));
    source.server.reply(Reply::rates(Utc::now() + TimeDelta::seconds(20), "560"));
    assert!(source.francs().await.is_ok());
}

#[tokio::test]
async fn the_last_rate_serves_while_the_source_is_down_until_it_is_too_old() {
    let source = Source::new(Reply::rates(Utc::now(), "560")).await;
    let first = source.francs().await.unwrap();
    source.server.reply(Reply::Status(401));

    assert_eq!(source.francs().await.unwrap(), first);
    source.clock.move_by(TimeDelta::seconds(601));
    source.fetch_error().await;
}

#[tokio::test]
async fn a_remembered_rate_grows_old_as_well() {
    let source = Source::with_refresh(Reply::rates(Utc::now(), "560"), Duration::from_secs(3600)).await;
    source.francs().await.unwrap();
    source.clock.move_by(TimeDelta::seconds(601));
    assert!(matches!(source.francs().await, Err(RateError::Stale { .. })));
}

#[tokio::test]
async fn a_source_that_keeps_failing_is_left_alone_for_a_while() {
    let source = Source::new(Reply::Status(401)).await;
    until("the breaker opens", async || matches!(*source.fetch_error().await, FetchError::Resting).then_some(())).await;
    let calls = source.server.calls();
    assert!(calls <= 5, "{calls}");

    source.server.reply(Reply::rates(Utc::now(), "560"));
    until("the source is asked again", async || source.francs().await.ok()).await;
}
