//! Operations become user operations: gathered, estimated, signed, stored.

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::{SolCall, SolValue};

use uuid::Uuid;

use super::carry::{LONG_WAIT, MAX_CALL_DATA};
use super::contracts::IBatchAccount::executeBatchCall;
use super::contracts::{Call, IERC20, PackedUserOperation};
use super::engine::{Engine, Result};
use super::entry_point::{self, DEPLOYMENT_GAS, ENTRY_POINT, VERIFICATION_GAS};
use super::rpc::Head;
use super::rpc_error::RpcError;
use super::settings::SharedSigner;
use super::store::{self, Lease, OpenUserOp, Operation, Takes, Version};
use crate::foundation::FailPoint;

/// User operations that are with a bundler at once, at most.
const WITH_BUNDLER: usize = 64;

/// Call gas of one transfer whose gas cannot be estimated because it reverts now. It goes out all the same: whether
/// it happened is for the chain to say.
const SINGLE_CALL_GAS: u64 = 200_000;

/// What a user operation calls.
pub(super) struct Calls {
    /// Its operations, in the order of the calls.
    pub(super) operations: Vec<Uuid>,
    /// The account's call data.
    pub(super) data: Bytes,
    /// Gas for that.
    pub(super) gas: u64,
    /// Whether the calls revert as things stand, or are too many.
    pub(super) reverts: bool,
}

impl Engine {
    /// Makes a user operation of what waits, when a bundle could take it. What waits meanwhile makes the next larger.
    pub(super) async fn gather(&self, lease: &Lease, head: &Head) -> Result<()> {
        let settings = self.chain.settings();
        let room = self.room(lease).await?;
        if room == Takes::default() {
            return Ok(());
        }
        let mut tx = self.chain.db().engine().await?;
        store::confirm(&mut tx, lease).await?;
        let owners: Vec<Address> = settings.wallet_owners.iter().map(|owner| owner.address()).collect();
        let claimed =
            store::claim(&mut tx, room, self.chain.treasury(), &owners, settings.batch_limit, head.number).await?;
        tx.commit().await?;
        if claimed > 0 {
            FailPoint::Claimed.reached();
        }
        Ok(())
    }

    /// Whose operations somebody has room for: the way that has enough to carry does not stop the other one.
    async fn room(&self, lease: &Lease) -> Result<Takes> {
        let (takes, in_flight) = (self.chain.bundler_takes(), self.chain.settings().in_flight);
        let lane_has_room = self.nonces_in_flight(lease).await? < in_flight;
        let (of_treasury, of_all) = store::with_bundler(self.chain.db(), takes).await?;
        let bundler_has_room = of_all < WITH_BUNDLER;
        Ok(Takes {
            treasury: if takes.treasury { bundler_has_room && of_treasury < in_flight } else { lane_has_room },
            wallets: if takes.wallets { bundler_has_room } else { lane_has_room },
        })
    }

    /// How many nonces of the lane are taken and not passed by the chain.
    pub(super) async fn nonces_in_flight(&self, lease: &Lease) -> Result<usize> {
        Ok(store::in_flight(self.chain.db(), lease.lane).await?)
    }

    /// Signs a user operation for lanes, under the nonce that it has whatever was signed before, and stores the
    /// signature; `None` when it was halved instead, because its calls revert together, or waits.
    pub(super) async fn sign(
        &self,
        lease: &Lease,
        user_op: &OpenUserOp,
        deploys: bool,
        head: &Head,
    ) -> Result<Option<Version>> {
        let Some(calls) = self.plan(lease, user_op, deploys, head).await? else { return Ok(None) };
        let Some(signer) = self.signer(user_op) else {
            tracing::error!(user_op = %user_op.id, "no owner key is configured for a wallet");
            return Ok(None);
        };
        let wallet = user_op.wallet.filter(|_| deploys);
        let init_code = wallet.map(|wallet| wallet.init_code()).unwrap_or_default();
        let verification_gas = if deploys { DEPLOYMENT_GAS } else { VERIFICATION_GAS };
        let (account, key, call_gas) = (user_op.account, user_op.nonce_key(), calls.gas);
        let mut op = entry_point::unsigned(account, key, init_code, calls.data.clone(), verification_gas, call_gas);
        let hash = entry_point::hash(&op, ENTRY_POINT, self.chain.settings().chain_id);
        op.signature = signer.sign_hash(&hash).await?.as_bytes().into();
        let version = Version { hash, call_gas, verification_gas, deploys, packed: op.abi_encode(), offer: None };
        let newest = user_op.version.as_ref().map(|version| version.hash);
        Ok(self.keep(lease, user_op, &calls, &version, newest).await?.then_some(version))
    }

    /// What a user operation calls, and gas for it; `None` when it was halved instead, because its calls revert
    /// together, or waits for the treasury's tokens.
    pub(super) async fn plan(
        &self,
        lease: &Lease,
        user_op: &OpenUserOp,
        deploys: bool,
        head: &Head,
    ) -> Result<Option<Calls>> {
        let settings = self.chain.settings();
        let operations = store::operations(self.chain.db(), user_op.id).await?;
        let data = batch_of_transfers(&operations);
        let estimated = match deploys {
            true => self.estimate_each(user_op.account, &operations).await,
            false => self.estimate(ENTRY_POINT, user_op.account, &data).await,
        };
        let fits = data.len() <= MAX_CALL_DATA;
        let (gas, reverts) = match estimated {
            Ok(gas) if gas <= settings.max_call_gas && fits => (gas, false),
            Err(error) if !error.is_verdict() => return Err(error.into()),
            Ok(_) | Err(_) if operations.len() > 1 => {
                if self.halve(lease, user_op, head).await? {
                    return Ok(None);
                }
                (settings.max_call_gas, true)
            }
            Ok(_) | Err(_) if self.is_short(user_op, &operations).await? => return Ok(None),
            Ok(_) | Err(_) => (SINGLE_CALL_GAS, true),
        };
        Ok(Some(Calls { operations: operations.iter().map(|operation| operation.id).collect(), data, gas, reverts }))
    }

    /// Stores a signature; `false` when the user operation was halved, carried, or signed again since these calls, and
    /// the newest signature, were read.
    pub(super) async fn keep(
        &self,
        lease: &Lease,
        user_op: &OpenUserOp,
        calls: &Calls,
        version: &Version,
        newest: Option<B256>,
    ) -> Result<bool> {
        let mut tx = self.chain.db().engine().await?;
        store::confirm(&mut tx, lease).await?;
        let is_open = store::lock_open(&mut tx, user_op.id).await?;
        if !is_open || store::members(&mut tx, user_op.id).await? != calls.operations {
            return Ok(false);
        }
        if store::newest(&mut tx, user_op.id).await? != newest {
            return Ok(false);
        }
        store::insert_version(&mut tx, user_op.id, version).await?;
        tx.commit().await?;
        FailPoint::UserOpStored.reached();
        Ok(true)
    }

    /// Who signs for the account: the treasury, or the wallet's owner.
    pub(super) fn signer(&self, user_op: &OpenUserOp) -> Option<&SharedSigner> {
        let settings = self.chain.settings();
        match user_op.wallet {
            None => Some(&settings.treasury),
            Some(wallet) => settings.wallet_owners.iter().find(|owner| owner.address() == wallet.owner),
        }
    }

    /// Gas of a call, with a fifth more: the estimate includes what a transaction itself costs.
    async fn estimate(&self, from: Address, to: Address, call_data: &Bytes) -> std::result::Result<u64, RpcError> {
        let request = TransactionRequest::default().from(from).to(to).input(call_data.clone().into());
        let gas = self.chain.rpc().estimate_gas(&request).await?;
        Ok(gas + gas / 5 + 20_000)
    }

    /// Gas of the calls of an account that has no code yet: what each transfer would take by itself.
    async fn estimate_each(&self, account: Address, operations: &[Operation]) -> std::result::Result<u64, RpcError> {
        let mut sum = 0;
        for operation in operations {
            sum += self.estimate(account, operation.token, &transfer(operation)).await?;
        }
        Ok(sum)
    }

    /// Whether the treasury holds less than a lone transfer of it takes: that is the house's fault, so that it waits
    /// for tokens instead of failing.
    async fn is_short(&self, user_op: &OpenUserOp, operations: &[Operation]) -> Result<bool> {
        let (None, [alone]) = (user_op.wallet, operations) else { return Ok(false) };
        let held = self.chain.rpc().token_balance(alone.token, user_op.account).await?;
        if held >= U256::from(alone.amount.base_units()) {
            return Ok(false);
        }
        tracing::error!(token = %alone.token, %held, needed = %alone.amount, "the treasury is short of tokens on chain");
        metrics::counter!("diolkos_treasury_short_total").increment(1);
        store::hold(self.chain.db(), user_op.id, LONG_WAIT, "the treasury is short of tokens on chain").await?;
        Ok(true)
    }

    /// Only what was never signed may lose a part of its calls: its first half keeps its nonce. `false`: it was signed.
    /// For user operations of two operations or more.
    pub(super) async fn halve(&self, lease: &Lease, user_op: &OpenUserOp, head: &Head) -> Result<bool> {
        let mut tx = self.chain.db().engine().await?;
        store::confirm(&mut tx, lease).await?;
        if !store::lock_open(&mut tx, user_op.id).await? {
            return Ok(true);
        }
        if store::is_signed(&mut tx, user_op.id).await? {
            return Ok(false);
        }
        store::split(&mut tx, user_op.id, head.number, false).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// The call data of an account that makes these transfers in order, all or none.
fn batch_of_transfers(operations: &[Operation]) -> Bytes {
    let calls = operations
        .iter()
        .map(|operation| Call { target: operation.token, value: U256::ZERO, data: transfer(operation) })
        .collect();
    executeBatchCall { calls }.abi_encode().into()
}

fn transfer(operation: &Operation) -> Bytes {
    let value = U256::from(operation.amount.base_units());
    IERC20::transferCall { to: operation.recipient, value }.abi_encode().into()
}

/// Reads a stored user operation back.
pub(super) fn unpack(version: &Version) -> Option<PackedUserOperation> {
    PackedUserOperation::abi_decode(&version.packed).ok()
}
