//! Final outcomes: a block that is deep enough is read again, and what it says is stored.

use std::collections::BTreeMap;

use alloy::eips::BlockNumberOrTag;
use alloy::primitives::B256;
use alloy::rpc::types::TransactionReceipt;
use uuid::Uuid;

use super::engine::{Engine, EngineError, Result};
use super::outcome::{self, Outcome};
use super::rpc::Head;
use super::store::{self, Ending, Lease, MinedUserOp, Operation};
use crate::foundation::FailPoint;

impl Engine {
    /// Ends user operations whose block is final, and takes back those whose block is gone.
    pub(super) async fn settle(&mut self, lease: &Lease, head: &Head) -> Result<()> {
        let mut blocks: BTreeMap<(u64, B256), Vec<MinedUserOp>> = BTreeMap::new();
        for user_op in store::mined(self.chain.db()).await? {
            blocks.entry((user_op.block_number, user_op.block_hash)).or_default().push(user_op);
        }
        let depth = self.chain.settings().confirmations;
        for ((number, hash), user_ops) in blocks {
            if number > head.number {
                continue;
            }
            let Some(block) = self.chain.rpc().block(BlockNumberOrTag::Number(number)).await? else { continue };
            if block.hash != hash {
                tracing::warn!(number, %hash, "a block with our user operations was dropped by a reorg");
                let ids: Vec<Uuid> = user_ops.iter().map(|user_op| user_op.id).collect();
                store::reopen(self.chain.db(), &ids).await?;
                self.rescan_from(number);
                continue;
            }
            if head.number - number >= depth {
                self.finish(lease, head, hash, &user_ops).await?;
            }
        }
        Ok(())
    }

    async fn finish(&self, lease: &Lease, head: &Head, hash: B256, user_ops: &[MinedUserOp]) -> Result<()> {
        let Some(number) = user_ops.first().map(|user_op| user_op.block_number) else { return Ok(()) };
        let Some(receipts) = self.chain.rpc().block_receipts(number).await? else { return Ok(()) };
        if receipts.iter().any(|receipt: &TransactionReceipt| receipt.block_hash != Some(hash)) {
            return Ok(());
        }
        for user_op in user_ops {
            let hashes = store::hashes_of(self.chain.db(), user_op.id).await?;
            let Some(outcome) = outcome::find(&receipts, &hashes, user_op.account) else { continue };
            let operations = store::operations(self.chain.db(), user_op.id).await?;
            match self.conclude(lease, head, user_op, outcome, &operations).await {
                // One that cannot be stored does not keep the others, or the lane, waiting.
                Err(EngineError::Database(error)) => {
                    tracing::error!(user_op = %user_op.id, %error, "an outcome cannot be stored");
                }
                concluded => concluded?,
            }
        }
        Ok(())
    }

    async fn conclude(
        &self,
        lease: &Lease,
        head: &Head,
        user_op: &MinedUserOp,
        outcome: Outcome,
        operations: &[Operation],
    ) -> Result<()> {
        let tx_hash = outcome.tx_hash;
        let mut tx = self.chain.db().engine().await?;
        store::confirm(&mut tx, lease).await?;
        if !store::end(&mut tx, user_op, outcome.success, outcome.failure.as_deref()).await? {
            return Ok(());
        }
        let endings = match (outcome.success, operations) {
            (true, _) => outcome.endings(operations),
            (false, _) if outcome.undone_by_payer => {
                // Its nonce is used and nothing moved; nobody but the lane pays for the next one.
                tracing::error!(user_op = %user_op.id, "who pays for gas undid a user operation: a lane carries it");
                metrics::counter!("diolkos_user_ops_undone_by_payer_total").increment(1);
                store::begin_anew_by_lane(&mut tx, user_op.id, head.number).await?;
                Vec::new()
            }
            (false, [alone]) => vec![Ending {
                tenant: alone.tenant,
                id: alone.id,
                state: "failed",
                log_index: None,
                failure: outcome.failure,
            }],
            (false, _) => {
                tracing::warn!(user_op = %user_op.id, failure = outcome.failure, "a batch failed and is halved");
                store::split(&mut tx, user_op.id, head.number, true).await?;
                Vec::new()
            }
        };
        let taken = store::end_operations(&mut tx, tx_hash, user_op.block_number, &endings).await?;
        tx.commit().await?;
        FailPoint::Ended.reached();
        for seconds in taken {
            metrics::histogram!("diolkos_chain_stage_seconds", "stage" => "final").record(seconds);
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
