//! Moving deposits on.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::chain::News;
use crate::db::{self, TenantTx};
use crate::foundation::Amount;
use crate::product::funding::Status;

/// A deposit that moved, or stood there already.
pub struct Moved {
    pub tenant_id: Uuid,
    pub mode: String,
    pub id: Uuid,
    pub deposit_id: String,
    pub status: String,
    pub token: String,
    pub amount: Amount,
    pub local_fiat_amount: Decimal,
    pub wallet: Vec<u8>,
    pub tx_hash: Option<Vec<u8>>,
    pub block_number: Option<i64>,
    pub failure: Option<String>,
    pub created_at: DateTime<Utc>,
    pub submitted_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub was_submitted: bool,
    pub was_ended: bool,
}

/// Moves deposits to where their operations stand, whose ids are theirs; returns those that moved or stood there.
pub async fn advance(tx: &mut TenantTx, news: &[(&News, Status)]) -> db::Result<Vec<Moved>> {
    sqlx::query_as!(
        Moved,
        r#"update deposit d set
            status = n.status,
            tx_hash = coalesce(n.tx_hash, d.tx_hash),
            block_number = coalesce(n.block_number, d.block_number),
            failure = n.failure,
            submitted_at = coalesce(d.submitted_at, n.submitted_at),
            ended_at = case when n.status in ('SETTLED', 'FAILED') then coalesce(n.ended_at, now()) end
        from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::bigint[], $6::text[], $7::timestamptz[],
                $8::timestamptz[], $9::text[])
            as n (tenant_id, operation, status, tx_hash, block_number, failure, submitted_at, ended_at, mode)
        join deposit before on before.tenant_id = n.tenant_id and before.mode = n.mode and before.id = n.operation
        where d.tenant_id = n.tenant_id and d.mode = n.mode and d.id = n.operation
            and coalesce(d.status in ('QUEUED', 'SUBMITTED', n.status), false)
        returning d.tenant_id, d.mode, d.id, d.deposit_id, d.status, d.token, d.amount as "amount: Amount",
            d.local_fiat_amount as "local_fiat_amount: Decimal", d.wallet, d.tx_hash, d.block_number, d.failure,
            d.created_at, d.submitted_at, d.ended_at, before.submitted_at is not null as "was_submitted!",
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
        &news.iter().map(|(n, _)| n.mode.as_str()).collect::<Vec<_>>() as &[&str],
    )
    .fetch_all(&mut **tx)
    .await
}
