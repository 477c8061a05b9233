//! SQL of reconciliation, in the engine's role: it reads across tenants, and writes only what it found.

use alloy::primitives::{Address, B256};
use uuid::Uuid;

use crate::db::{self, Db, EngineTx};
use crate::foundation::{Amount, TenantId};

/// Differences of one kind that are told at most: the first ones matter.
pub const TOLD: i64 = 50;

/// A transaction that sees one moment of the database. A full run may read for a while.
pub async fn snapshot(db: &Db) -> db::Result<EngineTx> {
    let mut tx = db.engine().await?;
    sqlx::query("set local statement_timeout = '10min'").execute(&mut *tx).await?;
    sqlx::query("set transaction isolation level repeatable read, read only").execute(&mut *tx).await?;
    Ok(tx)
}

/// What the treasury held of a token at a block up to which everything agreed.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Height.
    pub block: u64,
    /// Hash.
    pub hash: B256,
    /// Base units.
    pub amount: Amount,
}

/// A token's checkpoints below a height, the highest first, `limit` at most.
pub async fn checkpoints(
    tx: &mut EngineTx,
    chain_id: u64,
    token: Address,
    below: u64,
    limit: i64,
) -> db::Result<Vec<Checkpoint>> {
    let rows = sqlx::query!(
        r#"select block_number, block_hash, amount as "amount: Amount" from reconciled_balance
           where chain_id = $1 and token = $2 and block_number < $3 order by block_number desc limit $4"#,
        big(chain_id),
        token.as_slice(),
        big(below),
        limit,
    )
    .fetch_all(&mut **tx)
    .await?;
    let checkpoint = |number, hash: Vec<u8>, amount| Checkpoint {
        block: small(number),
        hash: B256::try_from(hash.as_slice()).unwrap_or_default(),
        amount,
    };
    Ok(rows.into_iter().map(|row| checkpoint(row.block_number, row.block_hash, row.amount)).collect())
}

/// Where a token's reconciliation began.
pub async fn baseline(tx: &mut EngineTx, chain_id: u64, token: Address) -> db::Result<Option<Checkpoint>> {
    let row = sqlx::query!(
        r#"select block_number, block_hash, amount as "amount: Amount" from reconciled_balance
           where chain_id = $1 and token = $2 order by block_number limit 1"#,
        big(chain_id),
        token.as_slice(),
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(|row| Checkpoint {
        block: small(row.block_number),
        hash: B256::try_from(row.block_hash.as_slice()).unwrap_or_default(),
        amount: row.amount,
    }))
}

/// Up to where the indexer has everything, and up to where that is final.
#[derive(Clone, Copy, Debug)]
pub struct Indexed {
    /// The hash that it has of the block that was asked about; none when it has not got so far, or has another branch.
    pub has: bool,
    /// The highest block that is final.
    pub final_number: u64,
}

/// How far the indexer is, and whether it has a block.
pub async fn indexed(tx: &mut EngineTx, chain_id: u64, number: u64, hash: B256) -> db::Result<Indexed> {
    let row = sqlx::query!(
        r#"select final_number, exists (select from indexed_block b where b.chain_id = i.chain_id and b.number = $2
               and b.hash = $3) as "has!"
           from indexer i where chain_id = $1"#,
        big(chain_id),
        big(number),
        hash.as_slice(),
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map_or(Indexed { has: false, final_number: 0 }, |row| Indexed {
        has: row.has,
        final_number: small(row.final_number),
    }))
}

/// The hash that the indexer has of a block.
pub async fn hash_of(tx: &mut EngineTx, chain_id: u64, number: u64) -> db::Result<Option<B256>> {
    let hash = sqlx::query_scalar!(
        "select hash from indexed_block where chain_id = $1 and number = $2",
        big(chain_id),
        big(number)
    );
    Ok(hash.fetch_optional(&mut **tx).await?.and_then(|hash| B256::try_from(hash.as_slice()).ok()))
}

/// The lowest block with a user operation that took effect there and is not final; none when there is no such.
pub async fn first_unended(tx: &mut EngineTx) -> db::Result<Option<u64>> {
    let first = sqlx::query_scalar!(
        "select min(block_number) from user_op where state <> 'ended' and state = 'mined' and success"
    );
    Ok(first.fetch_one(&mut **tx).await?.map(small))
}

/// What an account received less what it sent, in blocks after `from` and up to `to`.
pub async fn net(
    tx: &mut EngineTx,
    chain_id: u64,
    (account, token): (Address, Address),
    from: u64,
    to: u64,
) -> db::Result<i128> {
    let row = sqlx::query!(
        r#"select coalesce(sum(amount) filter (where direction = 'in'), 0) as "received!: Amount",
               coalesce(sum(amount) filter (where direction = 'out'), 0) as "sent!: Amount"
           from token_movement
           where chain_id = $1 and tenant_id = $2 and account = $3 and token = $4 and state = 'present'
               and block_number > $5 and block_number <= $6"#,
        big(chain_id),
        TenantId::OPERATOR.0,
        account.as_slice(),
        token.as_slice(),
        big(from),
        big(to),
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(units(row.received) - units(row.sent))
}

/// What the ledger says that the treasury owes or has of a token: the tenants' balances, what wallets sent back for
/// local money, and what is the house's own.
pub async fn owed(tx: &mut EngineTx, symbol: &str) -> db::Result<i128> {
    let row = sqlx::query!(
        r#"select coalesce(sum(posted_credits), 0) as "credits!: Amount", coalesce(sum(posted_debits), 0) as "debits!: Amount"
           from ledger_account where kind in ('treasury', 'payouts', 'house') and token = $1"#,
        symbol,
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(units(row.credits) - units(row.debits))
}

/// What has to be added to [`owed`] to make it what was owed at the end of a block: operations that the chain had made
/// by then and the ledger has not taken note of, and those that it has taken note of and the chain made later.
pub async fn unposted(tx: &mut EngineTx, treasury: Address, token: Address, at: u64) -> db::Result<i128> {
    let row = sqlx::query!(
        r#"select
               coalesce(sum(amount) filter (where account = $1 and block_number <= $3), 0) as "left!: Amount",
               coalesce(sum(amount) filter (where recipient = $1 and block_number <= $3), 0) as "came!: Amount",
               coalesce(sum(amount) filter (where account = $1 and block_number > $3), 0) as "leaves_later!: Amount",
               coalesce(sum(amount) filter (where recipient = $1 and block_number > $3), 0) as "comes_later!: Amount"
           from (
               select o.account, o.recipient, o.amount, o.block_number
               from chain_news n join chain_op o on o.tenant_id = n.tenant_id and o.id = n.operation
               where o.mode = 'live' and o.state = 'succeeded' and o.token = $2 and o.block_number <= $3
               union all
               select o.account, o.recipient, o.amount, o.block_number from chain_op o
               where o.mode = 'live' and o.state = 'succeeded' and o.token = $2 and o.block_number > $3
                   -- Looked up for each: news come and go, and statistics are often of a moment with none.
                   and (select n.state from chain_news n where n.tenant_id = o.tenant_id and n.operation = o.id) is null
           ) op"#,
        treasury.as_slice(),
        token.as_slice(),
        big(at),
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(units(row.came) - units(row.left) + units(row.leaves_later) - units(row.comes_later))
}

/// An operation that succeeded and is not what it says.
#[derive(Clone, Debug)]
pub struct Unfounded {
    pub tenant: TenantId,
    pub id: Uuid,
    pub kind: String,
    pub reference: String,
    pub block: u64,
    pub amount: Amount,
    pub tx_hash: Option<Vec<u8>>,
    /// The block in which the chain has its transaction's transfer now.
    pub elsewhere: Option<u64>,
}

/// Operations in blocks after `from` and up to `to` whose transfer is not where they say it is, the first ones.
pub async fn unfounded(tx: &mut EngineTx, chain_id: u64, from: u64, to: u64) -> db::Result<Vec<Unfounded>> {
    let rows = sqlx::query!(
        r#"select o.tenant_id, o.id, o.kind, o.reference, o.tx_hash, o.amount as "amount: Amount",
               coalesce(o.dropped_block, o.block_number) as "block_number!",
               (select min(e.block_number) from token_movement e
                where e.chain_id = $1 and e.block_number > $2 and e.tx_hash = o.tx_hash and e.account = o.account
                    and e.token = o.token and e.state = 'present') as elsewhere
           from chain_op o
           where o.mode = 'live' and o.state = 'succeeded'
               and (o.block_number > $2 and o.block_number <= $3 or o.dropped_block > $2 and o.dropped_block <= $3)
               and not exists (
                   select from token_movement m
                   where m.chain_id = $1 and m.block_number = o.block_number and m.tx_hash = o.tx_hash
                       and m.account = o.account and m.token = o.token and m.direction = 'out' and m.state = 'present'
                       -- Those that an operator ended after a review moved something else.
                       and (o.log_index is null
                           or m.log_index = o.log_index and m.counterparty = o.recipient and m.amount = o.amount))
           order by coalesce(o.dropped_block, o.block_number), o.id limit $4"#,
        big(chain_id),
        big(from),
        big(to),
        TOLD,
    )
    .fetch_all(&mut **tx)
    .await?;
    let unfounded = rows.into_iter().map(|row| Unfounded {
        tenant: TenantId(row.tenant_id),
        id: row.id,
        kind: row.kind,
        reference: row.reference,
        block: small(row.block_number),
        amount: row.amount,
        tx_hash: row.tx_hash,
        elsewhere: row.elsewhere.map(small),
    });
    Ok(unfounded.collect())
}

/// Operations that name one and the same transfer.
pub async fn doubled(tx: &mut EngineTx, from: u64, to: u64) -> db::Result<Vec<(u64, Vec<u8>, i64, Vec<Uuid>)>> {
    let rows = sqlx::query!(
        r#"select block_number as "block_number!", tx_hash as "tx_hash!", log_index as "log_index!",
               array_agg(id order by id) as "ids!"
           from chain_op
           where mode = 'live' and state = 'succeeded' and block_number > $1 and block_number <= $2
               and log_index is not null and tx_hash is not null
           group by block_number, tx_hash, log_index having count(*) > 1 order by block_number limit $3"#,
        big(from),
        big(to),
        TOLD,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (small(row.block_number), row.tx_hash, row.log_index, row.ids)).collect())
}

/// A transfer from the treasury that no ended operation made.
#[derive(Clone, Debug)]
pub struct Unasked {
    pub block: u64,
    pub tx_hash: Vec<u8>,
    pub log_index: i64,
    pub token: Vec<u8>,
    pub recipient: Vec<u8>,
    pub amount: Amount,
    /// An operation that has not ended asks for just this.
    pub is_open: bool,
}

/// Transfers from the treasury in blocks after `from` and up to `to` that are no succeeded operation's, the first ones.
pub async fn unasked(
    tx: &mut EngineTx,
    chain_id: u64,
    treasury: Address,
    from: u64,
    to: u64,
) -> db::Result<Vec<Unasked>> {
    sqlx::query!(
        r#"select m.block_number, m.tx_hash, m.log_index, m.token, m.counterparty, m.amount as "amount: Amount",
               exists (select from chain_op o where o.mode = 'live'
                   and (o.state in ('waiting', 'submitted') or o.dropped_block is not null)
                   and o.account = m.account and o.token = m.token and o.recipient = m.counterparty
                   and o.amount = m.amount) as "is_open!"
           from token_movement m
           where m.chain_id = $1 and m.tenant_id = $2 and m.account = $3 and m.direction = 'out' and m.state = 'present'
               and m.block_number > $4 and m.block_number <= $5
               and not exists (
                   select from chain_op o where o.mode = 'live' and o.state = 'succeeded'
                       and o.block_number = m.block_number and o.tx_hash = m.tx_hash and o.account = m.account
                       and o.token = m.token and (o.log_index = m.log_index or o.log_index is null))
           order by m.block_number, m.log_index limit $6"#,
        big(chain_id),
        TenantId::OPERATOR.0,
        treasury.as_slice(),
        big(from),
        big(to),
        TOLD,
    )
    .fetch_all(&mut **tx)
    .await
    .map(|rows| {
        let unasked = rows.into_iter().map(|row| Unasked {
            block: small(row.block_number),
            tx_hash: row.tx_hash,
            log_index: row.log_index,
            token: row.token,
            recipient: row.counterparty,
            amount: row.amount,
            is_open: row.is_open,
        });
        unasked.collect()
    })
}

/// Remembers that everything agreed up to a block.
pub async fn agree(db: &Db, chain_id: u64, token: Address, checkpoint: &Checkpoint) -> db::Result<()> {
    let mut tx = db.engine().await?;
    sqlx::query!(
        "insert into reconciled_balance (chain_id, token, block_number, block_hash, amount) values ($1, $2, $3, $4, $5)
         on conflict do nothing",
        big(chain_id),
        token.as_slice(),
        big(checkpoint.block),
        checkpoint.hash.as_slice(),
        checkpoint.amount as _,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Remembers what a run found, and forgets runs of more than 90 days ago.
pub async fn record(
    db: &Db,
    chain_id: u64,
    block: Option<u64>,
    is_full: bool,
    differences: usize,
    first: Option<String>,
) -> db::Result<()> {
    let mut tx = db.engine().await?;
    sqlx::query!(
        "insert into reconciliation (chain_id, id, block_number, is_full, differences, first)
         values ($1, $2, $3, $4, $5, $6)",
        big(chain_id),
        Uuid::now_v7(),
        block.map(big),
        is_full,
        i32::try_from(differences).unwrap_or(i32::MAX),
        first,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "delete from reconciliation where chain_id = $1 and created_at < now() - interval '90 days'",
        big(chain_id)
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// The last run.
#[derive(Clone, Copy, Debug)]
pub struct LastRun {
    pub differences: i32,
    /// Unix seconds.
    pub at: f64,
    pub block: Option<i64>,
}

/// The last run, if there was one.
pub async fn last_run(db: &Db, chain_id: u64) -> db::Result<Option<LastRun>> {
    let mut tx = db.engine().await?;
    let last = sqlx::query_as!(
        LastRun,
        r#"select differences, extract(epoch from created_at)::float8 as "at!", block_number as block
           from reconciliation where chain_id = $1 order by id desc limit 1"#,
        big(chain_id),
    )
    .fetch_optional(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(last)
}

fn units(amount: Amount) -> i128 {
    i128::try_from(amount.base_units()).unwrap_or(i128::MAX)
}

fn big(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn small(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
