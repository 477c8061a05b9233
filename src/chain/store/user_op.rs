//! User operations and the operations in them.

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::primitives::{Address, B256};
use uuid::Uuid;

use super::{address, big, hash, small, told};
use crate::chain::entry_point::{NonceKey, nonce_key};
use crate::chain::payer::SmartWallet;
use crate::db::{self, Db, EngineTx};
use crate::foundation::Amount;

/// A user operation that is not in a block.
#[derive(Clone, Debug)]
pub struct OpenUserOp {
    /// Its id.
    pub id: Uuid,
    /// Its account.
    pub account: Address,
    /// The wallet that the account is; `None`: the treasury.
    pub wallet: Option<SmartWallet>,
    /// The newest block when it was made: it is in none before.
    pub born_block: u64,
    /// The newest signature; `None` before the first.
    pub version: Option<Version>,
}

impl OpenUserOp {
    /// Its nonce key.
    pub fn nonce_key(&self) -> NonceKey {
        nonce_key(self.id)
    }
}

/// A signed form of a user operation.
#[derive(Clone, Debug)]
pub struct Version {
    /// The user operation's hash (ERC-4337).
    pub hash: B256,
    /// Gas for its calls.
    pub call_gas: u64,
    /// Gas for its validation, which deploys the account when it is not there yet.
    pub verification_gas: u64,
    /// Whether it deploys its account.
    pub deploys: bool,
    /// ABI encoding of the packed, signed user operation.
    pub packed: Vec<u8>,
}

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

/// How an operation ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Whose.
    pub tenant: Uuid,
    /// Which.
    pub id: Uuid,
    /// `succeeded`, `failed` or `review`.
    pub state: &'static str,
    /// The index of its `Transfer` in the block.
    pub log_index: Option<u64>,
    /// Why it did not succeed.
    pub failure: Option<String>,
}

/// Gathers up to `limit` waiting operations, the oldest first, in new user operations: one an account. Only of
/// accounts that this engine can sign for: its treasury, and wallets of its owner keys. Returns how many it made.
pub async fn claim(
    tx: &mut EngineTx,
    treasury: Address,
    owners: &[Address],
    limit: i64,
    head: u64,
) -> db::Result<usize> {
    let rows = sqlx::query!(
        "select tenant_id, id, account, owner, salt from chain_op
         where (account = $1 or owner = any($2)) and state = 'waiting' and user_op_id is null
         order by id limit $3 for update skip locked",
        treasury.as_slice(),
        &owners.iter().map(|owner| owner.to_vec()).collect::<Vec<_>>(),
        limit,
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut user_ops: BTreeMap<Vec<u8>, (Uuid, Option<SmartWallet>, i32)> = BTreeMap::new();
    let mut places = Vec::with_capacity(rows.len());
    for row in rows {
        let wallet = wallet(row.owner, row.salt);
        let (user_op, _, count) = user_ops.entry(row.account).or_insert_with(|| (Uuid::now_v7(), wallet, 0));
        *count += 1;
        places.push((row.tenant_id, row.id, *user_op, *count));
    }
    sqlx::query!(
        "update chain_op op set user_op_id = place.user_op, position = place.position
         from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[]) as place(tenant_id, id, user_op, position)
         where op.tenant_id = place.tenant_id and op.id = place.id",
        &places.iter().map(|place| place.0).collect::<Vec<_>>(),
        &places.iter().map(|place| place.1).collect::<Vec<_>>(),
        &places.iter().map(|place| place.2).collect::<Vec<_>>(),
        &places.iter().map(|place| place.3).collect::<Vec<_>>(),
    )
    .execute(&mut **tx)
    .await?;
    for (account, (id, wallet, _)) in &user_ops {
        create(tx, *id, address(account), *wallet, head).await?;
    }
    Ok(user_ops.len())
}

fn wallet(owner: Option<Vec<u8>>, salt: Option<Vec<u8>>) -> Option<SmartWallet> {
    owner.zip(salt).map(|(owner, salt)| SmartWallet { owner: address(&owner), salt: hash(&salt) })
}

async fn create(
    tx: &mut EngineTx,
    id: Uuid,
    account: Address,
    wallet: Option<SmartWallet>,
    head: u64,
) -> db::Result<()> {
    sqlx::query!(
        "insert into user_op (id, account, nonce_key, born_block, owner, salt) values ($1, $2, $3, $4, $5, $6)",
        id,
        account.as_slice(),
        &nonce_key(id).to_be_bytes::<24>()[..],
        big(head),
        wallet.map(|wallet| wallet.owner.to_vec()),
        wallet.map(|wallet| wallet.salt.to_vec()),
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Moves the second half of a user operation's operations to a new one. With `leave`, the first half moves as well,
/// to another new one: the old one's nonce is used up.
pub async fn split(tx: &mut EngineTx, old: Uuid, head: u64, leave: bool) -> db::Result<()> {
    let parent =
        sqlx::query!("select account, owner, salt from user_op where id = $1", old).fetch_one(&mut **tx).await?;
    let (account, wallet) = (address(&parent.account), wallet(parent.owner, parent.salt));
    let half = Uuid::now_v7();
    sqlx::query!(
        "with member as (
             select tenant_id, id, ntile(2) over (order by position) as half from chain_op where user_op_id = $1
         )
         update chain_op op set user_op_id = $2 from member
         where op.tenant_id = member.tenant_id and op.id = member.id and member.half = 2",
        old,
        half,
    )
    .execute(&mut **tx)
    .await?;
    create(tx, half, account, wallet, head).await?;
    if leave {
        let rest = Uuid::now_v7();
        sqlx::query!("update chain_op set user_op_id = $2 where user_op_id = $1", old, rest).execute(&mut **tx).await?;
        create(tx, rest, account, wallet, head).await?;
    }
    Ok(())
}

/// User operations that are in no block, that nothing carries as far as this lane can tell and that are not held back,
/// oldest first.
///
/// What carries them is a bundle of this lane that the chain has not passed, or one of another lane that is held and has
/// no trouble: a lane that is dead or wedged keeps nobody waiting, for its passengers may be carried twice.
pub async fn open(db: &Db, lane: Address, limit: i64) -> db::Result<Vec<OpenUserOp>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        r#"select u.id, u.account, u.owner, u.salt, u.born_block, v.hash as "hash?", v.call_gas as "call_gas?",
                  v.verification_gas as "verification_gas?", v.deploys as "deploys?", v.packed as "packed?"
           from user_op u
           left join lateral (
               select hash, call_gas, verification_gas, deploys, packed from user_op_version where user_op_id = u.id order by version desc limit 1
           ) v on true
           where u.state = 'open' and coalesce(u.held_until, '-infinity') <= now()
             and not exists (
                 select from bundle b join lane l on l.address = b.lane
                 where b.state <> 'done' and u.id = any(b.user_ops)
                   and (b.lane = $2 or (l.lease_until > clock_timestamp() and b.failure is null))
             )
           order by u.id limit $1"#,
        limit,
        lane.as_slice(),
    )
    .fetch_all(&mut *tx)
    .await?;
    let open = rows.into_iter().map(|row| OpenUserOp {
        id: row.id,
        account: address(&row.account),
        wallet: wallet(row.owner, row.salt),
        born_block: small(row.born_block),
        version: row.hash.zip(row.packed).map(|(h, packed)| Version {
            hash: hash(&h),
            call_gas: small(row.call_gas.unwrap_or(0)),
            verification_gas: small(row.verification_gas.unwrap_or(0)),
            deploys: row.deploys.unwrap_or(false),
            packed,
        }),
    });
    Ok(open.collect())
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
            version: None,
        };
        (hash(&row.hash), user_op)
    });
    Ok(versions.collect())
}

/// Hashes of all signatures of one user operation.
pub async fn hashes_of(db: &Db, user_op: Uuid) -> db::Result<Vec<B256>> {
    let mut tx = db.engine().await?;
    let rows =
        sqlx::query!("select hash from user_op_version where user_op_id = $1", user_op).fetch_all(&mut *tx).await?;
    Ok(rows.iter().map(|row| hash(&row.hash)).collect())
}

/// The operations of a user operation, in the order of their calls.
pub async fn operations(db: &Db, user_op: Uuid) -> db::Result<Vec<Operation>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        r#"select tenant_id, id, token, recipient, amount as "amount: Amount"
           from chain_op where user_op_id = $1 order by position"#,
        user_op,
    )
    .fetch_all(&mut *tx)
    .await?;
    let operations = rows.into_iter().map(|row| Operation {
        tenant: row.tenant_id,
        id: row.id,
        token: address(&row.token),
        recipient: address(&row.recipient),
        amount: row.amount,
    });
    Ok(operations.collect())
}

/// Locks a user operation that is in no block, against other lanes that sign it, halve it or carry it.
pub async fn lock_open(tx: &mut EngineTx, user_op: Uuid) -> db::Result<bool> {
    let open = sqlx::query!("select id from user_op where id = $1 and state = 'open' for update", user_op);
    Ok(open.fetch_optional(&mut **tx).await?.is_some())
}

/// The ids of a user operation's operations in the order of their calls, within a transaction.
pub async fn members(tx: &mut EngineTx, user_op: Uuid) -> db::Result<Vec<Uuid>> {
    sqlx::query_scalar!("select id from chain_op where user_op_id = $1 order by position", user_op)
        .fetch_all(&mut **tx)
        .await
}

/// Locks user operations for a bundle of this lane; `false` when one of them is in a block or boarded elsewhere meanwhile.
pub async fn lock_for_boarding(tx: &mut EngineTx, lane: Address, user_ops: &[Uuid]) -> db::Result<bool> {
    let open =
        sqlx::query!("select id from user_op where id = any($1) and state = 'open' order by id for update", user_ops)
            .fetch_all(&mut **tx)
            .await?;
    let boarded = sqlx::query!(
        r#"select exists (
               select from bundle b join lane l on l.address = b.lane
               where b.state <> 'done' and b.user_ops && $1
                 and (b.lane = $2 or (l.lease_until > clock_timestamp() and b.failure is null))
           ) as "boarded!""#,
        user_ops,
        lane.as_slice(),
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(open.len() == user_ops.len() && !boarded.boarded)
}

/// Whether a user operation was ever signed.
pub async fn is_signed(tx: &mut EngineTx, user_op: Uuid) -> db::Result<bool> {
    let version = sqlx::query!("select hash from user_op_version where user_op_id = $1 limit 1", user_op);
    Ok(version.fetch_optional(&mut **tx).await?.is_some())
}

/// Stores a signature.
pub async fn insert_version(tx: &mut EngineTx, user_op: Uuid, version: &Version) -> db::Result<()> {
    sqlx::query!(
        "insert into user_op_version (hash, user_op_id, call_gas, verification_gas, deploys, packed)
         values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
        version.hash.as_slice(),
        user_op,
        big(version.call_gas),
        big(version.verification_gas),
        version.deploys,
        version.packed,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Keeps a user operation back for a while, by the database's clock, and says why.
pub async fn hold(db: &Db, user_op: Uuid, wait: Duration, why: &str) -> db::Result<()> {
    let mut tx = db.engine().await?;
    sqlx::query!(
        "update user_op set held_until = now() + make_interval(secs => $2), failure = $3 where id = $1",
        user_op,
        wait.as_secs_f64(),
        told(why)
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// A user operation was seen in a block.
pub async fn mark_mined(db: &Db, user_op: Uuid, tx_hash: B256, block: (u64, B256), success: bool) -> db::Result<()> {
    let mut tx = db.engine().await?;
    sqlx::query!(
        "update user_op set state = 'mined', tx_hash = $2, block_number = $3, block_hash = $4, success = $5,
                mined_at = now(), held_until = null
         where id = $1 and state <> 'ended'",
        user_op,
        tx_hash.as_slice(),
        big(block.0),
        block.1.as_slice(),
        success,
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

/// Their block is not in the chain any more: they are to be carried again.
pub async fn reopen(db: &Db, user_ops: &[Uuid]) -> db::Result<()> {
    let mut tx = db.engine().await?;
    sqlx::query!(
        "update user_op set state = 'open', tx_hash = null, block_number = null, block_hash = null, success = null,
                mined_at = null
         where id = any($1) and state = 'mined'",
        user_ops
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// A mined user operation is final; `false` when another process ended it, or a reorg moved it, first.
pub async fn end(tx: &mut EngineTx, user_op: &MinedUserOp, success: bool, failure: Option<&str>) -> db::Result<bool> {
    let ended = sqlx::query!(
        "update user_op set state = 'ended', ended_at = now(), success = $3, failure = $4
         where id = $1 and state = 'mined' and block_hash = $2",
        user_op.id,
        user_op.block_hash.as_slice(),
        success,
        failure.map(told),
    )
    .execute(&mut **tx)
    .await?;
    Ok(ended.rows_affected() == 1)
}

/// Operations have their final outcomes, all in one transaction of one block.
///
/// Returns how many seconds each had taken since it was sent.
pub async fn end_operations(tx: &mut EngineTx, tx_hash: B256, block: u64, endings: &[Ending]) -> db::Result<Vec<f64>> {
    sqlx::query_scalar!(
        r#"update chain_op op set state = e.state, tx_hash = $1, block_number = $2, log_index = e.log_index,
                failure = e.failure, ended_at = now(), submitted_at = coalesce(submitted_at, now())
         from unnest($3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::text[])
              as e(tenant_id, id, state, log_index, failure)
         where op.tenant_id = e.tenant_id and op.id = e.id and op.state in ('waiting', 'submitted')
         returning extract(epoch from now() - op.submitted_at)::float8 as "taken!""#,
        tx_hash.as_slice(),
        big(block),
        &endings.iter().map(|e| e.tenant).collect::<Vec<_>>(),
        &endings.iter().map(|e| e.id).collect::<Vec<_>>(),
        &endings.iter().map(|e| e.state.to_owned()).collect::<Vec<_>>(),
        &endings.iter().map(|e| e.log_index.map(big)).collect::<Vec<_>>() as &[Option<i64>],
        &endings.iter().map(|e| e.failure.as_deref().map(told)).collect::<Vec<_>>() as &[Option<String>],
    )
    .fetch_all(&mut **tx)
    .await
}

/// Whether another user operation that deploys the same account is out and not final.
pub async fn is_being_deployed(db: &Db, user_op: &OpenUserOp) -> db::Result<bool> {
    let mut tx = db.engine().await?;
    let row = sqlx::query!(
        r#"select exists (
               select from user_op u join user_op_version v on v.user_op_id = u.id
               where u.account = $1 and u.state <> 'ended' and u.id <> $2 and v.deploys
           ) as "deploying!""#,
        user_op.account.as_slice(),
        user_op.id,
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(row.deploying)
}
