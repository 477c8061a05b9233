//! `/v1/users/provision`, `/v1/users/balance`

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::provisioning::Ask;
use super::{Customer, Directory, balance};
use crate::auth::Tenant;
use crate::foundation::{BlindIndex, Phone};
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Error, Posted, Query, Result};
use crate::product::App;

#[derive(Deserialize, Validate, ToSchema)]
pub struct Provision {
    /// The customer's phone number, E.164.
    #[schema(example = "+2250700000001")]
    phone_number: String,
}

#[derive(Serialize, ToSchema)]
pub struct ProvisionedWallet {
    /// The customer's smart wallet.
    #[schema(example = "0xA1b2C3d4E5F60718293a4B5c6D7e8F9001122334")]
    wallet_address: String,
    /// An opaque reference to this customer.
    #[schema(example = "3f8a1c0d2b4e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8")]
    blind_index: String,
    status: ProvisionStatus,
    /// When the wallet was made.
    created_at: DateTime<Utc>,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProvisionStatus {
    /// The wallet is new.
    Created,
    /// The phone number had this wallet already.
    AlreadyExists,
}

impl ProvisionedWallet {
    pub(super) fn of(customer: &Customer, blind_index: &BlindIndex, status: ProvisionStatus) -> Self {
        Self {
            wallet_address: customer.wallet.to_checksum(None),
            blind_index: blind_index.to_string(),
            status,
            created_at: customer.created_at,
        }
    }
}

/// Makes a wallet for a phone number, or finds the one it has. Nothing happens on chain.
#[utoipa::path(post, path = "/v1/users/provision", operation_id = "provision_user", tag = "Users", security(("api_key" = [])),
    request_body = Provision,
    responses(
        (status = 200, description = "The wallet, new or known", body = ProvisionedWallet),
        CaasErrors, CaasPostErrors))]
pub async fn provision(caller: Tenant, State(app): State<App>, posted: Posted<Provision>) -> Result<Response> {
    let phone = read_phone("phone_number", &posted.body.phone_number)?;
    let index = Directory::new(app.blind_indexer.clone(), caller.mode).index_of(caller.tenant, &phone);
    app.provisions.submit(Ask { tenant: caller.tenant, mode: caller.mode, phone, index, once: posted.once }).await?
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BalanceOf {
    /// The customer's phone number, E.164; `+` is written `%2B`.
    #[param(required, example = "+2250700000001")]
    phone_number: Option<String>,
    /// Which token's balance; `USDC` when absent.
    #[param(example = "USDC")]
    token: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct WalletBalance {
    /// The customer's smart wallet.
    #[schema(example = "0xA1b2C3d4E5F60718293a4B5c6D7e8F9001122334")]
    wallet_address: String,
    /// With all fraction digits; absent when another token was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "12.500000")]
    balance_usdc: Option<String>,
    /// `balance_usdt` and the like, when that token was asked for.
    #[serde(flatten)]
    balance_of_other: BTreeMap<String, String>,
}

/// What a customer's wallet holds, read from the chain at this moment.
#[utoipa::path(get, path = "/v1/users/balance", operation_id = "read_balance", tag = "Users", security(("api_key" = [])),
    params(BalanceOf),
    responses(
        (status = 200, description = "The balance", body = WalletBalance),
        (status = 404, description = "No wallet is provisioned for this phone number", body = CaasError),
        (status = 502, description = "The chain's node refused to answer", body = CaasError),
        CaasErrors))]
pub async fn balance(
    caller: Tenant,
    State(app): State<App>,
    Query(query): Query<BalanceOf>,
) -> Result<Json<WalletBalance>> {
    let phone = query.phone_number.filter(|text| !text.is_empty());
    let phone =
        phone.ok_or_else(|| Error::bad_request("missing_phone_number", "the parameter phone_number is required"))?;
    let phone = read_phone("phone_number", &phone)?;
    let symbol = query.token.as_deref().unwrap_or("USDC");
    let token = app.tokens.by_symbol(symbol);
    let token = token.ok_or_else(|| Error::invalid_field("token", "is not a token of this server"))?;

    let (customer, amount) = balance::read(&app, &caller, &phone, token).await?;
    let amount = token.format(amount);
    let (balance_usdc, balance_of_other) = match symbol {
        "USDC" => (Some(amount), BTreeMap::new()),
        _ => (None, BTreeMap::from([(format!("balance_{}", symbol.to_ascii_lowercase()), amount)])),
    };
    Ok(Json(WalletBalance { wallet_address: customer.wallet.to_checksum(None), balance_usdc, balance_of_other }))
}

pub(super) fn read_phone(field: &str, text: &str) -> Result<Phone> {
    Phone::parse(text).map_err(|why| Error::bad_request("invalid_phone", format!("{field} {why}")))
}
