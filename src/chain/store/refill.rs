//! Refills of lanes from the funding account, and what lanes spend.

use alloy::primitives::{Address, B256, Bytes, U256};

use super::{address, big, hash, small};
use crate::db::{self, Db, EngineTx};
use crate::foundation::Amount;

/// Makes the funding account known, which is worked as a lane is and carries nothing.
pub async fn ensure_funding(db: &Db, funding: Address) -> db::Result<()> {
    let mut tx = db.engine().await?;
    sqlx::query!(
        "insert into lane (address, duty) values ($1, 'fund') on conflict (address) do update set duty = 'fund'",
        funding.as_slice()
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Wei as the database keeps it; more than any account can hold becomes the most.
pub fn wei(amount: U256) -> Amount {
    u128::try_from(amount).ok().and_then(Amount::from_base_units).unwrap_or(Amount::MAX)
}

/// Lanes whose refill is on its way, or not final yet: its bundle is not passed, or was passed after block `since`. One
/// that another funding account has on board counts while that is at work and its nodes take it.
pub async fn being_refilled(tx: &mut EngineTx, funding: Address, since: u64) -> db::Result<Vec<Address>> {
    let lanes = sqlx::query_scalar!(
        // A lane's newest refill: an earlier one was final before it.
        "select distinct r.lane
         from (select distinct on (lane) lane, funding, nonce from refill order by lane, id desc) r
         join lane l on l.address = r.funding
         join bundle b on b.lane = r.funding and b.nonce = r.nonce
         where b.state = 'done' and b.done_block > $2
            or b.state <> 'done' and (r.funding = $1 or (l.lease_until > clock_timestamp() and b.failure is null))",
        funding.as_slice(),
        big(since),
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(lanes.iter().map(|lane| address(lane)).collect())
}

/// Wei that refills of all funding accounts have moved, or will, within the last day.
pub async fn refilled_today(tx: &mut EngineTx) -> db::Result<Amount> {
    sqlx::query_scalar!(
        r#"select coalesce(sum(value), 0) as "sum!: Amount" from refill
           where created_at > clock_timestamp() - interval '1 day'"#
    )
    .fetch_one(&mut **tx)
    .await
}

/// A refill that is about to be stored with its bundle.
#[derive(Clone, Copy, Debug)]
pub struct NewRefill {
    /// The account that pays.
    pub funding: Address,
    /// Its nonce.
    pub nonce: u64,
    /// The lane that is filled.
    pub lane: Address,
    /// Wei.
    pub value: Amount,
}

/// Notes a refill in the transaction that stores its bundle; `false` when the lane is being refilled already, or when more
/// than `daily_cap` would be moved within a day. Whoever stores one waits for the others.
pub async fn insert_refill(tx: &mut EngineTx, refill: NewRefill, since: u64, daily_cap: Amount) -> db::Result<bool> {
    sqlx::query!("select pg_advisory_xact_lock(hashtext('diolkos_refill'))").execute(&mut **tx).await?;
    if being_refilled(tx, refill.funding, since).await?.contains(&refill.lane) {
        return Ok(false);
    }
    let after = refilled_today(tx).await?.checked_add(refill.value);
    if after.is_none_or(|after| after > daily_cap) {
        return Ok(false);
    }
    sqlx::query!(
        "insert into refill (funding, nonce, lane, value, created_at) values ($1, $2, $3, $4, clock_timestamp())",
        refill.funding.as_slice(),
        big(refill.nonce),
        refill.lane.as_slice(),
        refill.value as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(true)
}

/// A bundle that the chain has passed and of which it is not known what it took.
#[derive(Clone, Debug)]
pub struct Uncosted {
    /// The transaction's hash.
    pub hash: B256,
    /// Its bytes.
    pub raw: Bytes,
    /// Whether it is known that another version of its nonce was mined.
    pub is_overtaken: bool,
    /// The block when its nonce was found passed.
    pub done_block: u64,
}

/// Bundles of the last two days that the chain has passed and of which it is not known what they took, the oldest first.
pub async fn uncosted(db: &Db, limit: i64) -> db::Result<Vec<Uncosted>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        r#"select hash, raw, done_block as "done_block!",
                  exists (select from bundle o where o.lane = b.lane and o.nonce = b.nonce and o.cost > 0)
                      as "is_overtaken!"
           from bundle b
           where state = 'done' and cost is null and created_at > now() - interval '2 days'
           order by created_at limit $1"#,
        limit,
    )
    .fetch_all(&mut *tx)
    .await?;
    let bundles = rows.into_iter().map(|row| Uncosted {
        hash: hash(&row.hash),
        raw: row.raw.into(),
        is_overtaken: row.is_overtaken,
        done_block: small(row.done_block),
    });
    Ok(bundles.collect())
}

/// Notes what bundles took, in wei.
pub async fn set_costs(db: &Db, costs: &[(B256, Amount)]) -> db::Result<()> {
    let mut tx = db.engine().await?;
    for (bundle, cost) in costs {
        sqlx::query!("update bundle set cost = $2 where hash = $1", bundle.as_slice(), *cost as _)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}

/// What a lane or the funding account spends.
#[derive(Clone, Copy, Debug)]
pub struct Spending {
    /// The account.
    pub account: Address,
    /// Wei a day at the pace of the last day; of a younger account at the pace since it is known, of an hour at least.
    pub per_day: Amount,
}

/// What lanes and funding accounts spend.
pub async fn spending(db: &Db) -> db::Result<Vec<Spending>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        r#"select l.address as "address!",
                  trunc(coalesce(sum(b.cost), 0) * 86400
                        / greatest(least(extract(epoch from now() - l.created_at), 86400), 3600)) as "per_day!: Amount"
           from lane l
           left join bundle b
             on b.lane = l.address and b.cost is not null and b.created_at > now() - interval '1 day'
           group by l.address, l.created_at"#
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows.into_iter().map(|row| Spending { account: address(&row.address), per_day: row.per_day }).collect())
}

/// How many refills of a funding account the chain has not passed, and their wei.
pub async fn refills_under_way(tx: &mut EngineTx, funding: Address) -> db::Result<(u64, Amount)> {
    let row = sqlx::query!(
        r#"select count(*) as "count!", coalesce(sum(value), 0) as "sum!: Amount"
           from refill r
           where funding = $1 and exists (
               select from bundle b where b.lane = r.funding and b.nonce = r.nonce and b.state <> 'done')"#,
        funding.as_slice()
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok((small(row.count), row.sum))
}
