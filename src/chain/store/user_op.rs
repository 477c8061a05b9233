//! User operations and the operations in them.

use std::time::Duration;

use alloy::primitives::{Address, B256};
use uuid::Uuid;

use super::handing_over::Takes;
use super::membership::wallet;
use super::{address, big, hash, small, told};
use crate::chain::entry_point::{NonceKey, nonce_key};
use crate::chain::fees::Fees;
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
    /// How often in a row a bundler or a paymaster refused it.
    pub refusals: u32,
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
    /// What it offers to a bundler; `None`: it is for lanes, and offers nothing.
    pub offer: Option<Offer>,
}

/// What a signature offers to a bundler, and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Fees.
    pub fees: Fees,
    /// The newest block when it was signed.
    pub stored_block: u64,
    /// The newest block when the bundler last took it; `None` when it never did.
    pub sent_block: Option<u64>,
}

/// An open user operation and its newest signature as the database has them.
pub(super) struct Row {
    pub id: Uuid,
    pub account: Vec<u8>,
    pub owner: Option<Vec<u8>>,
    pub salt: Option<Vec<u8>>,
    pub born_block: i64,
    pub refusals: i32,
    pub hash: Option<Vec<u8>>,
    pub call_gas: Option<i64>,
    pub verification_gas: Option<i64>,
    pub deploys: Option<bool>,
    pub packed: Option<Vec<u8>>,
    pub max_fee: Option<Amount>,
    pub max_tip: Option<Amount>,
    pub stored_block: Option<i64>,
    pub sent_block: Option<i64>,
}

impl From<Row> for OpenUserOp {
    fn from(row: Row) -> Self {
        let fees = row.max_fee.zip(row.max_tip);
        let fees = fees.map(|(fee, tip)| Fees { max_fee: fee.base_units(), max_tip: tip.base_units() });
        let (stored_block, sent_block) = (row.stored_block.map(small), row.sent_block.map(small));
        let offer = fees.zip(stored_block).map(|(fees, stored_block)| Offer { fees, stored_block, sent_block });
        Self {
            id: row.id,
            account: address(&row.account),
            wallet: wallet(row.owner, row.salt),
            born_block: small(row.born_block),
            refusals: row.refusals.try_into().unwrap_or(0),
            version: row.hash.zip(row.packed).map(|(h, packed)| Version {
                hash: hash(&h),
                call_gas: small(row.call_gas.unwrap_or(0)),
                verification_gas: small(row.verification_gas.unwrap_or(0)),
                deploys: row.deploys.unwrap_or(false),
                packed,
                offer,
            }),
        }
    }
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

/// User operations that are for lanes, in no block, that nothing carries as far as this lane can tell and that are not
/// held back, oldest first.
///
/// What carries them is a bundle of this lane that the chain has not passed, or one of another lane that is held and has
/// no trouble: a lane that is dead or wedged keeps nobody waiting, for its passengers may be carried twice.
pub async fn open(db: &Db, lane: Address, bundler: Takes, limit: i64) -> db::Result<Vec<OpenUserOp>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query_as!(
        Row,
        r#"select u.id, u.account, u.owner, u.salt, u.born_block, u.refusals, v.hash as "hash?", v.call_gas as "call_gas?",
                  v.verification_gas as "verification_gas?", v.deploys as "deploys?", v.packed as "packed?",
                  v.max_fee as "max_fee?: _", v.max_tip as "max_tip?: _", v.stored_block, v.sent_block
           from user_op u
           left join lateral (
               select * from user_op_version where user_op_id = u.id order by version desc limit 1
           ) v on true
           where u.state = 'open' and coalesce(u.held_until, '-infinity') <= now()
             and (u.by_lane or not (case when u.owner is null then $3::boolean else $4 end))
             and not exists (
                 select from bundle b join lane l on l.address = b.lane
                 where b.state <> 'done' and u.id = any(b.user_ops)
                   and (b.lane = $2 or (l.lease_until > clock_timestamp() and b.failure is null))
             )
           order by u.id limit $1"#,
        limit,
        lane.as_slice(),
        bundler.treasury,
        bundler.wallets,
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows.into_iter().map(OpenUserOp::from).collect())
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

/// Hashes of all signatures of one user operation, the newest first.
pub async fn hashes_of(db: &Db, user_op: Uuid) -> db::Result<Vec<B256>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!("select hash from user_op_version where user_op_id = $1 order by version desc", user_op)
        .fetch_all(&mut *tx)
        .await?;
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

/// Stores a signature.
pub async fn insert_version(tx: &mut EngineTx, user_op: Uuid, version: &Version) -> db::Result<()> {
    let fee = |of: fn(&Fees) -> u128| {
        version.offer.map(|offer| Amount::from_base_units(of(&offer.fees)).unwrap_or(Amount::MAX))
    };
    sqlx::query!(
        "insert into user_op_version (hash, user_op_id, call_gas, verification_gas, deploys, packed, max_fee, max_tip,
                                      stored_block)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         -- The same once more: it is the newest again.
         on conflict (hash) do update set version = default, stored_block = excluded.stored_block",
        version.hash.as_slice(),
        user_op,
        big(version.call_gas),
        big(version.verification_gas),
        version.deploys,
        version.packed,
        fee(|fees| fees.max_fee) as _,
        fee(|fees| fees.max_tip) as _,
        version.offer.map(|offer| big(offer.stored_block)),
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
        "with mined as (
             update user_op set state = 'mined', tx_hash = $2, block_number = $3, block_hash = $4, success = $5,
                    mined_at = now(), held_until = null
             where id = $1 and state <> 'ended'
             returning id
         )
         update chain_op set mined_block = case when $5 then $3 end from mined where user_op_id = mined.id",
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
        "with dropped as (
             update user_op set state = 'open', tx_hash = null, block_number = null, block_hash = null, success = null,
                    mined_at = null
             where id = any($1) and state = 'mined'
             returning id
         )
         update chain_op set mined_block = null from dropped where user_op_id = dropped.id",
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
