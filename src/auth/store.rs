//! SQL of credentials.

use uuid::Uuid;

use super::Digest;
use crate::db::Db;
use crate::foundation::{Mode, TenantId};
use crate::http::{Error, Result};

/// The tenant, id and mode of an unrevoked key, across all tenants.
pub async fn find_key(db: &Db, digest: &Digest) -> Result<Option<(TenantId, Uuid, Mode)>> {
    let mut tx = db.engine().await?;
    let found = sqlx::query!(
        "select tenant_id, id, mode from api_key where digest = $1 and revoked_at is null",
        digest.as_slice(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    tx.commit().await?;
    let Some(key) = found else { return Ok(None) };
    let mode = Mode::from_word(&key.mode).ok_or_else(|| Error::internal("an API key has an unknown mode"))?;
    Ok(Some((TenantId(key.tenant_id), key.id, mode)))
}

/// Whether there is such a tenant.
pub async fn tenant_exists(db: &Db, tenant: TenantId) -> Result<bool> {
    let mut tx = db.tenant(tenant).begin().await?;
    let found = sqlx::query!("select tenant_id from tenant where tenant_id = $1", tenant.0);
    let exists = found.fetch_optional(&mut *tx).await?.is_some();
    tx.commit().await?;
    Ok(exists)
}
