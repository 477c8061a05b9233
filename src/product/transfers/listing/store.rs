//! SQL of transfers that are looked at.

use alloy::primitives::Address;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::super::Status;
use crate::db::{self, TenantTx};
use crate::foundation::{Amount, Mode};

/// A transfer as the dashboard shows it.
pub struct Row {
    pub id: Uuid,
    pub status: String,
    pub token: String,
    pub amount: Amount,
    pub sender_wallet: Vec<u8>,
    pub sender: String,
    pub recipient_wallet: Vec<u8>,
    pub recipient: String,
    pub quote_id: Option<Uuid>,
    pub idempotency_key: Option<String>,
    pub tx_hash: Option<Vec<u8>>,
    pub block_number: Option<i64>,
    pub failure: Option<String>,
    pub created_at: DateTime<Utc>,
    pub submitted_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
}

/// Which transfers a list shows.
pub struct Filter {
    pub mode: Mode,
    pub status: Option<Status>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
    /// On either side.
    pub wallet: Option<Address>,
}

/// Up to `limit + 1` transfers, newest first, after the cursor. A wallet's are found by its customer, by whom there is
/// an index for each side.
pub async fn list(tx: &mut TenantTx, filter: &Filter, after: Option<Uuid>, limit: i64) -> db::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select t.id, t.status, t.token, t.amount as "amount: Amount", t.sender_wallet, s.blind_index as sender,
            t.recipient_wallet, r.blind_index as recipient, t.quote_id, t.idempotency_key, t.tx_hash, t.block_number,
            t.failure, t.created_at, t.submitted_at, t.ended_at
        from transfer t
        join customer s on s.tenant_id = t.tenant_id and s.id = t.sender_id
        join customer r on r.tenant_id = t.tenant_id and r.id = t.recipient_id
        where t.tenant_id = $1 and t.mode = $2
            and ($3::text is null or t.status = $3)
            and ($4::timestamptz is null or t.created_at >= $4)
            and ($5::timestamptz is null or t.created_at < $5)
            and ($6::bytea is null
                or t.sender_wallet = $6
                    and t.sender_id = (select w.customer_id from wallet w
                        where w.tenant_id = $1 and w.address = $6 and w.kind = 'smart')
                or t.recipient_wallet = $6
                    and t.recipient_id = (select w.customer_id from wallet w
                        where w.tenant_id = $1 and w.address = $6 and w.kind = 'smart'))
            and ($7::uuid is null or t.id < $7)
        order by t.id desc limit $8"#,
        tx.tenant().0,
        filter.mode.as_str(),
        filter.status.map(Status::as_str),
        filter.from,
        filter.to,
        filter.wallet.as_ref().map(|wallet| wallet.as_slice()),
        after,
        limit + 1,
    )
    .fetch_all(&mut **tx)
    .await
}

pub async fn find(tx: &mut TenantTx, id: Uuid) -> db::Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        r#"select t.id, t.status, t.token, t.amount as "amount: Amount", t.sender_wallet, s.blind_index as sender,
            t.recipient_wallet, r.blind_index as recipient, t.quote_id, t.idempotency_key, t.tx_hash, t.block_number,
            t.failure, t.created_at, t.submitted_at, t.ended_at
        from transfer t
        join customer s on s.tenant_id = t.tenant_id and s.id = t.sender_id
        join customer r on r.tenant_id = t.tenant_id and r.id = t.recipient_id
        where t.tenant_id = $1 and t.id = $2"#,
        tx.tenant().0,
        id,
    )
    .fetch_optional(&mut **tx)
    .await
}
