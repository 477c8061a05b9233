//! How well an endpoint has served lately. Pure: whoever asks brings the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Answers that are remembered for judging how long one takes.
const REMEMBERED: usize = 64;

/// Fewer answers than this say nothing about a percentile.
const TELLING: usize = 16;

/// How long an answer is believed to take as long as nothing is known.
const USUAL: Duration = Duration::from_millis(250);

/// An endpoint that failed once rests this long, and twice as long with every failure more in a row,
const SHORTEST_REST: Duration = Duration::from_millis(250);
/// but never longer than this.
const LONGEST_REST: Duration = Duration::from_secs(32);

/// Old failures weigh half as much after this long.
const HALF_LIFE: Duration = Duration::from_secs(10);

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The endpoint answered, be it with a refusal.
    Answered,
    /// It answered that it is in trouble itself.
    Troubled,
    /// It gave no answer that can be used, or asked to be left alone.
    Failed,
}

/// Where an endpoint stands among others: the least is asked first. Of the same rank the one that configuration names
/// first is preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    rests: bool,
    behind: bool,
    lacks_block: bool,
    /// The power of two of the milliseconds that a call is expected to cost: small differences do not count.
    cost: u32,
}

/// The record of one endpoint.
#[derive(Debug, Default)]
pub(super) struct Health {
    latencies: VecDeque<Duration>,
    /// Share of calls that failed, in thousandths, and when that was so.
    failing: Option<(u32, Instant)>,
    failures_in_a_row: u32,
    rests_until: Option<Instant>,
    /// The highest block that it told of.
    height: Option<u64>,
    /// Blocks that others had and it had not, when that was last compared.
    behind: u64,
}

impl Health {
    /// Takes note of a call.
    pub(super) fn record(&mut self, outcome: Outcome, took: Duration, now: Instant) {
        let failed = match outcome {
            Outcome::Answered => 0,
            Outcome::Troubled => 500,
            Outcome::Failed => 1_000,
        };
        let failing = self.failing(now);
        self.failing = Some((failing - failing / 8 + failed / 8, now));
        if outcome == Outcome::Failed {
            let rest = SHORTEST_REST * 2u32.pow(self.failures_in_a_row.min(7));
            self.rests_until = Some(now + rest.min(LONGEST_REST));
            self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        } else {
            (self.failures_in_a_row, self.rests_until) = (0, None);
            self.remember(took);
        }
    }

    /// Nobody waited for its answer: it takes at least this long.
    pub(super) fn outrun(&mut self, waited: Duration) {
        if waited > self.median() {
            self.remember(waited);
        }
    }

    fn remember(&mut self, took: Duration) {
        if self.latencies.len() == REMEMBERED {
            self.latencies.pop_front();
        }
        self.latencies.push_back(took);
    }

    /// It told of a block.
    pub(super) fn reached(&mut self, height: u64) {
        self.height = Some(height);
    }

    /// It was found to be so many blocks behind others.
    pub(super) fn is_behind(&mut self, blocks: u64) {
        self.behind = blocks;
    }

    /// The newest block that it told of.
    pub(super) fn height(&self) -> Option<u64> {
        self.height
    }

    /// Blocks that others had and it had not.
    pub(super) fn behind(&self) -> u64 {
        self.behind
    }

    /// Share of its calls that failed lately, in thousandths.
    pub(super) fn failing(&self, now: Instant) -> u32 {
        let Some((failing, since)) = self.failing else { return 0 };
        let halvings = now.saturating_duration_since(since).as_millis() / HALF_LIFE.as_millis();
        failing.checked_shr(u32::try_from(halvings).unwrap_or(u32::MAX)).unwrap_or(0)
    }

    /// Whether it is left alone while others can be asked.
    pub(super) fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    /// How long half of its answers took at most.
    pub(super) fn median(&self) -> Duration {
        self.percentile(50)
    }

    /// How long it is waited for before another endpoint is asked as well: as long as nearly all of its answers took.
    pub(super) fn patience(&self, limit: Duration) -> Duration {
        let usual = if self.latencies.len() < TELLING { 2 * USUAL } else { self.percentile(95) };
        usual.clamp(Duration::from_millis(20), (limit / 4).max(Duration::from_millis(20)))
    }

    fn percentile(&self, percent: usize) -> Duration {
        let mut sorted: Vec<Duration> = self.latencies.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() * percent / 100).copied().unwrap_or(USUAL)
    }

    /// Its place among others for a call that needs the state of a block, or of none in particular.
    pub(super) fn rank(&self, needs: Option<u64>, max_behind: u64, limit: Duration, now: Instant) -> Rank {
        let expected = self.median().as_millis() + limit.as_millis() * u128::from(self.failing(now)) / 1_000;
        Rank {
            rests: self.rests(now),
            behind: self.behind > max_behind,
            lacks_block: needs.is_some_and(|block| self.height.is_some_and(|height| height < block)),
            cost: u128::BITS - expected.leading_zeros(),
        }
    }

    /// How well it serves, of a hundred: nothing while it rests, less when calls fail or it is behind.
    pub(super) fn score(&self, max_behind: u64, now: Instant) -> u32 {
        if self.rests(now) {
            return 0;
        }
        let score = 100 - (self.failing(now) / 10).min(100);
        if self.behind > max_behind { score / 2 } else { score }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(8);

    fn milliseconds(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    fn that_answered(times: usize, took: Duration, now: Instant) -> Health {
        let mut health = Health::default();
        (0..times).for_each(|_| health.record(Outcome::Answered, took, now));
        health
    }

    #[test]
    fn an_endpoint_that_fails_rests_longer_every_time_and_comes_back_by_itself() {
        let now = Instant::now();
        let mut health = that_answered(10, milliseconds(5), now);
        assert!(!health.rests(now));
        health.record(Outcome::Failed, milliseconds(5), now);
        assert!(health.rests(now) && health.score(4, now) == 0);
        assert!(!health.rests(now + milliseconds(250)));
        health.record(Outcome::Failed, milliseconds(5), now);
        assert!(health.rests(now + milliseconds(499)) && !health.rests(now + milliseconds(500)));
        (0..60).for_each(|_| health.record(Outcome::Failed, milliseconds(5), now));
        assert!(health.rests(now + milliseconds(31_999)) && !health.rests(now + milliseconds(32_000)));
        assert_eq!(health.failing(now), 1_000);
        assert_eq!(health.score(4, now + milliseconds(32_000)), 88, "three half-lives later");
        assert!(health.score(4, now + Duration::from_secs(70)) > 95, "what is long ago is forgotten");
        health.record(Outcome::Answered, milliseconds(5), now);
        assert!(!health.rests(now));
    }

    #[test]
    fn the_healthier_is_asked_first_and_small_differences_do_not_count() {
        let now = Instant::now();
        let rank = |health: &Health| health.rank(None, 4, LIMIT, now);
        let quick = that_answered(20, milliseconds(20), now);
        assert_eq!(rank(&quick), rank(&that_answered(20, milliseconds(30), now)));
        assert!(rank(&quick) < rank(&that_answered(20, milliseconds(90), now)));

        let mut troubled = that_answered(20, milliseconds(20), now);
        troubled.record(Outcome::Troubled, milliseconds(20), now);
        assert!(rank(&that_answered(20, milliseconds(200), now)) < rank(&troubled));

        let mut behind = that_answered(20, milliseconds(1), now);
        behind.is_behind(5);
        assert!(rank(&troubled) < rank(&behind));
        assert_eq!(behind.score(4, now), 50);

        let mut failed = that_answered(20, milliseconds(1), now);
        failed.record(Outcome::Failed, milliseconds(1), now);
        assert!(rank(&behind) < rank(&failed));
    }

    #[test]
    fn who_has_the_block_is_asked_before_who_has_not() {
        let now = Instant::now();
        let (mut old, mut new) = (that_answered(20, milliseconds(1), now), that_answered(20, milliseconds(90), now));
        old.reached(10);
        new.reached(11);
        assert!(new.rank(Some(11), 4, LIMIT, now) < old.rank(Some(11), 4, LIMIT, now));
        assert!(old.rank(Some(10), 4, LIMIT, now) < new.rank(Some(10), 4, LIMIT, now));
    }

    #[test]
    fn patience_is_what_nearly_all_answers_took_within_bounds() {
        let now = Instant::now();
        assert_eq!(Health::default().patience(LIMIT), milliseconds(500));
        assert_eq!(that_answered(64, milliseconds(1), now).patience(LIMIT), milliseconds(20));
        assert_eq!(that_answered(64, LIMIT, now).patience(LIMIT), milliseconds(2_000));
        let mut health = that_answered(60, milliseconds(100), now);
        (0..4).for_each(|_| health.record(Outcome::Answered, milliseconds(300), now));
        assert_eq!(health.patience(LIMIT), milliseconds(300));
        let before = health.median();
        health.outrun(milliseconds(5));
        assert_eq!(health.median(), before, "that it was outrun at once says nothing");
    }
}
