//! Entering transfers: many requests are decided together, each on its own.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::account::AccountKey;
use super::available::{self, Accounts, Available};
use super::{AccountKind, Error, Result};
use crate::db::TenantTx;
use crate::foundation::{Amount, TenantId};

/// A request to move an amount between two accounts of one tenant.
#[derive(Clone, Debug)]
pub struct Posting {
    /// Whose accounts.
    pub tenant: TenantId,
    /// The transfer's id: a fresh UUIDv7, never used before.
    pub id: Uuid,
    /// The account that gives.
    pub debit: AccountKind,
    /// The account that receives; another one than `debit`.
    pub credit: AccountKind,
    /// The token's symbol.
    pub token: String,
    /// How much, in base units of the token; more than zero.
    pub amount: Amount,
    /// What the transfer is for, such as `deposit`.
    pub reason: &'static str,
    /// What makes the transfer happen once: unique among the tenant's transfers, voided ones included.
    pub reference: String,
}

impl Posting {
    pub(super) fn accounts(&self) -> [AccountKey<'_>; 2] {
        [self.debit, self.credit].map(|kind| AccountKey { tenant: self.tenant, kind, token: &self.token })
    }
}

/// What makes a tenant's transfer happen once.
type Reference = (TenantId, String);

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The transfer is in the ledger.
    Accepted,
    /// The debited account does not have that much available; nothing was entered.
    Insufficient,
    /// A transfer with this reference is in the ledger, from before or from an earlier request of the same batch;
    /// nothing was entered.
    Duplicate,
}

/// Reserves: enters pending transfers, to be ended by [`super::end`]. See [`post`] for how requests are decided.
pub async fn reserve(tx: &mut TenantTx, postings: &[Posting]) -> Result<Vec<Outcome>> {
    enter(tx, postings, false).await
}

/// Enters transfers that are posted at once.
///
/// Requests are decided in their order, with one outcome for each. One that does not fit into what is available leaves
/// that for the smaller ones after it; credits of the batch itself do not count as available. Of several requests with
/// one reference the first speaks for all: the later ones are duplicates of it or, when it lacked funds, lack them too.
pub async fn post(tx: &mut TenantTx, postings: &[Posting]) -> Result<Vec<Outcome>> {
    enter(tx, postings, true).await
}

async fn enter(tx: &mut TenantTx, postings: &[Posting], posted: bool) -> Result<Vec<Outcome>> {
    if postings.is_empty() {
        return Ok(Vec::new());
    }
    let accounts = available::lock(tx, postings).await?;
    // Where there is enough for all, it does not matter which of them are duplicates: storing them tells.
    let mut outcomes = decide(postings, &mut Available::on(&accounts), &HashSet::new());
    if outcomes.contains(&Outcome::Insufficient) {
        let known = known(tx, postings).await?;
        outcomes = decide(postings, &mut Available::on(&accounts), &known);
    }
    let fitting = postings.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Outcome::Accepted);
    let fitting: Vec<&Posting> = fitting.map(|(posting, _)| posting).collect();
    let entered = insert(tx, &fitting, &accounts, posted).await?;
    for (posting, outcome) in postings.iter().zip(&mut outcomes) {
        // It was there before, or somebody who works on other accounts entered this reference while we decided.
        if *outcome == Outcome::Accepted && !entered.contains(&posting.id) {
            *outcome = Outcome::Duplicate;
        }
    }
    match outcomes.iter().filter(|outcome| **outcome == Outcome::Accepted).count() {
        accepted if accepted == entered.len() => Ok(outcomes),
        _ => Err(Error::Corrupt("a transfer was entered that no request asked for")),
    }
}

/// What becomes of each, if the ledger has the references that are `known` and no others.
fn decide(postings: &[Posting], available: &mut Available, known: &HashSet<Reference>) -> Vec<Outcome> {
    let mut first: HashMap<(TenantId, &str), Outcome> = HashMap::with_capacity(postings.len());
    let mut outcomes = Vec::with_capacity(postings.len());
    for posting in postings {
        let reference = (posting.tenant, posting.reference.as_str());
        outcomes.push(match first.get(&reference) {
            Some(Outcome::Accepted) => Outcome::Duplicate,
            Some(outcome) => *outcome,
            None if known.contains(&(posting.tenant, posting.reference.clone())) => Outcome::Duplicate,
            None => {
                let fits = available.take(posting);
                *first.entry(reference).or_insert(if fits { Outcome::Accepted } else { Outcome::Insufficient })
            }
        });
    }
    outcomes
}

/// Which of these references the ledger has.
async fn known(tx: &mut TenantTx, postings: &[Posting]) -> Result<HashSet<Reference>> {
    let rows = sqlx::query!(
        "select t.tenant_id, t.reference from unnest($1::uuid[], $2::text[]) as i (tenant_id, reference)
        join ledger_transfer t on t.tenant_id = i.tenant_id and t.reference = i.reference",
        &postings.iter().map(|p| p.tenant.0).collect::<Vec<_>>(),
        &postings.iter().map(|p| p.reference.as_str()).collect::<Vec<_>>() as &[&str],
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (TenantId(row.tenant_id), row.reference)).collect())
}

/// Enters those whose reference the ledger does not have, and moves their amounts; returns their ids.
async fn insert(
    tx: &mut TenantTx,
    postings: &[&Posting],
    accounts: &Accounts<'_>,
    posted: bool,
) -> Result<HashSet<Uuid>> {
    if postings.is_empty() {
        return Ok(HashSet::new());
    }
    let sides = postings.iter().map(|posting| {
        let [debit, credit] = posting.accounts().map(|account| accounts.get(&account).map(|locked| locked.id));
        debit.zip(credit).ok_or(Error::OutOfScope)
    });
    let (debits, credits): (Vec<Uuid>, Vec<Uuid>) = sides.collect::<Result<Vec<_>>>()?.into_iter().unzip();
    let entered = sqlx::query_scalar!(
        "with entered as (
            insert into ledger_transfer
                (tenant_id, id, debit, credit, token, amount, reason, reference, state, ended_at)
            select tenant_id, id, debit, credit, token, amount, reason, reference,
                case when $9 then 'posted' else 'pending' end, case when $9 then now() end
            from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::numeric[], $7::text[], $8::text[])
                as i (tenant_id, id, debit, credit, token, amount, reason, reference)
            order by tenant_id, reference
            on conflict do nothing
            returning tenant_id, id, debit, credit, amount
        ), moved as (
            select tenant_id, account, sum(debits) as debits, sum(credits) as credits
            from (
                select tenant_id, debit as account, amount as debits, 0 as credits from entered
                union all
                select tenant_id, credit, 0, amount from entered
            ) as side
            group by tenant_id, account
        ), counted as (
            update ledger_account a set
                pending_debits = a.pending_debits + case when $9 then 0 else m.debits end,
                pending_credits = a.pending_credits + case when $9 then 0 else m.credits end,
                posted_debits = a.posted_debits + case when $9 then m.debits else 0 end,
                posted_credits = a.posted_credits + case when $9 then m.credits else 0 end
            from moved m
            where a.tenant_id = m.tenant_id and a.id = m.account
        )
        select id from entered",
        &postings.iter().map(|p| p.tenant.0).collect::<Vec<_>>(),
        &postings.iter().map(|p| p.id).collect::<Vec<_>>(),
        &debits,
        &credits,
        &postings.iter().map(|p| p.token.as_str()).collect::<Vec<_>>() as &[&str],
        &postings.iter().map(|p| p.amount).collect::<Vec<_>>() as &[Amount],
        &postings.iter().map(|p| p.reason).collect::<Vec<_>>() as &[&str],
        &postings.iter().map(|p| p.reference.as_str()).collect::<Vec<_>>() as &[&str],
        posted,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(entered.into_iter().collect())
}
