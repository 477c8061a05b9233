//! What calls take, learnt from receipts: no estimate is asked of a node for what was seen before.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use alloy::primitives::Address;

use super::store::Operation;

/// A batch of at least so many calls tells what a call in a batch takes, and not what a user operation takes by itself.
const BATCH: usize = 8;

/// What a user operation takes beside its calls: validation, the first use of a nonce key (measured: 47k to 60k).
const BESIDE_CALLS: u64 = 60_000;

/// What kind of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Kind {
    token: Address,
    /// By the treasury, or by a customer's wallet.
    by_treasury: bool,
    /// One of many, or alone.
    in_batch: bool,
}

/// Gas of a call by its kind.
#[derive(Debug, Default)]
pub struct GasBook(Mutex<HashMap<Kind, u64>>);

impl GasBook {
    /// A user operation of these transfers took so much gas altogether (`UserOperationEvent.actualGasUsed`).
    pub(super) fn learn(&self, operations: &[Operation], by_treasury: bool, gas_used: u64) {
        let Some(first) = operations.first() else { return };
        let is_mixed = operations.iter().any(|operation| operation.token != first.token);
        let in_batch = operations.len() >= BATCH;
        if is_mixed || (operations.len() > 1 && !in_batch) {
            return;
        }
        let kind = Kind { token: first.token, by_treasury, in_batch };
        let each = gas_used.saturating_sub(BESIDE_CALLS) / (operations.len() as u64).max(1);
        let mut book = self.lock();
        let known = book.entry(kind).or_insert(each);
        // Up at once, for a batch must not starve; down slowly, for the next may be dearer again.
        *known = each.max(*known - (known.saturating_sub(each)) / 8);
    }

    /// What these calls of an account will take, with a margin; `None` when one of their kinds was never seen.
    pub(super) fn expect(&self, operations: &[Operation], by_treasury: bool) -> Option<u64> {
        if operations.len() > 1 && operations.len() < BATCH {
            return None;
        }
        let in_batch = operations.len() >= BATCH;
        let book = self.lock();
        let each = operations.iter().map(|operation| {
            let kind = Kind { token: operation.token, by_treasury, in_batch };
            book.get(&kind).copied()
        });
        let calls: u64 = each.sum::<Option<u64>>()?;
        Some(calls + calls / 5 + 20_000)
    }

    /// A batch failed, perhaps because it starved: the next one's gas is estimated.
    pub(super) fn forget(&self, operations: &[Operation]) {
        let mut book = self.lock();
        book.retain(|kind, _| !operations.iter().any(|operation| operation.token == kind.token));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Kind, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundation::Amount;

    fn transfers(count: usize, token: u8) -> Vec<Operation> {
        let one = Operation {
            tenant: uuid::Uuid::nil(),
            id: uuid::Uuid::nil(),
            token: Address::repeat_byte(token),
            recipient: Address::repeat_byte(9),
            amount: Amount::from_base_units(1).unwrap_or_default(),
        };
        vec![one; count]
    }

    #[test]
    fn what_was_never_seen_is_not_guessed() {
        let book = GasBook::default();
        assert_eq!(book.expect(&transfers(100, 1), true), None);
        book.learn(&transfers(100, 1), true, 60_000 + 100 * 12_000);
        assert_eq!(book.expect(&transfers(100, 1), true), Some(100 * 12_000 * 6 / 5 + 20_000));
        assert_eq!(book.expect(&transfers(1, 1), true), None, "alone it takes something else");
        assert_eq!(book.expect(&transfers(100, 2), true), None, "another token");
        assert_eq!(book.expect(&transfers(100, 1), false), None, "another payer");
        let mixed = [transfers(50, 1), transfers(50, 2)].concat();
        assert_eq!(book.expect(&mixed, true), None);
    }

    #[test]
    fn dearer_is_believed_at_once_and_cheaper_little_by_little() {
        let book = GasBook::default();
        let batch = transfers(100, 1);
        let each = |book: &GasBook| book.expect(&batch, true).map(|gas| (gas - 20_000) * 5 / 6 / 100);
        book.learn(&batch, true, 60_000 + 100 * 12_000);
        book.learn(&batch, true, 60_000 + 100 * 28_000);
        assert_eq!(each(&book), Some(28_000));
        book.learn(&batch, true, 60_000 + 100 * 12_000);
        assert_eq!(each(&book), Some(26_000));
        for _ in 0..60 {
            book.learn(&batch, true, 60_000 + 100 * 12_000);
        }
        assert!(each(&book).is_some_and(|each| each < 12_100), "{:?}", each(&book));
    }

    #[test]
    fn after_a_batch_that_failed_the_node_is_asked_again() {
        let book = GasBook::default();
        book.learn(&transfers(100, 1), true, 2_000_000);
        book.forget(&transfers(3, 1));
        assert_eq!(book.expect(&transfers(100, 1), true), None);
    }
}
