//! `/v1/users/withdraw`

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::SubsecRound;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::request::{Wish, Withdraw};
use super::withdrawal::{Known, NewWithdrawal, Recipient, Withdrawals};
use crate::auth::Tenant;
use crate::db::TenantTx;
use crate::foundation::Mode;
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Posted, Result};
use crate::product::App;
use crate::product::rules::{Movement, Operation};
use crate::product::users::{CustomerKeys, Directory, Holding};

#[derive(Serialize, ToSchema)]
pub struct AcceptedWithdrawal {
    #[schema(example = "wdrl_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    withdrawal_id: String,
    /// `PENDING`, or where the same request has brought it before; of a test key `SANDBOX_SIMULATED`.
    #[schema(example = "PENDING")]
    status: &'static str,
    #[schema(example = "Withdrawal initiated. USDC sweep submitted on-chain.")]
    message: String,
}

impl AcceptedWithdrawal {
    fn of(known: &Known, mode: Mode, token: &str) -> Self {
        let (status, message) = match mode {
            Mode::Live => (known.status.as_str(), format!("Withdrawal initiated. {token} sweep submitted on-chain.")),
            Mode::Test => ("SANDBOX_SIMULATED", "Withdrawal simulated: a test key moves nothing".to_owned()),
        };
        Self { withdrawal_id: known.public_id(), status, message }
    }
}

/// Takes tokens from a customer's wallet and pays local money for them to a mobile number.
///
/// The wallet must hold the tokens beside all that its other payments under way will take. The local money follows from
/// the rate of this moment and is paid once the treasury has the tokens for good.
/// `GET /v1/dashboard/withdrawals/{id}` tells how far the withdrawal is.
#[utoipa::path(post, path = "/v1/users/withdraw", operation_id = "withdraw", tag = "Users", security(("api_key" = [])),
    request_body = Withdraw,
    responses(
        (status = 202, description = "Accepted: it is on its way", body = AcceptedWithdrawal),
        (status = 403, description = "A rule of the customer's badge forbids it, or the customer is barred", body = CaasError),
        (status = 404, description = "No wallet is provisioned for this phone number", body = CaasError),
        (status = 502, description = "The chain's node refused to answer, or no exchange rate can be had", body = CaasError),
        CaasErrors, CaasPostErrors))]
pub async fn withdraw(caller: Tenant, State(app): State<App>, posted: Posted<Withdraw>) -> Result<Response> {
    let mode = caller.mode;
    let wish = posted.body.read(&app.tokens, app.payouts.networks())?;
    let directory = Directory::new(app.blind_indexer.clone(), mode);

    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = posted.once.replay(&mut tx, mode).await? {
        return Ok(first);
    }
    let digest = wish.digest(&directory.blind_index(&tx, &wish.phone), &directory.blind_index(&tx, &wish.mobile));
    if let Some(known) = repeated(&mut tx, mode, &wish, digest).await? {
        let answer = AcceptedWithdrawal::of(&known, mode, &wish.token.symbol);
        return posted.once.commit(tx, StatusCode::ACCEPTED, &answer).await;
    }
    let customer = directory.find(&mut tx, &wish.phone).await?.ok_or_else(Directory::not_provisioned)?;
    // No transaction is open while the chain and the source of rates are asked.
    tx.commit().await?;
    let (holding, payout) = tokio::try_join!(
        Holding::read(&app.chain, mode, &wish.token, customer.wallet),
        app.fx.now(mode, &wish.token, wish.amount, wish.currency),
    )?;

    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = posted.once.replay(&mut tx, mode).await? {
        return Ok(first);
    }
    let spender = directory.spender(&mut tx, &wish.phone).await?.filter(|spender| spender.customer.is(&customer));
    let spender = spender.ok_or_else(Directory::moved)?;
    // Whoever asked for the same meanwhile has committed: the customer is locked.
    if let Some(known) = repeated(&mut tx, mode, &wish, digest).await? {
        let answer = AcceptedWithdrawal::of(&known, mode, &wish.token.symbol);
        return posted.once.commit(tx, StatusCode::ACCEPTED, &answer).await;
    }
    spender.cover(&mut tx, holding, &wish.token, wish.amount).await?;
    let now = app.clock.now().trunc_subsecs(6);
    let operation = Operation {
        tenant: caller.tenant,
        customer: spender.customer.id,
        is_badged: spender.customer.is_badged,
        is_barred: spender.customer.is_barred,
        wallet: spender.customer.wallet,
        movement: Movement::Withdrawal,
        token: wish.token.clone(),
        amount: wish.amount,
    };
    let passed = app.rules.admit(&mut tx, now, &[operation]).await?;
    let id = Uuid::now_v7();
    let key = CustomerKeys::of(&mut tx, &app.keys, customer.id).await?;
    let context = Recipient::context(caller.tenant, id);
    let mobile =
        Recipient { sealed: key.seal(&context, wish.mobile.e164().as_bytes())?, hint: Recipient::hint(&wish.mobile) };
    let withdrawal = NewWithdrawal {
        tenant: caller.tenant,
        mode,
        id,
        customer: customer.id,
        wallet: spender.wallet,
        token: wish.token,
        amount: wish.amount,
        mobile,
        network: wish.network,
        country: wish.country,
        payout,
        idempotency_key: wish.idempotency_key,
        digest,
        // As precise as the database, so that this answer and later ones agree.
        created_at: now,
    };
    let accepted = Withdrawals::accept(&mut tx, app.chain.treasury(), &withdrawal, passed).await?;
    let answer = AcceptedWithdrawal::of(&accepted, mode, &withdrawal.token.symbol);
    posted.once.commit(tx, StatusCode::ACCEPTED, &answer).await
}

async fn repeated(tx: &mut TenantTx, mode: Mode, wish: &Wish, digest: [u8; 32]) -> Result<Option<Known>> {
    match &wish.idempotency_key {
        Some(key) => Withdrawals::repeated(tx, mode, key, digest).await,
        None => Ok(None),
    }
}
