//! `/v1/fx/quote`

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::currency::{FiatAmount, LocalCurrency};
use super::quotes::Quote;
use super::store;
use crate::auth::Tenant;
use crate::foundation::Token;
use crate::http::openapi::{CaasError, CaasErrors, CaasPostErrors};
use crate::http::{Error, Posted, Result};
use crate::product::App;

#[derive(Deserialize, Validate, ToSchema)]
pub struct WantedQuote {
    /// The currency that the customer pays with, ISO 4217.
    #[schema(example = "XOF")]
    local_currency: String,
    /// How much the customer pays: a plain decimal with at most the currency's minor digits (XOF has none; zeros there
    /// are accepted).
    #[schema(example = "11000")]
    fiat_amount: String,
    /// `USDC` when absent.
    #[schema(example = "USDC")]
    target_token: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct FxQuote {
    #[schema(example = "fx_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    quote_id: String,
    #[schema(example = "XOF_USDC")]
    currency_pair: String,
    /// What the customer pays, with the currency's minor digits.
    #[schema(example = "11000")]
    fiat_amount: String,
    /// Local units for one token, our spread included, rounded up to 8 fraction digits.
    #[schema(example = "563.30250000")]
    rate: String,
    /// What the customer gets: `fiat_amount` divided by `rate`, rounded down to the token's last digit.
    #[schema(example = "19.527696")]
    expected_out: String,
    #[schema(example = "USDC")]
    target_token: String,
    /// Until when it may be used, once.
    expires_at: DateTime<Utc>,
}

impl FxQuote {
    fn of(quote: &Quote, token: &Token) -> Self {
        Self {
            quote_id: quote.public_id(),
            currency_pair: format!("{}_{}", quote.currency.code(), quote.token),
            fiat_amount: quote.fiat_amount.to_string(),
            rate: quote.rate.to_string(),
            expected_out: token.format(quote.amount),
            target_token: quote.token.clone(),
            expires_at: quote.expires_at,
        }
    }
}

/// Says what local money buys, and holds the rate for 60 seconds.
///
/// The quote is yours alone and may be used once. Rounding is in the house's favour: the rate is rounded up, the amount
/// of tokens down. A test key's quotes come from a fixed table.
#[utoipa::path(post, path = "/v1/fx/quote", operation_id = "quote_fx", tag = "FX", security(("api_key" = [])),
    request_body = WantedQuote,
    responses(
        (status = 200, description = "The quote", body = FxQuote),
        (status = 502, description = "`fx_unavailable`: there is no fresh exchange rate", body = CaasError),
        CaasErrors, CaasPostErrors))]
pub async fn quote(caller: Tenant, State(app): State<App>, posted: Posted<WantedQuote>) -> Result<Response> {
    let wanted = &posted.body;
    let currency: LocalCurrency =
        wanted.local_currency.parse().map_err(|why| Error::invalid_field("local_currency", why))?;
    let fiat = FiatAmount::parse(&wanted.fiat_amount, currency);
    let fiat = fiat.map_err(|why| Error::invalid_field("fiat_amount", why))?;
    let token = app.tokens.by_symbol(wanted.target_token.as_deref().unwrap_or("USDC"));
    let token = token.ok_or_else(|| Error::invalid_field("target_token", "is not a token of this server"))?;

    // Asked before the transaction, in which nobody waits for a stranger; a failure counts only after it turned out that
    // this request has not been answered before.
    let offer = app.fx.offer(caller.mode, currency, fiat, token).await;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    if let Some(first) = posted.once.replay(&mut tx, caller.mode).await? {
        return Ok(first);
    }
    let quote = store::insert(&mut tx, caller.mode, offer?).await?;
    posted.once.commit(tx, StatusCode::OK, &FxQuote::of(&quote, token)).await
}
