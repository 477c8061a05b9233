//! SQL over the checks of all tenants: which are due, and what is not needed any more.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{self, EngineTx};

/// A check whose provider is to be asked again.
pub struct Due {
    pub tenant: Uuid,
    pub check: Uuid,
    /// How many fingerprints have come to nothing, and how often it was asked about this one.
    pub turn: (i32, i32),
}

/// Checks of any tenant that can be used still, whose providers are to be asked again.
pub async fn due(tx: &mut EngineTx, now: DateTime<Utc>, limit: i64) -> db::Result<Vec<Due>> {
    let rows = sqlx::query!(
        "select tenant_id, id, attempts, asked from identity_check
        where state = 'validating' and next_at <= $1 and expires_at > $1 order by next_at limit $2",
        now,
        limit,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Due { tenant: row.tenant_id, check: row.id, turn: (row.attempts, row.asked) })
        .collect())
}

/// Deletes checks that no customer has begun or is proven by, of before then; returns how many.
pub async fn delete_nobodys(tx: &mut EngineTx, before: DateTime<Utc>, limit: i64) -> db::Result<u64> {
    let deleted = sqlx::query!(
        "delete from identity_check where (tenant_id, id) in (
            select tenant_id, id from identity_check
            where customer_id is null and created_at <= $1 and wrapped_key is null
            order by created_at limit $2 for update skip locked)",
        before,
        limit,
    );
    Ok(deleted.execute(&mut **tx).await?.rows_affected())
}

/// Throws away the keys of checks, and all else that is personal in them, that could be used until then at most.
pub async fn purge(tx: &mut EngineTx, usable_until: DateTime<Utc>, now: DateTime<Utc>) -> db::Result<u64> {
    let purged = sqlx::query!(
        "update identity_check set wrapped_key = null, details = null, reference = null, fingerprint = null,
            finding = null, mobile_index = null, next_at = null, ended_at = coalesce(ended_at, $2),
            state = case when ended_at is not null then state when state = 'waiting' then 'failed' else 'expired' end
        where wrapped_key is not null and expires_at <= $1",
        usable_until,
        now,
    );
    Ok(purged.execute(&mut **tx).await?.rows_affected())
}
