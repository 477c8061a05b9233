//! Telling tenants what happened.

use std::collections::HashMap;

use insta::assert_json_snapshot;
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor};

use crate::harness::app::TestApp;
use crate::harness::tenant::{TestTenant, fund_body, phone};
use crate::harness::until;
use crate::harness::webhook_receiver::{Behaviour, Receiver};

const JANE: &str = "+2250700000001";
/// What a deposit goes through.
pub const LIFE: [&str; 3] = ["deposit.queued", "deposit.submitted", "deposit.settled"];

/// A server whose webhooks may go to a test's receivers.
pub async fn app() -> TestApp {
    TestApp::with(|variables| {
        variables.insert("WEBHOOK_ALLOW_PRIVATE", "true".to_owned());
    })
    .await
}

/// The same without workers.
pub async fn app_without_worker() -> TestApp {
    TestApp::with(|variables| {
        variables.insert("WEBHOOK_ALLOW_PRIVATE", "true".to_owned());
        variables.insert("ROLES", "api".to_owned());
    })
    .await
}

/// A tenant with a balance and Jane.
pub async fn acme(app: &TestApp) -> TestTenant {
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "1000").await;
    acme.customer(JANE).await;
    acme
}

/// What waits for another attempt goes out now.
pub async fn hurry(app: &TestApp) {
    let hurry = "update webhook_delivery set next_at = now() where status = 'pending' and lease_until is null";
    app.sql().await.execute(hurry).await.unwrap();
}

/// Waits until every webhook is delivered or given up.
pub async fn no_webhook_waits(app: &TestApp) {
    until("no webhook waits", || async {
        let count = sqlx::query_scalar::<_, i64>("select count(*) from webhook_delivery where status = 'pending'");
        (count.fetch_one(&mut app.sql().await).await.unwrap() == 0).then_some(())
    })
    .await;
}

/// Asks for a deposit with the test key.
pub async fn simulate(acme: &TestTenant, deposit_id: &str) {
    acme.test.post("/v1/users/provision", json!({"phone_number": JANE})).await.expect(200);
    acme.test.post("/v1/users/fund", fund_body(JANE, deposit_id, "5")).await.expect(202);
}

#[tokio::test]
async fn a_deposit_is_told_from_queued_to_settled() {
    let app = app().await;
    let acme = acme(&app).await;
    let receiver = Receiver::start().await;
    let hook = acme.hook(&receiver.url, None).await;

    acme.fund(JANE, "dep_1", "19.62").await.expect(202);

    let received = receiver.until_received(3).await;
    assert_eq!(receiver.events(), LIFE);
    for message in &received {
        assert!(message.is_signed_by(&hook.secret));
        assert!(!message.is_signed_by("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        assert_eq!(message.header("content-type"), "application/json");
        assert_eq!(message.body.as_object().unwrap().keys().collect::<Vec<_>>(), ["data", "event", "timestamp"]);
    }
    assert_json_snapshot!(received[2].body, {
        ".timestamp" => "…", ".data.created_at" => "…", ".data.tx_hash" => "0x…", ".data.wallet_address" => "0x…",
        ".data.block_number" => 1,
    }, @r#"
    {
      "data": {
        "block_number": 1,
        "created_at": "…",
        "deposit_id": "dep_1",
        "failure_reason": null,
        "livemode": true,
        "local_fiat_amount": "11000.00",
        "stablecoin_amount": "19.620000",
        "status": "SETTLED",
        "target_token": "USDC",
        "tx_hash": "0x…",
        "wallet_address": "0x…"
      },
      "event": "deposit.settled",
      "timestamp": "…"
    }
    "#);
    let deposit = acme.deposit("dep_1").await;
    for field in ["tx_hash", "block_number", "wallet_address", "created_at", "status", "stablecoin_amount"] {
        assert_eq!(received[2].body["data"][field], deposit[field], "{field}");
    }
    assert_eq!(received[2].body["timestamp"], deposit["history"][2]["at"]);
    let logs = acme.until_hook_logs_are(3, "delivered").await;
    assert_eq!(logs[0]["event_id"], received[0].header("webhook-id"));
}

#[tokio::test]
async fn a_deposit_that_fails_is_told() {
    let app = app().await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "1000").await;
    let jane = acme.customer(JANE).await;
    app.services.blacklist(app.services.contracts.usdc, jane).await;
    let receiver = Receiver::start().await;
    acme.hook(&receiver.url, None).await;

    acme.fund(JANE, "dep_1", "19.62").await.expect(202);

    let received = receiver.until_received(3).await;
    assert_eq!(receiver.events(), ["deposit.queued", "deposit.submitted", "deposit.failed"]);
    assert_eq!(received[2].body["data"]["failure_reason"], "Blacklistable: account is blacklisted");
}

#[tokio::test]
async fn a_deposit_of_a_test_key_is_told_and_is_not_live() {
    let app = app().await;
    let acme = acme(&app).await;
    let receiver = Receiver::start().await;
    let hook = acme.hook(&receiver.url, None).await;

    simulate(&acme, "dep_1").await;

    let received = receiver.until_received(3).await;
    assert_eq!(receiver.events(), LIFE);
    for message in &received {
        assert_eq!((&message.body["data"]["livemode"], message.deposit()), (&json!(false), "dep_1"));
        assert!(message.is_signed_by(&hook.secret));
    }
    let again = acme.test.post("/v1/users/fund", fund_body(JANE, "dep_1", "5")).await;
    assert_eq!(again.status, 409);
    assert_eq!(acme.until_hook_logs_are(3, "delivered").await.len(), 3);
}

#[tokio::test]
async fn a_top_up_is_told_once_however_often_it_is_confirmed() {
    let app = app().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    acme.hook(&receiver.url, None).await;
    let body = json!({"amount": "10.5", "token": "USDC", "reference": "bank 1"});
    let topup = acme.dashboard.post("/v1/dashboard/treasury/topup", body).await.expect(202).json;
    let confirm = format!("/v1/dashboard/treasury/topup/{}/confirm", topup["topup_id"].as_str().unwrap());

    let calls = (0..10).map(|_| acme.dashboard.post(&confirm, json!({})));
    for answer in futures::future::join_all(calls).await {
        answer.expect(200);
    }

    let logs = acme.until_hook_logs_are(1, "delivered").await;
    assert_eq!(logs[0]["event"], "topup.confirmed");
    let received = receiver.received();
    assert_json_snapshot!(received[0].body["data"], {
        ".topup_id" => "topup_…", ".created_at" => "…", ".confirmed_at" => "…",
    }, @r#"
    {
      "amount": "10.500000",
      "confirmed_at": "…",
      "created_at": "…",
      "livemode": true,
      "reference": "bank 1",
      "status": "CONFIRMED",
      "token": "USDC",
      "topup_id": "topup_…"
    }
    "#);
}

#[tokio::test]
async fn each_of_50_deposits_at_once_is_told_once_and_in_order() {
    const COUNT: u32 = 50;
    let app = app().await;
    let acme = acme(&app).await;
    for index in 0..COUNT {
        acme.customer(&phone(index)).await;
    }
    let receiver = Receiver::start().await;
    acme.hook(&receiver.url, None).await;

    let names: Vec<String> = (0..COUNT).map(|index| format!("dep_{index}")).collect();
    let phones: Vec<String> = (0..COUNT).map(phone).collect();
    let calls = names.iter().zip(&phones).map(|(name, phone)| acme.fund(phone, name, "1.5"));
    for answer in futures::future::join_all(calls).await {
        answer.expect(202);
    }

    receiver.until_received(3 * COUNT as usize).await;
    no_webhook_waits(&app).await;
    let mut by_deposit: HashMap<String, Vec<String>> = HashMap::new();
    for message in receiver.received() {
        by_deposit.entry(message.deposit().to_owned()).or_default().push(message.event().to_owned());
    }
    assert_eq!(by_deposit.len(), COUNT as usize);
    for (deposit, events) in by_deposit {
        assert_eq!(events, LIFE, "{deposit}");
    }
    assert!(receiver.most_in_hand() <= 8, "{}", receiver.most_in_hand());
    let stored: i64 =
        sqlx::query_scalar("select count(*) from webhook_event").fetch_one(&mut app.sql().await).await.unwrap();
    assert_eq!(stored, 3 * i64::from(COUNT));
}

#[tokio::test]
async fn an_event_that_is_not_taken_holds_up_its_own_deposit_only() {
    let app = app().await;
    let acme = acme(&app).await;
    let receiver = Receiver::start().await;
    receiver.decides(|message| match (message.deposit(), message.event()) {
        ("dep_1", "deposit.submitted") => Behaviour::Status(500),
        _ => Behaviour::Status(200),
    });
    acme.hook(&receiver.url, None).await;

    simulate(&acme, "dep_1").await;
    simulate(&acme, "dep_2").await;

    receiver.until_received(5).await;
    let told = |deposit: &str| {
        let received = receiver.received();
        let of_deposit = received.iter().filter(|message| message.deposit() == deposit);
        of_deposit.map(|message| message.event().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (told("dep_2"), told("dep_1")),
        (LIFE.map(str::to_owned).to_vec(), LIFE[..2].iter().map(ToString::to_string).collect())
    );

    receiver.does(Behaviour::Status(204));
    hurry(&app).await;
    receiver.until_received(7).await;
    assert_eq!(told("dep_1"), ["deposit.queued", "deposit.submitted", "deposit.submitted", "deposit.settled"]);
    let logs = acme.until_hook_logs_are(6, "delivered").await;
    let held_up = logs.iter().find(|log| log["attempts"].as_array().unwrap().len() == 2).unwrap();
    assert_eq!(held_up["attempts"][0]["error"], "answered 500 Internal Server Error");
    assert_eq!(held_up["attempts"][0]["answer"], "status 500");
    assert_eq!(held_up["attempts"][1]["status_code"], 204);
}

#[tokio::test]
async fn an_endpoint_is_told_what_it_wants_and_nothing_of_other_tenants() {
    let app = app().await;
    let (acme, globex) = (acme(&app).await, app.tenant("globex").await);
    let (settled, tested, other) = (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    acme.hook(&settled.url, Some(&["deposit.settled"])).await;
    let hook = acme.hook(&tested.url, Some(&["topup.confirmed"])).await;
    globex.hook(&other.url, None).await;

    simulate(&acme, "dep_1").await;
    let path = format!("/v1/dashboard/webhooks/{}/test", hook.id);
    let test = acme.dashboard.post(&path, json!({})).await.expect(202).json;

    settled.until_received(1).await;
    let received = tested.until_received(1).await;
    assert_eq!(received[0].header("webhook-id"), test["event_id"]);
    acme.until_hook_logs_are(2, "delivered").await;
    assert_eq!(settled.events(), ["deposit.settled"]);
    assert_eq!(tested.events(), ["webhook.test"]);
    assert_eq!((other.connections(), globex.hook_logs().await.len()), (0, 0));
    // What nobody wants is not kept.
    let stored: i64 =
        sqlx::query_scalar("select count(*) from webhook_event").fetch_one(&mut app.sql().await).await.unwrap();
    assert_eq!(stored, 2);
}

#[tokio::test]
async fn what_did_not_happen_is_not_told() {
    let app = app().await;
    let acme = acme(&app).await;
    acme.hook("http://127.0.0.1:9/", None).await;

    acme.fund(JANE, "dep_1", "100000").await.expect(402);
    acme.fund("+2250799999999", "dep_2", "1").await.expect(404);

    assert_eq!(acme.hook_logs().await.len(), 0);
}

#[tokio::test]
async fn a_rotated_secret_signs_beside_the_new_one_until_it_expires() {
    let app = app().await;
    let acme = acme(&app).await;
    let receiver = Receiver::start().await;
    let hook = acme.hook(&receiver.url, None).await;
    let (rotate, test) = (
        format!("/v1/dashboard/webhooks/{}/rotate-secret", hook.id),
        format!("/v1/dashboard/webhooks/{}/test", hook.id),
    );

    let new = acme.dashboard.post(&rotate, json!({})).await.expect(200).json["secret"].as_str().unwrap().to_owned();
    acme.dashboard.post(&test, json!({})).await.expect(202);
    let both = receiver.until_received(1).await.remove(0);
    assert!(both.is_signed_by(&new) && both.is_signed_by(&hook.secret));
    assert_eq!(both.header("webhook-signature").split(' ').count(), 2);

    let expire = "update webhook_secret set expires_at = expires_at - interval '24 hours' where expires_at is not null";
    app.sql().await.execute(expire).await.unwrap();
    acme.dashboard.post(&test, json!({})).await.expect(202);
    let one = receiver.until_received(2).await.remove(1);
    assert!(one.is_signed_by(&new) && !one.is_signed_by(&hook.secret));

    // At rest there is neither of them.
    for table in ["webhook_secret", "webhook_endpoint", "webhook_event", "idempotency_record"] {
        let rows = AssertSqlSafe(format!("select t::text from {table} t"));
        let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(&mut app.sql().await).await.unwrap();
        let bytes = |secret: &str| hex::encode(base64_of(secret));
        for secret in [&new, &hook.secret] {
            assert!(rows.iter().all(|row| !row.contains(&secret[6..]) && !row.contains(&bytes(secret))), "{table}");
        }
    }
}

fn base64_of(secret: &str) -> Vec<u8> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(&secret["whsec_".len()..]).unwrap();
    assert!((24..=64).contains(&bytes.len()));
    bytes
}
