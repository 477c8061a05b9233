//! The chain's JSON-RPC, over one endpoint or several that stand in for each other.
//!
//! An endpoint is believed only while it is known to serve the configured chain. One that fails, or is behind the others,
//! is asked after them until it has rested, and comes back by itself.

mod endpoint;
mod health;
mod identity;
mod race;
mod survey;

use std::sync::Arc;
use std::time::Duration;

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, B256, Bytes, U64, U256};
use alloy::rpc::json_rpc::{RpcRecv, RpcSend};
use alloy::rpc::types::{FeeHistory, Filter, Log, TransactionReceipt, TransactionRequest};
use alloy::sol_types::SolCall;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::contracts::IERC20;
use super::indexer::Header;
use super::refusal::Refusal;
use super::rpc_error::RpcError;
use endpoint::Endpoint;
pub(super) use endpoint::name_of;
use race::Call;
pub use survey::{EndpointStatus, survey};

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
    /// Hash of the block below.
    #[serde(default)]
    pub parent_hash: B256,
    /// Wei a gas (EIP-1559).
    #[serde(default, with = "alloy::serde::quantity::opt")]
    pub base_fee_per_gas: Option<u128>,
    /// Gas that the block may take.
    #[serde(default, with = "alloy::serde::quantity::opt")]
    pub gas_limit: Option<u64>,
}

/// Calls to the chain: each goes to the healthiest endpoint, to the next one as well when its answer is late, and to the
/// others in turn when it fails.
#[derive(Clone, Debug)]
pub struct Rpc {
    endpoints: Arc<[Endpoint]>,
}

impl Rpc {
    /// Calls over these endpoints, whatever chain they serve, the first preferred; each may take `time_limit` over one
    /// call.
    pub fn new(urls: &[Url], time_limit: Duration) -> Self {
        Self::over(urls, time_limit, None)
    }

    /// The same for one chain (EIP-155): endpoints that serve another are not used.
    pub fn of_chain(chain_id: u64, urls: &[Url], time_limit: Duration) -> Self {
        Self::over(urls, time_limit, Some(chain_id))
    }

    fn over(urls: &[Url], time_limit: Duration, chain_id: Option<u64>) -> Self {
        let endpoint = |(index, url)| Endpoint::new(index, url, time_limit, chain_id);
        Self { endpoints: urls.iter().enumerate().map(endpoint).collect() }
    }

    async fn call<P: RpcSend + Clone, R: RpcRecv>(&self, method: &'static str, params: P) -> Result<R> {
        self.patiently(Call::asking(), |endpoint| endpoint.ask(method, params.clone())).await
    }

    /// What a node has of a block, once one has it; `None` when no node does.
    async fn found<P: RpcSend + Clone, R: RpcRecv>(
        &self,
        method: &'static str,
        at: BlockNumberOrTag,
        params: P,
    ) -> Result<Option<R>> {
        let found = self.patiently(Call::of_block(at), |endpoint| {
            let answer = endpoint.ask::<_, Option<R>>(method, params.clone());
            async move { answer.await?.ok_or_else(RpcError::no_such_block) }
        });
        match found.await {
            Ok(found) => Ok(Some(found)),
            Err(RpcError::Refused { kind: Refusal::OtherBlock, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A refusal that passes by itself is worth a second round after a moment.
    async fn patiently<'a, R, F>(&'a self, call: Call, ask: impl Fn(&'a Endpoint) -> F) -> Result<R>
    where
        F: Future<Output = Result<R>>,
    {
        match race::run(&self.endpoints, &call, &ask).await {
            Err(RpcError::Refused { kind, .. }) if kind.is_passing() => {
                tokio::time::sleep(SECOND_ROUND).await;
                race::run(&self.endpoints, &call, &ask).await
            }
            answer => answer,
        }
    }

    /// The chain's id (EIP-155).
    pub async fn chain_id(&self) -> Result<u64> {
        self.patiently(Call::asking(), Endpoint::chain_id).await
    }

    /// The newest block.
    pub async fn head(&self) -> Result<Head> {
        match self.patiently(Call::asking(), |endpoint| self.head_of(endpoint)).await {
            // Those who had more blocks do not answer: an older block is better than none.
            Err(RpcError::Refused { kind: Refusal::OtherBlock, .. }) => {
                self.patiently(Call::asking(), survey::newest).await
            }
            head => head,
        }
    }

    /// A block's header; `None` when the node does not have it.
    pub async fn block(&self, at: BlockNumberOrTag) -> Result<Option<Head>> {
        self.found("eth_getBlockByNumber", at, (at, false)).await
    }

    /// Receipts of all transactions of a block; `None` when the node does not have it.
    pub async fn block_receipts(&self, number: u64) -> Result<Option<Vec<TransactionReceipt>>> {
        let at = BlockNumberOrTag::Number(number);
        self.found("eth_getBlockReceipts", at, (at,)).await
    }

    /// Logs that match.
    pub async fn logs(&self, filter: &Filter) -> Result<Vec<Log>> {
        self.call("eth_getLogs", (filter,)).await
    }

    /// How many transactions of an account are in the chain up to a block: the next one's nonce.
    pub async fn nonce(&self, account: Address, at: BlockNumberOrTag) -> Result<u64> {
        let ask = |endpoint| Endpoint::ask::<_, U64>(endpoint, "eth_getTransactionCount", (account, at));
        self.patiently(Call::of_block(at), ask).await.map(|nonce| nonce.to())
    }

    /// Wei that an account holds.
    pub async fn balance(&self, account: Address) -> Result<U256> {
        self.call("eth_getBalance", (account, BlockNumberOrTag::Latest)).await
    }

    /// Wei that an account holds, as a node says that has a certain block.
    pub async fn balance_since(&self, account: Address, number: u64) -> Result<U256> {
        let call = Call::of_block(BlockNumberOrTag::Number(number));
        self.patiently(call, |endpoint| Self::balance_of(endpoint, account, number)).await
    }

    async fn balance_of(endpoint: &Endpoint, account: Address, number: u64) -> Result<U256> {
        if endpoint.height().is_none_or(|height| height < number) && survey::newest(endpoint).await?.number < number {
            return Err(RpcError::no_such_block());
        }
        endpoint.ask("eth_getBalance", (account, BlockNumberOrTag::Latest)).await
    }

    /// The receipt of a transaction; `None` while a node knows no block that has it.
    pub async fn receipt(&self, transaction: B256) -> Result<Option<TransactionReceipt>> {
        self.call("eth_getTransactionReceipt", (transaction,)).await
    }

    /// A block's header with what chains it up; `None` when the node does not have it.
    pub async fn header(&self, at: BlockNumberOrTag) -> Result<Option<Header>> {
        self.found("eth_getBlockByNumber", at, (at, false)).await
    }

    /// What a call would have returned at the end of a block, whichever branch that is on (EIP-1898).
    pub async fn simulate_at(&self, call: &TransactionRequest, block: B256) -> Result<Bytes> {
        self.call("eth_call", (call, BlockId::from(block))).await
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
    ///
    /// Another endpoint may be given the same bytes while the first one is still silent: that is one transaction of one
    /// nonce and one hash, and the more nodes know it, the sooner it is mined.
    pub async fn send_raw(&self, raw: &Bytes) -> Result<B256> {
        let send = |endpoint| Endpoint::ask(endpoint, "eth_sendRawTransaction", (raw,));
        match self.patiently(Call::sending(), send).await {
            Err(RpcError::Refused { kind: Refusal::AlreadyKnown, .. }) => Ok(alloy::primitives::keccak256(raw)),
            answer => answer,
        }
    }
}
