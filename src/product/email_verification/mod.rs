//! E-mail verification: a code by e-mail proves whose an address is (`spec/wallet-api-2.8.0.md`).
//!
//! ```text
//! requested ──code──▶ verified        ten minutes, five tries, once
//! ```

mod asker;
mod routes;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;

pub use routes::EmailCodes;

/// The routes of e-mail verification.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(routes::request)).routes(routes!(routes::verify))
}
