//! Operations: whether the server is well, and the tenants it serves.

mod chain;
mod health;
mod jobs;
mod metrics;
mod outbox;
mod review;
mod routes;
mod store;
mod tenant;
mod version;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;

pub use health::Health;
pub use metrics::install_recorder;
pub use tenant::{TenantKeys, TenantRecord, Tenants};

/// What tells how a process is, whatever it does.
pub fn probes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::metrics))
        .routes(routes!(version::version))
}

/// The routes of operators.
pub fn router() -> OpenApiRouter<App> {
    probes()
        .routes(routes!(chain::show))
        .routes(routes!(review::list))
        .routes(routes!(review::end))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::retry))
        .routes(routes!(outbox::list))
        .routes(routes!(routes::create_tenant, routes::list_tenants))
}
