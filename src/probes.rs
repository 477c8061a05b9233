//! What the engine's parts tell operators: readiness and gauges.

use async_trait::async_trait;

use crate::chain::{Chain, indexer, status};
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
        let served = self.0.rpc().chain_id().await.map_err(|_| "no RPC endpoint answers".to_owned())?;
        let configured = self.0.settings().chain_id;
        (served == configured).then_some(()).ok_or(format!("the RPC serves chain {served}, not chain {configured}"))
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
        for lane in status::lanes(&self.0).await? {
            let name = lane.address.to_string();
            let coins = lane.gas_balance.to::<u128>() as f64 / 1e18;
            metrics::gauge!("diolkos_lane_gas_balance", "lane" => name.clone()).set(coins);
            metrics::gauge!("diolkos_lane_in_flight", "lane" => name).set(lane.in_flight as f64);
        }
        if let Some(bundler) = status::bundler(&self.0).await? {
            for (state, count) in [("waiting", bundler.waiting), ("sent", bundler.sent)] {
                metrics::gauge!("diolkos_bundler_user_ops", "state" => state).set(count as f64);
            }
            if let Some(wei) = bundler.treasury_deposit {
                metrics::gauge!("diolkos_treasury_deposit").set(f64::from(wei) / 1e18);
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
