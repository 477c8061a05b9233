//! `/consent/fetch-tnc`, and which tenants may.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::store;
use crate::auth::{Operator, TenantOrCustomer};
use crate::foundation::Mode;
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors, WalletErrors};
use crate::http::{Error, Path, Posted, Query, Result};
use crate::product::App;
use crate::product::agreements::{Documents, Kind};
use crate::product::ops::Tenants;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AskedTerms {
    /// `PRIVACY_POLICY` or `TERMS_CONDITIONS`.
    #[param(example = "PRIVACY_POLICY")]
    r#type: String,
}

#[derive(Serialize, ToSchema)]
pub struct TermsAnswer {
    #[schema(example = "PRIVACY_POLICY html content fetched successfully")]
    message: String,
    /// HTML.
    content: String,
}

/// Shows the terms, or the privacy policy, that count.
#[utoipa::path(get, path = "/consent/fetch-tnc", operation_id = "get_terms", tag = "Consents",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = []), ("wallet" = [])), params(AskedTerms),
    responses((status = 200, description = "The text", body = TermsAnswer), WalletErrors))]
pub async fn fetch(
    caller: TenantOrCustomer,
    State(app): State<App>,
    Query(asked): Query<AskedTerms>,
) -> Result<Json<TermsAnswer>> {
    let mut tx = app.db.tenant(caller.tenant()).begin().await?;
    if !store::may_fetch_terms(&mut tx).await? {
        return Err(
            Error::unauthorized("no_access", "This tenant has no access / unauthorized.").of_type("Not Authorized")
        );
    }
    let kind = Kind::try_from(asked.r#type).ok().filter(Kind::is_document).ok_or_else(no_document)?;
    let document = Documents::read(&mut tx, &kind, app.clock.now()).await?.ok_or_else(no_document)?;
    tx.commit().await?;
    let message = format!("{} html content fetched successfully", kind.as_str());
    Ok(Json(TermsAnswer { message, content: document.html }))
}

#[track_caller]
fn no_document() -> Error {
    Error::bad_request("no_document", "there is no PRIVACY_POLICY or TERMS_CONDITIONS of this type").of_type("catch")
}

#[derive(Deserialize, Serialize, Validate, ToSchema)]
pub struct TermsAccess {
    /// Whether the tenant and its customers may fetch the terms and the privacy policy.
    allowed: bool,
}

/// Lets a tenant fetch the terms and the privacy policy, or keeps it from doing so. At first every tenant may.
#[utoipa::path(post, path = "/admin/tenants/{id}/terms-access", operation_id = "set_terms_access", tag = "Admin",
    security(("operator" = [])), params(("id" = String, Path)), request_body = TermsAccess,
    responses((status = 200, description = "So it is from now on", body = TermsAccess),
        (status = 404, description = "There is no such tenant", body = CaasError), CaasErrors, CaasPostErrors))]
pub async fn set(
    _: Operator,
    State(app): State<App>,
    Path(id): Path<String>,
    posted: Posted<TermsAccess>,
) -> Result<Response> {
    let mut tx = Tenants::open(&app.db, &id).await?;
    if let Some(first) = posted.once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    store::set_may_fetch_terms(&mut tx, posted.body.allowed, app.clock.now()).await?;
    posted.once.commit(tx, StatusCode::OK, &posted.body).await
}
