//! Deposits: from the treasury to a customer's wallet, once.

mod lists;
mod workers;

use std::collections::BTreeMap;

use alloy::primitives::Address;
use diolkos::chain;
use diolkos::foundation::{Amount, ClientKey, Mode, Phone};
use diolkos::product::funding::{self, Decision, Deposits, NewDeposit, Status};
use diolkos::product::rules::Passed;
use diolkos::product::users::Directory;
use insta::assert_snapshot;
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::harness::app::TestApp;
use crate::harness::tenant::{TestTenant, fund_body, phone};

const JANE: &str = "+2250700000001";
const LIST: &str = "/v1/dashboard/deposits";

async fn acme_with(app: &TestApp, usdc: &str) -> (TestTenant, Address) {
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", usdc).await;
    let jane = acme.customer(JANE).await;
    (acme, jane)
}

/// A server that only serves HTTP, so that a test decides what the chain says and when a worker runs.
async fn without_workers() -> TestApp {
    TestApp::with(|variables| {
        variables.insert("ROLES", "api".to_owned());
    })
    .await
}

async fn books_agree(app: &TestApp) {
    let verified = app.operator().get("/admin/ledger/verify").await.expect(200).json;
    assert_eq!(verified["discrepancies"], json!([]));
}

fn ids(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|deposit| deposit["deposit_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_deposit_is_paid_once_and_tells_its_story() {
    let app = TestApp::new().await;
    let (acme, jane) = acme_with(&app, "100").await;

    let accepted = acme.fund(JANE, "dep_1", "19.62").await.expect(202).json;
    assert_eq!((&accepted["deposit_id"], &accepted["status"]), (&json!("dep_1"), &json!("QUEUED")));
    assert_eq!(accepted["message"], "Deposit queued for on-chain settlement");

    let settled = acme.until_deposit_is("dep_1", "SETTLED").await;
    let steps: Vec<&str> =
        settled["history"].as_array().unwrap().iter().map(|s| s["status"].as_str().unwrap()).collect();
    assert_eq!(steps, ["QUEUED", "SUBMITTED", "SETTLED"]);
    let times: Vec<&str> = settled["history"].as_array().unwrap().iter().map(|s| s["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted() && settled["created_at"] == accepted["created_at"], "{settled}");
    assert_eq!(settled["stablecoin_amount"], "19.620000");
    assert_eq!(settled["local_fiat_amount"], "11000.00");
    assert_eq!(settled["wallet_address"], jane.to_checksum(None));
    assert!(settled["tx_hash"].as_str().unwrap().len() == 66 && settled["block_number"].as_u64().unwrap() > 0);
    assert_eq!(settled["failure_reason"], Value::Null);

    assert_eq!(app.transfers_to(jane).await, [19_620_000]);
    assert_eq!(acme.balance().await, ("80.380000".to_owned(), "0.000000".to_owned()));
    books_agree(&app).await;
}

#[tokio::test]
async fn a_deposit_on_its_way_is_reserved() {
    let mut app = without_workers().await;
    let (acme, jane) = acme_with(&app, "100").await;

    acme.fund(JANE, "dep_1", "19.62").await.expect(202);
    assert_eq!(acme.balance().await, ("80.380000".to_owned(), "19.620000".to_owned()));
    assert_eq!(acme.deposit("dep_1").await["status"], "QUEUED");

    app.variables.remove("ROLES");
    app.restart().await;
    let acme = acme.at(&app.base_url);
    acme.until_deposit_is("dep_1", "SETTLED").await;
    assert_eq!(acme.balance().await, ("80.380000".to_owned(), "0.000000".to_owned()));
    assert_eq!(app.transfers_to(jane).await, [19_620_000]);
    books_agree(&app).await;
}

#[tokio::test]
async fn a_deposit_that_the_token_refuses_fails_and_its_money_is_available_again() {
    let app = TestApp::new().await;
    let (acme, jane) = acme_with(&app, "100").await;
    app.services.blacklist(app.services.contracts.usdc, jane).await;

    acme.fund(JANE, "dep_1", "19.62").await.expect(202);

    let failed = acme.until_deposit_is("dep_1", "FAILED").await;
    assert_eq!(failed["failure_reason"], "Blacklistable: account is blacklisted");
    assert_eq!(acme.balance().await, ("100.000000".to_owned(), "0.000000".to_owned()));
    let again = acme.fund(JANE, "dep_1", "19.62").await;
    assert_snapshot!(again, @r#"409 {"deposit_id":"dep_1","error":"duplicate_deposit","message":"a deposit of this deposit_id exists and is FAILED","status":"FAILED"}"#);
    books_agree(&app).await;
}

#[tokio::test]
async fn a_balance_that_does_not_cover_a_deposit_is_a_402_that_says_what_to_do() {
    let app = TestApp::new().await;
    let (acme, _) = acme_with(&app, "10").await;

    let refused = acme.fund(JANE, "dep_1", "10.000001").await;
    assert_snapshot!(refused, @r#"402 {"error":"insufficient_balance","message":"the treasury balance of USDC does not cover this deposit; top up via /v1/dashboard/treasury/topup"}"#);
    let mut of_usdt = fund_body(JANE, "dep_1", "1");
    of_usdt["target_token"] = json!("USDT");
    acme.live.post("/v1/users/fund", of_usdt).await.expect(402);

    // Nothing of it remains: the same deposit can be asked for again.
    assert_eq!(acme.balance().await, ("10.000000".to_owned(), "0.000000".to_owned()));
    acme.fund(JANE, "dep_1", "10").await.expect(202);
}

#[tokio::test]
async fn a_phone_number_without_a_wallet_is_not_funded() {
    let app = TestApp::new().await;
    let (acme, _) = acme_with(&app, "10").await;

    let refused = acme.fund(&phone(2), "dep_1", "1").await;

    assert_snapshot!(refused, @r#"404 {"error":"wallet_not_provisioned","message":"no wallet is provisioned for this phone number; call /v1/users/provision first"}"#);
}

/// FAULTS 20.
#[tokio::test]
async fn a_deposit_sent_50_times_at_once_happens_once() {
    let app = TestApp::new().await;
    let (acme, jane) = acme_with(&app, "100").await;

    let calls = (0..50).map(|n| {
        let acme = acme.clone();
        // Every other one with another amount.
        let amount = if n % 2 == 0 { "1" } else { "2" };
        tokio::spawn(async move { acme.fund(JANE, "dep_1", amount).await.status })
    });
    let mut statuses = BTreeMap::new();
    for call in calls.collect::<Vec<_>>() {
        *statuses.entry(call.await.unwrap()).or_insert(0) += 1;
    }

    assert_eq!(statuses, BTreeMap::from([(202, 1), (409, 49)]));
    acme.until_deposit_is("dep_1", "SETTLED").await;
    assert_eq!(app.transfers_to(jane).await.len(), 1);
    books_agree(&app).await;
}

/// FAULTS 20.
#[tokio::test]
async fn a_simulated_deposit_sent_50_times_at_once_happens_once() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.test.post("/v1/users/provision", json!({"phone_number": JANE})).await.expect(200);

    let calls = (0..50).map(|_| {
        let caller = acme.test.clone();
        tokio::spawn(async move { caller.post("/v1/users/fund", fund_body(JANE, "dep_1", "1")).await.status })
    });
    let mut statuses = BTreeMap::new();
    for call in calls.collect::<Vec<_>>() {
        *statuses.entry(call.await.unwrap()).or_insert(0) += 1;
    }

    assert_eq!(statuses, BTreeMap::from([(202, 1), (409, 49)]));
}

/// FAULTS 21.
#[tokio::test]
async fn of_64_deposits_at_once_exactly_those_are_accepted_that_the_balance_covers() {
    let app = TestApp::new().await;
    let (acme, jane) = acme_with(&app, "70").await;

    let calls = (0..64).map(|n| {
        let acme = acme.clone();
        tokio::spawn(async move { acme.fund(JANE, &format!("dep_{n}"), "7").await.status })
    });
    let mut statuses = BTreeMap::new();
    for call in calls.collect::<Vec<_>>() {
        *statuses.entry(call.await.unwrap()).or_insert(0) += 1;
    }

    assert_eq!(statuses, BTreeMap::from([(202, 10), (402, 54)]));
    crate::harness::until("all are settled", || async {
        let page = acme.dashboard.get(&format!("{LIST}?status=SETTLED")).await.expect(200).json;
        (ids(&page).len() == 10).then_some(())
    })
    .await;
    assert_eq!(app.transfers_to(jane).await, [7_000_000; 10]);
    assert_eq!(acme.balance().await, ("0.000000".to_owned(), "0.000000".to_owned()));
    books_agree(&app).await;
}

#[tokio::test]
async fn a_test_key_moves_nothing() {
    let app = TestApp::new().await;
    let (acme, _) = acme_with(&app, "100").await;
    acme.test.post("/v1/users/provision", json!({"phone_number": JANE})).await.expect(200);

    let simulated = acme.test.post("/v1/users/fund", fund_body(JANE, "dep_1", "5000")).await.expect(202);
    assert_eq!(simulated.json["status"], "SANDBOX_SIMULATED");
    let again = acme.test.post("/v1/users/fund", fund_body(JANE, "dep_1", "5000")).await;
    assert_snapshot!(again, @r#"409 {"deposit_id":"dep_1","error":"duplicate_deposit","message":"a deposit of this deposit_id exists and is QUEUED","status":"QUEUED"}"#);

    assert_eq!(acme.balance().await, ("100.000000".to_owned(), "0.000000".to_owned()));
    for (table, rows) in [("user_op", 0_i64), ("deposit", 1), ("ledger_transfer", 1)] {
        let count = format!("select count(*) from {table}");
        let counted: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&mut app.sql().await).await.unwrap();
        assert_eq!(counted, rows, "{table}");
    }
    // A live deposit may have the same name, and neither is seen as the other.
    acme.fund(JANE, "dep_1", "1").await.expect(202);
    let live = acme.dashboard.get(LIST).await.expect(200).json;
    let test = acme.dashboard.get(&format!("{LIST}?mode=test")).await.expect(200).json;
    assert_eq!((live["data"][0]["stablecoin_amount"].as_str(), ids(&live).len()), (Some("1.000000"), 1));
    assert_eq!((test["data"][0]["stablecoin_amount"].as_str(), ids(&test).len()), (Some("5000.000000"), 1));
    let shown = acme.dashboard.get(&format!("{LIST}/dep_1?mode=test")).await.expect(200).json;
    assert_eq!(shown["history"][0]["status"], "QUEUED");
}

/// FAULTS 23.
#[tokio::test]
async fn a_request_that_makes_no_sense_is_a_400_that_names_the_field() {
    let app = TestApp::new().await;
    let (acme, _) = acme_with(&app, "100").await;

    let long = "x".repeat(129);
    for (field, value) in [
        ("phone_number", json!("0700000001")),
        ("deposit_id", json!("")),
        ("deposit_id", json!("a b")),
        ("deposit_id", json!("dép")),
        ("deposit_id", json!(long)),
        ("deposit_id", json!(7)),
        ("local_fiat_amount", json!("0")),
        ("local_fiat_amount", json!("-11000.00")),
        ("local_fiat_amount", json!("1e4")),
        ("local_fiat_amount", json!("11 000")),
        ("local_fiat_amount", json!("9".repeat(29))),
        ("stablecoin_amount", json!("0")),
        ("stablecoin_amount", json!("0.000000")),
        ("stablecoin_amount", json!("-1")),
        ("stablecoin_amount", json!("+1")),
        ("stablecoin_amount", json!("1e1")),
        ("stablecoin_amount", json!("NaN")),
        ("stablecoin_amount", json!("0.0000001")),
        ("stablecoin_amount", json!("1,5")),
        ("stablecoin_amount", json!("１")),
        ("stablecoin_amount", json!("1000000001")),
        ("stablecoin_amount", json!("9".repeat(60))),
        ("stablecoin_amount", json!(19.62)),
        ("stablecoin_amount", json!(null)),
        ("target_token", json!("EURC")),
        ("target_token", json!("usdc")),
    ] {
        let mut body = fund_body(JANE, "dep_1", "1");
        body[field] = value.clone();
        let answer = acme.live.post("/v1/users/fund", body).await;
        assert_eq!(answer.status, 400, "{field} {value}: {answer}");
        assert!(answer.json["message"].as_str().unwrap().contains(field), "{field} {value}: {answer}");

        let mut body = fund_body(JANE, "dep_1", "1");
        body.as_object_mut().unwrap().remove(field);
        let answer = acme.live.post("/v1/users/fund", body).await;
        assert_eq!((answer.status, answer.error()), (400, "missing_field"), "without {field}: {answer}");
    }
    assert_eq!(acme.balance().await, ("100.000000".to_owned(), "0.000000".to_owned()));
}

#[tokio::test]
async fn only_an_api_key_funds_and_only_a_dashboard_lists() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;

    for caller in [app.nobody(), app.operator(), acme.dashboard.clone()] {
        assert_eq!(caller.post("/v1/users/fund", fund_body(JANE, "dep_1", "1")).await.status, 401);
    }
    for caller in [app.nobody(), app.operator(), acme.live.clone()] {
        assert_eq!(caller.get(LIST).await.status, 401);
        assert_eq!(caller.get(&format!("{LIST}/dep_1")).await.status, 401);
    }
}

#[tokio::test]
async fn a_repeated_request_with_its_idempotency_key_has_the_first_answer() {
    let app = TestApp::new().await;
    let (acme, jane) = acme_with(&app, "100").await;
    let once = acme.live.with("idempotency-key", "k1");

    let first = once.post("/v1/users/fund", fund_body(JANE, "dep_1", "1")).await.expect(202);
    let second = once.post("/v1/users/fund", fund_body(JANE, "dep_1", "1")).await.expect(202);

    assert_eq!((second.header("idempotency-replayed"), &second.text), ("true", &first.text));
    acme.until_deposit_is("dep_1", "SETTLED").await;
    assert_eq!(app.transfers_to(jane).await, [1_000_000]);
}

#[tokio::test]
async fn a_deposit_of_usdt_is_paid_in_usdt() {
    let app = TestApp::new().await;
    let (acme, jane) = acme_with(&app, "10").await;
    acme.top_up("USDT", "10").await;
    diolkos::dev::contracts::mint(
        &app.services.rpc_url,
        app.services.contracts.usdt,
        app.app.chain.treasury(),
        alloy::primitives::U256::from(10_000_000),
    )
    .await
    .unwrap();
    let mut body = fund_body(JANE, "dep_1", "2.5");
    body["target_token"] = json!("USDT");

    acme.live.post("/v1/users/fund", body).await.expect(202);

    acme.until_deposit_is("dep_1", "SETTLED").await;
    let balance = app.app.chain.token_balance(app.services.contracts.usdt, jane).await.unwrap();
    assert_eq!(balance.base_units(), 2_500_000);
    assert_eq!(acme.balance().await, ("10.000000".to_owned(), "0.000000".to_owned()));
}

#[tokio::test]
async fn many_tenants_deposits_are_decided_in_one_batch_each_on_its_own() {
    let app = without_workers().await;
    let (acme, _) = acme_with(&app, "300").await;
    let globex = app.tenant("globex").await;
    globex.top_up("USDC", "100").await;
    globex.customer(JANE).await;
    acme.fund(JANE, "dep_7", "1").await.expect(202);
    let mut wanted = Vec::new();
    for (tenant, amount) in [(&acme, 1), (&globex, 1)] {
        let mut tx = app.app.db.tenant(tenant.id).begin().await.unwrap();
        let directory = Directory::new(app.app.blind_indexer.clone(), Mode::Live);
        let jane = directory.find(&mut tx, &Phone::parse(JANE).unwrap()).await.unwrap().unwrap();
        wanted.extend((0..200).map(|n| NewDeposit {
            tenant: tenant.id,
            mode: Mode::Live,
            id: uuid::Uuid::now_v7(),
            deposit_id: ClientKey::parse(&format!("dep_{n}")).unwrap(),
            customer: jane.id,
            wallet: jane.wallet,
            token: app.app.tokens.by_symbol("USDC").unwrap().clone(),
            amount: Amount::from_base_units(amount * 1_000_000).unwrap(),
            local_fiat_amount: 600.into(),
            created_at: app.app.clock.now(),
        }));
    }

    let mut tx = app.app.db.tenants(&[acme.id, globex.id]).begin().await.unwrap();
    let passed = Passed::unrestricted(&[]).unwrap();
    let decisions = Deposits::request(&mut tx, app.app.chain.treasury(), &wanted, passed).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(decisions[7], Decision::Duplicate(Status::Queued));
    assert!(decisions[..200].iter().enumerate().all(|(n, decision)| n == 7 || *decision == Decision::Accepted));
    assert!(decisions[200..300].iter().all(|decision| *decision == Decision::Accepted));
    assert!(decisions[300..].iter().all(|decision| *decision == Decision::Insufficient));
    assert_eq!(acme.balance().await, ("100.000000".to_owned(), "200.000000".to_owned()));
    assert_eq!(globex.balance().await, ("0.000000".to_owned(), "100.000000".to_owned()));
    books_agree(&app).await;
}

/// FAULTS 2.
#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_told_to_whoever_asks_again() {
    let app = without_workers().await;
    let (acme, _) = acme_with(&app, "100").await;
    let once = acme.live.with("idempotency-key", "k1");

    for (caller, id, again) in [(&acme.live, "dep_1", 409), (&once, "dep_2", 202)] {
        // Its key has just been looked up, so that the next commit is the deposit's.
        caller.get("/v1/users/balance").await.expect(400);
        app.db_proxy.lose_answers_of_commits(1);
        let lost = caller.post("/v1/users/fund", fund_body(JANE, id, "1")).await;
        assert_eq!((lost.status, lost.error()), (503, "unavailable"), "{lost}");

        let answer = caller.post("/v1/users/fund", fund_body(JANE, id, "1")).await.expect(again);
        assert_eq!((&answer.json["deposit_id"], &answer.json["status"]), (&json!(id), &json!("QUEUED")));
    }

    assert_eq!(app.db_proxy.lost(), 2);
    assert_eq!(acme.balance().await, ("98.000000".to_owned(), "2.000000".to_owned()));
    books_agree(&app).await;
}
