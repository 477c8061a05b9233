//! SQL of the indexer, all of it in the engine's role. Only the database's clock counts.

use std::collections::HashMap;
use std::time::Duration;

use alloy::primitives::Address;
use uuid::Uuid;

use super::Mark;
use super::movement::{Account, Movement};
use crate::chain::store::{address, big, hash, small, told};
use crate::db::{self, Db, EngineTx};
use crate::foundation::{Amount, TenantId};

/// Blocks whose hashes are kept behind the head: how deep a reorg can be followed.
const KEPT_BLOCKS: u64 = 16_384;

/// This process is the one at work, until its lease lapses.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    /// The chain.
    pub chain_id: u64,
    /// The process.
    pub holder: Uuid,
    /// Grows with every change of holder; checked in every write.
    pub fence: i64,
    /// Up to where everything is known; `None` before the first look.
    pub head: Option<Mark>,
}

/// Takes the work when nobody does it, or renews the lease of the one who does; `None` when another does.
pub async fn acquire(db: &Db, chain_id: u64, holder: Uuid, lease: Duration) -> db::Result<Option<Lease>> {
    let mut tx = db.engine().await?;
    let row = sqlx::query!(
        "insert into indexer as i (chain_id, holder, fence, lease_until)
         values ($1, $2, 1, clock_timestamp() + make_interval(secs => $3))
         on conflict (chain_id) do update set
             holder = $2, lease_until = clock_timestamp() + make_interval(secs => $3),
             fence = case when i.holder = $2 and i.lease_until > clock_timestamp() then i.fence else i.fence + 1 end
         where i.holder = $2 or i.lease_until <= clock_timestamp()
             -- The clock was ahead when the lease was given.
             or i.lease_until > clock_timestamp() + make_interval(secs => $3) * 2
         returning fence, head_number, head_hash",
        big(chain_id),
        holder,
        lease.as_secs_f64(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(row.map(|row| {
        let head = row.head_number.zip(row.head_hash);
        let head = head.map(|(number, bytes)| Mark { number: small(number), hash: hash(&bytes) });
        Lease { chain_id, holder, fence: row.fence, head }
    }))
}

/// Gives the work back, so that another need not wait for the lease to lapse.
pub async fn release(db: &Db, lease: &Lease) -> db::Result<()> {
    let mut tx = db.engine().await?;
    sqlx::query!(
        "update indexer set lease_until = '-infinity', holder = null where chain_id = $1 and holder = $2 and fence = $3",
        big(lease.chain_id),
        lease.holder,
        lease.fence,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Moves the head from what the lease knows to `head`; `false` when somebody else is at work. Nothing else of the
/// transaction may be committed then.
pub async fn advance(tx: &mut EngineTx, lease: &Lease, head: &Mark, depth: u64, is_current: bool) -> db::Result<bool> {
    let moved = sqlx::query!(
        "update indexer set head_number = $4, head_hash = $5, final_number = greatest(final_number, $6),
             current_at = case when $7 then clock_timestamp() else current_at end, note = null
         where chain_id = $1 and holder = $2 and fence = $3 and head_number is not distinct from $8
             and head_hash is not distinct from $9",
        big(lease.chain_id),
        lease.holder,
        lease.fence,
        big(head.number),
        head.hash.as_slice(),
        big(head.number.saturating_sub(depth)),
        is_current,
        lease.head.map(|head| big(head.number)),
        lease.head.as_ref().map(|head| head.hash.as_slice()),
    )
    .execute(&mut **tx)
    .await?;
    Ok(moved.rows_affected() == 1)
}

/// Locks the indexer's row if this process is still the one at work.
pub async fn confirm(tx: &mut EngineTx, lease: &Lease) -> db::Result<bool> {
    let held = sqlx::query!(
        "select fence from indexer where chain_id = $1 and holder = $2 and fence = $3 for update",
        big(lease.chain_id),
        lease.holder,
        lease.fence,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(held.is_some())
}

/// Moves the head back to `ancestor`; `false` when somebody else is at work.
pub async fn retreat(tx: &mut EngineTx, lease: &Lease, ancestor: &Mark) -> db::Result<bool> {
    let moved = sqlx::query!(
        "update indexer set head_number = $4, head_hash = $5, final_number = least(final_number, $4)
         where chain_id = $1 and holder = $2 and fence = $3 and head_number = $6",
        big(lease.chain_id),
        lease.holder,
        lease.fence,
        big(ancestor.number),
        ancestor.hash.as_slice(),
        lease.head.map(|head| big(head.number)),
    )
    .execute(&mut **tx)
    .await?;
    Ok(moved.rows_affected() == 1)
}

/// Notes that the chain has nothing newer than the head.
pub async fn set_current(db: &Db, lease: &Lease) -> db::Result<()> {
    let mut tx = db.engine().await?;
    sqlx::query!(
        "update indexer set current_at = clock_timestamp(), note = null
         where chain_id = $1 and holder = $2 and fence = $3",
        big(lease.chain_id),
        lease.holder,
        lease.fence,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Tells operators what hinders the indexer.
pub async fn set_note(db: &Db, chain_id: u64, note: &str) -> db::Result<()> {
    let mut tx = db.engine().await?;
    let note = told(note);
    sqlx::query!("update indexer set note = $2 where chain_id = $1 and note is distinct from $2", big(chain_id), note,)
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// Remembers blocks, and forgets those that are far behind the newest.
pub async fn remember(tx: &mut EngineTx, chain_id: u64, marks: &[Mark]) -> db::Result<()> {
    sqlx::query!(
        "insert into indexed_block (chain_id, number, hash)
         select $1, * from unnest($2::bigint[], $3::bytea[]) on conflict do nothing",
        big(chain_id),
        &marks.iter().map(|mark| big(mark.number)).collect::<Vec<_>>(),
        &marks.iter().map(|mark| mark.hash.to_vec()).collect::<Vec<_>>(),
    )
    .execute(&mut **tx)
    .await?;
    let newest = marks.iter().map(|mark| mark.number).max().unwrap_or_default();
    sqlx::query!(
        "delete from indexed_block where chain_id = $1 and number < $2",
        big(chain_id),
        big(newest.saturating_sub(KEPT_BLOCKS)),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Remembered blocks below a height, the highest first, `limit` at most.
pub async fn remembered(db: &Db, chain_id: u64, below: u64, limit: i64) -> db::Result<Vec<Mark>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        "select number, hash from indexed_block where chain_id = $1 and number < $2 order by number desc limit $3",
        big(chain_id),
        big(below),
        limit,
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(rows.into_iter().map(|row| Mark { number: small(row.number), hash: hash(&row.hash) }).collect())
}

/// Which of these addresses are accounts of ours, and whose.
pub async fn accounts(db: &Db, addresses: &[Address]) -> db::Result<HashMap<Address, Vec<Account>>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        r#"select tenant_id as "tenant_id!", account as "account!", kind as "kind!" from indexed_account
           where account = any($1)"#,
        &addresses.iter().map(|address| address.to_vec()).collect::<Vec<_>>(),
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    let mut accounts: HashMap<Address, Vec<Account>> = HashMap::new();
    for row in rows {
        let account = Account { tenant: TenantId(row.tenant_id), kind: row.kind };
        accounts.entry(address(&row.account)).or_default().push(account);
    }
    Ok(accounts)
}

/// Enters movements; one that is there is there again if a reorg had undone it. Wallets that they touch are due to be
/// asked for their balances.
pub async fn enter(tx: &mut EngineTx, chain_id: u64, movements: &[Movement]) -> db::Result<()> {
    if movements.is_empty() {
        return Ok(());
    }
    let bytes = |f: fn(&Movement) -> &[u8]| movements.iter().map(|movement| f(movement).to_vec()).collect::<Vec<_>>();
    let tenants: Vec<Uuid> = movements.iter().map(|movement| movement.account_of.tenant.0).collect();
    let blocks: Vec<i64> = movements.iter().map(|movement| big(movement.transfer.block.number)).collect();
    let (tokens, accounts) = (bytes(|m| m.transfer.token.as_slice()), bytes(|m| m.account.as_slice()));
    let kinds: Vec<String> = movements.iter().map(|movement| movement.account_of.kind.clone()).collect();
    sqlx::query!(
        "insert into token_movement (chain_id, tenant_id, id, block_number, block_hash, block_time, log_index, tx_hash,
             token, account, direction, counterparty, amount, kind)
         select $1, * from unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::bytea[], $6::timestamptz[], $7::bigint[],
             $8::bytea[], $9::bytea[], $10::bytea[], $11::text[], $12::bytea[], $13::numeric[], $14::text[])
         on conflict on constraint token_movement_pkey do update set state = 'present', undone_at = null
             where token_movement.state = 'undone'",
        big(chain_id),
        &tenants,
        &movements.iter().map(|movement| movement.id).collect::<Vec<_>>(),
        &blocks,
        &bytes(|m| m.transfer.block.hash.as_slice()),
        &movements.iter().map(|movement| movement.at).collect::<Vec<_>>(),
        &movements.iter().map(|movement| big(movement.transfer.log_index)).collect::<Vec<_>>(),
        &bytes(|m| m.transfer.tx_hash.as_slice()),
        &tokens,
        &accounts,
        &movements.iter().map(|movement| movement.direction.as_str().to_owned()).collect::<Vec<_>>(),
        &movements.iter().map(|movement| movement.counterparty().to_vec()).collect::<Vec<_>>(),
        &movements.iter().map(|movement| movement.transfer.amount).collect::<Vec<_>>() as _,
        &kinds,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "insert into wallet_balance (chain_id, tenant_id, account, token, touched_block)
         select $1, tenant_id, account, token, max(block)
         from unnest($2::uuid[], $3::bytea[], $4::bytea[], $5::bigint[], $6::text[])
             as touched (tenant_id, account, token, block, kind)
         where kind = 'wallet'
         group by tenant_id, account, token order by tenant_id, account, token
         on conflict (tenant_id, chain_id, account, token) do update set
             touched_block = greatest(wallet_balance.touched_block, excluded.touched_block),
             amount = null, block_number = null, asked_at = null",
        big(chain_id),
        &tenants,
        &accounts,
        &tokens,
        &blocks,
        &kinds,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What [`undo`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Movements undone.
    pub movements: i64,
    /// Those among them that counted as final.
    pub were_final: i64,
}

/// Undoes everything above a block: movements stay as undone, wallets that they touched are due to be asked again.
pub async fn undo(tx: &mut EngineTx, chain_id: u64, ancestor: u64) -> db::Result<Undone> {
    let undone = sqlx::query_as!(
        Undone,
        r#"with until as (select final_number from indexer where chain_id = $1),
        undone as (
            update token_movement set state = 'undone', undone_at = now()
            where chain_id = $1 and block_number > $2 and state = 'present'
            returning tenant_id, account, token, block_number
        ), asked_again as (
            update wallet_balance b set amount = null, block_number = null, asked_at = null
            where b.chain_id = $1
                and (b.tenant_id, b.account, b.token) in (select tenant_id, account, token from undone)
        )
        select count(*) as "movements!", count(*) filter (where block_number <= (select final_number from until))
            as "were_final!"
        from undone"#,
        big(chain_id),
        big(ancestor),
    )
    .fetch_one(&mut **tx)
    .await?;
    sqlx::query!("delete from indexed_block where chain_id = $1 and number > $2", big(chain_id), big(ancestor))
        .execute(&mut **tx)
        .await?;
    Ok(undone)
}

/// A wallet whose balance is to be asked for.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// Whose.
    pub tenant: Uuid,
    /// The wallet.
    pub account: Address,
    /// The contract.
    pub token: Address,
    /// The newest block that touched it.
    pub touched: i64,
}

/// Wallets that are due, those that wait longest first, `limit` at most.
pub async fn due(db: &Db, chain_id: u64, limit: i64) -> db::Result<Vec<Due>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        "select tenant_id, account, token, touched_block from wallet_balance
         where chain_id = $1 and amount is null order by touched_block limit $2",
        big(chain_id),
        limit,
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    let due = rows.into_iter().map(|row| Due {
        tenant: row.tenant_id,
        account: address(&row.account),
        token: address(&row.token),
        touched: row.touched_block,
    });
    Ok(due.collect())
}

/// Stores what wallets held at the head, unless the head or a wallet has moved meanwhile.
pub async fn set_balances(db: &Db, lease: &Lease, head: &Mark, answers: &[(Due, Amount)]) -> db::Result<()> {
    let mut tx = db.engine().await?;
    sqlx::query!(
        "with still as (
             select from indexer where chain_id = $1 and holder = $2 and fence = $3 and head_hash = $4 for update
         )
         update wallet_balance b set amount = a.amount, block_number = $5, asked_at = now()
         from unnest($6::uuid[], $7::bytea[], $8::bytea[], $9::bigint[], $10::numeric[])
             as a (tenant_id, account, token, touched, amount)
         where b.tenant_id = a.tenant_id and b.chain_id = $1 and b.account = a.account and b.token = a.token
             and b.touched_block = a.touched and b.amount is null and exists (select from still)",
        big(lease.chain_id),
        lease.holder,
        lease.fence,
        head.hash.as_slice(),
        big(head.number),
        &answers.iter().map(|(due, _)| due.tenant).collect::<Vec<_>>(),
        &answers.iter().map(|(due, _)| due.account.to_vec()).collect::<Vec<_>>(),
        &answers.iter().map(|(due, _)| due.token.to_vec()).collect::<Vec<_>>(),
        &answers.iter().map(|(due, _)| due.touched).collect::<Vec<_>>(),
        &answers.iter().map(|(_, amount)| *amount).collect::<Vec<_>>() as _,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}
