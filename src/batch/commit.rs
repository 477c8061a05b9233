//! One batch after the other: a transaction, and an answer for everybody in it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::{GroupCommit, Waiting, Work, gauge};
use crate::db::{self, TenantTx};
use crate::foundation::{FailPoint, TenantId};
use crate::http::{Error, Result};

/// Failures of one batch's parts that are looked into. What fails more often fails for a reason that no item brought.
const MOST_FAILURES: usize = 64;
/// What failed later than this is not tried again for the same reason: those who wait have waited long enough.
const BRIEFLY: Duration = Duration::from_secs(3);

/// When to ask again whether what was committed without an answer has happened.
const AGAIN: Duration = Duration::from_secs(1);

type Answer<W> = oneshot::Sender<Result<<W as Work>::Outcome>>;

/// Requests that are done together.
struct Batch<W: Work> {
    tenants: BTreeSet<TenantId>,
    items: Vec<W::Item>,
    /// By item; none when it was answered.
    answers: Vec<Option<Answer<W>>>,
}

/// What a lane finds to do.
enum Taken<W: Work> {
    Batch(Batch<W>),
    Nothing,
    End,
}

/// Why a transaction did not do its work.
enum Failure {
    /// Nothing of it has happened.
    Undone(Error),
    /// It may have happened: the answer of its commit was lost.
    Unknown(Error),
}

impl<W: Work> Batch<W> {
    /// Without those whose callers are gone: they have not been promised anything.
    fn of(taken: Vec<Waiting<W>>) -> Self {
        let tenants = taken.iter().map(|waiting| W::tenant(&waiting.item)).collect();
        let there = taken.into_iter().filter(|waiting| !waiting.answer.is_closed());
        let (items, answers) = there.map(|Waiting { item, answer }| (item, Some(answer))).unzip();
        Self { tenants, items, answers }
    }
}

impl<W: Work> GroupCommit<W> {
    /// Commits one batch after the other until the queue is closed and empty.
    pub(super) async fn commit_all(self, lane: usize) {
        while let Some(batch) = self.next(lane).await {
            let (begun, size, tenants) = (Instant::now(), batch.items.len(), batch.tenants.clone());
            self.settle(batch).await;
            self.finish(lane, tenants, size, begun.elapsed());
        }
    }

    /// The next batch, as soon as anything waits; `None` when the end has come.
    async fn next(&self, lane: usize) -> Option<Batch<W>> {
        loop {
            // Listening before looking, so that nothing comes in between.
            let mut arrived = std::pin::pin!(self.0.arrived.notified());
            arrived.as_mut().enable();
            match self.take(lane) {
                Taken::Batch(batch) => return Some(batch),
                Taken::End => return None,
                Taken::Nothing => arrived.await,
            }
        }
    }

    fn take(&self, lane: usize) -> Taken<W> {
        let mut state = self.state();
        let taken = state.queue.take(self.0.limits.batch);
        if taken.is_empty() {
            return if state.is_closed && state.queue.len() == 0 { Taken::End } else { Taken::Nothing };
        }
        if let Some(begun) = state.lanes.get_mut(lane) {
            *begun = Some(Instant::now());
        }
        gauge::<W>(state.queue.len());
        if state.queue.has_ready() {
            self.0.arrived.notify_one();
        }
        drop(state);
        Taken::Batch(Batch::of(taken))
    }

    fn finish(&self, lane: usize, tenants: BTreeSet<TenantId>, size: usize, took: Duration) {
        let mut state = self.state();
        if let Some(begun) = state.lanes.get_mut(lane) {
            *begun = None;
        }
        state.learn(took, self.0.limits.wait);
        let (is_ready, is_closed) = (state.queue.done(tenants), state.is_closed);
        drop(state);
        if is_closed {
            // The other lanes may have waited only for this.
            self.0.arrived.notify_waiters();
        } else if is_ready {
            self.0.arrived.notify_one();
        }
        metrics::histogram!("diolkos_group_commit_batch_size", "work" => W::NAME)
            .record(u32::try_from(size).unwrap_or(u32::MAX));
        metrics::histogram!("diolkos_group_commit_duration_seconds", "work" => W::NAME).record(took.as_secs_f64());
    }

    /// Does the items, all in one transaction or, where that fails, in parts; answers everybody.
    async fn settle(&self, batch: Batch<W>) {
        let Batch { items, mut answers, .. } = batch;
        let mut failures = 0;
        let mut parts: Vec<Range<usize>> = std::iter::once(0..items.len()).collect();
        while let Some(part) = parts.pop() {
            let Some(todo) = items.get(part.clone()).filter(|todo| !todo.is_empty()) else { continue };
            let failed = match self.attempt_twice(todo).await {
                Ok(outcomes) => {
                    tell::<W>(&mut answers, part, outcomes.into_iter().map(Ok));
                    continue;
                }
                Err(failed) => failed,
            };
            failures += 1;
            match failed {
                Failure::Undone(error) if todo.len() > 1 && failures < MOST_FAILURES && !is_transient(&error) => {
                    let middle = part.start + todo.len() / 2;
                    // The earlier half first: a tenant's items are decided in their order.
                    parts.push(middle..part.end);
                    parts.push(part.start..middle);
                }
                Failure::Undone(error) | Failure::Unknown(error) => {
                    tell::<W>(&mut answers, part, std::iter::repeat_with(|| Err(error.clone())));
                }
            }
        }
    }

    /// Once more after what another try may not meet: a deadlock, a connection that broke.
    async fn attempt_twice(&self, items: &[W::Item]) -> std::result::Result<Vec<W::Outcome>, Failure> {
        let begun = Instant::now();
        match self.attempt(items).await {
            Err(Failure::Undone(error)) if was_interrupted(&error) && begun.elapsed() < BRIEFLY => {
                tracing::warn!(work = W::NAME, items = items.len(), %error, "a batch is tried again");
                self.attempt(items).await
            }
            ended => ended,
        }
    }

    async fn attempt(&self, items: &[W::Item]) -> std::result::Result<Vec<W::Outcome>, Failure> {
        // A panic undoes the transaction like any other failure.
        let performed = AssertUnwindSafe(self.perform(items)).catch_unwind().await;
        let performed = performed.unwrap_or_else(|_| Err(Error::internal("a batch panicked")));
        let (tx, outcomes) = performed.map_err(Failure::Undone)?;
        FailPoint::Working.reached();
        tx.commit().await.map_err(|error| match is_undone(&error) {
            true => Failure::Undone(error.into()),
            false => Failure::Unknown(Error::unavailable(error, AGAIN)),
        })?;
        FailPoint::Committed.reached();
        Ok(outcomes)
    }

    async fn perform(&self, items: &[W::Item]) -> Result<(TenantTx, Vec<W::Outcome>)> {
        let tenants: BTreeSet<TenantId> = items.iter().map(W::tenant).collect();
        let mut tx = self.0.db.tenants(&Vec::from_iter(tenants)).begin_many().await?;
        let outcomes = self.0.work.perform(&mut tx, items).await?;
        if outcomes.len() == items.len() {
            return Ok((tx, outcomes));
        }
        Err(Error::internal("a batch has not as many outcomes as items"))
    }
}

fn tell<W: Work>(
    answers: &mut [Option<Answer<W>>],
    part: Range<usize>,
    outcomes: impl Iterator<Item = Result<W::Outcome>>,
) {
    for (answer, outcome) in answers.get_mut(part).into_iter().flatten().zip(outcomes) {
        if let Some(answer) = answer.take() {
            // Whoever is gone learns it from a repetition.
            let _ = answer.send(outcome);
        }
    }
}

/// Whether the transaction ended through no fault of its own: by a deadlock, a serialisation failure, or with its
/// connection. A statement that was given up took too long, and would again.
fn was_interrupted(error: &Error) -> bool {
    match error.source_as::<db::Error>() {
        Some(db::Error::Io(_) | db::Error::Protocol(_)) => true,
        Some(db::Error::Database(refused)) => {
            refused.code().is_some_and(|state| ["08", "40", "57P"].iter().any(|class| state.starts_with(class)))
        }
        _ => false,
    }
}

/// Whether the database is in trouble, which no smaller batch avoids.
fn is_transient(error: &Error) -> bool {
    error.status() == StatusCode::SERVICE_UNAVAILABLE
}

/// Whether the server said that it has rolled back: a constraint that is checked at the end, a serialisation failure or
/// a deadlock. Anything else that comes in a commit's place may have come after it.
fn is_undone(error: &db::Error) -> bool {
    let db::Error::Database(refused) = error else { return false };
    refused.code().is_some_and(|state| state.starts_with("23") || (state.starts_with("40") && state != "40003"))
}
