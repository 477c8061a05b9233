//! SQL of business users.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{self, TenantTx};
use crate::foundation::{BlindIndex, Mode};

/// By what another business is found.
#[derive(Clone, Copy)]
pub enum By<'a> {
    /// Its domain.
    Domain(&'a BlindIndex),
    /// Its name.
    Name(&'a BlindIndex),
    /// Its e-mail address.
    Email(&'a BlindIndex),
    /// The e-mail address of somebody who controls it.
    ControlPerson(&'a BlindIndex),
}

pub async fn exists(tx: &mut TenantTx, mode: Mode, by: By<'_>) -> db::Result<bool> {
    let (domain, name, email, person) = match by {
        By::Domain(index) => (Some(index.as_str()), None, None, None),
        By::Name(index) => (None, Some(index.as_str()), None, None),
        By::Email(index) => (None, None, Some(index.as_str()), None),
        By::ControlPerson(index) => (None, None, None, Some(index.as_str())),
    };
    let found = sqlx::query_scalar!(
        r#"select exists (select from customer_identifier where tenant_id = $1 and mode = $2 and index = $3::text)
            or exists (select from business_user where tenant_id = $1 and mode = $2 and name_index = $4::text)
            or exists (select from customer_profile where tenant_id = $1 and mode = $2 and email_index = $5::text)
            or exists (select from business_control_person
                where tenant_id = $1 and mode = $2 and email_index = $6::text) as "found!""#,
        tx.tenant().0,
        mode.as_str(),
        domain,
        name,
        email,
        person,
    );
    found.fetch_one(&mut **tx).await
}

pub async fn insert(
    tx: &mut TenantTx,
    mode: Mode,
    customer: Uuid,
    name: &BlindIndex,
    now: DateTime<Utc>,
) -> db::Result<()> {
    sqlx::query!(
        "insert into business_user (tenant_id, customer_id, mode, name_index, created_at) values ($1, $2, $3, $4, $5)",
        tx.tenant().0,
        customer,
        mode.as_str(),
        name.as_str(),
        now,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// In the order of the addresses, so that two who store the same ones wait instead of deadlocking.
pub async fn insert_control_persons(
    tx: &mut TenantTx,
    mode: Mode,
    customer: Uuid,
    emails: &[BlindIndex],
) -> db::Result<()> {
    sqlx::query!(
        "insert into business_control_person (tenant_id, customer_id, mode, email_index)
        select $1, $2, $3, email from unnest($4::text[]) as p (email) order by email",
        tx.tenant().0,
        customer,
        mode.as_str(),
        &emails.iter().map(BlindIndex::as_str).collect::<Vec<_>>() as &[&str],
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn forget(tx: &mut TenantTx, customer: Uuid) -> db::Result<()> {
    let tenant = tx.tenant().0;
    sqlx::query!("delete from business_control_person where tenant_id = $1 and customer_id = $2", tenant, customer)
        .execute(&mut **tx)
        .await?;
    sqlx::query!("delete from business_user where tenant_id = $1 and customer_id = $2", tenant, customer)
        .execute(&mut **tx)
        .await
        .map(drop)
}
