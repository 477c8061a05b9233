//! Publishing the key that bearer tokens are verified with.

use axum::extract::{FromRef, State};
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use axum::{Json, response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Auth;

/// `GET /.well-known/jwks.json`.
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Auth: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(jwks))
}

/// The public keys of our bearer tokens (RFC 7517), by `kid` (the thumbprint of RFC 7638).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "Operations", security(()),
    responses((status = 200, description = "A JSON Web Key Set", body = serde_json::Value)))]
async fn jwks(State(auth): State<Auth>) -> response::Response {
    ([(CACHE_CONTROL, "public, max-age=300")], Json(auth.jwt().jwks())).into_response()
}
