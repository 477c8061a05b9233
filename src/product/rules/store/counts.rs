//! SQL of what customers have moved and hold.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{self, TenantTx};
use crate::foundation::{Amount, TenantId};
use crate::product::rules::check::Movement;
use crate::product::rules::needs::{Needs, Reach};

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
}

/// Whose movements are counted: of each kind from an id on, or not at all.
pub struct Holder {
    pub tenant: TenantId,
    pub customer: Uuid,
    deposits: Option<Uuid>,
    transfers_in: Option<Uuid>,
    transfers_out: Option<Uuid>,
    withdrawals: Option<Uuid>,
}

impl Holder {
    /// A customer whose rules have these needs.
    pub fn of((tenant, customer): (TenantId, Uuid), needs: Needs, since: &Since) -> Self {
        let from = |reach: Reach| match reach {
            Reach::Nothing => None,
            Reach::Day => Some(since.id_of_day),
            Reach::Month => Some(since.id_of_month),
        };
        Self {
            tenant,
            customer,
            deposits: from(needs.deposits),
            transfers_in: from(needs.transfers_in),
            transfers_out: from(needs.transfers_out),
            withdrawals: from(needs.withdrawals),
        }
    }
}

/// What a customer moved of a token in one way; sums in base units.
pub struct Moved {
    /// Whose: the place among the holders, from 1.
    pub holder: i64,
    pub kind: String,
    pub token: String,
    pub day: i64,
    pub month: i64,
    pub day_sum: Amount,
    pub month_sum: Amount,
}

impl Moved {
    /// In which way.
    pub fn movement(&self) -> Option<Movement> {
        match self.kind.as_str() {
            "deposit" => Some(Movement::Deposit),
            "transfer_in" => Some(Movement::TransferIn),
            "transfer_out" => Some(Movement::TransferOut),
            "withdrawal" => Some(Movement::Withdrawal),
            _ => None,
        }
    }
}

/// What these customers moved since the day and since the month began: all that has not failed. Of withdrawals those
/// whose tokens went back are left out. Where an id is null nothing is read.
pub async fn moved(tx: &mut TenantTx, holders: &[Holder], since: &Since) -> db::Result<Vec<Moved>> {
    sqlx::query_as!(
        Moved,
        r#"select h.ord as "holder!", m.kind as "kind!", m.token as "token!", m.day as "day!", m.month as "month!",
            m.day_sum as "day_sum!: Amount", m.month_sum as "month_sum!: Amount"
        from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[]) with ordinality
            as h (tenant_id, customer_id, deposits, transfers_in, transfers_out, withdrawals, ord)
        cross join lateral (
            select 'deposit' as kind, token, count(*) filter (where created_at >= $7) as day, count(*) as month,
                coalesce(sum(amount) filter (where created_at >= $7), 0) as day_sum, sum(amount) as month_sum
            from deposit where h.deposits is not null
                and tenant_id = h.tenant_id and customer_id = h.customer_id and id >= h.deposits
                and status <> 'FAILED' and created_at >= $8
            group by token
            union all
            select 'transfer_in', token, count(*) filter (where created_at >= $7), count(*),
                coalesce(sum(amount) filter (where created_at >= $7), 0), sum(amount)
            from transfer where h.transfers_in is not null
                and tenant_id = h.tenant_id and recipient_id = h.customer_id and id >= h.transfers_in
                and status <> 'FAILED' and created_at >= $8
            group by token
            union all
            select 'transfer_out', token, count(*) filter (where created_at >= $7), count(*),
                coalesce(sum(amount) filter (where created_at >= $7), 0), sum(amount)
            from transfer where h.transfers_out is not null
                and tenant_id = h.tenant_id and sender_id = h.customer_id and id >= h.transfers_out
                and status <> 'FAILED' and created_at >= $8
            group by token
            union all
            select 'withdrawal', token, count(*) filter (where created_at >= $7), count(*),
                coalesce(sum(amount) filter (where created_at >= $7), 0), sum(amount)
            from withdrawal where h.withdrawals is not null
                and tenant_id = h.tenant_id and customer_id = h.customer_id and id >= h.withdrawals
                and status <> 'FAILED' and refund is distinct from 'returned' and created_at >= $8
            group by token
        ) m"#,
        &holders.iter().map(|h| h.tenant.0).collect::<Vec<_>>(),
        &holders.iter().map(|h| h.customer).collect::<Vec<_>>(),
        &holders.iter().map(|h| h.deposits).collect::<Vec<_>>() as &[Option<Uuid>],
        &holders.iter().map(|h| h.transfers_in).collect::<Vec<_>>() as &[Option<Uuid>],
        &holders.iter().map(|h| h.transfers_out).collect::<Vec<_>>() as &[Option<Uuid>],
        &holders.iter().map(|h| h.withdrawals).collect::<Vec<_>>() as &[Option<Uuid>],
        since.day,
        since.month,
    )
    .fetch_all(&mut **tx)
    .await
}

/// Whose movements of which token are summed up.
pub type Purse = (TenantId, Uuid, String);

/// What came into a customer's wallets and what left them, ever; in base units.
pub struct Stored {
    pub came: Amount,
    pub gone: Amount,
    /// How many movements were added to what was written down before,
    pub added_up: i64,
    /// which goes up to this id.
    pub up_to: Option<Uuid>,
}

/// What these customers received and gave of a token by our records, outside movements included. In the order of the
/// purses.
pub async fn stored(tx: &mut TenantTx, purses: &[Purse]) -> db::Result<Vec<Stored>> {
    sqlx::query_as!(
        Stored,
        r#"select k.up_to as "up_to?", d.n + i.n + o.n + w.n + x.n as "added_up!",
            coalesce(k.came, 0) + d.sum + i.sum + x.came as "came!: Amount",
            coalesce(k.gone, 0) + o.sum + w.sum + x.gone as "gone!: Amount"
        from unnest($1::uuid[], $2::uuid[], $3::text[]) with ordinality as p (tenant_id, customer_id, token, ord)
        left join stored_value k
            on k.tenant_id = p.tenant_id and k.customer_id = p.customer_id and k.token = p.token
        cross join lateral (select coalesce(k.up_to, '00000000-0000-0000-0000-000000000000') as id) since
        cross join lateral (
            select count(*) as n, coalesce(sum(amount), 0) as sum from deposit
            where tenant_id = p.tenant_id and customer_id = p.customer_id and token = p.token and id >= since.id
                and status <> 'FAILED') d
        cross join lateral (
            select count(*) as n, coalesce(sum(amount), 0) as sum from transfer
            where tenant_id = p.tenant_id and recipient_id = p.customer_id and token = p.token and id >= since.id
                and status <> 'FAILED') i
        cross join lateral (
            select count(*) as n, coalesce(sum(amount), 0) as sum from transfer
            where tenant_id = p.tenant_id and sender_id = p.customer_id and token = p.token and id >= since.id
                and status <> 'FAILED') o
        cross join lateral (
            select count(*) as n, coalesce(sum(amount), 0) as sum from withdrawal
            where tenant_id = p.tenant_id and customer_id = p.customer_id and token = p.token and id >= since.id
                and status <> 'FAILED' and refund is distinct from 'returned') w
        cross join lateral (
            select count(*) as n, coalesce(sum(amount) filter (where direction = 'in'), 0) as came,
                coalesce(sum(amount) filter (where direction = 'out'), 0) as gone
            from outside_movement
            where tenant_id = p.tenant_id and customer_id = p.customer_id and token = p.token and id >= since.id
                and status = 'SETTLED') x
        order by p.ord"#,
        &purses.iter().map(|(tenant, ..)| tenant.0).collect::<Vec<_>>(),
        &purses.iter().map(|(_, customer, _)| *customer).collect::<Vec<_>>(),
        &purses.iter().map(|(.., token)| token.as_str()).collect::<Vec<_>>() as &[&str],
    )
    .fetch_all(&mut **tx)
    .await
}

/// Writes down what the movements of these customers came to that are older than an id, as far as the first that has not
/// ended for good. The customers are locked, so that nobody else writes the same.
pub async fn write_down(tx: &mut TenantTx, purses: &[Purse], settled: Uuid) -> db::Result<()> {
    sqlx::query!(
        r#"insert into stored_value as k (tenant_id, customer_id, token, up_to, came, gone, updated_at)
        select p.tenant_id, p.customer_id, p.token, until.id, coalesce(k.came, 0) + d.sum + i.sum + x.came,
            coalesce(k.gone, 0) + o.sum + w.sum + x.gone, now()
        from unnest($1::uuid[], $2::uuid[], $3::text[]) as p (tenant_id, customer_id, token)
        left join stored_value k
            on k.tenant_id = p.tenant_id and k.customer_id = p.customer_id and k.token = p.token
        cross join lateral (select coalesce(k.up_to, '00000000-0000-0000-0000-000000000000') as id) since
        cross join lateral (
            select least($4::uuid, d.id, i.id, o.id, w.id) as id
            from (values (1)) as one
            left join lateral (
                select id from deposit
                where tenant_id = p.tenant_id and customer_id = p.customer_id and token = p.token
                    and id >= since.id and status not in ('SETTLED', 'FAILED') order by id limit 1) d on true
            left join lateral (
                select id from transfer
                where tenant_id = p.tenant_id and recipient_id = p.customer_id and token = p.token
                    and id >= since.id and status not in ('SETTLED', 'FAILED') order by id limit 1) i on true
            left join lateral (
                select id from transfer
                where tenant_id = p.tenant_id and sender_id = p.customer_id and token = p.token
                    and id >= since.id and status not in ('SETTLED', 'FAILED') order by id limit 1) o on true
            left join lateral (
                select id from withdrawal
                where tenant_id = p.tenant_id and customer_id = p.customer_id and token = p.token
                    and id >= since.id and status not in ('COMPLETED', 'FAILED')
                    and refund is distinct from 'returned' order by id limit 1) w on true
        ) until
        cross join lateral (
            select coalesce(sum(amount), 0) as sum from deposit
            where tenant_id = p.tenant_id and customer_id = p.customer_id and token = p.token and id >= since.id
                and id < until.id and status <> 'FAILED') d
        cross join lateral (
            select coalesce(sum(amount), 0) as sum from transfer
            where tenant_id = p.tenant_id and recipient_id = p.customer_id and token = p.token and id >= since.id
                and id < until.id and status <> 'FAILED') i
        cross join lateral (
            select coalesce(sum(amount), 0) as sum from transfer
            where tenant_id = p.tenant_id and sender_id = p.customer_id and token = p.token and id >= since.id
                and id < until.id and status <> 'FAILED') o
        cross join lateral (
            select coalesce(sum(amount), 0) as sum from withdrawal
            where tenant_id = p.tenant_id and customer_id = p.customer_id and token = p.token and id >= since.id
                and id < until.id and status <> 'FAILED' and refund is distinct from 'returned') w
        cross join lateral (
            select coalesce(sum(amount) filter (where direction = 'in'), 0) as came,
                coalesce(sum(amount) filter (where direction = 'out'), 0) as gone
            from outside_movement
            where tenant_id = p.tenant_id and customer_id = p.customer_id and token = p.token and id >= since.id
                and id < until.id and status = 'SETTLED') x
        where until.id > since.id
        on conflict on constraint stored_value_pkey do update
            set up_to = excluded.up_to, came = excluded.came, gone = excluded.gone, updated_at = excluded.updated_at"#,
        &purses.iter().map(|(tenant, ..)| tenant.0).collect::<Vec<_>>(),
        &purses.iter().map(|(_, customer, _)| *customer).collect::<Vec<_>>(),
        &purses.iter().map(|(.., token)| token.as_str()).collect::<Vec<_>>() as &[&str],
        settled,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}
