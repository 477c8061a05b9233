//! Operations whose outcome is for an operator to decide: the chain did something else than was asked, or a reorg undid
//! what was final and it cannot be made again.

use alloy::primitives::{Address, B256};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::store::{address, hash};
use crate::db::{self, Db};
use crate::foundation::{Amount, TenantId};

/// An operation under review.
#[derive(Clone, Debug)]
pub struct Disputed {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub id: Uuid,
    /// Which feature asked.
    pub kind: String,
    /// The feature's reference.
    pub reference: String,
    /// The ERC-20 contract.
    pub token: Address,
    /// Who should have received.
    pub recipient: Address,
    /// How much, in base units.
    pub amount: Amount,
    /// The transaction to look at.
    pub tx_hash: Option<B256>,
    /// What is odd.
    pub failure: Option<String>,
    /// When it came to review.
    pub ended_at: Option<DateTime<Utc>>,
}

/// What an operator found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The recipient has what was asked for, or as good as that: the payment counts as made.
    Succeeded,
    /// The payment counts as not made: what was reserved for it is free again.
    Failed,
}

/// Up to `limit` operations under review, newest first, before one of them.
pub async fn disputed(db: &Db, limit: i64, after: Option<Uuid>) -> db::Result<Vec<Disputed>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        r#"select tenant_id, id, kind, reference, token, recipient, amount as "amount: Amount", tx_hash,
                  coalesce('undone by a reorg: ' || undone, failure) as failure, ended_at
           from chain_op
           where (state = 'review' or undone is not null) and ($2::uuid is null or id < $2)
           order by id desc limit $1"#,
        limit,
        after,
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    let disputed = rows.into_iter().map(|row| Disputed {
        tenant: TenantId(row.tenant_id),
        id: row.id,
        kind: row.kind,
        reference: row.reference,
        token: address(&row.token),
        recipient: address(&row.recipient),
        amount: row.amount,
        tx_hash: row.tx_hash.as_deref().map(hash),
        failure: row.failure,
        ended_at: row.ended_at,
    });
    Ok(disputed.collect())
}

/// Ends a review; the feature that asked learns it as any other outcome. `false` when no such operation is under review.
pub async fn resolve(db: &Db, id: Uuid, resolution: Resolution) -> db::Result<bool> {
    let state = match resolution {
        Resolution::Succeeded => "succeeded",
        Resolution::Failed => "failed",
    };
    let mut tx = db.engine().await?;
    let resolved = sqlx::query!(
        "with resolved as (
             update chain_op set state = $2, ended_at = now() where id = $1 and state = 'review'
             returning tenant_id, id, kind, state
         )
         insert into chain_news (kind, operation, tenant_id, state) select kind, id, tenant_id, state from resolved
         on conflict (tenant_id, operation) do update set state = excluded.state, since = excluded.since",
        id,
        state,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(resolved.rows_affected() == 1)
}

/// A payment that was final, that a reorg undid, and that cannot be made again.
#[derive(Clone, Debug)]
pub struct Undone {
    /// Whose.
    pub tenant: TenantId,
    /// Which feature asked.
    pub kind: String,
}

/// The operation, if it is one that a reorg undid.
pub async fn undone(db: &Db, id: Uuid) -> db::Result<Option<Undone>> {
    let mut tx = db.engine().await?;
    let row = sqlx::query!("select tenant_id, kind from chain_op where id = $1 and undone is not null", id)
        .fetch_optional(&mut *tx)
        .await?;
    Ok(row.map(|row| Undone { tenant: TenantId(row.tenant_id), kind: row.kind }))
}

/// An operator has seen to an operation that a reorg undid; what was told as final stays.
pub async fn see_to_undone(db: &Db, id: Uuid) -> db::Result<()> {
    let mut tx = db.engine().await?;
    sqlx::query!("update chain_op set undone = null where id = $1", id).execute(&mut *tx).await?;
    tx.commit().await
}
