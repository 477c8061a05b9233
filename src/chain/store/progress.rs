//! What became of user operations: seen in a block, dropped by a reorg, final. Whole blocks at a time.

use std::collections::{HashMap, HashSet};

use alloy::primitives::{Address, B256};
use uuid::Uuid;

use super::membership::wallet;
use super::user_op::OpenUserOp;
use super::{address, big, hash, small, told};
use crate::db::{self, Db, EngineTx};
use crate::foundation::Amount;

/// A user operation that is in a block which is not final.
#[derive(Clone, Debug)]
pub struct MinedUserOp {
    /// Its id.
    pub id: Uuid,
    /// Its account.
    pub account: Address,
    /// The block's number.
    pub block_number: u64,
    /// The block's hash when it was seen there.
    pub block_hash: B256,
}

/// A user operation as a block shows it.
#[derive(Clone, Copy, Debug)]
pub struct Sighting {
    /// Which.
    pub user_op: Uuid,
    /// The transaction that carried it.
    pub tx_hash: B256,
    /// The block's number.
    pub block_number: u64,
    /// The block's hash.
    pub block_hash: B256,
    /// Whether its calls took effect.
    pub success: bool,
}

/// One operation of a user operation.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Whose.
    pub tenant: Uuid,
    /// Its id.
    pub id: Uuid,
    /// The ERC-20 contract.
    pub token: Address,
    /// Who receives.
    pub recipient: Address,
    /// Base units.
    pub amount: Amount,
}

/// How a user operation ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Which.
    pub id: Uuid,
    /// The hash of the block that said so.
    pub block_hash: B256,
    /// Whether its calls took effect.
    pub success: bool,
    /// Why they did not.
    pub failure: Option<String>,
}

/// How an operation ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Whose.
    pub tenant: Uuid,
    /// Which.
    pub id: Uuid,
    /// `succeeded`, `failed` or `review`.
    pub state: &'static str,
    /// The transaction that carried it.
    pub tx_hash: B256,
    /// The index of its `Transfer` in the block.
    pub log_index: Option<u64>,
    /// Why it did not succeed.
    pub failure: Option<String>,
}

/// Hashes of all signatures of user operations that are in no block, with the id and the block of birth of each.
pub async fn versions(db: &Db) -> db::Result<Vec<(B256, OpenUserOp)>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        "select v.hash, v.user_op_id, u.account, u.owner, u.salt, u.born_block
         from user_op_version v join user_op u on u.id = v.user_op_id where u.state = 'open'"
    )
    .fetch_all(&mut *tx)
    .await?;
    let versions = rows.into_iter().map(|row| {
        let user_op = OpenUserOp {
            id: row.user_op_id,
            account: address(&row.account),
            wallet: wallet(row.owner, row.salt),
            born_block: small(row.born_block),
            refusals: 0,
            version: None,
        };
        (hash(&row.hash), user_op)
    });
    Ok(versions.collect())
}

/// Hashes of all signatures of these user operations, the newest of each first.
pub async fn hashes_of(db: &Db, user_ops: &[Uuid]) -> db::Result<Vec<(B256, Uuid)>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        "select hash, user_op_id from user_op_version where user_op_id = any($1) order by version desc",
        user_ops
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows.iter().map(|row| (hash(&row.hash), row.user_op_id)).collect())
}

/// The operations of these user operations, in the order of their calls.
pub async fn operations(db: &Db, user_ops: &[Uuid]) -> db::Result<HashMap<Uuid, Vec<Operation>>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        r#"select user_op_id as "user_op_id!", tenant_id, id, token, recipient, amount as "amount: Amount"
           from chain_op where user_op_id = any($1) order by user_op_id, position"#,
        user_ops,
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut operations: HashMap<Uuid, Vec<Operation>> = HashMap::new();
    for row in rows {
        operations.entry(row.user_op_id).or_default().push(Operation {
            tenant: row.tenant_id,
            id: row.id,
            token: address(&row.token),
            recipient: address(&row.recipient),
            amount: row.amount,
        });
    }
    Ok(operations)
}

/// User operations were seen in blocks. What a wallet has promised depends on that ([`crate::chain::spendable`]).
pub async fn mark_mined(db: &Db, seen: &[Sighting]) -> db::Result<()> {
    let mut tx = db.engine().await?;
    sqlx::query!(
        "with seen as (
             select * from unnest($1::uuid[], $2::bytea[], $3::bigint[], $4::bytea[], $5::boolean[])
                 as s(id, tx_hash, block_number, block_hash, success)
         ), mined as (
             update user_op u set state = 'mined', tx_hash = s.tx_hash, block_number = s.block_number,
                    block_hash = s.block_hash, success = s.success, mined_at = now(), held_until = null
             from seen s where u.id = s.id and u.state <> 'ended'
             returning u.id, u.success, u.block_number
         )
         update chain_op op set mined_block = case when mined.success then mined.block_number end
         from mined where op.user_op_id = mined.id and op.owner is not null",
        &seen.iter().map(|s| s.user_op).collect::<Vec<_>>(),
        &seen.iter().map(|s| s.tx_hash.to_vec()).collect::<Vec<_>>(),
        &seen.iter().map(|s| big(s.block_number)).collect::<Vec<_>>(),
        &seen.iter().map(|s| s.block_hash.to_vec()).collect::<Vec<_>>(),
        &seen.iter().map(|s| s.success).collect::<Vec<_>>(),
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// User operations in blocks that are not final, by block.
pub async fn mined(db: &Db) -> db::Result<Vec<MinedUserOp>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        r#"select id, account, block_number as "block_number!", block_hash as "block_hash!"
           from user_op where state = 'mined' order by block_number, id"#
    )
    .fetch_all(&mut *tx)
    .await?;
    let mined = rows.into_iter().map(|row| MinedUserOp {
        id: row.id,
        account: address(&row.account),
        block_number: small(row.block_number),
        block_hash: hash(&row.block_hash),
    });
    Ok(mined.collect())
}

/// User operations that were final in this block or later, as was thought.
pub async fn finals_since(db: &Db, block: u64) -> db::Result<Vec<MinedUserOp>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        r#"select id, account, block_number as "block_number!", block_hash as "block_hash!"
           from user_op where state = 'ended' and block_number >= $1 and block_hash is not null
           order by block_number, id"#,
        big(block),
    )
    .fetch_all(&mut *tx)
    .await?;
    let finals = rows.into_iter().map(|row| MinedUserOp {
        id: row.id,
        account: address(&row.account),
        block_number: small(row.block_number),
        block_hash: hash(&row.block_hash),
    });
    Ok(finals.collect())
}

/// A reorg has undone a block that was final: user operations that took effect in it are to be carried again. What their
/// operations' askers were told stays, but they are in no block. Returns how many user operations.
pub async fn reopen_finals(db: &Db, user_ops: &[Uuid], block_hash: B256) -> db::Result<usize> {
    let mut tx = db.engine().await?;
    let reopened = sqlx::query_scalar!(
        "update user_op set state = 'open', tx_hash = null, block_number = null, block_hash = null, success = null,
                mined_at = null, ended_at = null, lane = null
         where id = any($1) and state = 'ended' and success and block_hash = $2
         returning id",
        user_ops,
        block_hash.as_slice(),
    )
    .fetch_all(&mut *tx)
    .await?;
    sqlx::query!(
        "update chain_op set dropped_block = block_number, block_number = null
         where user_op_id = any($1) and state = 'succeeded'",
        &reopened
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(reopened.len())
}

/// They are not in this block of the chain any more: they are to be carried again.
pub async fn reopen(db: &Db, user_ops: &[Uuid], block_hash: B256) -> db::Result<()> {
    let mut tx = db.engine().await?;
    sqlx::query!(
        "with dropped as (
             update user_op set state = 'open', tx_hash = null, block_number = null, block_hash = null, success = null,
                    mined_at = null
             where id = any($1) and state = 'mined' and block_hash = $2
             returning id
         )
         update chain_op set mined_block = null from dropped where user_op_id = dropped.id",
        user_ops,
        block_hash.as_slice(),
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Mined user operations are final; returns those that no other process had ended, and no reorg moved, before.
pub async fn end(tx: &mut EngineTx, ended: &[Ended]) -> db::Result<HashSet<Uuid>> {
    let won = sqlx::query_scalar!(
        "with won as (
             select u.id, e.success, e.failure
             from unnest($1::uuid[], $2::bytea[], $3::boolean[], $4::text[]) as e(id, block_hash, success, failure)
             join user_op u on u.id = e.id and u.block_hash = e.block_hash
             where coalesce(u.state = 'mined', false)
             order by u.id for update of u
         )
         update user_op u set state = 'ended', ended_at = now(), success = won.success, failure = won.failure
         from won where u.id = won.id
         returning u.id",
        &ended.iter().map(|e| e.id).collect::<Vec<_>>(),
        &ended.iter().map(|e| e.block_hash.to_vec()).collect::<Vec<_>>(),
        &ended.iter().map(|e| e.success).collect::<Vec<_>>(),
        &ended.iter().map(|e| e.failure.as_deref().map(told)).collect::<Vec<_>>() as &[Option<String>],
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(won.into_iter().collect())
}

/// Operations have their final outcomes, all of one block. One that had succeeded before and was undone by a reorg only
/// gets its new place in the chain.
///
/// Returns how many seconds each had taken since it was sent.
pub async fn end_operations(tx: &mut EngineTx, block: u64, endings: &[Ending]) -> db::Result<Vec<f64>> {
    sqlx::query_scalar!(
        r#"with ended as (
             update chain_op op set state = e.state, tx_hash = e.tx_hash, block_number = $1, log_index = e.log_index,
                    dropped_block = null, failure = e.failure, ended_at = coalesce(op.ended_at, now()),
                    submitted_at = coalesce(
                        op.submitted_at, (select u.sent_at from user_op u where u.id = op.user_op_id), now())
             from unnest($2::uuid[], $3::uuid[], $4::text[], $5::bytea[], $6::bigint[], $7::text[])
                  as e(tenant_id, id, state, tx_hash, log_index, failure)
             where op.tenant_id = e.tenant_id and op.id = e.id
                 and coalesce(op.state = 'waiting' or op.state = 'succeeded' and e.state = 'succeeded', false)
             returning op.tenant_id, op.id, op.kind, op.state, op.submitted_at, op.ended_at
         ), told as (
             insert into chain_news (kind, operation, tenant_id, state)
             select kind, id, tenant_id, state from ended where ended_at = now()
             on conflict (tenant_id, operation) do update set state = excluded.state, since = excluded.since
         )
         select extract(epoch from now() - submitted_at)::float8 as "taken!" from ended"#,
        big(block),
        &endings.iter().map(|e| e.tenant).collect::<Vec<_>>(),
        &endings.iter().map(|e| e.id).collect::<Vec<_>>(),
        &endings.iter().map(|e| e.state).collect::<Vec<_>>() as &[&str],
        &endings.iter().map(|e| e.tx_hash.to_vec()).collect::<Vec<_>>(),
        &endings.iter().map(|e| e.log_index.map(big)).collect::<Vec<_>>() as &[Option<i64>],
        &endings.iter().map(|e| e.failure.as_deref().map(told)).collect::<Vec<_>>() as &[Option<String>],
    )
    .fetch_all(&mut **tx)
    .await
}

/// Operations that had succeeded, were undone by a reorg, and fail now: their states stay, and an operator must look.
/// They are settled in this block, in which they did not happen. Returns which.
pub async fn mark_undone(tx: &mut EngineTx, block: u64, endings: &[&Ending]) -> db::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "update chain_op op set undone = e.why, block_number = $4, dropped_block = null
         from unnest($1::uuid[], $2::uuid[], $3::text[]) as e(tenant_id, id, why)
         where op.tenant_id = e.tenant_id and op.id = e.id and coalesce(op.state = 'succeeded', false)
         returning op.id",
        &endings.iter().map(|e| e.tenant).collect::<Vec<_>>(),
        &endings.iter().map(|e| e.id).collect::<Vec<_>>(),
        &endings.iter().map(|e| told(e.failure.as_deref().unwrap_or(e.state))).collect::<Vec<_>>(),
        big(block),
    )
    .fetch_all(&mut **tx)
    .await
}
