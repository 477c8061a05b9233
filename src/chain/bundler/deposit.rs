//! The treasury's deposit in the EntryPoint, from which the bundler is paid when no paymaster pays. A lane keeps it
//! filled.

use alloy::primitives::U256;
use alloy::sol_types::SolCall;

use crate::chain::contracts::IEntryPoint::{balanceOfCall, depositToCall};
use crate::chain::engine::{Engine, Result};
use crate::chain::entry_point::ENTRY_POINT;
use crate::chain::rpc::Head;
use crate::chain::send::Errand;
use crate::chain::store::{self, Deposits, Lease, Purpose};
use crate::chain::transaction::Draft;
use crate::chain::{Chain, RpcError};

/// Gas of a deposit (measured: about 50k for the first one) with room.
const DEPOSIT_GAS: u64 = 120_000;

/// Blocks from one look at the deposit to the next, unless the bundler complains.
const LOOK_EVERY: u64 = 5;

/// Blocks from one filling to the next at least: a bundler that charges whatever it likes gets no more than that. Until
/// then lanes carry what the deposit does not cover.
pub(in crate::chain) const FILL_EVERY: u64 = 150;

/// How full a deposit is kept, in wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepositMarks {
    /// Below this it is filled,
    pub low: U256,
    /// up to this.
    pub high: U256,
}

/// What the treasury has in the EntryPoint, in wei.
pub async fn of_treasury(chain: &Chain) -> std::result::Result<U256, RpcError> {
    chain.rpc().view(ENTRY_POINT, &balanceOfCall { account: chain.treasury() }).await
}

/// What an engine knows of the treasury's deposit.
#[derive(Debug, Default)]
pub struct Deposit {
    /// The newest block when it was found to be full enough.
    looked_at: Option<u64>,
    /// The bundler has said that it does not cover a user operation.
    pub(super) is_short: bool,
    /// It is being filled: what it pays for waits that long, within limits.
    pub(super) is_filling: bool,
    /// The block when it was first found to be low.
    low_since: Option<u64>,
}

impl Engine {
    /// Fills the treasury's deposit when it is low, with no more than half of what the lane has: the lane has to go on.
    pub(in crate::chain) async fn fill_deposit(&mut self, lease: &mut Lease, head: &Head) -> Result<()> {
        let chain = self.chain.clone();
        let Some(bundler) = chain.bundler().filter(|bundler| bundler.is_paid_by_treasury()) else { return Ok(()) };
        let Deposit { looked_at, is_short, low_since, .. } = self.deposit;
        if !is_short && looked_at.is_some_and(|block| head.number < block + LOOK_EVERY) {
            return Ok(());
        }
        let DepositMarks { low, high } = bundler.deposit;
        let held = of_treasury(&chain).await?;
        let enough = if is_short { low.max(high / U256::from(2)) } else { low };
        self.deposit = Deposit { looked_at: Some(head.number), ..Deposit::default() };
        if held >= enough {
            return Ok(());
        }
        let low_since = low_since.unwrap_or(head.number);
        let is_worth_waiting = head.number.saturating_sub(low_since) <= 2 * chain.settings().replace_after_blocks;
        // It is looked at again in the next block, until it is not low.
        let filling = Deposit {
            looked_at: None,
            is_short: false,
            is_filling: held < low && is_worth_waiting,
            low_since: Some(low_since),
        };
        let known = self.deposits(lease, head).await?;
        if known.under_way {
            self.deposit = filling;
            return Ok(());
        }
        if known.made_lately {
            tracing::error!(%held, "the treasury's deposit in the EntryPoint was filled just now and is low again");
            metrics::counter!("diolkos_deposit_unfilled_total").increment(1);
            return Ok(());
        }
        let affordable = chain.rpc().balance(lease.lane).await? / U256::from(2);
        let value = high.saturating_sub(held).min(affordable);
        if value.is_zero() || value < low.saturating_sub(held) {
            tracing::error!(lane = %lease.lane, %held, "the lane cannot fill the treasury's deposit in the EntryPoint");
            metrics::counter!("diolkos_deposit_unfilled_total").increment(1);
            return Ok(());
        }
        let input = depositToCall { account: chain.treasury() }.abi_encode().into();
        let draft = Draft { to: ENTRY_POINT, value, input, gas_limit: DEPOSIT_GAS, authorization: None };
        let fees = chain.settings().fees.suggest(chain.rpc(), head).await?;
        let errand = Errand { nonce: lease.next_nonce, purpose: Purpose::Deposit, user_ops: vec![], draft, fees };
        self.deposit = filling;
        tracing::info!(lane = %lease.lane, %held, %value, "the treasury's deposit in the EntryPoint is filled");
        // Nothing happens when another one is on its way, or was in a block just now.
        self.run_errand(lease, head, errand).await
    }

    async fn deposits(&self, lease: &Lease, head: &Head) -> Result<Deposits> {
        let mut tx = self.chain.db().engine().await?;
        let known = store::deposits(&mut tx, lease.lane, head.number.saturating_sub(FILL_EVERY)).await?;
        tx.commit().await?;
        Ok(known)
    }
}
