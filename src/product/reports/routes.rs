//! `/v1/dashboard/metrics`

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::period::Period;
use super::store;
use super::summary::{DEPOSIT, DayVolume, KindFigures, TRANSFER, WITHDRAWAL, volume};
use crate::auth::Dashboard;
use crate::db::TenantTx;
use crate::foundation::{Amount, Mode, Tokens};
use crate::http::openapi::{CaasError, CaasErrors};
use crate::http::{Error, Query, Result};
use crate::ledger::{self, AccountKind, Balance};
use crate::product::App;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// `live` when absent.
    mode: Option<Mode>,
    /// How many days in UTC, today included: 1 to 90 (30 when absent).
    days: Option<u16>,
}

#[derive(Serialize, ToSchema)]
pub struct Metrics {
    mode: Mode,
    /// When the period began: midnight in UTC.
    from: DateTime<Utc>,
    /// When it will be over: next midnight in UTC.
    to: DateTime<Utc>,
    customers: CustomerFigures,
    /// Every day with every token, oldest first.
    volume: Vec<DayVolume>,
    deposits: KindFigures,
    transfers: KindFigures,
    withdrawals: KindFigures,
    /// What there is at this moment; all zero for test keys, which have no money.
    treasury: Vec<TreasuryFigures>,
}

#[derive(Serialize, ToSchema)]
pub struct CustomerFigures {
    /// All there are.
    total: i64,
    /// Those made in the period.
    new: i64,
}

#[derive(Serialize, ToSchema)]
pub struct TreasuryFigures {
    #[schema(example = "USDC")]
    token: String,
    /// What can be spent.
    #[schema(example = "9980.380000")]
    available: String,
    /// What deposits that are on their way have reserved.
    #[schema(example = "19.620000")]
    reserved: String,
    /// What customers have sent back and have neither got local money for nor got back yet.
    #[schema(example = "20.000000")]
    owed_for_payouts: String,
}

/// How much moved, how well and how fast, day by day.
#[utoipa::path(get, path = "/v1/dashboard/metrics", operation_id = "read_metrics", tag = "Reports", security(("bearer" = [])),
    params(Wanted),
    responses(
        (status = 200, description = "The figures", body = Metrics),
        (status = 403, description = "The token does not permit waas", body = CaasError),
        CaasErrors))]
pub async fn metrics(
    caller: Dashboard,
    State(app): State<App>,
    Query(Wanted { mode, days }): Query<Wanted>,
) -> Result<Json<Metrics>> {
    let mode = mode.unwrap_or_default();
    let days = Some(days.unwrap_or(30)).filter(|days| (1..=90).contains(days));
    let days = days.ok_or_else(|| Error::invalid_field("days", "must be from 1 to 90"))?;
    let period = Period::ending(app.clock.now(), days);

    let mut tx = app.db.tenant(caller.tenant).snapshot().await?;
    let customers = store::customers(&mut tx, mode, period).await?;
    let ended = store::ended(&mut tx, mode, period).await?;
    let standing = store::standing(&mut tx, mode, period).await?;
    let durations = store::durations(&mut tx, mode, period).await?;
    let treasury = treasury(&app.tokens, &mut tx, mode).await?;
    tx.commit().await?;

    let figures = |kind| KindFigures::of(kind, &ended, &standing, &durations);
    Ok(Json(Metrics {
        mode,
        from: period.start(),
        to: period.end(),
        customers: CustomerFigures { total: customers.total, new: customers.new },
        volume: volume(&app.tokens, period, &ended)?,
        deposits: figures(DEPOSIT),
        transfers: figures(TRANSFER),
        withdrawals: figures(WITHDRAWAL),
        treasury,
    }))
}

async fn treasury(tokens: &Tokens, tx: &mut TenantTx, mode: Mode) -> Result<Vec<TreasuryFigures>> {
    let (treasury, payouts) = match mode {
        Mode::Live => {
            let treasury = ledger::balances(tx, AccountKind::Treasury).await?;
            let payouts = ledger::balances(tx, AccountKind::Payouts).await?;
            (treasury.into_iter().collect(), payouts.into_iter().collect())
        }
        Mode::Test => (HashMap::new(), HashMap::new()),
    };
    let of = |accounts: &HashMap<String, Balance>, symbol: &str| accounts.get(symbol).copied().unwrap_or_default();
    let figures = tokens.iter().map(|token| {
        let (spendable, payouts) = (of(&treasury, &token.symbol), of(&payouts, &token.symbol));
        // A refund that is on its way is reserved, and owed until it has arrived.
        let owed = payouts.posted_credits.checked_sub(payouts.posted_debits).unwrap_or(Amount::ZERO);
        TreasuryFigures {
            token: token.symbol.to_string(),
            available: token.format(spendable.available()),
            reserved: token.format(spendable.reserved()),
            owed_for_payouts: token.format(owed),
        }
    });
    Ok(figures.collect())
}
