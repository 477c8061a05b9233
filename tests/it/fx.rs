//! Quotes: what local money buys, for a minute and once.

mod rate_server;
mod source;
mod taking;

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::harness::actor::{Actor, Answer};
use crate::harness::app::TestApp;
use rate_server::{RateServer, Reply};

pub async fn quote(caller: &Actor, currency: &str, amount: &str) -> Answer {
    caller.post("/v1/fx/quote", json!({"local_currency": currency, "fiat_amount": amount})).await
}

fn redacted(answer: &Answer) -> String {
    let mut json = answer.json.clone();
    for key in ["quote_id", "expires_at"] {
        json[key] = json!(format!("[{key}]"));
    }
    format!("{} {json}", answer.status)
}

#[tokio::test]
async fn francs_are_quoted_in_dollars_with_the_spread() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;

    let answer = quote(&acme.live, "XOF", "11000").await;

    assert_snapshot!(redacted(&answer), @r#"200 {"currency_pair":"XOF_USDC","expected_out":"19.527696","expires_at":"[expires_at]","fiat_amount":"11000","quote_id":"[quote_id]","rate":"563.30250000","target_token":"USDC"}"#);
    assert!(answer.json["quote_id"].as_str().unwrap().starts_with("fx_"));
    let expires_at: DateTime<Utc> = answer.json["expires_at"].as_str().unwrap().parse().unwrap();
    let left = expires_at - Utc::now();
    assert!(left <= TimeDelta::seconds(60) && left > TimeDelta::seconds(30), "{left}");
}

#[tokio::test]
async fn some_currencies_are_quoted_without_any_configuration() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    for currency in ["XOF", "XAF", "GHS", "KES", "NGN", "UGX", "TZS", "EUR"] {
        quote(&acme.live, currency, "10000").await.expect(200);
        quote(&acme.test, currency, "10000").await.expect(200);
    }
}

#[tokio::test]
async fn each_currency_has_its_own_digits() {
    let app = TestApp::with(|variables| {
        variables.insert("FX_RATES", "XOF:500,KES:100,TND:3".to_owned());
        variables.insert("FX_SPREAD_BPS", "0".to_owned());
    })
    .await;
    let acme = app.tenant("acme").await;
    for (currency, amount, read, out) in [
        ("XOF", "1000.00", "1000", "2.000000"),
        ("XOF", "1", "1", "0.002000"),
        ("KES", "0.01", "0.01", "0.000100"),
        ("TND", "10.001", "10.001", "3.333666"),
    ] {
        let answer = quote(&acme.live, currency, amount).await.expect(200).json;
        assert_eq!(
            (&answer["fiat_amount"], &answer["expected_out"]),
            (&json!(read), &json!(out)),
            "{currency} {amount}"
        );
    }
    let body = json!({"local_currency": "XOF", "fiat_amount": "500", "target_token": "USDT"});
    let usdt = acme.live.post("/v1/fx/quote", body).await.expect(200).json;
    assert_eq!((&usdt["currency_pair"], &usdt["expected_out"]), (&json!("XOF_USDT"), &json!("1.000000")));
}

/// FAULTS 23.
#[tokio::test]
async fn what_cannot_be_quoted_is_refused() {
    let app = TestApp::with(|variables| {
        let tokens = format!("{},EURC:{}:6", variables["TOKENS"], "0x1aBaEA1f7C830bD89Acc67eC4af516284b1bC33c");
        variables.insert("TOKENS", tokens);
    })
    .await;
    let acme = app.tenant("acme").await;

    for amount in
        ["", "0", "0.0", "-1", "-0", "+1", "1e3", "1e400", "NaN", "1,000", " 1", "1.", ".5", "١", "0x1", "1.5"]
    {
        let answer = quote(&acme.live, "XOF", amount).await;
        assert_eq!((answer.status, answer.error()), (400, "invalid_fiat_amount"), "{amount:?}: {answer}");
    }
    for code in ["", "xof", "XO", "XYZ", "XAU", "XTS", "ХОF", "XOF'; drop table fx_quote; --", "{{7*7}}"] {
        let answer = quote(&acme.live, code, "1000").await;
        assert_eq!((answer.status, answer.error()), (400, "invalid_local_currency"), "{code:?}: {answer}");
    }
    let refusal = async |body: Value| acme.live.post("/v1/fx/quote", body).await.to_string();
    assert_snapshot!(refusal(json!({"local_currency": "XOF", "fiat_amount": "100.5"})).await, @r#"400 {"error":"invalid_fiat_amount","message":"fiat_amount has more fraction digits than the currency, which has 0"}"#);
    assert_snapshot!(refusal(json!({"local_currency": "XYZ", "fiat_amount": "1"})).await, @r#"400 {"error":"invalid_local_currency","message":"local_currency must be a currency of ISO 4217, such as XOF"}"#);
    assert_snapshot!(refusal(json!({"local_currency": "JPY", "fiat_amount": "1"})).await, @r#"400 {"error":"currency_not_quoted","message":"there is no rate of JPY"}"#);
    assert_snapshot!(refusal(json!({"local_currency": "XOF", "fiat_amount": "1", "target_token": "EURC"})).await, @r#"400 {"error":"token_not_quoted","message":"there is no rate of EURC"}"#);
    assert_snapshot!(refusal(json!({"local_currency": "XOF", "fiat_amount": "1", "target_token": "DOGE"})).await, @r#"400 {"error":"invalid_target_token","message":"target_token is not a token of this server"}"#);
    assert_snapshot!(refusal(json!({"local_currency": "XOF", "fiat_amount": "999999999999999999"})).await, @r#"400 {"error":"invalid_fiat_amount","message":"fiat_amount buys more than may be moved at once"}"#);
    assert_snapshot!(refusal(json!({"local_currency": "XOF", "fiat_amount": 1000})).await, @r#"400 {"error":"invalid_fiat_amount","message":"fiat_amount has the wrong type: integer `1000`, expected a string"}"#);
    assert_snapshot!(refusal(json!({"fiat_amount": "1000"})).await, @r#"400 {"error":"missing_field","message":"local_currency is required"}"#);
    for body in ["", "[]", "{\"local_currency\":\"XOF\",\"local_currency\":\"KES\"}", "{\"fiat_amount\":1e400}"] {
        let answer = acme.live.post_bytes("/v1/fx/quote", "application/json", body.into()).await;
        assert_eq!(answer.status, 400, "{body}: {answer}");
    }
    assert_eq!(acme.live.post_bytes("/v1/fx/quote", "text/plain", b"{}".to_vec()).await.status, 415);
    assert_eq!(acme.live.post_bytes("/v1/fx/quote", "application/json", vec![b' '; 2 << 20]).await.status, 413);
}

#[tokio::test]
async fn money_that_buys_less_than_a_base_unit_buys_nothing() {
    let app = TestApp::with(|variables| {
        variables.insert("FX_RATES", "XOF:1000000000".to_owned());
    })
    .await;
    let acme = app.tenant("acme").await;
    let answer = quote(&acme.live, "XOF", "1").await;
    assert_snapshot!(answer, @r#"400 {"error":"invalid_fiat_amount","message":"fiat_amount buys nothing of USDC"}"#);
}

#[tokio::test]
async fn only_a_tenants_back_end_is_quoted() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    for caller in [app.nobody(), app.operator(), acme.dashboard] {
        assert_eq!(quote(&caller, "XOF", "1000").await.status, 401);
    }
}

#[tokio::test]
async fn a_source_that_fails_gives_no_quote_but_a_502() {
    let server = RateServer::start(Reply::Status(500)).await;
    let app = TestApp::with(|variables| {
        variables.insert("FX_URL", server.url());
    })
    .await;
    let acme = app.tenant("acme").await;

    let answer = quote(&acme.live, "XOF", "1000").await;

    assert_snapshot!(answer, @r#"502 {"error":"fx_unavailable","message":"the exchange rate cannot be had at the moment; try again"}"#);
    quote(&acme.test, "XOF", "1000").await.expect(200);
    server.reply(Reply::rates(Utc::now() - TimeDelta::hours(1), "500"));
    assert_eq!(quote(&acme.live, "XOF", "1000").await.expect(502).error(), "fx_unavailable");
}

#[tokio::test]
async fn a_repeated_request_has_its_first_quote_even_when_the_source_has_died() {
    let server = RateServer::start(Reply::rates(Utc::now(), "500")).await;
    let app = TestApp::with(|variables| {
        variables.insert("FX_URL", server.url());
        variables.insert("FX_REFRESH_SECONDS", "0".to_owned());
    })
    .await;
    let acme = app.tenant("acme").await;
    let once = acme.live.with("idempotency-key", "quote-1");
    let first = quote(&once, "XOF", "1005").await.expect(200);
    assert_eq!(first.json["rate"], "502.50000000");

    server.reply(Reply::Status(403));
    app.app.clock.move_by(TimeDelta::hours(1));

    assert_eq!(quote(&acme.live, "XOF", "1005").await.status, 502);
    let again = quote(&once, "XOF", "1005").await.expect(200);
    assert_eq!((again.header("idempotency-replayed"), &again.text), ("true", &first.text));
    assert_eq!(quote(&once, "XOF", "1006").await.expect(409).error(), "idempotency_key_reused");
}

/// FAULTS 20.
#[tokio::test]
async fn fifty_requests_with_one_key_make_one_quote() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let once = acme.live.with("idempotency-key", "quote-1");
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let once = once.clone();
            tokio::spawn(async move { quote(&once, "XOF", "1000").await })
        })
        .collect();
    let mut quotes = HashSet::new();
    for call in calls {
        let answer = call.await.unwrap();
        match answer.status {
            200 => drop(quotes.insert(answer.json["quote_id"].to_string())),
            _ => assert_eq!((answer.status, answer.error()), (409, "idempotency_in_progress"), "{answer}"),
        }
    }
    assert_eq!(quotes.len(), 1);
    let stored: i64 =
        sqlx::query_scalar("select count(*) from fx_quote").fetch_one(&mut app.sql().await).await.unwrap();
    assert_eq!(stored, 1);
}
