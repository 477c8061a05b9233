//! Having customers looked at.
//!
//! ```text
//! waiting ──asked──▶ accepted | rejected
//!    │                  ▲
//!    ├──▶ pending ──▶ review, asked again until it ends
//!    └──▶ dropped: another check takes its place, or the customer is forgotten
//! ```
//!
//! The provider is asked by a job, while no transaction is open, and knows a check by our id: asking twice begins nothing
//! twice. What it says counts only as long as the check is open.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::profile::{Profile, seal};
use super::{papers, store};
use crate::db::{self, TenantTx};
use crate::foundation::{Mode, TenantId};
use crate::http::Result;
use crate::jobs::{Failure, Job, Jobs};
use crate::product::App;
use crate::product::users::Identities;
use crate::providers::compliance::{Applicant, ComplianceError, ComplianceProvider, Verdict};

/// How long after it was asked a provider is asked again.
const AGAIN: TimeDelta = TimeDelta::seconds(30);

/// How often a process looks for such checks.
const POLL: Duration = Duration::from_secs(2);

/// Checks that are asked about in one round.
const ROUND: i64 = 500;

/// Asks a provider about a check.
#[derive(Serialize, Deserialize)]
pub struct CheckCompliance {
    tenant: TenantId,
    check: Uuid,
}

impl Job for CheckCompliance {
    const KIND: &'static str = "check_compliance";
    const TIME_LIMIT: Duration = Duration::from_secs(300);
    // About five weeks, an hour apart in the end: a provider may be away for a while.
    const ATTEMPTS: i32 = 840;
}

/// Who looks at customers.
pub struct Checkers {
    /// Those of live keys; nobody when it is not configured.
    pub live: Option<Arc<dyn ComplianceProvider>>,
    /// Those of test keys.
    pub test: Arc<dyn ComplianceProvider>,
}

/// Has a customer looked at, once this transaction is committed. A check that is open is dropped.
pub async fn ask(tx: &mut TenantTx, mode: Mode, customer: Uuid, now: DateTime<Utc>) -> Result<()> {
    store::supersede_checks(tx, customer, now).await?;
    let (tenant, check) = (tx.tenant(), Uuid::now_v7());
    store::insert_check(tx, mode, customer, check, now).await?;
    Ok(Jobs::enqueue(tx, &CheckCompliance { tenant, check }).await?)
}

/// What is done in the background.
pub fn register(jobs: Jobs, app: &App) -> Jobs {
    let checking = app.clone();
    jobs.handle(move |job: CheckCompliance| {
        let app = checking.clone();
        async move { check(&app, job).await }
    })
}

/// Has those checks asked about again that are due, until told to stop. Any number of processes may do so.
pub async fn follow(app: App, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(POLL)).await.is_some() {
        if let Err(error) = store_due(&app).await {
            tracing::warn!(%error, "looking for due compliance checks failed");
        }
    }
}

/// Stores a job for each check that is due.
async fn store_due(app: &App) -> db::Result<()> {
    let now = app.clock.now();
    let mut tx = app.db.engine().await?;
    for (tenant, check) in store::due_checks(&mut tx, now, ROUND).await? {
        let once = format!("{check} {}", now.timestamp() / AGAIN.num_seconds());
        Jobs::enqueue_once(&mut tx, &CheckCompliance { tenant: TenantId(tenant), check }, &once).await?;
    }
    tx.commit().await
}

async fn check(app: &App, CheckCompliance { tenant, check }: CheckCompliance) -> std::result::Result<(), Failure> {
    let Some((applicant, mode, was_heard)) = applicant(app, tenant, check).await? else { return Ok(()) };
    let provider = match (mode, &app.compliance.live) {
        (Mode::Test, _) => &app.compliance.test,
        (Mode::Live, Some(provider)) => provider,
        // Tried again until somebody is configured, and shown to operators meanwhile.
        (Mode::Live, None) => {
            return Err(Failure::Passing(anyhow::anyhow!("COMPLIANCE_PROVIDER is none: nobody looks at customers")));
        }
    };
    let verdict = ask_provider(provider.as_ref(), applicant, was_heard).await?;
    Ok(conclude(app, tenant, check, &verdict).await?)
}

/// A check that has been heard of is asked about; one that has not, or was forgotten, is submitted.
async fn ask_provider(
    provider: &dyn ComplianceProvider,
    applicant: Applicant,
    was_heard: bool,
) -> std::result::Result<Verdict, ComplianceError> {
    if was_heard {
        match provider.status(applicant.check).await? {
            Verdict::Unknown => {}
            known => return Ok(known),
        }
    }
    provider.submit(&applicant).await
}

/// Who is to be looked at; `None` when the check has ended.
async fn applicant(
    app: &App,
    tenant: TenantId,
    check: Uuid,
) -> std::result::Result<Option<(Applicant, Mode, bool)>, Failure> {
    let mut tx = app.db.tenant(tenant).begin().await?;
    let Some(check) = store::find_check(&mut tx, check).await? else { return Ok(None) };
    let identities = Identities::new(&app.keys, &app.blind_indexer, check.mode);
    let Some(known) = identities.find(&mut tx, check.customer).await? else { return Ok(None) };
    let Some(row) = store::find_profile(&mut tx, check.mode, known.id).await? else { return Ok(None) };
    let profile = Profile::open(&known.key, &tx, known.id, &row.document)?;
    let phone = known.phone(&tx)?;
    tx.commit().await?;
    let papers = papers::read(app, tenant, known.id, &known.key).await?;
    let mut told = profile.0;
    told.insert("phoneNumber".to_owned(), Value::String(phone));
    let applicant = Applicant { check: check.id, customer: known.id, profile: Value::Object(told), documents: papers };
    Ok(Some((applicant, check.mode, check.was_heard)))
}

/// Writes down what the provider said, unless the check has ended meanwhile.
async fn conclude(app: &App, tenant: TenantId, check: Uuid, verdict: &Verdict) -> Result<()> {
    let now = app.clock.now().trunc_subsecs(6);
    let mut tx = app.db.tenant(tenant).begin().await?;
    let Some(open) = store::find_check(&mut tx, check).await? else { return Ok(()) };
    // The customer first, as everybody does who changes one.
    let identities = Identities::new(&app.keys, &app.blind_indexer, open.mode);
    let Some(known) = identities.hold(&mut tx, open.customer).await? else { return Ok(()) };
    let Some(open) = store::hold_check(&mut tx, check).await? else { return Ok(()) };
    let Some(row) = store::find_profile(&mut tx, open.mode, known.id).await? else { return Ok(()) };
    let denial = match verdict {
        Verdict::Rejected(denial) => Some(json!({"code": denial.code, "reason": denial.reason})),
        Verdict::Pending | Verdict::Review | Verdict::Accepted | Verdict::Unknown => None,
    };
    let denial = denial.map(|denial| seal(&known.key, tenant, known.id, "denial", &denial)).transpose()?;
    store::set_standing(&mut tx, known.id, &row.standing.after(verdict), denial.as_ref(), now).await?;
    let (state, next_at) = match verdict {
        Verdict::Accepted => ("accepted", None),
        Verdict::Rejected(_) => ("rejected", None),
        Verdict::Review => ("review", Some(now + AGAIN)),
        Verdict::Pending | Verdict::Unknown => ("pending", Some(now + AGAIN)),
    };
    store::end_check(&mut tx, check, state, now, next_at).await?;
    Ok(tx.commit().await?)
}
