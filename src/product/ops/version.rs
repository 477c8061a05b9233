//! `/version`

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub struct Version {
    #[schema(example = "diolkos")]
    name: &'static str,
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// The commit it was built from; null when the build did not say (`GIT_COMMIT`).
    commit: Option<&'static str>,
}

/// Tells what is running.
#[utoipa::path(get, path = "/version", tag = "Operations", security(()),
    responses((status = 200, description = "Name, version and commit", body = Version)))]
pub async fn version() -> Json<Version> {
    Json(Version {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("GIT_COMMIT"),
    })
}
