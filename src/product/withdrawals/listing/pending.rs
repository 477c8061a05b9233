//! `/v1/dashboard/withdrawals/pending-payouts`

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::{PREFIX, Refund, Status};
use super::store::{self, PendingRow};
use super::{read_refund, read_status};
use crate::auth::Dashboard;
use crate::db::{Cursor, Page, PageRequest};
use crate::foundation::{Mode, PublicId, TenantId, Tokens};
use crate::http::openapi::{CaasError, CaasErrors};
use crate::http::{self, Listing, Query, Result};
use crate::product::{App, shown};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WantedPending {
    /// `live` when absent.
    mode: Option<Mode>,
    /// At most this many, 1 to 100 (20 when absent).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct PendingPayout {
    #[schema(example = "wdrl_01981c5f8e5a7c3f9d0e1b2a3c4d5e6f")]
    withdrawal_id: String,
    /// `CRYPTO_RECEIVED`, or `PAYOUT_FAILED` when the local money was refused.
    status: Status,
    #[schema(example = "USDC")]
    token: String,
    /// What the wallet has paid.
    #[schema(example = "19.500000")]
    amount: String,
    /// What is to be paid out in local money.
    #[schema(example = "10875")]
    fiat_amount: String,
    #[schema(example = "XOF")]
    currency: String,
    #[schema(example = "orange_money")]
    payout_network: String,
    #[schema(example = "CI")]
    country: String,
    /// The mobile number that receives, all but its beginning and its end hidden.
    #[schema(example = "+225********01")]
    payout_mobile: String,
    wallet_address: String,
    /// Who pays: `manual` when people do.
    #[schema(example = "pawapay")]
    provider: Option<String>,
    /// How many payouts a provider has been asked for; each retry makes another.
    payout_attempts: i64,
    /// Why the last one was refused, or cannot be told yet to have been paid.
    last_failure: Option<String>,
    /// How far refused tokens are on their way back: `due`, or `failed` when they could not be sent.
    refund: Option<Refund>,
    /// When they go back unless the local money is paid before.
    refund_at: Option<DateTime<Utc>>,
    /// When the treasury had the tokens.
    received_at: DateTime<Utc>,
}

/// A tenant's withdrawals that local money can be paid for still.
struct PendingPayouts {
    app: App,
    tenant: TenantId,
    mode: Mode,
}

impl Listing for PendingPayouts {
    type Item = PendingPayout;

    async fn page(&self, after: Option<Cursor>, limit: i64) -> Result<Page<PendingPayout>> {
        let mut tx = self.app.db.tenant(self.tenant).begin().await?;
        let rows = store::pending(&mut tx, self.mode, after.map(|cursor| cursor.0), limit).await?;
        tx.commit().await?;
        Page::of(rows, limit, |row| row.id).try_map(|row| describe(&self.app.tokens, row))
    }
}

/// Lists withdrawals that wait for local money, newest first.
///
/// Those whose tokens have arrived, and those whose local money was refused while the tokens are here still: due to go
/// back, or not to be sent. `POST /v1/dashboard/withdrawals/{id}/confirm-payout` ends each of them.
#[utoipa::path(get, path = "/v1/dashboard/withdrawals/pending-payouts", operation_id = "list_pending_payouts",
    tag = "Withdrawals", security(("bearer" = [])),
    params(WantedPending),
    responses(
        (status = 200, description = "A page of withdrawals that wait for local money", body = Page<PendingPayout>),
        (status = 403, description = "The token does not permit waas", body = CaasError),
        CaasErrors))]
pub async fn list(caller: Dashboard, State(app): State<App>, Query(wanted): Query<WantedPending>) -> Result<Response> {
    let WantedPending { mode, limit, cursor } = wanted;
    let pending = PendingPayouts { app, tenant: caller.tenant, mode: mode.unwrap_or_default() };
    http::answer_page(&pending, &PageRequest { limit, cursor }).await
}

fn describe(tokens: &Tokens, row: PendingRow) -> Result<PendingPayout> {
    Ok(PendingPayout {
        withdrawal_id: PublicId::format(PREFIX, row.id),
        status: read_status(&row.status)?,
        amount: shown::amount(tokens, &row.token, row.amount)?,
        token: row.token,
        fiat_amount: row.fiat_amount.to_string(),
        currency: row.currency,
        payout_network: row.network,
        country: row.country,
        payout_mobile: row.mobile_hint,
        wallet_address: shown::address(&row.wallet)?,
        provider: row.provider,
        payout_attempts: row.attempts,
        last_failure: row.last_failure,
        refund: read_refund(row.refund.as_deref())?,
        refund_at: row.refund_at,
        received_at: row.received_at,
    })
}
