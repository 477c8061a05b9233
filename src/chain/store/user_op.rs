//! User operations and the operations in them.

use std::time::Duration;

use alloy::primitives::{Address, B256};
use uuid::Uuid;

use super::handing_over::Takes;
use super::lane::Lease;
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

/// User operations that are for lanes, in no block, that nothing carries as far as this lane can tell and that are not
/// held back, oldest first.
///
/// What carries them is a bundle of this lane that the chain has not passed, or one of another lane that is held and has
/// no trouble: a lane that is dead or wedged (its bundle was refused, or waits since block `stuck_since` or before, in whichever version) keeps
/// nobody waiting, for its passengers may be carried twice. What another lane has gathered is left to it for one lease,
/// if it is at work.
pub async fn open(
    tx: &mut EngineTx,
    lease: &Lease,
    bundler: Takes,
    stuck_since: u64,
    limit: i64,
) -> db::Result<Vec<OpenUserOp>> {
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
             and (u.lane is null or u.lane = $2 or u.created_at < clock_timestamp() - make_interval(secs => $6)
                  or not exists (select from lane l
                                 where l.address = u.lane and l.lease_until > clock_timestamp() and l.note is null))
             and not exists (
                 select from bundle b join lane l on l.address = b.lane
                 where b.state <> 'done' and u.id = any(b.user_ops)
                   and (b.lane = $2
                        or (l.lease_until > clock_timestamp() and b.failure is null and (select min(o.stored_block) from bundle o where o.lane = b.lane and o.nonce = b.nonce) > $5))
             )
           order by u.id limit $1"#,
        limit,
        lease.lane.as_slice(),
        bundler.treasury,
        bundler.wallets,
        big(stuck_since),
        lease.duration.as_secs_f64(),
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(OpenUserOp::from).collect())
}

/// Stores signatures, each of another user operation.
pub async fn insert_versions(tx: &mut EngineTx, versions: &[(Uuid, &Version)]) -> db::Result<()> {
    let fee = |version: &Version, of: fn(&Fees) -> u128| {
        version.offer.map(|offer| Amount::from_base_units(of(&offer.fees)).unwrap_or(Amount::MAX))
    };
    let of = || versions.iter().map(|(_, version)| *version);
    sqlx::query!(
        "insert into user_op_version (hash, user_op_id, call_gas, verification_gas, deploys, packed, max_fee, max_tip,
                                      stored_block)
         select * from unnest($1::bytea[], $2::uuid[], $3::bigint[], $4::bigint[], $5::boolean[], $6::bytea[],
                              $7::numeric[], $8::numeric[], $9::bigint[])
         -- The same once more: it is the newest again.
         on conflict (hash) do update set version = default, stored_block = excluded.stored_block",
        &of().map(|version| version.hash.to_vec()).collect::<Vec<_>>(),
        &versions.iter().map(|(user_op, _)| *user_op).collect::<Vec<_>>(),
        &of().map(|version| big(version.call_gas)).collect::<Vec<_>>(),
        &of().map(|version| big(version.verification_gas)).collect::<Vec<_>>(),
        &of().map(|version| version.deploys).collect::<Vec<_>>(),
        &of().map(|version| &version.packed[..]).collect::<Vec<_>>() as &[&[u8]],
        &of().map(|version| fee(version, |fees| fees.max_fee)).collect::<Vec<_>>() as &[Option<Amount>],
        &of().map(|version| fee(version, |fees| fees.max_tip)).collect::<Vec<_>>() as &[Option<Amount>],
        &of().map(|version| version.offer.map(|offer| big(offer.stored_block))).collect::<Vec<_>>() as &[Option<i64>],
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
