//! `/auth/preauth-token`

use axum::Json;
use axum::extract::State;
use secrecy::ExposeSecret;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::routes::AccessToken;
use crate::foundation::TenantId;
use crate::http::openapi::{WalletErrors, WalletPostErrors};
use crate::http::{ClientAddress, Error, Posted, Result};
use crate::product::App;

#[derive(Deserialize, Validate, ToSchema)]
pub struct NewDevice {
    /// What the device calls itself.
    #[validate(length(min = 1, max = 256))]
    #[schema(example = "xyz123")]
    device_fingerprint: String,
    /// The app's version.
    #[validate(length(max = 64))]
    #[schema(example = "v1.0.0")]
    app_version: Option<String>,
    /// The tenant whose app it is.
    tenant_id: Option<Uuid>,
}

/// A token for a device, before anybody has signed in.
#[utoipa::path(post, path = "/auth/preauth-token", operation_id = "preauth_token", tag = "Sign-in", security(()),
    request_body = NewDevice,
    responses(
        (status = 200, description = "The token, good for a quarter of an hour", body = AccessToken),
        WalletErrors, WalletPostErrors))]
pub async fn preauth_token(
    State(app): State<App>,
    from: ClientAddress,
    posted: Posted<NewDevice>,
) -> Result<Json<AccessToken>> {
    let NewDevice { device_fingerprint, app_version, tenant_id } = posted.body;
    app.sign_in_limits.token(from, &device_fingerprint)?;
    let tenant = tenant_id.map(TenantId);
    if let Some(tenant) = tenant
        && !app.auth.knows(tenant).await?
    {
        return Err(failed());
    }
    tracing::debug!(app_version, "a device asks for a token");
    let token = app.auth.jwt().issue_preauth(&device_fingerprint, tenant, app.clock.now());
    let token = token.map_err(|refused| failed().because(refused))?;
    Ok(Json(AccessToken { access_token: token.expose_secret().to_owned() }))
}

fn failed() -> Error {
    Error::bad_request("no_token", "Failed to generate access token.").of_type("PRE AUTH")
}
