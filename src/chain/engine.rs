//! A lane's loop: one task, one lane. Each round reads where things stand, and does what is missing.
//!
//! Nothing that matters is kept in memory: a round that fails, or a process that dies, is followed by another that
//! finds the same rows and the same chain.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use alloy::eips::BlockNumberOrTag;
use alloy::primitives::Address;
use alloy::signers::Signer;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Chain;
use super::bundler::{Deposit, EndpointError, Rest};
use super::refill::Refills;
use super::refusal::Refusal;
use super::rpc::Head;
use super::rpc_error::RpcError;
use super::store::{self, Lease, Unheld};
use crate::db;

/// Why a round of the engine ended early, or the engine for good.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The chain did not answer, or refused.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] db::Error),
    /// The lane passed to another process.
    #[error(transparent)]
    Unheld(Unheld),
    /// The bundler or the paymaster did not answer, or refused.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A signer failed.
    #[error("a signer failed: {0}")]
    Signer(#[from] alloy::signers::Error),
    /// A task of the engine panicked.
    #[error("a task of the chain engine died: {0}")]
    Died(tokio::task::JoinError),
    /// The chain cannot serve this engine; only an operator can mend that.
    #[error("{0}")]
    Unsuitable(String),
}

impl From<Unheld> for EngineError {
    fn from(error: Unheld) -> Self {
        match error {
            Unheld::Database(error) => Self::Database(error),
            fenced => Self::Unheld(fenced),
        }
    }
}

pub(super) type Result<T> = std::result::Result<T, EngineError>;

/// Carries user operations over one lane.
pub struct Engine {
    pub(super) chain: Chain,
    pub(super) lane: Arc<dyn Signer + Send + Sync>,
    /// This process, as the holder of leases.
    pub(super) holder: Uuid,
    /// The newest block that was acted upon.
    pub(super) acted: Option<Head>,
    /// Wallets that were seen deployed.
    pub(super) deployed: HashSet<Address>,
    /// Whether the lane was found to be a plain account.
    pub(super) checked: bool,
    /// Whether the treasury was found delegated.
    pub(super) delegated: bool,
    /// Whether a user operation of the treasury failed validation, and none has passed a trial since: all are tried meanwhile.
    pub(super) doubts: bool,
    /// Delegations that this process tried and that left no code; `None` once one was seen.
    pub(super) delegations: Option<u32>,
    /// The treasury's deposit, from which a bundler is paid.
    pub(super) deposit: Deposit,
    /// The bundler's rest.
    pub(super) rest: Rest,
    /// What it knows of refills, if it works the funding account, which carries nothing.
    pub(super) refills: Option<Refills>,
}

impl Engine {
    /// An engine for one lane.
    pub fn new(chain: Chain, lane: Arc<dyn Signer + Send + Sync>) -> Self {
        Self {
            chain,
            lane,
            holder: Uuid::now_v7(),
            acted: None,
            deployed: HashSet::new(),
            checked: false,
            delegated: false,
            doubts: false,
            delegations: Some(0),
            deposit: Deposit::default(),
            rest: Rest::default(),
            refills: None,
        }
    }

    /// An engine for the funding account.
    pub fn for_funding(chain: Chain, funding: Arc<dyn Signer + Send + Sync>) -> Self {
        Self { refills: Some(Refills::default()), ..Self::new(chain, funding) }
    }

    /// Runs until told to stop; fails only when the chain can never serve it.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<()> {
        let lane = self.lane.address();
        let mut seen = self.chain.sight();
        let mut listener = None;
        let mut failures = 0u32;
        loop {
            let head = *seen.borrow_and_update();
            let pause = match self.round(head).await {
                Ok(()) => {
                    failures = 0;
                    self.pause()
                }
                Err(EngineError::Unsuitable(why)) => return Err(EngineError::Unsuitable(why)),
                Err(EngineError::Unheld(_)) => self.chain.settings().lease / 4,
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%lane, %error, failures, "a round of the chain engine failed");
                    metrics::counter!("diolkos_chain_round_failures_total").increment(1);
                    (self.chain.settings().poll * 2u32.pow(failures.min(5))).min(Duration::from_secs(5))
                }
            };
            let new_operation = wait_for_operation(&self.chain, &mut listener);
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
                _ = seen.changed(), if failures == 0 => {}
                () = new_operation, if failures == 0 => {}
            }
        }
        if let Ok(Some(lease)) = self.lease().await {
            store::release(self.chain.db(), &lease).await?;
        }
        Ok(())
    }

    /// Until the next round if nothing happens; a lane hears of blocks and operations, but not of what a bundler has done.
    fn pause(&self) -> Duration {
        let settings = self.chain.settings();
        if settings.bundler.is_some() { settings.poll } else { settings.lease / 4 }
    }

    async fn lease(&self) -> db::Result<Option<Lease>> {
        store::acquire(self.chain.db(), self.lane.address(), self.holder, self.chain.settings().lease).await
    }

    /// How many nonces of the lane the chain has passed: as of that block, so that what they carried lies in blocks that were
    /// seen. From a node that keeps no past state as of now: what is not seen yet is then found when it would board again.
    async fn passed(&self, head: &Head) -> Result<u64> {
        let (rpc, lane) = (self.chain.rpc(), self.lane.address());
        match rpc.nonce(lane, BlockNumberOrTag::Number(head.number)).await {
            Err(RpcError::Refused { kind: Refusal::OtherBlock, .. }) => {
                Ok(rpc.nonce(lane, BlockNumberOrTag::Latest).await?)
            }
            passed => Ok(passed?),
        }
    }

    /// Acts upon a block up to which everything was seen.
    async fn round(&mut self, seen: Option<Head>) -> Result<()> {
        let Some(mut lease) = self.lease().await? else {
            // Whoever takes the lane over starts from what the chain says then.
            self.acted = None;
            return Err(Unheld::Fenced.into());
        };
        let Some(head) = seen else { return Ok(()) };
        if self.acted != Some(head) {
            self.check_lane().await?;
            let passed = self.passed(&head).await?;
            self.follow_nonce(&mut lease, passed, &head).await?;
            self.maintain(&mut lease, &head).await?;
            if self.refills.is_some() {
                self.refill(&mut lease, &head).await?;
                self.acted = Some(head);
                return Ok(());
            }
            self.make_delegated(&mut lease, &head).await?;
            self.fill_deposit(&mut lease, &head).await?;
            self.acted = Some(head);
        }
        if self.delegated {
            self.carry(&mut lease, &head).await?;
            self.hand_over(&lease, &head).await?;
        }
        Ok(())
    }
}

/// Waits for the notice that an operation was stored; never ends while the database cannot be listened to.
async fn wait_for_operation(chain: &Chain, listener: &mut Option<sqlx::postgres::PgListener>) {
    if listener.is_none() {
        let Ok(mut fresh) = sqlx::postgres::PgListener::connect_with(chain.db().pool()).await else {
            return std::future::pending().await;
        };
        if fresh.listen(super::operation::NEW_OPERATION).await.is_err() {
            return std::future::pending().await;
        }
        *listener = Some(fresh);
    }
    if let Some(open) = listener
        && open.recv().await.is_err()
    {
        *listener = None;
    }
}
