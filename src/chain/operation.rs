//! Operations: what features ask of the chain, and what they learn of it.

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
    /// The feature's own reference; unique with the tenant and the kind.
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
/// Fails on `chain_op_reference_unique` when one was asked for before.
pub async fn enqueue(tx: &mut TenantTx, operations: &[NewOperation]) -> db::Result<()> {
    let column = |f: fn(&NewOperation) -> Vec<u8>| operations.iter().map(f).collect::<Vec<_>>();
    sqlx::query!(
        "insert into chain_op (tenant_id, id, kind, reference, account, token, recipient, amount, owner, salt, mode,
             rehearsed_failure)
         select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::bytea[], $7::bytea[],
                              $8::numeric[], $9::bytea[], $10::bytea[], $11::text[], $12::text[])",
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
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!("select pg_notify($1, '')", NEW_OPERATION).execute(&mut **tx).await?;
    Ok(())
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Operations of a kind after one of them whose state has moved since the feature took note, oldest first.
pub async fn news(db: &Db, kind: &str, after: Uuid, limit: i64) -> db::Result<Vec<News>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        "select tenant_id, id, mode, state, tx_hash, block_number, failure, submitted_at, ended_at
         from chain_op where kind = $1 and state <> noted_state and id > $2 order by id limit $3",
        kind,
        after,
        limit,
    )
    .fetch_all(&mut *tx)
    .await?;
    let news = rows.into_iter().filter_map(|row| {
        Some(News {
            tenant: TenantId(row.tenant_id),
            operation: row.id,
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
    let won = sqlx::query!(
        "with item as (
             select * from unnest($1::uuid[], $2::uuid[], $3::text[]) as i(tenant_id, id, state)
         ), won as (
             select op.tenant_id, op.id, op.state from chain_op op join item using (tenant_id, id, state)
             where coalesce(op.state <> op.noted_state, false)
             order by op.tenant_id, op.id for update of op skip locked
         )
         update chain_op op set noted_state = won.state from won
         where op.tenant_id = won.tenant_id and op.id = won.id
         returning op.id",
        &news.iter().map(|item| item.tenant.0).collect::<Vec<_>>(),
        &news.iter().map(|item| item.operation).collect::<Vec<_>>(),
        &news.iter().map(|item| item.state.as_str().to_owned()).collect::<Vec<_>>(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let won: std::collections::HashSet<Uuid> = won.into_iter().map(|row| row.id).collect();
    Ok(news.iter().filter(|item| won.contains(&item.operation)).cloned().collect())
}
