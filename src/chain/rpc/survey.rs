//! What is known of the endpoints, for operators and for those that nobody asks: without it, one that was set aside would
//! never be seen to have recovered, and one that nobody asks never to be behind.

use std::time::{Duration, Instant};

use alloy::eips::BlockNumberOrTag;
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::endpoint::{Endpoint, MAX_BEHIND};
use super::{Head, Result, Rpc};
use crate::chain::Chain;
use crate::chain::rpc_error::RpcError;

/// How often all endpoints are looked at.
const EVERY: Duration = Duration::from_secs(3);

/// An endpoint as operators see it.
#[derive(Clone, Debug)]
pub struct EndpointStatus {
    /// Its place in the configuration and its host; the rest of its URL may hold a key.
    pub name: String,
    /// How well it serves, of a hundred.
    pub health: u32,
    /// Whether it is left alone because it failed.
    pub rests: bool,
    /// How long half of its answers take at most.
    pub latency: Duration,
    /// The newest block that it told of.
    pub height: Option<u64>,
    /// Blocks that others had and it had not.
    pub behind: u64,
    /// The other chain that it serves, for which it is not used.
    pub other_chain: Option<u64>,
}

/// Looks at all endpoints every few seconds until told to stop, when there are several.
pub async fn survey(chain: Chain, stop: CancellationToken) {
    let rpc = chain.rpc();
    if rpc.endpoints.len() < 2 {
        return;
    }
    loop {
        rpc.look_at_all().await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

impl Rpc {
    /// Asks every endpoint for its newest block, and compares.
    pub async fn look_at_all(&self) {
        // What is wrong with one that fails is recorded with it.
        let heads = join_all(self.endpoints.iter().map(async |endpoint| newest(endpoint).await.ok())).await;
        let best = heads.iter().flatten().map(|head| head.number).max().unwrap_or(0);
        for (endpoint, head) in self.endpoints.iter().zip(heads) {
            if let Some(head) = head {
                endpoint.state().health.is_behind(best - head.number);
            }
        }
    }

    /// What is known of the endpoints, in the order of configuration.
    pub fn endpoints(&self) -> Vec<EndpointStatus> {
        let now = Instant::now();
        let status = |endpoint: &Endpoint| {
            let state = endpoint.state();
            let other_chain = state.identity.other_chain();
            EndpointStatus {
                name: endpoint.name.clone(),
                health: if other_chain.is_some() { 0 } else { state.health.score(MAX_BEHIND, now) },
                rests: state.health.rests(now),
                latency: state.health.median(),
                height: state.health.height(),
                behind: state.health.behind(),
                other_chain,
            }
        };
        self.endpoints.iter().map(status).collect()
    }

    /// The newest block of an endpoint, unless others are known to be far ahead of it.
    pub(super) async fn head_of(&self, endpoint: &Endpoint) -> Result<Head> {
        let head = newest(endpoint).await?;
        let heights = self.endpoints.iter().filter(|other| other.name != endpoint.name).filter_map(Endpoint::height);
        let behind = heights.max().unwrap_or(0).saturating_sub(head.number);
        endpoint.state().health.is_behind(behind);
        if behind > MAX_BEHIND {
            return Err(RpcError::no_such_block());
        }
        Ok(head)
    }
}

pub(super) async fn newest(endpoint: &Endpoint) -> Result<Head> {
    let latest = async || {
        let head: Option<Head> = endpoint.ask("eth_getBlockByNumber", (BlockNumberOrTag::Latest, false)).await?;
        head.ok_or_else(|| RpcError::Unavailable("no latest block".into()))
    };
    let head = latest().await?;
    if endpoint.reaches(head.number) {
        return Ok(head);
    }
    // It is asked which chain it serves before it is asked this again.
    let head = latest().await?;
    endpoint.reaches(head.number);
    Ok(head)
}
