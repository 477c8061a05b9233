//! Lanes and their leases. Only the database's clock counts.

use std::time::Duration;

use alloy::primitives::Address;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{big, small, told};
use crate::db::{self, Db, EngineTx};

/// A lane held by this process until its lease lapses.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    /// The lane.
    pub lane: Address,
    /// The process.
    pub holder: Uuid,
    /// Grows with every change of holder; checked in every write.
    pub fence: i64,
    /// How long it stands without being renewed.
    pub duration: Duration,
    /// The nonce of the lane's next transaction.
    pub next_nonce: u64,
}

/// The lane has passed to another process: nothing may be signed, stored or sent any more.
#[derive(Debug, thiserror::Error)]
pub enum Unheld {
    /// Another process holds it, or its nonce moved on.
    #[error("the lane is held by another process")]
    Fenced,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] db::Error),
}

/// A lane as operators see it.
#[derive(Clone, Debug)]
pub struct LaneRow {
    /// The account.
    pub address: Address,
    /// The nonce of its next transaction.
    pub next_nonce: u64,
    /// Who holds it.
    pub holder: Option<Uuid>,
    /// Until when, unless renewed.
    pub lease_until: Option<DateTime<Utc>>,
    /// What hinders it.
    pub note: Option<String>,
}

/// Makes the lane known.
pub async fn ensure(db: &Db, lane: Address) -> db::Result<()> {
    let mut tx = db.engine().await?;
    sqlx::query!(
        "insert into lane (address) values ($1) on conflict (address) do update set duty = 'carry'",
        lane.as_slice()
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Takes the lane when it is free, or renews the lease of the one who holds it; `None` when another does.
pub async fn acquire(db: &Db, lane: Address, holder: Uuid, lease: Duration) -> db::Result<Option<Lease>> {
    let mut tx = db.engine().await?;
    let row = sqlx::query!(
        "update lane set holder = $2, lease_until = clock_timestamp() + make_interval(secs => $3),
                fence = case when holder = $2 and lease_until > clock_timestamp() then fence else fence + 1 end
         where address = $1 and (holder = $2 or lease_until <= clock_timestamp()
               -- The clock was ahead when the lease was given.
               or lease_until > clock_timestamp() + make_interval(secs => $3) * 2)
         returning fence, next_nonce",
        lane.as_slice(),
        holder,
        lease.as_secs_f64(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(row.map(|row| Lease { lane, holder, fence: row.fence, duration: lease, next_nonce: small(row.next_nonce) }))
}

/// Gives the lane back, so that another need not wait for the lease to lapse.
pub async fn release(db: &Db, lease: &Lease) -> db::Result<()> {
    let mut tx = db.engine().await?;
    sqlx::query!(
        "update lane set lease_until = '-infinity', holder = null where address = $1 and holder = $2 and fence = $3",
        lease.lane.as_slice(),
        lease.holder,
        lease.fence,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Locks the lane's row and renews the lease if nobody has taken the lane over; every write of the holder begins with
/// this. A lease that lapsed unnoticed is no harm: whoever takes over raises the fencing number.
pub async fn confirm(tx: &mut EngineTx, lease: &Lease) -> Result<(), Unheld> {
    let held = sqlx::query!(
        "update lane set lease_until = clock_timestamp() + make_interval(secs => $4)
         where address = $1 and holder = $2 and fence = $3",
        lease.lane.as_slice(),
        lease.holder,
        lease.fence,
        lease.duration.as_secs_f64(),
    )
    .execute(&mut **tx)
    .await?;
    if held.rows_affected() == 1 { Ok(()) } else { Err(Unheld::Fenced) }
}

/// Moves the lane's nonce from what the lease knows to `next`.
pub async fn set_next_nonce(tx: &mut EngineTx, lease: &mut Lease, next: u64) -> Result<(), Unheld> {
    let moved = sqlx::query!(
        "update lane set next_nonce = $4
         where address = $1 and holder = $2 and fence = $3 and next_nonce = $5",
        lease.lane.as_slice(),
        lease.holder,
        lease.fence,
        big(next),
        big(lease.next_nonce),
    )
    .execute(&mut **tx)
    .await?;
    if moved.rows_affected() != 1 {
        return Err(Unheld::Fenced);
    }
    lease.next_nonce = next;
    Ok(())
}

/// Tells operators what hinders the lane, or that nothing does.
pub async fn set_note(db: &Db, lane: Address, note: Option<&str>) -> db::Result<()> {
    let mut tx = db.engine().await?;
    let note = note.map(told);
    sqlx::query!("update lane set note = $2 where address = $1 and note is distinct from $2", lane.as_slice(), note)
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// All lanes; the funding account is none.
pub async fn list(db: &Db) -> db::Result<Vec<LaneRow>> {
    by_duty(db, "carry").await
}

/// Accounts that fill the lanes: the configured one, and earlier ones.
pub async fn list_funding(db: &Db) -> db::Result<Vec<LaneRow>> {
    by_duty(db, "fund").await
}

async fn by_duty(db: &Db, duty: &str) -> db::Result<Vec<LaneRow>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        r#"select address, next_nonce, holder, note,
                  case when lease_until > clock_timestamp() then lease_until end as "lease_until?"
           from lane where duty = $1 order by address"#,
        duty
    )
    .fetch_all(&mut *tx)
    .await?;
    let lanes = rows.into_iter().map(|row| LaneRow {
        address: super::address(&row.address),
        next_nonce: small(row.next_nonce),
        holder: row.holder.filter(|_| row.lease_until.is_some()),
        lease_until: row.lease_until,
        note: row.note,
    });
    Ok(lanes.collect())
}
