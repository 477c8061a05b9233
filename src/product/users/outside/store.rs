//! SQL of outside movements. Every statement takes any number of them.

use std::collections::HashMap;

use uuid::Uuid;

use crate::chain::indexer::MovementNews;
use crate::db::{self, TenantTx};
use crate::foundation::{TenantId, Tokens};

/// Why a movement is not from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explanation {
    /// An operation of the tenant made it.
    Ours,
    /// One that has not ended might have.
    Open,
}

type Columns = (Vec<Uuid>, Vec<Uuid>);

fn keys(items: &[&MovementNews]) -> Columns {
    (items.iter().map(|item| item.tenant.0).collect(), items.iter().map(|item| item.id).collect())
}

/// The explanations of those movements that have one.
pub async fn explain(tx: &mut TenantTx, news: &[MovementNews]) -> db::Result<HashMap<(TenantId, Uuid), Explanation>> {
    let (tenants, ids) = keys(&news.iter().collect::<Vec<_>>());
    let rows = sqlx::query!(
        r#"with item as (
            select m.*, case when m.direction = 'out' then m.account else m.counterparty end as sender,
                case when m.direction = 'out' then m.counterparty else m.account end as recipient
            from unnest($1::uuid[], $2::uuid[]) as i (tenant_id, id) join token_movement m using (tenant_id, id)
        ), ours as (
            select i.tenant_id, i.id from item i join chain_op o on o.tenant_id = i.tenant_id
                and o.block_number = i.block_number and o.tx_hash = i.tx_hash
                and o.mode = 'live' and o.state = 'succeeded' and o.account = i.sender and o.token = i.token
                and (o.log_index = i.log_index or o.log_index is null)
        ), open as (
            select i.tenant_id, i.id from item i join chain_op o on o.tenant_id = i.tenant_id
                -- One that a reorg dropped is carried again.
                and o.mode = 'live'
                and (o.state in ('waiting', 'submitted', 'review') or o.dropped_block is not null)
                and o.account = i.sender and o.token = i.token and o.recipient = i.recipient and o.amount = i.amount
        )
        select tenant_id as "tenant_id!", id as "id!", bool_or(is_ours) as "is_ours!"
        from (select tenant_id, id, true as is_ours from ours union all select tenant_id, id, false from open) explained
        group by tenant_id, id"#,
        &tenants,
        &ids,
    )
    .fetch_all(&mut **tx)
    .await?;
    let explanation = |is_ours: bool| if is_ours { Explanation::Ours } else { Explanation::Open };
    Ok(rows.into_iter().map(|row| ((TenantId(row.tenant_id), row.id), explanation(row.is_ours))).collect())
}

/// Enters movements of customers' wallets, or makes those settled again that were entered; returns how many. In the order
/// of customers: late ones wait for them one by one.
pub async fn enter(tx: &mut TenantTx, tokens: &Tokens, movements: &[&MovementNews]) -> db::Result<u64> {
    // A token that is not configured any more has no name.
    let named: Vec<(&MovementNews, String)> = movements
        .iter()
        .filter_map(|item| tokens.by_contract(item.token).map(|token| (*item, token.symbol.to_string())))
        .collect();
    let items: Vec<&MovementNews> = named.iter().map(|(item, _)| *item).collect();
    let (tenants, ids) = keys(&items);
    let directions: Vec<String> = items.iter().map(|item| item.direction.as_str().to_owned()).collect();
    let entered = sqlx::query!(
        "insert into outside_movement (tenant_id, id, customer_id, direction, wallet, counterparty, token, amount,
             tx_hash, block_number, log_index, created_at)
         select i.tenant_id, i.id, w.customer_id, i.direction, i.wallet, i.counterparty, i.token, i.amount,
             i.tx_hash, i.block_number, i.log_index, i.at
         from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::bytea[], $6::text[], $7::numeric[],
             $8::bytea[], $9::bigint[], $10::bigint[], $11::timestamptz[]) as i (tenant_id, id, direction, wallet,
             counterparty, token, amount, tx_hash, block_number, log_index, at)
         join wallet w on w.tenant_id = i.tenant_id and w.address = i.wallet and w.kind = 'smart'
         order by i.tenant_id, w.customer_id
         on conflict (tenant_id, id) do update set status = 'SETTLED'",
        &tenants,
        &ids,
        &directions,
        &items.iter().map(|item| item.account.to_vec()).collect::<Vec<_>>(),
        &items.iter().map(|item| item.counterparty.to_vec()).collect::<Vec<_>>(),
        &named.iter().map(|(_, symbol)| symbol.clone()).collect::<Vec<_>>(),
        &items.iter().map(|item| item.amount).collect::<Vec<_>>() as _,
        &items.iter().map(|item| item.tx_hash.to_vec()).collect::<Vec<_>>(),
        &items.iter().map(|item| number(item.block_number)).collect::<Vec<_>>(),
        &items.iter().map(|item| number(item.log_index)).collect::<Vec<_>>(),
        &items.iter().map(|item| item.at).collect::<Vec<_>>(),
    )
    .execute(&mut **tx)
    .await?;
    Ok(entered.rows_affected())
}

/// Marks movements that a reorg undid; returns how many of them had been entered.
pub async fn reverse(tx: &mut TenantTx, movements: &[&MovementNews]) -> db::Result<u64> {
    let (tenants, ids) = keys(movements);
    let reversed = sqlx::query!(
        "update outside_movement m set status = 'REVERSED'
         from unnest($1::uuid[], $2::uuid[]) as i (tenant_id, id)
         where m.tenant_id = i.tenant_id and m.id = i.id and m.status = 'SETTLED'",
        &tenants,
        &ids,
    )
    .execute(&mut **tx)
    .await?;
    Ok(reversed.rows_affected())
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
