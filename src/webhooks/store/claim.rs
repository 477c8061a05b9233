//! What a worker takes.
//!
//! Whoever chooses among an endpoint's deliveries, or writes the outcome of one, holds the endpoint's row: what such a
//! statement sees of the endpoint's deliveries does not change under it.

use std::time::Duration;

use uuid::Uuid;

use crate::db::{self, Db, EngineTx};
use crate::foundation::TenantId;

/// A delivery that this process has in hand until its lease ends.
#[derive(Clone, Copy, Debug)]
pub struct Claimed {
    pub tenant: TenantId,
    pub id: Uuid,
    pub endpoint: Uuid,
    /// Which attempt this is.
    pub attempt: i32,
}

/// How many waiting deliveries of an endpoint are looked at in one go.
const LOOK: i64 = 100;

/// Leases up to `free` deliveries that are due, of endpoints in trouble or of those that are well, at most `share` of
/// each endpoint in all processes together. Deliveries that are not the next of their resource are put off until the next
/// one's time. Returns what was leased, and whether anything was put off.
pub async fn claim(
    db: &Db,
    in_trouble: bool,
    free: i64,
    share: i64,
    lease: Duration,
) -> db::Result<(Vec<Claimed>, bool)> {
    let mut tx = db.engine().await?;
    let (tenants, endpoints) = endpoints_with_work(&mut tx, in_trouble, free).await?;
    if endpoints.is_empty() {
        return Ok((Vec::new(), false));
    }
    let count = i64::try_from(endpoints.len()).unwrap_or(i64::MAX);
    let rows = sqlx::query!(
        r#"with endpoint as (
            select t.tenant_id, t.id, greatest($3 - (
                select count(*) from webhook_delivery f
                where f.tenant_id = t.tenant_id and f.endpoint_id = t.id and f.lease_until > now()), 0) as share
            from unnest($1::uuid[], $2::uuid[]) as t (tenant_id, id)
        ), due as (
            select d.tenant_id, d.id, d.endpoint_id, d.next_at, d.seq, e.share, (
                select before.next_at from webhook_delivery before
                where before.tenant_id = d.tenant_id and before.endpoint_id = d.endpoint_id
                    and before.resource = d.resource and before.seq < d.seq and before.status = 'pending'
                order by before.seq limit 1) as put_off
            from endpoint e
            cross join lateral (
                select * from webhook_delivery w
                where w.tenant_id = e.tenant_id and w.endpoint_id = e.id and w.status = 'pending' and w.next_at <= now()
                order by w.next_at, w.seq limit $4) d
        ), turn as (
            select tenant_id, id, put_off,
                put_off is null and row_number() over (
                    partition by tenant_id, endpoint_id, put_off is null order by next_at, seq) <= share as leased
            from due
        )
        update webhook_delivery d set
            attempts = d.attempts + leased::int,
            lease_until = case when leased then now() + make_interval(secs => $5) end,
            next_at = case when leased then now() + make_interval(secs => $5) else put_off end
        from turn
        where d.tenant_id = turn.tenant_id and d.id = turn.id and (leased or put_off > now())
        returning d.tenant_id, d.id, d.endpoint_id, d.attempts, leased as "leased!""#,
        &tenants,
        &endpoints,
        share.min(free / count).max(1),
        LOOK,
        lease.as_secs_f64(),
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    let any_put_off = rows.iter().any(|row| !row.leased);
    let claimed = rows.into_iter().filter(|row| row.leased).map(|row| Claimed {
        tenant: TenantId(row.tenant_id),
        id: row.id,
        endpoint: row.endpoint_id,
        attempt: row.attempts,
    });
    Ok((claimed.collect(), any_put_off))
}

/// Locks up to `limit` endpoints with work that is due, those in the least trouble first and equals with the same chance,
/// and returns their tenants and ids. One look at an index for each endpoint that anything waits for, however much it is.
async fn endpoints_with_work(tx: &mut EngineTx, in_trouble: bool, limit: i64) -> db::Result<(Vec<Uuid>, Vec<Uuid>)> {
    let rows = sqlx::query!(
        r#"with recursive waiting as (
            (select tenant_id, endpoint_id, next_at from webhook_delivery where status = 'pending'
            order by tenant_id, endpoint_id, next_at limit 1)
            union all
            select next.tenant_id, next.endpoint_id, next.next_at from waiting
            cross join lateral (
                select d.tenant_id, d.endpoint_id, d.next_at from webhook_delivery d
                where d.status = 'pending' and (d.tenant_id, d.endpoint_id) > (waiting.tenant_id, waiting.endpoint_id)
                order by d.tenant_id, d.endpoint_id, d.next_at limit 1) next
        )
        select e.tenant_id, e.id from webhook_endpoint e
        join waiting w on w.tenant_id = e.tenant_id and w.endpoint_id = e.id
        where w.next_at <= now() and (e.trouble > 0) = $1
        order by e.trouble, random() limit $2
        for no key update of e skip locked"#,
        in_trouble,
        limit,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.tenant_id, row.id)).unzip())
}
