//! Customers' wallets are deployed by their first user operation.

use std::collections::HashMap;

use alloy::primitives::Address;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use uuid::Uuid;

use super::engine::{Engine, Result};
use super::store::{self, OpenUserOp};

/// Accounts whose code is asked for at once.
const AT_ONCE: usize = 8;

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
    pub(super) async fn deployments(&mut self, user_ops: &[OpenUserOp]) -> Result<HashMap<Uuid, Deployment>> {
        let is_known = |user_op: &OpenUserOp| user_op.wallet.is_none() || self.deployed.contains(&user_op.account);
        let unknown: Vec<&OpenUserOp> = user_ops.iter().filter(|user_op| !is_known(user_op)).collect();
        let rpc = self.chain.rpc();
        let mut asked = Vec::with_capacity(unknown.len());
        for user_op in &unknown {
            let account = user_op.account;
            asked.push(async move { rpc.code(account).await.map(|code| (!code.is_empty()).then_some(account)) });
        }
        let found: Vec<Option<Address>> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
        self.deployed.extend(found.into_iter().flatten());
        let absent: Vec<Uuid> = unknown
            .iter()
            .filter(|user_op| !self.deployed.contains(&user_op.account))
            .map(|user_op| user_op.id)
            .collect();
        let under_way = match absent.is_empty() {
            true => Default::default(),
            false => store::being_deployed(self.chain.db(), &absent).await?,
        };
        let deployment = |id: Uuid| match () {
            () if !absent.contains(&id) => Deployment::Done,
            () if under_way.contains(&id) => Deployment::UnderWay,
            () => Deployment::Needed,
        };
        Ok(user_ops.iter().map(|user_op| (user_op.id, deployment(user_op.id))).collect())
    }
}
