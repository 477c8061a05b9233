//! Operations become user operations, and user operations board bundles: who belongs to what, under locks.

use std::collections::BTreeMap;

use alloy::primitives::Address;
use uuid::Uuid;

use super::handing_over::Takes;
use super::user_op::OpenUserOp;
use super::{address, big, hash};
use crate::chain::entry_point::nonce_key;
use crate::chain::payer::SmartWallet;
use crate::db::{self, Db, EngineTx};

/// Gathers up to `limit` waiting operations, the oldest first, in new user operations: one an account. Only of
/// accounts that somebody has room for and this engine can sign for: its treasury, and wallets of its owner keys. Returns
/// how many it made.
pub async fn claim(
    tx: &mut EngineTx,
    room: Takes,
    treasury: Address,
    owners: &[Address],
    limit: i64,
    head: u64,
) -> db::Result<usize> {
    let rows = sqlx::query!(
        "select tenant_id, id, account, owner, salt from chain_op
         where ((account = $1 and $4) or (owner = any($2) and $5)) and state = 'waiting' and user_op_id is null and mode = 'live'
         order by id limit $3 for update skip locked",
        treasury.as_slice(),
        &owners.iter().map(|owner| owner.to_vec()).collect::<Vec<_>>(),
        limit,
        room.treasury,
        room.wallets,
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

pub(super) fn wallet(owner: Option<Vec<u8>>, salt: Option<Vec<u8>>) -> Option<SmartWallet> {
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
         update chain_op op set user_op_id = $2, mined_block = null from member
         where op.tenant_id = member.tenant_id and op.id = member.id and member.half = 2",
        old,
        half,
    )
    .execute(&mut **tx)
    .await?;
    create(tx, half, account, wallet, head).await?;
    if leave {
        let rest = Uuid::now_v7();
        sqlx::query!("update chain_op set user_op_id = $2, mined_block = null where user_op_id = $1", old, rest)
            .execute(&mut **tx)
            .await?;
        create(tx, rest, account, wallet, head).await?;
    }
    Ok(())
}

/// Moves all operations of a user operation whose nonce is used up to a new one, which only lanes carry.
pub async fn begin_anew_by_lane(tx: &mut EngineTx, old: Uuid, head: u64) -> db::Result<()> {
    let new = Uuid::now_v7();
    sqlx::query!("update chain_op set user_op_id = $2, mined_block = null where user_op_id = $1", old, new)
        .execute(&mut **tx)
        .await?;
    sqlx::query!(
        "insert into user_op (id, account, nonce_key, born_block, owner, salt, by_lane)
         select $2, account, $3, $4, owner, salt, true from user_op where id = $1",
        old,
        new,
        &nonce_key(new).to_be_bytes::<24>()[..],
        big(head),
    )
    .execute(&mut **tx)
    .await
    .map(drop)
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

/// Whether an older user operation that deploys the same account is out and not final. Of two that would deploy it, one
/// must not wait for the other.
pub async fn is_being_deployed(db: &Db, user_op: &OpenUserOp) -> db::Result<bool> {
    let mut tx = db.engine().await?;
    let row = sqlx::query!(
        r#"select exists (
               select from user_op u join user_op_version v on v.user_op_id = u.id
               where u.account = $1 and u.state <> 'ended' and u.id < $2 and v.deploys
           ) as "deploying!""#,
        user_op.account.as_slice(),
        user_op.id,
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(row.deploying)
}
