//! FAULT 3 and FAULT 5: Postgres restarts under load, connections run out, statements time out, deadlocks are reported,
//! and clocks jump.

use std::time::Duration;

use chrono::TimeDelta;
use futures::future::join_all;

use crate::harness::app::TestApp;
use crate::harness::tenant::{TestTenant, fund_body, phone};
use crate::harness::until;

/// Sends funds until each is answered with 202 or, when its answer was lost, 409.
async fn fund_until_accepted(acme: &TestTenant, deposit: &str) {
    for _ in 0..100 {
        let answer = acme.live.post("/v1/users/fund", fund_body(&phone(1), deposit, "1")).await;
        match answer.status {
            202 | 409 => return,
            500 | 503 => tokio::time::sleep(Duration::from_millis(100)).await,
            _ => panic!("{answer}"),
        }
    }
    panic!("{deposit} was never accepted");
}

#[tokio::test]
async fn fault_3_postgres_goes_away_again_and_again_under_load_and_nothing_is_lost_or_repeated() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "100").await;
    let jane = acme.customer(&phone(1)).await;
    let names: Vec<String> = (0..40).map(|index| format!("dep_{index}")).collect();

    let funds = join_all(names.iter().map(|name| fund_until_accepted(&acme, name)));
    let outages = async {
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            app.db_proxy.go_down();
            tokio::time::sleep(Duration::from_millis(200)).await;
            app.db_proxy.come_back();
        }
    };
    tokio::join!(funds, outages);

    for name in &names {
        acme.until_deposit_is(name, "SETTLED").await;
    }
    assert_eq!(app.transfers_to(jane).await, [1_000_000; 40]);
    assert_eq!(acme.balance().await, ("60.000000".to_owned(), "0.000000".to_owned()));
    app.operator().get("/admin/ledger/verify").await.expect(200);
}

#[tokio::test]
async fn fault_3_sessions_that_the_server_ends_are_replaced() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "100").await;
    let jane = acme.customer(&phone(1)).await;
    let mut sql = app.sql().await;
    for index in 0..5 {
        // As a restart or a fail-over does it: every session ends with "terminating connection".
        let all = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                   where datname = current_database() and pid <> pg_backend_pid()";
        let _: i64 = sqlx::query_scalar(all).fetch_one(&mut sql).await.unwrap();
        fund_until_accepted(&acme, &format!("dep_{index}")).await;
    }
    for index in 0..5 {
        acme.until_deposit_is(&format!("dep_{index}"), "SETTLED").await;
    }
    assert_eq!(app.transfers_to(jane).await, [1_000_000; 5]);
}

#[tokio::test]
async fn fault_3_a_pool_that_is_exhausted_sheds_and_recovers() {
    let app = TestApp::with(|variables| drop(variables.insert("DATABASE_CONNECTIONS", "8".to_owned()))).await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "100").await;
    let jane = acme.customer(&phone(1)).await;
    let names: Vec<String> = (0..60).map(|index| format!("dep_{index}")).collect();

    join_all(names.iter().map(|name| fund_until_accepted(&acme, name))).await;

    for name in &names {
        acme.until_deposit_is(name, "SETTLED").await;
    }
    assert_eq!(app.transfers_to(jane).await, [1_000_000; 60]);
}

#[tokio::test]
async fn fault_3_a_row_that_somebody_holds_makes_a_fund_a_503_and_the_next_one_goes_through() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "100").await;
    let jane = acme.customer(&phone(1)).await;
    let mut sql = app.sql().await;
    // The statement waits for the row and is ended by its time limit, or by whoever notices the deadlock.
    sqlx::query("begin").execute(&mut sql).await.unwrap();
    sqlx::query("select from ledger_account where kind = 'treasury' for update").execute(&mut sql).await.unwrap();
    let waits = acme.live.post("/v1/users/fund", fund_body(&phone(1), "dep_1", "1"));
    let canceller = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut other = app.sql().await;
        let waiting = "select count(pg_cancel_backend(pid)) from pg_stat_activity
                       where datname = current_database() and wait_event_type = 'Lock'";
        let _: i64 = sqlx::query_scalar(waiting).fetch_one(&mut other).await.unwrap();
    };
    let (answer, ()) = tokio::join!(waits, canceller);
    assert!(matches!(answer.status, 500 | 503), "{answer}");
    sqlx::query("rollback").execute(&mut sql).await.unwrap();

    fund_until_accepted(&acme, "dep_1").await;
    acme.until_deposit_is("dep_1", "SETTLED").await;
    assert_eq!(app.transfers_to(jane).await, [1_000_000]);
}

#[tokio::test]
async fn fault_5_payments_go_on_while_the_clock_of_a_process_jumps() {
    let app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "100").await;
    let jane = acme.customer(&phone(1)).await;
    let jumps = [TimeDelta::hours(7), TimeDelta::hours(-13), TimeDelta::days(400), TimeDelta::days(-700)];
    for (index, jump) in jumps.into_iter().enumerate() {
        app.app.clock.move_by(jump);
        let deposit = format!("dep_{index}");
        acme.fund(&phone(1), &deposit, "1").await.expect(202);
        // Tokens of people at the dashboard have run out by this clock, or are of the future.
        until("the deposit is settled", || async {
            let query = "select count(*) from deposit where deposit_id = $1 and status = 'SETTLED'";
            let mut sql = app.sql().await;
            let settled: i64 = sqlx::query_scalar(query).bind(&deposit).fetch_one(&mut sql).await.unwrap();
            (settled == 1).then_some(())
        })
        .await;
        // It is known by its name, whatever time it is.
        acme.fund(&phone(1), &deposit, "1").await.expect(409);
    }
    assert_eq!(app.transfers_to(jane).await, [1_000_000; 4]);
}

#[tokio::test]
async fn fault_5_a_lease_that_a_fast_clock_gave_for_years_is_taken_over() {
    let mut app = TestApp::new().await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "100").await;
    let jane = acme.customer(&phone(1)).await;
    app.stop().await;
    let mut sql = app.sql().await;
    let years = "update lane set holder = gen_random_uuid(), lease_until = now() + interval '3 years'";
    sqlx::query(years).execute(&mut sql).await.unwrap();

    app.start_again().await;

    let acme = acme.at(&app.base_url);
    acme.fund(&phone(1), "dep_1", "1").await.expect(202);
    acme.until_deposit_is("dep_1", "SETTLED").await;
    assert_eq!(app.transfers_to(jane).await, [1_000_000]);
}
