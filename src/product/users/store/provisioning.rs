//! SQL of new customers and their wallets, for any number of any tenants.

use std::collections::{HashMap, HashSet};

use alloy::primitives::Address;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{self, Error, TenantTx};
use crate::foundation::{BlindIndex, Mode, Sealed, TenantId, WrappedKey};
use crate::product::users::customer::Name;

/// A customer to be stored.
pub struct NewCustomer<'a> {
    pub tenant: TenantId,
    pub id: Uuid,
    pub mode: Mode,
    pub blind_index: &'a BlindIndex,
    pub phone_sealed: Sealed,
    pub wrapped_key: WrappedKey,
    pub created_at: DateTime<Utc>,
}

/// A customer's smart wallet to be stored.
pub struct NewWallet {
    pub tenant: TenantId,
    pub mode: Mode,
    pub customer: Uuid,
    pub address: Address,
    pub salt: [u8; 32],
    pub owner: Address,
    pub created_at: DateTime<Utc>,
}

/// Stores customers; returns the ids of those whose phone number had none. The others' transactions are then over.
///
/// In the order of the phone numbers, so that two who store the same ones wait instead of deadlocking.
pub async fn insert_all(tx: &mut TenantTx, new: &[NewCustomer<'_>]) -> db::Result<HashSet<Uuid>> {
    let inserted = sqlx::query_scalar!(
        "insert into customer (tenant_id, id, mode, blind_index, phone_sealed, wrapped_key, created_at)
        select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::bytea[],
            $7::timestamptz[]) as c (tenant_id, id, mode, blind_index, phone_sealed, wrapped_key, created_at)
        order by tenant_id, mode, blind_index
        on conflict (tenant_id, mode, blind_index) do nothing
        returning id",
        &new.iter().map(|one| one.tenant.0).collect::<Vec<_>>(),
        &new.iter().map(|one| one.id).collect::<Vec<_>>(),
        &new.iter().map(|one| one.mode.as_str()).collect::<Vec<_>>() as &[&str],
        &new.iter().map(|one| one.blind_index.as_str()).collect::<Vec<_>>() as &[&str],
        &new.iter().map(|one| one.phone_sealed.0.clone()).collect::<Vec<_>>(),
        &new.iter().map(|one| one.wrapped_key.0.clone()).collect::<Vec<_>>(),
        &new.iter().map(|one| one.created_at).collect::<Vec<_>>(),
    );
    Ok(inserted.fetch_all(&mut **tx).await?.into_iter().collect())
}

/// Stores smart wallets; returns the customers whose wallet was stored. The others have one, or somebody else has its
/// address. It is the primary one unless the customer has chosen another.
pub async fn insert_wallets(tx: &mut TenantTx, new: &[NewWallet]) -> db::Result<HashSet<Uuid>> {
    let inserted = sqlx::query_scalar!(
        "insert into wallet (tenant_id, id, customer_id, mode, kind, address, salt, owner, is_primary, created_at)
        select tenant_id, id, customer_id, mode, 'smart', address, salt, owner, not exists (
            select from wallet o where o.tenant_id = w.tenant_id and o.customer_id = w.customer_id and o.is_primary),
            created_at
        from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bytea[], $5::bytea[], $6::bytea[], $7::timestamptz[],
            $8::text[]) as w (tenant_id, id, customer_id, address, salt, owner, created_at, mode)
        on conflict do nothing
        returning customer_id",
        &new.iter().map(|one| one.tenant.0).collect::<Vec<_>>(),
        &new.iter().map(|_| Uuid::now_v7()).collect::<Vec<_>>(),
        &new.iter().map(|one| one.customer).collect::<Vec<_>>(),
        &new.iter().map(|one| one.address.to_vec()).collect::<Vec<_>>(),
        &new.iter().map(|one| one.salt.to_vec()).collect::<Vec<_>>(),
        &new.iter().map(|one| one.owner.to_vec()).collect::<Vec<_>>(),
        &new.iter().map(|one| one.created_at).collect::<Vec<_>>(),
        &new.iter().map(|one| one.mode.as_str()).collect::<Vec<_>>() as &[&str],
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(inserted.into_iter().collect())
}

/// Customers of these names who have no smart wallet, with their names: onboarded by their own wallet's address. Their rows
/// stay locked, so that nobody else gives them one.
pub async fn without_wallet<'a>(tx: &mut TenantTx, names: &[Name<'a>]) -> db::Result<Vec<(Name<'a>, Uuid)>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"select i.ord as "ord!", c.id
        from unnest($1::uuid[], $2::text[], $3::text[]) with ordinality as i (tenant_id, mode, blind_index, ord)
        join customer c on c.tenant_id = i.tenant_id and c.mode = i.mode and c.blind_index = i.blind_index
        where not exists (
            select from wallet w where w.tenant_id = c.tenant_id and w.customer_id = c.id and w.kind = 'smart')
        order by c.tenant_id, c.id
        for no key update of c"#,
        &names.iter().map(|(tenant, ..)| tenant.0).collect::<Vec<_>>(),
        &names.iter().map(|(_, mode, _)| mode.as_str()).collect::<Vec<_>>() as &[&str],
        &names.iter().map(|(.., index)| index.as_str()).collect::<Vec<_>>() as &[&str],
    )
    .fetch_all(&mut **tx)
    .await?;
    let named = |ord: i64| names.get(usize::try_from(ord - 1).ok()?).copied();
    Ok(rows.into_iter().filter_map(|row| Some((named(row.ord)?, row.id))).collect())
}

/// How many customers have left each of these phone numbers; none for those that nobody has left.
pub async fn times_left<'a>(tx: &mut TenantTx, names: &[Name<'a>]) -> db::Result<HashMap<Name<'a>, u64>> {
    let rows = sqlx::query!(
        r#"select i.ord as "ord!", count(*) as "count!"
        from unnest($1::uuid[], $2::text[], $3::text[]) with ordinality as i (tenant_id, mode, blind_index, ord)
        join phone_change p
            on p.tenant_id = i.tenant_id and p.mode = i.mode and p.old_blind_index = i.blind_index
        group by i.ord"#,
        &names.iter().map(|(tenant, ..)| tenant.0).collect::<Vec<_>>(),
        &names.iter().map(|(_, mode, _)| mode.as_str()).collect::<Vec<_>>() as &[&str],
        &names.iter().map(|(.., index)| index.as_str()).collect::<Vec<_>>() as &[&str],
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .filter_map(|row| {
            let name = names.get(usize::try_from(row.ord - 1).ok()?)?;
            Some(u64::try_from(row.count).map_err(|error| Error::Decode(error.into())).map(|count| (*name, count)))
        })
        .collect()
}
