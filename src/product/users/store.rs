//! SQL of customers and their wallets.

use alloy::primitives::Address;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Customer;
use crate::db::{self, Error, TenantTx};
use crate::foundation::{BlindIndex, Mode, Sealed, WrappedKey};

/// A customer to be stored, with the wallet.
pub struct NewCustomer {
    pub id: Uuid,
    pub mode: Mode,
    pub blind_index: BlindIndex,
    pub phone_sealed: Sealed,
    pub wrapped_key: WrappedKey,
    pub wallet: Address,
    pub salt: [u8; 32],
    pub owner: Address,
    pub created_at: DateTime<Utc>,
}

pub async fn find(tx: &mut TenantTx, mode: Mode, index: &BlindIndex) -> db::Result<Option<Customer>> {
    let row = sqlx::query!(
        "select c.id, w.address, w.created_at
        from customer c
        join wallet w on w.tenant_id = c.tenant_id and w.customer_id = c.id and w.is_primary
        where c.tenant_id = $1 and c.mode = $2 and c.blind_index = $3",
        tx.tenant().0,
        mode.as_str(),
        index.as_str(),
    )
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| customer(row.id, &row.address, row.created_at)).transpose()
}

/// Stores a customer and the wallet; nothing when the phone number has a customer, whose transaction is then over.
pub async fn insert(tx: &mut TenantTx, new: &NewCustomer) -> db::Result<Option<Customer>> {
    let tenant = tx.tenant().0;
    let inserted = sqlx::query!(
        "insert into customer (tenant_id, id, mode, blind_index, phone_sealed, wrapped_key, created_at)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (tenant_id, mode, blind_index) do nothing",
        tenant,
        new.id,
        new.mode.as_str(),
        new.blind_index.as_str(),
        new.phone_sealed.0,
        new.wrapped_key.0,
        new.created_at,
    )
    .execute(&mut **tx)
    .await?;
    if inserted.rows_affected() == 0 {
        return Ok(None);
    }
    let row = sqlx::query!(
        "insert into wallet (tenant_id, id, customer_id, kind, address, salt, owner, is_primary, created_at)
        values ($1, $2, $3, 'smart', $4, $5, $6, true, $7)
        returning address, created_at",
        tenant,
        Uuid::now_v7(),
        new.id,
        new.wallet.as_slice(),
        new.salt.as_slice(),
        new.owner.as_slice(),
        new.created_at,
    )
    .fetch_one(&mut **tx)
    .await?;
    customer(new.id, &row.address, row.created_at).map(Some)
}

fn customer(id: Uuid, address: &[u8], created_at: DateTime<Utc>) -> db::Result<Customer> {
    let wallet = Address::try_from(address).map_err(|error| Error::Decode(error.into()))?;
    Ok(Customer { id, wallet, created_at })
}
