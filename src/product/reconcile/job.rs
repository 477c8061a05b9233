//! Every hour, and what it found for those who watch.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::run::{Depth, ReconcileError, run};
use super::store;
use crate::chain::Chain;
use crate::db::Db;
use crate::http::MetricsSource;
use crate::jobs::{Failure, Job, Jobs};
use crate::product::App;

const HOURLY: Duration = Duration::from_secs(3600);

/// Job: reconcile. A difference is a lasting failure: the job is dead and says what was found first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reconcile {}

impl Job for Reconcile {
    const KIND: &'static str = "reconcile";
    const TIME_LIMIT: Duration = Duration::from_secs(1800);
}

/// Adds the job that reconciles every hour.
pub fn register(jobs: Jobs, app: &App) -> Jobs {
    let app = app.clone();
    jobs.handle(move |_: Reconcile| reconcile(app.clone())).every(HOURLY, Reconcile {})
}

async fn reconcile(app: App) -> Result<(), Failure> {
    let report = run(&app, Depth::SinceAgreed).await.map_err(|error| match error {
        ReconcileError::Database(error) => Failure::from(error),
        error => Failure::from(error),
    })?;
    let Some(first) = report.differences.first() else { return Ok(()) };
    if report.block.is_none() {
        // Nothing was compared: the indexer may be on its way.
        return Err(Failure::Passing(anyhow::anyhow!("{first}")));
    }
    for difference in &report.differences {
        tracing::error!(%difference, "reconciliation found a difference");
    }
    Err(Failure::Lasting(format!("{} differences, the first: {first}", report.differences.len())))
}

/// What the last run of any process found, and when that was.
pub struct ReconciliationGauges {
    /// The database.
    pub db: Db,
    /// The chain.
    pub chain: Chain,
}

#[async_trait]
impl MetricsSource for ReconciliationGauges {
    async fn refresh(&self) -> anyhow::Result<()> {
        let Some(last) = store::last_run(&self.db, self.chain.settings().chain_id).await? else { return Ok(()) };
        metrics::gauge!("diolkos_reconciliation_differences").set(last.differences);
        metrics::gauge!("diolkos_reconciliation_last_run_timestamp_seconds").set(last.at);
        if let Some(block) = last.block {
            metrics::gauge!("diolkos_reconciliation_block").set(block as f64);
        }
        Ok(())
    }
}
