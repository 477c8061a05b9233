//! The engine as operators see it.

use std::collections::BTreeMap;

use alloy::eips::BlockNumberOrTag;
use alloy::primitives::{Address, U256};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Chain;
use super::bundler;
use super::engine::EngineError;
use super::fees::{FeePolicy, Fees};
use super::refill::RefillPolicy;
use super::rpc::Head;
use super::store;
use crate::db;
use crate::foundation::Amount;

/// A lane as the database and the chain know it.
#[derive(Clone, Debug)]
pub struct LaneStatus {
    /// The account.
    pub address: Address,
    /// The process that holds it, if one does.
    pub holder: Option<Uuid>,
    /// Until when.
    pub lease_until: Option<DateTime<Utc>>,
    /// Nonce of its next transaction.
    pub next_nonce: u64,
    /// Transactions of it in the chain.
    pub chain_nonce: u64,
    /// Nonces that wait for a block.
    pub in_flight: u64,
    /// Wei.
    pub gas_balance: U256,
    /// Wei a day that its transactions took lately.
    pub spends_per_day: Amount,
    /// What hinders it.
    pub note: Option<String>,
}

impl LaneStatus {
    /// How many seconds its native coin lasts at the pace of the last day; `None` when it spends nothing.
    pub fn lasts(&self) -> Option<u64> {
        let per_day = U256::from(self.spends_per_day.base_units());
        self.gas_balance.checked_mul(DAY)?.checked_div(per_day).map(|seconds| seconds.saturating_to())
    }
}

/// Seconds.
const DAY: U256 = U256::from_limbs([86_400, 0, 0, 0]);

/// The account that fills the lanes.
#[derive(Clone, Debug)]
pub struct FundingStatus {
    /// The account.
    pub address: Address,
    /// The process that holds it, if one does.
    pub holder: Option<Uuid>,
    /// Wei.
    pub balance: U256,
    /// Wei that refills of the last 24 hours have moved, or will.
    pub refilled_today: Amount,
    /// When lanes are filled, and how far.
    pub policy: RefillPolicy,
    /// What hinders it.
    pub note: Option<String>,
}

impl FundingStatus {
    /// Whether it could not fill one lane more.
    pub fn is_short(&self) -> bool {
        self.policy.is_short(self.balance)
    }
}

/// The account that fills the lanes; `None` without one.
pub async fn funding(chain: &Chain) -> Result<Option<FundingStatus>, EngineError> {
    let Some(funding) = &chain.settings().funding else { return Ok(None) };
    let address = funding.address();
    let rows = store::list_funding(chain.db()).await?;
    // No row: no worker has run yet.
    let row = rows.into_iter().find(|row| row.address == address);
    let (holder, note) = row.map_or((None, None), |row| (row.holder, row.note));
    let mut tx = chain.db().engine().await?;
    let refilled_today = store::refilled_today(&mut tx).await?;
    tx.commit().await?;
    let balance = chain.rpc().balance(address).await?;
    Ok(Some(FundingStatus { address, holder, balance, refilled_today, policy: chain.settings().refill, note }))
}

/// Operations by state, of all tenants.
#[derive(Clone, Debug, Default)]
pub struct Backlog {
    /// Not in a user operation, or not sent yet.
    pub waiting: i64,
    /// Sent, not final.
    pub submitted: i64,
    /// For an operator to look at.
    pub review: i64,
    /// When the oldest that is not final was asked for.
    pub oldest: Option<DateTime<Utc>>,
}

/// Lanes, with what the chain says of them.
pub async fn lanes(chain: &Chain) -> Result<Vec<LaneStatus>, EngineError> {
    let mut lanes = Vec::new();
    let spending = store::spending(chain.db()).await?;
    for lane in store::lanes(chain.db()).await? {
        let alive = store::alive(chain.db(), lane.address).await?;
        let mut nonces: Vec<u64> = alive.iter().map(|bundle| bundle.nonce).collect();
        nonces.dedup();
        lanes.push(LaneStatus {
            address: lane.address,
            holder: lane.holder,
            lease_until: lane.lease_until,
            next_nonce: lane.next_nonce,
            chain_nonce: chain.rpc().nonce(lane.address, BlockNumberOrTag::Latest).await?,
            in_flight: nonces.len() as u64,
            gas_balance: chain.rpc().balance(lane.address).await?,
            spends_per_day: spending
                .iter()
                .find(|spending| spending.account == lane.address)
                .map_or(Amount::ZERO, |spending| spending.per_day),
            note: lane.note,
        });
    }
    Ok(lanes)
}

/// What is not final, over all tenants.
pub async fn backlog(chain: &Chain) -> db::Result<Backlog> {
    let mut tx = chain.db().engine().await?;
    let row = sqlx::query!(
        r#"select count(*) filter (where o.state = 'waiting' and u.sent_at is null) as "waiting!",
                  count(*) filter (where o.state = 'waiting' and u.sent_at is not null) as "submitted!",
                  count(*) filter (where o.state = 'review') as "review!",
                  min(o.created_at) filter (where o.state = 'waiting') as oldest
           from chain_op o left join user_op u on u.id = o.user_op_id
           where o.state in ('waiting', 'submitted', 'review') and o.mode = 'live'"#
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(Backlog { waiting: row.waiting, submitted: row.submitted, review: row.review, oldest: row.oldest })
}

/// What gas costs, and what the lanes offer for it, in wei a gas.
#[derive(Clone, Copy, Debug)]
pub struct FeeStatus {
    /// Of the newest block.
    pub base_fee: u128,
    /// What a bundle would offer now.
    pub suggested: Fees,
    /// The least tip and the most that is ever offered.
    pub policy: FeePolicy,
    /// Nonces whose newest bundle no block takes, and that cannot be raised any more.
    pub capped: usize,
}

/// What gas costs now.
pub async fn fees(chain: &Chain, head: &Head) -> Result<FeeStatus, EngineError> {
    let policy = chain.settings().fees;
    let base_fee = head.base_fee_per_gas.unwrap_or(0);
    let suggested = policy.suggest(chain.rpc(), head).await?;
    let mut capped = 0;
    for lane in store::lanes(chain.db()).await? {
        let alive = store::alive(chain.db(), lane.address).await?;
        // The last one of a nonce is its newest version.
        let newest: BTreeMap<u64, Fees> = alive.iter().map(|bundle| (bundle.nonce, bundle.fees)).collect();
        capped += newest.values().filter(|offer| policy.is_capped(**offer, suggested, base_fee)).count();
    }
    Ok(FeeStatus { base_fee, suggested, policy, capped })
}

/// How many lanes some process holds.
pub async fn held_lanes(chain: &Chain) -> db::Result<usize> {
    Ok(store::lanes(chain.db()).await?.iter().filter(|lane| lane.holder.is_some()).count())
}

/// The bundler's part, where there is one.
#[derive(Clone, Debug)]
pub struct BundlerStatus {
    /// Whether it carries the treasury's user operations.
    pub carries_treasury: bool,
    /// Whether it carries customers' wallets'.
    pub carries_wallets: bool,
    /// User operations that it should have and has not.
    pub waiting: i64,
    /// User operations that it has and that are in no block.
    pub sent: i64,
    /// What the treasury has in the EntryPoint, in wei; `None` when a paymaster pays.
    pub treasury_deposit: Option<U256>,
    /// What hinders the one that was refused last, of those that wait.
    pub last_error: Option<String>,
}

/// What is with the bundler; `None` without one.
pub async fn bundler(chain: &Chain) -> Result<Option<BundlerStatus>, EngineError> {
    let Some(bundler) = chain.bundler() else { return Ok(None) };
    let takes = bundler.takes();
    let (waiting, sent, last_error) = store::bundler_backlog(chain.db(), takes).await?;
    let treasury_deposit = match bundler.is_paid_by_treasury() {
        true => Some(bundler::deposit_of_treasury(chain).await?),
        false => None,
    };
    let (carries_treasury, carries_wallets) = (takes.treasury, takes.wallets);
    Ok(Some(BundlerStatus { carries_treasury, carries_wallets, waiting, sent, treasury_deposit, last_error }))
}
