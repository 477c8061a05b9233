//! `/admin/chain`

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Operator;
use crate::chain::{EngineError, status};
use crate::http::openapi::{CaasError, CaasErrors};
use crate::http::{Error, Result};
use crate::product::App;

#[derive(Serialize, ToSchema)]
pub struct ChainStatus {
    /// EIP-155.
    #[schema(example = 137)]
    chain_id: u64,
    /// Height of the newest block.
    head: u64,
    /// Blocks on top of a block before it is final.
    confirmations: u64,
    treasury: TreasuryStatus,
    lanes: Vec<LaneView>,
    /// The bundler that carries instead of lanes, if there is one.
    bundler: Option<BundlerView>,
    operations: BacklogView,
}

#[derive(Serialize, ToSchema)]
pub struct TreasuryStatus {
    #[schema(example = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8")]
    address: String,
    /// Whether the account carries the code that its user operations need (EIP-7702).
    delegated: bool,
}

#[derive(Serialize, ToSchema)]
pub struct LaneView {
    #[schema(example = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC")]
    address: String,
    /// The process that holds it.
    holder: Option<String>,
    /// Until when, unless it renews its lease.
    lease_until: Option<DateTime<Utc>>,
    /// Nonce of its next transaction.
    next_nonce: u64,
    /// Transactions of it in the chain.
    chain_nonce: u64,
    /// Nonces that wait for a block.
    in_flight: u64,
    /// Native coin that pays for gas, in wei.
    #[schema(example = "9999000000000000000")]
    gas_balance_wei: String,
    /// What hinders it.
    note: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct BundlerView {
    /// Whose user operations it carries: `treasury`, `wallets`. Lanes carry the others.
    #[schema(example = json!(["treasury", "wallets"]))]
    carries: Vec<&'static str>,
    /// User operations that it should have and has not.
    waiting: i64,
    /// User operations that it has and that are in no block.
    sent: i64,
    /// What the treasury has in the EntryPoint to pay it, in wei; null when a paymaster pays.
    #[schema(example = "9999000000000000000")]
    treasury_deposit_wei: Option<String>,
    /// What hinders the one that was refused last, of those that wait.
    last_error: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct BacklogView {
    /// Stored, not sent.
    waiting: i64,
    /// Sent, not final.
    submitted: i64,
    /// The chain did something else than was asked.
    review: i64,
    /// Seconds since the oldest that is not final was asked for; 0 when there is none.
    lag_seconds: i64,
}

/// Shows the lanes, their nonces, what is in flight, what pays for gas, and how far the engine lags.
#[utoipa::path(get, path = "/admin/chain", operation_id = "chain_status", tag = "Admin", security(("operator" = [])),
    responses((status = 200, description = "The chain engine", body = ChainStatus),
        (status = 502, description = "No RPC endpoint answers", body = CaasError), CaasErrors))]
pub async fn show(_: Operator, State(app): State<App>) -> Result<Json<ChainStatus>> {
    let chain = &app.chain;
    let head = chain.rpc().head().await.map_err(EngineError::from).map_err(refuse)?;
    let lanes = status::lanes(chain).await.map_err(refuse)?;
    let bundler = status::bundler(chain).await.map_err(refuse)?;
    let backlog = status::backlog(chain).await?;
    let now = app.clock.now();
    let lag_seconds = backlog.oldest.map_or(0, |oldest| (now - oldest).num_seconds().max(0));
    let delegated = chain.treasury_is_delegated().await.map_err(refuse)?;
    Ok(Json(ChainStatus {
        chain_id: chain.settings().chain_id,
        head: head.number,
        confirmations: chain.settings().confirmations,
        treasury: TreasuryStatus { address: chain.treasury().to_string(), delegated },
        lanes: lanes.into_iter().map(LaneView::from).collect(),
        bundler: bundler.map(BundlerView::from),
        operations: BacklogView {
            waiting: backlog.waiting,
            submitted: backlog.submitted,
            review: backlog.review,
            lag_seconds,
        },
    }))
}

impl From<status::LaneStatus> for LaneView {
    fn from(lane: status::LaneStatus) -> Self {
        Self {
            address: lane.address.to_string(),
            holder: lane.holder.map(|holder| holder.to_string()),
            lease_until: lane.lease_until,
            next_nonce: lane.next_nonce,
            chain_nonce: lane.chain_nonce,
            in_flight: lane.in_flight,
            gas_balance_wei: lane.gas_balance.to_string(),
            note: lane.note,
        }
    }
}

impl From<status::BundlerStatus> for BundlerView {
    fn from(bundler: status::BundlerStatus) -> Self {
        let carries = [(bundler.carries_treasury, "treasury"), (bundler.carries_wallets, "wallets")];
        Self {
            carries: carries.into_iter().filter(|(does, _)| *does).map(|(_, whose)| whose).collect(),
            waiting: bundler.waiting,
            sent: bundler.sent,
            treasury_deposit_wei: bundler.treasury_deposit.map(|wei| wei.to_string()),
            last_error: bundler.last_error,
        }
    }
}

fn refuse(error: EngineError) -> Error {
    match error {
        EngineError::Database(error) => error.into(),
        error => Error::bad_gateway("chain_unavailable", "the chain does not answer", error),
    }
}
