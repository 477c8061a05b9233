//! Bundles: signed transactions of a lane.

use alloy::primitives::{Address, B256, Bytes};
use uuid::Uuid;

use super::{big, hash, news, small, told};
use crate::chain::fees::Fees;
use crate::db::{self, Db, EngineTx};
use crate::foundation::Amount;

/// What a transaction of a lane is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Carries user operations.
    UserOps,
    /// Delegates the treasury to its account code (EIP-7702).
    Delegate,
    /// Does nothing but use its nonce.
    Cancel,
    /// Fills the treasury's deposit in the EntryPoint.
    Deposit,
    /// Fills a lane with native coin.
    Refill,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::UserOps => "user_ops",
            Self::Delegate => "delegate",
            Self::Cancel => "cancel",
            Self::Deposit => "deposit",
            Self::Refill => "refill",
        }
    }

    fn from_word(word: &str) -> Self {
        match word {
            "delegate" => Self::Delegate,
            "cancel" => Self::Cancel,
            "deposit" => Self::Deposit,
            "refill" => Self::Refill,
            _ => Self::UserOps,
        }
    }
}

/// A bundle that is to be stored.
#[derive(Clone, Debug)]
pub struct NewBundle {
    /// The transaction's hash.
    pub hash: B256,
    /// The lane.
    pub lane: Address,
    /// The lane's nonce.
    pub nonce: u64,
    /// What it is for.
    pub purpose: Purpose,
    /// What it carries.
    pub user_ops: Vec<Uuid>,
    /// The signed bytes (EIP-2718).
    pub raw: Bytes,
    /// Gas limit.
    pub gas_limit: u64,
    /// What it offers.
    pub fees: Fees,
    /// The newest block when it was signed.
    pub stored_block: u64,
}

/// A stored bundle whose nonce the chain has not passed, without its bytes ([`raw`]).
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The transaction's hash.
    pub hash: B256,
    /// The lane.
    pub lane: Address,
    /// The lane's nonce.
    pub nonce: u64,
    /// What it is for.
    pub purpose: Purpose,
    /// What it carries.
    pub user_ops: Vec<Uuid>,
    /// What it offers.
    pub fees: Fees,
    /// The newest block when it was signed.
    pub stored_block: u64,
    /// The newest block when a node last took it; `None` when none did.
    pub sent_block: Option<u64>,
    /// Why a node refused it last.
    pub failure: Option<String>,
}

/// Stores bundles, of one nonce in the order given.
pub async fn insert(tx: &mut EngineTx, bundles: &[NewBundle]) -> db::Result<()> {
    for bundle in bundles {
        sqlx::query!(
            "insert into bundle (hash, lane, nonce, purpose, user_ops, raw, gas_limit, max_fee, max_tip, stored_block)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             on conflict (hash) do update set state = 'stored', done_block = null, sent_block = null",
            bundle.hash.as_slice(),
            bundle.lane.as_slice(),
            big(bundle.nonce),
            bundle.purpose.as_str(),
            &bundle.user_ops,
            &bundle.raw[..],
            big(bundle.gas_limit),
            Amount::from_base_units(bundle.fees.max_fee).unwrap_or(Amount::MAX) as _,
            Amount::from_base_units(bundle.fees.max_tip).unwrap_or(Amount::MAX) as _,
            big(bundle.stored_block),
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// The signed bytes of a bundle (EIP-2718).
pub async fn raw(db: &Db, bundle: B256) -> db::Result<Bytes> {
    let mut tx = db.engine().await?;
    let raw = sqlx::query_scalar!("select raw from bundle where hash = $1", bundle.as_slice());
    Ok(raw.fetch_one(&mut *tx).await?.into())
}

/// Bundles of a lane that the chain has not passed, by nonce and then by age: the last of a nonce is its newest version.
pub async fn alive(db: &Db, lane: Address) -> db::Result<Vec<Bundle>> {
    let mut tx = db.engine().await?;
    let rows = sqlx::query!(
        r#"select hash, nonce, purpose, user_ops, max_fee as "max_fee: Amount", max_tip as "max_tip: Amount",
                  stored_block, sent_block, failure
           from bundle where lane = $1 and state <> 'done' order by nonce, version"#,
        lane.as_slice()
    )
    .fetch_all(&mut *tx)
    .await?;
    let bundles = rows.into_iter().map(|row| Bundle {
        hash: hash(&row.hash),
        lane,
        nonce: small(row.nonce),
        purpose: Purpose::from_word(&row.purpose),
        user_ops: row.user_ops,
        fees: Fees { max_fee: row.max_fee.base_units(), max_tip: row.max_tip.base_units() },
        stored_block: small(row.stored_block),
        sent_block: row.sent_block.map(small),
        failure: row.failure,
    });
    Ok(bundles.collect())
}

/// Notes that a node took the bundles, and that the operations in them are on their way.
///
/// Returns how many seconds each of these operations had waited.
pub async fn mark_sent(db: &Db, bundles: &[B256], block: u64) -> db::Result<Vec<f64>> {
    let mut tx = db.engine().await?;
    let user_ops = sqlx::query_scalar!(
        r#"with sent as (
               update bundle set state = case when state = 'stored' then 'sent' else state end, sent_block = $2,
                      failure = null
               where hash = any($1) returning user_ops
           )
           select distinct unnest(user_ops) as "id!" from sent"#,
        &bundles.iter().map(|hash| hash.to_vec()).collect::<Vec<_>>(),
        big(block),
    )
    .fetch_all(&mut *tx)
    .await?;
    let waited = news::tell_submitted(&mut tx, &user_ops).await?;
    tx.commit().await?;
    Ok(waited)
}

/// Notes why a node refused the bundle.
pub async fn set_failure(db: &Db, bundle: B256, failure: &str) -> db::Result<()> {
    let mut tx = db.engine().await?;
    sqlx::query!("update bundle set failure = $2 where hash = $1", bundle.as_slice(), told(failure))
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// The lane's nonce has passed these bundles.
pub async fn mark_done(tx: &mut EngineTx, lane: Address, chain_nonce: u64, block: u64) -> db::Result<u64> {
    let done = sqlx::query!(
        "update bundle set state = 'done', done_block = $3 where lane = $1 and nonce < $2 and state <> 'done'",
        lane.as_slice(),
        big(chain_nonce),
        big(block),
    )
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// The lane's nonce fell back behind these bundles, which it had passed no longer ago than block `since`: a reorg dropped
/// them, or a node lags. They go out again; but not those with a user operation on board that was final and failed, whose
/// operations have moved to others: a deep reorg would let it succeed after all.
pub async fn reopen(tx: &mut EngineTx, lane: Address, chain_nonce: u64, since: u64) -> db::Result<u64> {
    let reopened = sqlx::query!(
        "update bundle set state = 'stored', done_block = null, sent_block = null
         where lane = $1 and nonce >= $2 and state = 'done' and done_block >= $3
             and not exists (
                 select from user_op u where u.id = any(user_ops) and u.state = 'ended' and not u.success)",
        lane.as_slice(),
        big(chain_nonce),
        big(since),
    )
    .execute(&mut **tx)
    .await?;
    Ok(reopened.rows_affected())
}

/// How many nonces of a lane are taken and not passed by the chain.
pub async fn in_flight(db: &Db, lane: Address) -> db::Result<usize> {
    let mut tx = db.engine().await?;
    let row = sqlx::query!(
        r#"select count(distinct nonce) as "count!" from bundle where lane = $1 and state <> 'done'"#,
        lane.as_slice()
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(usize::try_from(row.count).unwrap_or(usize::MAX))
}

/// What is known of the latest deposits of lanes.
#[derive(Clone, Copy, Debug)]
pub struct Deposits {
    /// One is on its way.
    pub under_way: bool,
    /// One was passed by the chain lately.
    pub made_lately: bool,
}

/// Whether a deposit is on its way in a lane that is at work, as [`super::open`] understands it, or was passed at block
/// `since` or later. Lanes ask one after the other, in the transaction in which they store theirs.
pub async fn deposits(tx: &mut EngineTx, lane: Address, since: u64) -> db::Result<Deposits> {
    sqlx::query!("select pg_advisory_xact_lock(hashtext('diolkos_deposit'))").execute(&mut **tx).await?;
    let row = sqlx::query!(
        r#"select exists (
               select from bundle b join lane l on l.address = b.lane
               where b.purpose = 'deposit' and b.state <> 'done'
                 and (b.lane = $1 or (l.lease_until > clock_timestamp() and b.failure is null))
           ) as "under_way!",
           exists (select from bundle where purpose = 'deposit' and done_block >= $2) as "made_lately!""#,
        lane.as_slice(),
        big(since),
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(Deposits { under_way: row.under_way, made_lately: row.made_lately })
}
