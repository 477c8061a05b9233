//! JSON-RPC to the local chain.

use std::time::Duration;

use alloy::network::Ethereum;
use alloy::providers::RootProvider;
use alloy::rpc::client::RpcClient;
use alloy::transports::http::{Http, reqwest};
use anyhow::Context;

/// A provider that adds nothing to a request, knows no proxy (`HTTP_PROXY` is not for a local chain) and gives up on an
/// answer after half a minute.
pub fn local(url: &str) -> anyhow::Result<RootProvider<Ethereum>> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
    let url = url.parse().with_context(|| format!("{url} is not an address"))?;
    Ok(RootProvider::new(RpcClient::new(Http::with_client(client, url), true)))
}
