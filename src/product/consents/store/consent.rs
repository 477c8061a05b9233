//! SQL of consents given, of those who give them, and of who may fetch the terms.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::super::consent::{Consent, Party, Status};
use crate::auth::TenantOrCustomer;
use crate::db::{self, TenantTx};
use crate::foundation::Mode;
use crate::http::Result;

/// Whether the transaction's tenant has this customer in this mode.
pub async fn is_customer(tx: &mut TenantTx, mode: Mode, id: Uuid) -> db::Result<bool> {
    let known = sqlx::query!(
        "select id from customer where tenant_id = $1 and id = $2 and mode = $3 and forgotten_at is null",
        tx.tenant().0,
        id,
        mode.as_str(),
    );
    Ok(known.fetch_optional(&mut **tx).await?.is_some())
}

/// The customer of a mode whose wallet this is.
pub async fn customer_of(tx: &mut TenantTx, mode: Mode, account: &[u8]) -> db::Result<Option<Uuid>> {
    let customer = sqlx::query_scalar!(
        "select c.id from wallet w join customer c on c.tenant_id = w.tenant_id and c.id = w.customer_id
        where w.tenant_id = $1 and w.address = $2 and c.mode = $3 and c.forgotten_at is null limit 1",
        tx.tenant().0,
        account,
        mode.as_str(),
    );
    customer.fetch_optional(&mut **tx).await
}

/// What a party said to a vendor last.
pub async fn last_consent(tx: &mut TenantTx, mode: Mode, party: Party, vendor: Uuid) -> Result<Option<Consent>> {
    let row = sqlx::query!(
        "select id, version, status, created_at from customer_consent
        where tenant_id = $1 and mode = $2 and vendor_id = $3 and customer_id is not distinct from $4
        order by id desc limit 1",
        tx.tenant().0,
        mode.as_str(),
        vendor,
        party.customer(),
    );
    let Some(row) = row.fetch_optional(&mut **tx).await? else { return Ok(None) };
    let status = Status::from_word(&row.status)?;
    Ok(Some(Consent { id: row.id, party, version: row.version, status, created_at: row.created_at }))
}

pub async fn insert_consent(
    tx: &mut TenantTx,
    caller: TenantOrCustomer,
    vendor: Uuid,
    consent: &Consent,
) -> db::Result<()> {
    let (key, wallet) = match caller {
        TenantOrCustomer::Tenant(tenant) => (Some(tenant.key_id), None),
        TenantOrCustomer::Customer(customer) => (None, Some(customer.address)),
    };
    sqlx::query!(
        "insert into customer_consent (tenant_id, id, mode, customer_id, vendor_id, version, status, key_id, wallet,
            created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        tx.tenant().0,
        consent.id,
        caller.mode().as_str(),
        consent.party.customer(),
        vendor,
        consent.version,
        consent.status.as_str(),
        key,
        wallet.map(|address| address.to_vec()),
        consent.created_at,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Whether the transaction's tenant may fetch the terms for its customers.
pub async fn may_fetch_terms(tx: &mut TenantTx) -> db::Result<bool> {
    let allowed = sqlx::query_scalar!("select allowed from terms_access where tenant_id = $1", tx.tenant().0);
    Ok(allowed.fetch_optional(&mut **tx).await?.unwrap_or(true))
}

pub async fn set_may_fetch_terms(tx: &mut TenantTx, may: bool, now: DateTime<Utc>) -> db::Result<()> {
    sqlx::query!(
        "insert into terms_access (tenant_id, allowed, changed_at) values ($1, $2, $3)
        on conflict (tenant_id) do update set allowed = excluded.allowed, changed_at = excluded.changed_at",
        tx.tenant().0,
        may,
        now,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}
