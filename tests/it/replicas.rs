//! Several processes on one database: one dies, one hangs and wakes up, one's lane is wedged. FAULT 4 with real processes.

use std::sync::Arc;
use std::time::Duration;

use diolkos::chain::Chain;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::harness::app::{TestApp, Variables};
use crate::harness::engine::{TestEngine, stranger};
use crate::harness::process::Process;
use crate::harness::rpc_proxy::Fault;
use crate::harness::tenant::{TestTenant, phone};
use crate::harness::until;
use crate::lanes::new_lane;

/// How long a lane is held without being renewed in these tests.
const LEASE_SECONDS: u64 = 3;

/// An API, and the variables of workers beside it.
async fn apart() -> (TestApp, TestTenant, Variables) {
    let app = TestApp::with(|variables| drop(variables.insert("ROLES", "api".to_owned()))).await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "1000").await;
    let mut variables = app.variables.clone();
    variables.insert("ROLES", "worker".to_owned());
    variables.insert("LANE_LEASE_SECONDS", LEASE_SECONDS.to_string());
    (app, acme, variables)
}

/// Who holds the only lane.
async fn holder(app: &TestApp) -> uuid::Uuid {
    until("a process holds the lane", || async {
        let query = "select holder from lane where lease_until > clock_timestamp()";
        sqlx::query_scalar(query).fetch_optional(&mut app.sql().await).await.unwrap()
    })
    .await
}

#[tokio::test]
async fn fault_4_a_worker_that_is_stopped_past_its_lease_wakes_up_fenced() {
    let (app, acme, variables) = apart().await;
    let jane = acme.customer(&phone(1)).await;
    let first = Process::spawn(&variables, None);
    let before = holder(&app).await;
    acme.fund(&phone(1), "dep_1", "1").await.expect(202);
    acme.until_deposit_is("dep_1", "SETTLED").await;
    let _second = Process::spawn(&variables, None);
    acme.fund(&phone(1), "dep_2", "2").await.expect(202);

    first.signal("STOP");

    until("the other process has the lane", || async { (holder(&app).await != before).then_some(()) }).await;
    acme.until_deposit_is("dep_2", "SETTLED").await;
    acme.fund(&phone(1), "dep_3", "3").await.expect(202);
    first.signal("CONT");
    acme.fund(&phone(1), "dep_4", "4").await.expect(202);
    for deposit in ["dep_3", "dep_4"] {
        acme.until_deposit_is(deposit, "SETTLED").await;
    }
    let mut amounts = app.transfers_to(jane).await;
    amounts.sort_unstable();
    assert_eq!(amounts, [1_000_000, 2_000_000, 3_000_000, 4_000_000]);
    assert_ne!(holder(&app).await, before, "who was fenced has taken the lane back from one who is well");
}

#[tokio::test]
async fn a_worker_that_is_stopped_with_its_lane_locked_keeps_nobody_waiting() {
    let (app, acme, mut variables) = apart().await;
    let jane = acme.customer(&phone(1)).await;
    variables.insert("STOP_AT", "lane_locked".to_owned());
    let first = Process::spawn(&variables, None);
    let before = holder(&app).await;
    variables.remove("STOP_AT");
    let _second = Process::spawn(&variables, None);
    acme.fund(&phone(1), "dep_1", "1").await.expect(202);

    acme.until_deposit_is("dep_1", "SETTLED").await;

    assert_ne!(holder(&app).await, before);
    first.signal("CONT");
    acme.fund(&phone(1), "dep_2", "2").await.expect(202);
    acme.until_deposit_is("dep_2", "SETTLED").await;
    let mut amounts = app.transfers_to(jane).await;
    amounts.sort_unstable();
    assert_eq!(amounts, [1_000_000, 2_000_000]);
}

#[tokio::test]
async fn an_api_that_is_stopped_in_the_middle_of_a_deposit_does_not_keep_the_tenants_others_waiting() {
    let app = TestApp::with(|variables| drop(variables.insert("ROLES", "api".to_owned()))).await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "1000").await;
    acme.customer(&phone(1)).await;
    let mut variables = app.variables.clone();
    variables.insert("STOP_AT", "working".to_owned());
    let hung = Process::serve(&variables, None).await;
    let there = acme.at(&hung.base_url);
    let first = tokio::spawn(async move { there.fund(&phone(1), "dep_1", "1").await.status });
    // With the tenant's account locked.
    hung.stops().await;

    acme.fund(&phone(1), "dep_2", "2").await.expect(202);

    hung.signal("CONT");
    let status = first.await.unwrap();
    let known = acme.dashboard.get("/v1/dashboard/deposits/dep_1").await.status;
    assert!(matches!((status, known), (202, 200) | (503, 404)), "answered with {status}, is known by {known}");
    acme.fund(&phone(1), "dep_1", "1").await.expect(202);
    assert_eq!(acme.balance().await, ("997.000000".to_owned(), "3.000000".to_owned()));
}

#[tokio::test]
async fn a_worker_that_is_killed_is_replaced_within_one_lease() {
    let (app, acme, variables) = apart().await;
    let jane = acme.customer(&phone(1)).await;
    let mut first = Process::spawn(&variables, None);
    let before = holder(&app).await;
    let _second = Process::spawn(&variables, None);
    acme.fund(&phone(1), "dep_1", "1").await.expect(202);
    acme.until_deposit_is("dep_1", "SETTLED").await;

    first.kill();

    let mut sql = app.sql().await;
    let lapses = "select extract(epoch from lease_until - clock_timestamp())::float8 from lane";
    let left: f64 = sqlx::query_scalar(lapses).fetch_one(&mut sql).await.unwrap();
    assert!(left <= LEASE_SECONDS as f64, "the lane is held for {left} seconds more");
    until("the other process has the lane", || async { (holder(&app).await != before).then_some(()) }).await;
    acme.fund(&phone(1), "dep_2", "2").await.expect(202);
    acme.until_deposit_is("dep_2", "SETTLED").await;
    assert_eq!(app.transfers_to(jane).await, [1_000_000, 2_000_000]);
}

#[tokio::test]
async fn what_a_wedged_lane_has_on_board_another_carries_too_and_each_is_executed_once() {
    let engine = TestEngine::stopped(|_| {}).await;
    let mut settings = engine.settings.clone();
    settings.lanes.push(Arc::new(new_lane(&engine).await));
    let stop = CancellationToken::new();
    let work = tokio::spawn(Chain::new(engine.db.clone(), settings).work(stop.clone()));
    let warm = engine.pay(&[(stranger(), 1)]).await;
    engine.ended(&warm).await;

    // A node takes what a lane sends, and forgets it.
    engine.proxy.next(usize::MAX, "eth_sendRawTransaction", Fault::Answer(json!(format!("0x{}", "7".repeat(64)))));
    let recipients: Vec<_> = (0..20).map(|_| stranger()).collect();
    let payments: Vec<_> = recipients.iter().map(|to| (*to, 7)).collect();
    let operations = engine.pay(&payments).await;
    until("both lanes carry the same user operation", || async {
        let query =
            "select count(*) from (select unnest(user_ops) as id, lane from bundle where state <> 'done') carried
                     group by id having count(distinct lane) = 2";
        let both: Option<i64> = sqlx::query_scalar(query).fetch_optional(&mut engine.sql().await).await.unwrap();
        both.map(drop)
    })
    .await;
    engine.proxy.heal();

    assert!(engine.ended(&operations).await.iter().all(|state| state == "succeeded"));
    until("both lanes have come to rest", || async {
        let query = "select count(*) from bundle where state <> 'done'";
        let alive: i64 = sqlx::query_scalar(query).fetch_one(&mut engine.sql().await).await.unwrap();
        (alive == 0).then_some(())
    })
    .await;
    for recipient in recipients {
        assert_eq!(engine.transfers_to(recipient).await, [7]);
    }
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(20), work).await.unwrap().unwrap().unwrap();
}
