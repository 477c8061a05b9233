//! `/auth/challenge`, `/auth/token`

use alloy::primitives::{Address, B256, Bytes};
use axum::Json;
use axum::extract::State;
use chrono::DurationRound;
use chrono::TimeDelta;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::challenge::{ChallengeMessage, LIFETIME, Nonce};
use super::{signature, store};
use crate::foundation::ChecksumAddress;
use crate::http::openapi::{WalletErrors, WalletPostErrors};
use crate::http::{ClientAddress, Error, Posted, Query, Result};
use crate::product::App;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WalletOf {
    /// The wallet's address.
    #[param(required, example = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8")]
    address: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Challenge {
    /// Good once.
    #[schema(example = "9ddd1cc30e2cb1339d466cc5f0babc95")]
    nonce: String,
    /// When it is too late, in milliseconds since 1970.
    #[schema(example = 1751891793773_i64)]
    expires_at: i64,
    message: ChallengeMessage,
}

#[derive(Deserialize, Validate, ToSchema)]
pub struct SignedChallenge {
    /// The wallet's address.
    #[schema(example = "0x9086F595C67a0aE52B859fD63CbB984b825B4587")]
    address: String,
    /// Of the challenge's message, hexadecimal: EIP-712, EIP-191, ERC-1271 or ERC-6492.
    #[validate(length(max = 32772))]
    signature: String,
    /// The challenge's.
    #[schema(example = "7f4799df3324fe746043dcfe74ead532")]
    nonce: String,
}

/// No `Debug`: the token is for the caller alone.
#[derive(Serialize, ToSchema)]
pub struct AccessToken {
    /// A JWT (RFC 7519).
    pub(super) access_token: String,
}

/// A challenge for whoever holds a wallet: to be signed within five minutes, once.
#[utoipa::path(get, path = "/auth/challenge", operation_id = "challenge", tag = "Sign-in", security(()),
    params(WalletOf),
    responses((status = 200, description = "The challenge", body = Challenge), WalletErrors))]
pub async fn challenge(
    State(app): State<App>,
    from: ClientAddress,
    Query(query): Query<WalletOf>,
) -> Result<Json<Challenge>> {
    app.sign_in_limits.challenge(from)?;
    let address = read_address(query.address.as_deref().unwrap_or_default())?;
    if !store::is_known(&app.db, address).await? {
        return Err(Error::bad_request("unknown_wallet", "Wallet user not found").of_type("Challenge"));
    }
    let nonce = Nonce::from(rand::random::<[u8; 16]>());
    let now = app.clock.now();
    // The message has milliseconds, and is made again from what is stored.
    let expires_at = (now + LIFETIME).duration_trunc(TimeDelta::milliseconds(1)).map_err(Error::internal)?;
    store::insert(&app.db, nonce, address, expires_at, now).await?;
    let message = app.sign_in.message(address, nonce, expires_at);
    Ok(Json(Challenge { nonce: hex::encode(nonce), expires_at: expires_at.timestamp_millis(), message }))
}

/// A token for whoever signed a challenge. Whatever comes of it, the challenge is used up.
#[utoipa::path(post, path = "/auth/token", operation_id = "token", tag = "Sign-in", security(()),
    request_body = SignedChallenge,
    responses(
        (status = 200, description = "The token, good for five minutes", body = AccessToken),
        WalletErrors, WalletPostErrors))]
pub async fn token(
    State(app): State<App>,
    from: ClientAddress,
    posted: Posted<SignedChallenge>,
) -> Result<Json<AccessToken>> {
    let address = read_address(&posted.body.address)?;
    let signature: Bytes = posted.body.signature.parse().map_err(|_| failed())?;
    let nonce: Nonce = posted.body.nonce.parse().map_err(|_| no_match())?;
    let now = app.clock.now();
    let expires_at = store::use_up(&app.db, nonce, address, now).await?.ok_or_else(no_match)?;
    if now >= expires_at {
        return Err(Error::unauthorized("challenge_expired", "Challenge expired").of_type("Challenge"));
    }
    let digests = app.sign_in.digests(address, &app.sign_in.message(address, nonce, expires_at))?;
    if !signature::recovers(address, &digests, &signature)
        && !account_says_so(&app, from, address, &digests, &signature).await?
    {
        return Err(Error::unauthorized("invalid_signature", "Invalid signature").of_type("Access Denied"));
    }
    let token = app.auth.jwt().issue_wallet(address, now).map_err(|refused| failed().because(refused))?;
    Ok(Json(AccessToken { access_token: token.expose_secret().to_owned() }))
}

/// A contract account's word, for which the chain is asked.
async fn account_says_so(
    app: &App,
    from: ClientAddress,
    address: Address,
    digests: &[B256],
    signature: &Bytes,
) -> Result<bool> {
    let _turn = app.sign_in_limits.question(from).await?;
    let said = signature::is_of_contract(app.chain.rpc(), address, digests, signature).await;
    said.map_err(|error| Error::bad_gateway("chain_unavailable", "the chain cannot be asked", error))
}

fn read_address(text: &str) -> Result<Address> {
    let address = ChecksumAddress::parse(text).map(|ChecksumAddress(address)| address);
    address.map_err(|_| {
        Error::bad_request("invalid_address", "Account address must be a valid Ethereum address")
            .of_type("DataValidation")
    })
}

fn failed() -> Error {
    Error::bad_request("no_token", "Failed to generate access-token!").of_type("Challenge")
}

fn no_match() -> Error {
    Error::unauthorized("no_such_challenge", "Expired or nonce doesn't match").of_type("Challenge")
}
