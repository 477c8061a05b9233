//! `/admin/chain`

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Operator;
use crate::chain::{EndpointStatus, EngineError, status};
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
    /// The RPC endpoints, in the order of configuration, as the process that answers has found them.
    endpoints: Vec<EndpointView>,
    fees: FeesView,
    lanes: Vec<LaneView>,
    /// The account that fills the lanes with native coin, if there is one.
    funding: Option<FundingView>,
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
pub struct EndpointView {
    /// Its place in RPC_URLS and its host; the rest of its URL may hold a key.
    #[schema(example = "0-polygon.example")]
    name: String,
    /// How well it served lately, of a hundred; the healthiest is asked first.
    #[schema(example = 100)]
    health: u32,
    /// Whether it is left alone for a while because it failed.
    resting: bool,
    /// How long half of its last answers took at most.
    latency_ms: u64,
    /// The newest block that it told of.
    height: Option<u64>,
    /// Blocks that other endpoints had and it had not.
    behind: u64,
    /// The other chain that it serves, because of which it is not used; null when it serves the right one.
    other_chain_id: Option<u64>,
}

/// What gas costs and what is offered for it (EIP-1559), in wei a gas.
#[derive(Serialize, ToSchema)]
pub struct FeesView {
    /// Of the newest block.
    #[schema(example = "32000000000")]
    base_fee_wei: String,
    /// `maxFeePerGas` that a bundle offers now.
    #[schema(example = "94000000000")]
    suggested_max_fee_wei: String,
    /// `maxPriorityFeePerGas` that a bundle offers now.
    #[schema(example = "30000000000")]
    suggested_tip_wei: String,
    /// MIN_TIP_GWEI: the least tip that is offered.
    #[schema(example = "30000000000")]
    tip_floor_wei: String,
    /// MAX_FEE_GWEI: the most that is ever offered, base fee and tip together.
    #[schema(example = "2000000000000")]
    max_fee_cap_wei: String,
    /// Nonces of lanes that wait because no block takes what is offered and the cap allows no more.
    waiting_at_cap: usize,
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
    /// What its transactions took, in wei a day, at the pace of the last 24 hours, as their receipts say.
    #[schema(example = "1200000000000000000")]
    spends_wei_a_day: String,
    /// How many seconds the native coin lasts at that pace; null while it spends nothing.
    #[schema(example = 719928)]
    lasts_seconds: Option<u64>,
    /// What hinders it.
    note: Option<String>,
}

/// Amounts are in wei.
#[derive(Serialize, ToSchema)]
pub struct FundingView {
    #[schema(example = "0x90F79bf6EB2c4f870365E785982E1f101E93b906")]
    address: String,
    /// The process that holds it.
    holder: Option<String>,
    #[schema(example = "900000000000000000000")]
    balance_wei: String,
    /// Whether it could not fill one lane more.
    is_short: bool,
    /// LANE_LOW: a lane that holds less is filled,
    #[schema(example = "20000000000000000000")]
    low_wei: String,
    /// LANE_HIGH: up to this.
    #[schema(example = "100000000000000000000")]
    high_wei: String,
    /// What refills of the last 24 hours have moved, or will.
    #[schema(example = "95000000000000000000")]
    refilled_today_wei: String,
    /// LANE_REFILLS_A_DAY: the most that they may.
    #[schema(example = "500000000000000000000")]
    daily_cap_wei: String,
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

/// Shows the RPC endpoints, what gas costs, the lanes, their nonces, what is in flight, what pays for gas and how long it
/// lasts, and how far the engine lags.
#[utoipa::path(get, path = "/admin/chain", operation_id = "chain_status", tag = "Admin", security(("operator" = [])),
    responses((status = 200, description = "The chain engine", body = ChainStatus),
        (status = 502, description = "No RPC endpoint answers", body = CaasError), CaasErrors))]
pub async fn show(_: Operator, State(app): State<App>) -> Result<Json<ChainStatus>> {
    let chain = &app.chain;
    let head = chain.rpc().head().await.map_err(EngineError::from).map_err(refuse)?;
    let lanes = status::lanes(chain).await.map_err(refuse)?;
    let funding = status::funding(chain).await.map_err(refuse)?;
    let bundler = status::bundler(chain).await.map_err(refuse)?;
    let backlog = status::backlog(chain).await?;
    let now = app.clock.now();
    let lag_seconds = backlog.oldest.map_or(0, |oldest| (now - oldest).num_seconds().max(0));
    let fees = status::fees(chain, &head).await.map_err(refuse)?;
    let delegated = chain.treasury_is_delegated().await.map_err(refuse)?;
    Ok(Json(ChainStatus {
        chain_id: chain.settings().chain_id,
        head: head.number,
        confirmations: chain.settings().confirmations,
        treasury: TreasuryStatus { address: chain.treasury().to_string(), delegated },
        endpoints: chain.rpc().endpoints().into_iter().map(EndpointView::from).collect(),
        fees: FeesView::from(fees),
        lanes: lanes.into_iter().map(LaneView::from).collect(),
        funding: funding.map(FundingView::from),
        bundler: bundler.map(BundlerView::from),
        operations: BacklogView {
            waiting: backlog.waiting,
            submitted: backlog.submitted,
            review: backlog.review,
            lag_seconds,
        },
    }))
}

impl From<EndpointStatus> for EndpointView {
    fn from(endpoint: EndpointStatus) -> Self {
        Self {
            name: endpoint.name,
            health: endpoint.health,
            resting: endpoint.rests,
            latency_ms: u64::try_from(endpoint.latency.as_millis()).unwrap_or(u64::MAX),
            height: endpoint.height,
            behind: endpoint.behind,
            other_chain_id: endpoint.other_chain,
        }
    }
}

impl From<status::FeeStatus> for FeesView {
    fn from(fees: status::FeeStatus) -> Self {
        Self {
            base_fee_wei: fees.base_fee.to_string(),
            suggested_max_fee_wei: fees.suggested.max_fee.to_string(),
            suggested_tip_wei: fees.suggested.max_tip.to_string(),
            tip_floor_wei: fees.policy.min_tip.to_string(),
            max_fee_cap_wei: fees.policy.max_fee.to_string(),
            waiting_at_cap: fees.capped,
        }
    }
}

impl From<status::FundingStatus> for FundingView {
    fn from(funding: status::FundingStatus) -> Self {
        Self {
            is_short: funding.is_short(),
            address: funding.address.to_string(),
            holder: funding.holder.map(|holder| holder.to_string()),
            balance_wei: funding.balance.to_string(),
            low_wei: funding.policy.low.to_string(),
            high_wei: funding.policy.high.to_string(),
            refilled_today_wei: funding.refilled_today.base_units().to_string(),
            daily_cap_wei: funding.policy.daily_cap.to_string(),
            note: funding.note,
        }
    }
}

impl From<status::LaneStatus> for LaneView {
    fn from(lane: status::LaneStatus) -> Self {
        Self {
            spends_wei_a_day: lane.spends_per_day.base_units().to_string(),
            lasts_seconds: lane.lasts(),
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
