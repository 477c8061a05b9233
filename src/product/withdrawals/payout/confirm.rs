//! `/v1/dashboard/withdrawals/{id}/confirm-payout`

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::super::store::{self, Note, Row};
use super::super::{PREFIX, Status};
use super::ending;
use crate::auth::Dashboard;
use crate::db::TenantTx;
use crate::foundation::{Mode, PublicId};
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Error, Path, Posted, Result};
use crate::product::App;

#[derive(Deserialize, Validate, ToSchema)]
pub struct ConfirmPayout {
    /// By which the payment can be found at the network or in the bank's books: 1 to 128 characters.
    #[validate(length(min = 1, max = 128, message = "must have 1 to 128 characters"))]
    #[schema(example = "MP260625.1200.A12345", min_length = 1, max_length = 128)]
    payout_reference: String,
    /// What else there is to say: at most 500 characters.
    #[validate(length(max = 500, message = "must have at most 500 characters"))]
    #[schema(max_length = 500)]
    note: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ConfirmedPayout {
    #[schema(example = "wdrl_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    withdrawal_id: String,
    status: Status,
    payout_reference: String,
}

/// Says that the local money of a withdrawal has been paid. Super admins only.
///
/// For withdrawals whose tokens have arrived: those that no provider pays, those whose provider cannot say what became
/// of the payment, and those that were refused and paid otherwise before the tokens went back. Nobody is asked for the
/// money afterwards. Confirming again with the same reference changes nothing.
#[utoipa::path(post, path = "/v1/dashboard/withdrawals/{id}/confirm-payout", operation_id = "confirm_payout",
    tag = "Withdrawals", security(("bearer" = [])),
    params(("id" = String, Path, example = "wdrl_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")),
    request_body = ConfirmPayout,
    responses(
        (status = 200, description = "The withdrawal is completed", body = ConfirmedPayout),
        (status = 403, description = "The token does not permit waas:super_admin", body = CaasError),
        (status = 404, description = "There is no such withdrawal", body = CaasError),
        CaasErrors, CaasPostErrors))]
pub async fn confirm(
    caller: Dashboard,
    State(app): State<App>,
    Path(id): Path<String>,
    posted: Posted<ConfirmPayout>,
) -> Result<Response> {
    if !caller.is_super_admin() {
        return Err(Error::forbidden("missing_permission", "only a super admin may confirm a payout"));
    }
    let unknown = || Error::not_found("withdrawal_not_found", "there is no such withdrawal");
    let id = PublicId::parse(PREFIX, &id).map_err(|_| unknown())?;
    let ConfirmPayout { payout_reference, note } = posted.body;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = posted.once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    let row = store::find(&mut tx, id).await?.ok_or_else(unknown)?;
    let answer = ConfirmedPayout {
        withdrawal_id: PublicId::format(PREFIX, id),
        status: Status::Completed,
        payout_reference: payout_reference.clone(),
    };
    if row.payout_reference.as_ref() == Some(&payout_reference) {
        return posted.once.commit(tx, StatusCode::OK, &answer).await;
    }
    pay(&mut tx, &app, &row, &payout_reference, confirmed_by(&caller, note)).await?;
    posted.once.commit(tx, StatusCode::OK, &answer).await
}

fn confirmed_by(caller: &Dashboard, note: Option<String>) -> String {
    let by = format!("confirmed by {}", caller.subject);
    note.map_or(by.clone(), |note| format!("{by}: {note}"))
}

/// The local money of a withdrawal was paid, though nobody waits for that any more, or knows it of the payout; 409 when
/// the tokens have not arrived or are on their way back.
pub async fn pay(tx: &mut TenantTx, app: &App, row: &Row, reference: &str, note: String) -> Result<()> {
    let now = app.clock.now();
    if !may_be_paid(row) || !ending::post_paid(tx, row).await? {
        return Err(not_waiting(row));
    }
    match store::open_payout(tx, row.id).await? {
        Some(open) => store::confirm_open(tx, open.id, Note::Paid(reference), now).await?,
        None => store::insert_paid(tx, row.id, &row.mode, reference, now).await?,
    }
    match ending::complete(tx, app, row.id, reference, Some(note), now).await? {
        true => Ok(()),
        false => Err(not_waiting(row)),
    }
}

fn may_be_paid(row: &Row) -> bool {
    match Status::from_word(&row.status) {
        Some(Status::CryptoReceived) => true,
        Some(Status::PayoutFailed) => matches!(row.refund.as_deref(), Some("due" | "failed")),
        Some(Status::Pending | Status::Submitted | Status::Completed | Status::Failed) | None => false,
    }
}

#[track_caller]
fn not_waiting(row: &Row) -> Error {
    Error::conflict("no_payout_pending", "the withdrawal does not wait for local money").with("status", &row.status)
}
