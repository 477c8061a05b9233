//! The newest blocks, one by one: each must name its parent, and its logs are asked for by its hash.

use std::collections::HashMap;

use alloy::eips::BlockNumberOrTag;
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;

use super::movement::{self, SeenTransfer};
use super::run::{Indexer, IndexerError, Result, Round};
use super::store::{self, Lease};
use super::{Header, Mark};
use crate::chain::contracts::IERC20::Transfer;
use crate::foundation::FailPoint;

impl Indexer {
    /// Reads from the block after `known` up to the `newest`, which is not far.
    pub(super) async fn take_blocks(&self, lease: &Lease, known: &Mark, newest: &Mark) -> Result<Round> {
        let (mut last, mut marks) = (*known, Vec::new());
        let (mut transfers, mut times) = (Vec::new(), HashMap::new());
        for number in known.number + 1..=newest.number {
            let header = self.chain.rpc().header(BlockNumberOrTag::Number(number)).await?;
            let header = header.ok_or(IndexerError::Behind(number))?;
            if header.parent_hash != last.hash {
                if marks.is_empty() {
                    return self.undo(lease, known).await;
                }
                // What was read so far may be of a branch that is gone: the next round finds out.
                return Err(IndexerError::Moved(number));
            }
            transfers.extend(self.transfers_of(&header).await?);
            times.insert(header.hash, header.time());
            last = header.mark();
            marks.push(last);
        }
        self.enter(lease, &marks, &transfers, &times, last == *newest).await?;
        Ok(if last == *newest { Round::Current } else { Round::More })
    }

    /// The transfers of one block. A node that has the header and not the logs (yet, or any more) answers with none:
    /// that is believed only if the block's bloom filter, or all of its receipts, say the same.
    async fn transfers_of(&self, header: &Header) -> Result<Vec<SeenTransfer>> {
        if !header.may_have_transfers(&self.tokens) {
            return Ok(Vec::new());
        }
        let filter = Filter::new()
            .at_block_hash(header.hash)
            .address(self.tokens.clone())
            .event_signature(Transfer::SIGNATURE_HASH);
        let mut logs = self.chain.rpc().logs(&filter).await?;
        if logs.is_empty() {
            logs = self.logs_of_receipts(header).await?;
        }
        if logs.iter().any(|log| log.block_hash != Some(header.hash)) {
            return Err(IndexerError::Moved(header.number));
        }
        Ok(movement::read(&logs, &self.tokens, header.number, header.number)?)
    }

    /// The logs of a block by its receipts; refuses to believe that it has none.
    pub(super) async fn logs_of_receipts(&self, header: &Header) -> Result<Vec<Log>> {
        let receipts = self.chain.rpc().block_receipts(header.number).await?;
        // The filter is not exact, but a block without transactions has an empty one.
        let receipts = receipts.filter(|receipts| !receipts.is_empty());
        let receipts = receipts.ok_or(IndexerError::LogsMissing(header.number))?;
        if receipts.iter().any(|receipt| receipt.block_hash != Some(header.hash)) {
            return Err(IndexerError::Moved(header.number));
        }
        Ok(receipts.iter().flat_map(|receipt| receipt.logs().iter().cloned()).collect())
    }

    /// Commits what was read together with the new head, which is the last of the `marks`.
    pub(super) async fn enter(
        &self,
        lease: &Lease,
        marks: &[Mark],
        transfers: &[SeenTransfer],
        times: &HashMap<alloy::primitives::B256, chrono::DateTime<chrono::Utc>>,
        is_current: bool,
    ) -> Result<()> {
        let Some(head) = marks.last() else { return Ok(()) };
        let accounts = self.accounts(transfers).await?;
        let movements = movement::sides(transfers, &accounts, times);
        FailPoint::BlocksRead.reached();
        let mut tx = self.chain.db().engine().await?;
        if !store::advance(&mut tx, lease, head, self.chain.settings().confirmations, is_current).await? {
            return Err(IndexerError::Fenced);
        }
        store::remember(&mut tx, lease.chain_id, marks).await?;
        store::enter(&mut tx, lease.chain_id, &movements).await?;
        tx.commit().await?;
        FailPoint::BlocksEntered.reached();
        metrics::counter!("diolkos_indexer_movements_total")
            .increment(u64::try_from(movements.len()).unwrap_or_default());
        Ok(())
    }
}
