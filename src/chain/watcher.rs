//! The eyes of the engine: one task a process that looks at every new block, notes what became of user operations, and
//! tells the lanes up to where it has seen everything.
//!
//! Several processes may watch at once: what they note is what the chain says, guarded by block hashes, so that the
//! second one finds it noted.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Chain;
use super::engine::{EngineError, Result};
use super::rpc::Head;

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
        let mut checked = false;
        let mut failures = 0u32;
        loop {
            let looked = match checked {
                true => self.look().await,
                false => self.chain.check().await.map(|()| checked = true),
            };
            let pause = match looked {
                Ok(()) if self.looked.is_none() => Duration::ZERO,
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
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<()> {
        let head = self.chain.rpc().head().await?;
        if self.looked == Some(head) {
            return Ok(());
        }
        let scanned_all = self.scan(&head).await?;
        let settled_all = self.settle(&head).await?;
        if scanned_all {
            self.chain.saw(head);
        }
        if scanned_all && settled_all {
            self.looked = Some(head);
        }
        Ok(())
    }
}
