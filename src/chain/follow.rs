//! Bringing features' records to where their chain operations stand.
//!
//! Level-triggered: a follower asks which operations stand elsewhere than was noted, whatever happened in between, so
//! that nothing is lost when it dies or when nobody tells it. Any number of replicas may follow: what one has locked
//! the others leave out.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Chain, News, news};
use crate::db;

/// Operations handled in one transaction at most.
const BATCH: i64 = 2_000;

/// How often a follower looks when nobody wakes it.
const POLL: Duration = Duration::from_millis(500);

const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A feature that asked for operations of a kind.
pub trait Follower: Send + Sync {
    /// The kind ([`super::NewOperation::kind`]).
    const KIND: &'static str;

    /// Why news could not be noted.
    type Error: fmt::Display + From<db::Error> + Send;

    /// Takes note of news and does what follows from it, all in one transaction; returns how many were its own.
    fn settle(&self, news: &[News]) -> impl Future<Output = Result<usize, Self::Error>> + Send;
}

/// Follows until told to stop.
pub async fn follow<F: Follower>(chain: Chain, follower: F, shutdown: CancellationToken) {
    let mut arrivals = chain.arrivals();
    let mut failures = 0_u32;
    // News that nobody could note are passed over, until all that come after them have been seen.
    let mut after = Uuid::nil();
    loop {
        let pause = match round(&chain, &follower, &mut after).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => {
                failures = 0;
                POLL
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                tracing::warn!(kind = F::KIND, %error, failures, "bringing records up to date failed");
                metrics::counter!("diolkos_follower_failures_total", "kind" => F::KIND).increment(1);
                (POLL * 2_u32.pow(failures.min(6))).min(LONGEST_PAUSE)
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
            _ = arrivals.changed() => {}
        }
    }
}

/// Handles one batch of news; `true` when there may be more.
async fn round<F: Follower>(chain: &Chain, follower: &F, after: &mut Uuid) -> Result<bool, F::Error> {
    let news = news(chain.db(), F::KIND, *after, BATCH).await?;
    let is_full = news.len() == usize::try_from(BATCH).unwrap_or(usize::MAX);
    let last = news.last().map(|item| item.operation).filter(|_| is_full);
    *after = last.unwrap_or_default();
    if news.is_empty() {
        return Ok(false);
    }
    match follower.settle(&news).await {
        Ok(_) => Ok(is_full),
        Err(error) if news.len() > 1 => {
            tracing::warn!(kind = F::KIND, %error, news = news.len(), "a batch of news failed; each is tried alone");
            let (mut won, mut last) = (0, None);
            for item in &news {
                match follower.settle(std::slice::from_ref(item)).await {
                    Ok(count) => won += count,
                    Err(error) => {
                        tracing::error!(kind = F::KIND, operation = %item.operation, tenant = %item.tenant, %error, "a record is stuck");
                        last = Some(error);
                    }
                }
            }
            // One that is stuck does not slow the others down.
            last.filter(|_| won == 0 && !is_full).map_or(Ok(is_full), Err)
        }
        Err(error) => Err(error),
    }
}
