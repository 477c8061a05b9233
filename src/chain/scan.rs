//! Seeing what became of user operations in new blocks.

use std::collections::HashMap;

use alloy::primitives::B256;
use alloy::rpc::types::Log;
use alloy::sol_types::SolEvent;

use super::contracts::IEntryPoint::UserOperationEvent;
use super::engine::Result;
use super::entry_point::ENTRY_POINT;
use super::rpc::Head;
use super::store::{self, OpenUserOp, Sighting};
use super::watcher::Watcher;
use crate::foundation::FailPoint;

/// A gap of more blocks than this is searched by logs, not block by block.
const MAX_GAP: u64 = 32;

/// Open user operations by the hashes of their signatures.
pub(super) type ByHash = HashMap<B256, OpenUserOp>;

impl Watcher {
    /// Looks for open user operations in the blocks since the last look; `false` when a node does not have one of them yet.
    pub(super) async fn scan(&mut self, head: &Head) -> Result<bool> {
        let open: ByHash = store::versions(self.chain.db()).await?.into_iter().collect();
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
            let Some(receipts) = self.chain.rpc().block_receipts(number).await? else { return Ok(false) };
            let logs = receipts.iter().flat_map(|receipt| receipt.logs());
            let seen: Vec<Sighting> = logs.filter_map(|log| sighting(&open, log)).collect();
            self.chain.note_mined(&seen).await?;
            self.scanned = Some(number);
        }
        self.scanned = Some(head.number);
        Ok(true)
    }

    /// The scan goes back to before this block, because a reorg replaced it.
    pub(super) fn rescan_from(&mut self, block: u64) {
        self.scanned = self.scanned.map(|scanned| scanned.min(block.saturating_sub(1)));
    }

    async fn locate_all(&self, open: &ByHash) -> Result<()> {
        let distinct: HashMap<_, _> = open.values().map(|user_op| (user_op.id, user_op)).collect();
        for user_op in distinct.values() {
            // Whoever carries it will ask again.
            if let Err(error) = self.chain.locate(user_op, None).await {
                tracing::warn!(user_op = %user_op.id, %error, "a user operation cannot be located");
            }
        }
        Ok(())
    }
}

/// That one of these user operations is in a block, if that is what the log says.
pub(super) fn sighting(open: &ByHash, log: &Log) -> Option<Sighting> {
    if log.address() != ENTRY_POINT || log.topic0() != Some(&UserOperationEvent::SIGNATURE_HASH) || log.removed {
        return None;
    }
    let event = UserOperationEvent::decode_log(&log.inner).ok()?;
    let user_op = open.get(&event.userOpHash)?;
    Some(Sighting {
        user_op: user_op.id,
        tx_hash: log.transaction_hash?,
        block_number: log.block_number?,
        block_hash: log.block_hash?,
        success: event.success,
    })
}

impl super::Chain {
    /// Notes that user operations are in blocks.
    pub(super) async fn note_mined(&self, seen: &[Sighting]) -> Result<()> {
        if !seen.is_empty() {
            store::mark_mined(self.db(), seen).await?;
            FailPoint::Mined.reached();
        }
        Ok(())
    }
}
