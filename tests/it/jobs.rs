//! Background jobs: at least once, later each time, dead in the end, and once a period.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use diolkos::db::Db;
use diolkos::foundation::TenantId;
use diolkos::jobs::{Failure, Job, Jobs, Listed, Retry, Status};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::harness;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Greet {
    name: String,
}

impl Job for Greet {
    const KIND: &'static str = "greet";
    const ATTEMPTS: i32 = 2;
}

fn greet(name: &str) -> Greet {
    Greet { name: name.to_owned() }
}

async fn enqueue(db: &Db, job: &Greet) {
    let mut tx = db.engine().await.expect("a transaction");
    Jobs::enqueue(&mut tx, job).await.expect("a stored job");
    tx.commit().await.expect("a commit");
}

async fn listed(db: &Db, status: Option<Status>) -> Vec<Listed> {
    let mut jobs = Jobs::list(db, status, 100, None).await.expect("jobs").data;
    jobs.retain(|job| job.kind == Greet::KIND);
    jobs
}

async fn until_one_is(db: &Db, status: Status) -> Listed {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(job) = listed(db, Some(status)).await.pop() {
            return job;
        }
        assert!(Instant::now() < deadline, "no job became {status:?}: {:?}", listed(db, None).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn retry(db: &Db, id: Uuid) -> Retry {
    let mut tx = db.tenant(TenantId::OPERATOR).begin().await.expect("a transaction");
    let answer = Jobs::retry(&mut tx, id).await.expect("an answer");
    tx.commit().await.expect("a commit");
    answer
}

async fn execute(db: &Db, sql: &'static str) {
    let mut tx = db.engine().await.expect("a transaction");
    sqlx::query(sql).execute(&mut *tx).await.expect("a statement");
    tx.commit().await.expect("a commit");
}

/// A process that runs jobs.
struct Process {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Process {
    fn start(jobs: Jobs) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(jobs.run(stop.clone()));
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("an orderly end");
    }
}

fn counting(db: &Db, fails_times: u32) -> (Jobs, Arc<AtomicU32>) {
    let runs = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&runs);
    let jobs = Jobs::new(db.clone()).handle(move |job: Greet| {
        let run = counter.fetch_add(1, Ordering::SeqCst);
        async move {
            match job.name.as_str() {
                "panic" => panic!("on purpose"),
                "never" => Err(Failure::Lasting("nobody of that name".to_owned())),
                _ if run < fails_times => Err(std::io::Error::other("not at home").into()),
                _ => Ok(()),
            }
        }
    });
    (jobs, runs)
}

#[tokio::test]
async fn a_job_runs_when_its_transaction_is_committed_and_not_otherwise() {
    let db = harness::database().await;
    let (jobs, runs) = counting(&db, 0);
    let process = Process::start(jobs);

    let mut tx = db.engine().await.expect("a transaction");
    Jobs::enqueue(&mut tx, &greet("nobody")).await.expect("a stored job");
    drop(tx);
    enqueue(&db, &greet("jane")).await;

    let job = until_one_is(&db, Status::Done).await;
    assert_eq!((job.payload, job.attempts), (serde_json::json!({"name": "jane"}), 1));
    assert_eq!(listed(&db, None).await.len(), 1);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    process.stop().await;
}

#[tokio::test]
async fn a_job_that_fails_waits_and_runs_again() {
    let db = harness::database().await;
    let (jobs, runs) = counting(&db, 1);
    let process = Process::start(jobs);
    enqueue(&db, &greet("jane")).await;

    let waiting = loop {
        let job = until_one_is(&db, Status::Waiting).await;
        if job.attempts == 1 {
            break job;
        }
    };
    assert_eq!(waiting.last_error.as_deref(), Some("not at home"));
    assert!(waiting.due_at > waiting.created_at + Duration::from_millis(900));

    let done = until_one_is(&db, Status::Done).await;
    assert_eq!((done.attempts, done.last_error), (2, None));
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    process.stop().await;
}

#[tokio::test]
async fn a_dead_job_keeps_its_last_error_and_can_be_retried() {
    let db = harness::database().await;
    let (jobs, runs) = counting(&db, 2);
    let process = Process::start(jobs);
    enqueue(&db, &greet("jane")).await;

    let dead = until_one_is(&db, Status::Dead).await;
    assert_eq!((dead.attempts, dead.last_error.as_deref()), (2, Some("not at home")));
    assert_eq!(retry(&db, dead.id).await, Retry::Waiting);

    let done = until_one_is(&db, Status::Done).await;
    assert_eq!((done.attempts, runs.load(Ordering::SeqCst)), (1, 3));
    assert_eq!(retry(&db, dead.id).await, Retry::NotDead(Status::Done));
    assert_eq!(retry(&db, Uuid::now_v7()).await, Retry::Unknown);
    process.stop().await;
}

#[tokio::test]
async fn a_lasting_failure_is_not_tried_again() {
    let db = harness::database().await;
    let (jobs, _) = counting(&db, 0);
    let process = Process::start(jobs);

    enqueue(&db, &greet("never")).await;

    let dead = until_one_is(&db, Status::Dead).await;
    assert_eq!((dead.attempts, dead.last_error.as_deref()), (1, Some("nobody of that name")));
    process.stop().await;
}

#[tokio::test]
async fn a_broken_payload_is_dead_at_once() {
    let db = harness::database().await;
    let (jobs, runs) = counting(&db, 0);
    execute(
        &db,
        "insert into job (id, kind, payload, max_attempts, lease_seconds)
         values (gen_random_uuid(), 'greet', '{\"nom\": 1}', 5, 60)",
    )
    .await;
    let process = Process::start(jobs);

    let dead = until_one_is(&db, Status::Dead).await;
    assert_eq!(dead.last_error.as_deref(), Some("the payload cannot be read: missing field `name`"));
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    process.stop().await;
}

#[tokio::test]
async fn a_panic_fails_its_own_job_only() {
    let db = harness::database().await;
    let (jobs, _) = counting(&db, 0);
    let process = Process::start(jobs);

    enqueue(&db, &greet("panic")).await;
    enqueue(&db, &greet("jane")).await;

    assert_eq!(until_one_is(&db, Status::Done).await.payload, serde_json::json!({"name": "jane"}));
    let dead = until_one_is(&db, Status::Dead).await;
    assert!(dead.last_error.as_deref().is_some_and(|error| error.starts_with("the handler panicked")), "{dead:?}");
    process.stop().await;
}

#[tokio::test]
async fn a_job_of_a_dead_process_is_taken_over_and_in_the_end_parked() {
    let db = harness::database().await;
    enqueue(&db, &greet("jane")).await;
    execute(
        &db,
        "update job set status = 'running', attempts = 1, fence = 1, due_at = now() - interval '1 second'
         where kind = 'greet'",
    )
    .await;
    let (jobs, runs) = counting(&db, 0);
    let process = Process::start(jobs);
    let done = until_one_is(&db, Status::Done).await;
    assert_eq!((done.attempts, runs.load(Ordering::SeqCst)), (2, 1));

    execute(
        &db,
        "update job set status = 'running', attempts = 2, due_at = now() - interval '1 second', ended_at = null
         where kind = 'greet'",
    )
    .await;
    let dead = until_one_is(&db, Status::Dead).await;
    assert_eq!(dead.last_error.as_deref(), Some("the process that ran it died or was stopped"));
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    process.stop().await;
}

#[tokio::test]
async fn a_runner_that_was_taken_for_dead_does_not_write_the_end() {
    let db = harness::database().await;
    let go_on = Arc::new(tokio::sync::Notify::new());
    let (entered, wait) = (Arc::new(tokio::sync::Notify::new()), Arc::clone(&go_on));
    let here = Arc::clone(&entered);
    let process = Process::start(Jobs::new(db.clone()).handle(move |_: Greet| {
        let (here, wait) = (Arc::clone(&here), Arc::clone(&wait));
        async move {
            here.notify_one();
            wait.notified().await;
            Ok(())
        }
    }));
    enqueue(&db, &greet("jane")).await;
    entered.notified().await;

    // Another process has taken the job over meanwhile.
    execute(&db, "update job set fence = fence + 1 where kind = 'greet'").await;
    go_on.notify_one();
    process.stop().await;

    assert_eq!(listed(&db, None).await[0].status, Status::Running);
}

#[tokio::test]
async fn a_periodic_job_runs_once_a_period_whatever_the_number_of_processes() {
    let db = harness::database().await;
    let runs = Arc::new(AtomicU32::new(0));
    let processes: Vec<Process> = (0..4)
        .map(|_| {
            let runs = Arc::clone(&runs);
            let jobs = Jobs::new(db.clone()).handle(move |_: Greet| {
                runs.fetch_add(1, Ordering::SeqCst);
                async { Ok(()) }
            });
            Process::start(jobs.every(Duration::from_secs(100 * 86_400), greet("everybody")))
        })
        .collect();

    until_one_is(&db, Status::Done).await;
    for process in processes {
        process.stop().await;
    }
    assert_eq!((listed(&db, None).await.len(), runs.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn a_job_of_an_unknown_kind_waits_for_those_who_know_it() {
    let db = harness::database().await;
    let process = Process::start(Jobs::new(db.clone()));
    enqueue(&db, &greet("jane")).await;

    // The process has been round: its own periodic jobs are done.
    let deadline = Instant::now() + Duration::from_secs(20);
    while Jobs::list(&db, Some(Status::Done), 100, None).await.expect("jobs").data.is_empty() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    process.stop().await;

    let waiting = until_one_is(&db, Status::Waiting).await;
    assert_eq!((waiting.attempts, waiting.last_error), (0, None));
}
