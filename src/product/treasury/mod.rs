//! Treasury: the balance that a tenant's fundings are paid from.
//!
//! ```text
//! (money arrives at the bank) ──topup──▶ PENDING ──confirm──▶ CONFIRMED    the ledger credits the treasury, once
//! ```
//!
//! Each confirmation has the tenant's books verified, and so does each day ([`Audit`]).

mod audit;
mod balance;
mod confirm;
mod report;
mod routes;
mod store;
mod topup;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;

pub use audit::{Audit, Finding};
pub use report::{NewTopup, Report};
pub use topup::{Requested, Status, Topup, Topups};

/// The routes of the treasury.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(routes::request))
        .routes(routes!(confirm::confirm))
        .routes(routes!(routes::list))
        .routes(routes!(balance::tenant_balance))
        .routes(routes!(audit::verify_ledger))
}
