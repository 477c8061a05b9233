//! The chain's JSON-RPC, over one endpoint or several that fail over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, B256, Bytes, U64, U256};
use alloy::rpc::client::RpcClient;
use alloy::rpc::json_rpc::{RpcRecv, RpcSend};
use alloy::rpc::types::{FeeHistory, Filter, Log, TransactionReceipt, TransactionRequest};
use alloy::sol_types::SolCall;
use alloy::transports::http::{Http, reqwest};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::contracts::IERC20;
use super::indexer::Header;
use super::rpc_error::{Refusal, RpcError};
use crate::foundation::is_loopback;

const SEND: &str = "eth_sendRawTransaction";

/// The pause before a call that was refused for the moment is made again.
const SECOND_ROUND: Duration = Duration::from_millis(100);

type Result<T> = std::result::Result<T, RpcError>;

/// A block's number, hash and base fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// Height.
    #[serde(with = "alloy::serde::quantity")]
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// Wei a gas (EIP-1559).
    #[serde(default, with = "alloy::serde::quantity::opt")]
    pub base_fee_per_gas: Option<u128>,
}

/// A client that knows no proxy when the node is on this machine: `HTTP_PROXY` is not for it.
fn client(url: &Url) -> RpcClient {
    match reqwest::Client::builder().no_proxy().build() {
        Ok(direct) if is_loopback(url) => RpcClient::new(Http::with_client(direct, url.clone()), true),
        _ => RpcClient::new_http(url.clone()),
    }
}

/// Calls to the chain. Each goes to the endpoint that served last, and to the others in turn when that one fails.
#[derive(Clone, Debug)]
pub struct Rpc {
    endpoints: Arc<[RpcClient]>,
    preferred: Arc<AtomicUsize>,
    time_limit: Duration,
}

impl Rpc {
    /// Calls over these endpoints, the first preferred; each may take `time_limit` over one call.
    pub fn new(urls: &[Url], time_limit: Duration) -> Self {
        let endpoints = urls.iter().map(client).collect();
        Self { endpoints, preferred: Arc::default(), time_limit }
    }

    /// Asks the endpoints in turn; a refusal that passes by itself is worth a second round after a moment.
    async fn call<P: RpcSend + Clone, R: RpcRecv>(&self, method: &'static str, params: P) -> Result<R> {
        match self.round(method, params.clone()).await {
            Err(RpcError::Refused { kind, .. }) if kind.is_passing() => {
                tokio::time::sleep(SECOND_ROUND).await;
                self.round(method, params).await
            }
            answer => answer,
        }
    }

    async fn round<P: RpcSend + Clone, R: RpcRecv>(&self, method: &'static str, params: P) -> Result<R> {
        let count = self.endpoints.len();
        let first = self.preferred.load(Ordering::Relaxed);
        let mut last = RpcError::Unavailable("no endpoint is configured".into());
        for index in (0..count).map(|n| (first + n) % count) {
            let request = self.endpoints[index].request::<P, R>(method, params.clone());
            let error = match tokio::time::timeout(self.time_limit, request).await {
                Ok(Ok(answer)) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Ok(Err(error)) => RpcError::from(error),
                Err(_) => RpcError::Unavailable("time limit".into()),
            };
            metrics::counter!("diolkos_rpc_errors_total", "method" => method).increment(1);
            match error {
                RpcError::Refused { kind, .. } if kind.is_final(method == SEND) => return Err(error),
                error => last = error,
            }
        }
        Err(last)
    }

    /// The chain's id (EIP-155).
    pub async fn chain_id(&self) -> Result<u64> {
        self.call::<_, U64>("eth_chainId", ()).await.map(|id| id.to())
    }

    /// The newest block.
    pub async fn head(&self) -> Result<Head> {
        let head = self.block(BlockNumberOrTag::Latest).await?;
        head.ok_or_else(|| RpcError::Unavailable("no latest block".into()))
    }

    /// A block's header; `None` when the node does not have it.
    pub async fn block(&self, at: BlockNumberOrTag) -> Result<Option<Head>> {
        self.call("eth_getBlockByNumber", (at, false)).await
    }

    /// Receipts of all transactions of a block; `None` when the node does not have it.
    pub async fn block_receipts(&self, number: u64) -> Result<Option<Vec<TransactionReceipt>>> {
        self.call("eth_getBlockReceipts", (BlockNumberOrTag::Number(number),)).await
    }

    /// Logs that match.
    pub async fn logs(&self, filter: &Filter) -> Result<Vec<Log>> {
        self.call("eth_getLogs", (filter,)).await
    }

    /// How many transactions of an account are in the chain up to a block: the next one's nonce.
    pub async fn nonce(&self, account: Address, at: BlockNumberOrTag) -> Result<u64> {
        self.call::<_, U64>("eth_getTransactionCount", (account, at)).await.map(|nonce| nonce.to())
    }

    /// Wei that an account holds.
    pub async fn balance(&self, account: Address) -> Result<U256> {
        self.call("eth_getBalance", (account, BlockNumberOrTag::Latest)).await
    }

    /// An account's code.
    pub async fn code(&self, account: Address) -> Result<Bytes> {
        self.call("eth_getCode", (account, BlockNumberOrTag::Latest)).await
    }

    /// What a call would return.
    pub async fn simulate(&self, call: &TransactionRequest) -> Result<Bytes> {
        self.call("eth_call", (call, BlockNumberOrTag::Latest)).await
    }

    /// A view of a contract, decoded.
    pub async fn view<C: SolCall>(&self, contract: Address, call: &C) -> Result<C::Return> {
        let request = TransactionRequest::default().to(contract).input(call.abi_encode().into());
        let answer = self.simulate(&request).await?;
        C::abi_decode_returns(&answer).map_err(|_| RpcError::Unavailable("malformed answer of a contract".into()))
    }

    /// Gas that a transaction would take.
    pub async fn estimate_gas(&self, call: &TransactionRequest) -> Result<u64> {
        self.call::<_, U64>("eth_estimateGas", (call,)).await.map(|gas| gas.to())
    }

    /// Base units of a token that an account holds.
    pub async fn token_balance(&self, token: Address, holder: Address) -> Result<U256> {
        self.view(token, &IERC20::balanceOfCall { account: holder }).await
    }

    /// Fees of recent blocks, with the tips at a percentile.
    pub async fn fee_history(&self, blocks: u64, percentile: f64) -> Result<FeeHistory> {
        self.call("eth_feeHistory", (U64::from(blocks), BlockNumberOrTag::Latest, vec![json!(percentile)])).await
    }

    /// Sends signed bytes, which must be stored before.
    pub async fn send_raw(&self, raw: &Bytes) -> Result<B256> {
        match self.call(SEND, (raw,)).await {
            Err(RpcError::Refused { kind: Refusal::AlreadyKnown, .. }) => Ok(alloy::primitives::keccak256(raw)),
            answer => answer,
        }
    }

    /// A block's header with what chains it up; `None` when the node does not have it.
    pub async fn header(&self, at: BlockNumberOrTag) -> Result<Option<Header>> {
        self.call("eth_getBlockByNumber", (at, false)).await
    }

    /// What a call would have returned at the end of a block, whichever branch that is on (EIP-1898).
    pub async fn simulate_at(&self, call: &TransactionRequest, block: B256) -> Result<Bytes> {
        self.call("eth_call", (call, BlockId::from(block))).await
    }
}
