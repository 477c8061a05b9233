//! `/admin/tenants/{id}/customer-policy`: what operators let a tenant do with customers.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::store;
use crate::auth::Operator;
use crate::foundation::Mode;
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Path, Posted, Result};
use crate::product::App;
use crate::product::ops::Tenants;

/// What a tenant may do with customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, Validate, ToSchema)]
#[schema(as = CustomerPolicy)]
pub struct Policy {
    /// Whether it may onboard any.
    pub onboarding: bool,
    /// Whether a customer may have more than the first wallet.
    pub multi_wallet: bool,
}

impl Default for Policy {
    /// A tenant of whom nobody has said anything may do everything.
    fn default() -> Self {
        Self { onboarding: true, multi_wallet: true }
    }
}

/// Says what a tenant may do with customers, live and test ones; what it has done stays. A tenant may do everything until
/// something else is said.
#[utoipa::path(post, path = "/admin/tenants/{id}/customer-policy", operation_id = "set_customer_policy", tag = "Admin",
    security(("operator" = [])), params(("id" = String, Path)), request_body = Policy,
    responses((status = 200, description = "So it is from now on", body = Policy),
        (status = 404, description = "There is no such tenant", body = CaasError), CaasErrors, CaasPostErrors))]
pub async fn set(
    _: Operator,
    State(app): State<App>,
    Path(id): Path<String>,
    posted: Posted<Policy>,
) -> Result<Response> {
    let mut tx = Tenants::open(&app.db, &id).await?;
    if let Some(first) = posted.once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    let policy = posted.body;
    store::set_policy(&mut tx, policy, app.clock.now()).await?;
    let tenant = tx.tenant();
    let answer = posted.once.commit(tx, StatusCode::OK, &policy).await?;
    tracing::warn!(%tenant, ?policy, "an operator changed what a tenant may do with customers");
    Ok(answer)
}
