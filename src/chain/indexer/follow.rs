//! Telling features of movements that are final, and of those that were and are undone.
//!
//! Level-triggered, as [`crate::chain::follow`] is: a follower asks what it has not noted, whatever happened in between,
//! so that nothing is lost when it dies or when nobody tells it. What it cannot decide yet it leaves, and is asked again.

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use alloy::primitives::{Address, B256};
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Direction;
use crate::chain::Chain;
use crate::chain::store::{address, big, hash, small};
use crate::db::{self, TenantTx};
use crate::foundation::{Amount, TenantId};

/// Movements handled in one transaction at most.
const BATCH: i64 = 500;

const POLL: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A movement of one of a feature's accounts that the feature has not noted as it stands.
#[derive(Clone, Debug)]
pub struct MovementNews {
    /// Whose account.
    pub tenant: TenantId,
    /// The movement.
    pub id: Uuid,
    /// `false`: a reorg has undone it after it had counted as final.
    pub is_present: bool,
    /// The account.
    pub account: Address,
    /// Which way.
    pub direction: Direction,
    /// The other side.
    pub counterparty: Address,
    /// The contract.
    pub token: Address,
    /// How much.
    pub amount: Amount,
    /// The transaction.
    pub tx_hash: B256,
    /// Its block.
    pub block_number: u64,
    /// The transfer's place among the block's logs.
    pub log_index: u64,
    /// When the block was made.
    pub at: DateTime<Utc>,
}

/// A feature that gave accounts of a kind to the indexer.
pub trait MovementFollower: Send + Sync {
    /// The kind, as `indexed_account` has it.
    const KIND: &'static str;

    /// Why movements could not be noted.
    type Error: fmt::Display + From<db::Error> + Send;

    /// Takes note of movements and does what follows from them, all in one transaction; those that it cannot decide
    /// yet it leaves alone.
    fn settle(&self, news: &[MovementNews]) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Follows until told to stop. Any number of replicas may.
pub async fn follow_movements<F: MovementFollower>(chain: Chain, follower: F, shutdown: CancellationToken) {
    let mut failures = 0_u32;
    // What could not be decided is passed over, until all that comes after it has been seen.
    let mut after = (0, Uuid::nil());
    loop {
        let pause = match round(&chain, &follower, &mut after).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => {
                failures = 0;
                POLL
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                tracing::warn!(kind = F::KIND, %error, failures, "movements could not be noted");
                metrics::counter!("diolkos_movement_follower_failures_total", "kind" => F::KIND).increment(1);
                (POLL * 2_u32.pow(failures.min(6))).min(LONGEST_PAUSE)
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Handles one batch; `true` when there may be more.
async fn round<F: MovementFollower>(chain: &Chain, follower: &F, after: &mut (i64, Uuid)) -> Result<bool, F::Error> {
    let news = news(chain, F::KIND, *after).await?;
    let is_full = news.len() == usize::try_from(BATCH).unwrap_or(usize::MAX);
    let last = news.last().map(|item| (big(item.block_number), item.id));
    *after = last.filter(|_| is_full).unwrap_or((0, Uuid::nil()));
    if news.is_empty() {
        return Ok(false);
    }
    let Err(error) = follower.settle(&news).await else { return Ok(is_full) };
    if news.len() == 1 {
        return Err(error);
    }
    tracing::warn!(kind = F::KIND, %error, movements = news.len(), "a batch of movements failed; each is tried alone");
    let mut last = None;
    for item in &news {
        if let Err(error) = follower.settle(std::slice::from_ref(item)).await {
            tracing::error!(kind = F::KIND, movement = %item.id, tenant = %item.tenant, %error, "a movement is stuck");
            last = Some(error);
        }
    }
    last.filter(|_| !is_full).map_or(Ok(is_full), Err)
}

async fn news(chain: &Chain, kind: &str, after: (i64, Uuid)) -> db::Result<Vec<MovementNews>> {
    let mut tx = chain.db().engine().await?;
    let rows = sqlx::query!(
        r#"select m.tenant_id, m.id, m.state, m.account, m.direction, m.counterparty, m.token,
               m.amount as "amount: Amount", m.tx_hash, m.block_number, m.log_index, m.block_time
           from token_movement m join indexer i on i.chain_id = m.chain_id
           where m.kind = $1 and m.chain_id = $2 and m.kind <> 'treasury' and m.noted <> m.state
               and (m.state = 'present' or m.noted = 'present')
               and (m.state = 'undone' or m.block_number <= i.final_number)
               and (m.block_number, m.id) > ($3, $4)
           order by m.block_number, m.id limit $5"#,
        kind,
        big(chain.settings().chain_id),
        after.0,
        after.1,
        BATCH,
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    let news = rows.into_iter().filter_map(|row| {
        Some(MovementNews {
            tenant: TenantId(row.tenant_id),
            id: row.id,
            is_present: row.state == "present",
            account: address(&row.account),
            direction: Direction::from_word(&row.direction)?,
            counterparty: address(&row.counterparty),
            token: address(&row.token),
            amount: row.amount,
            tx_hash: hash(&row.tx_hash),
            block_number: small(row.block_number),
            log_index: small(row.log_index),
            at: row.block_time,
        })
    });
    Ok(news.collect())
}

/// Marks movements as noted in the feature's own transaction and returns those that this transaction won: the others
/// are being handled elsewhere, were noted already, or stand elsewhere by now.
pub async fn take_note_of_movements(tx: &mut TenantTx, news: &[MovementNews]) -> db::Result<Vec<MovementNews>> {
    let states: Vec<String> =
        news.iter().map(|item| if item.is_present { "present" } else { "undone" }.to_owned()).collect();
    let won = sqlx::query_scalar!(
        "with item as (
             select * from unnest($1::uuid[], $2::uuid[], $3::text[]) as i(tenant_id, id, state)
         ), won as (
             select m.tenant_id, m.id, m.state from token_movement m join item using (tenant_id, id, state)
             where coalesce(m.noted <> m.state, false)
             order by m.tenant_id, m.id for update of m skip locked
         )
         update token_movement m set noted = won.state from won
         where m.tenant_id = won.tenant_id and m.id = won.id
         returning m.id",
        &news.iter().map(|item| item.tenant.0).collect::<Vec<_>>(),
        &news.iter().map(|item| item.id).collect::<Vec<_>>(),
        &states,
    )
    .fetch_all(&mut **tx)
    .await?;
    let won: HashSet<Uuid> = won.into_iter().collect();
    Ok(news.iter().filter(|item| won.contains(&item.id)).cloned().collect())
}
