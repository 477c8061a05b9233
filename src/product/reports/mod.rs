//! Reports: figures over a period of whole days in UTC.
//!
//! ```text
//! by_status            what was asked for in the period, as it stands now
//! volume, rates, time  what ended in the period, whenever it was asked for
//! treasury             what the ledger says at this moment
//! ```
//!
//! Everything is read as of one moment, so that the figures agree with each other. The tables belong to other features;
//! they are only read here, in few statements over all three kinds of movements, each bounded by an index of the period
//! (`…_ended`, `…_newest`). Nothing is kept: there is no counter that could drift from the records.

mod period;
mod routes;
mod store;
mod summary;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;

/// The routes of reports.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(routes::metrics))
}
