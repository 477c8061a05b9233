//! Making anew what customers were known by in an earlier form: by their first number alone, as it was written. Profiles are
//! sealed, so that no migration can.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::profile::Profile;
use super::store;
use crate::foundation::{Mode, TenantId};
use crate::http::Result;
use crate::jobs::{Failure, Job, Jobs};
use crate::product::App;
use crate::product::ops::Tenants;
use crate::product::users::Identities;

const HOURLY: Duration = Duration::from_secs(3600);

/// Customers that are looked for at once.
const PORTION: i64 = 100;

/// Makes the digests anew of all customers, of every tenant, who may have one of the earlier form. There are none for good
/// once it has run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RenewIdentifiers {}

impl Job for RenewIdentifiers {
    const KIND: &'static str = "renew_identifiers";
    const TIME_LIMIT: Duration = Duration::from_secs(3000);
}

/// Has it done every hour.
pub fn register(jobs: Jobs, app: &App) -> Jobs {
    let app = app.clone();
    jobs.handle(move |_: RenewIdentifiers| {
        let app = app.clone();
        async move { renew_all(&app).await }
    })
    .every(HOURLY, RenewIdentifiers {})
}

async fn renew_all(app: &App) -> std::result::Result<(), Failure> {
    for tenant in Tenants::all(&app.db).await? {
        for mode in [Mode::Live, Mode::Test] {
            renew_of(app, tenant.id, mode).await?;
        }
    }
    Ok(())
}

async fn renew_of(app: &App, tenant: TenantId, mode: Mode) -> std::result::Result<(), Failure> {
    let mut last = None;
    loop {
        let mut tx = app.db.tenant(tenant).begin().await?;
        let customers = store::known_otherwise(&mut tx, mode, last, PORTION).await?;
        tx.commit().await?;
        if customers.is_empty() {
            return Ok(());
        }
        for customer in customers {
            last = Some(customer);
            // One who cannot be read keeps nobody else waiting, and is tried again in an hour.
            if let Err(error) = renew(app, tenant, mode, customer).await {
                tracing::error!(%tenant, %customer, %error, "what a customer is known by was not made anew");
            }
        }
    }
}

async fn renew(app: &App, tenant: TenantId, mode: Mode, customer: Uuid) -> Result<()> {
    let mut tx = app.db.tenant(tenant).begin().await?;
    let identities = Identities::new(&app.keys, &app.blind_indexer, mode);
    let Some(known) = identities.hold(&mut tx, customer).await? else { return Ok(()) };
    let Some(row) = store::find_profile(&mut tx, mode, customer).await? else { return Ok(()) };
    let profile = Profile::open(&known.key, &tx, customer, &row.document)?;
    let identifiers = profile.identifiers(&app.blind_indexer, tenant, mode)?;
    store::renew_identifiers(&mut tx, mode, customer, &identifiers).await?;
    Ok(tx.commit().await?)
}
