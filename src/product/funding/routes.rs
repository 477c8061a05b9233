//! `/v1/users/fund`

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, SubsecRound, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::deposit::{Decision, Deposits, NewDeposit};
use super::request::Fund;
use crate::auth::Tenant;
use crate::foundation::Mode;
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Error, Posted, Result};
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

/// Pays stablecoin from your treasury balance into a customer's wallet.
///
/// The amount is reserved at once and moves on chain soon after; `GET /v1/dashboard/deposits/{deposit_id}` tells how far
/// it is. A `deposit_id` happens once: a repetition is a 409 that tells the status of the first.
#[utoipa::path(post, path = "/v1/users/fund", operation_id = "fund_user", tag = "Users", security(("api_key" = [])),
    request_body = Fund,
    responses(
        (status = 202, description = "Accepted: it will happen", body = AcceptedDeposit),
        (status = 402, description = "Your treasury balance does not cover it; top up", body = CaasError),
        (status = 404, description = "No wallet is provisioned for this phone number", body = CaasError),
        CaasErrors, CaasPostErrors))]
pub async fn fund(caller: Tenant, State(app): State<App>, posted: Posted<Fund>) -> Result<Response> {
    let wish = posted.body.read(&app.tokens)?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = posted.once.replay(&mut tx, caller.mode).await? {
        return Ok(first);
    }
    let customer = Directory::new(app.blind_indexer.clone(), caller.mode).find(&mut tx, &wish.phone).await?;
    let customer = customer.ok_or_else(Directory::not_provisioned)?;
    let deposit = NewDeposit {
        tenant: caller.tenant,
        mode: caller.mode,
        id: Uuid::now_v7(),
        deposit_id: wish.deposit_id,
        customer: customer.id,
        wallet: customer.wallet,
        token: wish.token,
        amount: wish.amount,
        local_fiat_amount: wish.local_fiat_amount,
        // As precise as the database, so that this answer and later ones agree.
        created_at: app.clock.now().trunc_subsecs(6),
    };
    let wanted = std::slice::from_ref(&deposit);
    let decisions = match caller.mode {
        Mode::Live => Deposits::request(&mut tx, app.chain.treasury(), wanted).await?,
        Mode::Test => Deposits::simulate(&mut tx, app.chain.treasury(), wanted).await?,
    };
    for decision in decisions {
        refuse(&deposit, &decision)?;
    }
    let (status, message) = match deposit.mode {
        Mode::Live => (AcceptedAs::Queued, "Deposit queued for on-chain settlement"),
        Mode::Test => (AcceptedAs::SandboxSimulated, "Deposit simulated: a test key moves nothing"),
    };
    let answer =
        AcceptedDeposit { deposit_id: deposit.deposit_id.to_string(), status, message, created_at: deposit.created_at };
    posted.once.commit(tx, StatusCode::ACCEPTED, &answer).await
}

fn refuse(deposit: &NewDeposit, decision: &Decision) -> Result<()> {
    match decision {
        Decision::Accepted => Ok(()),
        Decision::Insufficient => Err(Error::payment_required(
            "insufficient_balance",
            format!(
                "the treasury balance of {} does not cover this deposit; top up via /v1/dashboard/treasury/topup",
                deposit.token.symbol
            ),
        )),
        Decision::Duplicate(status) => Err(Error::conflict(
            "duplicate_deposit",
            format!("a deposit of this deposit_id exists and is {}", status.as_str()),
        )
        .with("deposit_id", deposit.deposit_id.as_str())
        .with("status", status)),
    }
}
