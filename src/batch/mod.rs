//! Group commit: requests that arrive while one batch commits are the next batch.
//!
//! ```text
//! submit ──▶ a queue a tenant ──in turns──▶ batch ──▶ one transaction ──committed──▶ each caller's own outcome
//! ```
//!
//! One transaction a request tops out at what a hot row (a tenant's treasury account) can take. Here a request waits for
//! no timer and for nobody else: alone it is a batch of one at once; under load the batches grow by themselves.
//!
//! - A tenant's requests are decided in the order in which they came; tenants take turns (`queue`), so that a flood
//!   waits behind itself.
//! - What waits is bounded, and so is how long it is to wait: whoever comes too late for that hears 503 with
//!   `Retry-After` at once.
//! - Nobody is answered before the commit. A batch that failed before it is tried in halves, so that an item that cannot
//!   be done fails alone (`commit`); where the answer of a commit was lost every caller hears 503, and learns from a
//!   repetition of the request what became of it, as after any lost answer.
//! - The queue is memory, and holds nothing that anybody was promised.

mod commit;
mod queue;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use crate::db::{Db, TenantTx};
use crate::foundation::TenantId;
use crate::http::{Error, Result};

use queue::{Offered, Queue};

/// Work that is done for many requests in one transaction.
pub trait Work: Send + Sync + 'static {
    /// What metrics call it.
    const NAME: &'static str;
    /// A request.
    type Item: Send + Sync + 'static;
    /// What became of it, once the transaction is committed: also a refusal is one.
    type Outcome: Send + 'static;

    /// Whose request it is.
    fn tenant(item: &Self::Item) -> TenantId;

    /// Does the work of all of them in a transaction that is scoped to their tenants, and returns an outcome for each, in
    /// their order. Several of them may be alike. An error undoes the whole batch, and has it tried again in parts, so
    /// that what concerns one item alone is an outcome and no error.
    fn perform(
        &self,
        tx: &mut TenantTx,
        items: &[Self::Item],
    ) -> impl Future<Output = Result<Vec<Self::Outcome>>> + Send;
}

/// How much may wait, and how much is done at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests in one batch.
    pub batch: usize,
    /// Requests that wait.
    pub waiting: usize,
    /// The time that a request may have to wait, as the last batches suggest.
    pub wait: Duration,
    /// Batches at once, each of other tenants' requests: where one waits for a lock, the others go on.
    pub lanes: usize,
}

impl Default for Limits {
    /// A thousand in a batch, 8,192 or two seconds of waiting, two batches at once.
    fn default() -> Self {
        Self { batch: 1_000, waiting: 8_192, wait: Duration::from_secs(2), lanes: 2 }
    }
}

/// A queue of work and what commits it. Cheap to clone.
pub struct GroupCommit<W: Work>(Arc<Inner<W>>);

struct Inner<W: Work> {
    work: W,
    db: Db,
    limits: Limits,
    state: Mutex<State<W>>,
    /// Something can be taken that nobody may have seen yet.
    arrived: Notify,
}

struct State<W: Work> {
    queue: Queue<Waiting<W>>,
    /// No more is taken in.
    is_closed: bool,
    /// What a batch took of late.
    pace: Duration,
    /// Since when each lane is at a batch.
    lanes: Vec<Option<Instant>>,
}

/// A request and the way back to its caller.
struct Waiting<W: Work> {
    item: W::Item,
    answer: oneshot::Sender<Result<W::Outcome>>,
}

impl<W: Work> Clone for GroupCommit<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: Work> GroupCommit<W> {
    /// A queue of its own. Nothing is committed until [`GroupCommit::run`] runs.
    pub fn new(db: Db, work: W, limits: Limits) -> Self {
        let state =
            State { queue: Queue::new(), is_closed: false, pace: Duration::ZERO, lanes: vec![None; limits.lanes] };
        Self(Arc::new(Inner { work, db, limits, state: Mutex::new(state), arrived: Notify::new() }))
    }

    /// Has a request done and waits until it is committed.
    ///
    /// 503 with `Retry-After` when too much waits, and when it cannot be known whether it was done. A caller that gives up
    /// is left out as long as its request only waits.
    pub async fn submit(&self, item: W::Item) -> Result<W::Outcome> {
        let (answer, outcome) = oneshot::channel();
        self.offer(Waiting { item, answer })?;
        outcome.await.map_err(|_| Error::unavailable("a batch was given up", SOON))?
    }

    /// How many requests wait and are not at work yet.
    pub fn waiting(&self) -> usize {
        self.state().queue.len()
    }

    /// Commits until `stop`, and then what still waits.
    pub async fn run(self, stop: CancellationToken) {
        let lanes = (0..self.0.limits.lanes).map(|lane| self.clone().commit_all(lane));
        let closed = async {
            stop.cancelled().await;
            self.state().is_closed = true;
            self.0.arrived.notify_waiters();
        };
        tokio::join!(futures_util::future::join_all(lanes), closed);
    }

    fn offer(&self, waiting: Waiting<W>) -> Result<()> {
        let limits = self.0.limits;
        let tenant = W::tenant(&waiting.item);
        let mut state = self.state();
        if state.is_closed {
            return Err(Error::unavailable("the server is about to end", SOON));
        }
        let wait = state.expected_wait(tenant, limits.batch);
        if wait > limits.wait {
            return Err(shed::<W>(wait));
        }
        let offered = state.queue.offer(tenant, waiting, limits.waiting);
        gauge::<W>(state.queue.len());
        drop(state);
        match offered {
            Offered::Taken => self.0.arrived.notify_one(),
            // The newcomer has the place of one whose tenant has more than its share of them.
            Offered::InsteadOf(other) => {
                self.0.arrived.notify_one();
                let _ = other.answer.send(Err(shed::<W>(wait)));
            }
            Offered::Refused => return Err(shed::<W>(wait)),
        }
        Ok(())
    }

    /// The queue. It is held for moments only, and a panic leaves it whole.
    fn state(&self) -> MutexGuard<'_, State<W>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Work> State<W> {
    /// How long a request of a tenant will wait for its batch to begin, if all goes on as it did. A batch at work that is
    /// in its way may be a slow one, and counts as what it has taken so far.
    fn expected_wait(&self, tenant: TenantId, batch: usize) -> Duration {
        let in_the_way = match self.queue.at_work(tenant) {
            Some(begun) => Some(begun),
            // The lane that will be free first is likely the one that has begun last.
            None if self.lanes.iter().all(Option::is_some) => self.lanes.iter().flatten().max().copied(),
            None => None,
        };
        let first = in_the_way.map_or(Duration::ZERO, |begun| self.pace.max(begun.elapsed()));
        let others = u32::try_from(self.queue.place(tenant) / batch.max(1)).unwrap_or(u32::MAX);
        first.saturating_add(self.pace.saturating_mul(others))
    }

    /// Takes note of what a batch took; a very slow one is not held against the next for long.
    fn learn(&mut self, took: Duration, limit: Duration) {
        self.pace = (self.pace * 3 + took.min(limit)) / 4;
    }
}

const SOON: Duration = Duration::from_secs(1);

#[track_caller]
fn shed<W: Work>(wait: Duration) -> Error {
    metrics::counter!("diolkos_group_commit_shed_total", "work" => W::NAME).increment(1);
    Error::overloaded(wait.max(SOON))
}

fn gauge<W: Work>(waiting: usize) {
    metrics::gauge!("diolkos_group_commit_waiting", "work" => W::NAME).set(u32::try_from(waiting).unwrap_or(u32::MAX));
}
