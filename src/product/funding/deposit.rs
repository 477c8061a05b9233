//! Deposits: what is asked for, what is decided, and where one stands.

use std::collections::{HashMap, HashSet};

use alloy::primitives::Address;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{events, reconciliation, store};
use crate::chain::{self, NewOperation, Payer};
use crate::db::{Db, TenantTx};
use crate::foundation::{Amount, ClientKey, Mode, Rehearsal, TenantId, Token};
use crate::http::{Error, Result};
use crate::ledger::{self, AccountKind, Outcome, Posting};
use crate::product::rules::{Counts, Passed, Rules};
use crate::webhooks;

/// The name under which the chain and the ledger know deposits.
pub const KIND: &str = "deposit";

/// Where a deposit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = DepositStatus)]
pub enum Status {
    /// Its money is reserved and it waits for its turn.
    Queued,
    /// It is on its way to the chain.
    Submitted,
    /// The customer's wallet has it, for good.
    Settled,
    /// Nothing moved; the money is available again.
    Failed,
}

impl Status {
    const ALL: [Self; 4] = [Self::Queued, Self::Submitted, Self::Settled, Self::Failed];

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Submitted => "SUBMITTED",
            Self::Settled => "SETTLED",
            Self::Failed => "FAILED",
        }
    }

    /// The status of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// A deposit that somebody asks for.
#[derive(Clone, Debug)]
pub struct NewDeposit {
    /// Whose.
    pub tenant: TenantId,
    /// Live or test.
    pub mode: Mode,
    /// Its id, a fresh UUIDv7, which its transfer and its operation bear as well.
    pub id: Uuid,
    /// The tenant's own name for it.
    pub deposit_id: ClientKey,
    /// Who receives.
    pub customer: Uuid,
    /// The wallet that receives.
    pub wallet: Address,
    /// What is paid.
    pub token: Token,
    /// How much, in the token's base units.
    pub amount: Amount,
    /// What the customer paid in local money, for the records.
    pub local_fiat_amount: Decimal,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

/// What became of a wish for a deposit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It will happen.
    Accepted,
    /// The treasury does not have that much available.
    Insufficient,
    /// A deposit of this name exists, and stands there.
    Duplicate(Status),
}

/// A tenant's deposits.
pub struct Deposits;

impl Deposits {
    /// Decides any number of live deposits of the transaction's tenants, each on its own, and stores those that are
    /// accepted with their reservations, chain operations and events. Tokens leave from `treasury`.
    pub async fn request(
        tx: &mut TenantTx,
        treasury: Address,
        wanted: &[NewDeposit],
        _: Passed,
    ) -> Result<Vec<Decision>> {
        let postings: Vec<Posting> = wanted.iter().map(reservation).collect();
        let outcomes = ledger::reserve(tx, &postings).await?;
        let accepted: Vec<&NewDeposit> = wanted
            .iter()
            .zip(&outcomes)
            .filter_map(|(deposit, outcome)| (*outcome == Outcome::Accepted).then_some(deposit))
            .collect();
        if !accepted.is_empty() {
            enqueue(tx, treasury, &accepted).await?;
            store::insert(tx, &accepted).await?;
            let tenants = accepted.iter().map(|deposit| deposit.tenant);
            webhooks::emit_if_heard(tx, tenants, || events::accepted(accepted.iter().copied())).await?;
        }
        let repeated = wanted.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Outcome::Duplicate);
        let statuses = statuses(tx, repeated.map(|(deposit, _)| deposit)).await?;
        let decide = |(deposit, outcome): (&NewDeposit, Outcome)| match outcome {
            Outcome::Accepted => Ok(Decision::Accepted),
            Outcome::Insufficient => Ok(Decision::Insufficient),
            Outcome::Duplicate => duplicate(&statuses, deposit),
        };
        wanted.iter().zip(outcomes).map(decide).collect()
    }

    /// Stores any number of test keys' deposits of the transaction's tenants with their operations on the simulated
    /// chain and their events. No balance covers them, unless an amount asks for the refusal.
    pub async fn simulate(
        tx: &mut TenantTx,
        treasury: Address,
        wanted: &[NewDeposit],
        _: Passed,
    ) -> Result<Vec<Decision>> {
        // In one order whoever stores, because each waits for the others' equal names.
        let mut in_order: Vec<&NewDeposit> = wanted.iter().filter(|deposit| !is_short(deposit)).collect();
        in_order.sort_by_key(|deposit| (deposit.tenant, deposit.deposit_id.as_str()));
        let stored = store::insert_unless_known(tx, &in_order).await?;
        let (accepted, repeated): (Vec<&NewDeposit>, Vec<_>) = in_order.iter().partition(|d| stored.contains(&d.id));
        enqueue(tx, treasury, &accepted).await?;
        webhooks::emit(tx, &events::accepted(accepted)).await?;
        let statuses = statuses(tx, repeated.into_iter()).await?;
        let decide = |deposit: &NewDeposit| match stored.contains(&deposit.id) {
            true => Ok(Decision::Accepted),
            false if is_short(deposit) => Ok(Decision::Insufficient),
            false => duplicate(&statuses, deposit),
        };
        wanted.iter().map(decide).collect()
    }

    /// What will become of these deposits if they are asked for in this order. Of live ones it locks what
    /// [`Deposits::request`] will lock.
    pub(super) async fn prospects(tx: &mut TenantTx, mode: Mode, wanted: &[&NewDeposit]) -> Result<Prospects> {
        let available = match mode {
            Mode::Live => {
                let postings: Vec<Posting> = wanted.iter().map(|deposit| reservation(deposit)).collect();
                Some(ledger::hold(tx, &postings).await?)
            }
            Mode::Test => None,
        };
        // Behind the locks: what others have asked for of the same accounts is seen.
        let known = statuses(tx, wanted.iter().copied()).await?.into_keys().collect();
        Ok(Prospects { known, available })
    }

    /// Gives the tenant back what a deposit took from its balance, and counts it for the customer no more: a reorg undid its
    /// payment for good. The deposit itself stays as it was told; its `id` is its operation's. However often: it goes back
    /// once.
    pub async fn reverse(db: &Db, tenant: TenantId, id: Uuid) -> Result<()> {
        let mut tx = db.tenant(tenant).begin().await?;
        let none = || Error::internal("a deposit that was settled has no posted transfer");
        let customer = store::customer_of(&mut tx, id).await?.ok_or_else(none)?;
        Rules::hold(&mut tx, &[customer]).await?;
        if !ledger::reverse(&mut tx, id).await? {
            return Err(none());
        }
        store::reverse(&mut tx, id).await?;
        Counts::forget(&mut tx, customer).await?;
        Ok(tx.commit().await?)
    }

    /// Where the deposits of the transaction's tenants and the ledger's transfers contradict each other, in words.
    pub async fn contradictions(tx: &mut TenantTx) -> Result<Vec<String>> {
        Ok(reconciliation::contradictions(tx).await?)
    }
}

fn reservation(deposit: &NewDeposit) -> Posting {
    Posting {
        tenant: deposit.tenant,
        id: deposit.id,
        debit: AccountKind::Treasury,
        credit: AccountKind::Customers,
        token: deposit.token.symbol.to_string(),
        amount: deposit.amount,
        reason: KIND,
        reference: format!("{KIND}:{}", deposit.deposit_id),
    }
}

async fn enqueue(tx: &mut TenantTx, treasury: Address, accepted: &[&NewDeposit]) -> Result<()> {
    let operations: Vec<NewOperation> = accepted.iter().map(|deposit| operation(treasury, deposit)).collect();
    Ok(chain::enqueue(tx, &operations).await?)
}

fn is_short(deposit: &NewDeposit) -> bool {
    Rehearsal::of(&deposit.token, deposit.amount) == Some(Rehearsal::Insufficient)
}

fn operation(treasury: Address, deposit: &NewDeposit) -> NewOperation {
    NewOperation {
        tenant: deposit.tenant,
        mode: deposit.mode,
        id: deposit.id,
        kind: KIND,
        reference: deposit.deposit_id.to_string(),
        payer: Payer::Treasury(treasury),
        token: deposit.token.contract,
        recipient: deposit.wallet,
        amount: deposit.amount,
        rehearsed_failure: chain::rehearsed_failure(deposit.mode, &deposit.token, deposit.amount),
    }
}

/// What will become of deposits that are asked for one after the other.
pub(super) struct Prospects {
    /// Names that are taken.
    known: HashSet<(TenantId, String)>,
    /// What live deposits can be paid from.
    available: Option<ledger::Available>,
}

impl Prospects {
    /// Whether a deposit's name is new.
    pub(super) fn is_new(&self, deposit: &NewDeposit) -> bool {
        !self.known.contains(&(deposit.tenant, deposit.deposit_id.to_string()))
    }

    /// A deposit is asked for: whether it will happen.
    pub(super) fn ask(&mut self, deposit: &NewDeposit) -> bool {
        if !self.is_new(deposit) {
            return false;
        }
        let name = (deposit.tenant, deposit.deposit_id.to_string());
        match &mut self.available {
            // The first of a name speaks for those after it, also when it lacks funds.
            Some(available) => {
                self.known.insert(name);
                available.take(&reservation(deposit))
            }
            None if is_short(deposit) => false,
            None => self.known.insert(name),
        }
    }
}

type Statuses = HashMap<(TenantId, String), Status>;

async fn statuses<'a>(tx: &mut TenantTx, deposits: impl Iterator<Item = &'a NewDeposit>) -> Result<Statuses> {
    let deposits: Vec<&NewDeposit> = deposits.collect();
    if deposits.is_empty() {
        return Ok(Statuses::new());
    }
    Ok(store::statuses(tx, &deposits).await?)
}

fn duplicate(statuses: &Statuses, deposit: &NewDeposit) -> Result<Decision> {
    let status = statuses.get(&(deposit.tenant, deposit.deposit_id.to_string()));
    let status = status.ok_or_else(|| Error::internal("a transfer of a deposit exists without the deposit"))?;
    Ok(Decision::Duplicate(*status))
}
