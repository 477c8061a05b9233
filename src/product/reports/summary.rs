//! From rows to figures.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

use super::period::Period;
use super::store::{Duration, Ended, Standing};
use crate::foundation::{Amount, Tokens};
use crate::http::{Error, Result};

/// The words for kinds in `store`.
pub const DEPOSIT: &str = "deposit";
pub const TRANSFER: &str = "transfer";
pub const WITHDRAWAL: &str = "withdrawal";

#[derive(Serialize, ToSchema)]
pub struct DayVolume {
    /// The day, in UTC.
    #[schema(example = "2026-01-31")]
    date: NaiveDate,
    #[schema(example = "USDC")]
    token: String,
    /// Deposits that settled on this day.
    #[schema(rename = "in", example = "120.000000")]
    #[serde(rename = "in")]
    into: String,
    /// Withdrawals that were completed on this day.
    #[schema(example = "20.000000")]
    out: String,
    /// Transfers that settled on this day.
    #[schema(example = "10.500000")]
    across: String,
}

#[derive(Serialize, ToSchema)]
pub struct KindFigures {
    /// How many that were asked for in the period stand where; a status without any is left out.
    by_status: BTreeMap<String, i64>,
    /// How many ended in the period, well or not.
    ended: i64,
    /// How many of these succeeded.
    succeeded: i64,
    /// `succeeded` of `ended`, with four digits, rounded down: 1.0000 is all of them. Null when nothing ended.
    #[schema(example = "0.9876")]
    success_rate: Option<String>,
    /// From being asked for to success, of those that succeeded in the period; null when none did.
    seconds_to_settle: Option<SecondsToSettle>,
}

#[derive(Serialize, ToSchema)]
pub struct SecondsToSettle {
    #[schema(example = 6.25)]
    median: f64,
    /// Ninety-five of a hundred took no longer.
    #[schema(example = 11.9)]
    p95: f64,
}

/// Every day of the period with every token, oldest day first.
pub fn volume(tokens: &Tokens, period: Period, ended: &[Ended]) -> Result<Vec<DayVolume>> {
    let mut moved: HashMap<(NaiveDate, &str, &str), Amount> = HashMap::new();
    for row in ended.iter().filter(|row| row.succeeded) {
        if tokens.by_symbol(&row.token).is_none() {
            return Err(Error::internal(format!("the token {} of a movement is not configured", row.token)));
        }
        moved.insert((row.day, &row.token, &row.kind), row.amount);
    }
    let of_day = |date: NaiveDate| {
        let moved = &moved;
        tokens.iter().map(move |token| {
            let of = |kind| {
                let amount = moved.get(&(date, &*token.symbol, kind)).copied();
                token.format(amount.unwrap_or(Amount::ZERO))
            };
            DayVolume {
                date,
                token: token.symbol.to_string(),
                into: of(DEPOSIT),
                out: of(WITHDRAWAL),
                across: of(TRANSFER),
            }
        })
    };
    Ok(period.days().flat_map(of_day).collect())
}

impl KindFigures {
    pub(super) fn of(kind: &str, ended: &[Ended], standing: &[Standing], durations: &[Duration]) -> Self {
        let counted = |only_good: bool| {
            let rows = ended.iter().filter(|row| row.kind == kind && (row.succeeded || !only_good));
            rows.map(|row| row.count).sum()
        };
        let (succeeded, all) = (counted(true), counted(false));
        let by_status = standing.iter().filter(|row| row.kind == kind);
        let durations = durations.iter().find(|row| row.kind == kind);
        Self {
            by_status: by_status.map(|row| (row.status.clone(), row.count)).collect(),
            ended: all,
            succeeded,
            success_rate: rate(succeeded, all),
            seconds_to_settle: durations.map(|row| SecondsToSettle { median: row.median, p95: row.p95 }),
        }
    }
}

/// `part / whole` with four digits, rounded down.
fn rate(part: i64, whole: i64) -> Option<String> {
    let ten_thousandths = (i128::from(part) * 10_000).checked_div(i128::from(whole))?;
    Some(format!("{}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_four_digits_and_is_never_flattered() {
        let shown = |part, whole| rate(part, whole).unwrap_or_default();
        assert_eq!((shown(1, 1), shown(0, 7)), ("1.0000".to_owned(), "0.0000".to_owned()));
        assert_eq!((shown(2, 3), shown(1, 3)), ("0.6666".to_owned(), "0.3333".to_owned()));
        assert_eq!(shown(99_999, 100_000), "0.9999");
        assert_eq!(shown(i64::MAX, i64::MAX), "1.0000");
        assert_eq!(rate(0, 0), None);
    }
}
