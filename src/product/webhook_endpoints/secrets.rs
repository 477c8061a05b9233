//! `/v1/dashboard/webhooks/{id}/rotate-secret`

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, SubsecRound, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::routes::{ID, read_id, unknown};
use super::store;
use crate::auth::Dashboard;
use crate::db::TenantTx;
use crate::foundation::{Mode, PublicId};
use crate::http::idempotency::Once;
use crate::http::openapi::{CaasError, CaasErrors};
use crate::http::{Error, Path, Result};
use crate::product::App;
use crate::webhooks::{OVERLAP, Secret};

/// Secrets of an endpoint that sign at once: as many signatures are in the header.
const MOST: i64 = 4;

/// A new secret. No `Debug`: it is for the caller alone.
#[derive(Serialize, ToSchema)]
pub struct RotatedSecret {
    #[schema(example = "webhook_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    id: String,
    /// Signs from now on. It is in this answer and nowhere else.
    #[schema(example = "whsec_…")]
    secret: String,
    /// Until then the secret before it signs as well.
    previous_secret_expires_at: DateTime<Utc>,
}

/// Makes a new secret, which is in this answer and nowhere else. The one before it signs beside it for 24 hours.
#[utoipa::path(post, path = "/v1/dashboard/webhooks/{id}/rotate-secret", operation_id = "rotate_webhook_secret",
    tag = "Webhooks", security(("bearer" = [])),
    params(("id" = String, Path, example = "webhook_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")),
    responses((status = 200, description = "The new secret", body = RotatedSecret),
        (status = 403, description = "The token does not permit waas", body = CaasError),
        (status = 404, description = "There is no such webhook", body = CaasError),
        (status = 409, description = "It was rotated three times within 24 hours; or the Idempotency-Key was sent with another request, or is being served", body = CaasError),
        (status = 413, description = "The body is larger than 1 MiB", body = CaasError), CaasErrors))]
pub async fn rotate(caller: Dashboard, State(app): State<App>, Path(id): Path<String>, once: Once) -> Result<Response> {
    let id = read_id(&id)?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    // Whoever rotates at the same time waits here.
    if !store::lock(&mut tx, id).await? {
        return Err(unknown());
    }
    let now = app.clock.now().trunc_subsecs(6);
    let expires_at = now + OVERLAP;
    if store::retire_secrets(&mut tx, id, now, expires_at).await? >= MOST {
        let message = "this webhook was rotated three times within 24 hours; wait until an older secret has expired";
        return Err(Error::conflict("too_many_rotations", message));
    }
    let secret = add_secret(&mut tx, &app, id, now).await?;
    let answer = RotatedSecret {
        id: PublicId::format(ID, id),
        secret: secret.expose_secret().to_owned(),
        previous_secret_expires_at: expires_at,
    };
    once.commit(tx, StatusCode::OK, &answer).await
}

/// Makes the secret that signs from now on, sealed at rest; what the receiver is configured with.
pub async fn add_secret(tx: &mut TenantTx, app: &App, endpoint: Uuid, now: DateTime<Utc>) -> Result<SecretString> {
    let key = app.keys.of(tx).await?;
    let (id, secret) = (Uuid::now_v7(), Secret::generate()?);
    let sealed = secret.seal(&key, tx.tenant(), id)?;
    store::insert_secret(tx, endpoint, id, &sealed, now).await?;
    Ok(secret.reveal())
}
