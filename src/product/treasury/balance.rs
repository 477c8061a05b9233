//! `/v1/dashboard/treasury/tenant-balance`

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Dashboard;
use crate::foundation::{TenantId, Token};
use crate::http::openapi::{CaasError, CaasErrors};
use crate::http::{Error, Result};
use crate::ledger::{self, AccountKind, Balance};
use crate::product::App;

#[derive(Serialize, ToSchema)]
pub struct TenantBalance {
    /// What can be spent.
    #[schema(example = "9980.380000")]
    available_usdc: String,
    /// What deposits that are on their way have reserved.
    #[schema(example = "19.620000")]
    reserved_usdc: String,
    /// All that was ever topped up.
    #[schema(example = "10000.000000")]
    total_funded_usdc: String,
    /// The tenant.
    #[schema(value_type = String, example = "01981c5f-8e5a-7c3f-9d0e-1b2a3c4d5e6f")]
    mmo_id: TenantId,
    /// The same for every token.
    balances: Vec<BalanceOfToken>,
}

#[derive(Serialize, ToSchema)]
pub struct BalanceOfToken {
    #[schema(example = "USDC")]
    token: String,
    #[schema(example = "9980.380000")]
    available: String,
    #[schema(example = "19.620000")]
    reserved: String,
    #[schema(example = "10000.000000")]
    total_funded: String,
}

/// Your treasury balance.
#[utoipa::path(get, path = "/v1/dashboard/treasury/tenant-balance", tag = "Treasury", security(("bearer" = [])),
    responses(
        (status = 200, description = "The balance of each token", body = TenantBalance),
        (status = 403, description = "The token does not permit waas", body = CaasError),
        CaasErrors))]
pub async fn tenant_balance(caller: Dashboard, State(app): State<App>) -> Result<Json<TenantBalance>> {
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let found = ledger::balances(&mut tx, AccountKind::Treasury).await?;
    tx.commit().await?;
    let found: HashMap<String, Balance> = found.into_iter().collect();
    let of = |token: &Token| {
        let balance = found.get(&*token.symbol).copied().unwrap_or_default();
        BalanceOfToken {
            token: token.symbol.to_string(),
            available: token.format(balance.available()),
            reserved: token.format(balance.reserved()),
            total_funded: token.format(balance.posted_credits),
        }
    };
    let usdc = app.tokens.by_symbol("USDC").ok_or_else(|| Error::internal("USDC is not configured"))?;
    let usdc = of(usdc);
    Ok(Json(TenantBalance {
        available_usdc: usdc.available,
        reserved_usdc: usdc.reserved,
        total_funded_usdc: usdc.total_funded,
        mmo_id: caller.tenant,
        balances: app.tokens.iter().map(of).collect(),
    }))
}
