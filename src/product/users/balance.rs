//! What a wallet holds now.

use std::time::Duration;

use super::Customer;
use crate::auth::Tenant;
use crate::chain::{self, RpcError};
use crate::foundation::{Amount, Mode, Phone, Token};
use crate::http::{Error, Result};
use crate::product::App;
use crate::product::users::Directory;

/// The customer of a phone number and how much of a token the wallet holds: read from the chain, not cached; for a test
/// key from the simulated chain.
pub async fn read(app: &App, caller: &Tenant, phone: &Phone, token: &Token) -> Result<(Customer, Amount)> {
    let mut tx = app.db.tenant(caller.tenant).begin().await?;
    let customer = Directory::new(app.blind_indexer.clone(), caller.mode).find(&mut tx, phone).await?;
    let customer = customer.ok_or_else(Directory::not_provisioned)?;
    let simulated = match caller.mode {
        Mode::Test => Some(chain::simulated_balance(&mut tx, token.contract, customer.wallet).await?),
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

/// What a caller is told when the chain's node does not answer.
pub fn unanswered(error: RpcError) -> Error {
    const MESSAGE: &str = "the chain cannot be read at the moment; try again";
    match error {
        RpcError::Unavailable(_) | RpcError::OtherChain { .. } => {
            Error::new(axum::http::StatusCode::SERVICE_UNAVAILABLE, "chain_unavailable", MESSAGE)
                .retry_after(Duration::from_secs(1))
                .because(error)
        }
        RpcError::Refused { .. } => Error::bad_gateway("chain_unavailable", MESSAGE, error),
    }
}
