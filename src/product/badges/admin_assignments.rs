//! `/admin/tenants/{id}/badges/{badge_id}/assignments`

use alloy::primitives::Address;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::admin::badge_of_tenant;
use super::{AssignedBadge, Badges, Kind, store};
use crate::auth::Operator;
use crate::db::{Page, PageRequest};
use crate::foundation::{ChecksumAddress, Mode};
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Error, Path, Posted, Query, Result, page_bounds};
use crate::product::App;

#[derive(Deserialize, Validate, ToSchema)]
pub struct AssignBadge {
    /// Who is to have the badge.
    customer_id: Uuid,
    /// Which wallet of the customer, for a financial badge.
    #[schema(example = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8")]
    wallet_address: Option<String>,
    /// For which token, for a financial badge.
    #[schema(example = "USDC")]
    token: Option<String>,
}

/// Who has a badge.
#[derive(Serialize, ToSchema)]
pub struct AssignmentView {
    /// By which lists go on.
    id: Uuid,
    customer_id: Uuid,
    mode: Mode,
    /// Which wallet of the customer has it; null but for a financial badge.
    wallet_address: Option<String>,
    /// For which token; null but for a financial badge.
    token: Option<String>,
    /// Since when the customer has it.
    created_at: DateTime<Utc>,
    /// Until when the customer had it; null while it lasts.
    ended_at: Option<DateTime<Utc>>,
}

/// A badge that was given.
#[derive(Serialize, ToSchema)]
pub struct AssignedView {
    customer_id: Uuid,
    badge_id: Uuid,
    since: DateTime<Utc>,
}

/// Lists who has a badge and who had it, newest first; of a financial badge the wallets that have it now.
#[utoipa::path(get, path = "/admin/tenants/{id}/badges/{badge_id}/assignments", operation_id = "list_badge_assignments",
    tag = "Admin", security(("operator" = [])), params(("id" = Uuid, Path), ("badge_id" = Uuid, Path), PageRequest),
    responses((status = 200, description = "A page of assignments", body = Page<AssignmentView>),
        (status = 404, description = "There is no such tenant, or it has no such badge", body = CaasError), CaasErrors))]
pub async fn list(
    _: Operator,
    State(app): State<App>,
    Path((tenant, badge)): Path<(String, String)>,
    Query(page): Query<PageRequest>,
) -> Result<Json<Page<AssignmentView>>> {
    let (limit, after) = page_bounds(&page)?;
    let (mut tx, badge) = badge_of_tenant(&app, &tenant, &badge).await?;
    let after = after.map(|cursor| cursor.0);
    let rows = match badge.kind {
        Kind::Identification | Kind::Information => store::assignments(&mut tx, badge.id, after, limit).await?,
        Kind::Financial => store::wallets_with(&mut tx, badge.id, after, limit).await?,
    };
    tx.commit().await?;
    Page::of(rows, limit, |row| row.id).try_map(AssignmentView::try_from).map(Json)
}

/// Gives a customer a badge.
///
/// An identification badge takes the place of the one that the customer has, an information badge comes beside others, and
/// a financial badge rules one wallet's movements of one token, whatever the identification badge is linked to.
#[utoipa::path(post, path = "/admin/tenants/{id}/badges/{badge_id}/assignments", operation_id = "assign_badge",
    tag = "Admin", security(("operator" = [])), params(("id" = Uuid, Path), ("badge_id" = Uuid, Path)),
    request_body = AssignBadge,
    responses((status = 200, description = "The customer has it", body = AssignedView),
        (status = 404, description = "There is no such tenant, badge or customer", body = CaasError),
        CaasErrors, CaasPostErrors))]
pub async fn assign(
    _: Operator,
    State(app): State<App>,
    Path((tenant, badge)): Path<(String, String)>,
    posted: Posted<AssignBadge>,
) -> Result<Response> {
    let Posted { body, once } = posted;
    let wallet = body.wallet_address.as_deref().map(ChecksumAddress::parse).transpose();
    let wallet = wallet.map_err(|why| Error::invalid_field("wallet_address", why))?;
    let unknown_token = || Error::invalid_field("token", "is not a token of this server");
    let token =
        body.token.as_deref().map(|symbol| app.tokens.by_symbol(symbol).ok_or_else(unknown_token)).transpose()?;
    let (mut tx, badge) = badge_of_tenant(&app, &tenant, &badge).await?;
    if let Some(first) = once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    let now = app.clock.now().trunc_subsecs(6);
    let customer = body.customer_id;
    let unknown = || Error::not_found("customer_not_found", "there is no such customer");
    let mode = store::mode_of(&mut tx, customer).await?.ok_or_else(unknown)?;
    let group = store::group_of(&mut tx, customer).await?.ok_or_else(unknown)?;
    if badge.user_group != group {
        let message = "the badge is for another user group than the customer's";
        return Err(Error::conflict("badge_of_another_group", message));
    }
    let since = match badge.kind {
        Kind::Identification => {
            let given = Badges::assign_identification(&mut tx, mode, group, customer, badge.id, now).await?;
            given.map(|given: AssignedBadge| given.created_at)
        }
        Kind::Information => {
            Badges::assign_information(&mut tx, mode, customer, badge.id, now).await?.map(|given| given.created_at)
        }
        Kind::Financial => {
            let wallet = wallet.ok_or_else(|| Error::missing_field("wallet_address"))?;
            let token = token.ok_or_else(|| Error::missing_field("token"))?;
            if !store::has_wallet(&mut tx, customer, wallet.0).await? {
                return Err(Error::invalid_field("wallet_address", "is no wallet of this customer"));
            }
            let given =
                Badges::assign_financial(&mut tx, mode, customer, wallet.0, &token.symbol, badge.id, now).await?;
            given.then_some(now)
        }
    };
    let since = since.ok_or_else(|| Error::conflict("badge_inactive", "the badge is out of use"))?;
    once.commit(tx, StatusCode::OK, &AssignedView { customer_id: customer, badge_id: badge.id, since }).await
}

/// From which wallet a financial badge is taken.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FromWallet {
    /// From this wallet alone, of a financial badge.
    #[param(example = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8")]
    wallet_address: Option<String>,
    /// For this token alone, of a financial badge.
    #[param(example = "USDC")]
    token: Option<String>,
}

/// Takes a badge from a customer. Without any badge a customer is not restricted.
///
/// A financial badge is taken from all wallets of the customer and for all tokens, unless the query names one.
#[utoipa::path(delete, path = "/admin/tenants/{id}/badges/{badge_id}/assignments/{customer_id}",
    operation_id = "withdraw_badge", tag = "Admin", security(("operator" = [])),
    params(("id" = Uuid, Path), ("badge_id" = Uuid, Path), ("customer_id" = Uuid, Path), FromWallet),
    responses((status = 204, description = "The customer has it no more"),
        (status = 404, description = "There is no such tenant or badge, or the customer does not have it", body = CaasError),
        CaasErrors))]
pub async fn withdraw(
    _: Operator,
    State(app): State<App>,
    Path((tenant, badge, customer)): Path<(String, String, String)>,
    Query(from): Query<FromWallet>,
) -> Result<StatusCode> {
    let wallet = from.wallet_address.as_deref().map(ChecksumAddress::parse).transpose();
    let wallet = wallet.map_err(|why| Error::invalid_field("wallet_address", why))?.map(|address| address.0);
    let unknown = || Error::not_found("assignment_not_found", "the customer does not have this badge");
    let customer = Uuid::try_parse(&customer).map_err(|_| unknown())?;
    let (mut tx, badge) = badge_of_tenant(&app, &tenant, &badge).await?;
    if badge.kind != Kind::Financial && wallet.is_some() {
        return Err(Error::invalid_field("wallet_address", "is for financial badges"));
    }
    if badge.kind != Kind::Financial && from.token.is_some() {
        return Err(Error::invalid_field("token", "is for financial badges"));
    }
    if !Badges::take(&mut tx, customer, badge.id, (wallet, from.token.as_deref()), app.clock.now()).await? {
        return Err(unknown());
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

impl TryFrom<store::AssignmentRow> for AssignmentView {
    type Error = Error;

    fn try_from(row: store::AssignmentRow) -> Result<Self> {
        let mode = Mode::from_word(&row.mode).ok_or_else(|| Error::internal("a customer has an unknown mode"))?;
        let wallet = row.wallet.as_deref().map(Address::try_from).transpose().map_err(Error::internal)?;
        Ok(Self {
            id: row.id,
            customer_id: row.customer_id,
            mode,
            wallet_address: wallet.map(|wallet| wallet.to_string()),
            token: row.token,
            created_at: row.created_at,
            ended_at: row.ended_at,
        })
    }
}
