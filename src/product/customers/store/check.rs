//! SQL of compliance checks.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{self, EngineTx, Error, TenantTx};
use crate::foundation::{Mode, Sealed};

/// A check that has not ended.
pub struct Check {
    pub id: Uuid,
    pub customer: Uuid,
    pub mode: Mode,
    /// Whether the provider has said that it has it.
    pub was_heard: bool,
}

pub async fn insert_check(
    tx: &mut TenantTx,
    mode: Mode,
    customer: Uuid,
    id: Uuid,
    now: DateTime<Utc>,
) -> db::Result<()> {
    sqlx::query!(
        "insert into compliance_check (tenant_id, id, customer_id, mode, state, created_at)
        values ($1, $2, $3, $4, 'waiting', $5)",
        tx.tenant().0,
        id,
        customer,
        mode.as_str(),
        now,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// The newest check of a customer.
pub struct NewestCheck {
    /// By which the provider knows it.
    pub id: Uuid,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When the provider said something of it last.
    pub updated_at: DateTime<Utc>,
}

pub async fn newest_check(tx: &mut TenantTx, customer: Uuid) -> db::Result<Option<NewestCheck>> {
    sqlx::query_as!(
        NewestCheck,
        r#"select id, created_at, coalesce(ended_at, asked_at, created_at) as "updated_at!"
        from compliance_check where tenant_id = $1 and customer_id = $2 order by id desc limit 1"#,
        tx.tenant().0,
        customer,
    )
    .fetch_optional(&mut **tx)
    .await
}

/// Whether a check of a customer's has not ended.
pub async fn has_open_check(tx: &mut TenantTx, customer: Uuid) -> db::Result<bool> {
    let exists = sqlx::query_scalar!(
        r#"select exists (
            select from compliance_check where tenant_id = $1 and customer_id = $2 and ended_at is null) as "exists!""#,
        tx.tenant().0,
        customer,
    );
    exists.fetch_one(&mut **tx).await
}

/// Ends a customer's open checks without a verdict: another one takes their place, or nobody asks any more.
pub async fn supersede_checks(tx: &mut TenantTx, customer: Uuid, now: DateTime<Utc>) -> db::Result<()> {
    sqlx::query!(
        "update compliance_check set state = 'dropped', ended_at = $3
        where tenant_id = $1 and customer_id = $2 and ended_at is null",
        tx.tenant().0,
        customer,
        now,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub async fn find_check(tx: &mut TenantTx, id: Uuid) -> db::Result<Option<Check>> {
    let row = sqlx::query!(
        "select customer_id, mode, state from compliance_check
        where tenant_id = $1 and id = $2 and ended_at is null",
        tx.tenant().0,
        id,
    )
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| check(id, row.customer_id, &row.mode, &row.state)).transpose()
}

/// The same, which nobody else ends until the transaction does.
pub async fn hold_check(tx: &mut TenantTx, id: Uuid) -> db::Result<Option<Check>> {
    let row = sqlx::query!(
        "select customer_id, mode, state from compliance_check
        where tenant_id = $1 and id = $2 and ended_at is null for update",
        tx.tenant().0,
        id,
    )
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| check(id, row.customer_id, &row.mode, &row.state)).transpose()
}

fn check(id: Uuid, customer: Uuid, mode: &str, state: &str) -> db::Result<Check> {
    let mode = Mode::from_word(mode).ok_or_else(|| Error::Decode(format!("{mode} is no mode").into()))?;
    Ok(Check { id, customer, mode, was_heard: state != "waiting" })
}

/// Notes where a check stands; a state that ends it ends it. Nobody is on their way to ask any more.
pub async fn end_check(
    tx: &mut TenantTx,
    id: Uuid,
    state: &str,
    now: DateTime<Utc>,
    next_at: Option<DateTime<Utc>>,
) -> db::Result<()> {
    sqlx::query!(
        "update compliance_check set state = $3, asked_at = coalesce(asked_at, $4), next_at = $5, queued = false,
            ended_at = case when $3 in ('accepted', 'rejected') then $4 end
        where tenant_id = $1 and id = $2 and ended_at is null",
        tx.tenant().0,
        id,
        state,
        now,
        next_at,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Takes up to `limit` checks of any tenant that are to be asked about again: nobody takes one again before it was heard of.
pub async fn take_due_checks(tx: &mut EngineTx, now: DateTime<Utc>, limit: i64) -> db::Result<Vec<(Uuid, Uuid)>> {
    let rows = sqlx::query!(
        "with due as (
            select tenant_id, id from compliance_check
            where state in ('pending', 'review') and not queued and next_at <= $1
            order by next_at limit $2 for update skip locked)
        update compliance_check c set queued = true from due
        where c.tenant_id = due.tenant_id and c.id = due.id returning c.tenant_id, c.id",
        now,
        limit,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.tenant_id, row.id)).collect())
}

/// A check as operators see it.
pub struct OpenCheck {
    pub id: Uuid,
    pub customer: Uuid,
    pub mode: String,
    pub state: String,
    pub created_at: DateTime<Utc>,
    pub asked_at: Option<DateTime<Utc>>,
}

/// Up to `limit + 1` checks that have not ended, newest first, after the cursor.
pub async fn open_checks(tx: &mut TenantTx, after: Option<Uuid>, limit: i64) -> db::Result<Vec<OpenCheck>> {
    sqlx::query_as!(
        OpenCheck,
        "select id, customer_id as customer, mode, state, created_at, asked_at from compliance_check
        where tenant_id = $1 and ended_at is null and ($2::uuid is null or id < $2) order by id desc limit $3",
        tx.tenant().0,
        after,
        limit + 1,
    )
    .fetch_all(&mut **tx)
    .await
}

/// Writes down that an operator has ended a check, and why.
pub async fn note_operator(tx: &mut TenantTx, id: Uuid, reason: &Sealed) -> db::Result<()> {
    sqlx::query!(
        "update compliance_check set ended_by = 'operator', decision_sealed = $3 where tenant_id = $1 and id = $2",
        tx.tenant().0,
        id,
        reason.0,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}
