//! SQL of withdrawals that are looked at.

use alloy::primitives::Address;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::super::Status;
use crate::db::{self, TenantTx};
use crate::foundation::{Amount, Mode};

/// A withdrawal as the dashboard shows it.
pub struct Row {
    pub id: Uuid,
    pub status: String,
    pub token: String,
    pub amount: Amount,
    pub wallet: Vec<u8>,
    pub blind_index: String,
    pub mobile_hint: String,
    pub network: String,
    pub country: String,
    pub currency: String,
    pub fiat_amount: Decimal,
    pub rate: Decimal,
    pub idempotency_key: Option<String>,
    pub failure: Option<String>,
    pub tx_hash: Option<Vec<u8>>,
    pub block_number: Option<i64>,
    pub payout_reference: Option<String>,
    pub refund: Option<String>,
    pub refund_tx_hash: Option<Vec<u8>>,
    pub created_at: DateTime<Utc>,
}

/// Which withdrawals a list shows.
pub struct Filter {
    pub mode: Mode,
    pub status: Option<Status>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
    pub wallet: Option<Address>,
    pub network: Option<String>,
}

/// Up to `limit + 1` withdrawals, newest first, after the cursor. A wallet's are found by its customer, by whom there is
/// an index.
pub async fn list(tx: &mut TenantTx, filter: &Filter, after: Option<Uuid>, limit: i64) -> db::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select w.id, w.status, w.token, w.amount as "amount: Amount", w.wallet, c.blind_index, w.mobile_hint,
            w.network, w.country, w.currency, w.fiat_amount as "fiat_amount: Decimal", w.rate as "rate: Decimal",
            w.idempotency_key, w.failure, w.tx_hash, w.block_number, w.payout_reference, w.refund, w.refund_tx_hash,
            w.created_at
        from withdrawal w
        join customer c on c.tenant_id = w.tenant_id and c.id = w.customer_id
        where w.tenant_id = $1 and w.mode = $2
            and ($3::text is null or w.status = $3)
            and ($4::timestamptz is null or w.created_at >= $4)
            and ($5::timestamptz is null or w.created_at < $5)
            and ($6::bytea is null
                or w.wallet = $6
                    and w.customer_id = (select a.customer_id from wallet a
                        where a.tenant_id = $1 and a.address = $6 and a.kind = 'smart'))
            and ($7::text is null or w.network = $7)
            and ($8::uuid is null or w.id < $8)
        order by w.id desc limit $9"#,
        tx.tenant().0,
        filter.mode.as_str(),
        filter.status.map(Status::as_str),
        filter.from,
        filter.to,
        filter.wallet.as_ref().map(|wallet| wallet.as_slice()),
        filter.network,
        after,
        limit + 1,
    )
    .fetch_all(&mut **tx)
    .await
}

pub async fn find(tx: &mut TenantTx, id: Uuid) -> db::Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        r#"select w.id, w.status, w.token, w.amount as "amount: Amount", w.wallet, c.blind_index, w.mobile_hint,
            w.network, w.country, w.currency, w.fiat_amount as "fiat_amount: Decimal", w.rate as "rate: Decimal",
            w.idempotency_key, w.failure, w.tx_hash, w.block_number, w.payout_reference, w.refund, w.refund_tx_hash,
            w.created_at
        from withdrawal w
        join customer c on c.tenant_id = w.tenant_id and c.id = w.customer_id
        where w.tenant_id = $1 and w.id = $2"#,
        tx.tenant().0,
        id,
    )
    .fetch_optional(&mut **tx)
    .await
}

/// Something that happened to a withdrawal.
pub struct StepRow {
    pub state: String,
    pub at: DateTime<Utc>,
    pub tx_hash: Option<Vec<u8>>,
    pub reference: Option<String>,
    pub note: Option<String>,
}

/// What a withdrawal went through, oldest first.
pub async fn steps(tx: &mut TenantTx, withdrawal: Uuid) -> db::Result<Vec<StepRow>> {
    sqlx::query_as!(
        StepRow,
        "select state, at, tx_hash, reference, note from withdrawal_step
        where tenant_id = $1 and withdrawal_id = $2 order by seq",
        tx.tenant().0,
        withdrawal,
    )
    .fetch_all(&mut **tx)
    .await
}

/// A withdrawal that waits for local money, and what became of it so far.
pub struct PendingRow {
    pub id: Uuid,
    pub status: String,
    pub token: String,
    pub amount: Amount,
    pub wallet: Vec<u8>,
    pub mobile_hint: String,
    pub network: String,
    pub country: String,
    pub currency: String,
    pub fiat_amount: Decimal,
    pub refund: Option<String>,
    pub refund_at: Option<DateTime<Utc>>,
    pub received_at: DateTime<Utc>,
    pub provider: Option<String>,
    pub attempts: i64,
    pub last_failure: Option<String>,
}

/// Up to `limit + 1` withdrawals that local money can be paid for still, newest first, after the cursor.
pub async fn pending(tx: &mut TenantTx, mode: Mode, after: Option<Uuid>, limit: i64) -> db::Result<Vec<PendingRow>> {
    sqlx::query_as!(
        PendingRow,
        r#"select w.id, w.status, w.token, w.amount as "amount: Amount", w.wallet, w.mobile_hint, w.network, w.country,
            w.currency, w.fiat_amount as "fiat_amount: Decimal", w.refund, w.refund_at, w.received_at as "received_at!",
            p.provider as "provider?", p.attempts as "attempts!", p.last_failure as "last_failure?"
        from (
            select * from withdrawal
            where tenant_id = $1 and mode = $2 and status in ('CRYPTO_RECEIVED', 'PAYOUT_FAILED')
                and (status = 'CRYPTO_RECEIVED' or refund in ('due', 'failed'))
                and ($3::uuid is null or id < $3)
            order by id desc limit $4
        ) w
        cross join lateral (
            select (array_agg(provider order by created_at desc))[1] as provider,
                count(*) filter (where attempts > 0) as attempts,
                (array_agg(failure order by created_at desc) filter (where failure is not null))[1] as last_failure
            from payout where tenant_id = w.tenant_id and withdrawal_id = w.id
        ) p
        order by w.id desc"#,
        tx.tenant().0,
        mode.as_str(),
        after,
        limit + 1,
    )
    .fetch_all(&mut **tx)
    .await
}
