//! SQL of reports, over the tables of other features; it only reads.

use chrono::NaiveDate;

use super::period::Period;
use crate::db::{self, TenantTx};
use crate::foundation::{Amount, Mode};

/// How many customers there are, and how many of them were made in the period.
pub struct Customers {
    pub total: i64,
    pub new: i64,
}

/// Movements of a kind that ended one way on a day.
pub struct Ended {
    pub kind: String,
    pub day: NaiveDate,
    pub token: String,
    /// Whether they did what they were asked for.
    pub succeeded: bool,
    pub count: i64,
    pub amount: Amount,
}

/// Movements of a kind that were asked for in the period and stand there now.
pub struct Standing {
    pub kind: String,
    pub status: String,
    pub count: i64,
}

/// Seconds from being asked for to the end, of a kind's movements that succeeded in the period.
pub struct Duration {
    pub kind: String,
    pub median: f64,
    pub p95: f64,
}

pub async fn customers(tx: &mut TenantTx, mode: Mode, period: Period) -> db::Result<Customers> {
    sqlx::query_as!(
        Customers,
        r#"select
            (select count(*) from customer where tenant_id = $1 and mode = $2) as "total!",
            (select count(*) from customer where tenant_id = $1 and mode = $2 and id >= $3
                and created_at >= $4 and created_at < $5) as "new!""#,
        tx.tenant().0,
        mode.as_str(),
        period.least_id(),
        period.start(),
        period.end(),
    )
    .fetch_one(&mut **tx)
    .await
}

pub async fn ended(tx: &mut TenantTx, mode: Mode, period: Period) -> db::Result<Vec<Ended>> {
    sqlx::query_as!(
        Ended,
        r#"select kind as "kind!", (ended_at at time zone 'UTC')::date as "day!", token as "token!",
            status in ('SETTLED', 'COMPLETED') as "succeeded!", count(*) as "count!", sum(amount) as "amount!: Amount"
        from (
            select 'deposit' as kind, ended_at, token, status, amount from deposit
            where tenant_id = $1 and mode = $2 and ended_at >= $3 and ended_at < $4
            union all
            select 'transfer', ended_at, token, status, amount from transfer
            where tenant_id = $1 and mode = $2 and ended_at >= $3 and ended_at < $4
            union all
            select 'withdrawal', ended_at, token, status, amount from withdrawal
            where tenant_id = $1 and mode = $2 and ended_at >= $3 and ended_at < $4
        ) movement
        group by 1, 2, 3, 4"#,
        tx.tenant().0,
        mode.as_str(),
        period.start(),
        period.end(),
    )
    .fetch_all(&mut **tx)
    .await
}

pub async fn standing(tx: &mut TenantTx, mode: Mode, period: Period) -> db::Result<Vec<Standing>> {
    sqlx::query_as!(
        Standing,
        r#"select kind as "kind!", status as "status!", count(*) as "count!"
        from (
            select 'deposit' as kind, status from deposit
            where tenant_id = $1 and mode = $2 and id >= $3 and created_at >= $4 and created_at < $5
            union all
            select 'transfer', status from transfer
            where tenant_id = $1 and mode = $2 and id >= $3 and created_at >= $4 and created_at < $5
            union all
            select 'withdrawal', status from withdrawal
            where tenant_id = $1 and mode = $2 and id >= $3 and created_at >= $4 and created_at < $5
        ) movement
        group by kind, status"#,
        tx.tenant().0,
        mode.as_str(),
        period.least_id(),
        period.start(),
        period.end(),
    )
    .fetch_all(&mut **tx)
    .await
}

/// To the millisecond. Kinds of which nothing succeeded are absent.
pub async fn durations(tx: &mut TenantTx, mode: Mode, period: Period) -> db::Result<Vec<Duration>> {
    sqlx::query_as!(
        Duration,
        r#"select kind as "kind!",
            round(percentile_cont(0.5) within group (order by seconds)::numeric, 3)::float8 as "median!",
            round(percentile_cont(0.95) within group (order by seconds)::numeric, 3)::float8 as "p95!"
        from (
            select 'deposit' as kind, extract(epoch from ended_at - created_at)::float8 as seconds from deposit
            where tenant_id = $1 and mode = $2 and ended_at >= $3 and ended_at < $4 and status = 'SETTLED'
            union all
            select 'transfer', extract(epoch from ended_at - created_at)::float8 from transfer
            where tenant_id = $1 and mode = $2 and ended_at >= $3 and ended_at < $4 and status = 'SETTLED'
            union all
            select 'withdrawal', extract(epoch from ended_at - created_at)::float8 from withdrawal
            where tenant_id = $1 and mode = $2 and ended_at >= $3 and ended_at < $4 and status = 'COMPLETED'
        ) movement
        group by kind"#,
        tx.tenant().0,
        mode.as_str(),
        period.start(),
        period.end(),
    )
    .fetch_all(&mut **tx)
    .await
}
