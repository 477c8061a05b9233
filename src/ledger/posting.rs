//! Entering transfers: one set-based statement decides many requests, each on its own.

use std::collections::{BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use super::account::{self, AccountKey};
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
    let accounts: BTreeSet<AccountKey<'_>> = postings.iter().flat_map(Posting::accounts).collect();
    // A statement of its own: the next one's snapshot then sees whatever was committed before the locks were ours.
    account::lock(tx, &accounts).await?;

    let tenants: Vec<Uuid> = postings.iter().map(|p| p.tenant.0).collect();
    let ids: Vec<Uuid> = postings.iter().map(|p| p.id).collect();
    let debits: Vec<&str> = postings.iter().map(|p| p.debit.as_str()).collect();
    let credits: Vec<&str> = postings.iter().map(|p| p.credit.as_str()).collect();
    let tokens: Vec<&str> = postings.iter().map(|p| p.token.as_str()).collect();
    let amounts: Vec<Amount> = postings.iter().map(|p| p.amount).collect();
    let reasons: Vec<&str> = postings.iter().map(|p| p.reason).collect();
    let references: Vec<&str> = postings.iter().map(|p| p.reference.as_str()).collect();
    // No member of this statement joins another: the planner cannot know how long the arrays are, and a nested loop
    // over two of them would be quadratic. What belongs together is put together below.
    let rows = sqlx::query!(
        r#"with item as (
            select i.tenant_id, i.id, i.token, i.amount, i.reason, i.reference, i.ord,
                debit.id as debit, credit.id as credit,
                case when debit.kind in ('treasury', 'payouts')
                    then debit.posted_credits - debit.posted_debits - debit.pending_debits end as available
            from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::numeric[], $7::text[], $8::text[])
                with ordinality as i (tenant_id, id, debit_kind, credit_kind, token, amount, reason, reference, ord)
            join ledger_account debit
                on debit.tenant_id = i.tenant_id and debit.kind = i.debit_kind and debit.token = i.token
            join ledger_account credit
                on credit.tenant_id = i.tenant_id and credit.kind = i.credit_kind and credit.token = i.token
        ), fresh as (
            select distinct on (item.tenant_id, item.reference) item.*
            from item
            where not exists (
                select from ledger_transfer t where t.tenant_id = item.tenant_id and t.reference = item.reference)
            order by item.tenant_id, item.reference, item.ord
        ), decided as (
            select fresh.*, available is null or amount <= coalesce(
                ledger_take_in_order(amount, available) over (
                    partition by tenant_id, debit order by ord rows between unbounded preceding and 1 preceding),
                available) as fits
            from fresh
        ), entered as (
            insert into ledger_transfer
                (tenant_id, id, debit, credit, token, amount, state, reason, reference, ended_at)
            select tenant_id, id, debit, credit, token, amount, case when $9 then 'posted' else 'pending' end,
                reason, reference, case when $9 then now() end
            from decided
            where fits
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
        select ord as "ord!", null::uuid as entered, fits as "fits!" from decided
        union all
        select 0, id, true from entered"#,
        &tenants,
        &ids,
        &debits as &[&str],
        &credits as &[&str],
        &tokens as &[&str],
        &amounts as &[Amount],
        &reasons as &[&str],
        &references as &[&str],
        posted,
    )
    .fetch_all(&mut **tx)
    .await?;

    let mut entered = HashSet::new();
    let mut fits_by_ord = HashMap::new();
    for row in rows {
        match row.entered {
            Some(id) => {
                entered.insert(id);
            }
            None => {
                fits_by_ord.insert(row.ord, row.fits);
            }
        }
    }
    outcomes(postings, &entered, &fits_by_ord)
}

/// Puts the statement's answer beside each request: `fits_by_ord` has those (counted from 1) that were the first with
/// a reference the ledger did not have, and `entered` the ids of the transfers really made.
fn outcomes(postings: &[Posting], entered: &HashSet<Uuid>, fits_by_ord: &HashMap<i64, bool>) -> Result<Vec<Outcome>> {
    let mut short = HashSet::new();
    let mut outcomes = Vec::with_capacity(postings.len());
    for (posting, ord) in postings.iter().zip(1_i64..) {
        let reference = (posting.tenant, posting.reference.as_str());
        outcomes.push(match fits_by_ord.get(&ord) {
            Some(true) if entered.contains(&posting.id) => Outcome::Accepted,
            // Somebody who works on other accounts entered this reference while we decided.
            Some(true) => Outcome::Duplicate,
            Some(false) => {
                short.insert(reference);
                Outcome::Insufficient
            }
            None if short.contains(&reference) => Outcome::Insufficient,
            None => Outcome::Duplicate,
        });
    }
    match outcomes.iter().filter(|outcome| **outcome == Outcome::Accepted).count() {
        accepted if accepted == entered.len() => Ok(outcomes),
        _ => Err(Error::Corrupt("a transfer was entered that no request asked for")),
    }
}
