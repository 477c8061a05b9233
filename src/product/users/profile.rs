//! `/v1/dashboard/users/{blind_index}`

use alloy::primitives::Address;
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use futures_util::future::try_join_all;
use serde::Serialize;
use utoipa::ToSchema;

use super::history::{self, Movement};
use super::listing::{User, unknown};
use super::{balance, records};
use crate::auth::Dashboard;
use crate::chain::{self, indexer::indexed_balance};
use crate::db::TenantTx;
use crate::foundation::{Amount, Mode, Token};
use crate::http::openapi::{CaasError, CaasErrors};
use crate::http::{Error, Path, Result};
use crate::product::App;

/// How many movements and changes of the number are told.
const NEWEST: i64 = 50;

#[derive(Serialize, ToSchema)]
pub struct UserProfile {
    #[serde(flatten)]
    user: User,
    /// What the wallet holds of each token on the chain; for a test customer on the simulated chain.
    balances: Vec<Held>,
    /// The 50 newest movements of all kinds, newest first.
    history: Vec<Movement>,
    /// When the customer moved to another phone number: the 50 newest, newest first.
    phone_changes: Vec<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = HeldToken)]
pub struct Held {
    #[schema(example = "USDC")]
    token: String,
    #[schema(example = "12.500000")]
    balance: String,
}

/// A customer: wallet, balances and history.
#[utoipa::path(get, path = "/v1/dashboard/users/{blind_index}", operation_id = "show_user", tag = "Users", security(("bearer" = [])),
    params(("blind_index" = String, Path, description = "The customer, as `/v1/users/provision` named them")),
    responses(
        (status = 200, description = "The customer", body = UserProfile),
        (status = 403, description = "The token does not permit waas", body = CaasError),
        (status = 404, description = "There is no such customer", body = CaasError),
        (status = 502, description = "The chain's node refused to answer", body = CaasError),
        CaasErrors))]
pub async fn show(
    caller: Dashboard,
    State(app): State<App>,
    Path(blind_index): Path<String>,
) -> Result<Json<UserProfile>> {
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let row = records::of_blind_index(&mut tx, &blind_index).await?.ok_or_else(unknown)?;
    let wallet = Address::try_from(row.wallet.as_slice()).map_err(Error::internal)?;
    let movements = history::newest(&mut tx, row.id, NEWEST).await?;
    let phone_changes = records::phone_changes(&mut tx, row.id, NEWEST).await?;
    let user = User::of(row)?;
    let known = match user.mode() {
        Mode::Test => on_simulated_chain(&app, &mut tx, wallet).await?,
        Mode::Live => indexed(&app, &mut tx, wallet).await?,
    };
    // No transaction is open while the chain is asked.
    tx.commit().await?;
    let amounts = on_chain(&app, wallet, known).await?;
    let held =
        |(token, amount): (&Token, Amount)| Held { token: token.symbol.to_string(), balance: token.format(amount) };
    Ok(Json(UserProfile {
        user,
        balances: app.tokens.iter().zip(amounts).map(held).collect(),
        history: movements.into_iter().map(|row| Movement::of(&app.tokens, row)).collect::<Result<_>>()?,
        phone_changes,
    }))
}

/// Of every token, in order: what is known, or else what the chain says; all asked for at once.
async fn on_chain(app: &App, wallet: Address, known: Vec<Option<Amount>>) -> Result<Vec<Amount>> {
    let held = app.tokens.iter().zip(known).map(|(token, known)| async move {
        match known {
            Some(amount) => Ok(amount),
            None => app.chain.token_balance(token.contract, wallet).await,
        }
    });
    try_join_all(held).await.map_err(balance::unanswered)
}

/// Of every token, in order, as far as the indexer knows.
async fn indexed(app: &App, tx: &mut TenantTx, wallet: Address) -> Result<Vec<Option<Amount>>> {
    let chain_id = app.chain.settings().chain_id;
    let mut amounts = Vec::new();
    for token in app.tokens.iter() {
        amounts.push(indexed_balance(tx, chain_id, token.contract, wallet).await?);
    }
    Ok(amounts)
}

async fn on_simulated_chain(app: &App, tx: &mut TenantTx, wallet: Address) -> Result<Vec<Option<Amount>>> {
    let mut amounts = Vec::new();
    for token in app.tokens.iter() {
        amounts.push(Some(chain::simulated_balance(tx, token.contract, wallet).await?));
    }
    Ok(amounts)
}
