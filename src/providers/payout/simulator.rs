//! A provider that pays nothing and behaves like one: it takes its time, refuses what is to be refused and calls back.
//!
//! Where a payout stands follows from the request and the clock alone, so that a server that was restarted, or another
//! one, gets the same answers. Whatever was asked once counts as heard.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{PayoutError, PayoutProvider, PayoutRequest, Progress};
use crate::foundation::{Clock, Rehearsal};

/// How long a slow network takes.
const SLOW: Duration = Duration::from_secs(20);

/// Call-backs that wait at once; who is sent more hears of them by asking, as of a real call-back that was lost.
const MOST_CALL_BACKS: usize = 1_000;

/// A provider that only says that it pays.
pub struct Simulator {
    delay: Duration,
    clock: Clock,
    moved: Option<mpsc::Sender<Uuid>>,
    /// Owned here, so that none outlives the simulator.
    waiting: Mutex<JoinSet<()>>,
}

impl Simulator {
    /// How long a payout takes unless somebody wants it otherwise.
    pub const USUAL_DELAY: Duration = Duration::from_millis(1_500);

    /// A simulator whose payouts take this long. It calls nobody back.
    pub fn new(delay: Duration, clock: Clock) -> Self {
        Self { delay, clock, moved: None, waiting: Mutex::default() }
    }

    /// The same, which says here when a payout that was sent has ended. What finds the channel full is lost.
    pub fn calling_back(mut self, moved: mpsc::Sender<Uuid>) -> Self {
        self.moved = Some(moved);
        self
    }

    fn delay_of(&self, payout: &PayoutRequest) -> Duration {
        match payout.rehearsal {
            Some(Rehearsal::PayoutSlow) => SLOW,
            Some(
                Rehearsal::Reverts
                | Rehearsal::PayoutRefused
                | Rehearsal::Insufficient
                | Rehearsal::RefundReverts
                | Rehearsal::NoRate,
            )
            | None => self.delay,
        }
    }

    /// How long it still takes; nothing when it has ended.
    fn left(&self, payout: &PayoutRequest) -> Option<Duration> {
        let gone = self.clock.now() - payout.asked_at;
        let delay = TimeDelta::from_std(self.delay_of(payout)).unwrap_or(TimeDelta::MAX);
        (delay - gone).to_std().ok().filter(|left| !left.is_zero())
    }

    fn progress(&self, payout: &PayoutRequest) -> Progress {
        if self.left(payout).is_some() {
            return Progress::Pending;
        }
        match payout.rehearsal {
            Some(Rehearsal::PayoutRefused | Rehearsal::RefundReverts) => {
                Progress::Refused { why: "RECIPIENT_NOT_FOUND".to_owned() }
            }
            Some(Rehearsal::Reverts | Rehearsal::Insufficient | Rehearsal::PayoutSlow | Rehearsal::NoRate) | None => {
                Progress::Paid { reference: reference(payout.id) }
            }
        }
    }

    fn call_back_later(&self, payout: &PayoutRequest) {
        let (Some(moved), Some(left)) = (self.moved.clone(), self.left(payout)) else { return };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.try_join_next().is_some() {}
        if waiting.len() < MOST_CALL_BACKS {
            let id = payout.id;
            waiting.spawn(async move {
                tokio::time::sleep(left).await;
                // Full or closed: whoever waits for the payout asks for it all the same.
                let _ = moved.try_send(id);
            });
        }
    }
}

/// The reference that a network might have given, the same for an id whenever it is asked for.
fn reference(id: Uuid) -> String {
    let simple = id.simple().to_string().to_uppercase();
    format!("SIM-{}", &simple[20..])
}

#[async_trait]
impl PayoutProvider for Simulator {
    fn name(&self) -> &'static str {
        "simulator"
    }

    fn longest_send(&self) -> Duration {
        Duration::ZERO
    }

    async fn send(&self, payout: &PayoutRequest) -> Result<Progress, PayoutError> {
        if payout.rehearsal != Some(Rehearsal::PayoutSlow) {
            self.call_back_later(payout);
        }
        Ok(self.progress(payout))
    }

    async fn status(&self, payout: &PayoutRequest) -> Result<Progress, PayoutError> {
        Ok(self.progress(payout))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use rust_decimal::Decimal;

    use super::*;
    use crate::foundation::Phone;
    use crate::providers::fx::Currency;

    fn payout(clock: &Clock, rehearsal: Option<Rehearsal>) -> PayoutRequest {
        PayoutRequest {
            id: Uuid::new_v4(),
            withdrawal_id: Uuid::now_v7(),
            mobile: Phone::parse("+2250700000001").unwrap(),
            network: "orange_money".to_owned(),
            country: "CI".to_owned(),
            currency: Currency::XOF,
            amount: Decimal::from(11_000),
            asked_at: clock.now(),
            rehearsal,
        }
    }

    /// A long delay, so that only the test's clock ends it.
    const HOUR: Duration = Duration::from_secs(3_600);

    async fn after(rehearsal: Option<Rehearsal>, delay: Duration, seconds: i64) -> Progress {
        let clock = Clock::default();
        let simulator = Simulator::new(delay, clock.clone());
        let payout = payout(&clock, rehearsal);
        assert_eq!(simulator.send(&payout).await.unwrap(), Progress::Pending);
        clock.move_by(TimeDelta::seconds(seconds));
        simulator.status(&payout).await.unwrap()
    }

    #[tokio::test]
    async fn a_payout_is_paid_when_its_time_has_come() {
        assert_eq!(after(None, HOUR, 3_590).await, Progress::Pending);
        assert!(matches!(after(None, HOUR, 3_600).await, Progress::Paid { .. }));
        assert!(matches!(after(Some(Rehearsal::Reverts), HOUR, 3_600).await, Progress::Paid { .. }));
    }

    #[tokio::test]
    async fn what_is_to_be_refused_is_refused_and_what_is_slow_takes_its_time() {
        for rehearsal in [Rehearsal::PayoutRefused, Rehearsal::RefundReverts] {
            assert_eq!(after(Some(rehearsal), HOUR, 3_590).await, Progress::Pending);
            assert!(matches!(after(Some(rehearsal), HOUR, 3_600).await, Progress::Refused { .. }));
        }
        let second = Duration::from_secs(1);
        assert_eq!(after(Some(Rehearsal::PayoutSlow), second, 15).await, Progress::Pending);
        assert!(matches!(after(Some(Rehearsal::PayoutSlow), second, 20).await, Progress::Paid { .. }));
    }

    #[tokio::test]
    async fn another_simulator_says_the_same_and_another_payout_has_another_reference() {
        let clock = Clock::default();
        let first = payout(&clock, None);
        let second = payout(&clock, None);
        let before = Simulator::new(HOUR, clock.clone());
        before.send(&first).await.unwrap();
        clock.move_by(TimeDelta::hours(1));
        let told = before.status(&first).await.unwrap();
        let restarted = Simulator::new(HOUR, clock);
        assert_eq!(restarted.status(&first).await.unwrap(), told);
        assert_eq!(restarted.send(&first).await.unwrap(), told, "an id that is sent again pays nothing more");
        assert_ne!(restarted.status(&second).await.unwrap(), told);
    }

    #[tokio::test]
    async fn it_calls_back_when_a_payout_has_ended_unless_the_network_is_slow() {
        let clock = Clock::default();
        let (moved, mut heard) = mpsc::channel(8);
        let simulator = Simulator::new(Duration::from_millis(30), clock.clone()).calling_back(moved);
        let slow = payout(&clock, Some(Rehearsal::PayoutSlow));
        let refused = payout(&clock, Some(Rehearsal::PayoutRefused));
        simulator.send(&slow).await.unwrap();
        simulator.send(&refused).await.unwrap();
        assert_eq!(heard.recv().await, Some(refused.id));
        assert!(matches!(simulator.status(&refused).await.unwrap(), Progress::Refused { .. }));
        assert_eq!(simulator.waiting.lock().unwrap().len(), 1, "nothing waits for the slow one");
    }

    #[tokio::test]
    async fn call_backs_that_wait_are_bounded_and_end_with_the_simulator() {
        let clock = Clock::default();
        let (moved, mut heard) = mpsc::channel(8);
        let simulator = Simulator::new(HOUR, clock.clone()).calling_back(moved);
        for _ in 0..MOST_CALL_BACKS + 10 {
            simulator.send(&payout(&clock, None)).await.unwrap();
        }
        assert_eq!(simulator.waiting.lock().unwrap().len(), MOST_CALL_BACKS);
        drop(simulator);
        assert_eq!(heard.recv().await, None, "every task is gone, and with it every sender");
    }
}
