//! Reconciliation finds what parts, and says the first block and the record.

use std::process::Command;

use alloy::primitives::U256;
use diolkos::dev::anvil::{Anvil, AnvilOptions};
use diolkos::dev::contracts;
use serde_json::{Value, json};

use crate::harness::app::{TestApp, Variables};
use crate::harness::outsider::{Outsider, reorg};
use crate::harness::tenant::{TestTenant, phone};
use crate::harness::until;

async fn reconcile(app: &TestApp, query: &str) -> Value {
    app.operator().get(&format!("/admin/reconcile{query}")).await.expect(200).json
}

/// What `diolkos reconcile` says, and its exit status.
async fn command(variables: &Variables, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diolkos"));
    command.arg("reconcile").args(arguments).env_clear().env("RUST_LOG", "off").envs(variables);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let words = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code(), words)
}

async fn acme(app: &TestApp) -> TestTenant {
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "1000").await;
    acme.customer(&phone(1)).await;
    acme
}

/// Waits until reconciliation has begun: what the indexer has is final.
async fn begun(app: &TestApp) -> Value {
    until("reconciliation has begun", || async {
        let report = reconcile(app, "").await;
        (report["ok"] == true && report["block"].is_u64()).then_some(report)
    })
    .await
}

/// Waits until a run compares blocks up to this one at least.
async fn up_to(app: &TestApp, block: u64, query: &str) -> Value {
    until("reconciliation has got to the block", || async {
        let report = reconcile(app, query).await;
        (report["block"].as_u64()? >= block).then_some(report)
    })
    .await
}

#[tokio::test]
async fn what_agrees_agrees_while_payments_are_under_way_and_whoever_adds_to_the_treasury() {
    let app = TestApp::indexed().await;
    let acme = acme(&app).await;
    let first = begun(&app).await;
    assert_eq!(first["tenants"], 1);
    assert_eq!(first["tokens"][0], json!({"token": "USDC", "on_chain": "1000000.000000", "owed": "1000.000000"}));

    let mut deposits = Vec::new();
    for index in 0..12 {
        let name = format!("dep_{index}");
        acme.fund(&phone(1), &name, "1.50").await.expect(202);
        let report = reconcile(&app, "").await;
        assert_eq!(report["ok"], true, "{report}");
        deposits.push(name);
    }
    let outsider = Outsider::on(app.services, &app.services.rpc_url).await;
    let usdc = app.services.contracts.usdc;
    outsider.send(&outsider.transfer(0, usdc, app.app.chain.treasury(), 7)).await;
    let mut last = 0;
    for name in &deposits {
        last = last.max(acme.until_deposit_is(name, "SETTLED").await["block_number"].as_u64().unwrap());
    }
    for query in ["", "?full=true"] {
        let report = up_to(&app, last, query).await;
        assert_eq!(report["ok"], true, "{report}");
    }
    let report = until("the outsider's gift is final", || async {
        let report = reconcile(&app, "?full=true").await;
        (report["tokens"][0]["on_chain"] == "999982.000007").then_some(report)
    })
    .await;
    assert_eq!((&report["ok"], &report["full"]), (&json!(true), &json!(true)));
    assert_eq!(report["tokens"][0]["owed"], "982.000000");

    let (status, words) = command(&app.variables, &["--full"]).await;
    assert_eq!(status, Some(0), "{words}");
    assert!(words.contains("0 differences"), "{words}");
    acme.dashboard.get("/admin/reconcile").await.expect(401);
    app.operator().get("/admin/reconcile?full=perhaps").await.expect(400);
}

#[tokio::test]
async fn an_operation_that_is_not_the_transfer_it_names_is_found_with_its_block() {
    let app = TestApp::indexed().await;
    let acme = acme(&app).await;
    begun(&app).await;
    acme.fund(&phone(1), "dep_1", "5.00").await.expect(202);
    let block = acme.until_deposit_is("dep_1", "SETTLED").await["block_number"].as_u64().unwrap();
    up_to(&app, block, "").await;

    let mut sql = app.sql().await;
    let tamper = "update chain_op set log_index = log_index + 1 where reference = 'dep_1' returning id";
    let id: uuid::Uuid = sqlx::query_scalar(tamper).fetch_one(&mut sql).await.unwrap();

    // Everything agreed since: only a full run looks there again.
    assert_eq!(up_to(&app, block, "").await["ok"], true);
    let report = up_to(&app, block, "?full=true").await;
    assert_eq!(report["ok"], false);
    let first = &report["differences"][0];
    assert_eq!((&first["block"], &first["record"]), (&json!(block), &json!(format!("operation {id}"))), "{report}");
    assert_eq!(first["tenant"], acme.id.to_string());
    let of_treasury = report["differences"]
        .as_array()
        .unwrap()
        .iter()
        .any(|difference| difference["what"].as_str().unwrap().contains("no operation asked for it"));
    assert!(of_treasury, "and its transfer is nobody's: {report}");

    let (status, words) = command(&app.variables, &["--full"]).await;
    assert_eq!(status, Some(1), "{words}");
    assert!(words.contains(&format!("block {block}: operation {id}")), "{words}");
}

#[tokio::test]
async fn what_the_ledger_owes_and_the_treasury_does_not_hold_is_found() {
    let app = TestApp::indexed().await;
    let acme = acme(&app).await;
    begun(&app).await;
    // Confirmed, though no tokens came.
    acme.top_up("USDC", "2000000").await;
    let report = reconcile(&app, "").await;
    assert_eq!(report["ok"], false);
    let what = report["differences"][0]["what"].as_str().unwrap();
    assert!(what.ends_with("1001000000000 are missing"), "{report}");
    assert_eq!(report["tokens"][0]["owed"], "2001000.000000");
}

#[tokio::test]
async fn what_leaves_the_treasury_unasked_is_found() {
    let app = TestApp::indexed().await;
    let _acme = acme(&app).await;
    begun(&app).await;
    let rpc_url = &app.services.rpc_url;
    contracts::give_native(rpc_url, app.app.chain.treasury(), U256::from(10).pow(U256::from(18))).await.unwrap();
    let thief = Outsider::with_key(app.variables["TREASURY_KEY"].parse().unwrap(), rpc_url);
    let nonce = app.rpc().nonce(thief.address(), alloy::eips::BlockNumberOrTag::Latest).await.unwrap();
    let raw = thief.transfer(nonce, app.services.contracts.usdc, crate::harness::engine::stranger(), 1_000_000);
    let block = thief.send(&raw).await;

    let report = up_to(&app, block, "").await;
    assert_eq!(report["ok"], false);
    let first = &report["differences"][0];
    assert_eq!(first["block"], json!(block), "{report}");
    // Other tests' transactions may be in the block before it.
    let record = format!("transaction {} log ", alloy::primitives::keccak256(&raw));
    assert!(first["record"].as_str().unwrap().starts_with(&record), "{report}");
}

#[tokio::test]
async fn fault_14_a_reorg_deeper_than_final_that_drops_a_settled_payment_is_found_with_block_and_record() {
    let options = AnvilOptions { block_time: 0.25, past_states: 300, ..Default::default() };
    let anvil = Anvil::start(options).await.unwrap();
    contracts::deploy(&anvil.url()).await.unwrap();
    let app = TestApp::with(|variables| {
        variables.insert("RPC_URLS", anvil.url());
        variables.insert("ROLES", "api,worker,indexer".to_owned());
        variables.insert("CONFIRMATIONS", "2".to_owned());
    })
    .await;
    let (treasury, lane) = (app.app.chain.treasury(), app.app.chain.settings().lanes[0].address());
    app.services.fund(&anvil.url(), treasury, lane).await;
    let acme = acme(&app).await;
    begun(&app).await;
    // What came before stays: only the payment's blocks are replaced.
    acme.fund(&phone(1), "dep_0", "1.00").await.expect(202);
    let before = acme.until_deposit_is("dep_0", "SETTLED").await["block_number"].as_u64().unwrap();
    up_to(&app, before, "").await;
    let rpc = app.app.chain.rpc();
    until("blocks lie between", || async { (rpc.head().await.ok()?.number > before + 12).then_some(()) }).await;
    acme.fund(&phone(1), "dep_1", "5.00").await.expect(202);
    let block = acme.until_deposit_is("dep_1", "SETTLED").await["block_number"].as_u64().unwrap();
    assert_eq!(up_to(&app, block, "").await["ok"], true);

    let head = rpc.head().await.unwrap().number;
    reorg(&anvil.url(), head - block + 3, &[]).await;

    let report = until("it is found", || async {
        let report = reconcile(&app, "").await;
        (report["ok"] == false && report["block"].as_u64()? >= block).then_some(report)
    })
    .await;
    let mut sql = app.sql().await;
    let query = "select id from chain_op where reference = 'dep_1'";
    let id: uuid::Uuid = sqlx::query_scalar(query).fetch_one(&mut sql).await.unwrap();
    let first = &report["differences"][0];
    assert_eq!((&first["block"], &first["record"]), (&json!(block), &json!(format!("operation {id}"))), "{report}");
    assert_eq!(acme.deposit("dep_1").await["status"], "SETTLED", "what was final never changes");
    assert_eq!(acme.deposit("dep_0").await["status"], "SETTLED");
    anvil.stop().await.unwrap();
}
