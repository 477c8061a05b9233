//! SQL of API keys.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::auth::ApiKey;
use crate::db::{Cursor, TenantTx};
use crate::http::{Error, OnConstraint, Result};

/// A key as a list shows it.
pub struct Row {
    pub id: Uuid,
    pub name: String,
    pub mode: String,
    pub prefix: String,
    pub created_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
}

pub async fn insert(tx: &mut TenantTx, key: &ApiKey) -> Result<()> {
    sqlx::query!(
        "insert into api_key (tenant_id, id, name, mode, prefix, digest, created_at) values ($1, $2, $3, $4, $5, $6, $7)",
        tx.tenant().0,
        key.id,
        key.name,
        key.mode.as_str(),
        key.prefix,
        key.digest.as_slice(),
        key.created_at,
    )
    .execute(&mut **tx)
    .await
    .on_constraint("api_key_name_unique", |_| Error::conflict("duplicate_name", "an API key of this name exists"))
    .on_constraint("api_key_tenant_id_fkey", |_| Error::not_found("tenant_not_found", "there is no such tenant"))?;
    Ok(())
}

/// Up to `limit + 1` keys, newest first, after the cursor.
pub async fn list(tx: &mut TenantTx, after: Option<Cursor>, limit: i64) -> Result<Vec<Row>> {
    let rows = sqlx::query_as!(
        Row,
        "select id, name, mode, prefix, created_at, revoked_at from api_key
        where tenant_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3",
        tx.tenant().0,
        after.map(|cursor| cursor.0),
        limit + 1,
    );
    Ok(rows.fetch_all(&mut **tx).await?)
}

pub async fn revoke(tx: &mut TenantTx, id: Uuid, now: DateTime<Utc>) -> Result<bool> {
    let revoked = sqlx::query!(
        "update api_key set revoked_at = $3 where tenant_id = $1 and id = $2 and revoked_at is null",
        tx.tenant().0,
        id,
        now,
    )
    .execute(&mut **tx)
    .await?;
    Ok(revoked.rows_affected() == 1)
}
