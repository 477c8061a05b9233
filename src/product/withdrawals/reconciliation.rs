//! Withdrawals beside the ledger's transfers: each must explain the other.

use super::store::{self, Contradiction};
use crate::db::{self, TenantTx};

/// What of the transaction's tenants does not fit together, in words; empty when everything does.
pub async fn contradictions(tx: &mut TenantTx) -> db::Result<Vec<String>> {
    Ok(store::contradictions(tx).await?.iter().map(describe).collect())
}

fn describe(found: &Contradiction) -> String {
    let ledger = |what, state: &Option<String>| match state {
        Some(state) => format!("{what} {state}"),
        None => format!("{what} nothing"),
    };
    let withdrawal = match (&found.id, &found.status) {
        (Some(id), Some(status)) => {
            let refund = found.refund.as_ref().map(|refund| format!(", refund {refund}")).unwrap_or_default();
            format!("withdrawal {id} is {status}{refund}")
        }
        _ => "there is no withdrawal".to_owned(),
    };
    let said = [("received", &found.received), ("paid", &found.paid), ("returned", &found.returned)];
    let said: Vec<String> = said.into_iter().map(|(what, state)| ledger(what, state)).collect();
    format!("{withdrawal}; the ledger says: {}", said.join(", "))
}
