//! SQL of identity checks.

mod policy;
mod sweep;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::check::Owner;
use crate::db::{self, Error, TenantTx};
use crate::foundation::{Mode, Sealed, WrappedKey};

pub use policy::{set_target_origins, target_origins};
pub use sweep::{Due, delete_nobodys, due, purge};

/// A check to be stored.
pub struct NewCheck<'a> {
    pub id: Uuid,
    pub mode: Mode,
    pub owner: &'a Owner,
    pub customer: Option<Uuid>,
    pub mobile_index: &'a str,
    pub wrapped_key: WrappedKey,
    pub details: Sealed,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Where a check stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Waiting,
    Sent,
    Validating,
    Proven,
    Refused,
    Failed,
    Expired,
}

impl State {
    const ALL: [Self; 7] =
        [Self::Waiting, Self::Sent, Self::Validating, Self::Proven, Self::Refused, Self::Failed, Self::Expired];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Validating => "validating",
            Self::Proven => "proven",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

/// A check as stored.
pub struct Row {
    pub id: Uuid,
    pub owner: Owner,
    pub state: State,
    pub wrapped_key: Option<Vec<u8>>,
    pub details: Option<Vec<u8>>,
    pub reference: Option<Vec<u8>>,
    pub fingerprint: Option<Vec<u8>>,
    pub finding: Option<Vec<u8>>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Of those who begin checks of one number, or by one device, at once each has the index in turn: the number's first.
pub async fn lock(tx: &mut TenantTx, index: &str) -> db::Result<()> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended($1, 0))", index).execute(&mut **tx).await.map(drop)
}

/// How many checks have begun of a number, or by this customer, or by this device: whichever are more.
///
/// Anybody can be a device, and customers may name any number: of a number devices', customers' and the back end's checks
/// are counted apart, and take nothing from each other.
pub async fn begun_since(
    tx: &mut TenantTx,
    mode: Mode,
    owner: &Owner,
    mobile_index: &str,
    since: DateTime<Utc>,
) -> db::Result<i64> {
    let customer = match owner {
        Owner::Customer(customer) => Some(*customer),
        Owner::Tenant | Owner::Device(_) => None,
    };
    let count = sqlx::query_scalar!(
        r#"select greatest(
            (select count(*) from identity_check
                where tenant_id = $1 and mode = $2 and mobile_index = $3 and created_at > $6
                    and begun_by = $7),
            (select count(*) from identity_check
                where tenant_id = $1 and customer_id = $4 and created_at > $6 and mode = $2 and begun_by = 'customer'),
            (select count(*) from identity_check
                where tenant_id = $1 and device_index = $5 and created_at > $6 and mode = $2)) as "count!""#,
        tx.tenant().0,
        mode.as_str(),
        mobile_index,
        customer,
        owner.device(),
        since,
        owner.as_str(),
    );
    count.fetch_one(&mut **tx).await
}

pub async fn insert(tx: &mut TenantTx, new: &NewCheck<'_>) -> db::Result<()> {
    sqlx::query!(
        "insert into identity_check (tenant_id, id, mode, begun_by, device_index, customer_id, mobile_index, wrapped_key,
            details, created_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        tx.tenant().0,
        new.id,
        new.mode.as_str(),
        new.owner.as_str(),
        new.owner.device(),
        new.customer,
        new.mobile_index,
        new.wrapped_key.0,
        new.details.0,
        new.created_at,
        new.expires_at,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// A check, which nobody else changes until the transaction ends.
pub async fn hold(tx: &mut TenantTx, mode: Mode, id: Uuid) -> db::Result<Option<Row>> {
    let row = sqlx::query!(
        "select begun_by, device_index, customer_id, state, wrapped_key, details, reference, fingerprint, finding,
            created_at, expires_at
        from identity_check where tenant_id = $1 and mode = $2 and id = $3 for update",
        tx.tenant().0,
        mode.as_str(),
        id,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let owner = match (&*row.begun_by, row.customer_id, row.device_index) {
        ("tenant", _, None) => Owner::Tenant,
        ("customer", Some(customer), None) => Owner::Customer(customer),
        ("device", _, Some(index)) => Owner::Device(index),
        (word, _, _) => return Err(Error::Decode(format!("{word} begins no checks").into())),
    };
    let state = State::ALL.into_iter().find(|state| state.as_str() == row.state);
    Ok(Some(Row {
        id,
        owner,
        state: state.ok_or_else(|| Error::Decode(format!("{} is no state", row.state).into()))?,
        wrapped_key: row.wrapped_key,
        details: row.details,
        reference: row.reference,
        fingerprint: row.fingerprint,
        finding: row.finding,
        created_at: row.created_at,
        expires_at: row.expires_at,
    }))
}

/// Of which mode a check is, and whose standing it may change.
pub async fn find(tx: &mut TenantTx, id: Uuid) -> db::Result<Option<(Mode, Option<Uuid>)>> {
    let row = sqlx::query!(
        "select mode, customer_id from identity_check where tenant_id = $1 and id = $2",
        tx.tenant().0,
        id,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let mode = Mode::from_word(&row.mode).ok_or_else(|| Error::Decode(format!("{} is no mode", row.mode).into()))?;
    Ok(Some((mode, row.customer_id)))
}

/// The provider has sent the link; `false` when that was noted, or it is too late.
pub async fn mark_sent(tx: &mut TenantTx, id: Uuid, reference: &Sealed) -> db::Result<bool> {
    let updated = sqlx::query!(
        "update identity_check set state = 'sent', reference = $3
        where tenant_id = $1 and id = $2 and state = 'waiting'",
        tx.tenant().0,
        id,
        reference.0,
    );
    Ok(updated.execute(&mut **tx).await?.rows_affected() == 1)
}

/// The provider is asked about a new fingerprint.
pub async fn begin_validation(
    tx: &mut TenantTx,
    id: Uuid,
    fingerprint: &Sealed,
    next_at: DateTime<Utc>,
) -> db::Result<()> {
    sqlx::query!(
        "update identity_check set state = 'validating', fingerprint = $3, next_at = $4, asked = 1
        where tenant_id = $1 and id = $2 and state = 'sent'",
        tx.tenant().0,
        id,
        fingerprint.0,
        next_at,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// A fingerprint proved somebody.
pub async fn mark_proven(tx: &mut TenantTx, id: Uuid, finding: &Sealed, now: DateTime<Utc>) -> db::Result<()> {
    sqlx::query!(
        "update identity_check set state = 'proven', finding = $3, next_at = null, ended_at = $4
        where tenant_id = $1 and id = $2 and state = 'validating'",
        tx.tenant().0,
        id,
        finding.0,
        now,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// A fingerprint proved nothing: another may be tried, as long as `most` have not been.
pub async fn mark_unproven(tx: &mut TenantTx, id: Uuid, most: i32, now: DateTime<Utc>) -> db::Result<()> {
    sqlx::query!(
        "update identity_check set attempts = attempts + 1, fingerprint = null, next_at = null,
            asked = 0,
            state = case when attempts + 1 < $3 then 'sent' else 'refused' end,
            ended_at = case when attempts + 1 < $3 then null else $4::timestamptz end
        where tenant_id = $1 and id = $2 and state = 'validating'",
        tx.tenant().0,
        id,
        most,
        now,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// A check has come to nothing; `false` when it has ended already.
pub async fn mark_failed(tx: &mut TenantTx, id: Uuid, now: DateTime<Utc>) -> db::Result<bool> {
    let updated = sqlx::query!(
        "update identity_check set state = 'failed', fingerprint = null, next_at = null, ended_at = $3
        where tenant_id = $1 and id = $2 and ended_at is null",
        tx.tenant().0,
        id,
        now,
    );
    Ok(updated.execute(&mut **tx).await?.rows_affected() == 1)
}

/// Takes the turn to ask the provider again, when it has come; nobody else has one before `next_at`.
pub async fn take_turn(tx: &mut TenantTx, id: Uuid, now: DateTime<Utc>, next_at: DateTime<Utc>) -> db::Result<bool> {
    let updated = sqlx::query!(
        "update identity_check set next_at = $4, asked = asked + 1
        where tenant_id = $1 and id = $2 and state = 'validating' and next_at <= $3",
        tx.tenant().0,
        id,
        now,
        next_at,
    );
    Ok(updated.execute(&mut **tx).await?.rows_affected() == 1)
}

/// Whether the provider has been asked so often about the fingerprint at hand.
pub async fn was_asked(tx: &mut TenantTx, id: Uuid, times: i32) -> db::Result<bool> {
    let asked = sqlx::query_scalar!(
        r#"select asked >= $3 as "was_asked!" from identity_check
        where tenant_id = $1 and id = $2 and state = 'validating'"#,
        tx.tenant().0,
        id,
        times,
    );
    Ok(asked.fetch_optional(&mut **tx).await?.unwrap_or(false))
}

/// Removes a customer's checks, and all of a number.
pub async fn forget(tx: &mut TenantTx, mode: Mode, customer: Uuid, mobile_index: &str) -> db::Result<()> {
    sqlx::query!(
        "delete from identity_check
        where tenant_id = $1 and (customer_id = $3 or mode = $2 and mobile_index = $4)",
        tx.tenant().0,
        mode.as_str(),
        customer,
        mobile_index,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}
