//! `/healthz`, `/readyz`, `/version`: whether the server is well, and which part is not.

use std::time::Duration;

use insta::assert_snapshot;
use serde_json::{Value, json};
use sqlx::Executor;

use crate::harness::app::TestApp;
use crate::harness::rpc_proxy::Fault;
use crate::harness::until;

async fn until_ready(app: &TestApp) {
    until("the server is ready", || async { (app.nobody().get("/readyz").await.status == 200).then_some(()) }).await;
}

/// The parts that are not ready, as soon as this one is among them.
async fn until_not_ready(app: &TestApp, part: &str) -> String {
    let failing = until(&format!("{part} fails"), || async {
        let answer = app.nobody().get("/readyz").await;
        let parts = answer.json["parts"].as_array().unwrap().iter().filter(|part| part["ready"] == false);
        let failing: Vec<Value> = parts.cloned().collect();
        let is_one = failing.iter().any(|failing| failing["name"] == part);
        assert!(!is_one || answer.status == 503 && answer.json["status"] == "not_ready", "{answer}");
        is_one.then_some(failing)
    })
    .await;
    failing.iter().map(|part| format!("{}: {}\n", part["name"], part["reason"])).collect()
}

#[tokio::test]
async fn a_server_that_is_well_says_so() {
    let app = TestApp::new().await;
    assert_snapshot!(app.nobody().get("/healthz").await, @r#"200 {"status":"ok"}"#);
    until_ready(&app).await;
    assert_snapshot!(app.nobody().get("/readyz").await, @r#"200 {"status":"ready","parts":[{"name":"database","ready":true},{"name":"migrations","ready":true},{"name":"chain","ready":true},{"name":"lanes","ready":true}]}"#);
}

#[tokio::test]
async fn an_rpc_that_does_not_answer_is_named_and_the_server_lives() {
    let app = TestApp::new().await;
    until_ready(&app).await;
    app.rpc_proxy.next(usize::MAX, "eth_chainId", Fault::Garbage);
    let failing = until_not_ready(&app, "chain").await;
    assert!(failing.starts_with("\"chain\": \"no RPC endpoint answers\"\n"), "{failing}");
    app.nobody().get("/healthz").await.expect(200);
    app.rpc_proxy.heal();
    until_ready(&app).await;
}

#[tokio::test]
async fn an_rpc_that_hangs_is_given_up_on() {
    let app = TestApp::with(|variables| {
        variables.insert("RPC_TIMEOUT_MS", "60000".to_owned());
    })
    .await;
    until_ready(&app).await;
    app.rpc_proxy.next(usize::MAX, "eth_chainId", Fault::DoAndHang);
    assert_snapshot!(until_not_ready(&app, "chain").await, @r#""chain": "no answer within two seconds""#);
}

#[tokio::test]
async fn an_rpc_of_another_chain_is_named() {
    let app = TestApp::new().await;
    until_ready(&app).await;
    app.rpc_proxy.next(usize::MAX, "eth_chainId", Fault::Answer(json!("0x1")));
    let failing = until_not_ready(&app, "chain").await;
    assert!(failing.starts_with("\"chain\": \"the RPC serves chain 1, not chain 137\"\n"), "{failing}");
}

#[tokio::test]
async fn a_database_that_is_gone_is_named_and_its_return_noticed() {
    let app = TestApp::new().await;
    until_ready(&app).await;
    app.db_proxy.go_down();

    let failing = until_not_ready(&app, "database").await;
    assert!(failing.contains("\"database\": "), "{failing}");
    app.nobody().get("/healthz").await.expect(200);
    let refused = app.operator().get("/admin/tenants").await;
    assert_snapshot!(refused, @r#"503 {"error":"unavailable","message":"the service cannot answer at the moment; try again"}"#);
    assert!(!refused.header("retry-after").is_empty());

    app.db_proxy.come_back();
    until_ready(&app).await;
}

#[tokio::test]
async fn a_migration_that_is_missing_is_named() {
    let app = TestApp::new().await;
    until_ready(&app).await;
    let newest = "delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)";
    app.sql().await.execute(newest).await.unwrap();
    assert_snapshot!(until_not_ready(&app, "migrations").await, @r#""migrations": "1 migrations are pending; run `diolkos migrate`""#);
    // More than this binary knows is fine: a newer one has migrated.
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
        select version, 'x', true, '', 0 from generate_series(1, 9999) version on conflict do nothing";
    app.sql().await.execute(newer).await.unwrap();
    until_ready(&app).await;
}

#[tokio::test]
async fn lanes_that_nobody_holds_are_named() {
    let app = TestApp::with(|variables| {
        variables.insert("ROLES", "api".to_owned());
    })
    .await;
    assert_snapshot!(until_not_ready(&app, "lanes").await, @r#""lanes": "no worker holds a lane""#);
    app.nobody().get("/healthz").await.expect(200);
}

#[tokio::test]
async fn the_version_says_what_runs() {
    let app = TestApp::new().await;
    let version = app.nobody().get("/version").await.expect(200).json;
    assert_eq!((&version["name"], &version["version"]), (&json!("diolkos"), &json!(env!("CARGO_PKG_VERSION"))));
    assert!(version.get("commit").is_some());
    let slow = tokio::time::timeout(Duration::from_secs(5), app.nobody().get("/healthz")).await;
    assert_eq!(slow.unwrap().status, 200);
}
