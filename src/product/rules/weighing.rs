//! Movements that are weighed, one after the other, and the proof that they were.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::check::Operation;
use super::counts::Counts;
use super::expression::{Expression, Known};
use super::facts::Facts;
use super::needs::Needs;
use super::refusal::{Refusal, Violation};
use super::store::{Held, Standing};
use crate::foundation::TenantId;

/// Proof that movements have passed the one door. Only rules make it, and no movement is accepted without it.
#[derive(Debug)]
pub struct Passed(());

impl Passed {
    /// Of movements of whom nothing restricts; `None` where anybody is.
    pub fn unrestricted(operations: &[Operation]) -> Option<Self> {
        operations.iter().all(|operation| !operation.is_badged && !operation.is_barred).then_some(Self(()))
    }
}

/// A rule that counts now.
pub(super) struct Counted {
    /// Never met where there is none.
    pub expression: Option<Arc<Expression>>,
    pub violation: Violation,
}

/// Movements that are decided one after the other, in their order, each as if of those before it only what is said to
/// happen had happened.
pub struct Weighing<'a> {
    pub(super) operations: &'a [Operation],
    /// Customers with badges.
    pub(super) held: Held,
    /// Of theirs, by their places.
    pub(super) standings: HashMap<usize, Standing>,
    pub(super) rules: HashMap<(TenantId, Uuid), Vec<Counted>>,
    pub(super) counts: Counts,
}

impl Weighing<'_> {
    /// Those that were not forbidden may happen.
    pub fn passed(self) -> Passed {
        Passed(())
    }

    /// Why the movement at a place is forbidden, if it is: the first rule that it does not meet, of the identification
    /// badge, then of the financial one.
    pub fn forbids(&self, place: usize) -> Option<Refusal> {
        let operation = self.operations.get(place)?;
        let held = operation.is_badged.then(|| self.held.get(&operation.owner()).copied());
        match held {
            Some(None) => return Some(Refusal::Busy),
            // Who was barred while the lock was waited for is.
            Some(Some(true)) => return Some(Refusal::Barred),
            Some(Some(false)) => {}
            None if operation.is_barred => return Some(Refusal::Barred),
            None => return None,
        }
        let standing = self.standings.get(&place)?;
        let mut its_rules = self.rules_for(operation, standing).peekable();
        its_rules.peek()?;
        let known = Known::of(&self.facts(operation, standing));
        let is_met = |rule: &Counted| rule.expression.as_ref().is_some_and(|expression| expression.is_met(&known));
        its_rules.find(|rule| !is_met(rule)).map(|rule| Refusal::Violates(rule.violation.clone()))
    }

    /// The movement at a place is going to happen: those after it count it.
    pub fn happens(&mut self, place: usize) {
        if self.standings.contains_key(&place)
            && let Some(operation) = self.operations.get(place)
        {
            self.counts.add(operation);
        }
    }

    fn rules_for(&self, operation: &Operation, standing: &Standing) -> impl Iterator<Item = &Counted> {
        let tenant = operation.tenant;
        standing.ruling().filter_map(move |badge| self.rules.get(&(tenant, badge))).flatten()
    }

    pub(super) fn needs(&self, operation: &Operation, standing: &Standing) -> Needs {
        let expressions = self.rules_for(operation, standing).filter_map(|rule| rule.expression.as_ref());
        expressions.fold(Needs::default(), |needs, expression| needs.and(expression.needs(operation.movement)))
    }

    fn facts(&self, operation: &Operation, standing: &Standing) -> Facts {
        let (of_token, usage_of_all) = self.counts.of(operation);
        Facts {
            kind: operation.movement.kind(),
            direction: operation.movement.direction(),
            token: operation.token.symbol.to_string(),
            amount: operation.millionths(),
            stored_value: of_token.stored_value,
            usage: of_token.usage,
            usage_of_all,
            badge: standing.badge.clone().unwrap_or_default(),
            information_badges: standing.information_badges.clone(),
            user_group: standing.user_group.clone().unwrap_or_default(),
            kyc: standing.kyc.clone(),
            compliance: standing.compliance.clone(),
            onboarding: standing.onboarding.clone(),
            account: standing.account.clone(),
        }
    }
}
