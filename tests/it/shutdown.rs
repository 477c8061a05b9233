//! SIGTERM: what was accepted is answered, and nobody new is let in.

use std::time::{Duration, Instant};

use sqlx::{Connection, Executor};
use tokio::net::TcpStream;

use crate::harness::app::TestApp;
use crate::harness::process::Process;
use crate::harness::tenant::{fund_body, phone};
use crate::harness::until;

#[tokio::test]
async fn a_request_in_flight_is_answered_and_new_connections_are_refused() {
    let app = TestApp::with(|variables| {
        variables.insert("ROLES", "api".to_owned());
    })
    .await;
    let acme = app.tenant("acme").await;
    acme.top_up("USDC", "100").await;
    acme.customer(&phone(1)).await;
    let mut process = Process::serve(&app.variables, None).await;
    let address = process.base_url.trim_start_matches("http://").to_owned();
    let mut blocker = app.sql().await;
    let mut lock = blocker.begin().await.unwrap();
    lock.execute("lock table deposit in access exclusive mode").await.unwrap();

    let live = acme.at(&process.base_url).live;
    let asked = tokio::spawn(async move { live.post("/v1/users/fund", fund_body(&phone(1), "dep-1", "5")).await });
    until("the request waits for the lock", || async {
        let waiting =
            "select true from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
        sqlx::query_scalar::<_, bool>(waiting).fetch_optional(&mut app.sql().await).await.unwrap()
    })
    .await;
    process.terminate();
    until("new connections are refused", || async { TcpStream::connect(&address).await.is_err().then_some(()) }).await;
    assert!(!asked.is_finished());
    lock.rollback().await.unwrap();

    let answer = asked.await.unwrap();
    assert_eq!((answer.status, &answer.json["status"]), (202, &"QUEUED".into()), "{answer}");
    process.dies().await;
    assert_eq!(process.exit_code(), Some(0), "{}", process.log());
    assert_eq!(acme.deposit("dep-1").await["status"], "QUEUED");
}

#[tokio::test]
async fn an_idle_server_with_open_connections_ends_at_once() {
    let app = TestApp::new().await;
    let mut variables = app.variables.clone();
    variables.insert("ROLES", "api,worker".to_owned());
    let mut process = Process::serve(&variables, None).await;
    let address = process.base_url.trim_start_matches("http://").to_owned();
    // One that has said nothing yet, and one that is kept alive after an answer.
    let _silent = TcpStream::connect(&address).await.unwrap();
    let kept = crate::harness::actor::Actor::new(&process.base_url, &[]);
    kept.get("/version").await.expect(200);

    let asked = Instant::now();
    process.terminate();
    process.dies().await;

    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!(process.exit_code(), Some(0), "{}", process.log());
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why_in_one_line() {
    let app = TestApp::new().await;
    let mut variables = app.variables.clone();
    variables.remove("MASTER_KEY");
    let mut process = Process::spawn(&variables, None);
    process.dies().await;
    assert_eq!(process.exit_code(), Some(1));
    insta::assert_snapshot!(process.log(), @"diolkos: neither MASTER_KEY nor MASTER_KEY_FILE is set (see .env.example)");
}
