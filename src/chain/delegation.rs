//! Finding out at every start whether the chain can serve the engine, and giving the treasury its code (EIP-7702).

use alloy::eips::BlockNumberOrTag;
use alloy::eips::eip7702::Authorization;
use alloy::primitives::{Address, Bytes, U256};

use super::Chain;
use super::engine::{Engine, EngineError, Result};
use super::entry_point::ENTRY_POINT;
use super::rpc::{Head, Rpc};
use super::rpc_error::RpcError;
use super::send::Errand;
use super::store::{self, Lease, Purpose};
use super::transaction::Draft;
use super::wallet::{ACCOUNT_FACTORY, ACCOUNT_IMPLEMENTATION};

/// Delegations that a process tries before it gives the chain up.
const ATTEMPTS: u32 = 3;

/// Gas of a transaction that carries one authorization (measured: 36.8k) with room.
const DELEGATION_GAS: u64 = 120_000;

/// The code of an account that is delegated to `implementation` (EIP-7702 §delegation designation).
fn designator(implementation: Address) -> Bytes {
    [&[0xef, 0x01, 0x00], implementation.as_slice()].concat().into()
}

/// Whether an account is delegated to `implementation`.
pub async fn is_delegated(rpc: &Rpc, account: Address, implementation: Address) -> Result<bool> {
    Ok(rpc.code(account).await? == designator(implementation))
}

impl Engine {
    /// Gives the treasury its code, unless it has it. A chain on which that fails again and again from the start is
    /// none for this engine; later failures are an operator's to look at while everything else goes on.
    pub(super) async fn make_delegated(&mut self, lease: &mut Lease, head: &Head) -> Result<()> {
        if self.delegated {
            return Ok(());
        }
        let chain = self.chain.clone();
        let (treasury, implementation) = (chain.treasury(), chain.settings().treasury_implementation);
        if is_delegated(chain.rpc(), treasury, implementation).await? {
            (self.delegated, self.delegations) = (true, None);
            tracing::info!(lane = %lease.lane, %treasury, "the chain engine carries the treasury's payments");
            return Ok(());
        }
        let alive = store::alive(chain.db(), lease.lane).await?;
        if alive.iter().any(|bundle| bundle.purpose == Purpose::Delegate && bundle.failure.is_none()) {
            return Ok(());
        }
        match &mut self.delegations {
            Some(ATTEMPTS) => return Err(self.knows_no_delegation()),
            Some(tried) => *tried += 1,
            None => tracing::error!(%treasury, "the treasury has lost its account code and is delegated again"),
        }
        self.delegate(lease, head).await
    }

    fn knows_no_delegation(&self) -> EngineError {
        let id = self.chain.settings().chain_id;
        EngineError::Unsuitable(format!(
            "chain {id} does not know EIP-7702: the treasury cannot be delegated to its account code there"
        ))
    }

    /// Finds out once whether the lane is a plain account: EntryPoint v0.9 will take bundles of no other.
    pub(super) async fn check_lane(&mut self) -> Result<()> {
        let lane = self.lane.address();
        if !self.checked && !self.chain.rpc().code(lane).await?.is_empty() {
            return Err(EngineError::Unsuitable(format!("lane {lane} has code; a lane must be a plain account")));
        }
        self.checked = true;
        Ok(())
    }

    async fn delegate(&self, lease: &mut Lease, head: &Head) -> Result<()> {
        let settings = self.chain.settings();
        let treasury = &settings.treasury;
        let nonce = self.chain.rpc().nonce(treasury.address(), BlockNumberOrTag::Latest).await?;
        let authorization =
            Authorization { chain_id: U256::from(settings.chain_id), address: settings.treasury_implementation, nonce };
        let signature = treasury.sign_hash(&authorization.signature_hash()).await?;
        let draft = Draft {
            to: lease.lane,
            value: U256::ZERO,
            input: Bytes::new(),
            gas_limit: DELEGATION_GAS,
            authorization: Some(authorization.into_signed(signature)),
        };
        let fees = settings.fees.suggest(self.chain.rpc(), head).await?;
        let errand = Errand { nonce: lease.next_nonce, purpose: Purpose::Delegate, user_ops: vec![], draft, fees };
        self.run_errand(lease, head, errand).await
    }
}

impl Chain {
    /// Finds out whether this is the configured chain and has the contracts.
    pub(super) async fn check(&self) -> Result<()> {
        let settings = self.settings();
        let rpc = self.rpc();
        let id = match rpc.chain_id().await {
            // All of them do, and none is silent that might be another.
            Err(error @ RpcError::OtherChain { .. }) => return Err(EngineError::Unsuitable(error.to_string())),
            answer => answer?,
        };
        let contracts = [
            ("EntryPoint v0.8", ENTRY_POINT),
            ("SimpleAccountFactory", ACCOUNT_FACTORY),
            ("SimpleAccount", ACCOUNT_IMPLEMENTATION),
            ("Simple7702Account", settings.treasury_implementation),
        ];
        for (name, address) in contracts {
            if rpc.code(address).await?.is_empty() {
                return Err(EngineError::Unsuitable(format!("chain {id} has no {name} at {address}")));
            }
        }
        Ok(())
    }
}
