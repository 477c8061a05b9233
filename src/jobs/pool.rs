//! Running jobs.

use std::time::Duration;

use rand::Rng;
use sqlx::postgres::PgListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::handlers::Handler;
use super::store::{self, Claimed};
use super::{Failure, Jobs};
use crate::db::{self, Db};

/// Jobs that one process runs side by side.
const SLOTS: usize = 4;

/// How often a process looks for due jobs when it hears of none.
const POLL: Duration = Duration::from_secs(2);

/// How often a process makes sure that the periodic jobs of the running period exist.
const PERIODIC: Duration = Duration::from_secs(30);

/// How long jobs may go on when the process is told to stop; the rest are run again when their leases have ended.
const FAREWELL: Duration = Duration::from_secs(10);

const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Longest error text that is kept, in characters.
const LONGEST_ERROR: usize = 2_000;

impl Jobs {
    /// Runs jobs until told to stop. Any number of processes may do so on one database.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut running = JoinSet::new();
        let mut listener = None;
        let mut periodic_due = Instant::now();
        loop {
            match self.round(&mut running, &mut periodic_due).await {
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "looking for due jobs failed"),
            }
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = sleep(POLL) => {}
                () = news(&self.db, &mut listener), if running.len() < SLOTS => {}
                Some(_) = running.join_next() => {}
            }
        }
        let farewell = timeout(FAREWELL, async { while running.join_next().await.is_some() {} });
        if farewell.await.is_err() {
            tracing::warn!(jobs = running.len(), "jobs are cut off and run again when their leases have ended");
        }
    }

    async fn round(&self, running: &mut JoinSet<()>, periodic_due: &mut Instant) -> db::Result<()> {
        if *periodic_due <= Instant::now() {
            let mut tx = self.db.engine().await?;
            self.handlers.store_periodic(&mut tx).await?;
            tx.commit().await?;
            let dead = store::count_dead(&self.db).await?;
            metrics::gauge!("diolkos_jobs_dead").set(u32::try_from(dead).unwrap_or(u32::MAX));
            *periodic_due = Instant::now() + PERIODIC;
        }
        while running.try_join_next().is_some() {}
        let free = i64::try_from(SLOTS.saturating_sub(running.len())).unwrap_or_default();
        for job in store::claim(&self.db, &self.handlers.kinds(), free).await? {
            if job.dead {
                report_dead(&job, "its runner died in the last attempt");
            } else if let Some(handler) = self.handlers.of(&job.kind) {
                running.spawn(run_one(self.db.clone(), handler.clone(), job));
            }
        }
        Ok(())
    }
}

/// Waits for the notice that jobs were stored; never ends while the database cannot be listened to.
async fn news(db: &Db, listener: &mut Option<PgListener>) {
    if listener.is_none() {
        *listener = store::listen(db).await.ok();
    }
    match listener {
        None => std::future::pending().await,
        Some(open) => {
            if open.recv().await.is_err() {
                *listener = None;
            }
        }
    }
}

async fn run_one(db: Db, handler: Handler, job: Claimed) {
    let started = Instant::now();
    // A task of its own, so that a panic is an error of this job and of nothing else.
    let work = AbortOnDropHandle::new(tokio::spawn((handler.start)(job.payload.clone())));
    let result = match timeout(handler.time_limit, work).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(Failure::Passing(anyhow::anyhow!("the handler panicked: {panic}"))),
        Err(_) => Err(Failure::Passing(anyhow::anyhow!("it took longer than {:?}", handler.time_limit))),
    };
    let outcome = if result.is_ok() { "done" } else { "failed" };
    metrics::counter!("diolkos_job_attempts_total", "kind" => job.kind.clone(), "outcome" => outcome).increment(1);
    metrics::histogram!("diolkos_job_seconds", "kind" => job.kind.clone()).record(started.elapsed());

    let written = match result {
        Ok(()) => store::succeed(&db, &job).await,
        Err(failure) => write_failure(&db, &job, &failure).await,
    };
    match written {
        Ok(true) => {}
        Ok(false) => tracing::warn!(job = %job.id, kind = job.kind, "somebody else has taken this job over"),
        // Its lease will end, and it is run again.
        Err(error) => tracing::warn!(job = %job.id, kind = job.kind, %error, "the end of a job was not written"),
    }
}

async fn write_failure(db: &Db, job: &Claimed, failure: &Failure) -> db::Result<bool> {
    // Postgres holds no NUL in a text.
    let why: String = failure.to_string().chars().filter(|c| *c != '\0').take(LONGEST_ERROR).collect();
    let pause = match failure {
        Failure::Passing(_) if job.attempts < job.max_attempts => Some(pause_after(job.attempts)),
        Failure::Passing(_) | Failure::Lasting(_) => None,
    };
    match pause {
        Some(pause) => {
            tracing::warn!(job = %job.id, kind = job.kind, attempt = job.attempts, ?pause, error = why, "a job failed");
        }
        None => report_dead(job, &why),
    }
    store::fail(db, job, &why, pause).await
}

fn report_dead(job: &Claimed, why: &str) {
    tracing::error!(job = %job.id, kind = job.kind, attempts = job.attempts, error = why, "a job is dead");
    metrics::counter!("diolkos_jobs_died_total", "kind" => job.kind.clone()).increment(1);
}

/// Doubles with each attempt up to an hour; half of it is left to chance, so that what failed together does not come
/// back together.
fn pause_after(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or_default().min(20);
    let longest = (FIRST_PAUSE * 2u32.pow(doublings)).min(LONGEST_PAUSE);
    rand::rng().random_range(longest / 2..=longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour() {
        for (attempts, longest) in [(0, 2), (1, 2), (2, 4), (5, 32), (11, 2048), (12, 3600), (i32::MAX, 3600)] {
            let longest = Duration::from_secs(longest);
            let pause = pause_after(attempts);
            assert!((longest / 2..=longest).contains(&pause), "{attempts}: {pause:?}");
        }
    }
}
