//! Withdrawals themselves.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::db::{self, Db, Error, TenantTx};
use crate::foundation::{Amount, ClientKey, Mode, TenantId};
use crate::http::{self, OnConstraint};
use crate::product::withdrawals::Status;
use crate::product::withdrawals::withdrawal::{Known, NewWithdrawal, key_reused};

/// A withdrawal as it is told.
pub struct Row {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub mode: String,
    pub wallet: Vec<u8>,
    pub token: String,
    pub amount: Amount,
    pub mobile_hint: String,
    pub network: String,
    pub currency: String,
    pub fiat_amount: Decimal,
    pub rate: Decimal,
    pub idempotency_key: Option<String>,
    pub status: String,
    pub failure: Option<String>,
    pub tx_hash: Option<Vec<u8>>,
    pub block_number: Option<i64>,
    pub payout_reference: Option<String>,
    pub refund: Option<String>,
    pub refund_tx_hash: Option<Vec<u8>>,
    pub created_at: DateTime<Utc>,
    pub submitted_at: Option<DateTime<Utc>>,
    pub received_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    /// Whether it was noted before that its tokens are on their way.
    pub was_submitted: bool,
}

pub async fn insert(tx: &mut TenantTx, new: &NewWithdrawal) -> http::Result<Row> {
    sqlx::query!(
        "insert into withdrawal (tenant_id, id, mode, customer_id, wallet, token, amount, mobile_sealed, mobile_hint,
            network, country, currency, fiat_amount, rate, spread_bps, middle_rate, rate_as_of, idempotency_key,
            request_digest, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)",
        tx.tenant().0,
        new.id,
        new.mode.as_str(),
        new.customer,
        new.wallet.address().to_vec(),
        &*new.token.symbol,
        new.amount as Amount,
        new.mobile.sealed.0,
        new.mobile.hint,
        new.network,
        new.country,
        new.payout.currency.code(),
        new.payout.amount as Decimal,
        new.payout.rate as Decimal,
        i32::from(new.payout.spread.basis_points()),
        new.payout.middle.units_per_token as Decimal,
        new.payout.middle.as_of,
        new.idempotency_key.as_ref().map(ClientKey::as_str),
        new.digest.as_slice(),
        new.created_at,
    )
    .execute(&mut **tx)
    .await
    .on_constraint("withdrawal_idempotency_key_unique", |_| key_reused())?;
    Ok(find(tx, new.id).await?.ok_or(sqlx::Error::RowNotFound)?)
}

pub async fn find(tx: &mut TenantTx, id: Uuid) -> db::Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        r#"select tenant_id, id, mode, wallet, token, amount as "amount: Amount", mobile_hint, network,
            currency, fiat_amount as "fiat_amount: Decimal", rate as "rate: Decimal", idempotency_key, status, failure,
            tx_hash, block_number, payout_reference, refund, refund_tx_hash, created_at, submitted_at, received_at,
            ended_at, submitted_at is not null as "was_submitted!"
        from withdrawal where tenant_id = $1 and id = $2"#,
        tx.tenant().0,
        id,
    )
    .fetch_optional(&mut **tx)
    .await
}

/// Whose withdrawal this is.
pub async fn owner(db: &Db, id: Uuid) -> db::Result<Option<TenantId>> {
    let mut tx = db.engine().await?;
    let owner = sqlx::query_scalar!("select tenant_id from withdrawal where id = $1", id);
    let owner = owner.fetch_optional(&mut *tx).await?;
    tx.commit().await?;
    Ok(owner.map(TenantId))
}

/// The withdrawal of a caller's name, and the digest of what was asked for.
pub async fn find_by_key(tx: &mut TenantTx, mode: Mode, key: &ClientKey) -> db::Result<Option<(Known, [u8; 32])>> {
    let row = sqlx::query!(
        "select id, status, request_digest from withdrawal
        where tenant_id = $1 and mode = $2 and idempotency_key = $3",
        tx.tenant().0,
        mode.as_str(),
        key.as_str(),
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let digest = row.request_digest.try_into().map_err(|_| Error::Decode("a digest has 32 bytes".into()))?;
    Ok(Some((Known { id: row.id, status: read_status(&row.status)? }, digest)))
}

fn read_status(word: &str) -> db::Result<Status> {
    Status::from_word(word).ok_or_else(|| Error::Decode(format!("{word} is no status of a withdrawal").into()))
}

/// The local money was paid; `false` when the withdrawal does not wait for it.
pub async fn complete(tx: &mut TenantTx, id: Uuid, reference: &str, at: DateTime<Utc>) -> db::Result<bool> {
    let done = sqlx::query!(
        "update withdrawal set status = 'COMPLETED', payout_reference = $3, ended_at = $4, failure = null, refund = null,
            refund_at = null
        where tenant_id = $1 and id = $2
            and (status = 'CRYPTO_RECEIVED' or status = 'PAYOUT_FAILED' and refund in ('due', 'failed'))",
        tx.tenant().0,
        id,
        reference,
        at,
    )
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The local money was refused, and the tokens go back at `refund_at`; `false` when the withdrawal does not wait for it.
pub async fn refuse(
    tx: &mut TenantTx,
    id: Uuid,
    why: &str,
    at: DateTime<Utc>,
    refund_at: DateTime<Utc>,
) -> db::Result<bool> {
    let done = sqlx::query!(
        "update withdrawal set status = 'PAYOUT_FAILED', failure = $3, ended_at = $4, refund = 'due', refund_at = $5
        where tenant_id = $1 and id = $2 and status = 'CRYPTO_RECEIVED'",
        tx.tenant().0,
        id,
        why,
        at,
        refund_at,
    )
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The local money is to be tried again; `false` when it was not refused, or the tokens are on their way back.
pub async fn retry(tx: &mut TenantTx, id: Uuid) -> db::Result<bool> {
    let done = sqlx::query!(
        "update withdrawal set status = 'CRYPTO_RECEIVED', failure = null, ended_at = null, refund = null,
            refund_at = null
        where tenant_id = $1 and id = $2 and status = 'PAYOUT_FAILED' and refund in ('due', 'failed')",
        tx.tenant().0,
        id,
    )
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A withdrawal whose state and whose ledger transfers contradict each other.
pub struct Contradiction {
    pub id: Option<Uuid>,
    pub status: Option<String>,
    pub refund: Option<String>,
    pub received: Option<String>,
    pub paid: Option<String>,
    pub returned: Option<String>,
}

/// Live withdrawals beside what the ledger says was received, paid and returned for them.
pub async fn contradictions(tx: &mut TenantTx) -> db::Result<Vec<Contradiction>> {
    sqlx::query_as!(
        Contradiction,
        r#"with received as (
            select * from ledger_transfer where tenant_id = any($1) and reason = 'withdrawal'
        ), paid as (
            select * from ledger_transfer where tenant_id = any($1) and reason = 'payout'
        ), returned as (
            select * from ledger_transfer where tenant_id = any($1) and reason = 'withdrawal_refund'
        )
        select w.id as "id?", w.status as "status?", w.refund as "refund?", r.state as "received?",
            p.state as "paid?", b.state as "returned?"
        from (select * from withdrawal where tenant_id = any($1) and mode = 'live') w
        full join received r on r.tenant_id = w.tenant_id and r.id = w.id
        left join paid p on p.tenant_id = w.tenant_id and p.reference = 'payout:' || w.id
        left join returned b on b.tenant_id = w.tenant_id and b.id = w.refund_op_id
        where w.id is null or r.id is null or r.amount <> w.amount
            or r.state <> case w.status
                when 'FAILED' then 'voided' when 'PENDING' then 'pending' when 'SUBMITTED' then 'pending'
                else 'posted' end
            or (w.status = 'COMPLETED') <> exists (
                select from payout o where o.tenant_id = w.tenant_id and o.withdrawal_id = w.id and o.state = 'paid')
            or (w.status = 'COMPLETED') <> coalesce(p.state = 'posted' and p.amount = w.amount, false)
            or coalesce(w.refund = 'returned', false) <> coalesce(b.state = 'posted' and b.amount = w.amount, false)
            or coalesce(w.refund = 'sent', false) <> coalesce(b.state = 'pending', false)
        limit 100"#,
        &tx.scope(),
    )
    .fetch_all(&mut **tx)
    .await
}

/// Whether a customer has a withdrawal whose local money may yet be paid.
pub async fn owe(tx: &mut TenantTx, customer: Uuid) -> db::Result<bool> {
    let exists = sqlx::query_scalar!(
        r#"select exists (
            select from withdrawal
            where tenant_id = $1 and customer_id = $2 and (ended_at is null or refund = 'due')) as "exists!""#,
        tx.tenant().0,
        customer,
    );
    exists.fetch_one(&mut **tx).await
}
