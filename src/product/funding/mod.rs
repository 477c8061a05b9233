//! Funding: stablecoin from the treasury to a customer's wallet (`spec/caas-users.md`, on-ramp).
//!
//! ```text
//! QUEUED ──▶ SUBMITTED ──▶ SETTLED    the reservation is posted
//!    └───────────┴───────▶ FAILED     the reservation is voided: the money is available again
//! ```
//!
//! A test key's goes through the same states on the simulated chain, and touches no ledger.
//!
//! Those that are asked for at the same time are accepted together ([`Acceptance`]), each by itself.
//!
//! A deposit, the ledger's transfer that reserves its money and the chain operation that moves it are committed
//! together and share one id. What became of the operation comes back through [`Settlement`].

mod acceptance;
mod deposit;
mod events;
mod listing;
mod reconciliation;
mod request;
mod routes;
mod store;
mod worker;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;

pub use acceptance::Acceptance;
pub use deposit::KIND;
pub use deposit::{Decision, Deposits, NewDeposit, Status};
pub use worker::Settlement;

/// The routes of funding.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(routes::fund)).routes(routes!(listing::list)).routes(routes!(listing::show))
}
