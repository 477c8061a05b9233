//! `/v1/dashboard/treasury/topup`, `/v1/dashboard/treasury/topups`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::report::NewTopup;
use super::store;
use super::topup::{Requested, Status, Topup, Topups};
use crate::auth::Dashboard;
use crate::db::{Page, PageRequest};
use crate::foundation::{Mode, Tokens};
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Error, Posted, Query, Result, page_bounds};
use crate::product::App;

#[derive(Serialize, ToSchema)]
pub struct AcceptedTopup {
    #[schema(example = "topup_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    topup_id: String,
    status: Status,
    #[schema(example = "Top-up recorded; it is credited when the money has been seen")]
    message: &'static str,
}

/// Reports money that you have paid in. It is credited when it has been confirmed.
#[utoipa::path(post, path = "/v1/dashboard/treasury/topup", operation_id = "report_topup", tag = "Treasury", security(("bearer" = [])),
    request_body = NewTopup,
    responses(
        (status = 202, description = "Recorded; it waits for confirmation", body = AcceptedTopup),
        (status = 403, description = "The token does not permit waas", body = CaasError),
        CaasErrors, CaasPostErrors))]
pub async fn request(caller: Dashboard, State(app): State<App>, posted: Posted<NewTopup>) -> Result<Response> {
    let report = posted.body.read(&app.tokens)?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = posted.once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    match Topups::request(&mut tx, report, app.clock.now()).await? {
        Requested::New(topup) => {
            let answer = AcceptedTopup {
                topup_id: topup.public_id(),
                status: topup.status,
                message: "Top-up recorded; it is credited when the money has been seen",
            };
            posted.once.commit(tx, StatusCode::ACCEPTED, &answer).await
        }
        Requested::Duplicate(topup) => {
            Err(Error::conflict("duplicate_reference", "a top-up with this reference exists")
                .with("topup_id", topup.public_id())
                .with("status", topup.status))
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WantedTopups {
    /// Only top-ups that stand there.
    status: Option<Status>,
    /// At most this many, 1 to 100 (20 when absent).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ListedTopup {
    #[schema(example = "topup_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    topup_id: String,
    status: Status,
    #[schema(example = "10000.000000")]
    amount: String,
    #[schema(example = "USDC")]
    token: String,
    reference: String,
    note: Option<String>,
    created_at: DateTime<Utc>,
    confirmed_at: Option<DateTime<Utc>>,
}

/// Lists top-ups, newest first.
#[utoipa::path(get, path = "/v1/dashboard/treasury/topups", operation_id = "list_topups", tag = "Treasury", security(("bearer" = [])),
    params(WantedTopups),
    responses(
        (status = 200, description = "A page of top-ups", body = Page<ListedTopup>),
        (status = 403, description = "The token does not permit waas", body = CaasError),
        CaasErrors))]
pub async fn list(
    caller: Dashboard,
    State(app): State<App>,
    Query(wanted): Query<WantedTopups>,
) -> Result<Json<Page<ListedTopup>>> {
    let WantedTopups { status, limit, cursor } = wanted;
    let (limit, after) = page_bounds(&PageRequest { limit, cursor })?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let topups = store::list(&mut tx, status, after.map(|cursor| cursor.0), limit).await?;
    tx.commit().await?;
    let page = Page::of(topups, limit, |topup| topup.id);
    let data = page.data.into_iter().map(|topup| ListedTopup::of(&app.tokens, topup)).collect::<Result<_>>()?;
    Ok(Json(Page { data, next_cursor: page.next_cursor }))
}

impl ListedTopup {
    pub(super) fn of(tokens: &Tokens, topup: Topup) -> Result<Self> {
        let unknown = || Error::internal(format!("the token {} of a top-up is not configured", topup.token));
        let amount = tokens.by_symbol(&topup.token).ok_or_else(unknown)?.format(topup.amount);
        Ok(Self {
            topup_id: topup.public_id(),
            status: topup.status,
            amount,
            token: topup.token,
            reference: topup.reference,
            note: topup.note,
            created_at: topup.created_at,
            confirmed_at: topup.confirmed_at,
        })
    }
}
