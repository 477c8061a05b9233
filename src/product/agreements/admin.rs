//! `/admin/tenants/{id}/agreement-templates`: operators publish what a tenant's customers are shown.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::store::Head;
use super::{Kind, store, template};
use crate::auth::Operator;
use crate::db::{Page, PageRequest};
use crate::foundation::Mode;
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Error, Path, Posted, Query, Result, page_bounds};
use crate::product::App;
use crate::product::ops::Tenants;

#[derive(Deserialize, Validate, ToSchema)]
pub struct NewAgreementTemplate {
    r#type: Kind,
    /// A minijinja template of HTML. Every name that it prints is escaped; it has no statements but if, elif, else and for.
    #[validate(length(min = 1, max = 100_000))]
    #[schema(example = "<p>I, {{ full_name }}, agree.</p>", min_length = 1, max_length = 100_000)]
    html: String,
}

#[derive(Serialize, ToSchema)]
pub struct AgreementTemplateVersion {
    id: Uuid,
    #[schema(example = "US_PATRIOTIC_ACT")]
    r#type: String,
    #[schema(example = 2)]
    version: i32,
    html: String,
    created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retired_at: Option<DateTime<Utc>>,
}

/// Publishes the next version of a kind of template. Agreements that were shown before stay as they are.
#[utoipa::path(post, path = "/admin/tenants/{id}/agreement-templates", operation_id = "publish_agreement_template",
    tag = "Admin", security(("operator" = [])), params(("id" = String, Path)), request_body = NewAgreementTemplate,
    responses((status = 201, description = "The version that counts now", body = AgreementTemplateVersion),
        (status = 404, description = "There is no such tenant", body = CaasError), CaasErrors, CaasPostErrors))]
pub async fn publish(
    _: Operator,
    State(app): State<App>,
    Path(id): Path<String>,
    posted: Posted<NewAgreementTemplate>,
) -> Result<Response> {
    let mut tx = Tenants::open(&app.db, &id).await?;
    if let Some(first) = posted.once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    let NewAgreementTemplate { r#type, html } = posted.body;
    let head = template::publish(&mut tx, r#type, &html, app.clock.now()).await?;
    posted.once.commit(tx, StatusCode::CREATED, &AgreementTemplateVersion::of(head, html)).await
}

/// Lists the versions of a tenant's templates, newest first. A kind of the house's that was never used is not among them.
#[utoipa::path(get, path = "/admin/tenants/{id}/agreement-templates", operation_id = "list_agreement_templates",
    tag = "Admin", security(("operator" = [])), params(("id" = String, Path), PageRequest),
    responses((status = 200, description = "A page of versions", body = Page<AgreementTemplateVersion>),
        (status = 404, description = "There is no such tenant", body = CaasError), CaasErrors))]
pub async fn list(
    _: Operator,
    State(app): State<App>,
    Path(id): Path<String>,
    Query(page): Query<PageRequest>,
) -> Result<Json<Page<AgreementTemplateVersion>>> {
    let (limit, after) = page_bounds(&page)?;
    let mut tx = Tenants::open(&app.db, &id).await?;
    let rows = store::list_versions(&mut tx, after, limit).await?;
    tx.commit().await?;
    Ok(Json(Page::of(rows, limit, |(head, _)| head.id).map(|(head, html)| AgreementTemplateVersion::of(head, html))))
}

/// Retires a kind: nobody is shown it any more, until a new version is published.
#[utoipa::path(delete, path = "/admin/tenants/{id}/agreement-templates/{type}",
    operation_id = "retire_agreement_template", tag = "Admin", security(("operator" = [])),
    params(("id" = String, Path), ("type" = String, Path, example = "US_PATRIOTIC_ACT")),
    responses((status = 204, description = "Retired"),
        (status = 404, description = "There is no such tenant, or no such template in use", body = CaasError), CaasErrors))]
pub async fn retire(
    _: Operator,
    State(app): State<App>,
    Path((id, kind)): Path<(String, String)>,
) -> Result<StatusCode> {
    let unknown = || Error::not_found("template_not_found", "there is no template of this type in use");
    let mut tx = Tenants::open(&app.db, &id).await?;
    let kind = Kind::try_from(kind).map_err(|_| unknown())?;
    if !template::retire(&mut tx, &kind, app.clock.now()).await? {
        return Err(unknown());
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

impl AgreementTemplateVersion {
    fn of(head: Head, html: String) -> Self {
        let Head { id, kind, version, created_at, retired_at } = head;
        Self { id, r#type: kind, version, html, created_at, retired_at }
    }
}
