//! Bringing transfers to where their chain operations stand.

use std::collections::BTreeSet;

use super::{KIND, Status, events, store};
use crate::chain::{self, Follower, News, OperationState};
use crate::foundation::{FailPoint, TenantId};
use crate::product::App;
use crate::webhooks;

/// Why transfers could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// Somebody asked for operations in the name of transfers.
    #[error("{0} operations belong to no transfer that waits for them")]
    NoTransfer(usize),
}

/// Brings transfers to where their operations stand.
pub struct Settlement(pub App);

impl Follower for Settlement {
    const KIND: &'static str = KIND;
    type Error = Error;

    async fn settle(&self, news: &[News]) -> Result<usize, Error> {
        let tenants: BTreeSet<TenantId> = news.iter().map(|item| item.tenant).collect();
        let mut tx = self.0.db.tenants(&Vec::from_iter(tenants)).begin_many().await?;
        let won = chain::take_note(&mut tx, news).await?;
        if won.is_empty() {
            return Ok(0);
        }
        let moves: Vec<(&News, Status)> = won.iter().map(|item| (item, status(item))).collect();
        let moved = store::advance(&mut tx, &moves).await?;
        let left = moves.len().saturating_sub(moved.len());
        if left > 0 {
            return Err(Error::NoTransfer(left));
        }
        webhooks::emit(&mut tx, &events::moved(&moved, &self.0.tokens)).await?;
        tx.commit().await?;
        FailPoint::Noted.reached();
        for (_, status) in &moves {
            metrics::counter!("diolkos_transfers_total", "status" => status.as_str()).increment(1);
        }
        Ok(won.len())
    }
}

/// Under review the transfer stays where it is, until somebody has looked.
fn status(news: &News) -> Status {
    match news.state {
        OperationState::Succeeded => Status::Settled,
        OperationState::Failed => Status::Failed,
        OperationState::Submitted => Status::Submitted,
        OperationState::Review => {
            tracing::error!(transfer = %news.operation, tenant = %news.tenant, tx = ?news.tx_hash, "the chain did something else than a transfer asked for");
            Status::Submitted
        }
    }
}
