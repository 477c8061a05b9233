//! SQL of what customers have moved since the day and the month began.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{self, TenantTx};
use crate::foundation::{Amount, TenantId};
use crate::product::rules::check::Movement;
use crate::product::rules::needs::Reach;

/// From when on movements are counted.
pub struct Since {
    /// When the day began,
    pub day: DateTime<Utc>,
    /// and the month.
    pub month: DateTime<Utc>,
    /// No movement of the day has a smaller id: older ones need not be looked at.
    pub id_of_day: Uuid,
    /// Nor of the month.
    pub id_of_month: Uuid,
    /// What has a smaller id is old: no other will come to be beside it.
    pub settled: Uuid,
}

/// Whose movements of one kind are counted, and how far back.
pub struct Asked {
    pub tenant: TenantId,
    pub customer: Uuid,
    pub movement: Movement,
    pub reach: Reach,
}

impl Asked {
    fn since(&self, since: &Since) -> Option<Uuid> {
        match self.reach {
            Reach::Nothing => None,
            Reach::Day => Some(since.id_of_day),
            Reach::Month => Some(since.id_of_month),
        }
    }

    const fn kind(&self) -> &'static str {
        match self.movement {
            Movement::Deposit => "deposit",
            Movement::TransferIn => "transfer_in",
            Movement::TransferOut => "transfer_out",
            Movement::Withdrawal => "withdrawal",
        }
    }
}

/// What a customer moved of a token in one way; sums in base units.
pub struct Moved {
    /// By whom and in which way: the place in what was asked, from 1.
    pub place: i64,
    pub token: String,
    pub day: i64,
    pub month: i64,
    pub day_sum: Amount,
    pub month_sum: Amount,
    /// How many old movements were added up that could be written down.
    pub old: i64,
}

/// What these customers moved since the day and since the month began, by what is written down of the month and by all
/// that came later.
pub async fn moved(tx: &mut TenantTx, asked: &[Asked], since: &Since) -> db::Result<Vec<Moved>> {
    sqlx::query_as!(
        Moved,
        r#"select a.place as "place!", m.token as "token!", m.day as "day!", m.month as "month!",
            m.day_sum as "day_sum!: Amount", m.month_sum as "month_sum!: Amount", m.old as "old!"
        from unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::bool[]) with ordinality
            as a (tenant_id, customer_id, kind, since, of_month, place)
        left join counted_month k on k.tenant_id = a.tenant_id and k.customer_id = a.customer_id and k.kind = a.kind
            and k.month = $7 and a.of_month
        cross join lateral (
            select token, sum(day)::bigint as day, sum(month)::bigint as month, sum(day_sum) as day_sum,
                sum(month_sum) as month_sum, sum(old)::bigint as old
            from (
                select w.token, 0 as day, w.movements as month, 0 as day_sum, w.amount as month_sum, 0 as old
                from unnest(k.tokens, k.movements, k.amounts) as w (token, movements, amount)
                union all
                select f.token, count(*) filter (where f.counts and f.created_at >= $6),
                    count(*) filter (where f.counts and f.created_at >= $7),
                    coalesce(sum(f.amount) filter (where f.counts and f.created_at >= $6), 0),
                    coalesce(sum(f.amount) filter (where f.counts and f.created_at >= $7), 0),
                    count(*) filter (where f.id < $8 and (f.is_new or f.is_final))
                from customer_flow_since(a.tenant_id, a.customer_id, array[a.kind], coalesce(k.up_to, a.since),
                    k.not_ended) f
                group by f.token
            ) parts
            group by token
        ) m"#,
        &asked.iter().map(|a| a.tenant.0).collect::<Vec<_>>(),
        &asked.iter().map(|a| a.customer).collect::<Vec<_>>(),
        &asked.iter().map(Asked::kind).collect::<Vec<_>>() as &[&str],
        &asked.iter().map(|a| a.since(since)).collect::<Vec<_>>() as &[Option<Uuid>],
        &asked.iter().map(|a| a.reach == Reach::Month).collect::<Vec<_>>(),
        since.day,
        since.month,
        since.settled,
    )
    .fetch_all(&mut **tx)
    .await
}

/// Writes down what these customers' old movements of the month come to, and which of them have not ended. The customers
/// are locked, so that nobody else writes the same.
pub async fn write_down_month(tx: &mut TenantTx, asked: &[&Asked], since: &Since) -> db::Result<()> {
    sqlx::query!(
        r#"insert into counted_month as k (tenant_id, customer_id, kind, month, up_to, not_ended, tokens, movements,
            amounts, updated_at)
        select a.tenant_id, a.customer_id, a.kind, $5, $6, n.not_ended, s.tokens, s.movements, s.amounts, now()
        from unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[]) as a (tenant_id, customer_id, kind, since)
        left join counted_month k on k.tenant_id = a.tenant_id and k.customer_id = a.customer_id and k.kind = a.kind
            and k.month = $5
        cross join lateral (
            select coalesce(array_agg(f.id) filter (where not f.is_final), '{}') as not_ended,
                coalesce(array_agg(f.token) filter (where f.is_final and f.counts), '{}') as tokens,
                coalesce(array_agg(f.amount) filter (where f.is_final and f.counts), '{}') as amounts
            from customer_flow_since(a.tenant_id, a.customer_id, array[a.kind], coalesce(k.up_to, a.since),
                k.not_ended) f
            where f.created_at >= $5 and f.id < $6
        ) n
        cross join lateral (
            select coalesce(array_agg(token), '{}') as tokens, coalesce(array_agg(movements), '{}') as movements,
                coalesce(array_agg(amount), '{}') as amounts
            from (
                select token, sum(movements)::bigint as movements, sum(amount) as amount
                from (
                    select w.token, w.movements, w.amount
                    from unnest(k.tokens, k.movements, k.amounts) as w (token, movements, amount)
                    union all
                    select e.token, 1, e.amount from unnest(n.tokens, n.amounts) as e (token, amount)
                ) parts
                group by token
            ) by_token
        ) s
        where $6 > coalesce(k.up_to, a.since)
        on conflict on constraint counted_month_pkey do update
            set month = excluded.month, up_to = excluded.up_to, not_ended = excluded.not_ended, tokens = excluded.tokens,
                movements = excluded.movements, amounts = excluded.amounts, updated_at = excluded.updated_at"#,
        &asked.iter().map(|a| a.tenant.0).collect::<Vec<_>>(),
        &asked.iter().map(|a| a.customer).collect::<Vec<_>>(),
        &asked.iter().map(|a| a.kind()).collect::<Vec<_>>() as &[&str],
        &asked.iter().map(|a| a.since(since)).collect::<Vec<_>>() as &[Option<Uuid>],
        since.month,
        since.settled,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Throws away what is written down of a customer's movements.
pub async fn forget(tx: &mut TenantTx, customer: Uuid) -> db::Result<()> {
    let tenant = tx.tenant().0;
    sqlx::query!("delete from counted_month where tenant_id = $1 and customer_id = $2", tenant, customer)
        .execute(&mut **tx)
        .await?;
    sqlx::query!("delete from stored_value where tenant_id = $1 and customer_id = $2", tenant, customer)
        .execute(&mut **tx)
        .await
        .map(drop)
}
