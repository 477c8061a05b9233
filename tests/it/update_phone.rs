//! Moving a customer to another phone number.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::harness::actor::{Actor, Answer};
use crate::harness::app::TestApp;
use crate::harness::tenant::phone;

mod kept;
mod races;
mod refusals;

const UPDATE: &str = "/v1/users/update-phone";

async fn provision(caller: &Actor, phone: &str) -> Value {
    caller.post("/v1/users/provision", json!({"phone_number": phone})).await.expect(200).json
}

async fn update(caller: &Actor, old: &str, new: &str) -> Answer {
    caller.post(UPDATE, json!({"old_phone_number": old, "new_phone_number": new})).await
}

/// The dashboard's way.
async fn update_of(caller: &Actor, blind_index: &str, new: &str) -> Answer {
    let path = format!("/v1/dashboard/users/{blind_index}/update-phone");
    caller.post(&path, json!({"new_phone_number": new})).await
}

fn index_of(wallet: &Value) -> &str {
    wallet["blind_index"].as_str().unwrap()
}

async fn changes(app: &TestApp) -> i64 {
    sqlx::query_scalar("select count(*) from phone_change").fetch_one(&mut app.sql().await).await.unwrap()
}

#[tokio::test]
async fn the_wallet_its_balance_and_its_history_move_with_the_customer() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = provision(&acme.live, &phone(1)).await;
    acme.top_up("USDC", "100").await;
    acme.fund(&phone(1), "dep_1", "19.62").await.expect(202);
    acme.until_deposit_is("dep_1", "SETTLED").await;

    let moved = update(&acme.live, &phone(1), &phone(99)).await.expect(200).json;

    assert_eq!(moved["status"], "ALREADY_EXISTS");
    for same in ["wallet_address", "created_at"] {
        assert_eq!(moved[same], jane[same]);
    }
    assert_ne!(moved["blind_index"], jane["blind_index"]);
    assert_eq!(provision(&acme.live, &phone(99)).await, moved);
    let balance = acme.live.get(&format!("/v1/users/balance?phone_number=%2B{}", &phone(99)[1..])).await.expect(200);
    assert_eq!(balance.json, json!({"wallet_address": jane["wallet_address"], "balance_usdc": "19.620000"}));
    assert_eq!(acme.deposit("dep_1").await["blind_index"], moved["blind_index"]);
    acme.fund(&phone(99), "dep_2", "1").await.expect(202);
}

#[tokio::test]
async fn the_old_number_is_free_and_gets_a_new_wallet_each_time() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    for tenant in [&acme.live, &acme.test] {
        let mut addresses = std::collections::HashSet::new();
        for round in 0..4 {
            let answer = provision(tenant, &phone(1)).await;
            assert_eq!(answer["status"], "CREATED");
            assert!(addresses.insert(answer["wallet_address"].to_string()), "an address twice");
            let moved = update(tenant, &phone(1), &phone(10 + round)).await.expect(200);
            assert_eq!(moved.json["wallet_address"], answer["wallet_address"]);
        }
        assert_eq!(update(tenant, &phone(1), &phone(50)).await.status, 404);
        // Somebody comes back, and leaves again: the next one's wallet is new all the same.
        update(tenant, &phone(10), &phone(1)).await.expect(200);
        update(tenant, &phone(1), &phone(10)).await.expect(200);
        assert!(addresses.insert(provision(tenant, &phone(1)).await["wallet_address"].to_string()));
        // A number that is only passed through has had no wallet of its own.
        assert!(addresses.insert(provision(tenant, &phone(51)).await["wallet_address"].to_string()));
    }
}

#[tokio::test]
async fn a_super_admin_moves_a_customer_from_the_dashboard() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    for (caller, number) in [(&acme.live, 2), (&acme.test, 3)] {
        let jane = provision(caller, &phone(1)).await;
        let moved = update_of(&acme.dashboard, index_of(&jane), &phone(number)).await.expect(200).json;
        assert_eq!(moved["wallet_address"], jane["wallet_address"]);
        assert_eq!(provision(caller, &phone(number)).await, moved);
        // By now the index is nobody's.
        let gone = update_of(&acme.dashboard, index_of(&jane), &phone(4)).await;
        assert_eq!(gone.expect(404).error(), "customer_not_found");
    }
    let nobody = update_of(&acme.dashboard, &"0".repeat(64), &phone(4)).await;
    assert_snapshot!(nobody, @r#"404 {"error":"customer_not_found","message":"there is no such customer"}"#);
}

#[tokio::test]
async fn only_those_who_may_change_a_number() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = provision(&acme.live, &phone(1)).await;

    for caller in [app.nobody(), app.operator(), acme.dashboard.clone()] {
        assert_eq!(update(&caller, &phone(1), &phone(2)).await.status, 401);
    }
    for caller in [app.nobody(), app.operator(), acme.live.clone()] {
        assert_eq!(update_of(&caller, index_of(&jane), &phone(2)).await.status, 401);
    }
    let clerk = update_of(&acme.clerk, index_of(&jane), &phone(2)).await;
    assert_snapshot!(clerk, @r#"403 {"error":"missing_permission","message":"only a super admin may change a phone number"}"#);
    assert_eq!(changes(&app).await, 0);
}

#[tokio::test]
async fn a_number_that_has_a_wallet_is_refused() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = provision(&acme.live, &phone(1)).await;
    provision(&acme.live, &phone(2)).await;

    let taken = update(&acme.live, &phone(1), &phone(2)).await;
    assert_snapshot!(taken, @r#"409 {"error":"phone_already_registered","message":"new_phone_number is registered to a wallet already"}"#);
    for own in
        [update(&acme.live, &phone(1), &phone(1)).await, update_of(&acme.dashboard, index_of(&jane), &phone(1)).await]
    {
        assert_eq!(own.expect(409).error(), "phone_already_registered");
    }
    // Nobody's number is not found, whatever the new one is.
    let unknown = update(&acme.live, &phone(3), &phone(2)).await;
    assert_snapshot!(unknown, @r#"404 {"error":"wallet_not_provisioned","message":"no wallet is provisioned for old_phone_number"}"#);
    assert_eq!(changes(&app).await, 0);
    assert_eq!(provision(&acme.live, &phone(1)).await["blind_index"], jane["blind_index"]);
}

#[tokio::test]
async fn a_repeated_request_with_its_idempotency_key_has_the_first_answer() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    let jane = provision(&acme.live, &phone(1)).await;
    let once = |caller: &Actor, key: &str| caller.with("idempotency-key", key);

    let first = update(&once(&acme.live, "a"), &phone(1), &phone(2)).await.expect(200);
    let second = update(&once(&acme.live, "a"), &phone(1), &phone(2)).await.expect(200);
    assert_eq!((second.header("idempotency-replayed"), &second.text), ("true", &first.text));
    assert_eq!(
        update(&once(&acme.live, "a"), &phone(1), &phone(3)).await.expect(409).error(),
        "idempotency_key_reused"
    );
    assert_eq!(update(&acme.live, &phone(1), &phone(2)).await.status, 404);

    let dashboard = once(&acme.dashboard, "b");
    let first = update_of(&dashboard, index_of(&first.json), &phone(3)).await.expect(200);
    let again = update_of(&dashboard, index_of(&second.json), &phone(3)).await.expect(200);
    assert_eq!((again.header("idempotency-replayed"), &again.text), ("true", &first.text));
    assert_eq!(first.json["wallet_address"], jane["wallet_address"]);
    assert_eq!(changes(&app).await, 2);
}
