//! Bringing deposits to where their chain operations stand.
//!
//! Level-triggered: the worker asks which operations stand elsewhere than was noted, whatever happened in between, so
//! that nothing is lost when it dies or when nobody tells it. Any number of replicas may run it: what one has locked the
//! others leave out.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::deposit::{KIND, Status};
use super::store;
use crate::chain::{self, News, OperationState};
use crate::db::Db;
use crate::foundation::{FailPoint, TenantId};
use crate::ledger::{self, End, Ended};
use crate::product::App;

/// Operations handled in one transaction at most.
const BATCH: i64 = 500;

/// How often the worker looks when nobody wakes it.
const POLL: Duration = Duration::from_millis(500);

const LONGEST_PAUSE: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    #[error("the reservation of deposit {0} does not end as its operation did: {1:?}")]
    Reservation(Uuid, Ended),
    #[error("{0} operations belong to no deposit that waits for them")]
    NoDeposit(u64),
}

/// Runs until told to stop.
pub async fn run(app: App, shutdown: CancellationToken) {
    let mut failures = 0_u32;
    loop {
        let pause = match round(&app.db).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => {
                failures = 0;
                POLL
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                tracing::warn!(%error, failures, "bringing deposits up to date failed");
                metrics::counter!("diolkos_deposit_worker_failures_total").increment(1);
                (POLL * 2_u32.pow(failures.min(6))).min(LONGEST_PAUSE)
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
            () = app.chain.news_arrived() => {}
        }
    }
}

/// Handles one batch of news; `true` when there may be more.
async fn round(db: &Db) -> Result<bool, Error> {
    let news = chain::news(db, KIND, BATCH).await?;
    if news.is_empty() {
        return Ok(false);
    }
    let full = news.len() == usize::try_from(BATCH).unwrap_or(usize::MAX);
    match settle(db, &news).await {
        Ok(won) => Ok(full && won > 0),
        Err(error) if news.len() > 1 => {
            tracing::warn!(%error, news = news.len(), "a batch of deposits failed; each is tried alone");
            let (mut won, mut last) = (0, None);
            for item in &news {
                match settle(db, std::slice::from_ref(item)).await {
                    Ok(count) => won += count,
                    Err(error) => {
                        tracing::error!(deposit = %item.operation, tenant = %item.tenant, %error, "a deposit is stuck");
                        last = Some(error);
                    }
                }
            }
            // One that is stuck does not slow the others down.
            last.filter(|_| won == 0).map_or(Ok(full && won > 0), Err)
        }
        Err(error) => Err(error),
    }
}

/// Notes the news, ends the reservations and moves the deposits, all in one transaction; returns how many were ours.
async fn settle(db: &Db, news: &[News]) -> Result<usize, Error> {
    let tenants: BTreeSet<TenantId> = news.iter().map(|item| item.tenant).collect();
    let mut tx = db.tenants(&Vec::from_iter(tenants)).begin().await?;
    let won = chain::take_note(&mut tx, news).await?;
    if won.is_empty() {
        return Ok(0);
    }
    // A deposit, its transfer and its operation share one id.
    let ends: Vec<(TenantId, Uuid, End)> =
        won.iter().filter_map(|item| end(item.state).map(|end| (item.tenant, item.operation, end))).collect();
    for (ended, (_, id, _)) in ledger::end(&mut tx, &ends).await?.into_iter().zip(&ends) {
        match ended {
            Ended::Now | Ended::Already => {}
            Ended::Otherwise | Ended::Unknown => return Err(Error::Reservation(*id, ended)),
        }
    }
    let moves: Vec<(&News, Status)> = won.iter().map(|item| (item, status(item))).collect();
    let moved = store::advance(&mut tx, &moves).await?;
    let left = u64::try_from(moves.len()).unwrap_or(u64::MAX).saturating_sub(moved);
    if left > 0 {
        return Err(Error::NoDeposit(left));
    }
    tx.commit().await?;
    FailPoint::Noted.reached();
    count(&moves);
    Ok(won.len())
}

fn end(state: OperationState) -> Option<End> {
    match state {
        OperationState::Succeeded => Some(End::Post),
        OperationState::Failed => Some(End::Void),
        OperationState::Submitted | OperationState::Review => None,
    }
}

/// Under review the money stays reserved and the deposit stays where it is, until somebody has looked.
fn status(news: &News) -> Status {
    match news.state {
        OperationState::Succeeded => Status::Settled,
        OperationState::Failed => Status::Failed,
        OperationState::Submitted => Status::Submitted,
        OperationState::Review => {
            tracing::error!(deposit = %news.operation, tenant = %news.tenant, tx = ?news.tx_hash, "the chain did something else than a deposit asked for; its money stays reserved");
            Status::Submitted
        }
    }
}

fn count(moves: &[(&News, Status)]) {
    for (_, status) in moves {
        metrics::counter!("diolkos_deposits_total", "status" => status.as_str()).increment(1);
    }
}
