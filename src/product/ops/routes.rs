//! `/admin/tenants`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::{TenantRecord, Tenants, store};
use crate::auth::Operator;
use crate::db::{Page, PageRequest};
use crate::foundation::{Mode, TenantId};
use crate::http::openapi::{CaasErrors, CaasPostErrors};
use crate::http::{Posted, Query, Result, page_bounds};
use crate::product::App;

#[derive(Deserialize, Validate, ToSchema)]
pub struct NewTenant {
    /// The root of its wallets' names: lower-case letters, digits or dashes, and `.ul`.
    #[schema(example = "acme.ul")]
    namespace: String,
    #[schema(example = "Acme", min_length = 1, max_length = 200)]
    name: String,
}

#[derive(Serialize, ToSchema)]
pub struct TenantView {
    id: TenantId,
    #[schema(example = "acme.ul")]
    namespace: String,
    #[schema(example = "Acme")]
    name: String,
    created_at: DateTime<Utc>,
}

/// Makes a tenant.
#[utoipa::path(post, path = "/admin/tenants", tag = "Admin", security(("operator" = [])), request_body = NewTenant,
    responses((status = 201, description = "The tenant", body = TenantView), CaasErrors, CaasPostErrors))]
pub async fn create_tenant(_: Operator, State(app): State<App>, posted: Posted<NewTenant>) -> Result<Response> {
    let mut tx = app.db.tenant(TenantId::OPERATOR).begin().await?;
    if let Some(first) = posted.once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    let NewTenant { namespace, name } = posted.body;
    let tenant = Tenants::create_in(&mut tx, &app.keys, &namespace, &name, app.clock.now()).await?;
    posted.once.commit(tx, StatusCode::CREATED, &TenantView::from(tenant)).await
}

/// Lists tenants, newest first.
#[utoipa::path(get, path = "/admin/tenants", tag = "Admin", security(("operator" = [])), params(PageRequest),
    responses((status = 200, description = "A page of tenants", body = Page<TenantView>), CaasErrors))]
pub async fn list_tenants(
    _: Operator,
    State(app): State<App>,
    Query(page): Query<PageRequest>,
) -> Result<Json<Page<TenantView>>> {
    let (limit, after) = page_bounds(&page)?;
    let mut tx = app.db.engine().await?;
    let tenants = store::list_tenants(&mut tx, after, limit).await?;
    tx.commit().await?;
    Ok(Json(Page::of(tenants, limit, |tenant| tenant.id.0).map(TenantView::from)))
}

impl From<TenantRecord> for TenantView {
    fn from(tenant: TenantRecord) -> Self {
        Self { id: tenant.id, namespace: tenant.namespace, name: tenant.name, created_at: tenant.created_at }
    }
}
