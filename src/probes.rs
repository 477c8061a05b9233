//! What the engine's parts tell operators: readiness and gauges.

use alloy::primitives::U256;
use async_trait::async_trait;

use crate::chain::{Chain, RpcError, indexer, status};
use crate::db::Db;
use crate::http::{MetricsSource, ReadinessProbe};
use crate::ledger;

/// The RPC answers for the right chain.
pub struct ChainProbe(pub Chain);

#[async_trait]
impl ReadinessProbe for ChainProbe {
    fn name(&self) -> &'static str {
        "chain"
    }

    async fn check(&self) -> Result<(), String> {
        match self.0.rpc().chain_id().await {
            Ok(_) => Ok(()),
            Err(RpcError::OtherChain { served, expected }) => {
                Err(format!("the RPC serves chain {served}, not chain {expected}"))
            }
            Err(RpcError::Unavailable(_) | RpcError::Refused { .. }) => Err("no RPC endpoint answers".to_owned()),
        }
    }
}

/// Some process holds each lane, nothing hinders it, and the treasury is delegated.
pub struct LaneProbe(pub Chain);

#[async_trait]
impl ReadinessProbe for LaneProbe {
    fn name(&self) -> &'static str {
        "lanes"
    }

    async fn check(&self) -> Result<(), String> {
        let lanes = status::held_lanes(&self.0).await.map_err(|_| "the lanes cannot be read".to_owned())?;
        if lanes == 0 {
            return Err("no worker holds a lane".to_owned());
        }
        match self.0.treasury_is_delegated().await {
            Ok(true) => Ok(()),
            Ok(false) => Err("the treasury is not delegated to its account code yet".to_owned()),
            Err(_) => Err("no RPC endpoint answers".to_owned()),
        }
    }
}

/// Some process indexes, and has everything up to the chain's head.
pub struct IndexerProbe(pub Chain);

/// How long the indexer may be behind before a process that does nothing else is not ready.
const INDEXER_PATIENCE: f64 = 30.0;

#[async_trait]
impl ReadinessProbe for IndexerProbe {
    fn name(&self) -> &'static str {
        "indexer"
    }

    async fn check(&self) -> Result<(), String> {
        let progress = indexer::progress(&self.0).await.map_err(|_| "how far it is cannot be read".to_owned())?;
        let progress = progress.ok_or("no process has begun to index")?;
        if progress.holder.is_none() {
            return Err("no process indexes".to_owned());
        }
        match progress.behind_seconds {
            Some(seconds) if seconds <= INDEXER_PATIENCE => Ok(()),
            _ => Err(progress.note.unwrap_or_else(|| "it is behind the chain".to_owned())),
        }
    }
}

/// How far the indexer is.
pub struct IndexerGauges(pub Chain);

#[async_trait]
impl MetricsSource for IndexerGauges {
    async fn refresh(&self) -> anyhow::Result<()> {
        let Some(progress) = indexer::progress(&self.0).await? else { return Ok(()) };
        if let Some(head) = progress.head {
            metrics::gauge!("diolkos_indexer_head").set(head.number as f64);
        }
        if let Some(seconds) = progress.behind_seconds {
            metrics::gauge!("diolkos_indexer_behind_seconds").set(seconds);
        }
        Ok(())
    }
}

/// Whole coins. A gauge is a float by Prometheus' definition; nothing is reckoned with it.
fn coins(wei: U256) -> f64 {
    f64::from(wei) / 1e18
}

/// Gauges of the chain engine.
pub struct ChainGauges(pub Chain);

#[async_trait]
impl MetricsSource for ChainGauges {
    async fn refresh(&self) -> anyhow::Result<()> {
        let backlog = status::backlog(&self.0).await?;
        for (state, count) in
            [("waiting", backlog.waiting), ("submitted", backlog.submitted), ("review", backlog.review)]
        {
            metrics::gauge!("diolkos_chain_operations", "state" => state).set(count as f64);
        }
        for endpoint in self.0.rpc().endpoints() {
            let labels = [("endpoint", endpoint.name)];
            metrics::gauge!("diolkos_rpc_endpoint_health", &labels).set(f64::from(endpoint.health) / 100.0);
            metrics::gauge!("diolkos_rpc_endpoint_height", &labels).set(endpoint.height.unwrap_or(0) as f64);
            metrics::gauge!("diolkos_rpc_endpoint_behind", &labels).set(endpoint.behind as f64);
            let serves_other_chain = u8::from(endpoint.other_chain.is_some());
            metrics::gauge!("diolkos_rpc_endpoint_other_chain", &labels).set(f64::from(serves_other_chain));
        }
        for lane in status::lanes(&self.0).await? {
            let name = lane.address.to_string();
            metrics::gauge!("diolkos_lane_gas_balance", "lane" => name.clone()).set(coins(lane.gas_balance));
            let per_day = U256::from(lane.spends_per_day.base_units());
            metrics::gauge!("diolkos_lane_spends_per_day", "lane" => name.clone()).set(coins(per_day));
            if let Some(seconds) = lane.lasts() {
                metrics::gauge!("diolkos_lane_lasts_hours", "lane" => name.clone()).set(seconds as f64 / 3600.0);
            }
            metrics::gauge!("diolkos_lane_in_flight", "lane" => name).set(lane.in_flight as f64);
        }
        if let Some(funding) = status::funding(&self.0).await? {
            metrics::gauge!("diolkos_funding_balance").set(coins(funding.balance));
            metrics::gauge!("diolkos_funding_short").set(f64::from(u8::from(funding.is_short())));
            let refilled = U256::from(funding.refilled_today.base_units());
            metrics::gauge!("diolkos_funding_refilled_today").set(coins(refilled));
        }
        if let Some(bundler) = status::bundler(&self.0).await? {
            for (state, count) in [("waiting", bundler.waiting), ("sent", bundler.sent)] {
                metrics::gauge!("diolkos_bundler_user_ops", "state" => state).set(count as f64);
            }
            if let Some(wei) = bundler.treasury_deposit {
                metrics::gauge!("diolkos_treasury_deposit").set(coins(wei));
            }
        }
        Ok(())
    }
}

/// Totals of the ledger, over all tenants, by kind of account and token.
pub struct LedgerGauges(pub Db);

#[async_trait]
impl MetricsSource for LedgerGauges {
    async fn refresh(&self) -> anyhow::Result<()> {
        for ledger::Total { kind, token, balance } in ledger::totals(&self.0).await? {
            for (side, state, sum) in [
                ("debit", "pending", balance.pending_debits),
                ("debit", "posted", balance.posted_debits),
                ("credit", "pending", balance.pending_credits),
                ("credit", "posted", balance.posted_credits),
            ] {
                let kind = kind.to_string();
                let labels = [("kind", kind), ("token", token.clone()), ("side", side.into()), ("state", state.into())];
                // A gauge is a float by Prometheus' definition; nothing is reckoned with it.
                metrics::gauge!("diolkos_ledger_base_units", &labels).set(sum.base_units() as f64);
            }
        }
        Ok(())
    }
}
