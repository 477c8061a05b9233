//! Going back: a reorg replaced blocks that were entered.

use alloy::eips::BlockNumberOrTag;

use super::Mark;
use super::run::{Indexer, IndexerError, Result, Round};
use super::store::{self, Lease};
use crate::foundation::FailPoint;

/// Remembered blocks that are compared in one go.
const STEP: i64 = 64;

impl Indexer {
    /// Undoes everything above the highest known block that the chain still has.
    pub(super) async fn undo(&self, lease: &Lease, known: &Mark) -> Result<Round> {
        let ancestor = self.ancestor(lease, known).await?;
        let mut tx = self.chain.db().engine().await?;
        if !store::confirm(&mut tx, lease).await? {
            return Err(IndexerError::Fenced);
        }
        let undone = store::undo(&mut tx, lease.chain_id, ancestor.number).await?;
        if !store::retreat(&mut tx, lease, &ancestor).await? {
            return Err(IndexerError::Fenced);
        }
        tx.commit().await?;
        FailPoint::BlocksUndone.reached();
        let depth = known.number - ancestor.number;
        tracing::warn!(ancestor = ancestor.number, depth, movements = undone.movements, "a reorg was undone");
        metrics::counter!("diolkos_indexer_reorgs_total").increment(1);
        if undone.were_final > 0 {
            tracing::error!(depth, movements = undone.were_final, "a reorg undid movements that counted as final");
            metrics::counter!("diolkos_indexer_final_movements_undone_total")
                .increment(u64::try_from(undone.were_final).unwrap_or_default());
        }
        Ok(Round::More)
    }

    /// The highest known block below `known` that the chain has.
    async fn ancestor(&self, lease: &Lease, known: &Mark) -> Result<Mark> {
        let mut below = known.number;
        loop {
            let remembered = store::remembered(self.chain.db(), lease.chain_id, below, STEP).await?;
            if remembered.is_empty() {
                return Err(IndexerError::NothingInCommon(below));
            }
            for mark in &remembered {
                let header = self.chain.rpc().header(BlockNumberOrTag::Number(mark.number)).await?;
                match header {
                    Some(header) if header.hash == mark.hash => return Ok(*mark),
                    // Absence proves nothing: a node that lags has not got so far, one that reorganises will.
                    None => return Err(IndexerError::Behind(mark.number)),
                    Some(_) => {}
                }
            }
            below = remembered.last().map_or(0, |mark| mark.number);
        }
    }
}
