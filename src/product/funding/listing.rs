//! `/v1/dashboard/deposits`

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::deposit::Status;
use super::store::{self, Filter, Row};
use crate::auth::Dashboard;
use crate::db::{Cursor, Page, PageRequest};
use crate::foundation::{Mode, TenantId, Tokens};
use crate::http::csv::{self, Column, Table};
use crate::http::openapi::{CaasError, CaasErrors};
use crate::http::{self, Error, Format, Listing, Path, Query, Result, moment};
use crate::product::{App, shown};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Only deposits that stand there.
    status: Option<Status>,
    /// Only deposits made at this time or later (RFC 3339).
    #[serde(default, deserialize_with = "moment")]
    from: Option<DateTime<Utc>>,
    /// Only deposits made before this time (RFC 3339).
    #[serde(default, deserialize_with = "moment")]
    to: Option<DateTime<Utc>>,
    /// Only deposits to this wallet.
    wallet_address: Option<String>,
    /// `live` when absent.
    mode: Option<Mode>,
    /// At most this many, 1 to 100 (20 when absent).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OfMode {
    /// `live` when absent.
    mode: Option<Mode>,
}

#[derive(Serialize, ToSchema)]
pub struct Deposit {
    #[schema(example = "dep_001_20240601")]
    deposit_id: String,
    status: Status,
    #[schema(example = "USDC")]
    target_token: String,
    /// What the wallet receives.
    #[schema(example = "19.620000")]
    stablecoin_amount: String,
    /// What the customer paid in local money.
    #[schema(example = "11000.00")]
    local_fiat_amount: String,
    /// The wallet that receives.
    wallet_address: String,
    /// The customer, as `/v1/users/provision` named them.
    blind_index: String,
    /// The transaction that carried it.
    tx_hash: Option<String>,
    /// The block of that transaction.
    block_number: Option<i64>,
    /// Why it failed.
    failure_reason: Option<String>,
    created_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
pub struct DepositWithHistory {
    #[serde(flatten)]
    deposit: Deposit,
    /// Where it stood, and since when; oldest first.
    history: Vec<DepositStep>,
}

#[derive(Serialize, ToSchema)]
pub struct DepositStep {
    status: Status,
    at: DateTime<Utc>,
}

/// A tenant's deposits that pass a filter.
struct Deposits {
    app: App,
    tenant: TenantId,
    filter: Filter,
}

impl Listing for Deposits {
    type Item = Deposit;

    async fn page(&self, after: Option<Cursor>, limit: i64) -> Result<Page<Deposit>> {
        let mut tx = self.app.db.tenant(self.tenant).begin().await?;
        let rows = store::list(&mut tx, &self.filter, after.map(|cursor| cursor.0), limit).await?;
        tx.commit().await?;
        Page::of(rows, limit, |row| row.id).try_map(|row| describe(&self.app.tokens, row))
    }
}

impl Table for Deposits {
    const NAME: &'static str = "deposits";
    const COLUMNS: &'static [Column<Deposit>] = &[
        ("deposit_id", |row| (&*row.deposit_id).into()),
        ("status", |row| row.status.as_str().into()),
        ("target_token", |row| (&*row.target_token).into()),
        ("stablecoin_amount", |row| (&*row.stablecoin_amount).into()),
        ("local_fiat_amount", |row| (&*row.local_fiat_amount).into()),
        ("wallet_address", |row| (&*row.wallet_address).into()),
        ("blind_index", |row| (&*row.blind_index).into()),
        ("tx_hash", |row| csv::text(&row.tx_hash)),
        ("block_number", |row| csv::number(row.block_number)),
        ("failure_reason", |row| csv::text(&row.failure_reason)),
        ("created_at", |row| csv::time(row.created_at)),
    ];
}

/// Lists deposits, newest first.
///
/// As `text/csv` all that pass the filters are sent, without `limit` and `cursor`; a download that breaks off is not
/// complete.
#[utoipa::path(get, path = "/v1/dashboard/deposits", operation_id = "list_deposits", tag = "Deposits", security(("bearer" = [])),
    params(Wanted),
    responses(
        (status = 200, description = "A page of deposits, or all of them", content((Page<Deposit> = "application/json"), (String = "text/csv"))),
        (status = 403, description = "The token does not permit waas", body = CaasError),
        CaasErrors))]
pub async fn list(
    caller: Dashboard,
    State(app): State<App>,
    format: Format,
    Query(wanted): Query<Wanted>,
) -> Result<Response> {
    let Wanted { status, from, to, wallet_address, mode, limit, cursor } = wanted;
    let wallet = http::wallet_filter(wallet_address.as_deref())?;
    let filter = Filter { mode: mode.unwrap_or_default(), status, from, to, wallet };
    let now = app.clock.now();
    format.answer(Deposits { app, tenant: caller.tenant, filter }, &PageRequest { limit, cursor }, now).await
}

/// One deposit, with all that happened to it.
#[utoipa::path(get, path = "/v1/dashboard/deposits/{deposit_id}", operation_id = "show_deposit", tag = "Deposits", security(("bearer" = [])),
    params(("deposit_id" = String, Path, example = "dep_001_20240601"), OfMode),
    responses(
        (status = 200, description = "The deposit", body = DepositWithHistory),
        (status = 403, description = "The token does not permit waas", body = CaasError),
        (status = 404, description = "There is no such deposit", body = CaasError),
        CaasErrors))]
pub async fn show(
    caller: Dashboard,
    State(app): State<App>,
    Path(deposit_id): Path<String>,
    Query(OfMode { mode }): Query<OfMode>,
) -> Result<Json<DepositWithHistory>> {
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let row = store::find(&mut tx, mode.unwrap_or_default(), &deposit_id).await?;
    tx.commit().await?;
    let row = row.ok_or_else(|| Error::not_found("deposit_not_found", "there is no such deposit"))?;
    let history = history(&row)?;
    Ok(Json(DepositWithHistory { deposit: describe(&app.tokens, row)?, history }))
}

fn history(row: &Row) -> Result<Vec<DepositStep>> {
    let status = store::read_status(&row.status)?;
    let mut history = vec![DepositStep { status: Status::Queued, at: row.created_at }];
    history.extend(row.submitted_at.map(|at| DepositStep { status: Status::Submitted, at }));
    history.extend(row.ended_at.map(|at| DepositStep { status, at }));
    Ok(history)
}

fn describe(tokens: &Tokens, row: Row) -> Result<Deposit> {
    Ok(Deposit {
        deposit_id: row.deposit_id,
        status: store::read_status(&row.status)?,
        stablecoin_amount: shown::amount(tokens, &row.token, row.amount)?,
        target_token: row.token,
        local_fiat_amount: row.local_fiat_amount.to_string(),
        wallet_address: shown::address(&row.wallet)?,
        blind_index: row.blind_index,
        tx_hash: shown::hash(row.tx_hash.as_deref())?,
        block_number: row.block_number,
        failure_reason: row.failure,
        created_at: row.created_at,
    })
}
