//! `diolkos serve --roles`: three processes, each with one role, are one server.

use std::process::Command;

use alloy::primitives::Address;
use serde_json::json;

use crate::harness::actor::Actor;
use crate::harness::app::TestApp;
use crate::harness::outsider::Outsider;
use crate::harness::process::Process;
use crate::harness::tenant::phone;
use crate::harness::until;

/// A process's parts that are ready, in order; waits until all are.
async fn ready_parts(process: &Process) -> Vec<String> {
    let nobody = Actor::new(&process.base_url, &[]);
    until("the process is ready", || async {
        let answer = nobody.get("/readyz").await;
        let parts = answer.json["parts"].as_array()?;
        (answer.status == 200).then(|| parts.iter().map(|part| part["name"].as_str().unwrap().to_owned()).collect())
    })
    .await
}

#[tokio::test]
async fn three_processes_with_one_role_each_bring_a_deposit_to_settled_and_see_what_others_send() {
    // Its own server only helps to set the tenant up.
    let app = TestApp::with(|variables| {
        variables.insert("ROLES", "api".to_owned());
    })
    .await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "1000").await;
    let api = Process::with_roles(&app.variables, "api").await;
    let worker = Process::with_roles(&app.variables, "worker").await;
    let indexer = Process::with_roles(&app.variables, "indexer").await;
    assert_eq!(ready_parts(&worker).await, ["database", "migrations", "chain", "lanes"]);
    assert_eq!(ready_parts(&indexer).await, ["database", "migrations", "chain", "indexer"]);
    assert_eq!(ready_parts(&api).await, ["database", "migrations", "chain", "lanes"]);
    let operator = |process: &Process| Actor::bearer(&process.base_url, &app.variables["OPERATOR_TOKEN"]);
    let agrees = operator(&api).get("/admin/reconcile").await.expect(200).json;
    assert_eq!(agrees["ok"], true, "{agrees}");

    let acme = acme.at(&api.base_url);
    let jane: Address = acme.customer(&phone(1)).await;
    acme.fund(&phone(1), "dep_1", "19.62").await.expect(202);
    acme.until_deposit_is("dep_1", "SETTLED").await;
    let outsider = Outsider::on(app.services, &app.services.rpc_url).await;
    outsider.send(&outsider.transfer(0, app.services.contracts.usdc, jane, 380_000)).await;

    let blind_index =
        acme.dashboard.get("/v1/dashboard/users").await.expect(200).json["data"][0]["blind_index"].clone();
    let profile = until("the outsider's transfer is in the history", || async {
        let path = format!("/v1/dashboard/users/{}", blind_index.as_str().unwrap());
        let profile = acme.dashboard.get(&path).await.expect(200).json;
        (profile["history"].as_array().unwrap().len() == 2 && profile["balances"][0]["balance"] == "20.000000")
            .then_some(profile)
    })
    .await;
    let of = |field: &str| [0, 1].map(|place| profile["history"][place][field].clone());
    let mut kinds = of("kind");
    kinds.sort_by_key(ToString::to_string);
    assert_eq!(kinds, [json!("deposit"), json!("received")], "our own transfer is told once: {profile}");
    assert_eq!(of("status"), [json!("SETTLED"), json!("SETTLED")]);

    // Each process tells of its own work, and only one of them serves callers.
    for (process, gauge) in [(&worker, "diolkos_lane_gas_balance"), (&indexer, "diolkos_indexer_head")] {
        let metrics = Actor::new(&process.base_url, &[]).get("/metrics").await.expect(200).text;
        assert!(metrics.contains(gauge), "{metrics}");
        acme.at(&process.base_url).live.get("/v1/users/balance?phone_number=%2B2250700000001").await.expect(404);
    }
    let agrees = operator(&api).get("/admin/reconcile").await.expect(200).json;
    assert_eq!(agrees["ok"], true, "{agrees}");
    // The worker has done so by itself, and tells.
    until("the worker's metrics tell of a reconciliation", || async {
        let metrics = Actor::new(&worker.base_url, &[]).get("/metrics").await.expect(200).text;
        let lines: Vec<&str> = metrics.lines().filter(|line| line.starts_with("diolkos_")).collect();
        let job = lines.iter().any(|line| {
            line.starts_with("diolkos_job_attempts_total") && line.contains("reconcile") && line.contains("done")
        });
        (job && lines.contains(&"diolkos_reconciliation_differences 0")).then_some(())
    })
    .await;
}

#[test]
fn a_role_that_there_is_not_is_refused() {
    let refused = Command::new(env!("CARGO_BIN_EXE_diolkos")).args(["serve", "--roles", "api,boss"]).output().unwrap();
    let words = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && words.contains("'boss'") && words.contains("indexer"), "{words}");
}

/// The indexer dies as by `kill -9` before or after it has stored what it read; another one loses and repeats nothing.
async fn dies_at(step: &str) {
    let app = TestApp::with(|variables| {
        variables.insert("ROLES", "api,worker".to_owned());
    })
    .await;
    let acme = app.tenant("acme").await;
    let jane: Address = acme.customer(&phone(1)).await;
    let outsider = Outsider::on(app.services, &app.services.rpc_url).await;
    // One begins, so that there is a checkpoint; the next one dies in the middle.
    let mut variables = app.variables.clone();
    variables.insert("ROLES", "indexer".to_owned());
    let mut first = Process::serve(&variables, None).await;
    ready_parts(&first).await;
    first.kill();
    outsider.send(&outsider.transfer(0, app.services.contracts.usdc, jane, 1_000_000)).await;
    Process::spawn(&variables, Some(step)).dies().await;
    outsider.send(&outsider.transfer(1, app.services.contracts.usdc, jane, 2_000_000)).await;

    let _second = Process::serve(&variables, None).await;

    let users = acme.dashboard.get("/v1/dashboard/users").await.expect(200).json;
    let path = format!("/v1/dashboard/users/{}", users["data"][0]["blind_index"].as_str().unwrap());
    let profile = until("both are in the history", || async {
        let profile = acme.dashboard.get(&path).await.expect(200).json;
        (profile["history"].as_array().unwrap().len() >= 2).then_some(profile)
    })
    .await;
    let history = profile["history"].as_array().unwrap();
    let told: Vec<_> = history.iter().map(|movement| movement["amount"].as_str().unwrap()).collect();
    assert_eq!(told, ["2.000000", "1.000000"], "{profile}");
}

#[tokio::test]
async fn fault_1_an_indexer_that_dies_after_it_has_read_blocks_loses_and_repeats_nothing() {
    dies_at("blocks_read").await;
}

#[tokio::test]
async fn fault_1_an_indexer_that_dies_after_it_has_stored_blocks_loses_and_repeats_nothing() {
    dies_at("blocks_entered").await;
}
