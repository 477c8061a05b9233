//! `/v1/users/fund`

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::acceptance::Ask;
use super::deposit::NewDeposit;
use super::request::Fund;
use crate::auth::Tenant;
use crate::foundation::Mode;
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Posted, Result};
use crate::product::App;
use crate::product::users::Directory;

/// Where a request of a mode begins, as its first answer says.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = DepositAcceptedAs)]
enum AcceptedAs {
    /// Its money is reserved and it waits for its turn.
    Queued,
    /// Of a test key: it goes through the same states, and nothing moves.
    SandboxSimulated,
}

#[derive(Serialize, ToSchema)]
pub struct AcceptedDeposit {
    #[schema(example = "dep_001_20240601")]
    deposit_id: String,
    status: AcceptedAs,
    #[schema(example = "Deposit queued for on-chain settlement")]
    message: &'static str,
    created_at: DateTime<Utc>,
}

impl AcceptedDeposit {
    pub(super) fn of(deposit: &NewDeposit) -> Self {
        let (status, message) = match deposit.mode {
            Mode::Live => (AcceptedAs::Queued, "Deposit queued for on-chain settlement"),
            Mode::Test => (AcceptedAs::SandboxSimulated, "Deposit simulated: a test key moves nothing"),
        };
        let deposit_id = deposit.deposit_id.to_string();
        Self { deposit_id, status, message, created_at: deposit.created_at }
    }
}

/// Pays stablecoin from your treasury balance into a customer's wallet.
///
/// The amount is reserved at once and moves on chain soon after; `GET /v1/dashboard/deposits/{deposit_id}` tells how far
/// it is. A `deposit_id` happens once: a repetition is a 409 that tells the status of the first.
#[utoipa::path(post, path = "/v1/users/fund", operation_id = "fund_user", tag = "Users", security(("api_key" = [])),
    request_body = Fund,
    responses(
        (status = 202, description = "Accepted: it will happen", body = AcceptedDeposit),
        (status = 402, description = "Your treasury balance does not cover it; top up", body = CaasError),
        (status = 403, description = "A rule of the customer's badge forbids it, or the customer is barred", body = CaasError),
        (status = 404, description = "No wallet is provisioned for this phone number", body = CaasError),
        CaasErrors, CaasPostErrors))]
pub async fn fund(caller: Tenant, State(app): State<App>, posted: Posted<Fund>) -> Result<Response> {
    let wish = posted.body.read(&app.tokens)?;
    let directory = Directory::new(app.blind_indexer.clone(), caller.mode);
    let customer = directory.index_of(caller.tenant, &wish.phone);
    app.funds.submit(Ask { tenant: caller.tenant, mode: caller.mode, customer, wish, once: posted.once }).await?
}
