//! What customers have moved and hold, as far as their rules ask for it.

use std::collections::HashMap;

use chrono::{DateTime, Datelike, NaiveTime, TimeDelta, Utc};
use uuid::Uuid;

use super::check::Operation;
use super::needs::{Needs, Reach};
use super::store::{self, Asked, Moved, Purse, Since};
use super::usage::{Period, Tally, Usage, millionths};
use crate::db::TenantTx;
use crate::foundation::{Amount, TenantId, Tokens};
use crate::http::Result;

/// Beside movements this old no others come to be: whoever was to enter one has done so or was cut off.
const SETTLED: TimeDelta = TimeDelta::days(2);
/// How many old movements are added up until it is written down what they come to.
const MANY: i64 = 250;

/// What customers have moved and hold.
#[derive(Debug, Default)]
pub struct Counts(HashMap<(TenantId, Uuid), Count>);

/// What one of them has moved and holds.
#[derive(Debug, Default)]
struct Count {
    of_all: Usage,
    by_token: HashMap<String, OfToken>,
}

/// What a customer has moved of a token, and holds of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct OfToken {
    /// What was moved.
    pub usage: Usage,
    /// What is left.
    pub stored_value: i64,
}

impl Counts {
    /// Looks up what the rules of these operations need, whose customers are locked. What one customer's rules ask for is
    /// looked up for that customer alone.
    pub async fn read(
        tx: &mut TenantTx,
        now: DateTime<Utc>,
        tokens: &Tokens,
        operations: &[(&Operation, Needs)],
    ) -> Result<Self> {
        let mut counts = Self::default();
        counts.count(tx, now, tokens, operations).await?;
        counts.sum_up(tx, tokens, operations).await?;
        Ok(counts)
    }

    /// What an operation's customer has moved of the token and holds of it, and has moved of all tokens.
    pub fn of(&self, operation: &Operation) -> (OfToken, Usage) {
        let Some(count) = self.0.get(&(operation.tenant, operation.customer)) else { return Default::default() };
        (count.by_token.get(&*operation.token.symbol).copied().unwrap_or_default(), count.of_all)
    }

    /// Throws away what is written down of what a customer of the transaction's tenant has moved, because some of it came to
    /// nothing after all; it is added up anew when somebody asks. The customer is locked.
    pub async fn forget(tx: &mut TenantTx, customer: Uuid) -> Result<()> {
        Ok(store::forget(tx, customer).await?)
    }

    /// An operation happens.
    pub fn add(&mut self, operation: &Operation) {
        let amount = operation.millionths();
        let count = self.0.entry((operation.tenant, operation.customer)).or_default();
        count.of_all.of(operation.movement).add(Period::one(amount));
        let of_token = count.by_token.entry(operation.token.symbol.to_string()).or_default();
        of_token.usage.of(operation.movement).add(Period::one(amount));
        of_token.stored_value = match operation.movement.is_in() {
            true => of_token.stored_value.saturating_add(amount),
            false => of_token.stored_value.saturating_sub(amount).max(0),
        };
    }

    async fn count(
        &mut self,
        tx: &mut TenantTx,
        now: DateTime<Utc>,
        tokens: &Tokens,
        operations: &[(&Operation, Needs)],
    ) -> Result<()> {
        let mut wanted: HashMap<(TenantId, Uuid), Needs> = HashMap::new();
        for (operation, needs) in operations.iter().filter(|(_, needs)| needs.counts_movements()) {
            let known = wanted.entry((operation.tenant, operation.customer)).or_default();
            *known = known.and(*needs);
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let since = since(now);
        let asked = wanted.into_iter().flat_map(|((tenant, customer), needs)| {
            needs.reaches().map(|(movement, reach)| Asked { tenant, customer, movement, reach })
        });
        let asked: Vec<Asked> = asked.filter(|asked| asked.reach != Reach::Nothing).collect();
        let mut old = vec![0; asked.len()];
        for moved in store::moved(tx, &asked, &since).await? {
            let place = usize::try_from(moved.place - 1).ok();
            let found = place.and_then(|place| asked.get(place).zip(old.get_mut(place)));
            let Some((Asked { tenant, customer, movement, .. }, old)) = found else { continue };
            *old += moved.old;
            let period = period(&moved, decimals(tokens, &moved.token));
            let count = self.0.entry((*tenant, *customer)).or_default();
            count.of_all.of(*movement).add(period);
            count.by_token.entry(moved.token).or_default().usage.of(*movement).add(period);
        }
        let long = asked.iter().zip(old).filter(|(asked, old)| asked.reach == Reach::Month && *old > MANY);
        let long: Vec<&Asked> = long.map(|(asked, _)| asked).collect();
        if !long.is_empty() {
            store::write_down_month(tx, &long, &since).await?;
        }
        Ok(())
    }

    async fn sum_up(&mut self, tx: &mut TenantTx, tokens: &Tokens, operations: &[(&Operation, Needs)]) -> Result<()> {
        let asking = operations.iter().filter(|(_, needs)| needs.stored_value);
        let mut purses: Vec<Purse> = asking.map(|(operation, _)| operation.purse()).collect();
        if purses.is_empty() {
            return Ok(());
        }
        purses.sort_unstable();
        purses.dedup();
        let settled = settled();
        let mut long = Vec::new();
        for (purse, stored) in purses.iter().zip(store::stored(tx, &purses, settled).await?) {
            let rest = stored.came.checked_sub(stored.gone).unwrap_or(Amount::ZERO);
            let count = self.0.entry((purse.0, purse.1)).or_default();
            count.by_token.entry(purse.2.clone()).or_default().stored_value =
                millionths(rest, decimals(tokens, &purse.2));
            if stored.old > MANY {
                long.push(purse.clone());
            }
        }
        if !long.is_empty() {
            store::write_down(tx, &long, settled).await?;
        }
        Ok(())
    }
}

fn decimals(tokens: &Tokens, symbol: &str) -> Option<u8> {
    tokens.by_symbol(symbol).map(|token| token.decimals)
}

fn period(moved: &Moved, decimals: Option<u8>) -> Period {
    Period {
        day: Tally { count: moved.day, volume: millionths(moved.day_sum, decimals) },
        month: Tally { count: moved.month, volume: millionths(moved.month_sum, decimals) },
    }
}

/// When the day and the month of a moment began, in UTC.
fn since(now: DateTime<Utc>) -> Since {
    let (day, month) = (now.date_naive().and_time(NaiveTime::MIN).and_utc(), first_of_month(now));
    // Ids tell when they were made, by the machine that made them and not by the clock that tests move.
    let made = Utc::now();
    let today = made.date_naive().and_time(NaiveTime::MIN).and_utc();
    Since {
        day,
        month,
        id_of_day: first_id(day.min(today) - TimeDelta::days(1)),
        id_of_month: first_id(month.min(first_of_month(made)) - TimeDelta::days(1)),
        settled: settled(),
    }
}

/// Movements with smaller ids are old.
fn settled() -> Uuid {
    first_id(Utc::now() - SETTLED)
}

fn first_of_month(now: DateTime<Utc>) -> DateTime<Utc> {
    let day = now.date_naive();
    day.with_day(1).unwrap_or(day).and_time(NaiveTime::MIN).and_utc()
}

/// No id that is made from this moment on is smaller.
fn first_id(moment: DateTime<Utc>) -> Uuid {
    u64::try_from(moment.timestamp_millis()).map_or(Uuid::nil(), |ms| Uuid::from_u128(u128::from(ms) << 80))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_months_begin_at_midnight_of_utc() {
        let now = DateTime::from_timestamp(1_740_700_799, 999_999_999).unwrap_or_default();
        let since = since(now);
        assert_eq!(now.to_rfc3339(), "2025-02-27T23:59:59.999999999+00:00");
        assert_eq!(
            (since.day.to_rfc3339(), since.month.to_rfc3339()),
            ("2025-02-27T00:00:00+00:00".to_owned(), "2025-02-01T00:00:00+00:00".to_owned(),)
        );
        // The day before the day and the month is not looked at, the hours before them are.
        let made = |at: &str| {
            let at: DateTime<Utc> = at.parse().unwrap_or_default();
            let seconds = u64::try_from(at.timestamp()).unwrap_or_default();
            Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0))
        };
        assert!(made("2025-01-31T00:00:01Z") > since.id_of_month && made("2025-01-30T23:59:59Z") < since.id_of_month);
        assert!(made("2025-02-26T00:00:01Z") > since.id_of_day && made("2025-02-25T23:59:59Z") < since.id_of_day);
    }
}
