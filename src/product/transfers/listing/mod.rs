//! `/v1/dashboard/transfers`

mod store;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use self::store::{Filter, Row};
use super::{PREFIX, Status};
use crate::auth::Dashboard;
use crate::db::{Cursor, Page, PageRequest};
use crate::foundation::{Mode, PublicId, TenantId, Tokens};
use crate::http::csv::{self, Column, Table};
use crate::http::openapi::{CaasError, CaasErrors};
use crate::http::{self, Error, Format, Listing, Path, Query, Result, moment};
use crate::product::{App, shown};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Only transfers that stand there.
    status: Option<Status>,
    /// Only transfers asked for at this time or later (RFC 3339).
    #[serde(default, deserialize_with = "moment")]
    from: Option<DateTime<Utc>>,
    /// Only transfers asked for before this time (RFC 3339).
    #[serde(default, deserialize_with = "moment")]
    to: Option<DateTime<Utc>>,
    /// Only transfers from or to this wallet.
    wallet_address: Option<String>,
    /// `live` when absent.
    mode: Option<Mode>,
    /// At most this many, 1 to 100 (20 when absent).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Transfer {
    #[schema(example = "txn_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    transfer_id: String,
    status: Status,
    #[schema(example = "USDC")]
    token: String,
    /// What the recipient receives.
    #[schema(example = "10.500000")]
    amount: String,
    /// The wallet that pays.
    sender_wallet_address: String,
    /// The customer who pays, as `/v1/users/provision` named them.
    sender_blind_index: String,
    /// The wallet that receives.
    recipient_wallet_address: String,
    /// The customer who receives, as `/v1/users/provision` named them.
    recipient_blind_index: String,
    /// The quote that it took; none when tokens were named directly.
    #[schema(example = "fx_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    quote_id: Option<String>,
    /// Your own name for it.
    idempotency_key: Option<String>,
    /// The transaction that carried it.
    tx_hash: Option<String>,
    /// The block of that transaction.
    block_number: Option<i64>,
    /// Why it failed.
    failure_reason: Option<String>,
    created_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
pub struct TransferWithHistory {
    #[serde(flatten)]
    transfer: Transfer,
    /// Where it stood, and since when; oldest first.
    history: Vec<TransferStep>,
}

#[derive(Serialize, ToSchema)]
pub struct TransferStep {
    status: Status,
    at: DateTime<Utc>,
}

/// A tenant's transfers that pass a filter.
struct Transfers {
    app: App,
    tenant: TenantId,
    filter: Filter,
}

impl Listing for Transfers {
    type Item = Transfer;

    async fn page(&self, after: Option<Cursor>, limit: i64) -> Result<Page<Transfer>> {
        let mut tx = self.app.db.tenant(self.tenant).begin().await?;
        let rows = store::list(&mut tx, &self.filter, after.map(|cursor| cursor.0), limit).await?;
        tx.commit().await?;
        Page::of(rows, limit, |row| row.id).try_map(|row| describe(&self.app.tokens, row))
    }
}

impl Table for Transfers {
    const NAME: &'static str = "transfers";
    const COLUMNS: &'static [Column<Transfer>] = &[
        ("transfer_id", |row| (&*row.transfer_id).into()),
        ("status", |row| row.status.as_str().into()),
        ("token", |row| (&*row.token).into()),
        ("amount", |row| (&*row.amount).into()),
        ("sender_wallet_address", |row| (&*row.sender_wallet_address).into()),
        ("sender_blind_index", |row| (&*row.sender_blind_index).into()),
        ("recipient_wallet_address", |row| (&*row.recipient_wallet_address).into()),
        ("recipient_blind_index", |row| (&*row.recipient_blind_index).into()),
        ("quote_id", |row| csv::text(&row.quote_id)),
        ("idempotency_key", |row| csv::text(&row.idempotency_key)),
        ("tx_hash", |row| csv::text(&row.tx_hash)),
        ("block_number", |row| csv::number(row.block_number)),
        ("failure_reason", |row| csv::text(&row.failure_reason)),
        ("created_at", |row| csv::time(row.created_at)),
    ];
}

/// Lists transfers, newest first.
///
/// As `text/csv` all that pass the filters are sent, without `limit` and `cursor`; a download that breaks off is not
/// complete.
#[utoipa::path(get, path = "/v1/dashboard/transfers", operation_id = "list_transfers", tag = "Transfers", security(("bearer" = [])),
    params(Wanted),
    responses(
        (status = 200, description = "A page of transfers, or all of them", content((Page<Transfer> = "application/json"), (String = "text/csv"))),
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
    format.answer(Transfers { app, tenant: caller.tenant, filter }, &PageRequest { limit, cursor }, now).await
}

/// One transfer of either mode, with all that happened to it.
#[utoipa::path(get, path = "/v1/dashboard/transfers/{id}", operation_id = "show_transfer", tag = "Transfers", security(("bearer" = [])),
    params(("id" = String, Path, example = "txn_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")),
    responses(
        (status = 200, description = "The transfer", body = TransferWithHistory),
        (status = 403, description = "The token does not permit waas", body = CaasError),
        (status = 404, description = "There is no such transfer", body = CaasError),
        CaasErrors))]
pub async fn show(
    caller: Dashboard,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<TransferWithHistory>> {
    let unknown = || Error::not_found("transfer_not_found", "there is no such transfer");
    let id = PublicId::parse(PREFIX, &id).map_err(|_| unknown())?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let row = store::find(&mut tx, id).await?;
    tx.commit().await?;
    let row = row.ok_or_else(unknown)?;
    let history = history(&row)?;
    Ok(Json(TransferWithHistory { transfer: describe(&app.tokens, row)?, history }))
}

fn history(row: &Row) -> Result<Vec<TransferStep>> {
    let status = read_status(&row.status)?;
    let mut history = vec![TransferStep { status: Status::Queued, at: row.created_at }];
    history.extend(row.submitted_at.map(|at| TransferStep { status: Status::Submitted, at }));
    history.extend(row.ended_at.map(|at| TransferStep { status, at }));
    Ok(history)
}

fn read_status(word: &str) -> Result<Status> {
    Status::from_word(word).ok_or_else(|| Error::internal(format!("{word} is no status of a transfer")))
}

fn describe(tokens: &Tokens, row: Row) -> Result<Transfer> {
    Ok(Transfer {
        transfer_id: PublicId::format(PREFIX, row.id),
        status: read_status(&row.status)?,
        amount: shown::amount(tokens, &row.token, row.amount)?,
        token: row.token,
        sender_wallet_address: shown::address(&row.sender_wallet)?,
        sender_blind_index: row.sender,
        recipient_wallet_address: shown::address(&row.recipient_wallet)?,
        recipient_blind_index: row.recipient,
        quote_id: row.quote_id.map(|id| PublicId::format("fx", id)),
        idempotency_key: row.idempotency_key,
        tx_hash: shown::hash(row.tx_hash.as_deref())?,
        block_number: row.block_number,
        failure_reason: row.failure,
        created_at: row.created_at,
    })
}
