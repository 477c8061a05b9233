//! Badges: what a tenant tells its customers apart by, and by which their movements of money are ruled.
//!
//! ```text
//! customer ──has──▶ identification badge ──for a token──▶ financial badge (or a custom one) ──▶ rules
//!     └──────has──▶ information badges
//! ```
//!
//! Operators make badges for a tenant; its live and its test customers are given the same ones. A customer without a badge
//! is not restricted.

mod admin;
mod admin_assignments;
mod admin_links;
mod assignment;
mod badge;
mod filter;
mod link;
mod routes;
mod store;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;

pub(super) use admin::{badge_of_tenant, badge_to_change};
pub use assignment::{AssignedBadge, Badges, LinkedToken};
pub use badge::{Badge, Kind, UserGroup};

/// The routes of badges.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(routes::list))
        .routes(routes!(routes::show))
        .routes(routes!(routes::fetch_all))
        .routes(routes!(admin::list, admin::create))
        .routes(routes!(admin::change))
        .routes(routes!(admin_links::list, admin_links::link))
        .routes(routes!(admin_links::unlink))
        .routes(routes!(admin_assignments::list, admin_assignments::assign))
        .routes(routes!(admin_assignments::withdraw))
}
