//! What was shown to people who said nothing to it and became nobody's customer: nobody could ask to have it forgotten, so
//! it is forgotten after a while.

use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::store;
use crate::jobs::{Failure, Job, Jobs};
use crate::product::App;
use crate::product::ops::Tenants;

/// How long somebody has to say something.
const PATIENCE: TimeDelta = TimeDelta::days(30);

/// Agreements that are forgotten in one transaction.
const PORTION: i64 = 500;

const DAILY: Duration = Duration::from_secs(24 * 3600);

/// Throws the keys of such agreements away, of every tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ForgetUndecided {}

impl Job for ForgetUndecided {
    const KIND: &'static str = "forget_undecided_agreements";
    const TIME_LIMIT: Duration = Duration::from_secs(600);
}

/// Has it done every day.
pub fn register(jobs: Jobs, app: &App) -> Jobs {
    let app = app.clone();
    jobs.handle(move |_: ForgetUndecided| {
        let app = app.clone();
        async move { forget(&app).await }
    })
    .every(DAILY, ForgetUndecided {})
}

async fn forget(app: &App) -> Result<(), Failure> {
    let before = app.clock.now() - PATIENCE;
    for tenant in Tenants::all(&app.db).await? {
        let mut forgotten = 0;
        loop {
            let mut tx = app.db.tenant(tenant.id).begin().await?;
            let now = store::forget_undecided(&mut tx, before, PORTION).await?;
            tx.commit().await?;
            forgotten += now;
            if now == 0 {
                break;
            }
        }
        if forgotten > 0 {
            tracing::info!(tenant = %tenant.id, forgotten, "forgot agreements that nobody decided on");
        }
    }
    Ok(())
}
