//! SQL of endpoints and their secrets.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{self, TenantTx};
use crate::foundation::Sealed;

/// An endpoint as a list shows it.
pub struct Row {
    pub id: Uuid,
    pub url: String,
    pub events: Option<Vec<String>>,
    pub description: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// Stores an endpoint; `false` when the tenant has as many as it may.
pub async fn insert(tx: &mut TenantTx, endpoint: &Row, most: i64) -> db::Result<bool> {
    let tenant = tx.tenant().0;
    // Whoever makes another one at the same time waits until this one counts.
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('webhook endpoints of ' || $1::text, 0))",
        tenant.to_string()
    )
    .execute(&mut **tx)
    .await?;
    let inserted = sqlx::query!(
        "insert into webhook_endpoint (tenant_id, id, url, description, events, created_at)
        select $1, $2, $3, $4, $5, $6
        where (select count(*) from webhook_endpoint where tenant_id = $1 and deleted_at is null) < $7",
        tenant,
        endpoint.id,
        endpoint.url,
        endpoint.description,
        endpoint.events.as_deref(),
        endpoint.created_at,
        most,
    )
    .execute(&mut **tx)
    .await?;
    Ok(inserted.rows_affected() > 0)
}

/// Up to `limit + 1` endpoints, newest first, after the cursor.
pub async fn list(tx: &mut TenantTx, after: Option<Uuid>, limit: i64) -> db::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        "select id, url, events, description, created_at from webhook_endpoint
        where tenant_id = $1 and deleted_at is null and ($2::uuid is null or id < $2) order by id desc limit $3",
        tx.tenant().0,
        after,
        limit + 1,
    )
    .fetch_all(&mut **tx)
    .await
}

/// Locks an endpoint until the transaction ends; `false` when there is none or it is deleted.
pub async fn lock(tx: &mut TenantTx, id: Uuid) -> db::Result<bool> {
    let found = sqlx::query_scalar!(
        "select id from webhook_endpoint where tenant_id = $1 and id = $2 and deleted_at is null for no key update",
        tx.tenant().0,
        id,
    );
    Ok(found.fetch_optional(&mut **tx).await?.is_some())
}

/// Whether there is such an endpoint, deleted or not.
pub async fn ever_existed(tx: &mut TenantTx, id: Uuid) -> db::Result<bool> {
    let found =
        sqlx::query_scalar!("select id from webhook_endpoint where tenant_id = $1 and id = $2", tx.tenant().0, id);
    Ok(found.fetch_optional(&mut **tx).await?.is_some())
}

/// Deletes an endpoint, destroys its secrets and gives up what was on its way to it; `false` when there is none.
pub async fn delete(tx: &mut TenantTx, id: Uuid, now: DateTime<Utc>) -> db::Result<bool> {
    let tenant = tx.tenant().0;
    let deleted = sqlx::query!(
        "update webhook_endpoint set deleted_at = $3 where tenant_id = $1 and id = $2 and deleted_at is null",
        tenant,
        id,
        now,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!("delete from webhook_secret where tenant_id = $1 and endpoint_id = $2", tenant, id)
        .execute(&mut **tx)
        .await?;
    sqlx::query!(
        "update webhook_delivery
        set status = 'failed', ended_at = now(), lease_until = null, failure = 'the webhook was deleted'
        where tenant_id = $1 and endpoint_id = $2 and status = 'pending'",
        tenant,
        id,
    )
    .execute(&mut **tx)
    .await?;
    Ok(deleted.rows_affected() > 0)
}

pub async fn insert_secret(
    tx: &mut TenantTx,
    endpoint: Uuid,
    id: Uuid,
    sealed: &Sealed,
    now: DateTime<Utc>,
) -> db::Result<()> {
    sqlx::query!(
        "insert into webhook_secret (tenant_id, id, endpoint_id, sealed, created_at) values ($1, $2, $3, $4, $5)",
        tx.tenant().0,
        id,
        endpoint,
        sealed.0,
        now,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Gives the secret that signs an end and destroys those that have expired; returns how many still sign.
pub async fn retire_secrets(
    tx: &mut TenantTx,
    endpoint: Uuid,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> db::Result<i64> {
    let tenant = tx.tenant().0;
    sqlx::query!(
        "delete from webhook_secret where tenant_id = $1 and endpoint_id = $2 and expires_at <= $3",
        tenant,
        endpoint,
        now,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "update webhook_secret set expires_at = $3 where tenant_id = $1 and endpoint_id = $2 and expires_at is null",
        tenant,
        endpoint,
        expires_at,
    )
    .execute(&mut **tx)
    .await?;
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from webhook_secret where tenant_id = $1 and endpoint_id = $2"#,
        tenant,
        endpoint,
    );
    count.fetch_one(&mut **tx).await
}
