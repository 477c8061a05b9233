//! What accounts can still give, before anything is entered.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::account::{self, AccountKey};
use super::{AccountKind, Posting, Result};
use crate::db::TenantTx;
use crate::foundation::{Amount, TenantId};

/// What is available on the accounts that postings debit, which nobody else touches until the transaction ends.
#[derive(Debug)]
pub struct Available(HashMap<(TenantId, AccountKind, String), Amount>);

/// Locks the accounts that [`super::reserve`] locks for these postings, and tells what is available on those that they
/// debit.
pub async fn hold(tx: &mut TenantTx, postings: &[Posting]) -> Result<Available> {
    let accounts: BTreeSet<AccountKey<'_>> = postings.iter().flat_map(Posting::accounts).collect();
    account::lock(tx, &accounts).await?;
    let limited: Vec<&AccountKey<'_>> = accounts.iter().filter(|account| account.kind.is_limited()).collect();
    let rows = sqlx::query!(
        r#"select i.ord as "ord!",
            a.posted_credits - a.posted_debits - a.pending_debits as "available!: Amount"
        from unnest($1::uuid[], $2::text[], $3::text[]) with ordinality as i (tenant_id, kind, token, ord)
        join ledger_account a on a.tenant_id = i.tenant_id and a.kind = i.kind and a.token = i.token"#,
        &limited.iter().map(|account| account.tenant.0).collect::<Vec<Uuid>>(),
        &limited.iter().map(|account| account.kind.as_str()).collect::<Vec<_>>() as &[&str],
        &limited.iter().map(|account| account.token).collect::<Vec<_>>() as &[&str],
    )
    .fetch_all(&mut **tx)
    .await?;
    let available = rows.into_iter().filter_map(|row| {
        let account = limited.get(usize::try_from(row.ord - 1).ok()?)?;
        Some(((account.tenant, account.kind, account.token.to_owned()), row.available))
    });
    Ok(Available(available.collect()))
}

impl Available {
    /// Takes what a posting debits; `false` when that is not there, and is left for smaller ones. What is credited meanwhile
    /// does not count. In the order of the postings that [`super::reserve`] is given this is how it decides.
    pub fn take(&mut self, posting: &Posting) -> bool {
        if !posting.debit.is_limited() {
            return true;
        }
        let Some(left) = self.0.get_mut(&(posting.tenant, posting.debit, posting.token.clone())) else { return false };
        match left.checked_sub(posting.amount) {
            Some(rest) => {
                *left = rest;
                true
            }
            None => false,
        }
    }
}
