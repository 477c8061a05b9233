//! The engine as operators see it.

use alloy::eips::BlockNumberOrTag;
use alloy::primitives::{Address, U256};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Chain;
use super::engine::EngineError;
use super::store;
use crate::db;

/// A lane as the database and the chain know it.
#[derive(Clone, Debug)]
pub struct LaneStatus {
    /// The account.
    pub address: Address,
    /// The process that holds it, if one does.
    pub holder: Option<Uuid>,
    /// Until when.
    pub lease_until: Option<DateTime<Utc>>,
    /// Nonce of its next transaction.
    pub next_nonce: u64,
    /// Transactions of it in the chain.
    pub chain_nonce: u64,
    /// Nonces that wait for a block.
    pub in_flight: u64,
    /// Wei.
    pub gas_balance: U256,
    /// What hinders it.
    pub note: Option<String>,
}

/// Operations by state, of all tenants.
#[derive(Clone, Debug, Default)]
pub struct Backlog {
    /// Not in a user operation, or not sent yet.
    pub waiting: i64,
    /// Sent, not final.
    pub submitted: i64,
    /// For an operator to look at.
    pub review: i64,
    /// When the oldest that is not final was asked for.
    pub oldest: Option<DateTime<Utc>>,
}

/// Lanes, with what the chain says of them.
pub async fn lanes(chain: &Chain) -> Result<Vec<LaneStatus>, EngineError> {
    let mut lanes = Vec::new();
    for lane in store::lanes(chain.db()).await? {
        let alive = store::alive(chain.db(), lane.address).await?;
        let mut nonces: Vec<u64> = alive.iter().map(|bundle| bundle.stored.nonce).collect();
        nonces.dedup();
        lanes.push(LaneStatus {
            address: lane.address,
            holder: lane.holder,
            lease_until: lane.lease_until,
            next_nonce: lane.next_nonce,
            chain_nonce: chain.rpc().nonce(lane.address, BlockNumberOrTag::Latest).await?,
            in_flight: nonces.len() as u64,
            gas_balance: chain.rpc().balance(lane.address).await?,
            note: lane.note,
        });
    }
    Ok(lanes)
}

/// What is not final, over all tenants.
pub async fn backlog(chain: &Chain) -> db::Result<Backlog> {
    let mut tx = chain.db().engine().await?;
    let row = sqlx::query!(
        r#"select count(*) filter (where state = 'waiting') as "waiting!",
                  count(*) filter (where state = 'submitted') as "submitted!",
                  count(*) filter (where state = 'review') as "review!",
                  min(created_at) filter (where state in ('waiting', 'submitted')) as oldest
           from chain_op where state in ('waiting', 'submitted', 'review') and mode = 'live'"#
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(Backlog { waiting: row.waiting, submitted: row.submitted, review: row.review, oldest: row.oldest })
}

/// How many lanes some process holds.
pub async fn held_lanes(chain: &Chain) -> db::Result<usize> {
    Ok(store::lanes(chain.db()).await?.iter().filter(|lane| lane.holder.is_some()).count())
}
