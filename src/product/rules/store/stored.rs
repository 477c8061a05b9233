//! SQL of what customers hold by our records.

use uuid::Uuid;

use crate::db::{self, TenantTx};
use crate::foundation::{Amount, TenantId};

/// Whose movements of which token are summed up.
pub type Purse = (TenantId, Uuid, String);

/// What came into a customer's wallets and what left them, ever; in base units.
pub struct Stored {
    pub came: Amount,
    pub gone: Amount,
    /// How many old movements were read, of this token or another, that need not be once it is written down.
    pub old: i64,
}

/// What these customers received and gave of a token by our records, outside movements included: what is written down, and
/// all that came later. In the order of the purses. What has a smaller id than `settled` is old.
pub async fn stored(tx: &mut TenantTx, purses: &[Purse], settled: Uuid) -> db::Result<Vec<Stored>> {
    sqlx::query_as!(
        Stored,
        r#"select coalesce(k.came, 0) + s.came as "came!: Amount", coalesce(k.gone, 0) + s.gone as "gone!: Amount",
            s.old as "old!"
        from unnest($1::uuid[], $2::uuid[], $3::text[]) with ordinality as p (tenant_id, customer_id, token, place)
        left join stored_value k
            on k.tenant_id = p.tenant_id and k.customer_id = p.customer_id and k.token = p.token
        cross join lateral (
            select coalesce(sum(f.amount) filter (where f.counts and f.comes and f.token = p.token), 0) as came,
                coalesce(sum(f.amount) filter (where f.counts and not f.comes and f.token = p.token), 0) as gone,
                count(*) filter (where f.id < $4 and (f.is_new or f.is_final)) as old
            from customer_flow_since(p.tenant_id, p.customer_id, null,
                coalesce(k.up_to, '00000000-0000-0000-0000-000000000000'), k.not_ended) f
        ) s
        order by p.place"#,
        &purses.iter().map(|(tenant, ..)| tenant.0).collect::<Vec<_>>(),
        &purses.iter().map(|(_, customer, _)| *customer).collect::<Vec<_>>(),
        &purses.iter().map(|(.., token)| token.as_str()).collect::<Vec<_>>() as &[&str],
        settled,
    )
    .fetch_all(&mut **tx)
    .await
}

/// Writes down what the old movements of these customers come to, and which of them have not ended. The customers are
/// locked, so that nobody else writes the same.
pub async fn write_down(tx: &mut TenantTx, purses: &[Purse], settled: Uuid) -> db::Result<()> {
    sqlx::query!(
        r#"insert into stored_value as k (tenant_id, customer_id, token, up_to, not_ended, came, gone, updated_at)
        select p.tenant_id, p.customer_id, p.token, $4, s.not_ended, coalesce(k.came, 0) + s.came,
            coalesce(k.gone, 0) + s.gone, now()
        from unnest($1::uuid[], $2::uuid[], $3::text[]) as p (tenant_id, customer_id, token)
        left join stored_value k
            on k.tenant_id = p.tenant_id and k.customer_id = p.customer_id and k.token = p.token
        cross join lateral (
            select coalesce(sum(f.amount) filter (where f.is_final and f.counts and f.comes), 0) as came,
                coalesce(sum(f.amount) filter (where f.is_final and f.counts and not f.comes), 0) as gone,
                coalesce(array_agg(distinct f.id) filter (where not f.is_final), '{}') as not_ended
            from customer_flow_since(p.tenant_id, p.customer_id, null,
                coalesce(k.up_to, '00000000-0000-0000-0000-000000000000'), k.not_ended) f
            where f.token = p.token and f.id < $4
        ) s
        where $4 > coalesce(k.up_to, '00000000-0000-0000-0000-000000000000')
        on conflict on constraint stored_value_pkey do update
            set up_to = excluded.up_to, not_ended = excluded.not_ended, came = excluded.came, gone = excluded.gone,
                updated_at = excluded.updated_at"#,
        &purses.iter().map(|(tenant, ..)| tenant.0).collect::<Vec<_>>(),
        &purses.iter().map(|(_, customer, _)| *customer).collect::<Vec<_>>(),
        &purses.iter().map(|(.., token)| token.as_str()).collect::<Vec<_>>() as &[&str],
        settled,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}
