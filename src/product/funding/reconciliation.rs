//! Deposits beside the ledger's transfers: each must explain the other.

use super::store::{self, Contradiction};
use crate::db::{self, TenantTx};

/// What of the transaction's tenants does not fit together, in words; empty when everything does.
pub async fn contradictions(tx: &mut TenantTx) -> db::Result<Vec<String>> {
    Ok(store::contradictions(tx).await?.iter().map(describe).collect())
}

fn describe(found: &Contradiction) -> String {
    let transfer = match (&found.reference, &found.transfer_state, found.transfer_amount) {
        (Some(reference), Some(state), Some(amount)) => format!("transfer {reference} of {amount} is {state}"),
        _ => "there is no transfer".to_owned(),
    };
    let deposit = match (&found.deposit_id, &found.status, found.amount) {
        (Some(id), Some(status), Some(amount)) => format!("deposit {id} of {amount} is {status}"),
        _ => "there is no deposit".to_owned(),
    };
    format!("{transfer}, {deposit}")
}
