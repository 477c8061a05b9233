//! Moving withdrawals to where the operations that sweep their tokens stand.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::Row;
use crate::chain::News;
use crate::db::{self, TenantTx};
use crate::foundation::Amount;
use crate::product::withdrawals::Status;

/// Moves withdrawals on; returns those that moved.
pub async fn advance(tx: &mut TenantTx, news: &[(&News, Status)]) -> db::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"update withdrawal w set
            status = n.status,
            tx_hash = coalesce(n.tx_hash, w.tx_hash),
            block_number = coalesce(n.block_number, w.block_number),
            failure = n.failure,
            submitted_at = coalesce(w.submitted_at, n.submitted_at),
            received_at = case when n.status = 'CRYPTO_RECEIVED' then coalesce(n.ended_at, now()) end,
            ended_at = case when n.status = 'FAILED' then coalesce(n.ended_at, now()) end
        from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::bigint[], $6::text[], $7::timestamptz[],
                $8::timestamptz[])
            as n (tenant_id, id, status, tx_hash, block_number, failure, submitted_at, ended_at)
        join withdrawal before on before.tenant_id = n.tenant_id and before.id = n.id
        where w.tenant_id = n.tenant_id and w.id = n.id and coalesce(w.status in ('PENDING', 'SUBMITTED'), false)
        returning w.tenant_id, w.id, w.mode, w.wallet, w.token, w.amount as "amount: Amount",
            w.mobile_hint, w.network, w.currency, w.fiat_amount as "fiat_amount: Decimal", w.rate as "rate: Decimal",
            w.idempotency_key, w.status, w.failure, w.tx_hash, w.block_number, w.payout_reference, w.refund,
            w.refund_tx_hash, w.created_at, w.submitted_at, w.received_at, w.ended_at,
            before.submitted_at is not null as "was_submitted!""#,
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
