//! Payouts: who looks after which, and how they end.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::db::{self, Db, TenantTx};
use crate::foundation::{Amount, Mode, TenantId};

/// A payout to be asked for.
pub struct NewPayout {
    pub tenant: Uuid,
    pub withdrawal: Uuid,
    pub mode: Mode,
    pub provider: &'static str,
    /// Whether it waits for a person instead of a provider.
    pub is_manual: bool,
}

/// Stores payouts that are due at once, or wait for a person. Ids are of version 4, which providers demand.
pub async fn add(tx: &mut TenantTx, payouts: &[NewPayout]) -> db::Result<()> {
    sqlx::query!(
        "insert into payout (tenant_id, id, withdrawal_id, mode, provider, next_at)
        select tenant_id, id, withdrawal_id, mode, provider, case when not is_manual then now() end
        from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bool[])
            as i (tenant_id, id, withdrawal_id, mode, provider, is_manual)",
        &payouts.iter().map(|p| p.tenant).collect::<Vec<_>>(),
        &payouts.iter().map(|_| Uuid::new_v4()).collect::<Vec<_>>(),
        &payouts.iter().map(|p| p.withdrawal).collect::<Vec<_>>(),
        &payouts.iter().map(|p| p.mode.as_str()).collect::<Vec<_>>() as &[&str],
        &payouts.iter().map(|p| p.provider).collect::<Vec<_>>() as &[&str],
        &payouts.iter().map(|p| p.is_manual).collect::<Vec<_>>(),
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// A payout that somebody is to look after now.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    pub tenant: TenantId,
    pub id: Uuid,
    /// The number of this look.
    pub attempt: i32,
    /// When it was due: a call-back meanwhile moves that.
    due_at: Option<DateTime<Utc>>,
}

/// Takes up to `limit` payouts of a mode that are due; for as long as the lease nobody else gets them.
pub async fn claim(db: &Db, mode: Mode, limit: i64, lease: Duration) -> db::Result<Vec<Due>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        "with due as (
            select tenant_id, id from payout
            where mode = $1 and state in ('ready', 'asked') and next_at <= now()
                and coalesce(leased_until, '-infinity') <= now()
            order by next_at limit $2 for update skip locked
        )
        update payout p set attempts = p.attempts + 1, leased_until = now() + make_interval(secs => $3)
        from due where p.tenant_id = due.tenant_id and p.id = due.id
        returning p.tenant_id, p.id, p.attempts, p.next_at",
        mode.as_str(),
        limit,
        lease.as_secs_f64(),
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    let due = rows.into_iter().map(|row| Due {
        tenant: TenantId(row.tenant_id),
        id: row.id,
        attempt: row.attempts,
        due_at: row.next_at,
    });
    Ok(due.collect())
}

/// A payout that was heard of: somebody looks soon. Nothing happens for an id that nobody waits for.
pub async fn hurry(db: &Db, id: Uuid) -> db::Result<()> {
    let mut tx = db.engine().await?;
    sqlx::query!("update payout set next_at = now() where id = $1 and state = 'asked'", id).execute(&mut *tx).await?;
    tx.commit().await
}

/// What a provider is to be told, and what the books need.
pub struct Asked {
    pub withdrawal_id: Uuid,
    pub provider: String,
    pub customer_id: Uuid,
    pub mobile_sealed: Vec<u8>,
    pub network: String,
    pub country: String,
    pub currency: String,
    pub fiat_amount: Decimal,
    pub token: String,
    pub amount: Amount,
    pub mode: String,
    pub asked_at: DateTime<Utc>,
    /// Whether this is the first time that the provider is to hear of it.
    pub is_first: bool,
    /// Whether the provider has said that it has it.
    pub is_heard: bool,
}

/// Marks a payout as one that its provider may have heard of; nothing when it has ended or is in other hands.
pub async fn begin(tx: &mut TenantTx, due: &Due) -> db::Result<Option<Asked>> {
    sqlx::query_as!(
        Asked,
        r#"update payout p set state = 'asked', asked_at = coalesce(p.asked_at, clock_timestamp())
        from payout before
        join withdrawal w on w.tenant_id = before.tenant_id and w.id = before.withdrawal_id
        where before.tenant_id = $1 and before.id = $2 and p.tenant_id = $1 and p.id = $2
            and p.state in ('ready', 'asked') and p.attempts = $3 and w.status = 'CRYPTO_RECEIVED'
        returning p.withdrawal_id, p.provider, w.customer_id, w.mobile_sealed, w.network, w.country, w.currency,
            w.fiat_amount as "fiat_amount: Decimal", w.token, w.amount as "amount: Amount", w.mode,
            p.asked_at as "asked_at!", before.state = 'ready' as "is_first!", p.heard_at is not null as "is_heard!""#,
        due.tenant.0,
        due.id,
        due.attempt,
    )
    .fetch_optional(&mut **tx)
    .await
}

/// The refused payouts of a withdrawal that a provider was asked for, with their ids.
pub async fn refused(tx: &mut TenantTx, withdrawal: Uuid) -> db::Result<Vec<(Uuid, Asked)>> {
    let tenant = tx.tenant().0;
    let ids = sqlx::query_scalar!(
        "select id from payout where tenant_id = $1 and withdrawal_id = $2 and state = 'refused' and attempts > 0",
        tenant,
        withdrawal,
    );
    let mut refused = Vec::new();
    for id in ids.fetch_all(&mut **tx).await? {
        refused.push((id, asked(tx, id).await?));
    }
    Ok(refused)
}

/// What a provider was told of a payout.
pub async fn asked(tx: &mut TenantTx, id: Uuid) -> db::Result<Asked> {
    sqlx::query_as!(
        Asked,
        r#"select p.withdrawal_id, p.provider, w.customer_id, w.mobile_sealed, w.network, w.country, w.currency,
            w.fiat_amount as "fiat_amount: Decimal", w.token, w.amount as "amount: Amount", w.mode,
            p.asked_at as "asked_at!", false as "is_first!", p.heard_at is not null as "is_heard!"
        from payout p join withdrawal w on w.tenant_id = p.tenant_id and w.id = p.withdrawal_id
        where p.tenant_id = $1 and p.id = $2"#,
        tx.tenant().0,
        id,
    )
    .fetch_one(&mut **tx)
    .await
}

/// Whoever looks after the payout looks again after `pause`, or at once when it was heard of meanwhile. `is_heard`: its
/// provider says that it has it.
pub async fn later(tx: &mut TenantTx, due: &Due, pause: Duration, is_heard: bool, why: Option<&str>) -> db::Result<()> {
    sqlx::query!(
        "update payout set
            next_at = case when next_at is not distinct from $4 then now() + make_interval(secs => $5) else next_at end,
            leased_until = null, failure = $6, heard_at = coalesce(heard_at, case when $7 then now() end)
        where tenant_id = $1 and id = $2 and attempts = $3 and state = 'asked'",
        due.tenant.0,
        due.id,
        due.attempt,
        due.due_at,
        pause.as_secs_f64(),
        why,
        is_heard,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}
