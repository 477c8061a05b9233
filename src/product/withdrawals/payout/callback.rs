//! `/v1/callbacks/payouts`

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::worker;
use crate::http::openapi::CaasError;
use crate::http::{Posted, Result};
use crate::product::App;

#[derive(Deserialize, Validate, ToSchema)]
pub struct PayoutCallBack {
    /// The payout that something has happened to.
    #[serde(rename = "payoutId")]
    payout_id: Uuid,
}

/// Hears from a payout provider that something has happened to a payout.
///
/// Anybody may say so: nothing that is said here is believed. The provider itself is asked where the payout stands,
/// sooner than it would have been. The answer does not tell whether there is such a payout.
#[utoipa::path(post, path = "/v1/callbacks/payouts", operation_id = "hear_of_payout", tag = "Operations", security(()),
    request_body = PayoutCallBack,
    responses(
        (status = 204, description = "Heard"),
        (status = 400, description = "The request makes no sense; the message names the field", body = CaasError),
        (status = 413, description = "The body is larger than 1 MiB", body = CaasError),
        (status = 415, description = "The body is not `application/json`", body = CaasError),
        (status = 429, description = "Too many requests; `Retry-After` tells when to come back", body = CaasError)))]
pub async fn call_back(State(app): State<App>, posted: Posted<PayoutCallBack>) -> Result<StatusCode> {
    worker::heard(&app, posted.body.payout_id).await;
    Ok(StatusCode::NO_CONTENT)
}
