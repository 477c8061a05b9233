//! Deposits that are asked for at the same time are decided and committed together, and are as safe as one alone.

use std::collections::BTreeMap;
use std::pin::Pin;

use futures::future::join_all;
use serde_json::json;
use sqlx::{Connection, Executor};

use crate::harness::actor::{Actor, Answer};
use crate::harness::app::TestApp;
use crate::harness::process::Process;
use crate::harness::tenant::{TestTenant, fund_body, phone};
use crate::harness::until;

const FUND: &str = "/v1/users/fund";

/// A server without workers, so that what was accepted stays as it is.
pub async fn app() -> TestApp {
    TestApp::with(|variables| drop(variables.insert("ROLES", "api".to_owned()))).await
}

async fn tenant_with(app: &TestApp, name: &str, usdc: &str) -> TestTenant {
    let tenant = app.tenant(name).await;
    tenant.top_up("USDC", usdc).await;
    tenant.customer(&phone(1)).await;
    tenant
}

pub type Call = Pin<Box<dyn Future<Output = Answer> + Send>>;

fn fund(caller: &Actor, deposit: &str, amount: &str) -> Call {
    let (caller, body) = (caller.clone(), fund_body(&phone(1), deposit, amount));
    Box::pin(async move { caller.post(FUND, body).await })
}

/// How often each status and code was answered.
fn tally(answers: &[Answer]) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for answer in answers {
        *tally.entry(format!("{} {}", answer.status, answer.error()).trim().to_owned()).or_insert(0) += 1;
    }
    tally
}

fn expected<const N: usize>(tally: [(&str, usize); N]) -> BTreeMap<String, usize> {
    tally.into_iter().map(|(word, count)| (word.to_owned(), count)).collect()
}

/// Makes these calls in one batch: one of each tenant keeps the lanes busy, because deposits cannot be stored, until all of
/// these wait. `meanwhile` is done before deposits can be stored again. The answers are in the order of the calls.
pub async fn in_one_batch(
    app: &TestApp,
    busy: Vec<Call>,
    calls: Vec<Call>,
    meanwhile: impl AsyncFnOnce(),
) -> Vec<Answer> {
    together(app, busy, calls, false, meanwhile).await
}

/// The same of one tenant, decided in the order of the calls.
pub async fn in_one_batch_in_turn(app: &TestApp, busy: Call, calls: Vec<Call>) -> Vec<Answer> {
    together(app, vec![busy], calls, true, async || {}).await
}

async fn together(
    app: &TestApp,
    busy: Vec<Call>,
    calls: Vec<Call>,
    in_turn: bool,
    meanwhile: impl AsyncFnOnce(),
) -> Vec<Answer> {
    let mut blocker = app.sql().await;
    let mut lock = blocker.begin().await.unwrap();
    lock.execute("lock table deposit in access exclusive mode").await.unwrap();
    let mut before = Vec::new();
    for (at_work, call) in (1..).zip(busy) {
        before.push(tokio::spawn(call));
        until("a lane is busy", || async { (waiting_for_locks(app).await == at_work).then_some(()) }).await;
    }
    let count = calls.len();
    let mut asked = Vec::new();
    for (place, call) in (1..).zip(calls) {
        asked.push(tokio::spawn(call));
        if in_turn {
            until("it waits", || async { (app.app.funds.waiting() == place).then_some(()) }).await;
        }
    }
    until("all wait", || async { (app.app.funds.waiting() == count).then_some(()) }).await;
    meanwhile().await;
    lock.rollback().await.unwrap();
    join_all(before).await;
    join_all(asked).await.into_iter().map(Result::unwrap).collect()
}

async fn waiting_for_locks(app: &TestApp) -> i64 {
    let waiting =
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
    sqlx::query_scalar(waiting).fetch_one(&mut app.sql().await).await.unwrap()
}

async fn books_agree(app: &TestApp) {
    let verified = app.operator().get("/admin/ledger/verify").await.expect(200).json;
    assert_eq!(verified["discrepancies"], json!([]));
}

#[tokio::test]
async fn everybody_in_a_batch_has_an_answer_of_its_own() {
    let app = app().await;
    let acme = tenant_with(&app, "acme", "101").await;
    let stranger = fund_body(&phone(9), "stranger", "1");
    let mut calls: Vec<Call> = (0..64).map(|n| fund(&acme.live, &format!("dep_{n}"), "2")).collect();
    let live = acme.live.clone();
    calls.push(Box::pin(async move { live.post(FUND, stranger).await }));
    calls.push(fund(&acme.live, "before", "1"));

    let answers = in_one_batch(&app, vec![fund(&acme.live, "before", "1")], calls, async || {}).await;

    assert_eq!(
        tally(&answers),
        expected([
            ("202", 50),
            ("402 insufficient_balance", 14),
            ("404 wallet_not_provisioned", 1),
            ("409 duplicate_deposit", 1),
        ])
    );
    for (answer, n) in answers.iter().zip(0..).filter(|(answer, _)| answer.status == 202) {
        assert_eq!(answer.json["deposit_id"], format!("dep_{n}"));
    }
    assert_eq!(acme.balance().await, ("0.000000".to_owned(), "101.000000".to_owned()));
    books_agree(&app).await;
}

/// FAULTS 20.
#[tokio::test]
async fn one_deposit_50_times_in_a_batch_happens_once() {
    let app = app().await;
    let acme = tenant_with(&app, "acme", "100").await;
    // Every other one with another amount.
    let calls = (0..50).map(|n| fund(&acme.live, "dep", if n % 2 == 0 { "1" } else { "2" })).collect();
    let answers = in_one_batch(&app, vec![fund(&acme.live, "before", "1")], calls, async || {}).await;
    assert_eq!(tally(&answers), expected([("202", 1), ("409 duplicate_deposit", 49)]));
    for refused in answers.iter().filter(|answer| answer.status == 409) {
        assert_eq!((&refused.json["deposit_id"], &refused.json["status"]), (&json!("dep"), &json!("QUEUED")));
    }
    books_agree(&app).await;
}

/// FAULTS 20.
#[tokio::test]
async fn one_idempotency_key_50_times_in_a_batch_happens_once() {
    let app = app().await;
    let acme = tenant_with(&app, "acme", "100").await;
    let keyed = acme.live.with("idempotency-key", "k");
    let mut calls: Vec<Call> = (0..50).map(|_| fund(&keyed, "dep", "1")).collect();
    calls.push(fund(&keyed, "dep", "2"));
    calls.push(fund(&acme.live.with("idempotency-key", "l"), "dep_l", "1"));
    let before = acme.live.with("idempotency-key", "before");
    let answers = in_one_batch(&app, vec![fund(&before, "before", "1")], calls, async || {}).await;
    assert_eq!(tally(&answers), expected([("202", 2), ("409 idempotency_in_progress", 50)]));
    assert!(answers.iter().filter(|a| a.status == 409).all(|answer| answer.header("retry-after") == "1"));

    // Once they are done: replayed, refused with another body, refused for what it is without a key.
    let first = answers.iter().find(|answer| answer.json["deposit_id"] == "dep").unwrap();
    let calls = vec![
        fund(&keyed, "dep", "1"),
        fund(&keyed, "dep", "2"),
        fund(&before, "before", "1"),
        fund(&acme.live, "dep", "1"),
        fund(&acme.live.with("idempotency-key", "m"), "dep_m", "1"),
    ];
    let again = in_one_batch(&app, vec![fund(&acme.live, "next", "1")], calls, async || {}).await;
    let statuses: Vec<(u16, &str)> = again.iter().map(|answer| (answer.status, answer.error())).collect();
    let refused = [(409, "idempotency_key_reused"), (409, "duplicate_deposit")];
    assert_eq!(statuses, [(202, ""), refused[0], (202, ""), refused[1], (202, "")]);
    assert_eq!((&again[0].text, again[0].header("idempotency-replayed")), (&first.text, "true"));
    assert_eq!((again[2].header("idempotency-replayed"), again[4].header("idempotency-replayed")), ("true", ""));
    assert_eq!(acme.balance().await, ("95.000000".to_owned(), "5.000000".to_owned()));
    books_agree(&app).await;
}

#[tokio::test]
async fn tenants_in_one_batch_have_nothing_to_do_with_each_other() {
    let app = app().await;
    let (acme, globex) = (tenant_with(&app, "acme", "100").await, tenant_with(&app, "globex", "10").await);
    let (initech, umbrella) = (tenant_with(&app, "initech", "1").await, tenant_with(&app, "umbrella", "1").await);
    let of = |tenant: &TestTenant| -> Vec<Call> {
        (0..20)
            .map(|n| fund(&tenant.live.with("idempotency-key", &format!("k{n}")), &format!("dep_{n}"), "1"))
            .collect()
    };
    let mut calls = of(&acme);
    calls.extend(of(&globex));
    calls.push(fund(&acme.test, "dep_0", "1"));
    let busy = vec![fund(&initech.live, "before", "1"), fund(&umbrella.live, "before", "1")];
    let answers = in_one_batch(&app, busy, calls, async || {}).await;
    assert_eq!(tally(&answers[..20]), expected([("202", 20)]));
    assert_eq!(tally(&answers[20..40]), expected([("202", 10), ("402 insufficient_balance", 10)]));
    assert_eq!(tally(&answers[40..]), expected([("404 wallet_not_provisioned", 1)]));
    assert_eq!(acme.balance().await, ("80.000000".to_owned(), "20.000000".to_owned()));
    assert_eq!(globex.balance().await, ("0.000000".to_owned(), "10.000000".to_owned()));
    let page = globex.dashboard.get("/v1/dashboard/deposits?limit=100").await.expect(200).json;
    assert_eq!(page["data"].as_array().unwrap().len(), 10);
    books_agree(&app).await;
}

/// FAULTS 2.
#[tokio::test]
async fn where_the_answer_of_a_batchs_commit_is_lost_everybody_learns_what_became_of_theirs() {
    let app = app().await;
    let acme = tenant_with(&app, "acme", "100").await;
    let calls = || (0..30).map(|n| fund(&acme.live, &format!("dep_{n}"), "1")).collect::<Vec<_>>();
    let answers = in_one_batch(&app, vec![fund(&acme.live, "before", "1")], calls(), async || {
        app.db_proxy.lose_answers_of_commits(2);
    })
    .await;
    assert_eq!(app.db_proxy.lost(), 2);
    assert_eq!(tally(&answers), expected([("503 unavailable", 30)]));
    assert!(answers.iter().all(|answer| !answer.header("retry-after").is_empty()));

    let again = join_all(calls()).await;
    assert_eq!(tally(&again), expected([("409 duplicate_deposit", 30)]));
    assert_eq!(acme.balance().await, ("69.000000".to_owned(), "31.000000".to_owned()));
    books_agree(&app).await;
}

/// FAULTS 3.
#[tokio::test]
async fn a_batch_whose_connection_breaks_before_the_commit_is_done_on_another() {
    let app = app().await;
    let acme = tenant_with(&app, "acme", "100").await;
    let calls = (0..30).map(|n| fund(&acme.live, &format!("dep_{n}"), "1")).collect();
    let answers = in_one_batch(&app, vec![fund(&acme.live, "before", "1")], calls, async || {
        let kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity
            where wait_event_type = 'Lock' and datname = current_database()";
        let url = app.services.superuser_url(&app.database);
        let mut superuser = sqlx::PgConnection::connect(&url).await.unwrap();
        let killed: i64 = sqlx::query_scalar(kill).fetch_one(&mut superuser).await.unwrap();
        assert_eq!(killed, 1);
        until("it waits again", || async { (waiting_for_locks(&app).await == 1).then_some(()) }).await;
    })
    .await;
    assert_eq!(tally(&answers), expected([("202", 30)]));
    assert_eq!(acme.deposit("before").await["status"], "QUEUED");
    assert_eq!(acme.balance().await, ("69.000000".to_owned(), "31.000000".to_owned()));
    books_agree(&app).await;
}

/// FAULTS 1.
#[tokio::test]
async fn a_process_that_dies_around_a_batchs_commit_loses_and_repeats_nothing() {
    for step in ["working", "committed"] {
        let app = app().await;
        let acme = tenant_with(&app, "acme", "100").await;
        let mut process = Process::serve(&app.variables, Some(step)).await;
        let customer = acme.at(&process.base_url).live;
        let calls = (0..40).map(|n| {
            let (caller, body) = (customer.clone(), fund_body(&phone(1), &format!("dep_{n}"), "1"));
            let body = ("application/json", body.to_string().into_bytes());
            tokio::spawn(async move { caller.try_send(reqwest::Method::POST, FUND, Some(body)).await.is_ok() })
        });
        let answered = join_all(calls.collect::<Vec<_>>()).await;
        assert!(answered.into_iter().all(|answered| !answered.unwrap()), "{step}: nobody was answered");
        process.dies().await;
        let (_, reserved) = acme.balance().await;
        assert_eq!(reserved == "0.000000", step == "working", "{step}: {reserved}");

        // Whoever was not answered sends the same again.
        let again = join_all((0..40).map(|n| fund(&acme.live, &format!("dep_{n}"), "1"))).await;
        assert!(again.iter().all(|answer| matches!(answer.status, 202 | 409)), "{step}: {:?}", tally(&again));
        assert_eq!(acme.balance().await, ("60.000000".to_owned(), "40.000000".to_owned()), "{step}");
        books_agree(&app).await;
    }
}

#[tokio::test]
async fn who_would_wait_too_long_is_shed_with_a_503_that_says_when_to_come_back() {
    let app = app().await;
    let acme = tenant_with(&app, "acme", "100").await;
    let mut blocker = app.sql().await;
    let mut lock = blocker.begin().await.unwrap();
    lock.execute("lock table deposit in access exclusive mode").await.unwrap();
    let first = tokio::spawn(fund(&acme.live, "first", "1"));
    let shed = until("load is shed", || async {
        let call = tokio::spawn(fund(&acme.live, "late", "1"));
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        match call.is_finished() {
            true => Some(call.await.unwrap()),
            false => {
                call.abort();
                None
            }
        }
    })
    .await;
    insta::assert_snapshot!(shed, @r#"503 {"error":"overloaded","message":"too many requests wait already; try again"}"#);
    assert!(shed.header("retry-after").parse::<u64>().unwrap() >= 2, "{}", shed.header("retry-after"));
    lock.rollback().await.unwrap();
    assert_eq!(first.await.unwrap().status, 202);
    acme.fund(&phone(1), "late", "1").await.expect(202);
}

/// FAULTS 20.
#[tokio::test]
async fn customers_provisioned_at_once_are_made_once() {
    let app = app().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let calls =
        (0..90).map(|n| {
            let caller = [&acme.live, &acme.test, &globex.live][n % 3].clone();
            // Three numbers, each ten times of each caller; every other one with a key.
            let number = n / 3 % 3;
            let caller = if n % 2 == 0 { caller } else { caller.with("idempotency-key", &format!("k{n}")) };
            async move {
                caller.post("/v1/users/provision", json!({"phone_number": phone(number as u32)})).await.expect(200)
            }
        });
    let answers = join_all(calls).await;
    let created = answers.iter().filter(|answer| answer.json["status"] == "CREATED").count();
    assert_eq!(created, 9);
    let mut wallets: Vec<&str> = answers.iter().map(|answer| answer.json["wallet_address"].as_str().unwrap()).collect();
    wallets.sort_unstable();
    wallets.dedup();
    assert_eq!(wallets.len(), 9);
}
