//! Delivering.
//!
//! No transaction is open and no lock is held while a receiver is waited for. A worker that dies leaves a lease that
//! ends, and another one sends the same event again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::PgListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::courier::{Courier, Keyring};
use super::store;
use super::transport::{TIME_LIMIT, Transport};
use crate::db::{self, Db};
use crate::foundation::Clock;

/// Deliveries that one process has in hand at once to endpoints that are well.
const SLOTS: usize = 48;

/// The same to endpoints in trouble: new, failing or slow ones.
const SLOTS_IN_TROUBLE: usize = 16;

/// Deliveries to one endpoint that is well, in all processes together.
pub const SHARE: i64 = 8;

/// After this a worker is taken for dead.
pub(super) const LEASE: Duration = Duration::from_secs(30);

/// How often a process looks for due deliveries when it hears of none.
const POLL: Duration = Duration::from_secs(1);

/// How long deliveries may go on when the process is told to stop.
const FAREWELL: Duration = TIME_LIMIT.saturating_add(Duration::from_secs(2));

/// Delivers events. Any number of processes may do so on one database.
pub struct Deliveries {
    courier: Arc<Courier>,
    /// Slots for endpoints that are well, and for those in trouble.
    lanes: [Lane; 2],
}

struct Lane {
    in_trouble: bool,
    slots: Arc<Semaphore>,
    share: i64,
}

impl Deliveries {
    /// Signs with the secrets of endpoints, which `keys` opens, and sends through `transport`.
    pub fn new(db: Db, clock: Clock, keys: impl Keyring, transport: Transport) -> Self {
        let lane = |in_trouble, slots, share| Lane { in_trouble, slots: Arc::new(Semaphore::new(slots)), share };
        Self {
            courier: Arc::new(Courier::new(db, clock, keys, transport)),
            lanes: [lane(false, SLOTS, SHARE), lane(true, SLOTS_IN_TROUBLE, 1)],
        }
    }

    /// Runs until told to stop; then finishes what is in hand.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut running = JoinSet::new();
        let mut listener = None;
        loop {
            let pause = match self.round(&mut running).await {
                Ok(true) => Duration::ZERO,
                Ok(false) => POLL,
                Err(error) => {
                    tracing::warn!(%error, "looking for due webhooks failed");
                    POLL
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(_) = running.join_next() => {}
                () = sleep(pause) => {}
                () = news(self.courier.db(), &mut listener) => {}
            }
            while running.try_join_next().is_some() {}
        }
        let farewell = timeout(FAREWELL, async { while running.join_next().await.is_some() {} });
        if farewell.await.is_err() {
            tracing::warn!(
                webhooks = running.len(),
                "webhooks are cut off and sent again when their leases have ended"
            );
        }
    }

    /// Takes what is due; `true` when there may be more to do at once.
    async fn round(&self, running: &mut JoinSet<()>) -> db::Result<bool> {
        let mut more = false;
        for lane in &self.lanes {
            let free = i64::try_from(lane.slots.available_permits()).unwrap_or(i64::MAX);
            if free == 0 {
                continue;
            }
            let claimed_at = Instant::now();
            let (claimed, any_put_off) =
                store::claim(self.courier.db(), lane.in_trouble, free, lane.share, LEASE).await?;
            more |= any_put_off || !claimed.is_empty();
            for claimed in claimed {
                let slot = Arc::clone(&lane.slots).try_acquire_owned();
                let courier = Arc::clone(&self.courier);
                running.spawn(async move {
                    courier.deliver(claimed, claimed_at).await;
                    drop(slot);
                });
            }
        }
        Ok(more)
    }
}

/// Waits for the notice that deliveries were stored; never ends while the database cannot be listened to.
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
