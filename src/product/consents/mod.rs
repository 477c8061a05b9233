//! Consents: whom a customer lets fetch or move something for them (`spec/wallet-api-2.8.0.md`, `4.0.0`).
//!
//! ```text
//! vendor ── message v1.0.0 ──▶ v1.0.1 ──▶ …                      operators publish; the newest counts
//!               ▲ accepted, or taken back: a row each time; the newest row counts, for the newest message only
//!            customer (or the tenant itself)
//! ```
//!
//! A tenant that has no vendor at all starts with the house's, at first use. A new version of a message makes every consent
//! that was given to an older one invalid.

mod access;
mod admin;
mod consent;
mod refusal;
mod routes;
mod store;
mod vendor;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;

/// The routes of consents.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(routes::message))
        .routes(routes!(routes::status))
        .routes(routes!(routes::accept))
        .routes(routes!(access::fetch))
        .routes(routes!(access::set))
        .routes(routes!(admin::add, admin::list))
        .routes(routes!(admin::publish))
        .routes(routes!(admin::retire))
}
