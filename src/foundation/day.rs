//! Days, in both documented forms.

use chrono::{Datelike, NaiveDate};

/// The years of who is of age.
pub const OF_AGE: u32 = 18;

/// The most years that anybody has.
const OLDEST: u32 = 130;

/// Reads `YYYY-MM-DD` or `DD-MM-YYYY`.
pub fn read(text: &str) -> Option<NaiveDate> {
    let is_plain = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let formats = ["%Y-%m-%d", "%d-%m-%Y"];
    let read = |format: &&str| NaiveDate::parse_from_str(text, format).ok();
    formats.iter().find_map(read).filter(|day| is_plain && (1000..10_000).contains(&day.year()))
}

/// Whether somebody born on this day is of age, and could be alive.
pub fn is_adult(born: NaiveDate, today: NaiveDate) -> bool {
    today.years_since(born).is_some_and(|years| (OF_AGE..=OLDEST).contains(&years))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_documented_forms_are_read() {
        let day = NaiveDate::from_ymd_opt(1997, 2, 3).unwrap();
        assert_eq!((read("1997-02-03"), read("03-02-1997")), (Some(day), Some(day)));
        for bad in
            ["", "1997-2-3", "1997/02/03", "30-02-1997", "1997-13-01", "1997-02-03T00:00", "0097-02-03", "+997-02-03"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn of_age_is_eighteen_to_the_day() {
        let today = read("2026-11-21").unwrap();
        assert!(is_adult(read("2008-11-21").unwrap(), today));
        for not in ["2008-11-22", "2026-11-21", "2030-01-01", "1890-01-01"] {
            assert!(!is_adult(read(not).unwrap(), today), "{not}");
        }
    }

    proptest! {
        #[test]
        fn a_day_is_the_same_in_both_forms(days in 0i32..36_500) {
            let day = NaiveDate::from_ymd_opt(1930, 1, 1).unwrap() + chrono::TimeDelta::days(i64::from(days));
            prop_assert_eq!(read(&day.format("%Y-%m-%d").to_string()), Some(day));
            prop_assert_eq!(read(&day.format("%d-%m-%Y").to_string()), Some(day));
        }
    }
}
