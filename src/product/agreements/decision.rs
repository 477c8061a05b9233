//! `PUT /tenant/agreement/preview-agreement/{agreementId}` and its twin for the platform's: what the person said.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::agreement::{self, Status};
use super::kind::{Kind, Occasion};
use super::routes::BackEnd;
use super::store::{self, Row};
use crate::auth::Tenant;
use crate::db::TenantTx;
use crate::http::openapi::{WalletErrors, WalletPostErrors};
use crate::http::{ClientAddress, Error, Path, Posted, Result};
use crate::product::App;
use crate::product::ops::TenantKeys;

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

/// Writes down what a customer who is taken on said to an agreement. The same again changes nothing; anything else is
/// refused.
#[utoipa::path(put, path = "/tenant/agreement/preview-agreement/{agreementId}", operation_id = "decide_agreement",
    tag = "Agreements", security(("api_key" = []), ("tenant_id" = [], "tenant_key" = [])),
    params(("agreementId" = String, Path)), request_body = AgreementDecision,
    responses((status = 200, description = "Written down", body = AgreementDecidedAnswer), WalletErrors, WalletPostErrors))]
pub async fn decide(
    BackEnd(caller): BackEnd,
    State(app): State<App>,
    Path(id): Path<String>,
    ClientAddress(from): ClientAddress,
    posted: Posted<AgreementDecision>,
) -> Result<Json<AgreementDecidedAnswer>> {
    write_down(&app, (caller, from), Occasion::Onboarding, &id, posted.body.status).await
}

/// Writes down what a person said to the platform's own agreement. The same again changes nothing; anything else is
/// refused.
#[utoipa::path(put, path = "/tenant/agreement/ul-preview-agreement/{agreementId}",
    operation_id = "decide_platform_agreement", tag = "Agreements",
    security(("api_key" = []), ("tenant_id" = [], "tenant_key" = [])), params(("agreementId" = String, Path)),
    request_body = AgreementDecision,
    responses((status = 200, description = "Written down", body = AgreementDecidedAnswer), WalletErrors, WalletPostErrors))]
pub async fn decide_platform(
    BackEnd(caller): BackEnd,
    State(app): State<App>,
    Path(id): Path<String>,
    ClientAddress(from): ClientAddress,
    posted: Posted<AgreementDecision>,
) -> Result<Json<AgreementDecidedAnswer>> {
    write_down(&app, (caller, from), Occasion::Platform, &id, posted.body.status).await
}

async fn write_down(
    app: &App,
    (caller, from): (Tenant, IpAddr),
    occasion: Occasion,
    id: &str,
    status: Status,
) -> Result<Json<AgreementDecidedAnswer>> {
    if status == Status::Pending {
        return Err(could_not_update("catch"));
    }
    let unknown = || could_not_update("Agreement");
    let id = Uuid::try_parse(id).map_err(|_| unknown())?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let shown = store::find(&mut tx, caller.mode, id, false).await?.ok_or_else(unknown)?;
    if Kind::try_from(shown.kind).map_err(Error::internal)?.occasion() != Some(occasion) {
        return Err(unknown());
    }
    // The customer before the agreement, as whoever forgets one.
    let customer = store::customer_of(&mut tx, caller.mode, &shown.account_address).await?;
    let mut row = store::find(&mut tx, caller.mode, id, true).await?.ok_or_else(unknown)?;
    if row.status == Status::Pending.as_str() {
        if row.wrapped_key.is_none() {
            // Nobody can say any more what they would agree to.
            return Err(unknown());
        }
        row.customer_id = row.customer_id.or(customer);
        let decision = Decision { status, by: caller, from, at: app.clock.now().trunc_subsecs(6) };
        if !decision.write(&mut tx, &app.keys, &mut row).await? {
            return Err(could_not_update("Agreement"));
        }
    } else if row.status != status.as_str() {
        return Err(could_not_update("Agreement"));
    }
    tx.commit().await?;
    let data = AgreementDecidedView::of(&row, status);
    Ok(Json(AgreementDecidedAnswer { data, message: "Agreement successfully updated" }))
}

/// What is written down, once.
struct Decision {
    status: Status,
    by: Tenant,
    /// Whence the tenant's back end said so. Where the person was is what the preview says.
    from: IpAddr,
    at: DateTime<Utc>,
}

impl Decision {
    /// Whether there was none before.
    async fn write(&self, tx: &mut TenantTx, keys: &TenantKeys, row: &mut Row) -> Result<bool> {
        row.decided_at = Some(self.at);
        let from = agreement::seal_more(&keys.of(tx).await?, self.by.tenant, row, &self.from.to_string())?;
        let written = store::Decided { status: self.status, by_key: self.by.key_id, from: from.as_ref(), at: self.at };
        Ok(store::decide(tx, row, &written).await?)
    }
}

impl AgreementDecidedView {
    fn of(row: &Row, status: Status) -> Self {
        let updated_at = row.decided_at.unwrap_or(row.created_at);
        let (id, created_at) = (row.id, row.created_at);
        Self { customer_account_id: row.customer_id, id, status, created_at, updated_at }
    }
}

/// 400, as documented: `Agreement` when there is no such agreement, or it was decided otherwise, `catch` for what is no
/// decision.
#[track_caller]
fn could_not_update(kind: &'static str) -> Error {
    Error::bad_request("not_updated", "Could't Update agreement").of_type(kind)
}
