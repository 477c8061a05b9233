//! Wallets from a phone number, and what they hold.

use std::collections::HashSet;

use insta::assert_snapshot;
use serde_json::json;
use sqlx::Row;

use crate::harness::actor::{Actor, Answer};
use crate::harness::app::TestApp;
use crate::harness::rpc_proxy::Fault;
use crate::harness::tenant::{fund_body, phone};
use crate::harness::until;

const JANE: &str = "+2250700000001";
const BALANCE_OF_JANE: &str = "/v1/users/balance?phone_number=%2B2250700000001";

async fn provision(caller: &Actor, phone: &str) -> Answer {
    caller.post("/v1/users/provision", json!({"phone_number": phone})).await
}

#[tokio::test]
async fn a_phone_number_gets_one_wallet() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;

    let first = provision(&acme.live, JANE).await.expect(200).json;
    let second = provision(&acme.live, JANE).await.expect(200).json;

    assert_eq!((&first["status"], &second["status"]), (&json!("CREATED"), &json!("ALREADY_EXISTS")));
    for key in ["wallet_address", "blind_index", "created_at"] {
        assert_eq!(first[key], second[key], "{key}");
    }
    assert_eq!(first["blind_index"].as_str().unwrap().len(), 64);
    assert_ne!(provision(&acme.live, &phone(2)).await.json["wallet_address"], first["wallet_address"]);
}

#[tokio::test]
async fn of_50_provisions_at_once_one_creates_the_wallet() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;

    let calls = (0..50).map(|_| {
        let live = acme.live.clone();
        tokio::spawn(async move { provision(&live, JANE).await.expect(200).json })
    });
    let (mut addresses, mut created) = (HashSet::new(), 0);
    for call in calls.collect::<Vec<_>>() {
        let answer = call.await.unwrap();
        addresses.insert(answer["wallet_address"].to_string());
        created += usize::from(answer["status"] == "CREATED");
    }

    assert_eq!((addresses.len(), created), (1, 1));
}

#[tokio::test]
async fn tenants_and_modes_do_not_share_customers() {
    let app = TestApp::new().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);

    let mut seen = HashSet::new();
    for caller in [&acme.live, &acme.test, &globex.live, &globex.test] {
        assert_eq!(caller.get(BALANCE_OF_JANE).await.expect(404).error(), "wallet_not_provisioned");
        let answer = provision(caller, JANE).await.expect(200).json;
        assert_eq!(answer["status"], "CREATED");
        assert!(seen.insert(answer["wallet_address"].to_string()) && seen.insert(answer["blind_index"].to_string()));
    }
}

#[tokio::test]
async fn a_phone_number_is_stored_only_sealed() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    provision(&acme.live, JANE).await.expect(200);

    let query = "select row_to_json(c)::text || encode(phone_sealed, 'escape') as everything from customer c";
    let row = sqlx::query(query).fetch_one(&mut app.sql().await).await.unwrap();

    let everything: String = row.get("everything");
    assert!(!everything.contains(&JANE[1..]) && !everything.contains(&hex::encode(&JANE[1..])));
}

#[tokio::test]
async fn a_wallet_keeps_the_owner_and_the_salt_that_its_address_comes_from() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let address = acme.customer(JANE).await;

    let row = sqlx::query("select owner, salt from wallet").fetch_one(&mut app.sql().await).await.unwrap();

    let (owner, salt): (Vec<u8>, Vec<u8>) = (row.get("owner"), row.get("salt"));
    assert_eq!(owner, app.app.chain.wallets().owner().to_vec());
    assert_eq!(app.app.chain.wallets().address(salt.try_into().unwrap()), address);
}

/// FAULTS 23.
#[tokio::test]
async fn only_phone_numbers_are_provisioned() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;

    for text in [
        "",
        "+",
        "2250700000001",
        "+225 0700000001",
        "+1",
        "+99999999999999",
        "+22507000000010000000",
        "tel:+2250700000001",
        "+２２５0700000001",
        "'; drop table customer; --",
        "+2250700000001\n",
    ] {
        let answer = provision(&acme.live, text).await;
        assert_eq!((answer.status, answer.error()), (400, "invalid_phone"), "{text:?}: {answer}");
    }
    let refused = provision(&acme.live, "0700000001").await;
    assert_snapshot!(refused, @r#"400 {"error":"invalid_phone","message":"phone_number must be a phone number in E.164 form, such as +2250700000001"}"#);
    let missing = acme.live.post("/v1/users/provision", json!({})).await;
    assert_snapshot!(missing, @r#"400 {"error":"missing_field","message":"phone_number is required"}"#);
    assert_eq!(acme.live.post("/v1/users/provision", json!({"phone_number": 22507})).await.status, 400);
    assert_eq!(acme.live.post_bytes("/v1/users/provision", "text/plain", b"x".to_vec()).await.status, 415);
}

#[tokio::test]
async fn nobody_provisions_or_reads_a_balance() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;

    for caller in [app.nobody(), app.operator(), acme.dashboard] {
        assert_eq!(provision(&caller, JANE).await.status, 401);
        assert_eq!(caller.get(BALANCE_OF_JANE).await.status, 401);
    }
}

#[tokio::test]
async fn a_tenant_whose_key_cannot_be_opened_gets_a_500_that_tells_nothing() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    sqlx::query("update tenant set wrapped_key = '\\x00'").execute(&mut app.sql().await).await.unwrap();

    let answer = provision(&acme.live, JANE).await;

    assert_snapshot!(answer, @r#"500 {"error":"internal_error","message":"an unexpected error occurred; x-request-id identifies it"}"#);
}

#[tokio::test]
async fn a_repeated_request_with_its_idempotency_key_has_the_first_answer() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let once = acme.live.with("idempotency-key", "provision jane".replace(' ', "-").as_str());

    let first = provision(&once, JANE).await.expect(200);
    let second = provision(&once, JANE).await.expect(200);

    assert_eq!((second.header("idempotency-replayed"), &second.text), ("true", &first.text));
    assert_eq!(provision(&once, &phone(2)).await.expect(409).error(), "idempotency_key_reused");
}

#[tokio::test]
async fn the_balance_is_what_the_chain_says() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = acme.customer(JANE).await;

    let empty = acme.live.get(BALANCE_OF_JANE).await.expect(200).json;
    assert_eq!(empty, json!({"wallet_address": jane.to_checksum(None), "balance_usdc": "0.000000"}));

    acme.top_up("USDC", "100").await;
    acme.fund(JANE, "dep_1", "19.62").await.expect(202);
    acme.until_deposit_is("dep_1", "SETTLED").await;
    let funded = acme.live.get(BALANCE_OF_JANE).await.expect(200).json;
    assert_eq!(funded["balance_usdc"], "19.620000");
    let usdt = acme.live.get(&format!("{BALANCE_OF_JANE}&token=USDT")).await.expect(200).json;
    assert_eq!(usdt, json!({"wallet_address": jane.to_checksum(None), "balance_usdt": "0.000000"}));
}

#[tokio::test]
async fn the_balance_of_a_test_key_is_the_sum_of_its_deposits() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    provision(&acme.test, JANE).await.expect(200);

    for (id, amount) in [("a", "19.62"), ("b", "0.000010"), ("b", "5"), ("reverts", "7.000001")] {
        acme.test.post("/v1/users/fund", fund_body(JANE, id, amount)).await;
    }

    until("both deposits have settled", || async {
        let balance = acme.test.get(BALANCE_OF_JANE).await.expect(200);
        (balance.json["balance_usdc"] == "19.620010").then_some(())
    })
    .await;
    let usdt = acme.test.get(&format!("{BALANCE_OF_JANE}&token=USDT")).await.expect(200).json;
    assert_eq!(usdt["balance_usdt"], "0.000000");
}

#[tokio::test]
async fn a_balance_is_asked_for_by_phone_number() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;

    let missing = acme.live.get("/v1/users/balance").await;
    assert_snapshot!(missing, @r#"400 {"error":"missing_phone_number","message":"the parameter phone_number is required"}"#);
    // A plus that is not encoded is a blank.
    assert_eq!(
        acme.live.get("/v1/users/balance?phone_number=+2250700000001").await.expect(400).error(),
        "invalid_phone"
    );
    assert_eq!(acme.live.get(&format!("{BALANCE_OF_JANE}&token=EURC")).await.expect(400).error(), "invalid_token");
    let unknown = acme.live.get(BALANCE_OF_JANE).await;
    assert_snapshot!(unknown, @r#"404 {"error":"wallet_not_provisioned","message":"no wallet is provisioned for this phone number; call /v1/users/provision first"}"#);
}

#[tokio::test]
async fn a_chain_that_does_not_answer_is_not_an_empty_wallet() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.customer(JANE).await;
    app.rpc_proxy.next(1000, "eth_call", Fault::CutShort);

    let answer = acme.live.get(BALANCE_OF_JANE).await;

    assert_snapshot!(answer, @r#"503 {"error":"chain_unavailable","message":"the chain cannot be read at the moment; try again"}"#);
    assert_eq!(answer.header("retry-after"), "1");
    app.rpc_proxy.heal();
    acme.live.get(BALANCE_OF_JANE).await.expect(200);
}

#[tokio::test]
async fn a_chain_that_refuses_to_answer_is_a_bad_gateway() {
    let app = TestApp::with(|variables| {
        variables.insert("ROLES", "api".to_owned());
    })
    .await;
    let acme = app.tenant("acme").await;
    acme.customer(JANE).await;
    app.rpc_proxy.next(1000, "eth_call", Fault::Refuse(-32602, "invalid params"));

    let answer = acme.live.get(BALANCE_OF_JANE).await;

    assert_snapshot!(answer, @r#"502 {"error":"chain_unavailable","message":"the chain cannot be read at the moment; try again"}"#);
}
