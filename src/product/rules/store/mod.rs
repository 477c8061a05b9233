//! SQL of rules, as movements of money ask for them. Every statement takes any number of customers.

pub mod written;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::check::Operation;
use crate::db::{self, TenantTx};
use crate::foundation::{Amount, TenantId};

/// Locks these customers until the transaction ends, in one order whoever asks: who is to move a customer's money waits
/// here for those who do, so that each counts what the other has accepted.
pub async fn hold(tx: &mut TenantTx, customers: &[(TenantId, Uuid)]) -> db::Result<()> {
    sqlx::query!(
        r#"select c.id from unnest($1::uuid[], $2::uuid[]) as i (tenant_id, id)
        join customer c on c.tenant_id = i.tenant_id and c.id = i.id
        order by c.tenant_id, c.id for no key update of c"#,
        &customers.iter().map(|(tenant, _)| tenant.0).collect::<Vec<_>>(),
        &customers.iter().map(|(_, customer)| *customer).collect::<Vec<_>>(),
    )
    .fetch_all(&mut **tx)
    .await
    .map(drop)
}

/// By which badges an operation is ruled, and what they are called.
pub struct Standing {
    pub identification: Option<Uuid>,
    pub badge: Option<String>,
    pub user_group: Option<String>,
    pub financial: Option<Uuid>,
    pub information_badges: Vec<String>,
    pub kyc: String,
}

/// The badges of these operations' customers, in their order. A wallet's own financial badge comes first, then the link's custom one.
pub async fn standings(tx: &mut TenantTx, operations: &[&Operation]) -> db::Result<Vec<Standing>> {
    sqlx::query_as!(
        Standing,
        r#"select a.badge_id as "identification?", b.name as "badge?", b.user_group as "user_group?",
            coalesce(w.financial_badge_id, l.custom_financial_badge_id, l.financial_badge_id) as "financial?",
            array(
                select n.name from badge_assignment m
                join badge n on n.tenant_id = m.tenant_id and n.id = m.badge_id
                where m.tenant_id = i.tenant_id and m.customer_id = i.customer_id and m.kind = 'INFORMATION'
                    and m.ended_at is null
                order by n.name
            ) as "information_badges!",
            coalesce(s.kyc, 'NONE') as "kyc!"
        from unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::text[]) with ordinality
            as i (tenant_id, customer_id, wallet, token, ord)
        left join customer_standing s on s.tenant_id = i.tenant_id and s.customer_id = i.customer_id
        left join badge_assignment a on a.tenant_id = i.tenant_id and a.customer_id = i.customer_id
            and a.kind = 'IDENTIFICATION' and a.ended_at is null
        left join badge b on b.tenant_id = a.tenant_id and b.id = a.badge_id
        left join badge_link l on l.tenant_id = a.tenant_id and l.identification_badge_id = a.badge_id
            and l.token = i.token
        left join wallet_badge w on w.tenant_id = i.tenant_id and w.customer_id = i.customer_id
            and w.wallet = i.wallet and w.token = i.token
        order by i.ord"#,
        &operations.iter().map(|o| o.tenant.0).collect::<Vec<_>>(),
        &operations.iter().map(|o| o.customer).collect::<Vec<_>>(),
        &operations.iter().map(|o| o.wallet.to_vec()).collect::<Vec<_>>(),
        &operations.iter().map(|o| &*o.token.symbol).collect::<Vec<_>>() as &[&str],
    )
    .fetch_all(&mut **tx)
    .await
}

/// A rule that counts.
pub struct Rule {
    pub tenant_id: Uuid,
    pub badge_id: Uuid,
    pub expression: String,
    pub error_code: String,
    pub error_type: String,
    pub message: String,
}

/// The rules of these badges that count at a moment: of each rule the newest version that has begun, unless it has ended
/// or was put out of use.
pub async fn rules(tx: &mut TenantTx, badges: &[(TenantId, Uuid)], at: DateTime<Utc>) -> db::Result<Vec<Rule>> {
    sqlx::query_as!(
        Rule,
        r#"select r.tenant_id, r.badge_id, r.expression, r.error_code, r.error_type, r.message
        from unnest($1::uuid[], $2::uuid[]) as i (tenant_id, badge_id)
        cross join lateral (
            select distinct on (r.id) r.* from badge_rule r
            where r.tenant_id = i.tenant_id and r.badge_id = i.badge_id and r.starts_at <= $3
            order by r.id, r.version desc
        ) r
        where (r.ends_at is null or r.ends_at > $3) and (r.inactive_at is null or r.inactive_at > $3)
        order by r.error_code, r.id"#,
        &badges.iter().map(|(tenant, _)| tenant.0).collect::<Vec<_>>(),
        &badges.iter().map(|(_, badge)| *badge).collect::<Vec<_>>(),
        at,
    )
    .fetch_all(&mut **tx)
    .await
}

/// Whose movements of which token are summed up.
pub type Purse = (TenantId, Uuid, String);

/// From when on movements are counted.
pub struct Since {
    /// When the day began.
    pub day: DateTime<Utc>,
    /// When the month began.
    pub month: DateTime<Utc>,
    /// No movement of the month has a smaller id: older ones need not be looked at.
    pub id: Uuid,
}

/// What a customer moved of a token; sums in base units.
pub struct Moved {
    pub deposits_day: i64,
    pub deposits_month: i64,
    pub deposited_day: Amount,
    pub deposited_month: Amount,
    pub transfers_in_day: i64,
    pub transfers_in_month: i64,
    pub transferred_in_day: Amount,
    pub transferred_in_month: Amount,
    pub transfers_out_day: i64,
    pub transfers_out_month: i64,
    pub transferred_out_day: Amount,
    pub transferred_out_month: Amount,
    pub withdrawals_day: i64,
    pub withdrawals_month: i64,
    pub withdrawn_day: Amount,
    pub withdrawn_month: Amount,
}

/// What these customers moved since the day and since the month began: all that has not failed. Of withdrawals those
/// whose tokens went back are left out. In the order of the purses.
pub async fn moved(tx: &mut TenantTx, purses: &[Purse], since: &Since) -> db::Result<Vec<Moved>> {
    sqlx::query_as!(
        Moved,
        r#"select d.day as "deposits_day!", d.month as "deposits_month!",
            d.day_sum as "deposited_day!: Amount", d.month_sum as "deposited_month!: Amount",
            i.day as "transfers_in_day!", i.month as "transfers_in_month!",
            i.day_sum as "transferred_in_day!: Amount", i.month_sum as "transferred_in_month!: Amount",
            o.day as "transfers_out_day!", o.month as "transfers_out_month!",
            o.day_sum as "transferred_out_day!: Amount", o.month_sum as "transferred_out_month!: Amount",
            w.day as "withdrawals_day!", w.month as "withdrawals_month!",
            w.day_sum as "withdrawn_day!: Amount", w.month_sum as "withdrawn_month!: Amount"
        from unnest($1::uuid[], $2::uuid[], $3::text[]) with ordinality as p (tenant_id, customer_id, token, ord)
        cross join lateral (
            select count(*) filter (where created_at >= $4) as day, count(*) as month,
                coalesce(sum(amount) filter (where created_at >= $4), 0) as day_sum, coalesce(sum(amount), 0) as month_sum
            from deposit where tenant_id = p.tenant_id and customer_id = p.customer_id and token = p.token
                and status <> 'FAILED' and id >= $6 and created_at >= $5) d
        cross join lateral (
            select count(*) filter (where created_at >= $4) as day, count(*) as month,
                coalesce(sum(amount) filter (where created_at >= $4), 0) as day_sum, coalesce(sum(amount), 0) as month_sum
            from transfer where tenant_id = p.tenant_id and recipient_id = p.customer_id and token = p.token
                and status <> 'FAILED' and id >= $6 and created_at >= $5) i
        cross join lateral (
            select count(*) filter (where created_at >= $4) as day, count(*) as month,
                coalesce(sum(amount) filter (where created_at >= $4), 0) as day_sum, coalesce(sum(amount), 0) as month_sum
            from transfer where tenant_id = p.tenant_id and sender_id = p.customer_id and token = p.token
                and status <> 'FAILED' and id >= $6 and created_at >= $5) o
        cross join lateral (
            select count(*) filter (where created_at >= $4) as day, count(*) as month,
                coalesce(sum(amount) filter (where created_at >= $4), 0) as day_sum, coalesce(sum(amount), 0) as month_sum
            from withdrawal where tenant_id = p.tenant_id and customer_id = p.customer_id and token = p.token
                and status <> 'FAILED' and refund is distinct from 'returned' and id >= $6 and created_at >= $5) w
        order by p.ord"#,
        &purses.iter().map(|(tenant, ..)| tenant.0).collect::<Vec<_>>(),
        &purses.iter().map(|(_, customer, _)| *customer).collect::<Vec<_>>(),
        &purses.iter().map(|(.., token)| token.as_str()).collect::<Vec<_>>() as &[&str],
        since.day,
        since.month,
        since.id,
    )
    .fetch_all(&mut **tx)
    .await
}

/// What came into a customer's wallets and what left them, ever; in base units.
pub struct Stored {
    pub came: Amount,
    pub left: Amount,
}

/// What these customers received and gave of a token by our records, outside movements included. In the order
/// of the purses.
pub async fn stored(tx: &mut TenantTx, purses: &[Purse]) -> db::Result<Vec<Stored>> {
    sqlx::query_as!(
        Stored,
        r#"select d.sum + i.sum + x.came as "came!: Amount", o.sum + w.sum + x.gone as "left!: Amount"
        from unnest($1::uuid[], $2::uuid[], $3::text[]) with ordinality as p (tenant_id, customer_id, token, ord)
        cross join lateral (
            select coalesce(sum(amount), 0) as sum from deposit
            where tenant_id = p.tenant_id and customer_id = p.customer_id and token = p.token and status <> 'FAILED') d
        cross join lateral (
            select coalesce(sum(amount), 0) as sum from transfer
            where tenant_id = p.tenant_id and recipient_id = p.customer_id and token = p.token
                and status <> 'FAILED') i
        cross join lateral (
            select coalesce(sum(amount), 0) as sum from transfer
            where tenant_id = p.tenant_id and sender_id = p.customer_id and token = p.token and status <> 'FAILED') o
        cross join lateral (
            select coalesce(sum(amount), 0) as sum from withdrawal
            where tenant_id = p.tenant_id and customer_id = p.customer_id and token = p.token
                and status <> 'FAILED' and refund is distinct from 'returned') w
        cross join lateral (
            select coalesce(sum(amount) filter (where direction = 'in'), 0) as came,
                coalesce(sum(amount) filter (where direction = 'out'), 0) as gone
            from outside_movement
            where tenant_id = p.tenant_id and customer_id = p.customer_id and token = p.token
                and status = 'SETTLED') x
        order by p.ord"#,
        &purses.iter().map(|(tenant, ..)| tenant.0).collect::<Vec<_>>(),
        &purses.iter().map(|(_, customer, _)| *customer).collect::<Vec<_>>(),
        &purses.iter().map(|(.., token)| token.as_str()).collect::<Vec<_>>() as &[&str],
    )
    .fetch_all(&mut **tx)
    .await
}
