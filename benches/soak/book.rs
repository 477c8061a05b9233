//! What the callers know: everything that was accepted, with what must have happened on chain if it succeeded.

use std::cell::RefCell;
use std::collections::BTreeMap;

use alloy::primitives::Address;

/// What a caller asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Deposit,
    Transfer,
    Withdrawal,
}

impl Kind {
    /// The three.
    pub const ALL: [Kind; 3] = [Kind::Deposit, Kind::Transfer, Kind::Withdrawal];

    /// The table that keeps them, and the column with the caller's own name for one.
    pub fn table(self) -> (&'static str, &'static str) {
        match self {
            Kind::Deposit => ("deposit", "deposit_id"),
            Kind::Transfer => ("transfer", "idempotency_key"),
            Kind::Withdrawal => ("withdrawal", "idempotency_key"),
        }
    }
}

/// Tokens on their way from one account to another; none of a pair is the treasury by name, it is an account like others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Movement {
    pub from: Address,
    pub to: Address,
    /// Base units.
    pub amount: u64,
}

/// Everything that was accepted, by the caller's own name for it, and some counts.
#[derive(Default)]
pub struct Book {
    accepted: RefCell<BTreeMap<(Kind, String), Movement>>,
    counts: RefCell<BTreeMap<&'static str, u64>>,
}

impl Book {
    /// Notes that something was accepted.
    pub fn accepted(&self, kind: Kind, name: String, movement: Movement) {
        self.accepted.borrow_mut().insert((kind, name), movement);
    }

    /// Counts something.
    pub fn count(&self, what: &'static str) {
        *self.counts.borrow_mut().entry(what).or_default() += 1;
    }

    /// How often something was counted.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.borrow().clone()
    }

    /// How many of a kind were accepted.
    pub fn number(&self, kind: Kind) -> usize {
        self.accepted.borrow().keys().filter(|(of, _)| *of == kind).count()
    }

    /// Everything of a kind.
    pub fn all(&self, kind: Kind) -> BTreeMap<String, Movement> {
        let accepted = self.accepted.borrow();
        accepted.iter().filter(|((of, _), _)| *of == kind).map(|((_, name), what)| (name.clone(), *what)).collect()
    }
}
