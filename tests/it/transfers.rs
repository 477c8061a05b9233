//! Transfers: from customer to customer.

use std::collections::{BTreeMap, BTreeSet};

use insta::{allow_duplicates, assert_snapshot};
use serde_json::json;

use crate::fx::quote;
use crate::harness::app::TestApp;
use crate::harness::engine::Path;
use crate::harness::process::Process;
use crate::harness::tenant::{TestTenant, phone};
use crate::harness::withdrawals::{books_agree, row, send, send_body, until_is, usdc};

const JANE: &str = "+2250700000001";
const JOHN: &str = "+2250700000002";
const SEND: &str = "/v1/transfers/send";

/// A tenant with Jane, who holds USDC, and John.
async fn acme(app: &TestApp, usdc: &str) -> TestTenant {
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "1000").await;
    acme.customer_with(JANE, usdc).await;
    acme.customer(JOHN).await;
    acme
}

crate::on_paths!([over_lanes = Lanes, by_bundler = Sponsored] [
    tokens_go_from_wallet_to_wallet,
    a_transfer_to_somebody_whom_the_token_refuses_fails_and_takes_nothing,
]);

async fn tokens_go_from_wallet_to_wallet(path: Path) {
    let app = TestApp::by(path, |_| {}).await;
    let acme = acme(&app, "20").await;
    let (jane, john) = (acme.customer(JANE).await, acme.customer(JOHN).await);

    let answer = send(&acme.live, JANE, JOHN, "10.50").await;
    allow_duplicates! { assert_snapshot!(answer.redacted(), @r#"202 {"transfer_id":"txn_[id]","status":"QUEUED","message":"Transfer queued for on-chain settlement","created_at":"[time]"}"#); }
    let id = answer.json["transfer_id"].as_str().unwrap();
    let settled = until_is(&app, id, "SETTLED").await;

    assert_eq!((usdc(&app, jane).await, usdc(&app, john).await), (9_500_000, 10_500_000));
    assert!(settled["tx_hash"].is_string() && settled["block_number"].is_number(), "{settled}");
    // Back again: John's wallet is deployed by its first payment, too.
    let back = send(&acme.live, JOHN, JANE, "10.50").await.expect(202);
    until_is(&app, back.json["transfer_id"].as_str().unwrap(), "SETTLED").await;
    assert_eq!((usdc(&app, jane).await, usdc(&app, john).await), (20_000_000, 0));
    books_agree(&app).await;
}

#[tokio::test]
async fn a_quote_pays_for_one_transfer() {
    let app = TestApp::new().await;
    let acme = acme(&app, "100").await;
    let john = acme.customer(JOHN).await;
    let quoted = quote(&acme.live, "XOF", "11000").await.expect(200).json;
    let body = json!({"sender_phone": JANE, "recipient_phone": JOHN, "quote_id": quoted["quote_id"]});

    let calls = (0..20).map(|_| {
        let (caller, body) = (acme.live.clone(), body.clone());
        tokio::spawn(async move { caller.post(SEND, body).await })
    });
    let (mut statuses, mut ids) = (BTreeMap::new(), Vec::new());
    for call in calls.collect::<Vec<_>>() {
        let answer = call.await.unwrap();
        *statuses.entry((answer.status, answer.error().to_owned())).or_insert(0) += 1;
        ids.extend(answer.json["transfer_id"].as_str().map(str::to_owned));
    }
    assert_eq!(statuses, BTreeMap::from([((202, String::new()), 1), ((409, "quote_used".to_owned()), 19)]));
    until_is(&app, &ids[0], "SETTLED").await;
    assert_eq!(usdc(&app, john).await, 19_527_696);

    // One that was refused for want of tokens is not used up.
    let large = quote(&acme.live, "XOF", "100000").await.expect(200).json;
    let short = json!({"sender_phone": JANE, "recipient_phone": JOHN, "quote_id": large["quote_id"]});
    assert_eq!(acme.live.post(SEND, short.clone()).await.error(), "insufficient_balance");
    assert_eq!(acme.live.post(SEND, short).await.error(), "insufficient_balance");

    let late = quote(&acme.live, "XOF", "1000").await.expect(200).json;
    sqlx::query("update fx_quote set expires_at = now() where used_at is null")
        .execute(&mut app.sql().await)
        .await
        .unwrap();
    let expired = json!({"sender_phone": JANE, "recipient_phone": JOHN, "quote_id": late["quote_id"]});
    assert_snapshot!(acme.live.post(SEND, expired).await, @r#"409 {"error":"quote_expired","message":"the quote has expired; ask for another"}"#);
}

#[tokio::test]
async fn a_transfer_that_makes_no_sense_is_refused() {
    let app = TestApp::new().await;
    let acme = acme(&app, "5").await;
    let theirs = app.tenant("globex").await;
    let their_quote = quote(&theirs.live, "XOF", "1000").await.expect(200).json["quote_id"].clone();
    let test_quote = quote(&acme.test, "XOF", "1000").await.expect(200).json["quote_id"].clone();
    for (field, value, status, error) in [
        ("sender_phone", json!("0700000001"), 400, "invalid_phone"),
        ("recipient_phone", json!("x"), 400, "invalid_phone"),
        ("recipient_phone", json!(JANE), 400, "invalid_recipient_phone"),
        ("sender_phone", json!(phone(9)), 404, "sender_not_provisioned"),
        ("recipient_phone", json!(phone(9)), 404, "recipient_not_provisioned"),
        ("quote_id", json!("DIRECT_CRYPTO:USDC:0"), 400, "invalid_quote_id"),
        ("quote_id", json!("DIRECT_CRYPTO:EUR:1"), 400, "invalid_quote_id"),
        ("quote_id", json!("fx_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f"), 400, "invalid_quote_id"),
        ("quote_id", their_quote, 400, "invalid_quote_id"),
        ("quote_id", test_quote, 400, "invalid_quote_id"),
        ("quote_id", json!("DIRECT_CRYPTO:USDC:5.000001"), 400, "insufficient_balance"),
        ("quote_id", json!("DIRECT_CRYPTO:USDT:1"), 400, "insufficient_balance"),
        ("idempotency_key", json!("a b"), 400, "invalid_idempotency_key"),
    ] {
        let mut body = send_body(JANE, JOHN, "1");
        body[field] = value.clone();
        let answer = acme.live.post(SEND, body).await;
        assert_eq!((answer.status, answer.error()), (status, error), "{field} {value}: {answer}");
    }
    assert_eq!(app.nobody().post(SEND, send_body(JANE, JOHN, "1")).await.status, 401);
    assert_eq!(theirs.live.post(SEND, send_body(JANE, JOHN, "1")).await.error(), "sender_not_provisioned");
}

/// FAULTS 20.
#[tokio::test]
async fn fault_20_one_name_stands_for_one_transfer() {
    let app = TestApp::new().await;
    let acme = acme(&app, "10").await;
    let john = acme.customer(JOHN).await;
    let quoted = quote(&acme.live, "XOF", "1000").await.expect(200).json;
    let body = json!({
        "sender_phone": JANE, "recipient_phone": JOHN, "quote_id": quoted["quote_id"], "idempotency_key": "ref_1",
    });

    let calls = (0..50).map(|_| {
        let (caller, body) = (acme.live.clone(), body.clone());
        tokio::spawn(async move { caller.post(SEND, body).await })
    });
    let mut ids = BTreeSet::new();
    for call in calls.collect::<Vec<_>>() {
        ids.insert(call.await.unwrap().expect(202).json["transfer_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 1);
    until_is(&app, ids.first().unwrap(), "SETTLED").await;
    assert_eq!(usdc(&app, john).await, 1_775_245);
    let again = acme.live.post(SEND, body.clone()).await.expect(202);
    assert_eq!(again.json["status"], "SETTLED");
    let mut other = body.clone();
    other["quote_id"] = json!("DIRECT_CRYPTO:USDC:1");
    assert_snapshot!(acme.live.post(SEND, other).await, @r#"409 {"error":"idempotency_key_reused","message":"this idempotency_key was sent with another transfer"}"#);
}

/// FAULTS 21.
#[tokio::test]
async fn fault_21_64_transfers_at_once_spend_exactly_what_is_there() {
    let app = TestApp::new().await;
    let acme = acme(&app, "70").await;
    let (jane, john) = (acme.customer(JANE).await, acme.customer(JOHN).await);
    let calls = (0..64).map(|_| {
        let caller = acme.live.clone();
        tokio::spawn(async move { send(&caller, JANE, JOHN, "7").await })
    });
    let (mut accepted, mut ids) = (0, Vec::new());
    for call in calls.collect::<Vec<_>>() {
        let answer = call.await.unwrap();
        accepted += usize::from(answer.status == 202);
        assert!(answer.status == 202 || answer.error() == "insufficient_balance", "{answer}");
        ids.extend(answer.json["transfer_id"].as_str().map(str::to_owned));
    }
    assert_eq!(accepted, 10);
    for id in ids {
        until_is(&app, &id, "SETTLED").await;
    }
    assert_eq!((usdc(&app, jane).await, usdc(&app, john).await), (0, 70_000_000));
}

async fn a_transfer_to_somebody_whom_the_token_refuses_fails_and_takes_nothing(path: Path) {
    let app = TestApp::by(path, |_| {}).await;
    let acme = acme(&app, "5").await;
    let (jane, john) = (acme.customer(JANE).await, acme.customer(JOHN).await);
    app.services.blacklist(app.services.contracts.usdc, john).await;
    let id = send(&acme.live, JANE, JOHN, "2").await.expect(202).json["transfer_id"].as_str().unwrap().to_owned();
    let failed = until_is(&app, &id, "FAILED").await;
    assert_eq!(failed["failure"], "Blacklistable: account is blacklisted");
    assert_eq!(usdc(&app, jane).await, 5_000_000);
    send(&acme.live, JANE, JOHN, "5").await.expect(202);
}

/// FAULTS 1.
async fn dies_at(step: &str, path: Path) {
    let mut app = TestApp::by(path, |_| {}).await;
    let acme = acme(&app, "10").await;
    let john = acme.customer(JOHN).await;
    app.stop().await;
    let mut process = Process::serve(&app.variables, Some(step)).await;
    let mut body = send_body(JANE, JOHN, "10");
    body["idempotency_key"] = json!("ref_1");
    let bytes = body.to_string().into_bytes();
    let live = acme.at(&process.base_url).live;
    let _ = live.try_send(reqwest::Method::POST, SEND, Some(("application/json", bytes))).await;
    process.dies().await;
    let second = Process::serve(&app.variables, None).await;
    let again = acme.at(&second.base_url).live.post(SEND, body).await.expect(202);
    let id = again.json["transfer_id"].as_str().unwrap();
    until_is(&app, id, "SETTLED").await;
    assert_eq!(usdc(&app, john).await, 10_000_000);
    assert_eq!(row(&app, id).await["amount"], 10_000_000);
    let count: i64 = sqlx::query_scalar("select count(*) from transfer").fetch_one(&mut app.sql().await).await.unwrap();
    assert_eq!(count, 1);
}

macro_rules! dies_at {
    ($module:ident, $path:ident, [$($step:ident),* $(,)?]) => {
        mod $module {
            use crate::harness::engine::Path;
            $(#[tokio::test]
            async fn $step() {
                super::dies_at(stringify!($step), Path::$path).await;
            })*
        }
    };
}

dies_at!(
    dies_when,
    Lanes,
    [working, committed, claimed, user_op_stored, bundle_stored, broadcast, mined, ended, noted]
);
dies_at!(dies_by_bundler_when, Sponsored, [claimed, user_op_stored, handed_over, mined, ended]);
