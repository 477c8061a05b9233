//! `/v1/dashboard/withdrawals`

mod pending;
mod store;
mod timeline;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use self::store::{Filter, Row};
use self::timeline::WithdrawalStep;
use super::{PREFIX, Refund, Status};
use crate::auth::Dashboard;
use crate::db::{Cursor, Page, PageRequest};
use crate::foundation::{Mode, PublicId, TenantId, Tokens};
use crate::http::csv::{self, Column, Table};
use crate::http::openapi::{CaasError, CaasErrors};
use crate::http::{self, Error, Format, Listing, Path, Query, Result, moment};
use crate::product::{App, shown};

pub use pending::{__path_list as __path_pending, list as pending};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Only withdrawals that stand there.
    status: Option<Status>,
    /// Only withdrawals asked for at this time or later (RFC 3339).
    #[serde(default, deserialize_with = "moment")]
    from: Option<DateTime<Utc>>,
    /// Only withdrawals asked for before this time (RFC 3339).
    #[serde(default, deserialize_with = "moment")]
    to: Option<DateTime<Utc>>,
    /// Only withdrawals from this wallet.
    wallet_address: Option<String>,
    /// Only withdrawals that this mobile-money network pays.
    network: Option<String>,
    /// `live` when absent.
    mode: Option<Mode>,
    /// At most this many, 1 to 100 (20 when absent).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Withdrawal {
    #[schema(example = "wdrl_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    withdrawal_id: String,
    status: Status,
    #[schema(example = "USDC")]
    token: String,
    /// What the wallet pays.
    #[schema(example = "19.500000")]
    amount: String,
    /// What is paid out in local money.
    #[schema(example = "10875")]
    fiat_amount: String,
    #[schema(example = "XOF")]
    currency: String,
    /// Local units for one token.
    #[schema(example = "557.6975")]
    rate: String,
    #[schema(example = "orange_money")]
    payout_network: String,
    #[schema(example = "CI")]
    country: String,
    /// The mobile number that receives, all but its beginning and its end hidden.
    #[schema(example = "+225********01")]
    payout_mobile: String,
    /// By which the payment can be found at the network.
    payout_reference: Option<String>,
    /// The wallet that pays.
    wallet_address: String,
    /// The customer, as `/v1/users/provision` named them.
    blind_index: String,
    /// Your own name for it.
    idempotency_key: Option<String>,
    /// The transaction that brought the tokens to the treasury.
    tx_hash: Option<String>,
    /// The block of that transaction.
    block_number: Option<i64>,
    /// Why it failed, or why the local money was refused.
    failure_reason: Option<String>,
    /// How far the tokens of refused local money are on their way back.
    refund: Option<Refund>,
    /// The transaction that brought them back.
    refund_tx_hash: Option<String>,
    created_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
pub struct WithdrawalWithTimeline {
    #[serde(flatten)]
    withdrawal: Withdrawal,
    /// What it went through, oldest first.
    timeline: Vec<WithdrawalStep>,
}

/// A tenant's withdrawals that pass a filter.
struct Withdrawals {
    app: App,
    tenant: TenantId,
    filter: Filter,
}

impl Listing for Withdrawals {
    type Item = Withdrawal;

    async fn page(&self, after: Option<Cursor>, limit: i64) -> Result<Page<Withdrawal>> {
        let mut tx = self.app.db.tenant(self.tenant).begin().await?;
        let rows = store::list(&mut tx, &self.filter, after.map(|cursor| cursor.0), limit).await?;
        tx.commit().await?;
        Page::of(rows, limit, |row| row.id).try_map(|row| describe(&self.app.tokens, row))
    }
}

impl Table for Withdrawals {
    const NAME: &'static str = "withdrawals";
    const COLUMNS: &'static [Column<Withdrawal>] = &[
        ("withdrawal_id", |row| (&*row.withdrawal_id).into()),
        ("status", |row| row.status.as_str().into()),
        ("token", |row| (&*row.token).into()),
        ("amount", |row| (&*row.amount).into()),
        ("fiat_amount", |row| (&*row.fiat_amount).into()),
        ("currency", |row| (&*row.currency).into()),
        ("rate", |row| (&*row.rate).into()),
        ("payout_network", |row| (&*row.payout_network).into()),
        ("country", |row| (&*row.country).into()),
        ("payout_mobile", |row| (&*row.payout_mobile).into()),
        ("payout_reference", |row| csv::text(&row.payout_reference)),
        ("wallet_address", |row| (&*row.wallet_address).into()),
        ("blind_index", |row| (&*row.blind_index).into()),
        ("idempotency_key", |row| csv::text(&row.idempotency_key)),
        ("tx_hash", |row| csv::text(&row.tx_hash)),
        ("block_number", |row| csv::number(row.block_number)),
        ("failure_reason", |row| csv::text(&row.failure_reason)),
        ("refund", |row| row.refund.map_or("", Refund::as_str).into()),
        ("refund_tx_hash", |row| csv::text(&row.refund_tx_hash)),
        ("created_at", |row| csv::time(row.created_at)),
    ];
}

/// Lists withdrawals, newest first.
///
/// As `text/csv` all that pass the filters are sent, without `limit` and `cursor`; a download that breaks off is not
/// complete.
#[utoipa::path(get, path = "/v1/dashboard/withdrawals", operation_id = "list_withdrawals", tag = "Withdrawals", security(("bearer" = [])),
    params(Wanted),
    responses(
        (status = 200, description = "A page of withdrawals, or all of them", content((Page<Withdrawal> = "application/json"), (String = "text/csv"))),
        (status = 403, description = "The token does not permit waas", body = CaasError),
        CaasErrors))]
pub async fn list(
    caller: Dashboard,
    State(app): State<App>,
    format: Format,
    Query(wanted): Query<Wanted>,
) -> Result<Response> {
    let Wanted { status, from, to, wallet_address, network, mode, limit, cursor } = wanted;
    let wallet = http::wallet_filter(wallet_address.as_deref())?;
    let filter = Filter { mode: mode.unwrap_or_default(), status, from, to, wallet, network };
    let now = app.clock.now();
    format.answer(Withdrawals { app, tenant: caller.tenant, filter }, &PageRequest { limit, cursor }, now).await
}

/// One withdrawal of either mode, with all that it went through.
#[utoipa::path(get, path = "/v1/dashboard/withdrawals/{id}", operation_id = "show_withdrawal", tag = "Withdrawals", security(("bearer" = [])),
    params(("id" = String, Path, example = "wdrl_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")),
    responses(
        (status = 200, description = "The withdrawal", body = WithdrawalWithTimeline),
        (status = 403, description = "The token does not permit waas", body = CaasError),
        (status = 404, description = "There is no such withdrawal", body = CaasError),
        CaasErrors))]
pub async fn show(
    caller: Dashboard,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<WithdrawalWithTimeline>> {
    let unknown = || Error::not_found("withdrawal_not_found", "there is no such withdrawal");
    let id = PublicId::parse(PREFIX, &id).map_err(|_| unknown())?;
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let row = store::find(&mut tx, id).await?.ok_or_else(unknown)?;
    let steps = store::steps(&mut tx, id).await?;
    tx.commit().await?;
    let timeline = steps.into_iter().map(WithdrawalStep::of).collect::<Result<_>>()?;
    Ok(Json(WithdrawalWithTimeline { withdrawal: describe(&app.tokens, row)?, timeline }))
}

fn read_status(word: &str) -> Result<Status> {
    Status::from_word(word).ok_or_else(|| Error::internal(format!("{word} is no status of a withdrawal")))
}

fn read_refund(word: Option<&str>) -> Result<Option<Refund>> {
    let read = |word| Refund::from_word(word).ok_or_else(|| Error::internal(format!("{word} is no state of a refund")));
    word.map(read).transpose()
}

fn describe(tokens: &Tokens, row: Row) -> Result<Withdrawal> {
    Ok(Withdrawal {
        withdrawal_id: PublicId::format(PREFIX, row.id),
        status: read_status(&row.status)?,
        amount: shown::amount(tokens, &row.token, row.amount)?,
        token: row.token,
        fiat_amount: row.fiat_amount.to_string(),
        currency: row.currency,
        rate: row.rate.to_string(),
        payout_network: row.network,
        country: row.country,
        payout_mobile: row.mobile_hint,
        payout_reference: row.payout_reference,
        wallet_address: shown::address(&row.wallet)?,
        blind_index: row.blind_index,
        idempotency_key: row.idempotency_key,
        tx_hash: shown::hash(row.tx_hash.as_deref())?,
        block_number: row.block_number,
        failure_reason: row.failure,
        refund: read_refund(row.refund.as_deref())?,
        refund_tx_hash: shown::hash(row.refund_tx_hash.as_deref())?,
        created_at: row.created_at,
    })
}
