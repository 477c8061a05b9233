//! `Idempotency-Key` on every POST: the same request is answered with the first answer; FAULT 20.

use std::collections::HashSet;

use diolkos::http::idempotency;
use insta::assert_snapshot;
use serde_json::{Value, json};
use sqlx::Executor;

use crate::harness::actor::{Actor, Answer};
use crate::harness::app::TestApp;
use crate::harness::tenant::{fund_body, phone};

const KEYS: &str = "/v1/dashboard/apikeys";
const TOPUP: &str = "/v1/dashboard/treasury/topup";

async fn once(caller: &Actor, key: &str, path: &str, body: Value) -> Answer {
    caller.with("idempotency-key", key).post(path, body).await
}

fn topup(reference: &str) -> Value {
    json!({"amount": "5", "token": "USDC", "reference": reference})
}

#[tokio::test]
async fn every_post_replays_its_first_answer_byte_for_byte() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "10").await;
    let reported = acme.dashboard.post(TOPUP, topup("bank-0")).await.expect(202).json;
    let confirm = format!("{TOPUP}/{}/confirm", reported["topup_id"].as_str().unwrap());
    for (caller, path, body) in [
        (&acme.live, "/v1/users/provision", json!({"phone_number": phone(1)})),
        (&acme.live, "/v1/users/fund", fund_body(&phone(1), "dep-1", "5")),
        (&acme.dashboard, KEYS, json!({"name": "till"})),
        (&acme.dashboard, TOPUP, topup("bank-1")),
        (&acme.dashboard, &*confirm, json!({})),
        (&app.operator(), "/admin/tenants", json!({"namespace": "globex.ul", "name": "Globex"})),
    ] {
        let key = path.replace('/', "-");
        let first = once(caller, &key, path, body.clone()).await;
        let again = once(caller, &key, path, body).await;
        assert!(matches!(first.status, 200..=202), "{path}: {first}");
        assert_eq!((first.status, &first.text), (again.status, &again.text), "{path}");
        assert_eq!(
            (first.header("idempotency-replayed"), again.header("idempotency-replayed")),
            ("", "true"),
            "{path}"
        );
        assert_eq!(first.header("content-type"), again.header("content-type"), "{path}");
        assert_ne!(first.header("x-request-id"), again.header("x-request-id"), "{path}");
    }
    assert_eq!(acme.deposit("dep-1").await["stablecoin_amount"], "5.000000");
}

#[tokio::test]
async fn a_key_that_was_sent_with_another_request_is_a_409() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    once(&acme.dashboard, "k", TOPUP, topup("bank-1")).await.expect(202);

    let other_body = once(&acme.dashboard, "k", TOPUP, topup("bank-2")).await;
    assert_snapshot!(other_body, @r#"409 {"error":"idempotency_key_reused","message":"this Idempotency-Key was sent with another request"}"#);
    let other_route = once(&acme.dashboard, "k", KEYS, topup("bank-1")).await;
    assert_eq!(other_route.status, 400, "{other_route}");
    let other_route = once(&acme.dashboard, "k", KEYS, json!({"name": "till"})).await;
    assert_eq!(other_route.error(), "idempotency_key_reused");
    let other_query = once(&acme.dashboard, "k", &format!("{TOPUP}?x=1"), topup("bank-1")).await;
    assert_eq!(other_query.error(), "idempotency_key_reused");
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.customer(&phone(1)).await;
    let fund = fund_body(&phone(1), "dep-1", "5");
    once(&acme.live, "k", "/v1/users/fund", fund.clone()).await.expect(402);
    acme.top_up("USDC", "10").await;
    once(&acme.live, "k", "/v1/users/fund", fund).await.expect(202);
}

#[tokio::test]
async fn fault_20_sent_50_times_at_once_it_happens_once() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    for (path, body) in [(KEYS, json!({"name": "till"})), (TOPUP, topup("bank-1"))] {
        let calls = (0..50).map(|_| once(&acme.dashboard, "k2", path, body.clone()));
        let keyed = futures::future::join_all(calls).await;
        let mut texts = HashSet::new();
        for answer in &keyed {
            match answer.status {
                201 | 202 => drop(texts.insert(answer.text.clone())),
                _ => {
                    assert_eq!(answer.error(), "idempotency_in_progress", "{answer}");
                    assert_eq!(answer.header("retry-after"), "1");
                }
            }
        }
        assert_eq!(texts.len(), 1, "{texts:?}");
        let first =
            keyed.iter().filter(|answer| answer.status < 300 && answer.header("idempotency-replayed").is_empty());
        assert_eq!(first.count(), 1);
        app.sql().await.execute("delete from idempotency_record").await.unwrap();
    }
    let keys = acme.dashboard.get(KEYS).await.expect(200).json;
    assert_eq!(keys["data"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_key_belongs_to_one_tenant_and_one_mode() {
    let app = TestApp::new().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let mut addresses = HashSet::new();
    for caller in [&acme.live, &acme.test, &globex.live, &globex.test] {
        let answer = once(caller, "k", "/v1/users/provision", json!({"phone_number": phone(1)})).await.expect(200);
        assert_eq!(answer.header("idempotency-replayed"), "");
        addresses.insert(answer.json["wallet_address"].to_string());
    }
    assert_eq!(addresses.len(), 4);
}

#[tokio::test]
async fn an_answer_is_forgotten_after_a_day_and_purged() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    once(&acme.dashboard, "old", TOPUP, topup("bank-1")).await.expect(202);
    once(&acme.dashboard, "new", TOPUP, topup("bank-2")).await.expect(202);
    let age = |key: &str, hours: u32| {
        format!("update idempotency_record set created_at = now() - interval '{hours} hours' where key = '{key}'")
    };
    let mut sql = app.sql().await;
    sql.execute(sqlx::AssertSqlSafe(age("old", 25))).await.unwrap();
    sql.execute(sqlx::AssertSqlSafe(age("new", 23))).await.unwrap();

    // The old key is free again, also for another request; the new one is not.
    once(&acme.dashboard, "old", TOPUP, topup("bank-3")).await.expect(202);
    assert_eq!(once(&acme.dashboard, "new", TOPUP, topup("bank-4")).await.error(), "idempotency_key_reused");
    assert_eq!(idempotency::purge(&app.app.db).await.unwrap(), 0);

    sql.execute(sqlx::AssertSqlSafe(age("old", 25))).await.unwrap();
    assert_eq!(idempotency::purge(&app.app.db).await.unwrap(), 1);
    let left: Vec<String> = sqlx::query_scalar("select key from idempotency_record").fetch_all(&mut sql).await.unwrap();
    assert_eq!(left, ["new"]);
}

#[tokio::test]
async fn a_key_is_one_visible_word() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    for key in ["", "a b", "a\tb", &"k".repeat(256)] {
        let answer = once(&acme.dashboard, key, TOPUP, topup("bank-1")).await;
        insta::allow_duplicates! { assert_snapshot!(answer, @r#"400 {"error":"invalid_idempotency_key","message":"Idempotency-Key must be sent once, with 1 to 255 visible ASCII characters"}"#); }
    }
    once(&acme.dashboard, &"k".repeat(255), TOPUP, topup("bank-1")).await.expect(202);
}

#[tokio::test]
async fn a_kept_answer_cannot_be_read_in_the_database() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let issued = once(&acme.dashboard, "k", KEYS, json!({"name": "till"})).await.expect(201);
    let kept: Vec<u8> =
        sqlx::query_scalar("select answer from idempotency_record").fetch_one(&mut app.sql().await).await.unwrap();
    assert!(kept.len() > issued.text.len());
    let kept = String::from_utf8_lossy(&kept).into_owned();
    assert!(!kept.contains("sk_live_") && !kept.contains("till"));
}
