//! Withdrawals: tokens out of a customer's wallet, local money to a mobile number.

mod crash;
pub mod payouts;
mod refusals;

use std::collections::BTreeMap;

use insta::{allow_duplicates, assert_snapshot};
use serde_json::{Value, json};

use crate::harness::app::TestApp;
use crate::harness::engine::Path;
use crate::harness::tenant::{TestTenant, phone};
use crate::harness::withdrawals::{book, books_agree, row, steps, until_is, usdc, withdraw, withdraw_body};

const JANE: &str = "+2250700000001";

/// A tenant whose customer Jane holds USDC.
async fn acme(app: &TestApp, usdc: &str) -> TestTenant {
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "1000").await;
    acme.customer_with(JANE, usdc).await;
    acme
}

crate::on_paths!([over_lanes = Lanes, by_bundler = Sponsored] [
    tokens_go_to_the_treasury_and_local_money_to_the_number,
    a_sweep_that_reverts_takes_nothing,
]);

async fn tokens_go_to_the_treasury_and_local_money_to_the_number(path: Path) {
    let app = TestApp::by(path, |_| {}).await;
    let acme = acme(&app, "20").await;
    let jane = acme.customer(JANE).await;
    let treasury = usdc(&app, app.app.chain.treasury()).await;

    let answer = acme.live.post("/v1/users/withdraw", withdraw_body(JANE, "19.500000", Some("ref_1"))).await;
    allow_duplicates! { assert_snapshot!(answer.redacted(), @r#"202 {"withdrawal_id":"wdrl_[id]","status":"PENDING","message":"Withdrawal initiated. USDC sweep submitted on-chain."}"#); }
    let id = answer.json["withdrawal_id"].as_str().unwrap();
    let done = until_is(&app, id, "COMPLETED").await;

    assert_eq!(usdc(&app, jane).await, 500_000);
    assert_eq!(usdc(&app, app.app.chain.treasury()).await, treasury + 19_500_000);
    // 560.5 francs for a dollar, less half a percent: 19.5 × 557.6975 = 10875.10…
    let told = |key: &str| done[key].to_string();
    assert_eq!(
        (told("rate"), told("fiat_amount"), told("currency")),
        ("557.6975".into(), "10875".into(), "\"XOF\"".into())
    );
    assert_eq!(
        (told("spread_bps"), told("middle_rate"), told("country")),
        ("50".into(), "560.5".into(), "\"CI\"".into())
    );
    assert_eq!(done["mobile_hint"], "+225********01");
    assert!(done["payout_reference"].as_str().unwrap().starts_with("SIM-"), "{done}");
    assert_eq!(steps(&app, id).await, ["PENDING", "SUBMITTED", "CRYPTO_RECEIVED", "COMPLETED"]);
    assert_eq!((book(&app, "payouts").await, book(&app, "house").await), ((0, 0), (19_500_000, 0)));
    assert_eq!(book(&app, "customers").await, (500_000, 0));
    books_agree(&app).await;
}

async fn a_sweep_that_reverts_takes_nothing(path: Path) {
    let app = TestApp::by(path, |_| {}).await;
    let acme = acme(&app, "5").await;
    let jane = acme.customer(JANE).await;
    app.services.blacklist(app.services.contracts.usdc, jane).await;

    let id = withdraw(&acme.live, JANE, "2").await;
    let failed = until_is(&app, &id, "FAILED").await;

    assert_eq!(failed["failure"], "Blacklistable: account is blacklisted");
    assert_eq!(steps(&app, &id).await, ["PENDING", "SUBMITTED", "FAILED"]);
    assert_eq!((usdc(&app, jane).await, book(&app, "customers").await), (5_000_000, (5_000_000, 0)));
    assert_eq!((book(&app, "payouts").await, book(&app, "house").await), ((0, 0), (0, 0)));
    let count: i64 = sqlx::query_scalar("select count(*) from payout").fetch_one(&mut app.sql().await).await.unwrap();
    assert_eq!(count, 0);
    books_agree(&app).await;
    // What failed is not promised any more.
    let again = acme.live.post("/v1/users/withdraw", withdraw_body(JANE, "5", None)).await;
    assert_eq!(again.status, 202, "{again}");
}

#[tokio::test]
async fn the_token_is_usdc_unless_another_is_named() {
    let app = TestApp::new().await;
    let acme = acme(&app, "5").await;
    let mut body = withdraw_body(JANE, "1", None);
    body["token"] = json!("USDT");
    let short = acme.live.post("/v1/users/withdraw", body).await;
    assert_snapshot!(short, @r#"400 {"error":"insufficient_balance","message":"the wallet's USDT does not cover this amount beside its payments that are under way"}"#);
    let id = withdraw(&acme.live, JANE, "1").await;
    assert_eq!(row(&app, &id).await["token"], "USDC");
}

#[tokio::test]
async fn what_a_wallet_has_promised_it_cannot_promise_again() {
    let app = TestApp::new().await;
    let acme = acme(&app, "10").await;
    let first = withdraw(&acme.live, JANE, "7").await;

    // Before, while and after the first is mined, and before it is final.
    for _ in 0..12 {
        let second = acme.live.post("/v1/users/withdraw", withdraw_body(JANE, "3.000010", None)).await;
        assert_eq!((second.status, second.error()), (400, "insufficient_balance"), "{second}");
    }
    until_is(&app, &first, "COMPLETED").await;
    let rest = withdraw(&acme.live, JANE, "3").await;
    until_is(&app, &rest, "COMPLETED").await;
    books_agree(&app).await;
}

/// FAULTS 21.
#[tokio::test]
async fn fault_21_64_withdrawals_at_once_spend_exactly_what_is_there() {
    let app = TestApp::new().await;
    let acme = acme(&app, "70").await;
    let jane = acme.customer(JANE).await;

    let calls = (0..64).map(|_| {
        let caller = acme.live.clone();
        tokio::spawn(async move { caller.post("/v1/users/withdraw", withdraw_body(JANE, "7", None)).await })
    });
    let (mut statuses, mut ids) = (BTreeMap::new(), Vec::new());
    for call in calls.collect::<Vec<_>>() {
        let answer = call.await.unwrap();
        *statuses.entry((answer.status, answer.error().to_owned())).or_insert(0) += 1;
        ids.extend(answer.json["withdrawal_id"].as_str().map(str::to_owned));
    }

    assert_eq!(statuses, BTreeMap::from([((202, String::new()), 10), ((400, "insufficient_balance".to_owned()), 54)]));
    for id in &ids {
        until_is(&app, id, "COMPLETED").await;
    }
    assert_eq!((usdc(&app, jane).await, book(&app, "house").await), (0, (70_000_000, 0)));
    books_agree(&app).await;
}

/// FAULTS 20.
#[tokio::test]
async fn fault_20_one_name_stands_for_one_withdrawal_however_often_it_is_sent() {
    let app = TestApp::new().await;
    let acme = acme(&app, "10").await;

    let calls = (0..50).map(|_| {
        let caller = acme.live.clone();
        tokio::spawn(async move { caller.post("/v1/users/withdraw", withdraw_body(JANE, "4", Some("ref_1"))).await })
    });
    let mut ids = std::collections::BTreeSet::new();
    for call in calls.collect::<Vec<_>>() {
        ids.insert(call.await.unwrap().expect(202).json["withdrawal_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 1);
    let id = ids.first().unwrap();
    until_is(&app, id, "COMPLETED").await;

    let again = acme.live.post("/v1/users/withdraw", withdraw_body(JANE, "4", Some("ref_1"))).await.expect(202);
    assert_eq!((&again.json["withdrawal_id"], &again.json["status"]), (&json!(id), &json!("COMPLETED")));
    let mut other = withdraw_body(JANE, "4", Some("ref_1"));
    for (field, value) in
        [("amount", "4.5"), ("payout_mobile", "+2250700000077"), ("payout_network", "wave"), ("token", "USDT")]
    {
        let kept = other[field].take();
        other[field] = json!(value);
        let answer = acme.live.post("/v1/users/withdraw", other.clone()).await;
        assert_eq!((answer.status, answer.error()), (409, "idempotency_key_reused"), "{field}: {answer}");
        other[field] = kept;
        if other[field] == Value::Null {
            other.as_object_mut().unwrap().remove(field);
        }
    }
    // Amounts are the same whatever zeros they are written with, and another tenant's names are its own.
    acme.live.post("/v1/users/withdraw", withdraw_body(JANE, "4.000000", Some("ref_1"))).await.expect(202);
    assert_eq!(book(&app, "house").await, (4_000_000, 0));
    let globex = app.tenant("globex").await;
    let theirs = globex.live.post("/v1/users/withdraw", withdraw_body(JANE, "4", Some("ref_1"))).await;
    assert_eq!(theirs.error(), "wallet_not_provisioned");
}

#[tokio::test]
async fn a_customer_who_moved_withdraws_by_the_new_number() {
    let app = TestApp::new().await;
    let acme = acme(&app, "10").await;
    let (new, wallet) = (phone(77), acme.customer(JANE).await);
    let body = json!({"old_phone_number": JANE, "new_phone_number": new});
    acme.live.post("/v1/users/update-phone", body).await.expect(200);

    let old = acme.live.post("/v1/users/withdraw", withdraw_body(JANE, "1", None)).await;
    assert_snapshot!(old, @r#"404 {"error":"wallet_not_provisioned","message":"no wallet is provisioned for this phone number; call /v1/users/provision first"}"#);
    let id = withdraw(&acme.live, &new, "10").await;
    until_is(&app, &id, "COMPLETED").await;
    assert_eq!(usdc(&app, wallet).await, 0);
}
