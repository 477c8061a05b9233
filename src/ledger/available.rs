//! What accounts can still give, before anything is entered.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::account::{self, AccountKey, Locked};
use super::{AccountKind, Posting, Result};
use crate::db::TenantTx;
use crate::foundation::{Amount, TenantId};

/// What is available on the accounts that postings debit, which nobody else touches until the transaction ends.
#[derive(Debug)]
pub struct Available(HashMap<(TenantId, AccountKind, String), Amount>);

/// The accounts of postings.
pub(super) type Accounts<'a> = BTreeMap<AccountKey<'a>, Locked>;

/// Locks the accounts that [`super::reserve`] locks for these postings, and tells what is available on those that they
/// debit.
pub async fn hold(tx: &mut TenantTx, postings: &[Posting]) -> Result<Available> {
    Ok(Available::on(&lock(tx, postings).await?))
}

/// Locks them, in a statement of its own: the next one's snapshot then sees whatever was committed before they were ours.
pub(super) async fn lock<'a>(tx: &mut TenantTx, postings: &'a [Posting]) -> Result<Accounts<'a>> {
    let accounts: BTreeSet<AccountKey<'_>> = postings.iter().flat_map(Posting::accounts).collect();
    account::lock(tx, &accounts).await
}

impl Available {
    pub(super) fn on(accounts: &Accounts<'_>) -> Self {
        let limited = accounts.iter().filter_map(|(account, locked)| {
            Some(((account.tenant, account.kind, account.token.to_owned()), locked.available?))
        });
        Self(limited.collect())
    }

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
