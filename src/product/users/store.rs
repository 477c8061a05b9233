//! SQL of customers and their wallets.

mod identity;
mod provisioning;

use std::collections::HashMap;

use alloy::primitives::Address;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Customer;
use super::customer::Name;
use super::phone_change::{Changer, Held, PhoneChange, taken};
use crate::db::{self, Error, TenantTx};
use crate::foundation::{BlindIndex, Mode, Sealed, WrappedKey};
use crate::http::{self, OnConstraint};

pub use identity::{SealedCustomer, find_by_id, forget, forget_phone_change, hold_by_id, id_of, phone_changes_of};
pub use provisioning::{NewCustomer, NewWallet, insert_all, insert_wallets, times_left, without_wallet};

pub async fn find(tx: &mut TenantTx, mode: Mode, index: &BlindIndex) -> db::Result<Option<Customer>> {
    let row = sqlx::query!(
        "select c.id, c.is_badged, c.is_barred, w.address, w.created_at
        from customer c
        join wallet w on w.tenant_id = c.tenant_id and w.customer_id = c.id and w.kind = 'smart'
        where c.tenant_id = $1 and c.mode = $2 and c.blind_index = $3",
        tx.tenant().0,
        mode.as_str(),
        index.as_str(),
    )
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| customer(row.id, &row.address, row.created_at, (row.is_badged, row.is_barred))).transpose()
}

/// The customers of these names. Each is looked up by itself, whatever the planner thinks of how many there are.
pub async fn find_all<'a>(tx: &mut TenantTx, names: &[Name<'a>]) -> db::Result<HashMap<Name<'a>, Customer>> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        "select i.ord as \"ord!\", c.id, c.is_badged, c.is_barred, w.address, w.created_at
        from unnest($1::uuid[], $2::text[], $3::text[]) with ordinality as i (tenant_id, mode, blind_index, ord)
        cross join lateral (
            select c.tenant_id, c.id, c.is_badged, c.is_barred from customer c
            where c.tenant_id = i.tenant_id and c.mode = i.mode and c.blind_index = i.blind_index limit 1) c
        cross join lateral (
            select w.address, w.created_at from wallet w
            where w.tenant_id = c.tenant_id and w.customer_id = c.id and w.kind = 'smart' limit 1) w",
        &names.iter().map(|(tenant, ..)| tenant.0).collect::<Vec<_>>(),
        &names.iter().map(|(_, mode, _)| mode.as_str()).collect::<Vec<_>>() as &[&str],
        &names.iter().map(|(.., index)| index.as_str()).collect::<Vec<_>>() as &[&str],
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .filter_map(|row| {
            let name = names.get(usize::try_from(row.ord - 1).ok()?)?;
            Some(
                customer(row.id, &row.address, row.created_at, (row.is_badged, row.is_barred))
                    .map(|customer| (*name, customer)),
            )
        })
        .collect()
}

/// The customer of a blind index with the owner and the salt of their wallet; the customer's row stays locked against
/// others who do the same, and against changes of the number.
pub async fn hold_wallet(
    tx: &mut TenantTx,
    mode: Mode,
    index: &BlindIndex,
) -> db::Result<Option<(Customer, Vec<u8>, Vec<u8>)>> {
    let row = sqlx::query!(
        r#"select c.id, c.is_badged, c.is_barred, w.address, w.owner as "owner!", w.salt as "salt!", w.created_at
        from customer c
        join wallet w on w.tenant_id = c.tenant_id and w.customer_id = c.id and w.kind = 'smart'
        where c.tenant_id = $1 and c.mode = $2 and c.blind_index = $3
        for no key update of c"#,
        tx.tenant().0,
        mode.as_str(),
        index.as_str(),
    )
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| {
        Ok((customer(row.id, &row.address, row.created_at, (row.is_badged, row.is_barred))?, row.owner, row.salt))
    })
    .transpose()
}

pub async fn wrapped_key(tx: &mut TenantTx, customer: Uuid) -> db::Result<Option<WrappedKey>> {
    let key = sqlx::query_scalar!(
        "select wrapped_key from customer where tenant_id = $1 and id = $2",
        tx.tenant().0,
        customer
    );
    Ok(key.fetch_optional(&mut **tx).await?.map(WrappedKey))
}

/// The customer of a blind index, whom nobody else changes until the transaction ends.
pub async fn hold(tx: &mut TenantTx, modes: &[Mode], index: &str) -> db::Result<Option<Held>> {
    let row = sqlx::query!(
        "select c.id, c.is_badged, c.is_barred, c.mode, c.blind_index, c.wrapped_key, w.address, w.created_at
        from customer c
        join wallet w on w.tenant_id = c.tenant_id and w.customer_id = c.id and w.kind = 'smart'
        where c.tenant_id = $1 and c.mode = any($2::text[]) and c.blind_index = $3 and c.forgotten_at is null
        for update of c",
        tx.tenant().0,
        &modes.iter().map(|mode| mode.as_str()).collect::<Vec<_>>() as &[&str],
        index,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let mode = Mode::from_word(&row.mode);
    Ok(Some(Held {
        customer: customer(row.id, &row.address, row.created_at, (row.is_badged, row.is_barred))?,
        mode: mode.ok_or_else(|| Error::Decode(format!("{} is no mode", row.mode).into()))?,
        blind_index: row.blind_index,
        wrapped_key: WrappedKey(row.wrapped_key),
    }))
}

/// Gives a customer another phone number; 409 when another customer has it.
pub async fn set_phone(tx: &mut TenantTx, customer: Uuid, index: &BlindIndex, sealed: &Sealed) -> http::Result<()> {
    sqlx::query!(
        "update customer set blind_index = $3, phone_sealed = $4 where tenant_id = $1 and id = $2",
        tx.tenant().0,
        customer,
        index.as_str(),
        sealed.0,
    )
    .execute(&mut **tx)
    .await
    .on_constraint("customer_phone_unique", |_| taken())?;
    Ok(())
}

pub async fn insert_phone_change(tx: &mut TenantTx, change: &PhoneChange) -> db::Result<()> {
    let (key, subject) = match &change.changer {
        Changer::Key(key) => (Some(*key), None),
        Changer::Subject(subject) => (None, Some(subject.as_str())),
    };
    sqlx::query!(
        "insert into phone_change (tenant_id, id, mode, customer_id, old_blind_index, new_blind_index, key_id, subject,
            created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        tx.tenant().0,
        change.id,
        change.mode.as_str(),
        change.customer,
        change.old_blind_index,
        change.new_blind_index.as_str(),
        key,
        subject,
        change.at,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

fn customer(
    id: Uuid,
    address: &[u8],
    created_at: DateTime<Utc>,
    (is_badged, is_barred): (bool, bool),
) -> db::Result<Customer> {
    let wallet = Address::try_from(address).map_err(|error| Error::Decode(error.into()))?;
    Ok(Customer { id, wallet, created_at, is_badged, is_barred })
}
