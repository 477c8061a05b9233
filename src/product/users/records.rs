//! SQL of customers as the dashboard sees them: never with a phone number, not even a sealed one.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{self, TenantTx};
use crate::foundation::{ChecksumAddress, Mode};

/// A customer.
pub struct Row {
    pub id: Uuid,
    pub mode: String,
    pub blind_index: String,
    /// The smart wallet.
    pub wallet: Vec<u8>,
    pub created_at: DateTime<Utc>,
}

/// Which customers a list shows.
pub struct Filter {
    pub mode: Mode,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

/// Up to `limit + 1` customers, newest first, after the cursor.
pub async fn list(tx: &mut TenantTx, filter: &Filter, after: Option<Uuid>, limit: i64) -> db::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        "select c.id, c.mode, c.blind_index, w.address as wallet, c.created_at
        from customer c
        join wallet w on w.tenant_id = c.tenant_id and w.customer_id = c.id and w.kind = 'smart'
        where c.tenant_id = $1 and c.mode = $2 and c.forgotten_at is null
            and ($3::timestamptz is null or c.created_at >= $3)
            and ($4::timestamptz is null or c.created_at < $4)
            and ($5::uuid is null or c.id < $5)
        order by c.id desc limit $6",
        tx.tenant().0,
        filter.mode.as_str(),
        filter.from,
        filter.to,
        after,
        limit + 1,
    )
    .fetch_all(&mut **tx)
    .await
}

/// The customer of a wallet, of either mode: an address has one.
pub async fn of_wallet(tx: &mut TenantTx, wallet: ChecksumAddress) -> db::Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        "select c.id, c.mode, c.blind_index, w.address as wallet, c.created_at
        from wallet asked
        join customer c on c.tenant_id = asked.tenant_id and c.id = asked.customer_id
        join wallet w on w.tenant_id = c.tenant_id and w.customer_id = c.id and w.kind = 'smart'
        where asked.tenant_id = $1 and asked.address = $2 and asked.kind = 'smart' and c.forgotten_at is null",
        tx.tenant().0,
        wallet.0.as_slice(),
    )
    .fetch_optional(&mut **tx)
    .await
}

/// The customer of a blind index, of either mode: the mode is part of what the index is made of.
pub async fn of_blind_index(tx: &mut TenantTx, index: &str) -> db::Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        "select c.id, c.mode, c.blind_index, w.address as wallet, c.created_at
        from customer c
        join wallet w on w.tenant_id = c.tenant_id and w.customer_id = c.id and w.kind = 'smart'
        where c.tenant_id = $1 and c.mode in ('live', 'test') and c.blind_index = $2
            and c.forgotten_at is null",
        tx.tenant().0,
        index,
    )
    .fetch_optional(&mut **tx)
    .await
}

/// When a customer moved to another phone number, newest first, `limit` at most.
pub async fn phone_changes(tx: &mut TenantTx, customer: Uuid, limit: i64) -> db::Result<Vec<DateTime<Utc>>> {
    let times = sqlx::query_scalar!(
        "select created_at from phone_change where tenant_id = $1 and customer_id = $2 order by id desc limit $3",
        tx.tenant().0,
        customer,
        limit,
    );
    times.fetch_all(&mut **tx).await
}
