//! The eyes of the engine: one task a process that looks at every new block, notes what became of user operations, and
//! tells the lanes up to where it has seen everything.
//!
//! Several processes may watch at once: what they note is what the chain says, guarded by block hashes, so that the
//! second one finds it noted.

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::eips::BlockNumberOrTag;
use alloy::primitives::B256;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Chain;
use super::engine::{EngineError, Result};
use super::heads::Heads;
use super::rpc::Head;
use super::store;

/// How far beyond CONFIRMATIONS a reorg may reach and is noticed.
const DEEPEST_REORG: u64 = 128;

/// Looks at blocks until it is told to stop.
pub struct Watcher {
    pub(super) chain: Chain,
    /// The newest block that was searched for user operations; `None` after a start.
    pub(super) scanned: Option<u64>,
    /// The newest block that was looked at.
    looked: Option<Head>,
}

impl Watcher {
    /// A watcher that has seen nothing.
    pub fn new(chain: Chain) -> Self {
        Self { chain, scanned: None, looked: None }
    }

    /// Runs until told to stop; fails only when the chain can never serve the engine.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<()> {
        let mut heads = Heads::new(self.chain.settings());
        let (mut checked, mut begun) = (false, false);
        let mut failures = 0u32;
        loop {
            let looked = match checked {
                true => self.look().await,
                false => self.chain.check().await.map(|()| checked = true),
            };
            let pause = match looked {
                Ok(()) if !std::mem::replace(&mut begun, checked) => Duration::ZERO,
                Ok(()) => {
                    failures = 0;
                    self.chain.settings().poll
                }
                Err(EngineError::Unsuitable(why)) => return Err(EngineError::Unsuitable(why)),
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, failures, "new blocks cannot be looked at");
                    metrics::counter!("diolkos_chain_round_failures_total").increment(1);
                    (self.chain.settings().poll * 2u32.pow(failures.min(5))).min(Duration::from_secs(5))
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = heads.wait(self.looked.map(|head| head.number), pause) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<()> {
        let head = self.chain.rpc().head().await?;
        if self.looked == Some(head) {
            return Ok(());
        }
        let judged_all = self.follows(&head).await? || self.look_back(&head).await?;
        let scanned_all = self.scan(&head).await?;
        if scanned_all {
            self.chain.saw(head);
        }
        let settled_all = self.settle(&head).await?;
        if judged_all && scanned_all && settled_all {
            self.looked = Some(head);
        }
        Ok(())
    }

    /// Whether a block is on top of the one that was looked at last.
    async fn follows(&self, head: &Head) -> Result<bool> {
        let Some(looked) = self.looked else { return Ok(false) };
        if head.number == looked.number + 1 {
            return Ok(head.parent_hash == looked.hash);
        }
        let now = self.chain.rpc().block(BlockNumberOrTag::Number(looked.number)).await?;
        Ok(head.number > looked.number && now.is_some_and(|block| block.hash == looked.hash))
    }

    /// A reorg, or a start: finds what was final and is gone, which is carried again under its nonce; `false` when no node
    /// has a block of that height, which then has to be looked at again. What had failed is not carried again, for its
    /// operations have moved on: if nodes still have it, it may succeed now, and an operator must know.
    async fn look_back(&mut self, head: &Head) -> Result<bool> {
        let since = head.number.saturating_sub(self.chain.settings().confirmations + DEEPEST_REORG);
        let mut blocks: BTreeMap<(u64, B256), Vec<Uuid>> = BTreeMap::new();
        for user_op in store::finals_since(self.chain.db(), since).await? {
            blocks.entry((user_op.block_number, user_op.block_hash)).or_default().push(user_op.id);
        }
        let mut judged_all = true;
        for ((number, hash), user_ops) in blocks.into_iter().rev() {
            let Some(now) = self.chain.rpc().block(BlockNumberOrTag::Number(number)).await? else {
                judged_all = false;
                continue;
            };
            if now.hash == hash {
                // Blocks below are the same.
                break;
            }
            tracing::error!(number, %hash, "a reorg undid a block that was final; its payments are carried again");
            metrics::counter!("diolkos_chain_final_reorgs_total").increment(1);
            let reopened = store::reopen_finals(self.chain.db(), &user_ops, hash).await?;
            if reopened < user_ops.len() {
                tracing::error!(number, "some of them had failed and were made anew: watch them for being made twice");
                metrics::counter!("diolkos_chain_failures_undone_total").increment(1);
            }
            self.rescan_from(number);
        }
        Ok(judged_all)
    }
}
