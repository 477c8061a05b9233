//! Background work: jobs stored in the transaction that causes them, run at least once by any replica.
//!
//! ```text
//! waiting ──▶ running ──▶ done
//!    ▲           ├─ attempt failed ─▶ waiting, later each time ─▶ dead after the last attempt
//!    └─ retry ───┴─ lasting failure ─────────────────────────────▶ dead, with its last error
//! ```
//!
//! A feature defines a kind of job by implementing [`Job`] for its payload, stores one with [`Jobs::enqueue`] and
//! registers what is to be done with [`Jobs::handle`]. A handler may run more than once for one job (a process that
//! died or was paused past its lease cannot be told from one that finished), so it must be repeatable.
//!
//! Why not `apalis-postgres` 1.0 (read at its source): a failed task keeps its `run_at`, so that the next poll runs it
//! again at once, and its back-off exists only in the memory of a process; a task whose worker dies is queued again
//! without regard to `max_attempts`, so that one that kills its process is never parked; and a worker that was paused
//! past its heartbeat may start a task that another has fetched since (`lock_by_id.sql` does not look at `lock_by`).

mod handlers;
mod maintenance;
mod pool;
mod store;

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::db::{self, Db, Page, TenantTx};

pub use handlers::Handled;
pub use maintenance::{PurgeFinishedJobs, PurgeIdempotencyRecords};

use handlers::Handlers;

/// The payload of one kind of background work.
///
/// It names a tenant by id at most: jobs are not under row-level security.
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// The kind's name in the database and in metrics; never changed while such jobs wait.
    const KIND: &'static str;
    /// How long one attempt may take; then it counts as failed.
    const TIME_LIMIT: Duration = Duration::from_secs(60);
    /// After this many failed attempts the job is dead. Twelve stretch over about an hour and a half.
    const ATTEMPTS: i32 = 12;
}

/// Why an attempt failed. Any error converts into one that passes.
#[derive(Debug)]
pub enum Failure {
    /// Another attempt may succeed.
    Passing(anyhow::Error),
    /// Another attempt would fail as well until somebody has looked: the job is dead at once.
    Lasting(String),
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Passing(error.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passing(error) => write!(f, "{error:#}"),
            Self::Lasting(why) => f.write_str(why),
        }
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = JobStatus)]
pub enum Status {
    /// It will run when it is due.
    Waiting,
    /// Somebody runs it.
    Running,
    /// It has succeeded; forgotten after a week.
    Done,
    /// It has failed for good; an operator may retry it.
    Dead,
}

impl Status {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Waiting, Self::Running, Self::Done, Self::Dead].into_iter().find(|status| status.as_str() == word)
    }
}

/// A job as operators see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub struct Listed {
    /// Its id.
    pub id: Uuid,
    /// What kind of work.
    pub kind: String,
    /// What it was asked to do.
    #[schema(value_type = Object)]
    pub payload: serde_json::Value,
    /// Where it stands.
    pub status: Status,
    /// Attempts so far, since it was stored or last retried.
    pub attempts: i32,
    /// Attempts that it has.
    pub max_attempts: i32,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When it was stored.
    pub created_at: DateTime<Utc>,
    /// Waiting: when it is due. Running: when its lease ends.
    pub due_at: DateTime<Utc>,
    /// When the last attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was done or given up.
    pub ended_at: Option<DateTime<Utc>>,
}

/// What became of the wish to run a dead job again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It waits, with all its attempts before it.
    Waiting,
    /// It is not dead, so there is nothing to retry.
    NotDead(Status),
    /// There is no such job.
    Unknown,
}

/// The kinds of work that this process knows, and the way to run them.
pub struct Jobs {
    db: Db,
    handlers: Handlers,
}

impl Jobs {
    /// Knows the engine's own housekeeping and nothing else yet.
    pub fn new(db: Db) -> Self {
        let jobs = Self { db, handlers: Handlers::default() };
        maintenance::register(jobs)
    }

    /// Stores a job in the caller's transaction (a tenant's or the engine's); it runs once that is committed.
    pub async fn enqueue<J: Job>(tx: &mut PgConnection, job: &J) -> db::Result<()> {
        store::insert(tx, job, None).await
    }

    /// Stores a job unless one of its kind was stored with the same `once` before.
    pub async fn enqueue_once<J: Job>(tx: &mut PgConnection, job: &J, once: &str) -> db::Result<()> {
        store::insert(tx, job, Some(once)).await
    }

    /// Says what is to be done for jobs of a kind.
    pub fn handle<J: Job, F: Handled>(mut self, handler: impl Fn(J) -> F + Send + Sync + 'static) -> Self {
        self.handlers.add(handler);
        self
    }

    /// Has a job of this kind stored once in each period (UTC, counted from 1970), by whichever replica comes first.
    /// A period is less than a week, after which done jobs are forgotten.
    pub fn every<J: Job + Clone + Sync>(mut self, period: Duration, job: J) -> Self {
        self.handlers.add_periodic(period, job);
        self
    }

    /// Jobs, newest first, of one status or of all.
    pub async fn list(db: &Db, status: Option<Status>, limit: i64, after: Option<Uuid>) -> db::Result<Page<Listed>> {
        let rows = store::list(db, status, limit + 1, after).await?;
        Ok(Page::of(rows, limit, |job| job.id))
    }

    /// Lets a dead job wait for new attempts, once the operator's transaction is committed.
    pub async fn retry(tx: &mut TenantTx, id: Uuid) -> db::Result<Retry> {
        store::retry(tx, id).await
    }
}
