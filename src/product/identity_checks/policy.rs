//! `/admin/tenants/{id}/identity-check-policy`: what operators let anybody but a tenant's back end do with identity checks.
//!
//! Whoever holds the fingerprint with which a person comes to a page is told who the person is. A stranger who chose the
//! page could have somebody else's sent to it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;
use validator::Validate;

use super::request::target;
use super::store;
use crate::auth::Operator;
use crate::db::TenantTx;
use crate::foundation::Mode;
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Error, Path, Posted, Result};
use crate::product::App;
use crate::product::ops::Tenants;

/// Where people may be sent.
#[derive(Clone, Debug, Deserialize, Serialize, Validate, ToSchema)]
#[schema(as = IdentityCheckPolicy)]
pub struct Policy {
    /// Origins (RFC 6454) of pages to which a tenant's customers and devices may have people sent. Empty: of all.
    #[validate(length(max = 100))]
    #[schema(max_items = 100, example = json!(["https://app.example.com"]))]
    target_origins: Vec<String>,
}

/// Says to which pages a tenant's customers and devices may have people sent with their fingerprints; its back end may have
/// them sent to any. Checks that have begun stay as they are.
#[utoipa::path(post, path = "/admin/tenants/{id}/identity-check-policy", operation_id = "set_identity_check_policy",
    tag = "Admin", security(("operator" = [])), params(("id" = String, Path)), request_body = Policy,
    responses((status = 200, description = "So it is from now on", body = Policy),
        (status = 404, description = "There is no such tenant", body = CaasError), CaasErrors, CaasPostErrors))]
pub async fn set(
    _: Operator,
    State(app): State<App>,
    Path(id): Path<String>,
    posted: Posted<Policy>,
) -> Result<Response> {
    let policy = posted.body;
    if !policy.target_origins.iter().all(|text| is_origin(text)) {
        return Err(Error::invalid_field("target_origins", "must be origins such as https://app.example.com"));
    }
    let mut tx = Tenants::open(&app.db, &id).await?;
    if let Some(first) = posted.once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    store::set_target_origins(&mut tx, &policy.target_origins, app.clock.now()).await?;
    let tenant = tx.tenant();
    let answer = posted.once.commit(tx, StatusCode::OK, &policy).await?;
    tracing::warn!(%tenant, ?policy, "an operator changed where people may be sent for identity checks");
    Ok(answer)
}

/// 400 when the tenant's customers and devices may not have people sent there.
pub async fn admit(tx: &mut TenantTx, page: &Url) -> Result<()> {
    let origins = store::target_origins(tx).await?;
    if origins.is_empty() || origins.contains(&page.origin().ascii_serialization()) {
        return Ok(());
    }
    Err(Error::invalid_field("finalTargetUrl", "must be a page of the tenant's"))
}

/// As browsers write it, of pages that may be a target at all.
fn is_origin(text: &str) -> bool {
    target(text).is_some_and(|url| url.origin().ascii_serialization() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_do() {
        for origin in ["https://app.example.com", "https://app.example.com:8443", "http://localhost:3000"] {
            assert!(is_origin(origin), "{origin}");
        }
        for other in [
            "",
            "*",
            "null",
            "app.example.com",
            "https://app.example.com/",
            "https://App.example.com",
            "http://x.example",
        ] {
            assert!(!is_origin(other), "{other}");
        }
    }
}
