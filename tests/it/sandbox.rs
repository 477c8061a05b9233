//! Test keys: the same answers and the same lives, and nothing moves.

use insta::assert_snapshot;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::harness::actor::Answer;
use crate::harness::app::TestApp;
use crate::harness::tenant::{TestTenant, fund_body, phone};
use crate::harness::until;
use crate::harness::webhook_receiver::Receiver;
use crate::harness::withdrawals::{row, send, steps, until_is, until_refund_is, withdraw_body};

const JANE: &str = "+2250700000001";
const JOHN: &str = "+2250700000002";

/// A tenant without any balance, whose test customers are Jane and John.
async fn acme(app: &TestApp) -> TestTenant {
    let acme = app.tenant("acme").await;
    for phone in [JANE, JOHN] {
        acme.test.post("/v1/users/provision", json!({"phone_number": phone})).await.expect(200);
    }
    acme
}

async fn app() -> TestApp {
    TestApp::with(|variables| {
        variables.insert("WEBHOOK_ALLOW_PRIVATE", "true".to_owned());
    })
    .await
}

async fn withdraw(acme: &TestTenant, amount: &str) -> Answer {
    acme.test.post("/v1/users/withdraw", withdraw_body(JANE, amount, None)).await
}

fn id(answer: &Answer) -> String {
    let field = if answer.json["transfer_id"].is_string() { "transfer_id" } else { "withdrawal_id" };
    answer.json[field].as_str().unwrap().to_owned()
}

async fn until_deposit_is(acme: &TestTenant, deposit: &str, status: &str) -> Value {
    until(&format!("{deposit} is {status}"), || async {
        let answer = acme.dashboard.get(&format!("/v1/dashboard/deposits/{deposit}?mode=test")).await;
        (answer.json["status"] == status).then_some(answer.json)
    })
    .await
}

#[tokio::test]
async fn the_three_money_routes_are_simulated_and_live_their_whole_lives() {
    let app = app().await;
    let acme = acme(&app).await;
    let receiver = Receiver::start().await;
    acme.hook(&receiver.url, None).await;

    let funded = acme.test.post("/v1/users/fund", fund_body(JANE, "dep_1", "50")).await;
    assert_snapshot!(funded.redacted(), @r#"202 {"deposit_id":"dep_1","status":"SANDBOX_SIMULATED","message":"Deposit simulated: a test key moves nothing","created_at":"[time]"}"#);
    let sent = send(&acme.test, JANE, JOHN, "7.50").await;
    assert_snapshot!(sent.redacted(), @r#"202 {"transfer_id":"txn_[id]","status":"SANDBOX_SIMULATED","message":"Transfer simulated: a test key moves nothing","created_at":"[time]"}"#);
    let withdrawn = withdraw(&acme, "10").await;
    assert_snapshot!(withdrawn.redacted(), @r#"202 {"withdrawal_id":"wdrl_[id]","status":"SANDBOX_SIMULATED","message":"Withdrawal simulated: a test key moves nothing"}"#);

    until_deposit_is(&acme, "dep_1", "SETTLED").await;
    until_is(&app, &id(&sent), "SETTLED").await;
    let done = until_is(&app, &id(&withdrawn), "COMPLETED").await;
    assert_eq!(steps(&app, &id(&withdrawn)).await, ["PENDING", "SUBMITTED", "CRYPTO_RECEIVED", "COMPLETED"]);
    assert_eq!((&done["tx_hash"], &done["mode"]), (&Value::Null, &json!("test")));

    receiver.until_received(3 + 3 + 4).await;
    let received = receiver.received();
    let of = |kind: &str| {
        let events = received.iter().map(|message| message.event().to_owned());
        events.filter(|event| event.starts_with(kind)).collect::<Vec<_>>()
    };
    assert_eq!(of("deposit."), ["deposit.queued", "deposit.submitted", "deposit.settled"]);
    assert_eq!(of("transfer."), ["transfer.queued", "transfer.submitted", "transfer.settled"]);
    assert_eq!(
        of("withdrawal."),
        ["withdrawal.pending", "withdrawal.submitted", "withdrawal.crypto_received", "withdrawal.completed"]
    );
    assert!(received.iter().all(|message| message.body["data"]["livemode"] == false));

    // On the simulated chain wallets hold what came in less what went out; nothing else has heard of it.
    let holds = async |phone: &str| {
        let path = format!("/v1/users/balance?phone_number=%2B{}", &phone[1..]);
        acme.test.get(&path).await.expect(200).json["balance_usdc"].as_str().unwrap().to_owned()
    };
    assert_eq!((holds(JANE).await.as_str(), holds(JOHN).await.as_str()), ("32.500000", "7.500000"));
    assert_eq!(acme.balance().await, ("0.000000".to_owned(), "0.000000".to_owned()));
    for table in ["ledger_transfer", "user_op"] {
        let count = format!("select count(*) from {table}");
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut app.sql().await).await.unwrap();
        assert_eq!(rows, 0, "{table}");
    }
}

#[tokio::test]
async fn fractions_make_each_failure_happen() {
    let app = app().await;
    let acme = acme(&app).await;
    let receiver = Receiver::start().await;
    acme.hook(&receiver.url, None).await;

    // .000001: the tokens do not move.
    acme.test.post("/v1/users/fund", fund_body(JANE, "reverts", "5.000001")).await.expect(202);
    let failed = until_deposit_is(&acme, "reverts", "FAILED").await;
    assert_eq!(failed["failure_reason"], "reverted, as the fraction of the amount asked for");
    until_is(&app, &id(&send(&acme.test, JANE, JOHN, "5.000001").await.expect(202)), "FAILED").await;
    until_is(&app, &id(&withdraw(&acme, "5.000001").await.expect(202)), "FAILED").await;

    // .000002: the network refuses; the tokens go back.
    let refused = id(&withdraw(&acme, "5.000002").await.expect(202));
    until_refund_is(&app, &refused, "returned").await;
    assert_eq!(
        steps(&app, &refused).await,
        ["PENDING", "SUBMITTED", "CRYPTO_RECEIVED", "PAYOUT_FAILED", "REFUND_SENT", "REFUND_RETURNED"]
    );

    // .000003: the balance does not cover it.
    let funded = acme.test.post("/v1/users/fund", fund_body(JANE, "short", "5.000003")).await;
    assert_eq!((funded.status, funded.error()), (402, "insufficient_balance"));
    for answer in [send(&acme.test, JANE, JOHN, "5.000003").await, withdraw(&acme, "5.000003").await] {
        assert_eq!((answer.status, answer.error()), (400, "insufficient_balance"), "{answer}");
    }

    // .000004: the network is slow.
    let slow = id(&withdraw(&acme, "5.000004").await.expect(202));
    until_is(&app, &slow, "CRYPTO_RECEIVED").await;

    // .000005: the tokens cannot go back.
    let stuck = id(&withdraw(&acme, "5.000005").await.expect(202));
    until_refund_is(&app, &stuck, "failed").await;

    // .000006: no rate.
    let unrated = withdraw(&acme, "5.000006").await;
    assert_eq!((unrated.status, unrated.error()), (502, "fx_unavailable"), "{unrated}");

    until_is(&app, &slow, "COMPLETED").await;
    let events = receiver.events();
    for event in ["withdrawal.failed", "withdrawal.payout_failed", "withdrawal.refunded", "transfer.failed"] {
        assert!(events.iter().any(|told| told == event), "{event} was not told: {events:?}");
    }
}

#[tokio::test]
async fn a_live_key_rehearses_nothing() {
    let app = app().await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "100").await;
    acme.customer_with(JANE, "5.000001").await;
    acme.customer(JOHN).await;
    let sent = send(&acme.live, JANE, JOHN, "1.000003").await.expect(202);
    until_is(&app, &id(&sent), "SETTLED").await;
}

#[tokio::test]
async fn a_test_keys_withdrawal_can_be_repeated_and_confirmed_like_a_live_one() {
    let app = app().await;
    let acme = acme(&app).await;
    let body = withdraw_body(JANE, "5.000004", Some("ref_1"));
    let first = acme.test.post("/v1/users/withdraw", body.clone()).await.expect(202);
    let again = acme.test.post("/v1/users/withdraw", body).await.expect(202);
    assert_eq!(first.json, again.json);
    until_is(&app, &id(&first), "CRYPTO_RECEIVED").await;
    let path = format!("/v1/dashboard/withdrawals/{}/confirm-payout", id(&first));
    acme.dashboard.post(&path, json!({"payout_reference": "MP1"})).await.expect(200);
    assert_eq!(row(&app, &id(&first)).await["status"], "COMPLETED");
    let other = acme.test.post("/v1/users/withdraw", withdraw_body(JANE, "6", Some("ref_1"))).await;
    assert_eq!(other.error(), "idempotency_key_reused");
    let unknown = acme.test.post("/v1/users/withdraw", withdraw_body(&phone(9), "6", None)).await;
    assert_eq!(unknown.error(), "wallet_not_provisioned");
}
