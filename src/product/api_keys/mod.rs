//! API keys: how a tenant's back end proves who it is.
//!
//! issued ──revoke──▶ revoked        (a secret is shown once and kept only as a digest)

mod routes;
mod store;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::App;
use crate::auth::ApiKey;
use crate::db::TenantTx;
use crate::foundation::Mode;
use crate::http::Result;

/// The routes of API keys.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(routes::create, routes::list)).routes(routes!(routes::revoke))
}

/// A tenant's keys, for the command line and for setting a server up.
pub struct ApiKeys;

impl ApiKeys {
    /// Issues a key in the transaction's tenant; 409 when an unrevoked key of the mode has this name.
    pub async fn issue(
        tx: &mut TenantTx,
        name: String,
        mode: Mode,
        now: DateTime<Utc>,
    ) -> Result<(ApiKey, SecretString)> {
        let (key, secret) = ApiKey::issue(name, mode, now)?;
        store::insert(tx, &key).await?;
        Ok((key, secret))
    }

    /// Revokes a key of the transaction's tenant; `false` when there is none, or it is revoked already.
    pub async fn revoke(tx: &mut TenantTx, id: Uuid, now: DateTime<Utc>) -> Result<bool> {
        store::revoke(tx, id, now).await
    }
}
