//! Blocks that are final already, a range at a time: after a start, or after the indexer was away.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::RangeInclusive;

use alloy::eips::BlockNumberOrTag;
use alloy::primitives::Address;
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEvent;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::movement::{self, Account, SeenTransfer};
use super::run::{Indexer, IndexerError, Result, Round};
use super::store::{self, Lease};
use super::{Header, Mark};
use crate::chain::RpcError;
use crate::chain::contracts::IERC20::Transfer;
use crate::foundation::TenantId;

/// Headers asked for side by side.
const AT_ONCE: usize = 16;

impl Indexer {
    /// Reads one range from the block after `known`, up to `limit` at most. Every header of it is asked for too: the
    /// blocks must chain up from the known one, and each must agree with the logs that were given for it.
    pub(super) async fn take_range(&mut self, lease: &Lease, known: &Mark, limit: u64) -> Result<Round> {
        let from = known.number + 1;
        let (logs, to) = self.logs(from, limit).await?;
        let headers = self.headers(from..=to).await?;
        let mut last = known.hash;
        for header in headers.values() {
            if header.parent_hash != last {
                if header.number == from {
                    return self.undo(lease, known).await;
                }
                return Err(IndexerError::Moved(header.number));
            }
            last = header.hash;
        }
        let mut transfers = movement::read(&logs, &self.tokens, from, to)?;
        let is_other = |transfer: &SeenTransfer| {
            headers.get(&transfer.block.number).is_none_or(|header| header.hash != transfer.block.hash)
        };
        if let Some(other) = transfers.iter().find(|transfer| is_other(transfer)) {
            return Err(IndexerError::Moved(other.block.number));
        }
        let told: HashSet<u64> = logs.iter().filter_map(|log| log.block_number).collect();
        for header in headers.values().filter(|header| !told.contains(&header.number)) {
            if header.may_have_transfers(&self.tokens) {
                let logs = self.logs_of_receipts(header).await?;
                transfers.extend(movement::read(&logs, &self.tokens, header.number, header.number)?);
            }
        }
        let marks: Vec<Mark> = headers.values().map(Header::mark).collect();
        let times: HashMap<_, _> = headers.values().map(|header| (header.hash, header.time())).collect();
        self.enter(lease, &marks, &transfers, &times, false).await?;
        Ok(Round::More)
    }

    /// Logs of as many blocks as the node answers for at once; and the last of these blocks.
    async fn logs(&mut self, from: u64, limit: u64) -> Result<(Vec<Log>, u64)> {
        loop {
            let to = from.saturating_add(self.range - 1).min(limit);
            let filter = Filter::new()
                .address(self.tokens.clone())
                .event_signature(Transfer::SIGNATURE_HASH)
                .from_block(from)
                .to_block(to);
            match self.chain.rpc().logs(&filter).await {
                Ok(logs) => {
                    self.range = self.range.saturating_mul(2).min(self.settings.range.max(1));
                    return Ok((logs, to));
                }
                // Providers differ in how many blocks, and how many logs, they give at once.
                Err(RpcError::Refused { .. }) if self.range > 1 => self.range /= 2,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn headers(&self, numbers: RangeInclusive<u64>) -> Result<BTreeMap<u64, Header>> {
        let header = |number| async move {
            let header = self.chain.rpc().header(BlockNumberOrTag::Number(number)).await?;
            let header = header.ok_or(IndexerError::Behind(number))?;
            Ok::<_, IndexerError>((number, header))
        };
        stream::iter(numbers).map(header).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Which of the transfers' senders and recipients are accounts of ours.
    pub(super) async fn accounts(&self, transfers: &[SeenTransfer]) -> Result<HashMap<Address, Vec<Account>>> {
        let addresses: HashSet<Address> = transfers.iter().flat_map(|transfer| [transfer.from, transfer.to]).collect();
        let mut accounts = if addresses.is_empty() {
            HashMap::new()
        } else {
            store::accounts(self.chain.db(), &addresses.iter().copied().collect::<Vec<_>>()).await?
        };
        let treasury = Account { tenant: TenantId::OPERATOR, kind: "treasury".to_owned() };
        accounts.entry(self.chain.treasury()).or_default().push(treasury);
        Ok(accounts)
    }
}
