//! Codes whose time has long been up: nothing of whom they were sent to stays.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::jobs::{Job, Jobs};
use crate::product::App;

const HOURLY: Duration = Duration::from_secs(3600);

/// Deletes the codes of every tenant that were good for the last time more than an hour ago.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PurgeOneTimeCodes {}

impl Job for PurgeOneTimeCodes {
    const KIND: &'static str = "purge_one_time_codes";
    const TIME_LIMIT: Duration = Duration::from_secs(600);
}

/// Has it done every hour.
pub fn register(jobs: Jobs, app: &App) -> Jobs {
    let app = app.clone();
    jobs.handle(move |_: PurgeOneTimeCodes| {
        let app = app.clone();
        async move {
            let purged = app.codes.purge(&app.db).await?;
            tracing::info!(purged, "purged one-time codes");
            Ok(())
        }
    })
    .every(HOURLY, PurgeOneTimeCodes {})
}
