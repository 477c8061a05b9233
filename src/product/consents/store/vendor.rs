//! SQL of vendors and their messages.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::super::vendor::{Message, Purpose, Vendor};
use crate::db::{self, Cursor, TenantTx};
use crate::http::{Error, OnConstraint, Result};

/// Whether the tenant has, or ever had, a vendor.
pub async fn has_vendors(tx: &mut TenantTx) -> db::Result<bool> {
    let any = sqlx::query_scalar!(
        r#"select exists (select from consent_vendor where tenant_id = $1) as "any!""#,
        tx.tenant().0,
    );
    any.fetch_one(&mut **tx).await
}

/// The first vendor in use that serves a purpose, with its newest message.
pub async fn find_vendor(tx: &mut TenantTx, purpose: &Purpose<'_>) -> db::Result<Option<Vendor>> {
    let vendor = sqlx::query_as!(
        Vendor,
        "select v.id, v.name, v.sub_category, v.kind, v.payment_partner, m.version, m.message, v.created_at, v.retired_at
        from consent_vendor v
        cross join lateral (select version, message from consent_message
            where tenant_id = $1 and vendor_id = v.id order by number desc limit 1) m
        where v.tenant_id = $1 and v.retired_at is null and ($2::text is null or v.sub_category = $2)
            and ($3::text is null or v.kind = $3) and ($4::text is null or v.payment_partner = $4)
        order by v.id limit 1",
        tx.tenant().0,
        purpose.sub_category,
        purpose.kind,
        purpose.payment_partner,
    );
    vendor.fetch_optional(&mut **tx).await
}

/// A vendor, also a retired one, with its newest message.
pub async fn vendor(tx: &mut TenantTx, id: Uuid) -> db::Result<Option<Vendor>> {
    let vendor = sqlx::query_as!(
        Vendor,
        "select v.id, v.name, v.sub_category, v.kind, v.payment_partner, m.version, m.message, v.created_at, v.retired_at
        from consent_vendor v
        cross join lateral (select version, message from consent_message
            where tenant_id = $1 and vendor_id = v.id order by number desc limit 1) m
        where v.tenant_id = $1 and v.id = $2",
        tx.tenant().0,
        id,
    );
    vendor.fetch_optional(&mut **tx).await
}

/// Up to `limit + 1` vendors, newest first, after the cursor; retired ones too.
pub async fn list_vendors(tx: &mut TenantTx, after: Option<Cursor>, limit: i64) -> db::Result<Vec<Vendor>> {
    let vendors = sqlx::query_as!(
        Vendor,
        "select v.id, v.name, v.sub_category, v.kind, v.payment_partner, m.version, m.message, v.created_at, v.retired_at
        from consent_vendor v
        cross join lateral (select version, message from consent_message
            where tenant_id = $1 and vendor_id = v.id order by number desc limit 1) m
        where v.tenant_id = $1 and ($2::uuid is null or v.id < $2) order by v.id desc limit $3",
        tx.tenant().0,
        after.map(|cursor| cursor.0),
        limit + 1,
    );
    vendors.fetch_all(&mut **tx).await
}

/// Adds a vendor without a message yet.
pub async fn insert_vendor(tx: &mut TenantTx, vendor: &Vendor) -> Result<()> {
    sqlx::query!(
        "insert into consent_vendor (tenant_id, id, name, sub_category, kind, payment_partner, created_at)
        values ($1, $2, $3, $4, $5, $6, $7)",
        tx.tenant().0,
        vendor.id,
        vendor.name,
        vendor.sub_category,
        vendor.kind,
        vendor.payment_partner,
        vendor.created_at,
    )
    .execute(&mut **tx)
    .await
    .on_constraint("consent_vendor_unique", |_| {
        Error::conflict("duplicate_vendor", "a vendor of this sub-category, type and payment partner is in use")
    })?;
    Ok(())
}

/// The same for the house's vendor; `false` when it is there already.
pub async fn adopt_vendor(tx: &mut TenantTx, vendor: &Vendor) -> db::Result<bool> {
    let adopted = sqlx::query!(
        "insert into consent_vendor (tenant_id, id, name, sub_category, kind, payment_partner, created_at)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (tenant_id, sub_category, kind, payment_partner) where retired_at is null do nothing",
        tx.tenant().0,
        vendor.id,
        vendor.name,
        vendor.sub_category,
        vendor.kind,
        vendor.payment_partner,
        vendor.created_at,
    );
    Ok(adopted.execute(&mut **tx).await?.rows_affected() == 1)
}

/// Makes those who publish for the same vendor wait for each other, and returns the number of the next message; `None`
/// when there is no such vendor in use.
pub async fn next_number(tx: &mut TenantTx, vendor: Uuid) -> db::Result<Option<i32>> {
    let locked = sqlx::query!(
        "select id from consent_vendor where tenant_id = $1 and id = $2 and retired_at is null for update",
        tx.tenant().0,
        vendor,
    );
    if locked.fetch_optional(&mut **tx).await?.is_none() {
        return Ok(None);
    }
    let next = sqlx::query_scalar!(
        r#"select coalesce(max(number), 0) + 1 as "next!" from consent_message where tenant_id = $1 and vendor_id = $2"#,
        tx.tenant().0,
        vendor,
    );
    next.fetch_one(&mut **tx).await.map(Some)
}

pub async fn insert_message(
    tx: &mut TenantTx,
    vendor: Uuid,
    number: i32,
    message: &Message,
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "insert into consent_message (tenant_id, vendor_id, number, version, message, created_at)
        values ($1, $2, $3, $4, $5, $6)",
        tx.tenant().0,
        vendor,
        number,
        message.version,
        message.text,
        now,
    )
    .execute(&mut **tx)
    .await
    .on_constraint("consent_message_version_unique", |_| {
        Error::conflict("duplicate_version", "the vendor has a message of this version")
    })?;
    Ok(())
}

/// Retires a vendor in use.
pub async fn retire_vendor(tx: &mut TenantTx, id: Uuid, now: DateTime<Utc>) -> db::Result<bool> {
    let retired = sqlx::query!(
        "update consent_vendor set retired_at = $3 where tenant_id = $1 and id = $2 and retired_at is null",
        tx.tenant().0,
        id,
        now,
    );
    Ok(retired.execute(&mut **tx).await?.rows_affected() == 1)
}
