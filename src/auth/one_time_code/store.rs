//! SQL of one-time codes.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Kept, Purpose};
use crate::db::{self, Db, Error, TenantTx};
use crate::foundation::Mode;

pub struct NewCode {
    pub id: Uuid,
    pub mode: Mode,
    pub purpose: Purpose,
    pub target: [u8; 32],
    pub device: Option<[u8; 32]>,
    pub digest: [u8; 32],
    pub now: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// Codes that were sent to one target.
pub struct SentTo<'a> {
    pub mode: Mode,
    pub purpose: Purpose,
    pub target: &'a [u8; 32],
    /// Whether devices asked for them.
    pub by_device: bool,
    pub since: DateTime<Utc>,
}

/// Until the transaction ends nobody else asks for a code for this target.
pub async fn lock_target(tx: &mut TenantTx, target: &[u8; 32]) -> db::Result<()> {
    let [a, b, c, d, e, f, g, h, ..] = *target;
    let number = i64::from_be_bytes([a, b, c, d, e, f, g, h]);
    sqlx::query!(r#"select pg_advisory_xact_lock($1) as "locked!: ()""#, number).fetch_one(&mut **tx).await.map(drop)
}

/// When the code was made that has to grow old before there may be another; none where there may.
pub async fn oldest_beyond(tx: &mut TenantTx, sent: &SentTo<'_>, most: i64) -> db::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!(
        "select created_at from one_time_code
        where tenant_id = $1 and mode = $2 and purpose = $3 and target = $4 and created_at > $5
            and (device is not null) = $6
        order by created_at desc offset $7 limit 1",
        tx.tenant().0,
        sent.mode.as_str(),
        sent.purpose.as_str(),
        sent.target,
        sent.since,
        sent.by_device,
        most - 1,
    )
    .fetch_optional(&mut **tx)
    .await
}

pub async fn insert(tx: &mut TenantTx, code: &NewCode) -> db::Result<()> {
    sqlx::query!(
        "insert into one_time_code (tenant_id, id, mode, purpose, target, device, digest, created_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        tx.tenant().0,
        code.id,
        code.mode.as_str(),
        code.purpose.as_str(),
        &code.target,
        code.device.as_ref().map(|device| device.as_slice()),
        &code.digest,
        code.now,
        code.until,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// The code of a request. Until the transaction ends nobody else tries it.
pub async fn lock(tx: &mut TenantTx, mode: Mode, purpose: Purpose, id: Uuid) -> db::Result<Option<Kept>> {
    let row = sqlx::query!(
        "select target, device, digest, attempts, expires_at, verified_at from one_time_code
        where tenant_id = $1 and id = $2 and mode = $3 and purpose = $4 for update",
        tx.tenant().0,
        id,
        mode.as_str(),
        purpose.as_str(),
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let digest = |bytes: Vec<u8>| bytes.try_into().map_err(|_| Error::Decode("a digest has not 32 bytes".into()));
    Ok(Some(Kept {
        target: digest(row.target)?,
        device: row.device,
        digest: digest(row.digest)?,
        attempts: row.attempts,
        expires_at: row.expires_at,
        verified_at: row.verified_at,
    }))
}

/// Counts an attempt; it was right when it names a time.
pub async fn count(tx: &mut TenantTx, id: Uuid, verified_at: Option<DateTime<Utc>>) -> db::Result<()> {
    sqlx::query!(
        "update one_time_code set attempts = attempts + 1, verified_at = $3 where tenant_id = $1 and id = $2",
        tx.tenant().0,
        id,
        verified_at,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Deletes the codes that were sent to one target.
pub async fn forget(tx: &mut TenantTx, mode: Mode, purpose: Purpose, target: &[u8; 32]) -> db::Result<()> {
    sqlx::query!(
        "delete from one_time_code where tenant_id = $1 and mode = $2 and purpose = $3 and target = $4",
        tx.tenant().0,
        mode.as_str(),
        purpose.as_str(),
        target,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Deletes all tenants' codes that were good until then at most, in portions that hold no lock for long.
pub async fn purge(db: &Db, good_until: DateTime<Utc>) -> db::Result<u64> {
    const PORTION: u64 = 5_000;
    let mut purged = 0;
    loop {
        let mut tx = db.engine().await?;
        let portion = sqlx::query!(
            "delete from one_time_code where (tenant_id, id) in (
                select tenant_id, id from one_time_code where expires_at <= $1 order by expires_at limit 5000)",
            good_until,
        );
        let portion = portion.execute(&mut *tx).await?.rows_affected();
        tx.commit().await?;
        purged += portion;
        if portion < PORTION {
            return Ok(purged);
        }
    }
}
