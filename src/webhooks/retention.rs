//! Forgetting what was delivered long ago.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::store;
use crate::db::Db;
use crate::jobs::{Job, Jobs};

/// How long events, deliveries and their logs are kept.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

const HOURLY: Duration = Duration::from_secs(3600);

/// Job: forget events that are older than 30 days, with their deliveries and logs, and endpoints deleted before that.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PurgeWebhooks {}

impl Job for PurgeWebhooks {
    const KIND: &'static str = "purge_webhooks";
    const TIME_LIMIT: Duration = Duration::from_secs(600);
}

/// Adds the job, once an hour.
pub fn register(jobs: Jobs, db: &Db) -> Jobs {
    let db = db.clone();
    jobs.handle(move |_: PurgeWebhooks| {
        let db = db.clone();
        async move {
            let purged = store::purge(&db, KEPT).await?;
            tracing::info!(purged, "purged webhooks' events");
            Ok(())
        }
    })
    .every(HOURLY, PurgeWebhooks {})
}
