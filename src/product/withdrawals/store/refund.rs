//! Tokens that go back to wallets.

use std::time::Duration;

use alloy::primitives::B256;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{self, Db, TenantTx};
use crate::foundation::TenantId;
use crate::product::withdrawals::Refund;

/// Takes up to `limit` withdrawals whose tokens are to go back now; nobody else gets them for a while, and afterwards
/// only if they have not gone.
pub async fn claim(db: &Db, limit: i64, lease: Duration) -> db::Result<Vec<(TenantId, Uuid)>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        "with due as (
            select tenant_id, id from withdrawal where refund = 'due' and refund_at <= now()
            order by refund_at limit $1 for update skip locked
        )
        update withdrawal w set refund_at = now() + make_interval(secs => $2)
        from due where w.tenant_id = due.tenant_id and w.id = due.id
        returning w.tenant_id, w.id",
        limit,
        lease.as_secs_f64(),
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(rows.into_iter().map(|row| (TenantId(row.tenant_id), row.id)).collect())
}

/// The tokens are to go back at this time; `false` when they are not to, or are on their way.
pub async fn schedule(tx: &mut TenantTx, id: Uuid, at: DateTime<Utc>) -> db::Result<bool> {
    let done = sqlx::query!(
        "update withdrawal set refund = 'due', refund_at = $3
        where tenant_id = $1 and id = $2 and status = 'PAYOUT_FAILED' and refund in ('due', 'failed')",
        tx.tenant().0,
        id,
        at,
    )
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The tokens do not go back yet.
pub async fn postpone(tx: &mut TenantTx, id: Uuid, until: DateTime<Utc>) -> db::Result<()> {
    sqlx::query!(
        "update withdrawal set refund_at = $3 where tenant_id = $1 and id = $2 and refund = 'due'",
        tx.tenant().0,
        id,
        until,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// The tokens go back under this operation; `false` when somebody else sends them, or they are not to go.
pub async fn send(tx: &mut TenantTx, id: Uuid, operation: Uuid) -> db::Result<bool> {
    let done = sqlx::query!(
        "update withdrawal set refund = 'sent', refund_op_id = $3
        where tenant_id = $1 and id = $2 and refund = 'due'",
        tx.tenant().0,
        id,
        operation,
    )
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How sending the tokens back ended; the withdrawal, or nothing when none waits for this operation.
pub async fn end(
    tx: &mut TenantTx,
    tenant: TenantId,
    operation: Uuid,
    refund: Refund,
    tx_hash: Option<B256>,
) -> db::Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "update withdrawal set refund = $3, refund_tx_hash = coalesce($4, refund_tx_hash)
        where tenant_id = $1 and refund_op_id = $2 and refund = 'sent' returning id",
        tenant.0,
        operation,
        refund.as_str(),
        tx_hash.map(|hash| hash.to_vec()),
    )
    .fetch_optional(&mut **tx)
    .await
}
