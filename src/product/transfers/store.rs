//! SQL of transfers that happen.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Status;
use super::transfer::{Known, NewTransfer, key_reused};
use crate::chain::News;
use crate::db::{self, Error, TenantTx};
use crate::foundation::{Amount, ClientKey, Mode};
use crate::http::{self, OnConstraint};

/// A transfer as it is told.
pub struct Row {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub mode: String,
    pub status: String,
    pub token: String,
    pub amount: Amount,
    pub sender_wallet: Vec<u8>,
    pub recipient_wallet: Vec<u8>,
    pub quote_id: Option<Uuid>,
    pub idempotency_key: Option<String>,
    pub tx_hash: Option<Vec<u8>>,
    pub block_number: Option<i64>,
    pub failure: Option<String>,
    pub created_at: DateTime<Utc>,
    pub submitted_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub was_submitted: bool,
    pub was_ended: bool,
}

pub async fn insert(tx: &mut TenantTx, new: &NewTransfer) -> http::Result<Row> {
    sqlx::query_as!(
        Row,
        r#"insert into transfer (tenant_id, id, mode, sender_id, recipient_id, sender_wallet, recipient_wallet, token,
            amount, quote_id, idempotency_key, request_digest, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        returning tenant_id, id, mode, status, token, amount as "amount: Amount", sender_wallet, recipient_wallet,
            quote_id, idempotency_key, tx_hash, block_number, failure, created_at, submitted_at, ended_at,
            false as "was_submitted!", false as "was_ended!""#,
        tx.tenant().0,
        new.id,
        new.mode.as_str(),
        new.sender.0,
        new.recipient.0,
        new.sender.1.address().to_vec(),
        new.recipient.1.as_slice(),
        &*new.token.symbol,
        new.amount as Amount,
        new.quote,
        new.idempotency_key.as_ref().map(ClientKey::as_str),
        new.digest.as_slice(),
        new.created_at,
    )
    .fetch_one(&mut **tx)
    .await
    .on_constraint("transfer_idempotency_key_unique", |_| key_reused())
}

/// The transfer of a caller's name, and the digest of what was asked for.
pub async fn find_by_key(tx: &mut TenantTx, mode: Mode, key: &ClientKey) -> db::Result<Option<(Known, [u8; 32])>> {
    let row = sqlx::query!(
        "select id, status, created_at, request_digest from transfer
        where tenant_id = $1 and mode = $2 and idempotency_key = $3",
        tx.tenant().0,
        mode.as_str(),
        key.as_str(),
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let status = Status::from_word(&row.status);
    let status = status.ok_or_else(|| Error::Decode(format!("{} is no status of a transfer", row.status).into()))?;
    let digest = row.request_digest.try_into().map_err(|_| Error::Decode("a digest has 32 bytes".into()))?;
    Ok(Some((Known { id: row.id, status, created_at: row.created_at }, digest)))
}

/// Moves transfers to where their operations stand; returns those that moved or stood there.
pub async fn advance(tx: &mut TenantTx, news: &[(&News, Status)]) -> db::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"update transfer t set
            status = n.status,
            tx_hash = coalesce(n.tx_hash, t.tx_hash),
            block_number = coalesce(n.block_number, t.block_number),
            failure = n.failure,
            submitted_at = coalesce(t.submitted_at, n.submitted_at),
            ended_at = case when n.status in ('SETTLED', 'FAILED') then coalesce(n.ended_at, now()) end
        from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::bigint[], $6::text[], $7::timestamptz[],
                $8::timestamptz[])
            as n (tenant_id, id, status, tx_hash, block_number, failure, submitted_at, ended_at)
        join transfer before on before.tenant_id = n.tenant_id and before.id = n.id
        where t.tenant_id = n.tenant_id and t.id = n.id
            and coalesce(t.status in ('QUEUED', 'SUBMITTED', n.status), false)
        returning t.tenant_id, t.id, t.mode, t.status, t.token, t.amount as "amount: Amount", t.sender_wallet,
            t.recipient_wallet, t.quote_id, t.idempotency_key, t.tx_hash, t.block_number, t.failure, t.created_at,
            t.submitted_at, t.ended_at, before.submitted_at is not null as "was_submitted!",
            before.ended_at is not null as "was_ended!""#,
        &news.iter().map(|(n, _)| n.tenant.0).collect::<Vec<_>>(),
        &news.iter().map(|(n, _)| n.operation).collect::<Vec<_>>(),
        &news.iter().map(|(_, status)| status.as_str()).collect::<Vec<_>>() as &[&str],
        &news.iter().map(|(n, _)| n.tx_hash.map(|hash| hash.to_vec())).collect::<Vec<_>>() as &[Option<Vec<u8>>],
        &news.iter().map(|(n, _)| n.block_number.and_then(|b| i64::try_from(b).ok())).collect::<Vec<_>>()
            as &[Option<i64>],
        &news.iter().map(|(n, _)| n.failure.as_deref()).collect::<Vec<_>>() as &[Option<&str>],
        &news.iter().map(|(n, _)| n.submitted_at).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
        &news.iter().map(|(n, _)| n.ended_at).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
    )
    .fetch_all(&mut **tx)
    .await
}
