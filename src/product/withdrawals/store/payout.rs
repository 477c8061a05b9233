//! Payouts: who looks after which, and how they end.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::db::{self, Db, TenantTx};
use crate::foundation::{Amount, TenantId};

/// How long somebody who looks after a payout is given before another may.
const LEASE: Duration = Duration::from_secs(60);

/// A payout to be asked for.
pub struct NewPayout {
    pub tenant: Uuid,
    pub withdrawal: Uuid,
    pub provider: &'static str,
    /// Whether it waits for a person instead of a provider.
    pub is_manual: bool,
}

/// Stores payouts that are due at once, or wait for a person. Ids are of version 4, which providers demand.
pub async fn add(tx: &mut TenantTx, payouts: &[NewPayout]) -> db::Result<()> {
    sqlx::query!(
        "insert into payout (tenant_id, id, withdrawal_id, provider, next_at)
        select tenant_id, id, withdrawal_id, provider, case when not is_manual then now() end
        from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bool[])
            as i (tenant_id, id, withdrawal_id, provider, is_manual)",
        &payouts.iter().map(|p| p.tenant).collect::<Vec<_>>(),
        &payouts.iter().map(|_| Uuid::new_v4()).collect::<Vec<_>>(),
        &payouts.iter().map(|p| p.withdrawal).collect::<Vec<_>>(),
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
}

/// Takes up to `limit` payouts that are due; nobody else gets them for a while.
pub async fn claim(db: &Db, limit: i64) -> db::Result<Vec<Due>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        "with due as (
            select tenant_id, id from payout where state in ('ready', 'asked') and next_at <= now()
            order by next_at limit $1 for update skip locked
        )
        update payout p set attempts = p.attempts + 1, next_at = now() + make_interval(secs => $2)
        from due where p.tenant_id = due.tenant_id and p.id = due.id
        returning p.tenant_id, p.id, p.attempts",
        limit,
        LEASE.as_secs_f64(),
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    let due = |row: (Uuid, Uuid, i32)| Due { tenant: TenantId(row.0), id: row.1, attempt: row.2 };
    Ok(rows.into_iter().map(|row| due((row.tenant_id, row.id, row.attempts))).collect())
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
            p.asked_at as "asked_at!", before.state = 'ready' as "is_first!""#,
        due.tenant.0,
        due.id,
        due.attempt,
    )
    .fetch_optional(&mut **tx)
    .await
}

/// The refused payout of a withdrawal whose provider was asked last, if a provider was; with its id.
pub async fn refused(tx: &mut TenantTx, withdrawal: Uuid) -> db::Result<Option<(Uuid, Asked)>> {
    let id = sqlx::query_scalar!(
        "select id from payout where tenant_id = $1 and withdrawal_id = $2 and state = 'refused' and attempts > 0
        order by ended_at desc limit 1",
        tx.tenant().0,
        withdrawal,
    );
    let Some(id) = id.fetch_optional(&mut **tx).await? else { return Ok(None) };
    let asked = sqlx::query_as!(
        Asked,
        r#"select p.withdrawal_id, p.provider, w.customer_id, w.mobile_sealed, w.network, w.country, w.currency,
            w.fiat_amount as "fiat_amount: Decimal", w.token, w.amount as "amount: Amount", w.mode,
            p.asked_at as "asked_at!", false as "is_first!"
        from payout p join withdrawal w on w.tenant_id = p.tenant_id and w.id = p.withdrawal_id
        where p.tenant_id = $1 and p.id = $2"#,
        tx.tenant().0,
        id,
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(Some((id, asked)))
}

/// Whoever looks after the payout looks again after `pause`.
pub async fn later(tx: &mut TenantTx, due: &Due, pause: Duration, why: Option<&str>) -> db::Result<()> {
    sqlx::query!(
        "update payout set next_at = now() + make_interval(secs => $4), failure = $5
        where tenant_id = $1 and id = $2 and attempts = $3 and state = 'asked'",
        due.tenant.0,
        due.id,
        due.attempt,
        pause.as_secs_f64(),
        why,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// How a payout ended.
pub enum Note<'a> {
    /// Under this reference.
    Paid(&'a str),
    /// For this reason.
    Refused(&'a str),
}

/// Ends a payout that a provider was asked for; `false` when it has ended otherwise.
pub async fn end(tx: &mut TenantTx, id: Uuid, note: Note<'_>, at: DateTime<Utc>) -> db::Result<bool> {
    let (state, reference, failure) = match note {
        Note::Paid(reference) => ("paid", Some(reference), None),
        Note::Refused(why) => ("refused", None, Some(why)),
    };
    let ended = sqlx::query!(
        "update payout set state = $3, reference = $4, failure = $5, ended_at = $6, next_at = null
        where tenant_id = $1 and id = $2 and state = 'asked'",
        tx.tenant().0,
        id,
        state,
        reference,
        failure,
        at,
    )
    .execute(&mut **tx)
    .await?;
    Ok(ended.rows_affected() == 1)
}

/// The payout of a withdrawal that has not ended: its id, and whether its provider may have heard of it.
pub async fn open(tx: &mut TenantTx, withdrawal: Uuid) -> db::Result<Option<(Uuid, bool)>> {
    let row = sqlx::query!(
        r#"select id, state = 'asked' as "asked!" from payout
        where tenant_id = $1 and withdrawal_id = $2 and state in ('ready', 'asked') for update"#,
        tx.tenant().0,
        withdrawal,
    );
    Ok(row.fetch_optional(&mut **tx).await?.map(|row| (row.id, row.asked)))
}

/// Ends the open payout of a withdrawal as a person says.
pub async fn confirm_open(tx: &mut TenantTx, id: Uuid, note: Note<'_>, at: DateTime<Utc>) -> db::Result<()> {
    let (state, reference, failure) = match note {
        Note::Paid(reference) => ("paid", Some(reference), None),
        Note::Refused(why) => ("refused", None, Some(why)),
    };
    sqlx::query!(
        "update payout set state = $3, reference = $4, failure = $5, ended_at = $6, next_at = null,
            asked_at = coalesce(asked_at, $6)
        where tenant_id = $1 and id = $2 and state in ('ready', 'asked')",
        tx.tenant().0,
        id,
        state,
        reference,
        failure,
        at,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Stores a payout that a person has made.
pub async fn insert_paid(tx: &mut TenantTx, withdrawal: Uuid, reference: &str, at: DateTime<Utc>) -> db::Result<()> {
    sqlx::query!(
        "insert into payout (tenant_id, id, withdrawal_id, provider, state, reference, next_at, ended_at)
        values ($1, $2, $3, 'manual', 'paid', $4, null, $5)",
        tx.tenant().0,
        Uuid::new_v4(),
        withdrawal,
        reference,
        at,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Whose withdrawal this is.
pub async fn owner_of_withdrawal(db: &Db, id: Uuid) -> db::Result<Option<TenantId>> {
    let mut tx = db.engine().await?;
    let owner = sqlx::query_scalar!("select tenant_id from withdrawal where id = $1", id);
    let owner = owner.fetch_optional(&mut *tx).await?;
    tx.commit().await?;
    Ok(owner.map(TenantId))
}
