//! SQL of where people may be sent.

use chrono::{DateTime, Utc};

use crate::db::{self, TenantTx};

/// The origins to which customers and devices may have people sent; none: all.
pub async fn target_origins(tx: &mut TenantTx) -> db::Result<Vec<String>> {
    let origins =
        sqlx::query_scalar!("select target_origins from identity_check_policy where tenant_id = $1", tx.tenant().0,);
    Ok(origins.fetch_optional(&mut **tx).await?.unwrap_or_default())
}

pub async fn set_target_origins(tx: &mut TenantTx, origins: &[String], now: DateTime<Utc>) -> db::Result<()> {
    sqlx::query!(
        "insert into identity_check_policy (tenant_id, target_origins, changed_at) values ($1, $2, $3)
        on conflict (tenant_id) do update set target_origins = excluded.target_origins, changed_at = excluded.changed_at",
        tx.tenant().0,
        origins,
        now,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}
