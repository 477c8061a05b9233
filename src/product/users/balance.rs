//! What a wallet holds now.

use std::time::Duration;

use super::Customer;
use crate::auth::Tenant;
use crate::chain::RpcError;
use crate::foundation::{Amount, Mode, Phone, Token};
use crate::http::{Error, Result};
use crate::product::App;
use crate::product::funding::Deposits;
use crate::product::users::Directory;

/// The customer of a phone number and how much of a token the wallet holds: read from the chain, not cached; for a test
/// key the sum of the simulated deposits.
pub async fn read(app: &App, caller: &Tenant, phone: &Phone, token: &Token) -> Result<(Customer, Amount)> {
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let customer = Directory::new(app.blind_indexer.clone(), caller.mode).find(&mut tx, phone).await?;
    let customer = customer.ok_or_else(Directory::not_provisioned)?;
    let simulated = match caller.mode {
        Mode::Test => Some(Deposits::simulated_total(&mut tx, customer.id, &token.symbol).await?),
        Mode::Live => None,
    };
    // No transaction is open while the chain is asked.
    tx.commit().await?;
    let amount = match simulated {
        Some(amount) => amount,
        None => app.chain.token_balance(token.contract, customer.wallet).await.map_err(unanswered)?,
    };
    Ok((customer, amount))
}

fn unanswered(error: RpcError) -> Error {
    const MESSAGE: &str = "the chain cannot be read at the moment; try again";
    match error {
        RpcError::Unavailable(_) => {
            Error::new(axum::http::StatusCode::SERVICE_UNAVAILABLE, "chain_unavailable", MESSAGE)
                .retry_after(Duration::from_secs(1))
                .because(error)
        }
        RpcError::Refused { .. } => Error::bad_gateway("chain_unavailable", MESSAGE, error),
    }
}
