//! `/admin/tenants/{id}/badges`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::{Badge, Kind, UserGroup, store};
use crate::auth::Operator;
use crate::db::{Page, PageRequest, TenantTx};
use crate::foundation::Mode;
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Error, Path, Posted, Query, Result, page_bounds};
use crate::product::App;
use crate::product::ops::Tenants;
use crate::product::rules::RuleBook;

/// Who makes badges.
const OPERATOR: &str = "operator";

#[derive(Deserialize, Validate, ToSchema)]
pub struct NewBadge {
    /// Unique among the tenant's badges of the kind and the group that are in use, in whatever case.
    #[validate(length(min = 1, max = 100))]
    #[schema(example = "Platinum", min_length = 1, max_length = 100)]
    name: String,
    kind: Kind,
    user_group: UserGroup,
    #[validate(length(max = 1000))]
    #[schema(example = "platinum identification badge", max_length = 1000)]
    description: Option<String>,
    /// Where its picture is.
    #[validate(length(max = 2000))]
    #[schema(example = "https://pictures.example/platinum.png", max_length = 2000)]
    symbol_ref: Option<String>,
    /// Who keeps the picture.
    #[validate(length(max = 100))]
    #[schema(max_length = 100)]
    storage_provider: Option<String>,
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct ChangedBadge {
    #[validate(length(min = 1, max = 100))]
    #[schema(example = "Platinum", min_length = 1, max_length = 100)]
    name: Option<String>,
    #[validate(length(max = 1000))]
    #[schema(max_length = 1000)]
    description: Option<String>,
    #[validate(length(max = 2000))]
    #[schema(max_length = 2000)]
    symbol_ref: Option<String>,
    #[validate(length(max = 100))]
    #[schema(max_length = 100)]
    storage_provider: Option<String>,
    /// Whether it can be given to customers. Those who have it keep it, and its rules.
    is_active: Option<bool>,
}

/// A badge as operators see it.
#[derive(Serialize, ToSchema)]
pub struct BadgeView {
    id: Uuid,
    name: String,
    kind: Kind,
    user_group: UserGroup,
    description: Option<String>,
    symbol_ref: Option<String>,
    storage_provider: Option<String>,
    created_by: Option<String>,
    is_active: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// Lists a tenant's badges, those out of use too, by id.
#[utoipa::path(get, path = "/admin/tenants/{id}/badges", operation_id = "list_tenant_badges", tag = "Admin",
    security(("operator" = [])), params(("id" = Uuid, Path), PageRequest),
    responses((status = 200, description = "A page of badges", body = Page<BadgeView>),
        (status = 404, description = "There is no such tenant", body = CaasError), CaasErrors))]
pub async fn list(
    _: Operator,
    State(app): State<App>,
    Path(tenant): Path<String>,
    Query(page): Query<PageRequest>,
) -> Result<Json<Page<BadgeView>>> {
    let (limit, after) = page_bounds(&page)?;
    let mut tx = Tenants::open(&app.db, &tenant).await?;
    let badges = store::list_all(&mut tx, after.map(|cursor| cursor.0), limit).await?;
    tx.commit().await?;
    Ok(Json(Page::of(badges, limit, |badge| badge.id).map(BadgeView::from)))
}

/// Makes a badge for a tenant.
#[utoipa::path(post, path = "/admin/tenants/{id}/badges", operation_id = "make_badge", tag = "Admin",
    security(("operator" = [])), params(("id" = Uuid, Path)), request_body = NewBadge,
    responses((status = 201, description = "The badge", body = BadgeView),
        (status = 404, description = "There is no such tenant", body = CaasError), CaasErrors, CaasPostErrors))]
pub async fn create(
    _: Operator,
    State(app): State<App>,
    Path(tenant): Path<String>,
    posted: Posted<NewBadge>,
) -> Result<Response> {
    let Posted { body, once } = posted;
    check_texts(&[
        ("name", Some(&body.name)),
        ("description", body.description.as_ref()),
        ("symbol_ref", body.symbol_ref.as_ref()),
        ("storage_provider", body.storage_provider.as_ref()),
    ])?;
    let mut tx = Tenants::open(&app.db, &tenant).await?;
    if let Some(first) = once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    let now = app.clock.now().trunc_subsecs(6);
    let badge = Badge {
        id: Uuid::now_v7(),
        name: body.name,
        kind: body.kind,
        user_group: body.user_group,
        description: body.description,
        symbol_ref: body.symbol_ref,
        storage_provider: body.storage_provider,
        created_by: Some(OPERATOR.to_owned()),
        is_active: true,
        created_at: now,
        updated_at: now,
    };
    store::insert(&mut tx, &badge).await?;
    once.commit(tx, StatusCode::CREATED, &BadgeView::from(badge)).await
}

/// Changes a badge: what is sent replaces what was there. Its kind and its group stay, and so does a name by which a rule
/// asks for it, unless the rule asks for the new one as well.
#[utoipa::path(post, path = "/admin/tenants/{id}/badges/{badge_id}", operation_id = "change_badge", tag = "Admin",
    security(("operator" = [])), params(("id" = Uuid, Path), ("badge_id" = Uuid, Path)), request_body = ChangedBadge,
    responses((status = 200, description = "The badge", body = BadgeView),
        (status = 404, description = "There is no such tenant, or it has no such badge", body = CaasError),
        CaasErrors, CaasPostErrors))]
pub async fn change(
    _: Operator,
    State(app): State<App>,
    Path((tenant, badge)): Path<(String, String)>,
    posted: Posted<ChangedBadge>,
) -> Result<Response> {
    let Posted { body, once } = posted;
    check_texts(&[
        ("name", body.name.as_ref()),
        ("description", body.description.as_ref()),
        ("symbol_ref", body.symbol_ref.as_ref()),
        ("storage_provider", body.storage_provider.as_ref()),
    ])?;
    let (mut tx, badge) = badge_to_change(&app, &tenant, &badge).await?;
    if let Some(first) = once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    let now = app.clock.now().trunc_subsecs(6);
    if let Some(name) = body.name.as_deref().filter(|name| *name != badge.name)
        && RuleBook::depends_on_name(&mut tx, badge.kind, &badge.name, name, now).await?
    {
        let message = "a rule asks for the badge by its name; have the rule ask for both names first";
        return Err(Error::conflict("badge_named_by_rule", message));
    }
    let badge = Badge {
        name: body.name.unwrap_or(badge.name),
        description: body.description.or(badge.description),
        symbol_ref: body.symbol_ref.or(badge.symbol_ref),
        storage_provider: body.storage_provider.or(badge.storage_provider),
        is_active: body.is_active.unwrap_or(badge.is_active),
        updated_at: now,
        ..badge
    };
    store::update(&mut tx, &badge).await?;
    once.commit(tx, StatusCode::OK, &BadgeView::from(badge)).await
}

/// A transaction of a tenant that a path names, and one of its badges; 404 when there is none.
pub async fn badge_of_tenant(app: &App, tenant: &str, badge: &str) -> Result<(TenantTx, Badge)> {
    let mut tx = Tenants::open(&app.db, tenant).await?;
    let id = Uuid::try_parse(badge).map_err(|_| unknown_badge())?;
    let badge = store::find(&mut tx, id).await?.ok_or_else(unknown_badge)?;
    Ok((tx, badge))
}

/// The same, and the tenant's badges, what hangs on them, and their rules stay as they are until the transaction ends: a rule
/// may name another badge than its own, so whoever writes one waits for whoever renames any.
pub async fn badge_to_change(app: &App, tenant: &str, badge: &str) -> Result<(TenantTx, Badge)> {
    let mut tx = Tenants::open(&app.db, tenant).await?;
    let id = Uuid::try_parse(badge).map_err(|_| unknown_badge())?;
    store::hold_all(&mut tx).await?;
    let badge = store::hold(&mut tx, id).await?.ok_or_else(unknown_badge)?;
    Ok((tx, badge))
}

#[track_caller]
fn unknown_badge() -> Error {
    Error::not_found("badge_not_found", "the tenant has no such badge")
}

/// 400 for a text with control characters, which nobody should have to read.
fn check_texts(texts: &[(&str, Option<&String>)]) -> Result<()> {
    let odd = texts.iter().find(|(_, text)| text.is_some_and(|text| text.chars().any(char::is_control)));
    odd.map_or(Ok(()), |(field, _)| Err(Error::invalid_field(field, "must be plain text")))
}

impl From<Badge> for BadgeView {
    fn from(badge: Badge) -> Self {
        let Badge { id, name, kind, user_group, description, symbol_ref, storage_provider, created_by, .. } = badge;
        let (is_active, created_at, updated_at) = (badge.is_active, badge.created_at, badge.updated_at);
        Self {
            id,
            name,
            kind,
            user_group,
            description,
            symbol_ref,
            storage_provider,
            created_by,
            is_active,
            created_at,
            updated_at,
        }
    }
}
