//! The ledger: double entry for every tenant's money.
//!
//! ```text
//!   funding ──top-up──▶ treasury ──deposit──▶ customers ──withdrawal──▶ payouts ──payout──▶ house
//!                                                 ▲                        │
//!                                                 └─────────refund─────────┘
//!
//!   funding    outside money              payouts    wallets sent it back, local money is owed for it
//!   treasury   the tenant may spend it    house      local money was paid for it
//!   customers  it is in wallets
//! ```
//!
//! A transfer moves an amount of one token from the account it debits to the account it credits. A *pending* transfer
//! reserves: it counts against what is available and is ended once, by posting or voiding it.
//!
//! ```text
//!   reserve ──▶ pending ──post──▶ posted
//!                  └─────void──▶ voided
//!   post ──▶ posted
//! ```
//!
//! What is posted stays; [`reverse`] enters its opposite.
//!
//! Everything here runs inside the caller's tenant-scoped transaction, for one item or for thousands of many tenants in
//! a constant number of statements. Accounts are locked in one order (tenant, id) by every call, so that batches over
//! several tenants cannot deadlock; make at most one locking call ([`reserve`], [`post`], [`end`]) a transaction, and
//! make it before other rows are locked ([`hold`] may come before a [`reserve`] of some of its postings). That
//! overspending is impossible is the database's rule (`ledger_account_no_overdraft`); the code here only decides who is
//! told so.

mod account;
mod available;
mod ending;
mod posting;
mod reversal;
mod totals;
mod verify;

use uuid::Uuid;

use crate::http;

pub use account::{AccountKind, Balance, UnknownAccountKind, balance, balances, open_accounts};
pub use available::{Available, hold};
pub use ending::{End, Ended, end, end_all};
pub use posting::{Outcome, Posting, post, reserve};
pub use reversal::reverse;
pub use totals::{Total, totals};
pub use verify::{Discrepancy, verify};

/// Why the ledger could not do what it was asked; nothing of the call has happened once the transaction is rolled back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused or failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The transaction's scope does not cover the tenant of one of the items.
    #[error("an item belongs to a tenant outside the transaction's scope")]
    OutOfScope,
    /// A reservation that had to end one way has ended another, or is not there.
    #[error("the reservation {0} does not end as it has to: {1:?}")]
    Reservation(Uuid, Ended),
    /// The account that received has no longer what a reversal takes from it.
    #[error("the transfer {0} cannot be reversed: what it moved is spent")]
    Irreversible(Uuid),
    /// A row does not say what this code wrote.
    #[error("the ledger holds a value that it does not know: {0}")]
    Corrupt(&'static str),
}

/// A database that is overloaded or asks for another try is a 503; the rest is our fault, 500.
impl From<Error> for http::Error {
    #[track_caller]
    fn from(error: Error) -> Self {
        match error {
            Error::Database(error) => error.into(),
            Error::OutOfScope | Error::Reservation(..) | Error::Irreversible(_) | Error::Corrupt(_) => {
                Self::internal(error)
            }
        }
    }
}

/// The result of a ledger call.
pub type Result<T> = std::result::Result<T, Error>;
