//! Customers' wallets are deployed by their first user operation.

use super::engine::{Engine, Result};
use super::store::{self, OpenUserOp};

/// What a user operation has to do about its account's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deployment {
    /// Nothing: it is there (the treasury's always is).
    Done,
    /// Another user operation brings it.
    UnderWay,
    /// This one has to bring it.
    Needed,
}

impl Engine {
    /// Asks the chain, until it has once said that the wallet is there.
    pub(super) async fn deployment(&mut self, user_op: &OpenUserOp) -> Result<Deployment> {
        if user_op.wallet.is_none() || self.deployed.contains(&user_op.account) {
            return Ok(Deployment::Done);
        }
        if !self.chain.rpc().code(user_op.account).await?.is_empty() {
            self.deployed.insert(user_op.account);
            return Ok(Deployment::Done);
        }
        let under_way = store::is_being_deployed(self.chain.db(), user_op).await?;
        Ok(if under_way { Deployment::UnderWay } else { Deployment::Needed })
    }
}
