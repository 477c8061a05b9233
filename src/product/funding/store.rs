//! SQL of deposits. Every statement takes any number of them.

mod advance;

use std::collections::{HashMap, HashSet};

use alloy::primitives::Address;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::deposit::{NewDeposit, Status};
use crate::db::{self, Error, TenantTx};
use crate::foundation::{Amount, Mode, TenantId};

pub use advance::{Moved, advance};

/// Stores live deposits whose transfers and operations exist in this transaction. The ledger keeps each reference once, so
/// that a name which is there already was made behind its back, and is an error.
pub async fn insert(tx: &mut TenantTx, deposits: &[&NewDeposit]) -> db::Result<()> {
    sqlx::query!(
        "insert into deposit (tenant_id, mode, deposit_id, id, customer_id, wallet, token, amount, local_fiat_amount,
            status, transfer_id, chain_op_id, created_at)
        select tenant_id, mode, deposit_id, id, customer_id, wallet, token, amount, local_fiat_amount,
            'QUEUED', id, id, created_at
        from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::uuid[], $6::bytea[], $7::text[], $8::numeric[],
                $9::numeric[], $10::timestamptz[])
            as d (tenant_id, mode, deposit_id, id, customer_id, wallet, token, amount, local_fiat_amount, created_at)",
        &deposits.iter().map(|d| d.tenant.0).collect::<Vec<_>>(),
        &deposits.iter().map(|d| d.mode.as_str()).collect::<Vec<_>>() as &[&str],
        &deposits.iter().map(|d| d.deposit_id.as_str()).collect::<Vec<_>>() as &[&str],
        &deposits.iter().map(|d| d.id).collect::<Vec<_>>(),
        &deposits.iter().map(|d| d.customer).collect::<Vec<_>>(),
        &deposits.iter().map(|d| d.wallet.to_vec()).collect::<Vec<_>>(),
        &deposits.iter().map(|d| &*d.token.symbol).collect::<Vec<_>>() as &[&str],
        &deposits.iter().map(|d| d.amount).collect::<Vec<_>>() as &[Amount],
        &deposits.iter().map(|d| d.local_fiat_amount).collect::<Vec<_>>() as &[Decimal],
        &deposits.iter().map(|d| d.created_at).collect::<Vec<_>>(),
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Stores test keys' deposits whose name is new; returns their ids.
pub async fn insert_unless_known(tx: &mut TenantTx, deposits: &[&NewDeposit]) -> db::Result<HashSet<Uuid>> {
    let ids = sqlx::query_scalar!(
        "insert into deposit (tenant_id, mode, deposit_id, id, customer_id, wallet, token, amount, local_fiat_amount,
            status, chain_op_id, created_at)
        select tenant_id, mode, deposit_id, id, customer_id, wallet, token, amount, local_fiat_amount,
            'QUEUED', id, created_at
        from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::uuid[], $6::bytea[], $7::text[], $8::numeric[],
                $9::numeric[], $10::timestamptz[])
            with ordinality as d (tenant_id, mode, deposit_id, id, customer_id, wallet, token, amount,
                local_fiat_amount, created_at, ord)
        order by ord
        on conflict on constraint deposit_pkey do nothing
        returning id",
        &deposits.iter().map(|d| d.tenant.0).collect::<Vec<_>>(),
        &deposits.iter().map(|d| d.mode.as_str()).collect::<Vec<_>>() as &[&str],
        &deposits.iter().map(|d| d.deposit_id.as_str()).collect::<Vec<_>>() as &[&str],
        &deposits.iter().map(|d| d.id).collect::<Vec<_>>(),
        &deposits.iter().map(|d| d.customer).collect::<Vec<_>>(),
        &deposits.iter().map(|d| d.wallet.to_vec()).collect::<Vec<_>>(),
        &deposits.iter().map(|d| &*d.token.symbol).collect::<Vec<_>>() as &[&str],
        &deposits.iter().map(|d| d.amount).collect::<Vec<_>>() as &[Amount],
        &deposits.iter().map(|d| d.local_fiat_amount).collect::<Vec<_>>() as &[Decimal],
        &deposits.iter().map(|d| d.created_at).collect::<Vec<_>>(),
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(ids.into_iter().collect())
}

/// Where the deposits of these names stand.
pub async fn statuses(tx: &mut TenantTx, deposits: &[&NewDeposit]) -> db::Result<HashMap<(TenantId, String), Status>> {
    let rows = sqlx::query!(
        "select d.tenant_id, d.deposit_id, d.status
        from unnest($1::uuid[], $2::text[], $3::text[]) as i (tenant_id, mode, deposit_id)
        join deposit d on d.tenant_id = i.tenant_id and d.mode = i.mode and d.deposit_id = i.deposit_id",
        &deposits.iter().map(|d| d.tenant.0).collect::<Vec<_>>(),
        &deposits.iter().map(|d| d.mode.as_str()).collect::<Vec<_>>() as &[&str],
        &deposits.iter().map(|d| d.deposit_id.as_str()).collect::<Vec<_>>() as &[&str],
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(|row| Ok(((TenantId(row.tenant_id), row.deposit_id), read_status(&row.status)?))).collect()
}

/// Who got a live deposit.
pub async fn customer_of(tx: &mut TenantTx, id: Uuid) -> db::Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "select customer_id from deposit where tenant_id = $1 and mode = 'live' and id = $2",
        tx.tenant().0,
        id
    )
    .fetch_optional(&mut **tx)
    .await
}

/// A settled deposit comes to nothing after all.
pub async fn reverse(tx: &mut TenantTx, id: Uuid) -> db::Result<()> {
    sqlx::query!(
        "update deposit set reversed_at = now()
        where tenant_id = $1 and mode = 'live' and id = $2 and reversed_at is null",
        tx.tenant().0,
        id,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub fn read_status(word: &str) -> db::Result<Status> {
    Status::from_word(word).ok_or_else(|| Error::Decode(format!("{word} is no status of a deposit").into()))
}

/// A deposit as a list shows it.
pub struct Row {
    pub id: Uuid,
    pub deposit_id: String,
    pub status: String,
    pub token: String,
    pub amount: Amount,
    pub local_fiat_amount: Decimal,
    pub wallet: Vec<u8>,
    pub blind_index: String,
    pub tx_hash: Option<Vec<u8>>,
    pub block_number: Option<i64>,
    pub failure: Option<String>,
    pub created_at: DateTime<Utc>,
    pub submitted_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
}

/// Which deposits a list shows.
pub struct Filter {
    pub mode: Mode,
    pub status: Option<Status>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
    pub wallet: Option<Address>,
}

/// Up to `limit + 1` deposits, newest first, after the cursor. A wallet's are found by its customer, by whom there is an
/// index.
pub async fn list(tx: &mut TenantTx, filter: &Filter, after: Option<Uuid>, limit: i64) -> db::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select d.id, d.deposit_id, d.status, d.token, d.amount as "amount: Amount",
            d.local_fiat_amount as "local_fiat_amount: Decimal", d.wallet, c.blind_index, d.tx_hash, d.block_number,
            d.failure, d.created_at, d.submitted_at, d.ended_at
        from deposit d
        join customer c on c.tenant_id = d.tenant_id and c.id = d.customer_id
        where d.tenant_id = $1 and d.mode = $2
            and ($3::text is null or d.status = $3)
            and ($4::timestamptz is null or d.created_at >= $4)
            and ($5::timestamptz is null or d.created_at < $5)
            and ($6::bytea is null
                or d.wallet = $6
                    and d.customer_id = (select w.customer_id from wallet w
                        where w.tenant_id = $1 and w.address = $6 and w.kind = 'smart'))
            and ($7::uuid is null or d.id < $7)
        order by d.id desc limit $8"#,
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

pub async fn find(tx: &mut TenantTx, mode: Mode, deposit_id: &str) -> db::Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        r#"select d.id, d.deposit_id, d.status, d.token, d.amount as "amount: Amount",
            d.local_fiat_amount as "local_fiat_amount: Decimal", d.wallet, c.blind_index, d.tx_hash, d.block_number,
            d.failure, d.created_at, d.submitted_at, d.ended_at
        from deposit d
        join customer c on c.tenant_id = d.tenant_id and c.id = d.customer_id
        where d.tenant_id = $1 and d.mode = $2 and d.deposit_id = $3"#,
        tx.tenant().0,
        mode.as_str(),
        deposit_id,
    )
    .fetch_optional(&mut **tx)
    .await
}

/// A deposit and a transfer that contradict each other.
pub struct Contradiction {
    pub reference: Option<String>,
    pub transfer_state: Option<String>,
    pub transfer_amount: Option<Amount>,
    pub deposit_id: Option<String>,
    pub status: Option<String>,
    pub amount: Option<Amount>,
}

/// Transfers for deposits without one, and deposits whose transfer is not as it should be.
pub async fn contradictions(tx: &mut TenantTx) -> db::Result<Vec<Contradiction>> {
    sqlx::query_as!(
        Contradiction,
        r#"select t.reference as "reference?", t.state as "transfer_state?", t.amount as "transfer_amount?: Amount",
            d.deposit_id as "deposit_id?", d.status as "status?", d.amount as "amount?: Amount"
        from (select * from ledger_transfer where tenant_id = any($1) and reason = 'deposit') t
        full join (select * from deposit where tenant_id = any($1) and mode = 'live') d on d.tenant_id = t.tenant_id and d.transfer_id = t.id
        where t.id is null or d.id is null or t.amount <> d.amount or t.state <> case d.status
            when 'SETTLED' then 'posted'
            when 'FAILED' then 'voided'
            else 'pending' end
        limit 100"#,
        &tx.scope(),
    )
    .fetch_all(&mut **tx)
    .await
}
