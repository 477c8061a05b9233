//! Asking a provider what a fingerprint proves, and writing that down: by the request itself, and by a job when the request
//! has died on the way.

use std::time::Duration;

use chrono::{SubsecRound, TimeDelta};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::check::{AGAIN, ASKS, ATTEMPTS, Check, provider};
use super::store::{self, State};
use crate::db::{self, TenantTx};
use crate::foundation::{FailPoint, Mode, TenantId};
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

/// How long it is known that there was a check which no customer began: longer than its repetitions are answered.
const NOBODYS: TimeDelta = TimeDelta::hours(25);

/// Asks a provider about a fingerprint once more.
#[derive(Serialize, Deserialize)]
pub struct ValidateIdentity {
    tenant: TenantId,
    check: Uuid,
}

impl Job for ValidateIdentity {
    const KIND: &'static str = "validate_identity";
    const TIME_LIMIT: Duration = Duration::from_secs(60);
    // The check is found again as long as it has no answer and can be used.
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

/// Asks the provider about the fingerprint that is stored, and writes down what it says, for whoever has the turn to ask. No
/// transaction is open meanwhile.
///
/// An error inside: the provider did not say. Then it is asked again when the next turn comes, but for the last.
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
    tx.commit().await?;
    let said = match provider(app, mode) {
        Ok(provider) => provider.validate(id, &reference, &fingerprint).await,
        // Not any more: nothing that a job could do about it.
        Err(_) => Err(VerificationError::Unsure("nobody checks identities".to_owned())),
    };
    let finding = match said {
        Ok(finding) => finding,
        Err(error) => {
            // Nobody's fingerprint is to blame for a provider that is away.
            if matches!(error, VerificationError::Ours(_)) {
                let_go(app, tenant, (mode, id), &fingerprint).await?;
            }
            return Ok(Err(error));
        }
    };
    FailPoint::IdentityProven.reached();
    let mut tx = app.db.tenant(tenant).begin().await?;
    let outcome = conclude(app, &mut tx, id, &fingerprint, finding).await?;
    tx.commit().await?;
    Ok(Ok(outcome))
}

/// After the last turn a fingerprint that the provider does not take counts as one that proves nothing, so that another may
/// be tried.
async fn let_go(app: &App, tenant: TenantId, (mode, id): (Mode, Uuid), fingerprint: &str) -> Result<()> {
    let mut tx = app.db.tenant(tenant).begin().await?;
    if let Some(check) = Check::hold(app, &mut tx, mode, id).await?
        && check.row.state == State::Validating
        && check.fingerprint()? == fingerprint
        && store::was_asked(&mut tx, id, ASKS).await?
    {
        store::mark_unproven(&mut tx, id, ATTEMPTS, app.clock.now().trunc_subsecs(6)).await?;
        tracing::warn!(check = %id, "a fingerprint that the provider does not answer is let go");
    }
    Ok(tx.commit().await?)
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
    let mut tx = app.db.tenant(job.tenant).begin().await?;
    let now = app.clock.now();
    let has_turn = store::take_turn(&mut tx, job.check, now, now + AGAIN).await?;
    tx.commit().await?;
    // Whoever repeated the request may have been faster.
    if has_turn && let Err(error) = settle(app, job.tenant, job.check).await? {
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
    for store::Due { tenant, check, turn: (attempts, asked) } in store::due(&mut tx, now, ROUND).await? {
        // One job a turn, however long the workers take to come to it.
        let once = format!("{check} {attempts} {asked}");
        Jobs::enqueue_once(&mut tx, &ValidateIdentity { tenant: TenantId(tenant), check }, &once).await?;
    }
    store::purge(&mut tx, now - KEPT, now).await?;
    store::delete_nobodys(&mut tx, now - NOBODYS, ROUND).await?;
    tx.commit().await
}
