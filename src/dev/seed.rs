//! Two tenants, made through the code that production uses.

use std::time::Duration;

use alloy::primitives::U256;
use anyhow::{Context, Result};
use secrecy::ExposeSecret;

use super::contracts;
use super::credentials::TenantCredentials;
use super::keys::DevelopmentKeys;
use crate::db::TenantTx;
use crate::foundation::{Mode, TenantId};
use crate::product::App;
use crate::product::api_keys::ApiKeys;
use crate::product::ops::Tenants;
use crate::product::treasury::{NewTopup, Topups};

/// How long a dashboard token of a development server is good for; each start makes new ones.
pub(super) const TOKEN_TTL: Duration = Duration::from_secs(30 * 24 * 3600);

const TENANTS: [(&str, &str); 2] = [("acme.ul", "Acme Mobile Money"), ("globex.ul", "Globex Pay")];

/// What the treasury, and the key for trying things out, hold on chain: whole tokens.
const TREASURY_TOKENS: u64 = 1_000_000;
const TRIAL_TOKENS: u64 = 10_000;

/// Native coin for the lane and for the account that fills it, in whole coins.
const LANE_COINS: u64 = 100;
const FUNDING_COINS: u64 = 10_000;

/// Gives the treasury tokens and the lane and its funding account native coin, when they have none.
pub async fn chain(app: &App, keys: &DevelopmentKeys, rpc_url: &str) -> Result<()> {
    let ten = U256::from(10);
    let coin = ten.pow(U256::from(18));
    for (account, coins) in [(keys.lane()?, LANE_COINS), (keys.funding()?, FUNDING_COINS)] {
        contracts::give_native(rpc_url, account, U256::from(coins) * coin).await?;
    }
    for token in app.tokens.iter() {
        let unit = ten.pow(U256::from(token.decimals));
        for (holder, amount) in [(keys.treasury()?, TREASURY_TOKENS), (contracts::FUNDED_ADDRESS, TRIAL_TOKENS)] {
            if app.chain.rpc().token_balance(token.contract, holder).await?.is_zero() {
                contracts::mint(rpc_url, token.contract, holder, U256::from(amount) * unit).await?;
            }
        }
    }
    Ok(())
}

/// The two tenants: those of an earlier start with new dashboard tokens, or new ones.
pub async fn tenants(app: &App, earlier: Option<Vec<TenantCredentials>>) -> Result<Vec<TenantCredentials>> {
    let mut tenants = match earlier {
        Some(tenants) => tenants,
        None => {
            let mut made = Vec::new();
            for (index, (namespace, name)) in TENANTS.into_iter().enumerate() {
                made.push(tenant(app, namespace, name, index == 0).await?);
            }
            made
        }
    };
    for tenant in &mut tenants {
        tenant.dashboard_token = dashboard_token(app, tenant.id)?;
    }
    Ok(tenants)
}

async fn tenant(app: &App, namespace: &str, name: &str, funded: bool) -> Result<TenantCredentials> {
    let now = app.clock.now();
    // A start that was cut short leaves a tenant whose keys nobody knows: it gets new ones.
    let tenant = match Tenants::by_namespace(&app.db, namespace).await? {
        Some(tenant) => tenant,
        None => Tenants::create(&app.db, &app.keys, namespace, name, now).await?,
    };
    let mut tx = app.db.tenant(tenant.id).begin().await?;
    let live_key = key(&mut tx, app, Mode::Live).await?;
    let test_key = key(&mut tx, app, Mode::Test).await?;
    tx.commit().await?;
    if funded {
        for token in app.tokens.iter() {
            top_up(app, tenant.id, &token.symbol).await?;
        }
    }
    let namespace = tenant.namespace;
    Ok(TenantCredentials { id: tenant.id, namespace, live_key, test_key, dashboard_token: String::new() })
}

async fn key(tx: &mut TenantTx, app: &App, mode: Mode) -> Result<String> {
    let name = format!("development {}", app.clock.now().format("%Y-%m-%d %H:%M:%S%.3f"));
    let (_, secret) = ApiKeys::issue(tx, name, mode, app.clock.now()).await?;
    Ok(secret.expose_secret().to_owned())
}

/// 10,000 tokens by the top-up that a tenant reports and an operator confirms.
async fn top_up(app: &App, tenant: TenantId, symbol: &str) -> Result<()> {
    let new = NewTopup {
        amount: "10000".to_owned(),
        token: symbol.to_owned(),
        reference: format!("development-{symbol}"),
        note: Some("the development server's first balance".to_owned()),
    };
    Topups::seed(app, tenant, &new, "operator").await.context("the first top-up")?;
    Ok(())
}

fn dashboard_token(app: &App, tenant: TenantId) -> Result<String> {
    let permissions = ["waas", "waas:super_admin"];
    let token = app.auth.jwt().issue_dashboard(tenant, "development", &permissions, TOKEN_TTL, app.clock.now())?;
    Ok(token.expose_secret().to_owned())
}
