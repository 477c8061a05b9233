//! Whole days in UTC, up to today.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use uuid::{Builder, Uuid};

/// Some days on end, of which today is the last.
#[derive(Clone, Copy, Debug)]
pub struct Period {
    first: NaiveDate,
    days: u16,
}

impl Period {
    /// The last `days` days, today included.
    pub fn ending(now: DateTime<Utc>, days: u16) -> Self {
        let before = Days::new(u64::from(days.saturating_sub(1)));
        let today = now.date_naive();
        Self { first: today.checked_sub_days(before).unwrap_or(today), days }
    }

    /// The days, oldest first.
    pub fn days(self) -> impl Iterator<Item = NaiveDate> {
        self.first.iter_days().take(usize::from(self.days))
    }

    /// When the first day begins.
    pub fn start(self) -> DateTime<Utc> {
        self.first.and_time(NaiveTime::MIN).and_utc()
    }

    /// When the last day is over.
    pub fn end(self) -> DateTime<Utc> {
        self.start() + TimeDelta::days(i64::from(self.days))
    }

    /// No record that was made in the period has a smaller id: ids are UUIDv7 and start with the time. An id may be a
    /// little older than its record's time, by another clock; a whole day is left for that.
    pub fn least_id(self) -> Uuid {
        let millis = (self.start() - TimeDelta::days(1)).timestamp_millis();
        Builder::from_unix_timestamp_millis(u64::try_from(millis).unwrap_or(0), &[0; 10]).into_uuid()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_period_ends_with_today_and_begins_at_midnight() {
        let period = Period::ending(at("2026-03-01T23:59:59.999Z"), 3);
        let days: Vec<String> = period.days().map(|day| day.to_string()).collect();
        assert_eq!(days, ["2026-02-27", "2026-02-28", "2026-03-01"]);
        assert_eq!((period.start(), period.end()), (at("2026-02-27T00:00:00Z"), at("2026-03-02T00:00:00Z")));

        let today = Period::ending(at("2026-03-01T00:00:00Z"), 1);
        assert_eq!((today.start(), today.end()), (at("2026-03-01T00:00:00Z"), at("2026-03-02T00:00:00Z")));
    }

    #[test]
    fn the_least_id_is_a_day_before_the_period() {
        let period = Period::ending(at("2026-03-01T12:00:00Z"), 1);
        let id_of = |text: &str| {
            let millis = u64::try_from(at(text).timestamp_millis()).unwrap();
            Builder::from_unix_timestamp_millis(millis, &[0xff; 10]).into_uuid()
        };
        assert!(id_of("2026-02-28T00:00:00Z") > period.least_id());
        assert!(id_of("2026-02-27T23:59:59.999Z") < period.least_id());
    }
}
