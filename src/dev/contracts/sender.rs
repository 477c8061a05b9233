//! Transactions of anvil's first development account, which anvil signs by itself.

use std::time::{Duration, Instant};

use alloy::eips::BlockNumberOrTag;
use alloy::network::Ethereum;
use alloy::primitives::{Address, B256, Bytes, U256, address};
use alloy::providers::{Provider, RootProvider};
use alloy::rpc::client::BatchRequest;
use alloy::rpc::types::TransactionRequest;
use anyhow::{Context, bail};

use crate::dev::rpc;

/// Account 0 of anvil's mnemonic: makes the contracts and holds every role in them.
pub(super) const DEPLOYING: Address = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");

const DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(25);

/// Sends as [`DEPLOYING`].
pub(super) struct Sender {
    pub(super) provider: RootProvider<Ethereum>,
    deadline: Instant,
}

/// One call to be sent.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub to: Address,
    pub input: Bytes,
    pub gas: u64,
}

impl Sender {
    /// For one piece of work, which must be done within a minute.
    pub(super) fn to(rpc_url: &str) -> anyhow::Result<Sender> {
        Ok(Sender { provider: rpc::local(rpc_url)?, deadline: Instant::now() + DEADLINE })
    }

    /// Sends many calls at once, so that one block takes them all, and waits until they are mined. Says of each whether
    /// it succeeded.
    pub(super) async fn send_together(&self, calls: &[Call]) -> anyhow::Result<Vec<bool>> {
        let nonce = self.provider.get_transaction_count(DEPLOYING).pending().await?;
        let mut batch = BatchRequest::new(self.provider.client());
        let mut sent = Vec::new();
        for (nonce, call) in (nonce..).zip(calls) {
            let request = TransactionRequest { nonce: Some(nonce), ..request(call) };
            sent.push(batch.add_call::<_, B256>("eth_sendTransaction", &(request,))?);
        }
        batch.send().await?;
        let mut hashes = Vec::new();
        for hash in sent {
            hashes.push(hash.await?);
        }
        let mut succeeded = Vec::new();
        for hash in hashes {
            succeeded.push(self.mined(hash).await?);
        }
        Ok(succeeded)
    }

    /// Sends one call and waits until it is mined; fails when it reverts. Anvil gives two simultaneous calls the same
    /// nonce and refuses the second, fees being equal; that one is sent again.
    pub(super) async fn send(&self, call: Call) -> anyhow::Result<()> {
        let request = request(&call);
        let hash: B256 = loop {
            match self.provider.raw_request("eth_sendTransaction".into(), (&request,)).await {
                Ok(hash) => break hash,
                Err(error) if Instant::now() > self.deadline || !is_nonce_taken(&error.to_string()) => {
                    return Err(error).context("the local chain refuses a transaction");
                }
                Err(_) => tokio::time::sleep(POLL).await,
            }
        };
        if !self.mined(hash).await? {
            let reason = self.provider.call(request).block(BlockNumberOrTag::Latest.into()).await.err();
            bail!("the call to {} reverted: {}", call.to, reason.map_or("no reason found".into(), |e| e.to_string()));
        }
        Ok(())
    }

    async fn mined(&self, hash: B256) -> anyhow::Result<bool> {
        loop {
            if let Some(receipt) = self.provider.get_transaction_receipt(hash).await? {
                return Ok(receipt.status());
            }
            if Instant::now() > self.deadline {
                bail!("transaction {hash} was not mined within {DEADLINE:?}: does the local chain make blocks?");
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Fees never vary, so that of two transactions with one nonce the second cannot displace the first.
fn request(call: &Call) -> TransactionRequest {
    let mut request = TransactionRequest::default().from(DEPLOYING).to(call.to).input(call.input.clone().into());
    request.gas = Some(call.gas);
    request.max_fee_per_gas = Some(10_000_000_000_000);
    request.max_priority_fee_per_gas = Some(30_000_000_000);
    request.value = Some(U256::ZERO);
    request
}

fn is_nonce_taken(message: &str) -> bool {
    ["underpriced", "already", "nonce too low"].iter().any(|part| message.contains(part))
}
