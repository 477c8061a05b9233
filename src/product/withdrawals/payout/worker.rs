//! Looking after payouts until they have ended.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::store::{self, Asked, Due, Note};
use super::{ending, request};
use crate::foundation::{FailPoint, Mode};
use crate::http::Result;
use crate::product::App;
use crate::providers::payout::{PayoutError, PayoutProvider, PayoutRequest, Progress};

/// Payouts of live keys in hand at once; test keys have slots of their own.
const LIVE_IN_HAND: usize = 16;
const TEST_IN_HAND: usize = 4;

/// How often the worker looks for payouts that are due.
const POLL: Duration = Duration::from_millis(500);

/// The longest pause between two looks at a payout.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// The pause after a provider would not deal with us, or has forgotten what it had: somebody has to look first.
const PAUSE_OF_ALARM: Duration = Duration::from_secs(60);

/// The least time that whoever looks after a payout is given.
const LEAST_LEASE: Duration = Duration::from_secs(60);

/// Looks after payouts until told to stop; `moved` has ids of payouts that their provider has called back about.
pub async fn run(app: App, mut moved: mpsc::Receiver<Uuid>, shutdown: CancellationToken) {
    let (mut live, mut test) = (JoinSet::new(), JoinSet::new());
    let mut is_heard = true;
    loop {
        let more = take(&app, Mode::Live, LIVE_IN_HAND, &mut live).await;
        let more_tests = take(&app, Mode::Test, TEST_IN_HAND, &mut test).await;
        let pause = if more || more_tests { Duration::ZERO } else { POLL };
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
            id = moved.recv(), if is_heard => match id {
                Some(id) => heard(&app, id).await,
                None => is_heard = false,
            },
        }
    }
    // What is in hand is soon over, and would be found again if it were not.
    while live.join_next().await.is_some() || test.join_next().await.is_some() {}
}

/// A provider has called back: the payout is looked at now. What it says there is not believed, but asked for.
pub async fn heard(app: &App, id: Uuid) {
    if let Err(error) = store::hurry(&app.db, id).await {
        tracing::warn!(payout = %id, %error, "a call-back was lost; the payout is looked at later");
    }
}

/// Takes as many payouts in hand as there is room for; `true` when there is room and may be more to take.
async fn take(app: &App, mode: Mode, most: usize, in_hand: &mut JoinSet<()>) -> bool {
    while in_hand.try_join_next().is_some() {}
    let free = most.saturating_sub(in_hand.len());
    let (Ok(limit), Some(provider)) = (i64::try_from(free), app.payouts.provider(mode)) else { return false };
    if limit == 0 {
        return false;
    }
    let lease = Lease::new(provider.longest_send());
    match store::claim(&app.db, mode, limit, lease.length).await {
        Ok(claimed) => {
            let is_full = claimed.len() == free;
            for due in claimed {
                let app = app.clone();
                in_hand.spawn(async move {
                    if let Err(error) = look_after(&app, &due, lease).await {
                        tracing::warn!(payout = %due.id, tenant = %due.tenant, %error, "a payout could not be looked after");
                    }
                });
            }
            is_full && in_hand.len() < most
        }
        Err(error) => {
            tracing::warn!(%error, "no payouts could be taken in hand");
            false
        }
    }
}

/// How long nobody else looks after a payout, from before that was stored.
#[derive(Clone, Copy)]
struct Lease {
    begun: Instant,
    length: Duration,
    longest_send: Duration,
}

impl Lease {
    fn new(longest_send: Duration) -> Self {
        Self { begun: Instant::now(), length: LEAST_LEASE.max(longest_send * 3), longest_send }
    }

    /// Whether a send that begins now is over before anybody else looks after the payout.
    fn covers_a_send(self) -> bool {
        self.begun.elapsed() + self.longest_send < self.length
    }
}

async fn look_after(app: &App, due: &Due, lease: Lease) -> Result<()> {
    let mut tx = app.db.tenant(due.tenant).begin().await?;
    let Some(asked) = store::begin(&mut tx, due).await? else { return Ok(()) };
    let (provider, request) = request::of(app, &mut tx, due.id, &asked).await?;
    tx.commit().await?;
    FailPoint::PayoutAsked.reached();

    let said = ask(provider.as_ref(), &request, &asked, lease).await;
    FailPoint::PayoutSent.reached();
    match said {
        Ok(Progress::Paid { reference }) => {
            ending::note(app, due, asked.withdrawal_id, Note::Paid(&reference)).await?;
        }
        Ok(Progress::Refused { why }) => ending::note(app, due, asked.withdrawal_id, Note::Refused(&why)).await?,
        Ok(Progress::Pending) => later(app, due, Duration::ZERO, true, None).await?,
        Ok(Progress::Unknown) if asked.is_heard => {
            tracing::error!(payout = %due.id, tenant = %due.tenant, "a provider has forgotten a payout that it had; somebody must look");
            metrics::counter!("diolkos_payouts_forgotten_total").increment(1);
            later(app, due, PAUSE_OF_ALARM, false, Some("the provider has forgotten the payout")).await?;
        }
        Ok(Progress::Unknown) => later(app, due, Duration::ZERO, false, None).await?,
        Err(error) => {
            tracing::warn!(payout = %due.id, tenant = %due.tenant, %error, "a payout's provider gave no answer");
            metrics::counter!("diolkos_payout_failures_total").increment(1);
            let least = if matches!(error, PayoutError::Ours(_)) { PAUSE_OF_ALARM } else { Duration::ZERO };
            later(app, due, least, false, Some(&error.to_string())).await?;
        }
    }
    FailPoint::PayoutNoted.reached();
    Ok(())
}

/// A provider that may have heard of a payout is asked for it. It is sent only what it has never said to have, and only
/// while nobody else can be looking after the payout.
async fn ask(
    provider: &dyn PayoutProvider,
    request: &PayoutRequest,
    asked: &Asked,
    lease: Lease,
) -> std::result::Result<Progress, PayoutError> {
    if !asked.is_first {
        let said = provider.status(request).await?;
        if said != Progress::Unknown || asked.is_heard {
            return Ok(said);
        }
    }
    if lease.covers_a_send() { provider.send(request).await } else { Ok(Progress::Unknown) }
}

async fn later(app: &App, due: &Due, least: Duration, is_heard: bool, why: Option<&str>) -> Result<()> {
    let mut tx = app.db.tenant(due.tenant).begin().await?;
    store::later(&mut tx, due, pause(due.attempt).max(least), is_heard, why).await?;
    Ok(tx.commit().await?)
}

/// Longer from look to look.
fn pause(attempt: i32) -> Duration {
    let doublings = u32::try_from(attempt - 1).unwrap_or(0).min(10);
    (Duration::from_secs(1) * 2_u32.pow(doublings)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_five_minutes() {
        let pauses: Vec<u64> = (1..=12).map(|attempt| pause(attempt).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(pause(i32::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn nothing_is_sent_that_might_arrive_after_the_lease() {
        let second = Duration::from_secs(1);
        assert!(Lease::new(30 * second).covers_a_send());
        assert_eq!(Lease::new(30 * second).length, 90 * second);
        let paused = |seconds| Lease { begun: Instant::now(), length: 60 * second, longest_send: seconds * second };
        assert!(paused(59).covers_a_send());
        assert!(!paused(60).covers_a_send());
    }
}
