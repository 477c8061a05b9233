//! SQL of credentials.

use alloy::primitives::Address;
use uuid::Uuid;

use super::{Digest, WalletUser};
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

/// Whose wallet this is, across all tenants. A tenant's test customer counts only where no live one has the wallet.
pub async fn wallet_users(db: &Db, address: Address) -> Result<Vec<WalletUser>> {
    let mut tx = db.engine().await?;
    let found = sqlx::query!(
        "select distinct on (w.tenant_id) w.tenant_id, w.customer_id, c.mode
        from wallet w join customer c on c.tenant_id = w.tenant_id and c.id = w.customer_id
        where w.address = $1 and c.forgotten_at is null order by w.tenant_id, c.mode",
        address.as_slice(),
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    let user = |(tenant, customer, mode): (Uuid, Uuid, &str)| {
        let mode = Mode::from_word(mode).ok_or_else(|| Error::internal("a customer has an unknown mode"))?;
        Ok(WalletUser { address, tenant: TenantId(tenant), customer, mode })
    };
    found.iter().map(|row| user((row.tenant_id, row.customer_id, &row.mode))).collect()
}
