//! Webhook endpoints: where a tenant is told what happens, and what it was told.
//!
//! ```text
//! made ──delete──▶ deleted        (its logs stay for 30 days)
//! secret ──rotate──▶ signs beside the new one for 24 hours ──▶ gone
//! ```
//!
//! Delivering is the engine's business (`crate::webhooks`).

mod keyring;
mod log;
mod routes;
mod secrets;
mod sending;
mod store;

use anyhow::Context;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use crate::webhooks::{Deliveries, Transport};

/// The routes of webhook endpoints.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(routes::create, routes::list))
        .routes(routes!(routes::delete))
        .routes(routes!(sending::test))
        .routes(routes!(secrets::rotate))
        .routes(routes!(log::list))
        .routes(routes!(sending::replay))
}

/// The worker that delivers. Fails when the system's certificates cannot be used.
pub fn deliveries(app: &App) -> anyhow::Result<Deliveries> {
    let transport = Transport::new(app.webhooks.clone()).context("webhooks cannot be sent")?;
    Ok(Deliveries::new(app.db.clone(), app.clock.clone(), app.keys.clone(), transport))
}
