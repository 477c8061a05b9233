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
//! twice. What it says counts only as long as the check is open, and so does what an operator says.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::papers;
use super::profile::{Profile, seal};
use super::store::{self, Check};
use super::verified::Verified;
use crate::db::{self, TenantTx};
use crate::foundation::{Mode, TenantId};
use crate::http::Result;
use crate::jobs::{Failure, Job, Jobs};
use crate::product::App;
use crate::product::users::{Identities, Known};
use crate::providers::compliance::{Applicant, ComplianceProvider, Verdict};

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

/// The same where a check is open already, because it was shown what is no longer so; whether it was.
pub async fn ask_again(tx: &mut TenantTx, mode: Mode, customer: Uuid, now: DateTime<Utc>) -> Result<bool> {
    let is_open = store::has_open_check(tx, customer).await?;
    if is_open {
        ask(tx, mode, customer, now).await?;
    }
    Ok(is_open)
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

/// Stores a job for each check that is due, unless there is one already: however long a provider is away, one job asks
/// about a check.
async fn store_due(app: &App) -> db::Result<()> {
    let mut tx = app.db.engine().await?;
    for (tenant, check) in store::take_due_checks(&mut tx, app.clock.now(), ROUND).await? {
        Jobs::enqueue(&mut tx, &CheckCompliance { tenant: TenantId(tenant), check }).await?;
    }
    tx.commit().await
}

async fn check(app: &App, CheckCompliance { tenant, check }: CheckCompliance) -> std::result::Result<(), Failure> {
    let Some(asked) = asked(app, tenant, check).await? else { return Ok(()) };
    let provider = match (asked.check.mode, &app.compliance.live) {
        (Mode::Test, _) => &app.compliance.test,
        (Mode::Live, Some(provider)) => provider,
        // Tried again until somebody is configured, or an operator decides, and shown to operators meanwhile.
        (Mode::Live, None) => {
            return Err(Failure::Passing(anyhow::anyhow!("COMPLIANCE_PROVIDER is none: nobody looks at customers")));
        }
    };
    let verdict = ask_provider(app, provider.as_ref(), tenant, asked).await?;
    let mut tx = app.db.tenant(tenant).begin().await?;
    conclude(app, &mut tx, check, &verdict, app.clock.now()).await?;
    Ok(tx.commit().await?)
}

/// A check, and what its customer has told.
struct Asked {
    check: Check,
    known: Known,
    profile: Profile,
    phone: String,
}

/// What a check is about; `None` when it has ended.
async fn asked(app: &App, tenant: TenantId, check: Uuid) -> std::result::Result<Option<Asked>, Failure> {
    let mut tx = app.db.tenant(tenant).begin().await?;
    let Some(check) = store::find_check(&mut tx, check).await? else { return Ok(None) };
    let identities = Identities::new(&app.keys, &app.blind_indexer, check.mode);
    let Some(known) = identities.find(&mut tx, check.customer).await? else { return Ok(None) };
    let Some(row) = store::find_profile(&mut tx, check.mode, known.id).await? else { return Ok(None) };
    let profile = Profile::open(&known.key, &tx, known.id, &row.document)?;
    let phone = known.phone(&tx)?;
    tx.commit().await?;
    Ok(Some(Asked { check, known, profile, phone }))
}

/// A check that has been heard of is asked about; one that has not, or was forgotten, is submitted, and only then are the
/// customer's papers read.
async fn ask_provider(
    app: &App,
    provider: &dyn ComplianceProvider,
    tenant: TenantId,
    asked: Asked,
) -> std::result::Result<Verdict, Failure> {
    let Asked { check, known, profile, phone } = asked;
    if check.was_heard {
        match provider.status(check.id).await? {
            Verdict::Unknown => {}
            heard => return Ok(heard),
        }
    }
    let documents = papers::read(app, tenant, &known, &profile.papers()).await?;
    let mut told = profile.0;
    told.insert("phoneNumber".to_owned(), Value::String(phone));
    let applicant = Applicant { check: check.id, customer: known.id, profile: Value::Object(told), documents };
    Ok(provider.submit(&applicant).await?)
}

/// Writes down what was said of a check, and returns whose it is; `None` when it has ended meanwhile.
pub async fn conclude(
    app: &App,
    tx: &mut TenantTx,
    check: Uuid,
    verdict: &Verdict,
    now: DateTime<Utc>,
) -> Result<Option<Known>> {
    let (tenant, now) = (tx.tenant(), now.trunc_subsecs(6));
    let Some(open) = store::find_check(tx, check).await? else { return Ok(None) };
    // The customer first, as everybody does who changes one.
    let identities = Identities::new(&app.keys, &app.blind_indexer, open.mode);
    let Some(known) = identities.hold(tx, open.customer).await? else { return Ok(None) };
    let Some(open) = store::hold_check(tx, check).await? else { return Ok(None) };
    let Some(row) = store::find_profile(tx, open.mode, known.id).await? else { return Ok(None) };
    let denial = match verdict {
        Verdict::Rejected(denial) => Some(json!({"code": denial.code, "reason": denial.reason})),
        Verdict::Pending | Verdict::Review | Verdict::Accepted | Verdict::Unknown => None,
    };
    let denial = denial.map(|denial| seal(&known.key, tenant, known.id, "denial", &denial)).transpose()?;
    store::set_standing(tx, known.id, &row.standing.after(verdict), denial.as_ref(), now).await?;
    let (state, next_at, verified) = match verdict {
        // An update would have ended the check: what is told now is what was shown.
        Verdict::Accepted => {
            let profile = Profile::open(&known.key, tx, known.id, &row.document)?;
            ("accepted", None, Verified::shown_in(&profile))
        }
        Verdict::Rejected(_) => ("rejected", None, Verified::default()),
        Verdict::Review => ("review", Some(now + AGAIN), row.verified),
        Verdict::Pending | Verdict::Unknown => ("pending", Some(now + AGAIN), row.verified),
    };
    store::set_verified(tx, known.id, &verified).await?;
    store::end_check(tx, check, state, now, next_at).await?;
    Ok(Some(known))
}
