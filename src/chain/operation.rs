//! Operations: what features ask of the chain, and what they learn of it.

use std::collections::{HashMap, HashSet};

use alloy::primitives::{Address, B256};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::payer::Payer;
use crate::db::{self, Db, TenantTx};
use crate::foundation::{Amount, Mode, TenantId};

/// The channel on which a new operation wakes the engine.
pub(super) const NEW_OPERATION: &str = "diolkos_chain_op";

/// An ERC-20 transfer that should happen, once.
#[derive(Clone, Debug)]
pub struct NewOperation {
    /// For whom.
    pub tenant: TenantId,
    /// On the chain, or on the simulated one of test keys.
    pub mode: Mode,
    /// Its id, a UUIDv7: operations go out in this order.
    pub id: Uuid,
    /// Which feature asks, and is told of the outcome.
    pub kind: &'static str,
    /// The feature's own reference, for people.
    pub reference: String,
    /// The account that the tokens leave.
    pub payer: Payer,
    /// The ERC-20 contract.
    pub token: Address,
    /// Who receives.
    pub recipient: Address,
    /// How much, in base units.
    pub amount: Amount,
    /// Why one of a test key is to fail; `None`: it succeeds.
    pub rehearsed_failure: Option<&'static str>,
}

/// Stores operations with the work that causes them and wakes the engine when that is committed.
///
/// Fails on `chain_op_pkey` when one was asked for before.
pub async fn enqueue(tx: &mut TenantTx, operations: &[NewOperation]) -> db::Result<()> {
    let column = |f: fn(&NewOperation) -> Vec<u8>| operations.iter().map(f).collect::<Vec<_>>();
    sqlx::query!(
        "with stored as (
             insert into chain_op (tenant_id, id, kind, reference, account, token, recipient, amount, owner, salt, mode,
                 rehearsed_failure)
             select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::bytea[], $7::bytea[],
                                  $8::numeric[], $9::bytea[], $10::bytea[], $11::text[], $12::text[])
         )
         select pg_notify($13, '')",
        &operations.iter().map(|op| op.tenant.0).collect::<Vec<_>>(),
        &operations.iter().map(|op| op.id).collect::<Vec<_>>(),
        &operations.iter().map(|op| op.kind.to_owned()).collect::<Vec<_>>(),
        &operations.iter().map(|op| op.reference.clone()).collect::<Vec<_>>(),
        &column(|op| op.payer.address().to_vec()),
        &column(|op| op.token.to_vec()),
        &column(|op| op.recipient.to_vec()),
        &operations.iter().map(|op| op.amount).collect::<Vec<_>>() as _,
        &operations.iter().map(|op| op.payer.wallet().map(|w| w.owner.to_vec())).collect::<Vec<_>>()
            as &[Option<Vec<u8>>],
        &operations.iter().map(|op| op.payer.wallet().map(|w| w.salt.to_vec())).collect::<Vec<_>>()
            as &[Option<Vec<u8>>],
        &operations.iter().map(|op| op.mode.as_str()).collect::<Vec<_>>() as &[&str],
        &operations.iter().map(|op| op.rehearsed_failure).collect::<Vec<_>>() as &[Option<&str>],
        NEW_OPERATION,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperationState {
    /// It is on its way to the chain.
    Submitted,
    /// Final: the chain did what was asked, to the last unit.
    Succeeded,
    /// Final: nothing moved.
    Failed,
    /// Final: the chain did something else than was asked; an operator must look.
    Review,
}

impl OperationState {
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "submitted" => Some(Self::Submitted),
            "succeeded" => Some(Self::Succeeded),
            "failed" => Some(Self::Failed),
            "review" => Some(Self::Review),
            _ => None,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Review => "review",
        }
    }
}

/// A state of an operation that the feature that asked for it has not noted yet.
#[derive(Clone, Debug)]
pub struct News {
    /// Whose.
    pub tenant: TenantId,
    /// Which feature asked.
    pub kind: &'static str,
    /// Which operation.
    pub operation: Uuid,
    /// On which chain.
    pub mode: Mode,
    /// Where it stands.
    pub state: OperationState,
    /// The transaction that carried it.
    pub tx_hash: Option<B256>,
    /// The block of that transaction.
    pub block_number: Option<u64>,
    /// Why it failed.
    pub failure: Option<String>,
    /// When it went out first.
    pub submitted_at: Option<DateTime<Utc>>,
    /// When its outcome became final.
    pub ended_at: Option<DateTime<Utc>>,
}

/// What a feature has not noted yet of its operations of a kind, after one of them, oldest first.
pub async fn news(db: &Db, kind: &'static str, after: Uuid, limit: i64) -> db::Result<Vec<News>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        "select n.tenant_id, n.operation, op.mode, n.state, op.tx_hash, op.block_number, op.failure,
             coalesce(op.submitted_at, n.since) as submitted_at, op.ended_at
         from (select * from chain_news where kind = $1 and operation > $2 order by operation limit $3) n
         join chain_op op on op.tenant_id = n.tenant_id and op.id = n.operation
         order by n.operation",
        kind,
        after,
        limit,
    )
    .fetch_all(&mut *tx)
    .await?;
    let news = rows.into_iter().filter_map(|row| {
        Some(News {
            tenant: TenantId(row.tenant_id),
            kind,
            operation: row.operation,
            mode: Mode::from_word(&row.mode)?,
            state: OperationState::from_word(&row.state)?,
            tx_hash: row.tx_hash.as_deref().and_then(|hash| B256::try_from(hash).ok()),
            block_number: row.block_number.and_then(|number| number.try_into().ok()),
            failure: row.failure,
            submitted_at: row.submitted_at,
            ended_at: row.ended_at,
        })
    });
    Ok(news.collect())
}

/// Marks news as noted in the feature's own transaction and returns those that this transaction won: the others are
/// being handled elsewhere, were noted already, or are outdated.
pub async fn take_note(tx: &mut TenantTx, news: &[News]) -> db::Result<Vec<News>> {
    let mut like: HashMap<(&'static str, OperationState), Vec<Uuid>> = HashMap::new();
    for item in news {
        like.entry((item.kind, item.state)).or_default().push(item.operation);
    }
    let mut won = HashSet::with_capacity(news.len());
    for ((kind, state), operations) in like {
        // Rows come and go, and statistics are often of a moment with none: nothing here is for the planner to choose.
        let gone = sqlx::query!(
            "delete from chain_news where ctid = any (array(
                 select ctid from chain_news where kind = $1 and operation = any($2) and state = $3
                 order by operation for update skip locked))
             returning tenant_id, operation",
            kind,
            &operations,
            state.as_str(),
        )
        .fetch_all(&mut **tx)
        .await?;
        won.extend(gone.into_iter().map(|row| (TenantId(row.tenant_id), row.operation, state)));
    }
    Ok(news.iter().filter(|item| won.contains(&(item.tenant, item.operation, item.state))).cloned().collect())
}
