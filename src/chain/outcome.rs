//! What a block's receipts say about a user operation. Pure: the logs are matched with what was asked, never assumed.

use std::collections::VecDeque;

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::rpc::types::{Log, TransactionReceipt};
use alloy::sol_types::{Revert, SolError, SolEvent};

use super::contracts::IBatchAccount::ExecuteError;
use super::contracts::IERC20::Transfer;
use super::contracts::IEntryPoint::{BeforeExecution, UserOperationEvent, UserOperationRevertReason};
use super::entry_point::ENTRY_POINT;
use super::store::{Ending, Operation};

/// How a user operation went.
#[derive(Debug)]
pub struct Outcome {
    /// The transaction that carried it.
    pub tx_hash: B256,
    /// Whether its calls took effect.
    pub success: bool,
    /// Why they did not.
    pub failure: Option<String>,
    /// Transfers that its calls made.
    transfers: VecDeque<SeenTransfer>,
}

#[derive(Debug)]
struct SeenTransfer {
    token: Address,
    to: Address,
    value: U256,
    log_index: Option<u64>,
}

/// Finds the user operation of one of these hashes among a block's receipts.
///
/// Logs of one operation lie between the `UserOperationEvent` before (or `BeforeExecution`) and its own (ERC-4337).
pub fn find(receipts: &[TransactionReceipt], hashes: &[B256], account: Address) -> Option<Outcome> {
    receipts.iter().find_map(|receipt| in_receipt(receipt, hashes, account))
}

fn in_receipt(receipt: &TransactionReceipt, hashes: &[B256], account: Address) -> Option<Outcome> {
    let mut transfers = VecDeque::new();
    let mut failure = None;
    for log in receipt.logs() {
        let ours = log.address() == ENTRY_POINT;
        match log.topic0() {
            Some(&BeforeExecution::SIGNATURE_HASH) if ours => transfers.clear(),
            Some(&UserOperationRevertReason::SIGNATURE_HASH) if ours => {
                let reason = UserOperationRevertReason::decode_log(&log.inner).ok();
                failure = reason.map(|event| revert_reason(&event.revertReason));
            }
            Some(&UserOperationEvent::SIGNATURE_HASH) if ours => {
                let event = UserOperationEvent::decode_log(&log.inner).ok()?;
                if hashes.contains(&event.userOpHash) {
                    let failure = (!event.success).then(|| failure.unwrap_or_else(|| "ran out of gas".to_owned()));
                    return Some(Outcome {
                        tx_hash: receipt.transaction_hash,
                        success: event.success,
                        failure,
                        transfers,
                    });
                }
                transfers.clear();
                failure = None;
            }
            Some(&Transfer::SIGNATURE_HASH) => transfers.extend(transfer_from(log, account)),
            _ => {}
        }
    }
    None
}

fn transfer_from(log: &Log, account: Address) -> Option<SeenTransfer> {
    let event = Transfer::decode_log(&log.inner).ok().filter(|event| event.from == account)?;
    Some(SeenTransfer { token: log.address(), to: event.to, value: event.value, log_index: log.log_index })
}

/// The revert data in words: an `Error(string)`, also inside a batch's `ExecuteError`, or its selector.
fn revert_reason(data: &Bytes) -> String {
    if let Ok(batch) = ExecuteError::abi_decode(data) {
        return revert_reason(&batch.error);
    }
    if let Ok(revert) = Revert::abi_decode(data) {
        return revert.reason;
    }
    match data.get(..4) {
        Some(selector) => format!("reverted with {}", Bytes::copy_from_slice(selector)),
        None => "reverted without a reason".to_owned(),
    }
}

impl Outcome {
    /// The ending of each operation of a user operation that took effect, in the order of its calls.
    ///
    /// The very transfer that was asked for: succeeded. None at all: failed, for nothing moved (a token that returns
    /// false). Another amount or recipient: for an operator to review (a token that charges a fee).
    pub fn endings(mut self, operations: &[Operation]) -> Vec<Ending> {
        let whole = self.transfers.len() == operations.len();
        operations.iter().map(|operation| self.ending(operation, whole)).collect()
    }

    fn ending(&mut self, operation: &Operation, whole: bool) -> Ending {
        let asked = (operation.token, operation.recipient, U256::from(operation.amount.base_units()));
        let next = self.transfers.front().map(|seen| (seen.token, seen.to, seen.value));
        let (state, failure) = match next {
            Some(seen) if seen == asked => ("succeeded", None),
            Some((token, to, _)) if whole || (token, to) == (asked.0, asked.1) => {
                ("review", Some("the token moved something else than was asked".to_owned()))
            }
            _ => ("failed", Some("the token made no transfer".to_owned())),
        };
        let seen = if state == "failed" { None } else { self.transfers.pop_front() };
        let log_index = seen.and_then(|seen| seen.log_index);
        Ending { tenant: operation.tenant, id: operation.id, state, log_index, failure }
    }
}
