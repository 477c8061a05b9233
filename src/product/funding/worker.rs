//! Bringing deposits to where their chain operations stand.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::deposit::{KIND, Status};
use super::{events, store};
use crate::chain::{self, Follower, News, OperationState};
use crate::foundation::{FailPoint, Mode, TenantId};
use crate::ledger::{self, End};
use crate::product::App;
use crate::webhooks;

/// Why deposits could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// Somebody asked for operations in the name of deposits.
    #[error("{0} operations belong to no deposit that waits for them")]
    NoDeposit(usize),
}

/// Brings deposits to where their operations stand.
pub struct Settlement(pub App);

impl Follower for Settlement {
    const KIND: &'static str = KIND;
    type Error = Error;

    async fn settle(&self, news: &[News]) -> Result<usize, Error> {
        settle(&self.0, news).await
    }
}

/// Notes the news, ends the reservations, moves the deposits and tells their tenants, all in one transaction; returns how
/// many were ours.
async fn settle(app: &App, news: &[News]) -> Result<usize, Error> {
    let tenants: BTreeSet<TenantId> = news.iter().map(|item| item.tenant).collect();
    let mut tx = app.db.tenants(&tenants.iter().copied().collect::<Vec<_>>()).begin_many().await?;
    let won = chain::take_note(&mut tx, news).await?;
    if won.is_empty() {
        return Ok(0);
    }
    // A deposit, its transfer and its operation share one id.
    let ends: Vec<(TenantId, Uuid, End)> =
        won.iter().filter_map(|item| end(item).map(|end| (item.tenant, item.operation, end))).collect();
    ledger::end_all(&mut tx, &ends).await?;
    let moves: Vec<(&News, Status)> = won.iter().map(|item| (item, status(item))).collect();
    let moved = store::advance(&mut tx, &moves).await?;
    let left = moves.len().saturating_sub(moved.len());
    if left > 0 {
        return Err(Error::NoDeposit(left));
    }
    webhooks::emit_if_heard(&mut tx, tenants.into_iter(), || events::moved(&moved, &app.tokens)).await?;
    tx.commit().await?;
    FailPoint::Noted.reached();
    count(&moves);
    Ok(won.len())
}

/// How the reservation ends; a test key's deposit has none.
fn end(news: &News) -> Option<End> {
    match (news.mode, news.state) {
        (Mode::Live, OperationState::Succeeded) => Some(End::Post),
        (Mode::Live, OperationState::Failed) => Some(End::Void),
        (Mode::Live, OperationState::Submitted | OperationState::Review) | (Mode::Test, _) => None,
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
