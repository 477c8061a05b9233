//! One endpoint: asked within a time limit, watched, and never believed before it is known to serve the right chain.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use alloy::primitives::U64;
use alloy::rpc::client::RpcClient;
use alloy::rpc::json_rpc::{RpcRecv, RpcSend};
use alloy::transports::http::{Http, reqwest};
use url::Url;

use super::Result;
use super::health::{Health, Outcome, Rank};
use super::identity::{Identity, Known};
use crate::chain::refusal::Refusal;
use crate::chain::rpc_error::RpcError;
use crate::foundation::is_loopback;

/// An endpoint that is more blocks behind the others is asked last.
pub(super) const MAX_BEHIND: u64 = 4;

/// A height that is this far from the last one is another chain's, or a reason to make sure that it is not.
const LEAP: u64 = 1_000;

/// A client that knows no proxy when the node is on this machine: `HTTP_PROXY` is not for it.
fn client(url: &Url) -> RpcClient {
    match reqwest::Client::builder().no_proxy().build() {
        Ok(direct) if is_loopback(url) => RpcClient::new(Http::with_client(direct, url.clone()), true),
        _ => RpcClient::new_http(url.clone()),
    }
}

/// How an endpoint is called in logs and metrics: its place and its host. The rest of a URL may hold a key.
pub(in crate::chain) fn name_of(index: usize, url: &Url) -> String {
    let host = url.host_str().unwrap_or("unknown");
    match url.port() {
        Some(port) => format!("{index}-{host}:{port}"),
        None => format!("{index}-{host}"),
    }
}

/// An endpoint and what is known of it.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) name: String,
    client: RpcClient,
    time_limit: Duration,
    /// Held for a moment only, never while the endpoint is asked.
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) health: Health,
    pub(super) identity: Identity,
}

/// A call on its way; should nobody wait for its answer, that tells something of the endpoint, too.
struct OnItsWay<'a> {
    endpoint: &'a Endpoint,
    since: Instant,
    answered: bool,
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.endpoint.state().health.outrun(self.since.elapsed());
        }
    }
}

impl Endpoint {
    pub(super) fn new(index: usize, url: &Url, time_limit: Duration, chain_id: Option<u64>) -> Self {
        let state = State { health: Health::default(), identity: Identity::new(chain_id) };
        Self { name: name_of(index, url), client: client(url), time_limit, state: Mutex::new(state) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn rank(&self, needs: Option<u64>, now: Instant) -> Rank {
        self.state().health.rank(needs, MAX_BEHIND, self.time_limit, now)
    }

    pub(super) fn patience(&self) -> Duration {
        self.state().health.patience(self.time_limit)
    }

    /// Asks, after having made sure of the chain.
    pub(super) async fn ask<P: RpcSend, R: RpcRecv>(&self, method: &'static str, params: P) -> Result<R> {
        let known = self.state().identity.known(Instant::now());
        match known {
            Known::Right => {}
            Known::Other(error) => return Err(error),
            Known::Doubtful => drop(self.chain_id().await?),
        }
        self.request(method, params).await
    }

    /// The newest block of the right chain that it told of.
    pub(super) fn height(&self) -> Option<u64> {
        let state = self.state();
        state.health.height().filter(|_| state.identity.other_chain().is_none())
    }

    /// The chain that it serves, asked anew; an error when it is not the right one.
    pub(super) async fn chain_id(&self) -> Result<u64> {
        let served = self.request::<_, U64>("eth_chainId", ()).await?.to();
        let verdict = self.state().identity.served(served, Instant::now());
        if verdict.is_news {
            match &verdict.known {
                Ok(()) => tracing::info!(endpoint = self.name, served, "the RPC endpoint serves the right chain again"),
                Err(error) => {
                    tracing::error!(endpoint = self.name, %error, "an RPC endpoint is not used");
                    metrics::counter!("diolkos_rpc_other_chain_total", "endpoint" => self.name.clone()).increment(1);
                }
            }
        }
        verdict.known.map(|()| served)
    }

    /// Takes note of the newest block that it tells of; `false` when that is so far from the last one that the chain may
    /// be another: then it is asked which one it serves before anything else is.
    pub(super) fn reaches(&self, height: u64) -> bool {
        let mut state = self.state();
        let is_leap = state.health.height().is_some_and(|last| last.abs_diff(height) > LEAP);
        state.health.reached(height);
        if is_leap {
            state.identity.doubt();
        }
        !is_leap
    }

    async fn request<P: RpcSend, R: RpcRecv>(&self, method: &'static str, params: P) -> Result<R> {
        let mut call = OnItsWay { endpoint: self, since: Instant::now(), answered: false };
        let request = self.client.request::<P, R>(method, params);
        let answer = match tokio::time::timeout(self.time_limit, request).await {
            Ok(answer) => answer.map_err(RpcError::from),
            Err(_) => Err(RpcError::time_limit()),
        };
        call.answered = true;
        self.note(method, call.since.elapsed(), answer.as_ref().err());
        answer
    }

    fn note(&self, method: &'static str, took: Duration, error: Option<&RpcError>) {
        let name = || self.name.clone();
        metrics::counter!("diolkos_rpc_requests_total", "endpoint" => name(), "method" => method).increment(1);
        metrics::histogram!("diolkos_rpc_duration_seconds", "endpoint" => name()).record(took.as_secs_f64());
        if let Some(error) = error {
            let kind = error.kind();
            metrics::counter!("diolkos_rpc_errors_total", "endpoint" => name(), "method" => method, "kind" => kind)
                .increment(1);
        }
        let (mut state, now) = (self.state(), Instant::now());
        state.health.record(outcome(error), took, now);
        // Behind a new connection there may be another node.
        match error {
            Some(error) if error.is_time_limit() => state.identity.doubt_a_little(now),
            Some(error) if error.is_lost_connection() => state.identity.doubt(),
            _ => {}
        }
    }
}

fn outcome(error: Option<&RpcError>) -> Outcome {
    match error {
        None => Outcome::Answered,
        Some(RpcError::Refused { kind: Refusal::RateLimited, .. }) => Outcome::Failed,
        Some(RpcError::Refused { kind: Refusal::Other | Refusal::OtherBlock, .. }) => Outcome::Troubled,
        Some(RpcError::Refused { .. }) => Outcome::Answered,
        Some(RpcError::Unavailable(_) | RpcError::OtherChain { .. }) => Outcome::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn an_endpoints_name_tells_no_key() -> Result<(), url::ParseError> {
        for (url, name) in [
            ("https://user:s3cret@node.example/v2/s3cret?key=s3cret#s3cret", "2-node.example"),
            ("http://127.0.0.1:8545/s3cret", "2-127.0.0.1:8545"),
            ("https://[::1]:8545", "2-[::1]:8545"),
        ] {
            assert_eq!(name_of(2, &url.parse()?), name);
        }
        Ok(())
    }
}
