//! Who asks for codes.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;

use crate::auth::{self, Auth, TenantOrDevice};
use crate::http::{Error, Result};

/// A tenant's back end or one of its apps, told in these routes' words when the tenant is none.
pub struct Asker(pub TenantOrDevice);

impl<S: Send + Sync> FromRequestParts<S> for Asker
where
    Auth: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let refused = match TenantOrDevice::from_request_parts(parts, state).await {
            Ok(caller) if caller.tenant().is_ok() => return Ok(Self(caller)),
            Ok(_) => return Err(invalid_tenant()),
            Err(refused) if refused.status() == StatusCode::UNAUTHORIZED => refused,
            Err(failed) => return Err(failed),
        };
        match auth::named_tenant(&parts.headers).map_err(|_| invalid_tenant())? {
            Some(tenant) if !Auth::from_ref(state).knows(tenant).await? => {
                Err(Error::bad_request("no_such_tenant", "Tenant not found").of_type("Tenant"))
            }
            _ => Err(refused),
        }
    }
}

fn invalid_tenant() -> Error {
    Error::bad_request("invalid_tenant_id", "Please provide valid tenant id").of_type("Invalid UUID")
}
