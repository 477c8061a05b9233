//! `/admin/withdrawals/{id}/payout`

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::super::store::{self, Note, Open, Row, Step};
use super::super::{PREFIX, Status};
use super::{ending, last_word, word_of_open};
use crate::auth::Operator;
use crate::db::{self, TenantTx};
use crate::foundation::{Mode, PublicId};
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Error, OnConstraint, Path, Posted, Result};
use crate::product::App;
use crate::providers::payout::Progress;

/// What is to be done about local money that was not paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PayoutAction)]
pub enum Action {
    /// The provider is asked again, under another id.
    Retry,
    /// The tokens go back to the wallet now.
    Refund,
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct DecidePayout {
    action: Action,
}

#[derive(Serialize, ToSchema)]
pub struct DecidedPayout {
    #[schema(example = "wdrl_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    withdrawal_id: String,
    status: Status,
}

/// Has a refused payout tried again, or its tokens sent back at once.
///
/// Tokens can also be sent back of a withdrawal that waits for a person to pay, or whose provider has never heard of the
/// payout and will not take it. Local money that a provider may have paid is waited for: 409.
#[utoipa::path(post, path = "/admin/withdrawals/{id}/payout", operation_id = "decide_payout", tag = "Admin",
    security(("operator" = [])),
    params(("id" = String, Path, example = "wdrl_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")),
    request_body = DecidePayout,
    responses(
        (status = 200, description = "It is on its way", body = DecidedPayout),
        (status = 404, description = "There is no such withdrawal", body = CaasError),
        (status = 502, description = "The payout's provider gives no answer", body = CaasError),
        CaasErrors, CaasPostErrors))]
pub async fn decide(
    _: Operator,
    State(app): State<App>,
    Path(id): Path<String>,
    posted: Posted<DecidePayout>,
) -> Result<Response> {
    let unknown = || Error::not_found("withdrawal_not_found", "there is no such withdrawal");
    let id = PublicId::parse(PREFIX, &id).map_err(|_| unknown())?;
    let tenant = store::owner(&app.db, id).await?.ok_or_else(unknown)?;
    let mut tx = app.db.tenant(tenant).begin().await?;
    if let Some(first) = posted.once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    // No transaction is open while providers are asked.
    drop(tx);
    if last_word(&app, tenant, id).await?.is_some() {
        return Err(Error::conflict("payout_not_refused", "the provider says now that it pays, or has paid"));
    }
    let word = match posted.body.action {
        Action::Retry => None,
        Action::Refund => word_of_open(&app, tenant, id).await?,
    };
    let mut tx = app.db.tenant(tenant).begin().await?;
    if let Some(first) = posted.once.replay(&mut tx, Mode::Live).await? {
        return Ok(first);
    }
    let row = store::find(&mut tx, id).await?.ok_or_else(unknown)?;
    let status = match posted.body.action {
        Action::Retry => retry(&mut tx, &app, &row).await?,
        Action::Refund => refund(&mut tx, &app, &row, word).await?,
    };
    let answer = DecidedPayout { withdrawal_id: PublicId::format(PREFIX, id), status };
    posted.once.commit(tx, StatusCode::OK, &answer).await
}

async fn retry(tx: &mut TenantTx, app: &App, row: &Row) -> Result<Status> {
    let mode = Mode::from_word(&row.mode).ok_or_else(|| Error::internal("a withdrawal of no mode"))?;
    if row.status != Status::PayoutFailed.as_str() {
        return Err(not_refused(row));
    }
    // In the order in which whoever confirms locks them: the payout, then the withdrawal.
    store::add_payouts(tx, &[app.payouts.new_payout(row.tenant_id, row.id, mode)])
        .await
        .on_constraint("payout_one_unrefused", |_| not_refused(row))?;
    if !store::retry(tx, row.id).await? {
        return Err(not_refused(row));
    }
    let step = Step::of(row, "PAYOUT_RETRIED", app.clock.now()).saying("by an operator".to_owned());
    store::add_steps(tx, &[step]).await?;
    Ok(Status::CryptoReceived)
}

/// `word`: what the provider of the open payout says of it, if it was asked.
async fn refund(tx: &mut TenantTx, app: &App, row: &Row, word: Option<Progress>) -> Result<Status> {
    let (id, now) = (row.id, app.clock.now());
    if row.status == Status::CryptoReceived.as_str() {
        const WHY: &str = "an operator had the tokens sent back";
        let open = store::open_payout(tx, id).await?;
        // One that the provider has never heard of can be taken back when nobody is about to send it.
        let is_free = |open: &Open| !open.is_asked || (!open.is_held && word == Some(Progress::Unknown));
        let Some(open) = open.filter(is_free) else { return Err(not_refused(row)) };
        store::confirm_open(tx, open.id, Note::Refused(WHY), now).await?;
        if !ending::refuse(tx, app, id, WHY, now, now).await? {
            return Err(not_refused(row));
        }
    } else if !store::schedule_refund(tx, id, now).await? {
        return Err(not_refused(row));
    }
    let row = store::find(tx, id).await?.ok_or(db::Error::RowNotFound)?;
    store::add_steps(tx, &[Step::of(&row, "REFUND_DUE", now).saying("by an operator".to_owned())]).await?;
    Ok(Status::PayoutFailed)
}

#[track_caller]
fn not_refused(row: &Row) -> Error {
    let message = "the withdrawal has no payout that was refused, or its tokens are on their way back";
    Error::conflict("payout_not_refused", message).with("status", &row.status).with("refund", &row.refund)
}
