//! SQL of customers by id.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{self, TenantTx};
use crate::foundation::{BlindIndex, Mode, Sealed, WrappedKey};

/// A customer as stored.
pub struct SealedCustomer {
    pub blind_index: String,
    pub phone_sealed: Sealed,
    pub wrapped_key: WrappedKey,
}

pub async fn id_of(tx: &mut TenantTx, mode: Mode, index: &BlindIndex) -> db::Result<Option<Uuid>> {
    let id = sqlx::query_scalar!(
        "select id from customer where tenant_id = $1 and mode = $2 and blind_index = $3 and forgotten_at is null",
        tx.tenant().0,
        mode.as_str(),
        index.as_str(),
    );
    id.fetch_optional(&mut **tx).await
}

pub async fn find_by_id(tx: &mut TenantTx, mode: Mode, id: Uuid) -> db::Result<Option<SealedCustomer>> {
    let row = sqlx::query!(
        "select blind_index, phone_sealed, wrapped_key from customer
        where tenant_id = $1 and mode = $2 and id = $3 and forgotten_at is null",
        tx.tenant().0,
        mode.as_str(),
        id,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|row| sealed(row.blind_index, row.phone_sealed, row.wrapped_key)))
}

/// The same, whom nobody else changes until the transaction ends.
pub async fn hold_by_id(tx: &mut TenantTx, mode: Mode, id: Uuid) -> db::Result<Option<SealedCustomer>> {
    let row = sqlx::query!(
        "select blind_index, phone_sealed, wrapped_key from customer
        where tenant_id = $1 and mode = $2 and id = $3 and forgotten_at is null for update",
        tx.tenant().0,
        mode.as_str(),
        id,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|row| sealed(row.blind_index, row.phone_sealed, row.wrapped_key)))
}

fn sealed(blind_index: String, phone: Vec<u8>, key: Vec<u8>) -> SealedCustomer {
    SealedCustomer { blind_index, phone_sealed: Sealed(phone), wrapped_key: WrappedKey(key) }
}

pub async fn forget(tx: &mut TenantTx, id: Uuid, index: &str, now: DateTime<Utc>) -> db::Result<()> {
    sqlx::query!(
        "update customer set blind_index = $3, phone_sealed = '', wrapped_key = '', forgotten_at = $4
        where tenant_id = $1 and id = $2",
        tx.tenant().0,
        id,
        index,
        now,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn phone_changes_of(tx: &mut TenantTx, customer: Uuid) -> db::Result<Vec<Uuid>> {
    let ids = sqlx::query_scalar!(
        "select id from phone_change where tenant_id = $1 and customer_id = $2",
        tx.tenant().0,
        customer,
    );
    ids.fetch_all(&mut **tx).await
}

pub async fn forget_phone_change(tx: &mut TenantTx, id: Uuid, old: &str, new: &str) -> db::Result<()> {
    sqlx::query!(
        "update phone_change set old_blind_index = $3, new_blind_index = $4 where tenant_id = $1 and id = $2",
        tx.tenant().0,
        id,
        old,
        new,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}
