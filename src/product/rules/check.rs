//! The one door through which every movement of money passes.

use std::collections::HashMap;
use std::sync::Arc;

use alloy::primitives::Address;
use chrono::{DateTime, Datelike, NaiveTime, TimeDelta, Utc};
use moka::future::Cache;
use uuid::Uuid;

use super::Refusal;
use super::expression::{Expression, Known};
use super::facts::Facts;
use super::store::{self, Moved, Purse, Rule, Since, Standing};
use super::usage::{Period, Tally, Usage, millionths};
use crate::db::TenantTx;
use crate::foundation::{Amount, TenantId, Token};
use crate::http::{Error, Result};

/// How many expressions are kept read.
const READ: u64 = 10_000;

/// What happens to a customer's money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Movement {
    /// It comes from the tenant's treasury.
    Deposit,
    /// It comes from another customer.
    TransferIn,
    /// It goes to another customer.
    TransferOut,
    /// It goes to the tenant's treasury, for local money.
    Withdrawal,
}

impl Movement {
    const fn kind(self) -> &'static str {
        match self {
            Self::Deposit => "deposit",
            Self::TransferIn | Self::TransferOut => "transfer",
            Self::Withdrawal => "withdrawal",
        }
    }

    const fn is_in(self) -> bool {
        match self {
            Self::Deposit | Self::TransferIn => true,
            Self::TransferOut | Self::Withdrawal => false,
        }
    }
}

/// A movement of one customer's money that somebody asks for. A transfer is two of them.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Whose.
    pub tenant: TenantId,
    /// The customer.
    pub customer: Uuid,
    /// Whether the customer has a badge, as its row says: nobody else is restricted.
    pub is_badged: bool,
    /// The wallet.
    pub wallet: Address,
    /// What happens.
    pub movement: Movement,
    /// What is moved.
    pub token: Token,
    /// How much, in the token's base units.
    pub amount: Amount,
}

impl Operation {
    fn purse(&self) -> Purse {
        (self.tenant, self.customer, self.token.symbol.to_string())
    }
}

/// The rules of tenants' badges.
#[derive(Clone)]
pub struct Rules {
    /// Expressions by their text: what one is read as depends on nothing else.
    read: Cache<String, Arc<Expression>>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { read: Cache::builder().max_capacity(READ).build() }
    }
}

impl Rules {
    /// Locks these customers of the transaction's tenant until it ends. For a movement that touches several with badges:
    /// before it locks any of them by itself, so that two such movements never wait for each other.
    pub async fn hold(tx: &mut TenantTx, customers: &[Uuid]) -> Result<()> {
        let tenant = tx.tenant();
        let customers: Vec<(TenantId, Uuid)> = customers.iter().map(|customer| (tenant, *customer)).collect();
        Ok(store::hold(tx, &customers).await?)
    }

    /// Whether a movement meets the rules of everybody whose money it is; 403 `rule_violated` with the code and the text of
    /// the first rule that it does not meet.
    pub async fn admit(&self, tx: &mut TenantTx, now: DateTime<Utc>, operations: &[Operation]) -> Result<()> {
        let refusals = self.check(tx, now, operations).await?;
        match refusals.into_iter().flatten().next() {
            Some(refusal) => Err(refusal.into()),
            None => Ok(()),
        }
    }

    /// Decides any number of movements in their order, each as if those before it that are admitted had happened; `None` for
    /// those that are admitted.
    ///
    /// Customers with badges are locked until the transaction ends, so that of two transactions at once the later one counts
    /// what the first has accepted. Without any it makes no statement; else a constant number of them.
    pub async fn check(
        &self,
        tx: &mut TenantTx,
        now: DateTime<Utc>,
        operations: &[Operation],
    ) -> Result<Vec<Option<Refusal>>> {
        let mut verdicts: Vec<Option<Refusal>> = vec![None; operations.len()];
        let (places, badged): (Vec<usize>, Vec<&Operation>) =
            operations.iter().enumerate().filter(|(_, operation)| operation.is_badged).unzip();
        if badged.is_empty() {
            return Ok(verdicts);
        }
        let mut customers: Vec<_> = badged.iter().map(|operation| (operation.tenant, operation.customer)).collect();
        customers.sort_unstable();
        customers.dedup();
        store::hold(tx, &customers).await?;

        let standings = store::standings(tx, &badged).await?;
        let rules = self.rules_of(tx, now, &badged, &standings).await?;
        if rules.is_empty() {
            return Ok(verdicts);
        }
        let mut purses: Vec<Purse> = badged.iter().map(|operation| operation.purse()).collect();
        purses.sort_unstable();
        purses.dedup();
        let mut counts = counts(tx, now, &purses, &badged, &rules).await?;
        for ((place, operation), standing) in places.into_iter().zip(badged).zip(&standings) {
            let count = counts.entry(operation.purse()).or_default();
            let refusal = decide(operation, standing, &rules, count);
            if refusal.is_none() {
                count.add(operation.movement, millionths(operation.amount, &operation.token));
            }
            if let Some(verdict) = verdicts.get_mut(place) {
                *verdict = refusal;
            }
        }
        Ok(verdicts)
    }

    /// The rules that count now, by badge.
    async fn rules_of(
        &self,
        tx: &mut TenantTx,
        now: DateTime<Utc>,
        operations: &[&Operation],
        standings: &[Standing],
    ) -> Result<HashMap<(TenantId, Uuid), Vec<Counted>>> {
        let mut badges: Vec<(TenantId, Uuid)> = Vec::new();
        for (operation, standing) in operations.iter().zip(standings) {
            badges.extend(
                [standing.identification, standing.financial].into_iter().flatten().map(|b| (operation.tenant, b)),
            );
        }
        badges.sort_unstable();
        badges.dedup();
        let mut counted: HashMap<_, Vec<Counted>> = HashMap::new();
        for rule in store::rules(tx, &badges, now).await? {
            let key = (TenantId(rule.tenant_id), rule.badge_id);
            let expression = self.expression(&rule).await?;
            counted.entry(key).or_default().push(Counted { expression, refusal: refusal(rule) });
        }
        Ok(counted)
    }

    async fn expression(&self, rule: &Rule) -> Result<Arc<Expression>> {
        if let Some(read) = self.read.get(&rule.expression).await {
            return Ok(read);
        }
        let read = Arc::new(Expression::read(rule.expression.clone()).await.map_err(Error::internal)?);
        self.read.insert(rule.expression.clone(), Arc::clone(&read)).await;
        Ok(read)
    }
}

/// A rule that counts now.
struct Counted {
    expression: Arc<Expression>,
    refusal: Refusal,
}

fn refusal(rule: Rule) -> Refusal {
    Refusal { error_code: rule.error_code, error_type: rule.error_type, message: rule.message }
}

/// What a customer has of a token, and moved of it.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    usage: Usage,
    stored_value: i64,
}

impl Count {
    fn add(&mut self, movement: Movement, amount: i64) {
        let period = match movement {
            Movement::Deposit => &mut self.usage.deposits,
            Movement::TransferIn => &mut self.usage.transfers_in,
            Movement::TransferOut => &mut self.usage.transfers_out,
            Movement::Withdrawal => &mut self.usage.withdrawals,
        };
        period.add(amount);
        self.stored_value = match movement.is_in() {
            true => self.stored_value.saturating_add(amount),
            false => self.stored_value.saturating_sub(amount).max(0),
        };
    }
}

async fn counts(
    tx: &mut TenantTx,
    now: DateTime<Utc>,
    purses: &[Purse],
    operations: &[&Operation],
    rules: &HashMap<(TenantId, Uuid), Vec<Counted>>,
) -> Result<HashMap<Purse, Count>> {
    let tokens: HashMap<&str, &Token> = operations.iter().map(|o| (&*o.token.symbol, &o.token)).collect();
    let scale =
        |purse: &Purse, amount: Amount| tokens.get(purse.2.as_str()).map_or(i64::MAX, |t| millionths(amount, t));
    let mut counts = HashMap::with_capacity(purses.len());
    for (purse, moved) in purses.iter().zip(store::moved(tx, purses, &since(now)).await?) {
        let usage = usage(&moved, |amount| scale(purse, amount));
        counts.insert(purse.clone(), Count { usage, stored_value: 0 });
    }
    if rules.values().flatten().any(|rule| rule.expression.needs_stored_value()) {
        for (purse, stored) in purses.iter().zip(store::stored(tx, purses).await?) {
            let rest = stored.came.checked_sub(stored.left).unwrap_or(Amount::ZERO);
            counts.entry(purse.clone()).or_default().stored_value = scale(purse, rest);
        }
    }
    Ok(counts)
}

/// When the day and the month of a moment began, in UTC.
fn since(now: DateTime<Utc>) -> Since {
    let (day, month) = (now.date_naive(), first_of_month(now));
    // Ids tell when they were made, by the machine that made them and not by the clock that tests move.
    let oldest = month.min(first_of_month(Utc::now())) - TimeDelta::days(1);
    let id = u64::try_from(oldest.timestamp_millis()).map_or(Uuid::nil(), |ms| Uuid::from_u128(u128::from(ms) << 80));
    Since { day: day.and_time(NaiveTime::MIN).and_utc(), month, id }
}

fn first_of_month(now: DateTime<Utc>) -> DateTime<Utc> {
    let day = now.date_naive();
    day.with_day(1).unwrap_or(day).and_time(NaiveTime::MIN).and_utc()
}

fn usage(moved: &Moved, scale: impl Fn(Amount) -> i64) -> Usage {
    let period = |counts: [i64; 2], sums: [Amount; 2]| Period {
        day: Tally { count: counts[0], volume: scale(sums[0]) },
        month: Tally { count: counts[1], volume: scale(sums[1]) },
    };
    Usage {
        deposits: period([moved.deposits_day, moved.deposits_month], [moved.deposited_day, moved.deposited_month]),
        transfers_in: period(
            [moved.transfers_in_day, moved.transfers_in_month],
            [moved.transferred_in_day, moved.transferred_in_month],
        ),
        transfers_out: period(
            [moved.transfers_out_day, moved.transfers_out_month],
            [moved.transferred_out_day, moved.transferred_out_month],
        ),
        withdrawals: period(
            [moved.withdrawals_day, moved.withdrawals_month],
            [moved.withdrawn_day, moved.withdrawn_month],
        ),
    }
}

/// The first rule that a movement does not meet: of the identification badge, then of the financial one.
fn decide(
    operation: &Operation,
    standing: &Standing,
    rules: &HashMap<(TenantId, Uuid), Vec<Counted>>,
    count: &Count,
) -> Option<Refusal> {
    let badges = [standing.identification, standing.financial].into_iter().flatten();
    let mut its_rules = badges.filter_map(|badge| rules.get(&(operation.tenant, badge))).flatten().peekable();
    its_rules.peek()?;
    let known = Known::of(&facts(operation, standing, count));
    its_rules.find(|rule| !rule.expression.is_met(&known)).map(|rule| rule.refusal.clone())
}

fn facts(operation: &Operation, standing: &Standing, count: &Count) -> Facts {
    Facts {
        kind: operation.movement.kind(),
        direction: if operation.movement.is_in() { "in" } else { "out" },
        token: operation.token.symbol.to_string(),
        amount: millionths(operation.amount, &operation.token),
        stored_value: count.stored_value,
        usage: count.usage,
        badge: standing.badge.clone().unwrap_or_default(),
        information_badges: standing.information_badges.clone(),
        user_group: standing.user_group.clone().unwrap_or_default(),
        kyc: standing.kyc.clone(),
    }
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
        // The day before the month is not looked at, the hours before it are.
        let made = |at: &str| {
            let at: DateTime<Utc> = at.parse().unwrap_or_default();
            let seconds = u64::try_from(at.timestamp()).unwrap_or_default();
            Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0))
        };
        assert!(made("2025-01-31T00:00:01Z") > since.id && made("2025-01-30T23:59:59Z") < since.id);
    }
}
