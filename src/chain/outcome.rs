//! What a block's receipts say about a user operation. Pure: the logs are matched with what was asked, never assumed.

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::rpc::types::{Log, TransactionReceipt};
use alloy::sol_types::{Revert, SolError, SolEvent};

use super::contracts::IBatchAccount::ExecuteError;
use super::contracts::IERC20::Transfer;
use super::contracts::IEntryPoint::{
    BeforeExecution, PostOpRevertReason, UserOperationEvent, UserOperationPrefundTooLow, UserOperationRevertReason,
};
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
    /// Whether who pays for gas undid the calls, so that this failure says nothing of them.
    pub undone_by_payer: bool,
    /// Transfers that its calls made.
    transfers: Vec<SeenTransfer>,
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
    let mut transfers = Vec::new();
    let (mut failure, mut undone_by_payer) = (None, false);
    for log in receipt.logs() {
        let ours = log.address() == ENTRY_POINT;
        match log.topic0() {
            Some(&BeforeExecution::SIGNATURE_HASH) if ours => transfers.clear(),
            Some(&UserOperationRevertReason::SIGNATURE_HASH) if ours => {
                let reason = UserOperationRevertReason::decode_log(&log.inner).ok();
                failure = reason.map(|event| revert_reason(&event.revertReason));
            }
            Some(&PostOpRevertReason::SIGNATURE_HASH | &UserOperationPrefundTooLow::SIGNATURE_HASH) if ours => {
                undone_by_payer = true;
            }
            Some(&UserOperationEvent::SIGNATURE_HASH) if ours => {
                let event = UserOperationEvent::decode_log(&log.inner).ok()?;
                if hashes.contains(&event.userOpHash) {
                    let failure = (!event.success).then(|| failure.unwrap_or_else(|| "ran out of gas".to_owned()));
                    return Some(Outcome {
                        tx_hash: receipt.transaction_hash,
                        success: event.success,
                        failure,
                        undone_by_payer: undone_by_payer && !event.success,
                        transfers,
                    });
                }
                transfers.clear();
                (failure, undone_by_payer) = (None, false);
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
    /// The ending of each operation of a user operation that took effect.
    ///
    /// The very transfer that was asked for: succeeded. Otherwise failed, but only if the account made no transfer of
    /// the token that was not asked for (a token that returns false moves nothing). If it did (a token that charges a
    /// fee), an operator must look.
    pub fn endings(mut self, operations: &[Operation]) -> Vec<Ending> {
        let exact: Vec<Option<SeenTransfer>> = operations.iter().map(|operation| self.take(operation)).collect();
        operations.iter().zip(exact).map(|(operation, seen)| self.ending(operation, seen)).collect()
    }

    /// Takes the first transfer that is exactly what was asked for.
    fn take(&mut self, operation: &Operation) -> Option<SeenTransfer> {
        let value = U256::from(operation.amount.base_units());
        let is_it = |seen: &SeenTransfer| {
            seen.token == operation.token && seen.to == operation.recipient && seen.value == value
        };
        let index = self.transfers.iter().position(is_it)?;
        Some(self.transfers.remove(index))
    }

    fn ending(&self, operation: &Operation, seen: Option<SeenTransfer>) -> Ending {
        let unasked = || self.transfers.iter().any(|other| other.token == operation.token);
        let (state, failure) = match &seen {
            Some(_) => ("succeeded", None),
            None if unasked() => ("review", Some("the token moved something else than was asked".to_owned())),
            None => ("failed", Some("the token made no transfer".to_owned())),
        };
        let log_index = seen.and_then(|seen| seen.log_index);
        Ending { tenant: operation.tenant, id: operation.id, state, log_index, failure }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundation::Amount;

    const TOKEN: Address = Address::repeat_byte(1);

    fn states(asked: &[(u8, u128)], seen: &[(u8, u64)]) -> Vec<&'static str> {
        let operation = |(to, amount): &(u8, u128)| Operation {
            tenant: uuid::Uuid::nil(),
            id: uuid::Uuid::nil(),
            token: TOKEN,
            recipient: Address::repeat_byte(*to),
            amount: Amount::from_base_units(*amount).unwrap_or_default(),
        };
        let transfer = |(to, value): &(u8, u64)| SeenTransfer {
            token: TOKEN,
            to: Address::repeat_byte(*to),
            value: U256::from(*value),
            log_index: None,
        };
        let transfers = seen.iter().map(transfer).collect();
        let outcome = Outcome { tx_hash: B256::ZERO, success: true, failure: None, undone_by_payer: false, transfers };
        let asked: Vec<Operation> = asked.iter().map(operation).collect();
        outcome.endings(&asked).into_iter().map(|ending| ending.state).collect()
    }

    #[test]
    fn what_was_asked_for_succeeded_in_whatever_order() {
        assert_eq!(states(&[(7, 5), (8, 6)], &[(7, 5), (8, 6)]), ["succeeded", "succeeded"]);
        assert_eq!(states(&[(7, 5), (7, 5)], &[(7, 5), (7, 5)]), ["succeeded", "succeeded"]);
    }

    #[test]
    fn a_token_that_moves_nothing_fails_and_its_neighbours_do_not() {
        assert_eq!(states(&[(7, 5)], &[]), ["failed"]);
        assert_eq!(states(&[(7, 5), (7, 6)], &[(7, 6)]), ["failed", "succeeded"]);
        assert_eq!(states(&[(7, 5), (7, 5)], &[(7, 5)]), ["succeeded", "failed"]);
    }

    #[test]
    fn a_token_that_charges_a_fee_is_for_an_operator_to_look_at_wherever_the_fee_is_logged() {
        assert_eq!(states(&[(7, 100)], &[(9, 1), (7, 99)]), ["review"]);
        assert_eq!(states(&[(7, 100), (8, 50)], &[(7, 99), (9, 1), (8, 49), (9, 1)]), ["review", "review"]);
        assert_eq!(states(&[(7, 100)], &[(9, 1), (7, 100)]), ["succeeded"]);
    }

    /// A receipt with these events of the EntryPoint.
    fn receipt(events: &[alloy::primitives::LogData]) -> Option<TransactionReceipt> {
        let log = |event: &alloy::primitives::LogData| Log {
            inner: alloy::primitives::Log { address: ENTRY_POINT, data: event.clone() },
            ..Log::default()
        };
        let logs: Vec<Log> = events.iter().map(log).collect();
        let receipt = serde_json::json!({
            "type": "0x2", "status": "0x1", "cumulativeGasUsed": "0x1", "gasUsed": "0x1", "effectiveGasPrice": "0x1",
            "logs": logs, "logsBloom": alloy::primitives::Bloom::ZERO, "from": Address::ZERO, "to": ENTRY_POINT,
            "contractAddress": null, "transactionHash": B256::ZERO, "transactionIndex": "0x0",
            "blockHash": B256::ZERO, "blockNumber": "0x1",
        });
        serde_json::from_value(receipt).ok()
    }

    fn ended(hash: u8, success: bool) -> alloy::primitives::LogData {
        let zero = U256::ZERO;
        let (sender, paymaster) = (Address::repeat_byte(5), Address::repeat_byte(6));
        let event = UserOperationEvent {
            userOpHash: B256::repeat_byte(hash),
            sender,
            paymaster,
            nonce: zero,
            success,
            actualGasCost: zero,
            actualGasUsed: zero,
        };
        event.encode_log_data()
    }

    #[test]
    fn what_the_payer_undid_is_told_from_what_the_calls_did() {
        let (sender, nonce) = (Address::repeat_byte(5), U256::ZERO);
        let hash = B256::repeat_byte(1);
        let post_op =
            PostOpRevertReason { userOpHash: hash, sender, nonce, revertReason: Bytes::new() }.encode_log_data();
        let prefund = UserOperationPrefundTooLow { userOpHash: hash, sender, nonce }.encode_log_data();
        let calls =
            UserOperationRevertReason { userOpHash: hash, sender, nonce, revertReason: Bytes::new() }.encode_log_data();
        let undone = |hash: u8, events: &[alloy::primitives::LogData]| {
            let receipts: Vec<_> = receipt(events).into_iter().collect();
            find(&receipts, &[B256::repeat_byte(hash)], sender).map(|outcome| outcome.undone_by_payer)
        };
        assert_eq!(undone(1, &[post_op.clone(), ended(1, false)]), Some(true));
        assert_eq!(undone(1, &[prefund, ended(1, false)]), Some(true));
        assert_eq!(undone(1, &[calls, ended(1, false)]), Some(false));
        assert_eq!(
            undone(2, &[post_op.clone(), ended(1, false), ended(2, false)]),
            Some(false),
            "it is about another one"
        );
        assert_eq!(undone(1, &[post_op, ended(1, true)]), Some(false), "the calls took effect");
    }
}
