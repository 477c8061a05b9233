//! The one door through which every movement of money passes.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::Address;
use chrono::{DateTime, Utc};
use moka::future::Cache;
use uuid::Uuid;

use super::counts::Counts;
use super::expression::Expression;
use super::needs::Needs;
use super::refusal::Violation;
use super::store::{self, Held, Purse, Rule, Standing};
use super::usage::millionths;
use super::weighing::{Counted, Passed, Weighing};
use crate::db::TenantTx;
use crate::foundation::{Amount, TenantId, Token, Tokens};
use crate::http::Result;

/// How many characters of expressions are kept read: some fifty thousand rules as they are commonly written.
const READ: u64 = 4 << 20;
/// How many that could not be read are remembered,
const UNREADABLE: u64 = 10_000;
/// and how long, in case the machine and not the rule was at fault.
const READ_AGAIN: Duration = Duration::from_secs(60);

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
    /// Every way.
    pub(super) const ALL: [Self; 4] = [Self::Deposit, Self::TransferIn, Self::TransferOut, Self::Withdrawal];

    /// What rules call it,
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Deposit => "deposit",
            Self::TransferIn | Self::TransferOut => "transfer",
            Self::Withdrawal => "withdrawal",
        }
    }

    /// and which way the money goes.
    pub(super) const fn direction(self) -> &'static str {
        if self.is_in() { "in" } else { "out" }
    }

    pub(super) const fn is_in(self) -> bool {
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
    /// Whether the customer's money does not move at all, as its row says.
    pub is_barred: bool,
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
    pub(super) const fn owner(&self) -> (TenantId, Uuid) {
        (self.tenant, self.customer)
    }

    pub(super) fn purse(&self) -> Purse {
        (self.tenant, self.customer, self.token.symbol.to_string())
    }

    pub(super) fn millionths(&self) -> i64 {
        millionths(self.amount, Some(self.token.decimals))
    }
}

/// The rules of tenants' badges.
#[derive(Clone)]
pub struct Rules {
    tokens: Tokens,
    /// Expressions by their text: what one is read as depends on nothing else.
    read: Cache<String, Arc<Expression>>,
    unreadable: Cache<String, ()>,
}

impl Rules {
    /// Rules of movements of these tokens.
    pub fn new(tokens: Tokens) -> Self {
        let length = |text: &String, _: &Arc<Expression>| u32::try_from(text.len()).unwrap_or(u32::MAX);
        let read = Cache::builder().weigher(length).max_capacity(READ).build();
        let unreadable = Cache::builder().max_capacity(UNREADABLE).time_to_live(READ_AGAIN).build();
        Self { tokens, read, unreadable }
    }

    /// Locks these customers of the transaction's tenant until it ends. For a movement that touches several with badges:
    /// before it locks any of them by itself, so that two such movements never wait for each other.
    pub async fn hold(tx: &mut TenantTx, customers: &[Uuid]) -> Result<()> {
        let tenant = tx.tenant();
        let customers: Vec<(TenantId, Uuid)> = customers.iter().map(|customer| (tenant, *customer)).collect();
        store::hold(tx, &customers).await?;
        Ok(())
    }

    /// Whether a movement meets the rules of everybody whose money it is, none of whom is barred; 403 with the code and the
    /// text of the first rule that it does not meet.
    pub async fn admit(&self, tx: &mut TenantTx, now: DateTime<Utc>, operations: &[Operation]) -> Result<Passed> {
        let held = store::hold(tx, &badged(operations)).await?;
        let mut weighing = self.gather(tx, now, operations, held).await?;
        for place in 0..operations.len() {
            match weighing.forbids(place) {
                Some(refusal) => return Err(refusal.into()),
                None => weighing.happens(place),
            }
        }
        Ok(weighing.passed())
    }

    /// Gathers all by which these movements are decided. Customers with badges are locked until the transaction ends, so
    /// that of two transactions at once the later one counts what the first has accepted; whoever is not to be had soon is
    /// forbidden to move money now, so that the others need not wait. Without any it makes no statement; else a constant
    /// number of them.
    pub async fn weigh<'a>(
        &self,
        tx: &mut TenantTx,
        now: DateTime<Utc>,
        operations: &'a [Operation],
    ) -> Result<Weighing<'a>> {
        let held = store::hold_briefly(tx, &badged(operations)).await?;
        self.gather(tx, now, operations, held).await
    }

    async fn gather<'a>(
        &self,
        tx: &mut TenantTx,
        now: DateTime<Utc>,
        operations: &'a [Operation],
        held: Held,
    ) -> Result<Weighing<'a>> {
        let mut weighing =
            Weighing { operations, held, standings: HashMap::new(), rules: HashMap::new(), counts: Counts::default() };
        let (places, badged): (Vec<usize>, Vec<&Operation>) = operations
            .iter()
            .enumerate()
            .filter(|(_, operation)| weighing.held.contains_key(&operation.owner()))
            .unzip();
        if badged.is_empty() {
            return Ok(weighing);
        }
        let standings = store::standings(tx, &badged).await?;
        weighing.rules = self.rules_of(tx, now, &badged, &standings).await?;
        let needs: Vec<(&Operation, Needs)> =
            badged.into_iter().zip(&standings).map(|(o, standing)| (o, weighing.needs(o, standing))).collect();
        weighing.counts = Counts::read(tx, now, &self.tokens, &needs).await?;
        weighing.standings = places.into_iter().zip(standings).collect();
        Ok(weighing)
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
            badges.extend(standing.ruling().map(|badge| (operation.tenant, badge)));
        }
        badges.sort_unstable();
        badges.dedup();
        let mut counted: HashMap<_, Vec<Counted>> = HashMap::new();
        for rule in store::rules(tx, &badges, now).await? {
            let key = (TenantId(rule.tenant_id), rule.badge_id);
            let expression = self.expression(&rule).await;
            let violation =
                Violation { error_code: rule.error_code, error_type: rule.error_type, message: rule.message };
            counted.entry(key).or_default().push(Counted { expression, violation });
        }
        Ok(counted)
    }

    /// A rule's expression; `None` where it cannot be read, which concerns its customers and nobody else's. Customers are
    /// locked meanwhile, so what cannot be read is not tried again with each of their movements.
    async fn expression(&self, rule: &Rule) -> Option<Arc<Expression>> {
        if let Some(read) = self.read.get(&rule.expression).await {
            return Some(read);
        }
        if self.unreadable.contains_key(&rule.expression) {
            return None;
        }
        match Expression::read(rule.expression.clone()).await {
            Ok(read) => {
                let read = Arc::new(read);
                self.read.insert(rule.expression.clone(), Arc::clone(&read)).await;
                Some(read)
            }
            Err(why) => {
                self.unreadable.insert(rule.expression.clone(), ()).await;
                metrics::counter!("diolkos_rules_unreadable_total").increment(1);
                let (tenant, badge, rule) = (rule.tenant_id, rule.badge_id, rule.id);
                tracing::error!(%tenant, %badge, %rule, %why, "a rule cannot be read and counts as not met");
                None
            }
        }
    }
}

/// Whose movements are ruled.
fn badged(operations: &[Operation]) -> Vec<(TenantId, Uuid)> {
    let badged = operations.iter().filter(|operation| operation.is_badged).map(Operation::owner);
    Vec::from_iter(BTreeSet::from_iter(badged))
}
