//! Looking after payouts until they have ended.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::store::{self, Due, Note};
use super::{ending, request};
use crate::foundation::FailPoint;
use crate::http::Result;
use crate::product::App;
use crate::providers::payout::{PayoutError, PayoutProvider, PayoutRequest, Progress};

/// Payouts in hand at once.
const IN_HAND: usize = 16;

/// How often the worker looks for payouts that are due.
const POLL: Duration = Duration::from_millis(500);

/// The longest pause between two looks at a payout.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// The pause after a provider would not deal with us: somebody has to look first.
const PAUSE_OF_OURS: Duration = Duration::from_secs(60);

/// Looks after payouts until told to stop; `moved` has ids of payouts that their provider has called back about.
pub async fn run(app: App, mut moved: mpsc::Receiver<Uuid>, shutdown: CancellationToken) {
    let mut in_hand = JoinSet::new();
    let mut is_heard = true;
    loop {
        while in_hand.try_join_next().is_some() {}
        if let Err(error) = take(&app, &mut in_hand).await {
            tracing::warn!(%error, "no payouts could be taken in hand");
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(POLL) => {}
            id = moved.recv(), if is_heard => match id {
                Some(id) => heard(&app, id).await,
                None => is_heard = false,
            },
        }
    }
    // What is in hand is soon over, and would be found again if it were not.
    while in_hand.join_next().await.is_some() {}
}

/// A provider has called back: the payout is looked at now. What it says there is not believed, but asked for.
pub async fn heard(app: &App, id: Uuid) {
    if let Err(error) = store::hurry(&app.db, id).await {
        tracing::warn!(payout = %id, %error, "a call-back was lost; the payout is looked at later");
    }
}

async fn take(app: &App, in_hand: &mut JoinSet<()>) -> Result<()> {
    let free = IN_HAND.saturating_sub(in_hand.len());
    if free == 0 {
        return Ok(());
    }
    for due in store::claim(&app.db, i64::try_from(free).unwrap_or(1)).await? {
        let app = app.clone();
        in_hand.spawn(async move {
            if let Err(error) = look_after(&app, &due).await {
                tracing::warn!(payout = %due.id, tenant = %due.tenant, %error, "a payout could not be looked after");
            }
        });
    }
    Ok(())
}

async fn look_after(app: &App, due: &Due) -> Result<()> {
    let mut tx = app.db.tenant(due.tenant).begin().await?;
    let Some(asked) = store::begin(&mut tx, due).await? else { return Ok(()) };
    let (provider, request) = request::of(app, &mut tx, due.id, &asked).await?;
    tx.commit().await?;
    FailPoint::PayoutAsked.reached();

    let said = ask(provider.as_ref(), &request, asked.is_first).await;
    FailPoint::PayoutSent.reached();
    match said {
        Ok(Progress::Paid { reference }) => {
            ending::note(app, due.tenant, due.id, asked.withdrawal_id, Note::Paid(&reference)).await?;
        }
        Ok(Progress::Refused { why }) => {
            ending::note(app, due.tenant, due.id, asked.withdrawal_id, Note::Refused(&why)).await?;
        }
        Ok(Progress::Pending | Progress::Unknown) => later(app, due, pause(due.attempt), None).await?,
        Err(error) => {
            tracing::warn!(payout = %due.id, tenant = %due.tenant, %error, "a payout's provider gave no answer");
            metrics::counter!("diolkos_payout_failures_total").increment(1);
            let least = if matches!(error, PayoutError::Ours(_)) { PAUSE_OF_OURS } else { Duration::ZERO };
            later(app, due, pause(due.attempt).max(least), Some(&error.to_string())).await?;
        }
    }
    FailPoint::PayoutNoted.reached();
    Ok(())
}

/// A provider that may have heard of a payout is asked for it; it is sent again only what it has never heard of.
async fn ask(
    provider: &dyn PayoutProvider,
    request: &PayoutRequest,
    is_first: bool,
) -> std::result::Result<Progress, PayoutError> {
    if is_first {
        return provider.send(request).await;
    }
    match provider.status(request).await? {
        Progress::Unknown => provider.send(request).await,
        known => Ok(known),
    }
}

async fn later(app: &App, due: &Due, pause: Duration, why: Option<&str>) -> Result<()> {
    let mut tx = app.db.tenant(due.tenant).begin().await?;
    store::later(&mut tx, due, pause, why).await?;
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
}
