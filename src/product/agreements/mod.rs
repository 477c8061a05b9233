//! Agreements: what a tenant's customers are shown, and what they say to it (`spec/wallet-api-2.8.0.md`).
//!
//! ```text
//! template v1, v2, … ──preview──▶ PENDING ──▶ ACCEPTED | REJECTED        (then it never changes again)
//! ```
//!
//! A template is a kind (`US_PATRIOTIC_ACT`, `UL_TEMPLATE`, …) with versions, which operators publish for a tenant. A tenant
//! that has none of a house kind gets the house's text at first use, as its own version 1: what customers are shown never
//! changes with a release of the server. A preview is a template filled in for one person. The result is kept as it was
//! shown, sealed under a key of its own, wrapped by the tenant's: at that time there may be no customer yet.

mod admin;
mod agreement;
mod decision;
mod evidence;
mod kind;
mod person;
mod preview;
mod rendering;
mod routes;
mod store;
mod template;
mod undecided;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;

pub use agreement::Agreements;
pub use kind::Kind;
pub use template::Documents;
pub use undecided::register;

/// The routes of agreements.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(routes::list))
        .routes(routes!(routes::document))
        .routes(routes!(preview::preview))
        .routes(routes!(preview::preview_platform))
        .routes(routes!(decision::decide))
        .routes(routes!(decision::decide_platform))
        .routes(routes!(admin::publish, admin::list))
        .routes(routes!(admin::retire))
        .routes(routes!(evidence::show))
}
