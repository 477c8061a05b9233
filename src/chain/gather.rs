//! Operations become user operations: gathered, estimated, signed, stored.

use std::collections::HashMap;

use alloy::primitives::{Address, Bytes, U256};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::{SolCall, SolValue};

use super::contracts::IBatchAccount::executeBatchCall;
use super::contracts::{Call, IERC20, PackedUserOperation};
use super::engine::{Engine, Result};
use super::entry_point::{self, ENTRY_POINT};
use super::rpc::Head;
use super::rpc_error::{Refusal, RpcError};
use super::store::{self, Lease, OpenUserOp, Operation, Version};
use crate::foundation::FailPoint;

/// Call gas of one transfer whose gas cannot be estimated because it reverts now. It goes out all the same: whether
/// it happened is for the chain to say.
const SINGLE_CALL_GAS: u64 = 200_000;

impl Engine {
    /// Makes a user operation of what waits, when a bundle could take it. What waits meanwhile makes the next larger.
    pub(super) async fn gather(&self, lease: &Lease, head: &Head) -> Result<()> {
        let settings = self.chain.settings();
        if self.nonces_in_flight(lease).await? >= settings.in_flight {
            return Ok(());
        }
        let mut tx = self.chain.db().engine().await?;
        store::confirm(&mut tx, lease).await?;
        let claimed = store::claim(&mut tx, self.chain.treasury(), settings.batch_limit, head.number).await?;
        tx.commit().await?;
        if claimed.is_some() {
            FailPoint::Claimed.reached();
        }
        Ok(())
    }

    /// How many nonces of the lane are taken and not passed by the chain.
    pub(super) async fn nonces_in_flight(&self, lease: &Lease) -> Result<usize> {
        let alive = store::alive(self.chain.db(), lease.lane).await?;
        let nonces: HashMap<u64, ()> = alive.iter().map(|bundle| (bundle.stored.nonce, ())).collect();
        Ok(nonces.len())
    }

    /// Signs a user operation for the first time and stores the signature; `None` when it was halved instead, because
    /// its calls revert together.
    pub(super) async fn sign(&self, lease: &Lease, user_op: &OpenUserOp, head: &Head) -> Result<Option<Version>> {
        let settings = self.chain.settings();
        let operations = store::operations(self.chain.db(), user_op.id).await?;
        let call_data = batch_of_transfers(&operations);
        let call_gas = match self.estimate(user_op.account, &call_data).await {
            Ok(gas) if gas <= settings.max_call_gas => gas,
            Ok(_) | Err(RpcError::Refused { kind: Refusal::Reverted | Refusal::Invalid | Refusal::Other, .. })
                if operations.len() > 1 =>
            {
                self.halve(lease, user_op, head).await?;
                return Ok(None);
            }
            Ok(_) | Err(RpcError::Refused { kind: Refusal::Reverted | Refusal::Invalid | Refusal::Other, .. }) => {
                SINGLE_CALL_GAS
            }
            Err(error) => return Err(error.into()),
        };
        let mut op = entry_point::unsigned(user_op.account, user_op.nonce_key(), call_data, call_gas);
        let hash = entry_point::hash(&op, ENTRY_POINT, settings.chain_id);
        op.signature = settings.treasury.sign_hash(&hash).await?.as_bytes().into();
        let version = Version { hash, call_gas, packed: op.abi_encode() };
        let mut tx = self.chain.db().engine().await?;
        store::confirm(&mut tx, lease).await?;
        store::insert_version(&mut tx, user_op.id, &version).await?;
        tx.commit().await?;
        FailPoint::UserOpStored.reached();
        Ok(Some(version))
    }

    /// Gas for the calls, with a fifth more: the estimate includes what the transaction itself costs.
    async fn estimate(&self, account: Address, call_data: &Bytes) -> std::result::Result<u64, RpcError> {
        let request = TransactionRequest::default().from(ENTRY_POINT).to(account).input(call_data.clone().into());
        let gas = self.chain.rpc().estimate_gas(&request).await?;
        Ok(gas + gas / 5 + 20_000)
    }

    /// Nothing of it was ever signed, so its first half may keep its nonce.
    async fn halve(&self, lease: &Lease, user_op: &OpenUserOp, head: &Head) -> Result<()> {
        let mut tx = self.chain.db().engine().await?;
        store::confirm(&mut tx, lease).await?;
        store::split(&mut tx, user_op.id, user_op.account, head.number, false).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// The call data of an account that makes these transfers in order, all or none.
fn batch_of_transfers(operations: &[Operation]) -> Bytes {
    let calls = operations
        .iter()
        .map(|operation| {
            let value = U256::from(operation.amount.base_units());
            let data = IERC20::transferCall { to: operation.recipient, value }.abi_encode().into();
            Call { target: operation.token, value: U256::ZERO, data }
        })
        .collect();
    executeBatchCall { calls }.abi_encode().into()
}

/// Reads a stored user operation back.
pub(super) fn unpack(version: &Version) -> Option<PackedUserOperation> {
    PackedUserOperation::abi_decode(&version.packed).ok()
}
