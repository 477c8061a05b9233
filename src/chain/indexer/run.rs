//! The indexer's loop: one process at work, from a checkpoint to the head, again and again.

use std::time::Duration;

use alloy::eips::BlockNumberOrTag;
use alloy::primitives::Address;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::movement::Unusable;
use super::store::{self, Lease};
use super::{Mark, balances};
use crate::chain::{Chain, RpcError};
use crate::db;

/// Balances that one round asks for at most, so that the next block need not wait for them.
const BALANCES_A_ROUND: i64 = 1_024;

/// What the indexer is told by configuration.
#[derive(Clone, Copy, Debug)]
pub struct IndexerSettings {
    /// The first block whose transfers are of interest; `None`: the head that is seen first.
    pub start_block: Option<u64>,
    /// Blocks that one `eth_getLogs` asks for at most; fewer when the node refuses.
    pub range: u64,
}

/// Why a round ended early. All of them pass, or are for an operator to mend; nothing is entered meanwhile.
#[derive(Debug, thiserror::Error)]
pub enum IndexerError {
    /// The chain did not answer, or refused.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] db::Error),
    /// Another process is at work.
    #[error("another process is at work")]
    Fenced,
    /// The node contradicts itself.
    #[error("the node cannot be believed: {0}")]
    Unusable(#[from] Unusable),
    /// The node says that a block has no logs while the block says otherwise.
    #[error("the node has no logs of block {0}, which has some")]
    LogsMissing(u64),
    /// The node is behind what is known already.
    #[error("the node does not have block {0} yet")]
    Behind(u64),
    /// The chain was not the same from one question to the next.
    #[error("the chain moved while block {0} was read")]
    Moved(u64),
    /// The node serves another chain, or a reorg goes deeper than anybody remembers.
    #[error(
        "the node's chain has none of the blocks that are known, down to {0}: nothing is entered until somebody looks"
    )]
    NothingInCommon(u64),
}

pub(super) type Result<T> = std::result::Result<T, IndexerError>;

/// Enters transfers that touch accounts of ours.
pub struct Indexer {
    pub(super) chain: Chain,
    pub(super) tokens: Vec<Address>,
    pub(super) settings: IndexerSettings,
    /// What the last refusal left of the range.
    pub(super) range: u64,
    holder: Uuid,
}

/// What a round came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Round {
    /// There may be more to do at once.
    More,
    /// Everything up to the head is known.
    Current,
}

impl Indexer {
    /// An indexer of these tokens' transfers.
    pub fn new(chain: Chain, tokens: Vec<Address>, settings: IndexerSettings) -> Self {
        let range = settings.range.max(1);
        Self { chain, tokens, settings, range, holder: Uuid::now_v7() }
    }

    /// Works until told to stop.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let (poll, lease) = (self.chain.settings().poll, self.chain.settings().lease);
        let mut failures = 0_u32;
        loop {
            let pause = match self.round().await {
                Ok(round) => {
                    failures = 0;
                    if round == Round::More { Duration::ZERO } else { poll }
                }
                Err(IndexerError::Fenced) => lease / 4,
                Err(error) => {
                    failures = failures.saturating_add(1);
                    tracing::warn!(%error, failures, "a round of the indexer failed");
                    metrics::counter!("diolkos_indexer_failures_total").increment(1);
                    self.note(&error).await;
                    (poll * 2_u32.pow(failures.min(6))).min(Duration::from_secs(10))
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        if let Ok(Some(lease)) = self.lease().await
            && let Err(error) = store::release(self.chain.db(), &lease).await
        {
            tracing::warn!(%error, "the indexer's lease was not given back");
        }
    }

    /// Tells operators what went wrong, if the database can be written.
    async fn note(&self, error: &IndexerError) {
        let note = error.to_string();
        if let Err(error) = store::set_note(self.chain.db(), self.chain.settings().chain_id, &note).await {
            tracing::warn!(%error, "what hinders the indexer was not noted");
        }
    }

    async fn lease(&self) -> db::Result<Option<Lease>> {
        let settings = self.chain.settings();
        store::acquire(self.chain.db(), settings.chain_id, self.holder, settings.lease).await
    }

    async fn round(&mut self) -> Result<Round> {
        let Some(lease) = self.lease().await? else { return Err(IndexerError::Fenced) };
        let newest = self.chain.rpc().head().await?;
        let newest = Mark { number: newest.number, hash: newest.hash };
        let Some(known) = lease.head else { return self.begin(&lease, &newest).await };
        let deep_enough = newest.number.saturating_sub(self.chain.settings().confirmations);
        let round = if newest == known {
            store::set_current(self.chain.db(), &lease).await?;
            Round::Current
        } else if newest.number <= known.number {
            // A node that lags has our block's ancestors; a reorg may also leave a shorter chain for a moment.
            match self.chain.rpc().header(BlockNumberOrTag::Number(known.number)).await? {
                Some(header) if header.hash == known.hash => Round::Current,
                Some(_) => self.undo(&lease, &known).await?,
                None => return Err(IndexerError::Behind(known.number)),
            }
        } else if known.number < deep_enough {
            self.take_range(&lease, &known, deep_enough).await?
        } else {
            self.take_blocks(&lease, &known, &newest).await?
        };
        self.ask_balances().await?;
        Ok(round)
    }

    /// The first look: what came before is not of interest.
    async fn begin(&self, lease: &Lease, newest: &Mark) -> Result<Round> {
        let start = match self.settings.start_block {
            None => *newest,
            Some(first) => {
                let before = first.saturating_sub(1);
                let header = self.chain.rpc().header(BlockNumberOrTag::Number(before)).await?;
                header.ok_or(IndexerError::Behind(before))?.mark()
            }
        };
        let depth = self.chain.settings().confirmations;
        let mut tx = self.chain.db().engine().await?;
        if !store::advance(&mut tx, lease, &start, depth, start == *newest).await? {
            return Err(IndexerError::Fenced);
        }
        store::remember(&mut tx, lease.chain_id, &[start]).await?;
        tx.commit().await?;
        tracing::info!(block = start.number, "the indexer begins");
        Ok(Round::More)
    }

    /// Asks for the balances of wallets that were touched. What fails is due again in the next round; until then the
    /// chain is asked by whoever wants to know.
    async fn ask_balances(&self) -> Result<()> {
        let due = store::due(self.chain.db(), self.chain.settings().chain_id, BALANCES_A_ROUND).await?;
        if due.is_empty() {
            return Ok(());
        }
        // The head has moved since the round began.
        let Some(lease) = self.lease().await? else { return Err(IndexerError::Fenced) };
        let Some(head) = lease.head else { return Ok(()) };
        for token in &self.tokens {
            let of_token: Vec<_> = due.iter().filter(|due| due.token == *token).copied().collect();
            let holders: Vec<Address> = of_token.iter().map(|due| due.account).collect();
            let amounts = match balances::at(self.chain.rpc(), *token, &holders, head.hash).await {
                Ok(amounts) => amounts,
                Err(RpcError::Refused { message, .. }) => {
                    // A node that keeps few states may have moved past the head meanwhile.
                    tracing::debug!(block = head.number, message, "balances at the head were refused");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let answers: Vec<_> = of_token.into_iter().zip(amounts).collect();
            store::set_balances(self.chain.db(), &lease, &head, &answers).await?;
        }
        Ok(())
    }
}
