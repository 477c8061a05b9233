//! Asking a provider what a fingerprint proves, and writing that down: by the request itself, and by a job when the request
//! has died on the way.

use std::time::Duration;

use chrono::{SubsecRound, TimeDelta};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::check::{AGAIN, ATTEMPTS, Check, provider};
use super::store::{self, State};
use crate::db::{self, TenantTx};
use crate::foundation::{FailPoint, TenantId};
use crate::http::Result;
use crate::jobs::{Failure, Job, Jobs};
use crate::product::App;
use crate::product::customers::{Kyc, ProvenIdentity};
use crate::product::users::Identities;
use crate::providers::verification::{Finding, Person, VerificationError};

/// How often a process looks for checks whose answer is missing.
const POLL: Duration = Duration::from_secs(2);

/// Checks that are asked about in one round.
const ROUND: i64 = 500;

/// How long what is personal stays after a check can be used no more, so that a repeated request finds its answer.
const KEPT: TimeDelta = TimeDelta::hours(1);

/// Asks a provider about a fingerprint once more.
#[derive(Serialize, Deserialize)]
pub struct ValidateIdentity {
    tenant: TenantId,
    check: Uuid,
}

impl Job for ValidateIdentity {
    const KIND: &'static str = "validate_identity";
    const TIME_LIMIT: Duration = Duration::from_secs(60);
    // The check is found again as long as it has no answer.
    const ATTEMPTS: i32 = 3;
}

/// What a validation came to.
pub enum Outcome {
    /// Somebody is proven.
    Proven(Box<Person>),
    /// The fingerprint proves nothing.
    NotProven,
    /// The check is the caller's no more, or the provider does not know it.
    Gone,
}

/// Asks the provider about the fingerprint that is stored, and writes down what it says. No transaction is open meanwhile.
///
/// An error inside: the provider did not say. Then the check stays as it is, and is asked about again.
pub async fn settle(app: &App, tenant: TenantId, id: Uuid) -> Result<std::result::Result<Outcome, VerificationError>> {
    let mut tx = app.db.tenant(tenant).begin().await?;
    let Some((mode, _)) = store::find(&mut tx, id).await? else { return Ok(Ok(Outcome::Gone)) };
    let Some(check) = Check::hold(app, &mut tx, mode, id).await? else { return Ok(Ok(Outcome::Gone)) };
    match check.row.state {
        State::Validating => {}
        State::Proven => return Ok(Ok(Outcome::Proven(Box::new(check.person()?)))),
        State::Waiting | State::Sent | State::Refused | State::Failed | State::Expired => return Ok(Ok(Outcome::Gone)),
    }
    let (reference, fingerprint) = (check.reference()?, check.fingerprint()?);
    store::ask_again_at(&mut tx, id, app.clock.now() + AGAIN).await?;
    tx.commit().await?;
    let finding = match provider(app, mode)?.validate(id, &reference, &fingerprint).await {
        Ok(finding) => finding,
        Err(error) => return Ok(Err(error)),
    };
    FailPoint::IdentityProven.reached();
    let mut tx = app.db.tenant(tenant).begin().await?;
    let outcome = conclude(app, &mut tx, id, &fingerprint, finding).await?;
    tx.commit().await?;
    Ok(Ok(outcome))
}

/// Writes down what a fingerprint proved, unless another process was faster: then what that wrote counts.
async fn conclude(app: &App, tx: &mut TenantTx, id: Uuid, fingerprint: &str, finding: Finding) -> Result<Outcome> {
    let now = app.clock.now().trunc_subsecs(6);
    let Some((mode, customer)) = store::find(tx, id).await? else { return Ok(Outcome::Gone) };
    // The customer first, as everybody does who changes one: forgetting removes the check behind the same lock.
    if let Some(customer) = customer {
        Identities::new(&app.keys, &app.blind_indexer, mode).hold(tx, customer).await?;
    }
    let Some(check) = Check::hold(app, tx, mode, id).await? else { return Ok(Outcome::Gone) };
    match check.row.state {
        State::Validating if check.fingerprint()? == fingerprint => {}
        State::Proven if check.fingerprint()? == fingerprint => {
            return Ok(Outcome::Proven(Box::new(check.person()?)));
        }
        State::Sent | State::Refused => return Ok(Outcome::NotProven),
        State::Waiting | State::Validating | State::Proven | State::Failed | State::Expired => {
            return Ok(Outcome::Gone);
        }
    }
    match finding {
        Finding::NotProven => {
            store::mark_unproven(tx, id, ATTEMPTS, now).await?;
            Ok(Outcome::NotProven)
        }
        Finding::Unknown => {
            store::mark_failed(tx, id, now).await?;
            Ok(Outcome::Gone)
        }
        Finding::Proven(person) => {
            store::mark_proven(tx, id, &check.seal("finding", &person)?, now).await?;
            if let Some(customer) = customer
                && person.trust_score >= app.verifiers.least_score
            {
                let start = check.start()?;
                let proven = ProvenIdentity {
                    check: id,
                    phone: &start.mobile_number,
                    first_name: &person.first_name,
                    last_name: &person.last_name,
                    born: person.date_of_birth,
                    ssn: person.ssn.as_deref(),
                };
                Kyc::accept(app, tx, mode, customer, &proven, now).await?;
            }
            Ok(Outcome::Proven(person))
        }
    }
}

/// What is done in the background.
pub fn register(jobs: Jobs, app: &App) -> Jobs {
    let app = app.clone();
    jobs.handle(move |job: ValidateIdentity| {
        let app = app.clone();
        async move { ask_again(&app, job).await }
    })
}

async fn ask_again(app: &App, job: ValidateIdentity) -> std::result::Result<(), Failure> {
    if let Err(error) = settle(app, job.tenant, job.check).await? {
        // Found again half a minute later.
        tracing::warn!(check = %job.check, %error, "an identity check has no answer");
    }
    Ok(())
}

/// Has those fingerprints asked about again whose answer is missing, and throws away what is not needed any more, until
/// told to stop. Any number of processes may do so.
pub async fn follow(app: App, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(POLL)).await.is_some() {
        if let Err(error) = look(&app).await {
            tracing::warn!(%error, "looking for identity checks failed");
        }
    }
}

async fn look(app: &App) -> db::Result<()> {
    let now = app.clock.now();
    let mut tx = app.db.engine().await?;
    for (tenant, check) in store::due(&mut tx, now, ROUND).await? {
        let once = format!("{check} {}", now.timestamp() / AGAIN.num_seconds());
        Jobs::enqueue_once(&mut tx, &ValidateIdentity { tenant: TenantId(tenant), check }, &once).await?;
    }
    store::purge(&mut tx, now - KEPT, now).await?;
    tx.commit().await
}
