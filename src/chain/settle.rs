//! Final outcomes: a block that is deep enough is read again, and what it says is stored, a whole block at once.

use std::collections::BTreeMap;

use alloy::eips::BlockNumberOrTag;
use alloy::primitives::B256;
use alloy::rpc::types::TransactionReceipt;
use uuid::Uuid;

use super::engine::{EngineError, Result};
use super::outcome::{self, Outcome};
use super::rpc::Head;
use super::store::{self, Ended, Ending, MinedUserOp, Operation};
use super::watcher::Watcher;
use crate::foundation::FailPoint;

/// Operations whose outcomes are stored in one transaction, about.
const PORTION: usize = 2_000;

/// A user operation whose outcome is final.
struct Final {
    user_op: MinedUserOp,
    outcome: Outcome,
    operations: Vec<Operation>,
}

impl Watcher {
    /// Ends user operations whose block is final, and takes back those whose block is gone; `false` when a block could not
    /// be read that has to be.
    pub(super) async fn settle(&mut self, head: &Head) -> Result<bool> {
        let mut blocks: BTreeMap<(u64, B256), Vec<MinedUserOp>> = BTreeMap::new();
        for user_op in store::mined(self.chain.db()).await? {
            blocks.entry((user_op.block_number, user_op.block_hash)).or_default().push(user_op);
        }
        let depth = self.chain.settings().confirmations;
        let mut complete = true;
        for ((number, hash), user_ops) in blocks {
            if number > head.number {
                continue;
            }
            let Some(block) = self.chain.rpc().block(BlockNumberOrTag::Number(number)).await? else {
                complete = false;
                continue;
            };
            if block.hash != hash {
                tracing::warn!(number, %hash, "a block with our user operations was dropped by a reorg");
                metrics::counter!("diolkos_chain_reorgs_total").increment(1);
                let ids: Vec<Uuid> = user_ops.iter().map(|user_op| user_op.id).collect();
                store::reopen(self.chain.db(), &ids, hash).await?;
                self.rescan_from(number);
                complete = false;
                continue;
            }
            if head.number - number >= depth {
                complete &= match self.finish(head, hash, user_ops).await {
                    // A block that cannot be read keeps neither the lanes nor the other blocks waiting.
                    Err(EngineError::Rpc(error)) => {
                        tracing::warn!(number, %error, "a block cannot be read to settle what is in it");
                        false
                    }
                    finished => finished?,
                };
            }
        }
        Ok(complete)
    }

    async fn finish(&self, head: &Head, hash: B256, user_ops: Vec<MinedUserOp>) -> Result<bool> {
        let Some(number) = user_ops.first().map(|user_op| user_op.block_number) else { return Ok(true) };
        let Some(receipts) = self.chain.rpc().block_receipts(number).await? else { return Ok(false) };
        if receipts.iter().any(|receipt: &TransactionReceipt| receipt.block_hash != Some(hash)) {
            return Ok(false);
        }
        let ids: Vec<Uuid> = user_ops.iter().map(|user_op| user_op.id).collect();
        let hashes = store::hashes_of(self.chain.db(), &ids).await?.into_iter().collect();
        let accounts = user_ops.iter().map(|user_op| (user_op.id, user_op.account)).collect();
        let mut outcomes = outcome::find(&receipts, &hashes, &accounts);
        let mut operations = store::operations(self.chain.db(), &ids).await?;
        let absent: Vec<Uuid> = ids.iter().filter(|id| !outcomes.contains_key(*id)).copied().collect();
        if !absent.is_empty() && !receipts.is_empty() {
            tracing::error!(number, ?absent, "user operations are not in the block in which they were seen");
            store::reopen(self.chain.db(), &absent, hash).await?;
        }
        let finals: Vec<Final> = user_ops
            .into_iter()
            .filter_map(|user_op| {
                let outcome = outcomes.remove(&user_op.id)?;
                let operations = operations.remove(&user_op.id).unwrap_or_default();
                Some(Final { user_op, outcome, operations })
            })
            .collect();
        let mut complete = true;
        // Those who asked for the first learn of them while the next are stored.
        for finals in in_portions(&finals) {
            complete &= self.conclude_all(head, number, finals).await?;
        }
        Ok(complete)
    }

    /// Stores outcomes of a block together or, where that fails, one by one; `false` when one could not be stored.
    async fn conclude_all(&self, head: &Head, number: u64, finals: &[Final]) -> Result<bool> {
        match self.conclude(head, finals).await {
            // One that cannot be stored does not keep the others, or the lanes, waiting.
            Err(EngineError::Database(error)) if finals.len() > 1 => {
                tracing::warn!(number, %error, "a block's outcomes are stored one by one");
                for one in finals {
                    if let Err(error) = self.conclude(head, std::slice::from_ref(one)).await {
                        tracing::error!(user_op = %one.user_op.id, %error, "an outcome cannot be stored");
                    }
                }
                Ok(false)
            }
            Err(EngineError::Database(error)) => {
                tracing::error!(number, %error, "an outcome cannot be stored");
                Ok(false)
            }
            concluded => concluded.map(|()| true),
        }
    }

    /// Stores outcomes of one block in one transaction.
    async fn conclude(&self, head: &Head, finals: &[Final]) -> Result<()> {
        let Some(block) = finals.first().map(|one| one.user_op.block_number) else { return Ok(()) };
        let mut tx = self.chain.db().engine().await?;
        let ended: Vec<Ended> = finals.iter().map(ended).collect();
        let won = store::end(&mut tx, &ended).await?;
        let mut endings = Vec::new();
        for one in finals.iter().filter(|one| won.contains(&one.user_op.id)) {
            let (id, outcome) = (one.user_op.id, &one.outcome);
            match &one.operations[..] {
                operations if outcome.success => {
                    self.chain.gas().learn(operations, one.user_op.account == self.chain.treasury(), outcome.gas_used);
                    endings.extend(outcome.endings(operations));
                }
                _ if outcome.undone_by_payer => {
                    // Its nonce is used and nothing moved; nobody but the lane pays for the next one.
                    tracing::error!(user_op = %id, "who pays for gas undid a user operation: a lane carries it");
                    metrics::counter!("diolkos_user_ops_undone_by_payer_total").increment(1);
                    store::begin_anew_by_lane(&mut tx, id, head.number).await?;
                }
                [alone] => endings.push(outcome.failed(alone)),
                operations => {
                    tracing::warn!(user_op = %id, failure = outcome.failure, "a batch failed and is halved");
                    self.chain.gas().forget(operations);
                    store::split(&mut tx, id, head.number, true).await?;
                }
            }
        }
        let taken = store::end_operations(&mut tx, block, &endings).await?;
        let bad: Vec<&Ending> = endings.iter().filter(|ending| ending.state != "succeeded").collect();
        let undone = if bad.is_empty() { Vec::new() } else { store::mark_undone(&mut tx, block, &bad).await? };
        tx.commit().await?;
        FailPoint::Ended.reached();
        for seconds in taken {
            metrics::histogram!("diolkos_chain_stage_seconds", "stage" => "final").record(seconds);
        }
        for operation in undone {
            tracing::error!(%operation, "a reorg undid a payment that was final, and it cannot be made again");
            metrics::counter!("diolkos_chain_final_undone_total").increment(1);
        }
        for ending in &endings {
            metrics::counter!("diolkos_chain_operations_total", "state" => ending.state).increment(1);
            if ending.state == "review" {
                tracing::error!(operation = %ending.id, "an operation did something else than was asked");
            }
        }
        self.chain.announce();
        Ok(())
    }
}

/// Cut where one has [`PORTION`] operations.
fn in_portions(finals: &[Final]) -> impl Iterator<Item = &[Final]> {
    let mut operations = 0;
    finals.chunk_by(move |one, _| {
        operations += one.operations.len().max(1);
        let goes_on = operations < PORTION;
        if !goes_on {
            operations = 0;
        }
        goes_on
    })
}

fn ended(one: &Final) -> Ended {
    Ended {
        id: one.user_op.id,
        block_hash: one.user_op.block_hash,
        success: one.outcome.success,
        failure: one.outcome.failure.clone(),
    }
}
