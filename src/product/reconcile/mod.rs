//! Reconciliation: what we wrote down against what the chain says.
//!
//! ```text
//! the treasury at one block   what it held when everything agreed last, and what it received and sent since,
//!                             add up to what it holds; and that covers what the ledger says it owes
//! operations                  each that succeeded is the transfer in the block and at the place that it names, and
//!                             no two are the same one; nothing leaves the treasury that is no operation's
//! tenants' books              every account is the sum of its transfers, every transfer has its cause
//! ```
//!
//! What is in flight makes no difference: the treasury is asked at a block that the indexer has passed, and what is
//! compared ends at a block that is final and before everything that has not ended. What the treasury held when
//! reconciliation began (the house's own tokens, a seed) is taken as it was found; the ledger need only be covered by
//! it, while movements since must match to the last unit.
//!
//! A run looks from the last block up to which everything agreed *and which the chain still has*: after a reorg, however
//! deep, it goes back by itself. A full one looks from where reconciliation began. Every hour a job runs one.

mod books;
mod compare;
mod difference;
mod job;
mod routes;
mod run;
mod store;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;

pub use difference::Difference;
pub use job::{Reconcile, ReconciliationGauges, register};
pub use run::{Depth, ReconcileError, Report, TokenReport, run};

/// The routes of reconciliation.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(routes::reconcile))
}
