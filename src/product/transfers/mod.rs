//! Transfers: tokens from one customer's wallet to another's.
//!
//! ```text
//! QUEUED ──▶ SUBMITTED ──▶ SETTLED
//!    └───────────┴───────▶ FAILED      nothing moved
//! ```
//!
//! A transfer and the chain operation that moves its tokens are committed together and share one id. The ledger knows
//! nothing of it: tokens stay in customers' wallets. A quote is taken in the same transaction, so that it pays for one
//! transfer.

mod status;

pub use status::Status;

/// The name under which the chain and webhooks know transfers.
const KIND: &str = "transfer";

/// What begins the id of a transfer.
const PREFIX: &str = "txn";
