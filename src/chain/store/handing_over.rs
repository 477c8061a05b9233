//! User operations that a bundler carries.

use std::time::Duration;

use alloy::primitives::B256;
use uuid::Uuid;

use super::user_op::Row;
use super::{OpenUserOp, big, news, small, told};
use crate::db::{self, Db};

/// Whose user operations the bundler takes; the others', and those that it cannot carry, go by lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Takes {
    /// The treasury's.
    pub treasury: bool,
    /// Customers' wallets'.
    pub wallets: bool,
}

/// User operations that the bundler should carry, oldest first: never sent, or last sent at block `overdue` or before;
/// in no block, not held back and not on board of a lane that is at work.
pub async fn for_bundler(db: &Db, takes: Takes, overdue: u64, limit: i64) -> db::Result<Vec<OpenUserOp>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query_as!(
        Row,
        r#"select u.id, u.account, u.owner, u.salt, u.born_block, u.refusals, v.hash as "hash?", v.call_gas as "call_gas?",
                  v.verification_gas as "verification_gas?", v.deploys as "deploys?", v.packed as "packed?",
                  v.max_fee as "max_fee?: _", v.max_tip as "max_tip?: _", v.stored_block, v.sent_block
           from user_op u
           left join lateral (
               select * from user_op_version where user_op_id = u.id order by version desc limit 1
           ) v on true
           where u.state = 'open' and coalesce(u.held_until, '-infinity') <= now() and not u.by_lane
             and (case when u.owner is null then $1::boolean else $2 end)
             and (v.sent_block is null or v.sent_block <= $3)
             and not exists (
                 select from bundle b join lane l on l.address = b.lane
                 where b.state <> 'done' and u.id = any(b.user_ops) and l.lease_until > clock_timestamp() and b.failure is null
             )
           order by u.id limit $4"#,
        takes.treasury,
        takes.wallets,
        big(overdue),
        limit,
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows.into_iter().map(OpenUserOp::from).collect())
}

/// How many user operations of the treasury are for the bundler, in no block and not held back, and how many of all
/// accounts, held back or not: what somebody refuses must not pile up.
pub async fn with_bundler(db: &Db, takes: Takes) -> db::Result<(usize, usize)> {
    let mut tx = db.engine().await?;
    let row = sqlx::query!(
        r#"select count(*) filter (where owner is null and coalesce(held_until, '-infinity') <= now()) as "treasury!",
                  count(*) as "all!"
           from user_op
           where state = 'open' and not by_lane
             and (case when owner is null then $1::boolean else $2 end)"#,
        takes.treasury,
        takes.wallets,
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok((usize::try_from(row.treasury).unwrap_or(usize::MAX), usize::try_from(row.all).unwrap_or(usize::MAX)))
}

/// How many user operations the bundler should have and has not, how many it has, and what hinders the one of them that
/// was refused last.
pub async fn bundler_backlog(db: &Db, takes: Takes) -> db::Result<(i64, i64, Option<String>)> {
    let mut tx = db.engine().await?;
    let row = sqlx::query!(
        r#"with mine as (
               select u.failure, u.held_until, exists (
                   select from user_op_version where user_op_id = u.id and sent_block is not null
               ) as sent
               from user_op u
               where u.state = 'open' and not u.by_lane and (case when u.owner is null then $1::boolean else $2 end)
           )
           select count(*) filter (where not sent) as "waiting!", count(*) filter (where sent) as "sent!",
                  (select failure from mine where failure is not null order by held_until desc nulls last limit 1) as failure
           from mine"#,
        takes.treasury,
        takes.wallets,
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok((row.waiting, row.sent, row.failure))
}

/// What the bundler was offered for one user operation.
#[derive(Clone, Copy, Debug)]
pub struct Offers {
    /// How many signatures.
    pub count: u32,
    /// When the first of those that it took was signed; `None`: it took none.
    pub taken_since: Option<u64>,
}

/// What the bundler was offered for a user operation so far.
pub async fn offers(db: &Db, user_op: Uuid) -> db::Result<Offers> {
    let mut tx = db.engine().await?;
    let row = sqlx::query!(
        r#"select count(*) as "count!", min(stored_block) filter (where sent_block is not null) as taken_since
           from user_op_version where user_op_id = $1 and stored_block is not null"#,
        user_op,
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(Offers { count: u32::try_from(row.count).unwrap_or(u32::MAX), taken_since: row.taken_since.map(small) })
}

/// Notes that the bundler took a signature, and that the operations in it are on their way.
///
/// Returns how many seconds each of these operations had waited.
pub async fn mark_handed_over(db: &Db, version: B256, block: u64) -> db::Result<Vec<f64>> {
    let mut tx = db.engine().await?;
    let user_op = sqlx::query_scalar!(
        "update user_op_version set sent_block = $2 where hash = $1 returning user_op_id",
        version.as_slice(),
        big(block),
    )
    .fetch_one(&mut *tx)
    .await?;
    sqlx::query!(
        "update user_op set refusals = 0, failure = null, held_until = null where id = $1 and state = 'open'",
        user_op
    )
    .execute(&mut *tx)
    .await?;
    let waited = news::tell_submitted(&mut tx, &[user_op]).await?;
    tx.commit().await?;
    Ok(waited)
}

/// Counts a refusal, keeps the user operation back for a while by the database's clock, and says why.
pub async fn refuse(db: &Db, user_op: Uuid, wait: Duration, why: &str) -> db::Result<()> {
    let mut tx = db.engine().await?;
    sqlx::query!(
        "update user_op set held_until = now() + make_interval(secs => $2), failure = $3, refusals = refusals + 1
         where id = $1 and state = 'open'",
        user_op,
        wait.as_secs_f64(),
        told(why)
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// From now on lanes carry it, whatever the bundler has of it.
pub async fn give_to_lanes(db: &Db, user_op: Uuid, why: &str) -> db::Result<()> {
    let mut tx = db.engine().await?;
    sqlx::query!(
        "update user_op set by_lane = true, held_until = null, failure = $2 where id = $1 and state = 'open'",
        user_op,
        told(why)
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}
