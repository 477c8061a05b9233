//! Seeing what became of user operations: in new blocks, and, for those that were out before a start or that somebody
//! else carried, in the EntryPoint's state and logs.

use std::collections::HashMap;

use alloy::primitives::{B256, U256};
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;

use super::contracts::IEntryPoint::{UserOperationEvent, getNonceCall};
use super::engine::{Engine, Result};
use super::entry_point::ENTRY_POINT;
use super::rpc::Head;
use super::rpc_error::RpcError;
use super::store::{self, OpenUserOp};
use crate::foundation::FailPoint;

/// A gap of more blocks than this is searched by logs, not block by block.
const MAX_GAP: u64 = 32;

/// Blocks that one `eth_getLogs` covers.
const LOG_RANGE: u64 = 1_000;

/// How far before a user operation's birth its block may lie: the node that told the height may have been ahead.
const REORG_MARGIN: u64 = 64;

impl Engine {
    /// Looks for open user operations in the blocks since the last look.
    pub(super) async fn scan(&mut self, head: &Head) -> Result<()> {
        let open: HashMap<B256, OpenUserOp> = store::versions(self.chain.db()).await?.into_iter().collect();
        let from = match self.scanned {
            Some(scanned) if head.number.saturating_sub(scanned) <= MAX_GAP => scanned + 1,
            _ => {
                self.locate_all(&open).await?;
                head.number
            }
        };
        for number in from..=head.number {
            if open.is_empty() {
                break;
            }
            let Some(receipts) = self.chain.rpc().block_receipts(number).await? else { return Ok(()) };
            for log in receipts.iter().flat_map(|receipt| receipt.logs()) {
                self.see(&open, log).await?;
            }
            self.scanned = Some(number);
        }
        self.scanned = Some(head.number);
        Ok(())
    }

    /// The scan goes back to before this block, because a reorg replaced it.
    pub(super) fn rescan_from(&mut self, block: u64) {
        self.scanned = self.scanned.map(|scanned| scanned.min(block.saturating_sub(1)));
    }

    async fn locate_all(&self, open: &HashMap<B256, OpenUserOp>) -> Result<()> {
        let distinct: HashMap<_, _> = open.values().map(|user_op| (user_op.id, user_op)).collect();
        for user_op in distinct.values() {
            // Whoever carries it will ask again.
            if let Err(error) = self.locate_by(user_op, false).await {
                tracing::warn!(user_op = %user_op.id, %error, "a user operation cannot be located");
            }
        }
        Ok(())
    }

    /// Asks the EntryPoint whether the nonce is used up, and if so finds where; `false` when it is not, or when the
    /// node does not know where yet.
    pub(super) async fn locate(&self, user_op: &OpenUserOp) -> Result<bool> {
        self.locate_by(user_op, true).await
    }

    /// The same; the bundler is asked for a hint, which may take its time, or it is not.
    async fn locate_by(&self, user_op: &OpenUserOp, may_ask: bool) -> Result<bool> {
        let rpc = self.chain.rpc();
        let call = getNonceCall { sender: user_op.account, key: user_op.nonce_key() };
        let next = rpc.view(ENTRY_POINT, &call).await?;
        if next & U256::from(u64::MAX) == U256::ZERO {
            return Ok(false);
        }
        let hashes = store::hashes_of(self.chain.db(), user_op.id).await?;
        let ours: HashMap<B256, OpenUserOp> = hashes.iter().map(|hash| (*hash, user_op.clone())).collect();
        if let Some(newest) = hashes.first().filter(|_| may_ask)
            && self.follow_hint(&ours, *newest).await?
        {
            return Ok(true);
        }
        let head = rpc.head().await?.number;
        let mut from = user_op.born_block.saturating_sub(REORG_MARGIN);
        let mut range = LOG_RANGE;
        while from <= head {
            let to = (from + range - 1).min(head);
            let filter = Filter::new()
                .address(ENTRY_POINT)
                .event_signature(UserOperationEvent::SIGNATURE_HASH)
                .topic1(hashes.clone())
                .from_block(from)
                .to_block(to);
            match rpc.logs(&filter).await {
                Ok(logs) => {
                    for log in logs {
                        if self.see(&ours, &log).await? {
                            return Ok(true);
                        }
                    }
                    from = to + 1;
                }
                // Providers differ in how many blocks they search at once.
                Err(RpcError::Refused { .. }) if range > 1 => range /= 2,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    /// Notes that one of these user operations is in a block, if that is what the log says.
    pub(super) async fn see(&self, open: &HashMap<B256, OpenUserOp>, log: &Log) -> Result<bool> {
        if log.address() != ENTRY_POINT || log.topic0() != Some(&UserOperationEvent::SIGNATURE_HASH) || log.removed {
            return Ok(false);
        }
        let Ok(event) = UserOperationEvent::decode_log(&log.inner) else { return Ok(false) };
        let Some(user_op) = open.get(&event.userOpHash) else { return Ok(false) };
        let (Some(number), Some(hash), Some(tx)) = (log.block_number, log.block_hash, log.transaction_hash) else {
            return Ok(false);
        };
        store::mark_mined(self.chain.db(), user_op.id, tx, (number, hash), event.success).await?;
        FailPoint::Mined.reached();
        Ok(true)
    }
}
