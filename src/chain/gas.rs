//! What calls take, learnt from receipts: no estimate is asked of a node for what was seen before.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use alloy::primitives::Address;

use super::store::Operation;

/// A batch of at least so many calls tells what a call in a batch takes, and not what a user operation takes by itself.
pub(super) const SMALLEST_BATCH: usize = 8;

/// What a user operation takes beside its calls: validation, the first use of a nonce key (measured: 47k to 60k).
const BESIDE_CALLS: u64 = 60_000;

/// What the bytes of one call take (measured: 1.6k).
const CALL_DATA: u64 = 2_000;

/// What a bundle with one user operation takes beside its calls (measured: 45k), and what it asks for.
const BUNDLE_TAKES: u64 = 50_000;
const BUNDLE_ASKS_FOR: u64 = 260_000;

/// How many bundles may fill a block.
const FILL_A_BLOCK: std::ops::RangeInclusive<u64> = 10..=16;

/// What kind of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Kind {
    token: Address,
    /// By the treasury, or by a customer's wallet.
    by_treasury: bool,
    /// One of many, or alone.
    in_batch: bool,
}

/// Gas of one payment of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Payment {
    pub(super) takes: u64,
    /// With a margin.
    pub(super) asks_for: u64,
}

impl Payment {
    /// How many in a bundle, at most `limit`, let whole bundles fill a block best, of which each asks for no more than a part of
    /// it.
    pub(super) fn a_bundle(self, block: u64, limit: u64) -> u64 {
        let fills = FILL_A_BLOCK.map(|bundles| (bundles, self.that_fill(block, bundles).min(limit)));
        fills.max_by_key(|(bundles, payments)| bundles * payments).map_or(0, |(_, payments)| payments)
    }

    /// What a user operation of so many asks for in a bundle.
    pub(super) fn batch_asks_for(self, payments: u64) -> u64 {
        BUNDLE_ASKS_FOR + payments * self.asks_for
    }

    /// How many let so many bundles fill a block: a block takes a transaction when there is room for what it asks for, and
    /// counts what it takes.
    fn that_fill(self, block: u64, bundles: u64) -> u64 {
        let others = bundles.saturating_sub(1);
        let room = block.saturating_sub(BUNDLE_ASKS_FOR).saturating_sub(others * BUNDLE_TAKES);
        room / (others * self.takes + self.asks_for).max(1)
    }
}

/// Gas of a call by its kind.
#[derive(Debug, Default)]
pub struct GasBook(Mutex<HashMap<Kind, u64>>);

impl GasBook {
    /// A user operation of these transfers took so much gas altogether (`UserOperationEvent.actualGasUsed`).
    pub(super) fn learn(&self, operations: &[Operation], by_treasury: bool, gas_used: u64) {
        let Some(first) = operations.first() else { return };
        let is_mixed = operations.iter().any(|operation| operation.token != first.token);
        let in_batch = operations.len() >= SMALLEST_BATCH;
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
        if operations.len() > 1 && operations.len() < SMALLEST_BATCH {
            return None;
        }
        let in_batch = operations.len() >= SMALLEST_BATCH;
        let book = self.lock();
        let each = operations.iter().map(|operation| {
            let kind = Kind { token: operation.token, by_treasury, in_batch };
            book.get(&kind).copied()
        });
        let calls: u64 = each.sum::<Option<u64>>()?;
        Some(calls + calls / 5 + 20_000)
    }

    /// What one more payment by the treasury takes in a bundle, and asks for, of the dearest token that it was seen to pay
    /// with.
    pub(super) fn payment(&self) -> Option<Payment> {
        let book = self.lock();
        let in_batches = book.iter().filter(|(kind, _)| kind.by_treasury && kind.in_batch);
        let each = in_batches.map(|(_, each)| *each).max()?;
        Some(Payment { takes: each + CALL_DATA, asks_for: each + each / 5 + CALL_DATA })
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
    fn a_whole_number_of_bundles_fills_a_block() {
        let book = GasBook::default();
        assert_eq!(book.payment(), None);
        book.learn(&transfers(100, 1), true, 60_000 + 100 * 28_000);
        book.learn(&transfers(100, 2), true, 60_000 + 100 * 12_000);
        book.learn(&transfers(100, 3), false, 60_000 + 100 * 90_000);
        let dearest = book.payment().unwrap_or(Payment { takes: 0, asks_for: 0 });
        assert_eq!(dearest, Payment { takes: 30_000, asks_for: 35_600 });
        let count = dearest.that_fill(30_000_000, 16);
        let sixteen = |count| 15 * (BUNDLE_TAKES + count * 30_000) + BUNDLE_ASKS_FOR + count * 35_600;
        assert!(sixteen(count) <= 30_000_000 && sixteen(count + 1) > 30_000_000, "{count}");
        assert_eq!(dearest.that_fill(100_000, 16), 0);
        assert_eq!(dearest.a_bundle(30_000_000, 100), 87, "eleven of them");
        assert_eq!(dearest.a_bundle(30_000_000, 60), 59, "sixteen");
        assert_eq!(dearest.a_bundle(140_000_000, 100), 100);
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
