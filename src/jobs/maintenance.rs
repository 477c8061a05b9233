//! The engine's own housekeeping.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Job, Jobs, store};
use crate::http::idempotency;

const HOURLY: Duration = Duration::from_secs(3600);

/// Deletes answers kept for an `Idempotency-Key` that are older than 24 hours.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PurgeIdempotencyRecords {}

impl Job for PurgeIdempotencyRecords {
    const KIND: &'static str = "purge_idempotency_records";
    const TIME_LIMIT: Duration = Duration::from_secs(600);
}

/// Deletes jobs that were done more than a week ago. Dead ones stay until somebody has looked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PurgeFinishedJobs {}

impl Job for PurgeFinishedJobs {
    const KIND: &'static str = "purge_finished_jobs";
    const TIME_LIMIT: Duration = Duration::from_secs(600);
}

pub(super) fn register(jobs: Jobs) -> Jobs {
    let (records, finished) = (jobs.db.clone(), jobs.db.clone());
    jobs.handle(move |_: PurgeIdempotencyRecords| {
        let db = records.clone();
        async move {
            let purged = idempotency::purge(&db).await?;
            tracing::info!(purged, "purged idempotency records");
            Ok(())
        }
    })
    .handle(move |_: PurgeFinishedJobs| {
        let db = finished.clone();
        async move {
            let purged = store::purge_done(&db).await?;
            tracing::info!(purged, "purged finished jobs");
            Ok(())
        }
    })
    .every(HOURLY, PurgeIdempotencyRecords {})
    .every(HOURLY, PurgeFinishedJobs {})
}
