//! What a block's receipts say about a user operation. Pure: the logs are matched with what was asked, never assumed.

use std::collections::HashMap;

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::rpc::types::{Log, TransactionReceipt};
use alloy::sol_types::{Revert, SolError, SolEvent};
use uuid::Uuid;

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
    /// Gas that it took altogether (`actualGasUsed`).
    pub gas_used: u64,
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

/// Finds user operations by the hashes of their signatures among a block's receipts, in one walk over its logs.
///
/// Logs of one operation lie between the `UserOperationEvent` before (or `BeforeExecution`) and its own (ERC-4337).
pub fn find(
    receipts: &[TransactionReceipt],
    hashes: &HashMap<B256, Uuid>,
    accounts: &HashMap<Uuid, Address>,
) -> HashMap<Uuid, Outcome> {
    let mut found = HashMap::new();
    for receipt in receipts {
        in_receipt(receipt, hashes, accounts, &mut found);
    }
    found
}

fn in_receipt(
    receipt: &TransactionReceipt,
    hashes: &HashMap<B256, Uuid>,
    accounts: &HashMap<Uuid, Address>,
    found: &mut HashMap<Uuid, Outcome>,
) {
    let mut transfers: Vec<&Log> = Vec::new();
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
                let Ok(event) = UserOperationEvent::decode_log(&log.inner) else { continue };
                let mine = hashes.get(&event.userOpHash).and_then(|id| Some((*id, *accounts.get(id)?)));
                let (transfers, failure) = (std::mem::take(&mut transfers), failure.take());
                let undone = std::mem::take(&mut undone_by_payer) && !event.success;
                let Some((id, account)) = mine else { continue };
                let failure = (!event.success).then(|| failure.unwrap_or_else(|| "ran out of gas".to_owned()));
                found.insert(
                    id,
                    Outcome {
                        tx_hash: receipt.transaction_hash,
                        success: event.success,
                        gas_used: event.actualGasUsed.saturating_to(),
                        failure,
                        undone_by_payer: undone,
                        transfers: transfers.into_iter().filter_map(|log| transfer_from(log, account)).collect(),
                    },
                );
            }
            Some(&Transfer::SIGNATURE_HASH) => transfers.push(log),
            _ => {}
        }
    }
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
    pub fn endings(&self, operations: &[Operation]) -> Vec<Ending> {
        let mut left: Vec<Option<&SeenTransfer>> = self.transfers.iter().map(Some).collect();
        let exact: Vec<Option<&SeenTransfer>> = operations.iter().map(|operation| take(&mut left, operation)).collect();
        let unasked: Vec<Address> = left.into_iter().flatten().map(|seen| seen.token).collect();
        operations.iter().zip(exact).map(|(operation, seen)| self.ending(operation, seen, &unasked)).collect()
    }

    /// The ending of the only operation of a user operation that took no effect.
    pub fn failed(&self, alone: &Operation) -> Ending {
        let failure = self.failure.clone();
        Ending { tenant: alone.tenant, id: alone.id, state: "failed", tx_hash: self.tx_hash, log_index: None, failure }
    }

    fn ending(&self, operation: &Operation, seen: Option<&SeenTransfer>, unasked: &[Address]) -> Ending {
        let (state, failure) = match seen {
            Some(_) => ("succeeded", None),
            None if unasked.contains(&operation.token) => {
                ("review", Some("the token moved something else than was asked".to_owned()))
            }
            None => ("failed", Some("the token made no transfer".to_owned())),
        };
        let log_index = seen.and_then(|seen| seen.log_index);
        Ending { tenant: operation.tenant, id: operation.id, state, tx_hash: self.tx_hash, log_index, failure }
    }
}

/// Takes the first transfer that is exactly what was asked for. Transfers lie in the order of the calls as a rule, so that
/// it is the first that is left.
fn take<'a>(left: &mut [Option<&'a SeenTransfer>], operation: &Operation) -> Option<&'a SeenTransfer> {
    let value = U256::from(operation.amount.base_units());
    let is_it =
        |seen: &SeenTransfer| seen.token == operation.token && seen.to == operation.recipient && seen.value == value;
    left.iter_mut().find(|seen| seen.is_some_and(is_it))?.take()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundation::Amount;

    const TOKEN: Address = Address::repeat_byte(1);

    fn states(asked: &[(u8, u128)], seen: &[(u8, u64)]) -> Vec<&'static str> {
        let operation = |(to, amount): &(u8, u128)| Operation {
            tenant: Uuid::nil(),
            id: Uuid::nil(),
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
        let outcome = Outcome {
            tx_hash: B256::ZERO,
            success: true,
            gas_used: 0,
            failure: None,
            undone_by_payer: false,
            transfers,
        };
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
            let mine = Uuid::from_u128(hash.into());
            let hashes = HashMap::from([(B256::repeat_byte(hash), mine)]);
            find(&receipts, &hashes, &HashMap::from([(mine, sender)])).get(&mine).map(|outcome| outcome.undone_by_payer)
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
