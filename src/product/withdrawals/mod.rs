//! Withdrawals: tokens from a customer's wallet back to the treasury, and local money for them by mobile money
//! (`spec/caas-users.md`, off-ramp).
//!
//! ```text
//! PENDING ──▶ SUBMITTED ──▶ CRYPTO_RECEIVED ──▶ COMPLETED        the customer has the local money
//!    └────────────┴──▶ FAILED      ▲    └─────▶ PAYOUT_FAILED    it was refused
//!              nothing was taken   └──── retry ────┘ └─ refund ─▶ the tokens are back in the wallet
//! ```

mod status;

pub use status::{Refund, Status};

/// The name under which the chain, the ledger and webhooks know withdrawals.
const KIND: &str = "withdrawal";

/// What begins the id of a withdrawal.
const PREFIX: &str = "wdrl";
