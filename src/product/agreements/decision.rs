//! `PUT /tenant/agreement/preview-agreement/{agreementId}` and its twin for the platform's: what the person said.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::agreement::Status;
use super::kind::{Kind, Occasion};
use super::routes::{BackEnd, no_data};
use super::store::{self, Row};
use crate::auth::Tenant;
use crate::http::openapi::{WalletError, WalletErrors, WalletPostErrors};
use crate::http::{Error, Path, Posted, Result};
use crate::product::App;

#[derive(Deserialize, Validate, ToSchema)]
pub struct AgreementDecision {
    /// `ACCEPTED` or `REJECTED`.
    #[schema(example = "ACCEPTED")]
    status: Status,
}

#[derive(Serialize, ToSchema)]
pub struct AgreementDecidedAnswer {
    data: AgreementDecidedView,
    #[schema(example = "Agreement successfully updated")]
    message: &'static str,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgreementDecidedView {
    /// Whose account it is; null while it is nobody's.
    customer_account_id: Option<Uuid>,
    id: Uuid,
    status: Status,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// Writes down what a customer who is taken on said to an agreement. The same again changes nothing; anything else is refused.
#[utoipa::path(put, path = "/tenant/agreement/preview-agreement/{agreementId}", operation_id = "decide_agreement",
    tag = "Agreements", security(("api_key" = []), ("tenant_id" = [], "tenant_key" = [])),
    params(("agreementId" = String, Path)), request_body = AgreementDecision,
    responses((status = 200, description = "Written down", body = AgreementDecidedAnswer),
        (status = 404, description = "There is no such agreement", body = WalletError),
        WalletErrors, WalletPostErrors))]
pub async fn decide(
    BackEnd(caller): BackEnd,
    State(app): State<App>,
    Path(id): Path<String>,
    posted: Posted<AgreementDecision>,
) -> Result<Json<AgreementDecidedAnswer>> {
    write_down(&app, caller, Occasion::Onboarding, &id, posted.body.status).await
}

/// Writes down what a person said to the platform's own agreement. The same again changes nothing; anything else is refused.
#[utoipa::path(put, path = "/tenant/agreement/ul-preview-agreement/{agreementId}",
    operation_id = "decide_platform_agreement", tag = "Agreements",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = [])), params(("agreementId" = String, Path)),
    request_body = AgreementDecision,
    responses((status = 200, description = "Written down", body = AgreementDecidedAnswer),
        (status = 404, description = "There is no such agreement", body = WalletError),
        WalletErrors, WalletPostErrors))]
pub async fn decide_platform(
    BackEnd(caller): BackEnd,
    State(app): State<App>,
    Path(id): Path<String>,
    posted: Posted<AgreementDecision>,
) -> Result<Json<AgreementDecidedAnswer>> {
    write_down(&app, caller, Occasion::Platform, &id, posted.body.status).await
}

async fn write_down(
    app: &App,
    caller: Tenant,
    occasion: Occasion,
    id: &str,
    status: Status,
) -> Result<Json<AgreementDecidedAnswer>> {
    if status == Status::Pending {
        return Err(could_not_update("catch"));
    }
    let id = Uuid::try_parse(id).map_err(|_| no_data())?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let mut row = store::find(&mut tx, caller.mode, id, true).await?.ok_or_else(no_data)?;
    if Kind::try_from(row.kind.clone()).map_err(Error::internal)?.occasion() != Some(occasion) {
        return Err(no_data());
    }
    if row.status == Status::Pending.as_str() {
        let now = app.clock.now().trunc_subsecs(6);
        row.customer_id = match row.customer_id {
            Some(customer) => Some(customer),
            None => store::customer_of(&mut tx, caller.mode, &row.account_address).await?,
        };
        if !store::decide(&mut tx, id, status, row.customer_id, caller.key_id, now).await? {
            return Err(could_not_update("Agreement"));
        }
        row.decided_at = Some(now);
    } else if row.status != status.as_str() {
        return Err(could_not_update("Agreement"));
    }
    tx.commit().await?;
    let data = AgreementDecidedView::of(&row, status);
    Ok(Json(AgreementDecidedAnswer { data, message: "Agreement successfully updated" }))
}

impl AgreementDecidedView {
    fn of(row: &Row, status: Status) -> Self {
        let updated_at = row.decided_at.unwrap_or(row.created_at);
        let (id, created_at) = (row.id, row.created_at);
        Self { customer_account_id: row.customer_id, id, status, created_at, updated_at }
    }
}

/// 400, as documented: `Agreement` when it was decided otherwise, `catch` for what is no decision.
#[track_caller]
fn could_not_update(kind: &'static str) -> Error {
    Error::bad_request("not_updated", "Could't Update agreement").of_type(kind)
}
