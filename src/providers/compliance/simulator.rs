//! A provider that looks at names and nothing else.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{Applicant, ComplianceError, ComplianceProvider, Denial, Verdict};
use crate::foundation::Clock;

/// Rejects whoever has `Reject` among their names, has a person look at whoever has `Review` for a while before accepting
/// them, does not answer for whoever has `Unavailable`, and accepts everybody else.
///
/// It remembers reviews in memory: a check that it has forgotten is submitted again.
pub struct Simulator {
    clock: Clock,
    reviews: Mutex<HashMap<Uuid, DateTime<Utc>>>,
}

/// How long a review takes.
const REVIEW: TimeDelta = TimeDelta::seconds(20);

/// Reviews that are remembered at once.
const REMEMBERED: usize = 10_000;

impl Simulator {
    /// A provider whose reviews take their time by this clock.
    pub fn new(clock: Clock) -> Self {
        Self { clock, reviews: Mutex::default() }
    }

    fn reviews(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, DateTime<Utc>>> {
        self.reviews.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn review(&self, check: Uuid) -> Verdict {
        let now = self.clock.now();
        let mut reviews = self.reviews();
        reviews.retain(|_, begun| now - *begun < TimeDelta::days(1));
        if reviews.len() >= REMEMBERED && !reviews.contains_key(&check) {
            return Verdict::Review;
        }
        let begun = *reviews.entry(check).or_insert(now);
        if now - begun < REVIEW { Verdict::Review } else { Verdict::Accepted }
    }
}

fn is_called(applicant: &Applicant, word: &str) -> bool {
    let names = ["firstName", "middleName", "lastName", "fullName", "businessUserName", "businessUserLegalName"];
    let names = names.iter().filter_map(|name| applicant.profile.get(name)?.as_str());
    names.flat_map(str::split_whitespace).any(|name| name.eq_ignore_ascii_case(word))
}

#[async_trait]
impl ComplianceProvider for Simulator {
    async fn submit(&self, applicant: &Applicant) -> Result<Verdict, ComplianceError> {
        if is_called(applicant, "unavailable") {
            return Err(ComplianceError::Unsure("the simulator does not answer for this name".to_owned()));
        }
        if is_called(applicant, "reject") {
            let (code, reason) = (Some("S01".to_owned()), Some("Rejected by the simulator".to_owned()));
            return Ok(Verdict::Rejected(Denial { code, reason }));
        }
        Ok(if is_called(applicant, "review") { self.review(applicant.check) } else { Verdict::Accepted })
    }

    async fn status(&self, check: Uuid) -> Result<Verdict, ComplianceError> {
        let is_known = self.reviews().contains_key(&check);
        Ok(if is_known { self.review(check) } else { Verdict::Unknown })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use serde_json::json;

    use super::*;

    fn applicant(name: &str) -> Applicant {
        let profile = json!({"firstName": "Jane", "fullName": name});
        Applicant { check: Uuid::now_v7(), customer: Uuid::now_v7(), profile, documents: Vec::new() }
    }

    #[tokio::test]
    async fn it_goes_by_whole_names() {
        let simulator = Simulator::new(Clock::default());
        let ask = async |name: &str| simulator.submit(&applicant(name)).await;
        assert_eq!(ask("Jane Doe").await, Ok(Verdict::Accepted));
        assert_eq!(ask("Jane Rejecta").await, Ok(Verdict::Accepted));
        assert!(matches!(ask("Jane REJECT").await, Ok(Verdict::Rejected(_))));
        assert_eq!(ask("Review Doe").await, Ok(Verdict::Review));
        assert!(ask("Jane Unavailable").await.is_err());
    }

    #[tokio::test]
    async fn a_review_ends_by_the_clock() {
        let clock = Clock::default();
        let simulator = Simulator::new(clock.clone());
        let reviewed = applicant("Review");
        assert_eq!(simulator.status(reviewed.check).await.unwrap(), Verdict::Unknown);
        assert_eq!(simulator.submit(&reviewed).await.unwrap(), Verdict::Review);
        assert_eq!(simulator.status(reviewed.check).await.unwrap(), Verdict::Review);
        clock.move_by(TimeDelta::seconds(21));
        assert_eq!(simulator.status(reviewed.check).await.unwrap(), Verdict::Accepted);
    }
}
