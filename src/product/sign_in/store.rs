//! SQL of challenges. They are nobody's yet, and are reached as the engine's own tables.

use alloy::primitives::Address;
use chrono::{DateTime, Utc};

use super::challenge::Nonce;
use crate::db::{self, Db};

/// Keeps a challenge, and forgets some that are too old to be signed.
pub async fn insert(
    db: &Db,
    nonce: Nonce,
    address: Address,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> db::Result<()> {
    let mut tx = db.engine().await?;
    sqlx::query!(
        "delete from sign_in_challenge where nonce in (
            select nonce from sign_in_challenge where expires_at < $1::timestamptz - interval '1 hour'
            order by expires_at limit 20 for update skip locked)",
        now,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "insert into sign_in_challenge (nonce, address, expires_at) values ($1, $2, $3)",
        nonce.as_slice(),
        address.as_slice(),
        expires_at,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Uses a wallet's challenge up, once; returns until when it was good.
pub async fn use_up(db: &Db, nonce: Nonce, address: Address, now: DateTime<Utc>) -> db::Result<Option<DateTime<Utc>>> {
    let mut tx = db.engine().await?;
    let expires_at = sqlx::query_scalar!(
        "update sign_in_challenge set used_at = $3 where nonce = $1 and address = $2 and used_at is null
        returning expires_at",
        nonce.as_slice(),
        address.as_slice(),
        now,
    )
    .fetch_optional(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(expires_at)
}

/// Whether any tenant knows this wallet as that of somebody whom it has not forgotten.
pub async fn is_known(db: &Db, address: Address) -> db::Result<bool> {
    let mut tx = db.engine().await?;
    let found = sqlx::query_scalar!(
        r#"select exists (
            select from wallet w join customer c on c.tenant_id = w.tenant_id and c.id = w.customer_id
            where w.address = $1 and c.forgotten_at is null) as "exists!""#,
        address.as_slice()
    );
    let is_known = found.fetch_one(&mut *tx).await?;
    tx.commit().await?;
    Ok(is_known)
}
