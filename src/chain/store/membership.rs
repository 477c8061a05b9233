//! Operations become user operations, and user operations board bundles: who belongs to what, under locks.

use std::collections::{BTreeMap, HashMap, HashSet};

use alloy::primitives::{Address, B256};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::handing_over::Takes;
use super::{address, big, hash};
use crate::chain::entry_point::nonce_key;
use crate::chain::payer::SmartWallet;
use crate::db::{self, Db, EngineTx};

/// Whose operations a lane gathers, and how many.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The treasury.
    pub treasury: Address,
    /// Owner keys of wallets that this engine can sign for.
    pub owners: &'a [Address],
    /// Of whom somebody has room for.
    pub room: Takes,
    /// Operations of the treasury, at most.
    pub limit: i64,
    /// Operations of wallets, at most: each is a user operation of its own as a rule.
    pub of_wallets: i64,
    /// Operations in one user operation, at most.
    pub batch: usize,
    /// The newest block.
    pub head: u64,
}

/// What waits of one account: tenants and ids.
struct Waiting {
    wallet: Option<SmartWallet>,
    operations: Vec<(Uuid, Uuid)>,
}

/// Gathers waiting operations, the oldest first, in new user operations of the lane: of each account as few as hold them.
/// Returns how many user operations it made.
pub async fn claim(tx: &mut EngineTx, lane: Address, claim: &Claim<'_>) -> db::Result<usize> {
    let Claim { treasury, owners, room, limit, of_wallets, batch, head } = *claim;
    let mut waiting: BTreeMap<Vec<u8>, Waiting> = BTreeMap::new();
    if room.treasury {
        let rows = sqlx::query!(
            "select tenant_id, id from chain_op
             where account = $1 and state = 'waiting' and user_op_id is null and mode = 'live'
             order by id limit $2 for update skip locked",
            treasury.as_slice(),
            limit,
        )
        .fetch_all(&mut **tx)
        .await?;
        let operations = rows.into_iter().map(|row| (row.tenant_id, row.id)).collect();
        waiting.insert(treasury.to_vec(), Waiting { wallet: None, operations });
    }
    if room.wallets {
        let rows = sqlx::query!(
            "select tenant_id, id, account, owner, salt from chain_op
             where owner = any($1) and state = 'waiting' and user_op_id is null and mode = 'live'
             order by id limit $2 for update skip locked",
            &owners.iter().map(|owner| owner.to_vec()).collect::<Vec<_>>(),
            of_wallets,
        )
        .fetch_all(&mut **tx)
        .await?;
        for row in rows {
            let wallet = wallet(row.owner, row.salt);
            let of_account = waiting.entry(row.account).or_insert(Waiting { wallet, operations: vec![] });
            of_account.operations.push((row.tenant_id, row.id));
        }
    }
    let (mut made, mut places) = (Vec::new(), Vec::new());
    for (account, Waiting { wallet, operations }) in &waiting {
        for batch in operations.chunks(batch) {
            let user_op = Uuid::now_v7();
            made.push(NewUserOp { id: user_op, account: address(account), wallet: *wallet, sent_at: None });
            places.extend((1i32..).zip(batch).map(|(position, (tenant, id))| (*tenant, *id, user_op, position)));
        }
    }
    if made.is_empty() {
        return Ok(0);
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
    create(tx, &made, Some(lane), head).await?;
    Ok(made.len())
}

pub(super) fn wallet(owner: Option<Vec<u8>>, salt: Option<Vec<u8>>) -> Option<SmartWallet> {
    owner.zip(salt).map(|(owner, salt)| SmartWallet { owner: address(&owner), salt: hash(&salt) })
}

#[derive(Clone, Copy, Debug)]
struct NewUserOp {
    id: Uuid,
    account: Address,
    wallet: Option<SmartWallet>,
    /// When its operations went out, where that was in another one.
    sent_at: Option<DateTime<Utc>>,
}

async fn create(tx: &mut EngineTx, made: &[NewUserOp], lane: Option<Address>, head: u64) -> db::Result<()> {
    sqlx::query!(
        "insert into user_op (id, account, nonce_key, owner, salt, sent_at, born_block, lane)
         select id, account, nonce_key, owner, salt, sent_at, $7, $8
         from unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[], $6::timestamptz[])
             as made(id, account, nonce_key, owner, salt, sent_at)",
        &made.iter().map(|made| made.id).collect::<Vec<_>>(),
        &made.iter().map(|made| made.account.to_vec()).collect::<Vec<_>>(),
        &made.iter().map(|made| nonce_key(made.id).to_be_bytes::<24>().to_vec()).collect::<Vec<_>>(),
        &made.iter().map(|made| made.wallet.map(|wallet| wallet.owner.to_vec())).collect::<Vec<_>>()
            as &[Option<Vec<u8>>],
        &made.iter().map(|made| made.wallet.map(|wallet| wallet.salt.to_vec())).collect::<Vec<_>>()
            as &[Option<Vec<u8>>],
        &made.iter().map(|made| made.sent_at).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
        big(head),
        lane.as_ref().map(|lane| lane.as_slice()),
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Moves the second half of a user operation's operations to a new one. With `leave`, the first half moves as well,
/// to another new one: the old one's nonce is used up. Both halves go out at once, by whichever lane is first.
pub async fn split(tx: &mut EngineTx, old: Uuid, head: u64, leave: bool) -> db::Result<()> {
    let parent = sqlx::query!("select account, owner, salt, sent_at from user_op where id = $1", old)
        .fetch_one(&mut **tx)
        .await?;
    let (account, wallet) = (address(&parent.account), wallet(parent.owner, parent.salt));
    let new = || NewUserOp { id: Uuid::now_v7(), account, wallet, sent_at: parent.sent_at };
    let half = new();
    sqlx::query!(
        "with member as (
             select tenant_id, id, ntile(2) over (order by position) as half from chain_op where user_op_id = $1
         )
         update chain_op op set user_op_id = $2, mined_block = null from member
         where op.tenant_id = member.tenant_id and op.id = member.id and member.half = 2",
        old,
        half.id,
    )
    .execute(&mut **tx)
    .await?;
    create(tx, &[half], None, head).await?;
    if leave {
        let rest = new();
        sqlx::query!("update chain_op set user_op_id = $2, mined_block = null where user_op_id = $1", old, rest.id)
            .execute(&mut **tx)
            .await?;
        create(tx, &[rest], None, head).await?;
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
        "insert into user_op (id, account, nonce_key, born_block, owner, salt, sent_at, by_lane)
         select $2, account, $3, $4, owner, salt, sent_at, true from user_op where id = $1",
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

/// What a signature was made for: the operations in the order of their calls, and the newest signature before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// Ids of the operations.
    pub operations: Vec<Uuid>,
    /// The hash of the newest signature.
    pub newest: Option<B256>,
}

/// Locks those of these user operations that are in no block, in one order, and tells what their next signature would be
/// made for.
pub async fn lock_bases(tx: &mut EngineTx, user_ops: &[Uuid]) -> db::Result<HashMap<Uuid, Basis>> {
    let open = sqlx::query_scalar!(
        "select id from user_op where id = any($1) and state = 'open' order by id for update",
        user_ops
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut bases: HashMap<Uuid, Basis> = open.iter().map(|id| (*id, Basis::default())).collect();
    let members = sqlx::query!(
        r#"select id, user_op_id as "user_op_id!" from chain_op where user_op_id = any($1) order by user_op_id, position"#,
        &open
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in members {
        bases.entry(row.user_op_id).or_default().operations.push(row.id);
    }
    let newest = sqlx::query!(
        "select distinct on (user_op_id) user_op_id, hash from user_op_version where user_op_id = any($1)
         order by user_op_id, version desc",
        &open
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in newest {
        bases.entry(row.user_op_id).or_default().newest = Some(hash(&row.hash));
    }
    Ok(bases)
}

/// Locks user operations for bundles of this lane; returns those that are in no block and boarded nowhere meanwhile.
pub async fn lock_for_boarding(
    tx: &mut EngineTx,
    lane: Address,
    stuck_since: u64,
    user_ops: &[Uuid],
) -> db::Result<HashSet<Uuid>> {
    // A statement of its own: the next one's snapshot then sees whatever was committed before the locks were ours.
    let open = sqlx::query_scalar!(
        "select id from user_op where id = any($1) and state = 'open' order by id for update",
        user_ops
    )
    .fetch_all(&mut **tx)
    .await?;
    let boarded = sqlx::query_scalar!(
        r#"select unnest(b.user_ops) as "id!" from bundle b join lane l on l.address = b.lane
           where b.state <> 'done' and b.user_ops && $1
             and (b.lane = $2 or (l.lease_until > clock_timestamp() and b.failure is null and (select min(o.stored_block) from bundle o where o.lane = b.lane and o.nonce = b.nonce) > $3))"#,
        &open,
        lane.as_slice(),
        big(stuck_since),
    )
    .fetch_all(&mut **tx)
    .await?;
    let boarded: HashSet<Uuid> = boarded.into_iter().collect();
    Ok(open.into_iter().filter(|id| !boarded.contains(id)).collect())
}

/// Whether a user operation was ever signed.
pub async fn is_signed(tx: &mut EngineTx, user_op: Uuid) -> db::Result<bool> {
    let version = sqlx::query!("select hash from user_op_version where user_op_id = $1 limit 1", user_op);
    Ok(version.fetch_optional(&mut **tx).await?.is_some())
}

/// Those of these user operations whose account an older one deploys that is out and not final. Of two that would deploy
/// it, one must not wait for the other.
pub async fn being_deployed(db: &Db, user_ops: &[Uuid]) -> db::Result<HashSet<Uuid>> {
    let mut tx = db.engine().await?;
    let waiting = sqlx::query_scalar!(
        "select mine.id from user_op mine
         where mine.id = any($1) and exists (
             select from user_op u join user_op_version v on v.user_op_id = u.id
             where u.account = mine.account and u.state <> 'ended' and u.id < mine.id and v.deploys)",
        user_ops,
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(waiting.into_iter().collect())
}
