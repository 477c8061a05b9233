//! `/admin/tenants/{id}/badges/{badge_id}/links`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::SubsecRound;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::admin::{badge_of_tenant, badge_to_change};
use super::link::{Link, NewLink};
use super::{Kind, store};
use crate::auth::Operator;
use crate::foundation::Mode;
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Error, Path, Posted, Result};
use crate::product::App;

#[derive(Deserialize, Validate, ToSchema)]
pub struct LinkedBadges {
    /// The token's symbol.
    #[schema(example = "USDC")]
    token: String,
    /// Whose rules customers of the badge keep when they move the token,
    financial_badge_id: Option<Uuid>,
    /// unless there is one that stands in for it.
    custom_financial_badge_id: Option<Uuid>,
    /// What is said besides.
    information_badge_id: Option<Uuid>,
}

/// What an identification badge is linked to for a token.
#[derive(Serialize, ToSchema)]
pub struct LinkView {
    id: Uuid,
    #[schema(example = "USDC")]
    token: String,
    financial_badge_id: Option<Uuid>,
    custom_financial_badge_id: Option<Uuid>,
    information_badge_id: Option<Uuid>,
}

/// The links of a badge.
#[derive(Serialize, ToSchema)]
pub struct LinkList {
    /// In the order of tokens.
    data: Vec<LinkView>,
}

/// Lists the links of a badge, or to it.
#[utoipa::path(get, path = "/admin/tenants/{id}/badges/{badge_id}/links", operation_id = "list_badge_links",
    tag = "Admin", security(("operator" = [])), params(("id" = Uuid, Path), ("badge_id" = Uuid, Path)),
    responses((status = 200, description = "The links", body = LinkList),
        (status = 404, description = "There is no such tenant, or it has no such badge", body = CaasError), CaasErrors))]
pub async fn list(
    _: Operator,
    State(app): State<App>,
    Path((tenant, badge)): Path<(String, String)>,
) -> Result<Json<LinkList>> {
    let (mut tx, badge) = badge_of_tenant(&app, &tenant, &badge).await?;
    let links = store::links_of(&mut tx, badge.id).await?;
    tx.commit().await?;
    Ok(Json(LinkList { data: links.into_iter().map(LinkView::from).collect() }))
}

/// Links an identification badge to others for a token, in place of what it was linked to for that token.
#[utoipa::path(post, path = "/admin/tenants/{id}/badges/{badge_id}/links", operation_id = "link_badge", tag = "Admin",
    security(("operator" = [])), params(("id" = Uuid, Path), ("badge_id" = Uuid, Path)), request_body = LinkedBadges,
    responses((status = 200, description = "The link", body = LinkView),
        (status = 404, description = "There is no such tenant, or it has no such badge", body = CaasError),
        CaasErrors, CaasPostErrors))]
pub async fn link(
    _: Operator,
    State(app): State<App>,
    Path((tenant, badge)): Path<(String, String)>,
    posted: Posted<LinkedBadges>,
) -> Result<Response> {
    let Posted { body, once } = posted;
    let token = app.tokens.by_symbol(&body.token);
    let token = token.ok_or_else(|| Error::invalid_field("token", "is not a token of this server"))?;
    let (mut tx, badge) = badge_to_change(&app, &tenant, &badge).await?;
    if let Some(first) = once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    if badge.kind != Kind::Identification {
        return Err(Error::conflict("badge_not_linkable", "only an identification badge is linked to others"));
    }
    let wanted = [
        ("financial_badge_id", body.financial_badge_id, Kind::Financial),
        ("custom_financial_badge_id", body.custom_financial_badge_id, Kind::Financial),
        ("information_badge_id", body.information_badge_id, Kind::Information),
    ];
    if wanted.iter().all(|(_, id, _)| id.is_none()) {
        return Err(Error::missing_field("financial_badge_id"));
    }
    for (field, id, kind) in wanted {
        let Some(id) = id else { continue };
        let fits =
            store::active(&mut tx, id).await?.is_some_and(|b| b.kind == kind && b.user_group == badge.user_group);
        if !fits {
            let why = format!("names no {} badge in use of the same user group", kind.as_str().to_lowercase());
            return Err(Error::invalid_field(field, why));
        }
    }
    let new = NewLink {
        identification: badge.id,
        token: token.symbol.to_string(),
        financial: body.financial_badge_id,
        custom_financial: body.custom_financial_badge_id,
        information: body.information_badge_id,
    };
    let id = store::link(&mut tx, &new, app.clock.now().trunc_subsecs(6)).await?;
    let view = LinkView {
        id,
        token: new.token,
        financial_badge_id: new.financial,
        custom_financial_badge_id: new.custom_financial,
        information_badge_id: new.information,
    };
    once.commit(tx, StatusCode::OK, &view).await
}

/// Takes a link away: movements of its token are ruled by the identification badge alone.
#[utoipa::path(delete, path = "/admin/tenants/{id}/badges/{badge_id}/links/{link_id}", operation_id = "unlink_badge",
    tag = "Admin", security(("operator" = [])),
    params(("id" = Uuid, Path), ("badge_id" = Uuid, Path), ("link_id" = Uuid, Path)),
    responses((status = 204, description = "It is gone"),
        (status = 404, description = "There is no such tenant, badge or link", body = CaasError), CaasErrors))]
pub async fn unlink(
    _: Operator,
    State(app): State<App>,
    Path((tenant, badge, link)): Path<(String, String, String)>,
) -> Result<StatusCode> {
    let unknown = || Error::not_found("link_not_found", "the badge has no such link");
    let link = Uuid::try_parse(&link).map_err(|_| unknown())?;
    let (mut tx, badge) = badge_to_change(&app, &tenant, &badge).await?;
    if !store::unlink(&mut tx, badge.id, link).await? {
        return Err(unknown());
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<Link> for LinkView {
    fn from(link: Link) -> Self {
        Self {
            id: link.id,
            token: link.token,
            financial_badge_id: link.financial.map(|(id, _)| id),
            custom_financial_badge_id: link.custom_financial.map(|(id, _)| id),
            information_badge_id: link.information.map(|(id, _)| id),
        }
    }
}
