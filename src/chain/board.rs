//! User operations board bundles: packed within the limits, tried by `eth_call`, without those that fail validation.

use std::time::Duration;

use alloy::primitives::{Bytes, U256};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::{SolCall, SolError};

use super::contracts::IEntryPoint::{FailedOp, FailedOpWithRevert, handleOpsCall};
use super::contracts::PackedUserOperation;
use super::engine::{Engine, Result};
use super::entry_point::{ENTRY_POINT, bundle_gas};
use super::refusal::Refusal;
use super::rpc::Head;
use super::rpc_error::RpcError;
use super::sign::{LONG_WAIT, SHORT_WAIT};
use super::store::{self, Lease, OpenUserOp, Version};
use super::transaction::Draft;

/// A transaction's bytes, less room for its envelope: nodes refuse more than 128 KB.
pub(super) const MAX_CALL_DATA: usize = 126 * 1024;

/// The part of a block's gas that one bundle may ask for: with smaller ones less of a block stays empty.
const PART_OF_BLOCK: u64 = 16;
/// Smaller ones than this part of a transaction's gas are not worth what a transaction takes by itself.
const PART_OF_TRANSACTION: u64 = 16;

/// Blocks after its birth from which a user operation with a used nonce has to be in a block that nodes can tell.
const UNACCOUNTED_AFTER: u64 = 64;
/// How long until nodes are asked for it again.
const UNACCOUNTED_WAIT: Duration = Duration::from_secs(10);
const UNACCOUNTED: &str = "its nonce is used, and no node has the block in which it was";

/// A user operation that is ready to be carried.
pub(super) struct Passenger {
    pub(super) user_op: OpenUserOp,
    pub(super) version: Version,
    pub(super) packed: PackedUserOperation,
    /// Whether it was signed just now, under a nonce that nobody has seen.
    pub(super) is_new: bool,
}

/// A bundle that is not signed yet.
pub(super) struct Boarded {
    pub(super) user_ops: Vec<uuid::Uuid>,
    pub(super) draft: Draft,
}

/// A bundle's passengers as far as they could be tried.
pub(super) struct Tried {
    /// The bundle, if anybody is left for it.
    pub(super) boarded: Option<Boarded>,
    /// Whether it was seen that the treasury's user operations pass.
    pub(super) clears_doubts: bool,
    /// Who was left out, and why.
    pub(super) left_out: Vec<(Passenger, String)>,
}

impl Engine {
    /// Packs user operations in their order into at most `free` bundles, each within the limits of a transaction and of
    /// a block; those that find no room wait for the next ones.
    pub(super) fn pack(&self, passengers: Vec<Passenger>, head: &Head, free: usize) -> Vec<Vec<Passenger>> {
        let most = self.most_gas(head);
        let mut bundles: Vec<Vec<Passenger>> = Vec::new();
        let (mut gas, mut bytes) = (0, 0);
        for passenger in passengers {
            let its_gas = bundle_gas([passenger.gas()].into_iter(), &passenger.version.packed);
            let its_bytes = passenger.version.packed.len();
            let fits = gas + its_gas <= most && bytes + its_bytes <= MAX_CALL_DATA - 512;
            let all_taken = bundles.len() == free;
            match bundles.last_mut() {
                Some(bundle) if fits => bundle.push(passenger),
                _ if all_taken => break,
                _ => {
                    (gas, bytes) = (0, 0);
                    bundles.push(vec![passenger]);
                }
            }
            (gas, bytes) = (gas + its_gas, bytes + its_bytes);
        }
        bundles
    }

    /// What a bundle may ask for.
    pub(super) fn most_gas(&self, head: &Head) -> u64 {
        let most = self.chain.settings().max_gas;
        let part_of_block = head.gas_limit.map_or(u64::MAX, |gas| gas / PART_OF_BLOCK);
        most.min(part_of_block.max(most / PART_OF_TRANSACTION))
    }

    /// Leaves out what fails validation.
    ///
    /// New ones of the treasury, whose calls were tried just now, are not tried once more, as long as nothing makes doubt that
    /// its code is there: should a bundle revert nevertheless, they come back as ones that are not new.
    pub(super) async fn board(&self, lease: &Lease, mut passengers: Vec<Passenger>) -> Result<Tried> {
        let mut left_out = Vec::new();
        while !passengers.is_empty() {
            let draft = draft(lease, &passengers);
            let too_big = draft.gas_limit > self.chain.settings().max_gas || draft.input.len() > MAX_CALL_DATA;
            if too_big && passengers.len() > 1 {
                passengers.pop();
                continue;
            }
            let are_sure = |passenger: &Passenger| passenger.is_new && passenger.user_op.wallet.is_none();
            if !self.doubts && passengers.iter().all(are_sure) {
                return Ok(Tried { boarded: Some(boarded(&passengers, draft)), clears_doubts: false, left_out });
            }
            let request = TransactionRequest::default()
                .from(lease.lane)
                .to(ENTRY_POINT)
                .gas_limit(draft.gas_limit)
                .input(draft.input.clone().into());
            let (index, reason) = match self.chain.rpc().simulate(&request).await {
                Ok(_) => {
                    let clears_doubts = passengers.iter().any(|passenger| passenger.user_op.wallet.is_none());
                    return Ok(Tried { boarded: Some(boarded(&passengers, draft)), clears_doubts, left_out });
                }
                Err(RpcError::Refused { data: Some(data), .. }) => failed_op(&data),
                Err(RpcError::Refused { kind: Refusal::Reverted, message, .. }) => (0, message),
                Err(error) => {
                    // Should one of them be the cause, it does not keep the others waiting for ever.
                    let first = passengers.first().map(|passenger| passenger.user_op.id).unwrap_or_default();
                    store::hold(self.chain.db(), first, SHORT_WAIT, &error.to_string()).await?;
                    return Err(error.into());
                }
            };
            left_out.push((passengers.remove(index.min(passengers.len() - 1)), reason));
        }
        Ok(Tried { boarded: None, clears_doubts: false, left_out })
    }

    /// Perhaps somebody carried it already; if not, it is looked at again later, when it has been made sure that the
    /// treasury still has its code. A used nonce of which nodes do not know the block is theirs to mend; nobody is told
    /// anything of its payments until then, and an operator must know.
    pub(super) async fn leave_behind(&mut self, user_op: &OpenUserOp, reason: &str, head: &Head) -> Result<()> {
        if self.chain.locate(user_op, Some(&self.rest)).await? {
            return Ok(());
        }
        let used_up = reason.starts_with("AA25");
        if used_up && head.number > user_op.born_block + UNACCOUNTED_AFTER {
            tracing::error!(user_op = %user_op.id, UNACCOUNTED);
            metrics::counter!("diolkos_user_ops_unaccounted_total").increment(1);
            return Ok(store::hold(self.chain.db(), user_op.id, UNACCOUNTED_WAIT, UNACCOUNTED).await?);
        }
        tracing::warn!(user_op = %user_op.id, reason, "a user operation fails validation and waits");
        metrics::counter!("diolkos_user_ops_left_behind_total").increment(1);
        self.delegated &= used_up;
        self.doubts |= !used_up && user_op.wallet.is_none();
        self.deployed.remove(&user_op.account);
        let wait = if used_up { Duration::from_secs(2) } else { LONG_WAIT };
        Ok(store::hold(self.chain.db(), user_op.id, wait, reason).await?)
    }
}

impl Passenger {
    /// Gas for its validation and its calls.
    fn gas(&self) -> u64 {
        self.version.call_gas + self.version.verification_gas
    }
}

fn boarded(passengers: &[Passenger], draft: Draft) -> Boarded {
    Boarded { user_ops: passengers.iter().map(|passenger| passenger.user_op.id).collect(), draft }
}

fn draft(lease: &Lease, passengers: &[Passenger]) -> Draft {
    let ops = passengers.iter().map(|passenger| passenger.packed.clone()).collect();
    let input: Bytes = handleOpsCall { ops, beneficiary: lease.lane }.abi_encode().into();
    let gas_limit = bundle_gas(passengers.iter().map(Passenger::gas), &input);
    Draft { to: ENTRY_POINT, value: U256::ZERO, input, gas_limit, authorization: None }
}

/// Which user operation the EntryPoint refuses, and why (`FailedOp`, `FailedOpWithRevert`).
fn failed_op(data: &Bytes) -> (usize, String) {
    if let Ok(FailedOp { opIndex, reason }) = FailedOp::abi_decode(data) {
        return (opIndex.saturating_to(), reason);
    }
    if let Ok(FailedOpWithRevert { opIndex, reason, .. }) = FailedOpWithRevert::abi_decode(data) {
        return (opIndex.saturating_to(), reason);
    }
    (0, format!("reverts with {data}"))
}
