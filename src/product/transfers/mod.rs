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

mod events;
mod listing;
mod request;
mod routes;
mod status;
mod store;
mod transfer;
mod worker;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;

pub use status::Status;
pub use worker::Settlement;

/// The name under which the chain and webhooks know transfers.
const KIND: &str = "transfer";

/// What begins the id of a transfer.
const PREFIX: &str = "txn";

/// The routes of transfers.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(routes::send)).routes(routes!(listing::list)).routes(routes!(listing::show))
}
