//! User operations are signed: their calls planned and tried, many at once, and the signatures stored together.

use std::collections::HashMap;

use alloy::primitives::{Address, Bytes, U256};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::{SolCall, SolValue};
use futures_util::stream::{self, StreamExt};
use uuid::Uuid;

use super::board::MAX_CALL_DATA;
use super::contracts::IBatchAccount::executeBatchCall;
use super::contracts::{Call, IERC20, PackedUserOperation};
use super::engine::{Engine, EngineError, Result};
use super::entry_point::{self, DEPLOYMENT_GAS, ENTRY_POINT, VERIFICATION_GAS, intrinsic_gas};
use super::rpc::Head;
use super::rpc_error::RpcError;
use super::settings::SharedSigner;
use super::store::{self, Basis, Lease, OpenUserOp, Operation, Version};
use crate::foundation::FailPoint;

/// User operations that are tried and signed at once.
const AT_ONCE: usize = 8;

/// How long a user operation waits that cannot be carried as things stand.
pub(super) const LONG_WAIT: std::time::Duration = std::time::Duration::from_secs(30);

/// How long a user operation waits whose affairs could not be looked into, so that others come before it.
pub(super) const SHORT_WAIT: std::time::Duration = std::time::Duration::from_secs(5);

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

/// A signature that is not stored yet.
pub(super) struct Signed {
    pub(super) user_op: Uuid,
    pub(super) basis: Basis,
    pub(super) version: Version,
}

impl Engine {
    /// Signs user operations for lanes, each under the nonce that it has whatever was signed before, and stores the
    /// signatures; returns those stored. The others were halved, because their calls revert together, or wait.
    pub(super) async fn sign_all(
        &self,
        lease: &Lease,
        user_ops: Vec<(&OpenUserOp, bool)>,
        head: &Head,
    ) -> Result<HashMap<Uuid, Version>> {
        if user_ops.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<Uuid> = user_ops.iter().map(|(user_op, _)| user_op.id).collect();
        let operations = store::operations(self.chain.db(), &ids).await?;
        let mut attempts = Vec::with_capacity(user_ops.len());
        for (user_op, deploys) in user_ops {
            let operations = operations.get(&user_op.id).cloned().unwrap_or_default();
            attempts.push(async move { (user_op.id, self.sign(lease, user_op, operations, deploys, head).await) });
        }
        // In their order, so that which one is held back does not depend on who answers first.
        let attempts: Vec<_> = stream::iter(attempts).buffered(AT_ONCE).collect().await;
        let (mut signed, mut failed) = (Vec::new(), None);
        for (id, attempt) in attempts {
            match attempt {
                Ok(one) => signed.extend(one),
                Err(error @ EngineError::Unheld(_)) => return Err(error),
                Err(error) => {
                    store::hold(self.chain.db(), id, SHORT_WAIT, &error.to_string()).await?;
                    failed = Some(error);
                }
            }
        }
        match failed {
            Some(error) if signed.is_empty() => Err(error),
            _ => self.keep(lease, signed).await,
        }
    }

    async fn sign(
        &self,
        lease: &Lease,
        user_op: &OpenUserOp,
        operations: Vec<Operation>,
        deploys: bool,
        head: &Head,
    ) -> Result<Option<Signed>> {
        let Some(calls) = self.plan(lease, user_op, &operations, deploys, head).await? else { return Ok(None) };
        let Some(signer) = self.signer(user_op) else {
            tracing::error!(user_op = %user_op.id, "no owner key is configured for a wallet");
            store::hold(self.chain.db(), user_op.id, LONG_WAIT, "no owner key is configured for the wallet").await?;
            return Ok(None);
        };
        let wallet = user_op.wallet.filter(|_| deploys);
        let init_code = wallet.map(|wallet| wallet.init_code()).unwrap_or_default();
        let verification_gas = if deploys { DEPLOYMENT_GAS } else { VERIFICATION_GAS };
        let (account, key, call_gas) = (user_op.account, user_op.nonce_key(), calls.gas);
        let mut op = entry_point::unsigned(account, key, init_code, calls.data, verification_gas, call_gas);
        let hash = entry_point::hash(&op, ENTRY_POINT, self.chain.settings().chain_id);
        op.signature = signer.sign_hash(&hash).await?.as_bytes().into();
        let version = Version { hash, call_gas, verification_gas, deploys, packed: op.abi_encode(), offer: None };
        let newest = user_op.version.as_ref().map(|version| version.hash);
        let basis = Basis { operations: calls.operations, newest };
        Ok(Some(Signed { user_op: user_op.id, basis, version }))
    }

    /// What a user operation calls, and gas for it; `None` when it was halved instead, because its calls revert
    /// together, or waits for the treasury's tokens.
    pub(super) async fn plan(
        &self,
        lease: &Lease,
        user_op: &OpenUserOp,
        operations: &[Operation],
        deploys: bool,
        head: &Head,
    ) -> Result<Option<Calls>> {
        let settings = self.chain.settings();
        let data = batch_of_transfers(operations);
        let tried = match deploys {
            true => self.estimate_each(user_op.account, operations).await,
            false => self.gas_of(user_op, operations, &data).await,
        };
        let fits = data.len() <= MAX_CALL_DATA;
        let (gas, reverts) = match tried {
            Ok(gas) if gas <= settings.max_call_gas && fits => (gas, false),
            Err(error) if !error.is_verdict() => return Err(error.into()),
            Ok(_) | Err(_) if operations.len() > 1 => {
                if self.halve(lease, user_op, head).await? {
                    return Ok(None);
                }
                (settings.max_call_gas, true)
            }
            Ok(_) | Err(_) if self.is_short(user_op, operations).await? => return Ok(None),
            Ok(_) | Err(_) => (SINGLE_CALL_GAS, true),
        };
        Ok(Some(Calls { operations: operations.iter().map(|operation| operation.id).collect(), data, gas, reverts }))
    }

    /// Stores signatures; returns those of user operations that were not halved, carried, or signed again since what they
    /// were made for was read.
    pub(super) async fn keep(&self, lease: &Lease, signed: Vec<Signed>) -> Result<HashMap<Uuid, Version>> {
        if signed.is_empty() {
            return Ok(HashMap::new());
        }
        let mut tx = self.chain.db().engine().await?;
        store::confirm(&mut tx, lease).await?;
        let ids: Vec<Uuid> = signed.iter().map(|one| one.user_op).collect();
        let bases = store::lock_bases(&mut tx, &ids).await?;
        let is_current = |one: &Signed| bases.get(&one.user_op).is_some_and(|basis| *basis == one.basis);
        let kept: HashMap<Uuid, Version> =
            signed.into_iter().filter(is_current).map(|one| (one.user_op, one.version)).collect();
        if kept.is_empty() {
            return Ok(kept);
        }
        let versions: Vec<(Uuid, &Version)> = kept.iter().map(|(id, version)| (*id, version)).collect();
        store::insert_versions(&mut tx, &versions).await?;
        tx.commit().await?;
        FailPoint::UserOpStored.reached();
        Ok(kept)
    }

    /// Who signs for the account: the treasury, or the wallet's owner.
    pub(super) fn signer(&self, user_op: &OpenUserOp) -> Option<&SharedSigner> {
        let settings = self.chain.settings();
        match user_op.wallet {
            None => Some(&settings.treasury),
            Some(wallet) => settings.wallet_owners.iter().find(|owner| owner.address() == wallet.owner),
        }
    }

    /// Gas of the calls: what such calls took before, if they succeed with that as things stand; else an estimate.
    async fn gas_of(
        &self,
        user_op: &OpenUserOp,
        operations: &[Operation],
        data: &Bytes,
    ) -> std::result::Result<u64, RpcError> {
        let account = user_op.account;
        if let Some(gas) = self.chain.gas().expect(operations, user_op.wallet.is_none()) {
            let call = TransactionRequest::default().from(ENTRY_POINT).to(account).input(data.clone().into());
            match self.chain.rpc().simulate(&call.gas_limit(gas + intrinsic_gas(data))).await {
                Ok(_) => return Ok(gas),
                Err(error) if !error.is_verdict() => return Err(error),
                Err(_) => {}
            }
        }
        self.estimate(ENTRY_POINT, account, data).await
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
    async fn halve(&self, lease: &Lease, user_op: &OpenUserOp, head: &Head) -> Result<bool> {
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
