//! Withdrawals: tokens from a customer's wallet back to the treasury, and local money for them by mobile money
//! (`spec/caas-users.md`, off-ramp).
//!
//! ```text
//! PENDING ──▶ SUBMITTED ──▶ CRYPTO_RECEIVED ──▶ COMPLETED        the customer has the local money
//!    └────────────┴──▶ FAILED      ▲    └─────▶ PAYOUT_FAILED    it was refused
//!              nothing was taken   └──── retry ────┘ └─ refund ─▶ the tokens are back in the wallet
//! ```
//!
//! A withdrawal, the ledger's transfer that reserves it and the chain operation that sweeps its tokens are committed
//! together and share one id. What became of the operation comes back through [`Sweeps`]; the local money is looked after
//! by [`run_payouts`]; tokens go back by [`run_refunds`], and what became of that comes back through [`Refunds`].

mod events;
mod listing;
mod payout;
mod reconciliation;
mod refund;
mod request;
mod routes;
mod status;
mod store;
mod sweep;
mod withdrawal;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;

pub use payout::{Payouts, run as run_payouts};
pub use refund::{Refunds, run as run_refunds};
pub use status::{Refund, Status};
pub use sweep::Sweeps;
pub use withdrawal::Withdrawals;

/// The name under which the chain, the ledger and webhooks know withdrawals.
const KIND: &str = "withdrawal";

/// What begins the id of a withdrawal.
const PREFIX: &str = "wdrl";

/// The routes of withdrawals.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(routes::withdraw))
        .routes(routes!(listing::list))
        .routes(routes!(listing::pending))
        .routes(routes!(listing::show))
        .routes(routes!(payout::confirm))
        .routes(routes!(payout::decide))
        .routes(routes!(payout::call_back))
}
