//! `/v1/transfers/send`

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, SubsecRound, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::request::{SendTransfer, What, Wish};
use super::transfer::{Known, NewTransfer, Transfers};
use crate::auth::Tenant;
use crate::db::TenantTx;
use crate::foundation::{Amount, Mode, Token};
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Error, Posted, Result};
use crate::product::App;
use crate::product::fx::{Quotes, Taking};
use crate::product::rules::{Movement, Operation, Rules};
use crate::product::users::{Customer, Directory, Holding};

#[derive(Serialize, ToSchema)]
pub struct AcceptedTransfer {
    #[schema(example = "txn_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    transfer_id: String,
    /// `QUEUED`, or where the same request has brought it before; of a test key `SANDBOX_SIMULATED`.
    #[schema(example = "QUEUED")]
    status: &'static str,
    #[schema(example = "Transfer queued for on-chain settlement")]
    message: &'static str,
    created_at: DateTime<Utc>,
}

impl AcceptedTransfer {
    fn of(known: &Known, mode: Mode) -> Self {
        let (status, message) = match mode {
            Mode::Live => (known.status.as_str(), "Transfer queued for on-chain settlement"),
            Mode::Test => ("SANDBOX_SIMULATED", "Transfer simulated: a test key moves nothing"),
        };
        Self { transfer_id: known.public_id(), status, message, created_at: known.created_at }
    }
}

/// Sends tokens from one of your customers to another.
///
/// The wallet must hold them beside all that its other payments under way will take. A quote is used once;
/// `DIRECT_CRYPTO:USDC:10.50` needs none. `GET /v1/dashboard/transfers/{id}` tells how far the transfer is.
#[utoipa::path(post, path = "/v1/transfers/send", operation_id = "send_transfer", tag = "Transfers", security(("api_key" = [])),
    request_body = SendTransfer,
    responses(
        (status = 202, description = "Accepted: it is on its way", body = AcceptedTransfer),
        (status = 403, description = "A rule of the sender's or the recipient's badge forbids it, or one of them is barred",
            body = CaasError),
        (status = 404, description = "One of the phone numbers, which the message names, has no wallet", body = CaasError),
        (status = 502, description = "The chain's node refused to answer", body = CaasError),
        CaasErrors, CaasPostErrors))]
pub async fn send(caller: Tenant, State(app): State<App>, posted: Posted<SendTransfer>) -> Result<Response> {
    let Posted { body, once } = posted;
    let wish = body.read(&app.tokens)?;
    let directory = Directory::new(app.blind_indexer.clone(), caller.mode);

    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = once.replay(&mut tx, caller.mode).await? {
        return Ok(first);
    }
    let digest = wish.digest(&directory.blind_index(&tx, &wish.sender), &directory.blind_index(&tx, &wish.recipient));
    if let Some(known) = repeated(&mut tx, caller.mode, &wish, digest).await? {
        return once.commit(tx, StatusCode::ACCEPTED, &AcceptedTransfer::of(&known, caller.mode)).await;
    }
    let sender = known(&directory, &mut tx, "sender_phone", &wish).await?;
    let recipient = known(&directory, &mut tx, "recipient_phone", &wish).await?;
    let token = token_of(&app, &mut tx, caller.mode, &wish.what).await?;
    // No transaction is open while the chain is asked.
    tx.commit().await?;
    let holding = Holding::read(&app.chain, caller.mode, &token, sender.wallet).await?;

    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = once.replay(&mut tx, caller.mode).await? {
        return Ok(first);
    }
    if recipient.is_badged {
        Rules::hold(&mut tx, &[sender.id, recipient.id]).await?;
    }
    let spender = directory.spender(&mut tx, &wish.sender).await?.filter(|spender| spender.customer.is(&sender));
    let spender = spender.ok_or_else(Directory::moved)?;
    // Both may have been waited for.
    let found = directory
        .find(&mut tx, &wish.recipient)
        .await?
        .filter(|found| found.is(&recipient) && found.is_badged == recipient.is_badged);
    let recipient = found.ok_or_else(Directory::moved)?;
    // Whoever asked for the same meanwhile has committed: the sender is locked.
    if let Some(known) = repeated(&mut tx, caller.mode, &wish, digest).await? {
        return once.commit(tx, StatusCode::ACCEPTED, &AcceptedTransfer::of(&known, caller.mode)).await;
    }
    let (quote, amount) = take(&mut tx, caller.mode, &wish.what).await?;
    spender.cover(&mut tx, holding, &token, amount).await?;
    let now = app.clock.now().trunc_subsecs(6);
    let movement = |customer: &Customer, movement| Operation {
        tenant: caller.tenant,
        customer: customer.id,
        is_badged: customer.is_badged,
        is_barred: customer.is_barred,
        wallet: customer.wallet,
        movement,
        token: token.clone(),
        amount,
    };
    let both = [movement(&spender.customer, Movement::TransferOut), movement(&recipient, Movement::TransferIn)];
    let passed = app.rules.admit(&mut tx, now, &both).await?;
    let transfer = NewTransfer {
        tenant: caller.tenant,
        mode: caller.mode,
        id: Uuid::now_v7(),
        sender: (spender.customer.id, spender.wallet),
        recipient: (recipient.id, recipient.wallet),
        token,
        amount,
        quote,
        idempotency_key: wish.idempotency_key,
        digest,
        // As precise as the database, so that this answer and later ones agree.
        created_at: now,
    };
    let accepted = Transfers::accept(&mut tx, &transfer, passed).await?;
    once.commit(tx, StatusCode::ACCEPTED, &AcceptedTransfer::of(&accepted, caller.mode)).await
}

async fn repeated(tx: &mut TenantTx, mode: Mode, wish: &Wish, digest: [u8; 32]) -> Result<Option<Known>> {
    match &wish.idempotency_key {
        Some(key) => Transfers::repeated(tx, mode, key, digest).await,
        None => Ok(None),
    }
}

/// The customer of a field's phone number; 404 that names the field.
async fn known(directory: &Directory, tx: &mut TenantTx, field: &'static str, wish: &Wish) -> Result<Customer> {
    let (phone, code) = match field {
        "sender_phone" => (&wish.sender, "sender_not_provisioned"),
        _ => (&wish.recipient, "recipient_not_provisioned"),
    };
    let customer = directory.find(tx, phone).await?;
    customer.ok_or_else(|| Error::not_found(code, format!("no wallet is provisioned for {field}")))
}

/// The token that is to be sent; 400 when a quote is none, or of a token that is not dealt in any more.
async fn token_of(app: &App, tx: &mut TenantTx, mode: Mode, what: &What) -> Result<Token> {
    match what {
        What::Direct(token, _) => Ok(token.clone()),
        What::Quoted(id) => {
            let quote = Quotes::look(tx, mode, id).await?.ok_or_else(no_quote)?;
            app.tokens.by_symbol(&quote.token).cloned().ok_or_else(no_quote)
        }
    }
}

/// Takes the quote, if there is one; 409 when it cannot be taken.
async fn take(tx: &mut TenantTx, mode: Mode, what: &What) -> Result<(Option<Uuid>, Amount)> {
    let id = match what {
        What::Direct(_, amount) => return Ok((None, *amount)),
        What::Quoted(id) => id,
    };
    match Quotes::take(tx, mode, id).await? {
        Taking::Taken(quote) => Ok((Some(quote.id), quote.amount)),
        Taking::Expired => Err(Error::conflict("quote_expired", "the quote has expired; ask for another")),
        Taking::Used => Err(Error::conflict("quote_used", "the quote was used for another transfer")),
        Taking::Unknown => Err(no_quote()),
    }
}

#[track_caller]
fn no_quote() -> Error {
    Error::invalid_field("quote_id", "names no quote of yours")
}
