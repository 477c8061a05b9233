//! What the engine is told by configuration.

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::Address;
use alloy::signers::Signer;
use url::Url;

use super::bundler::BundlerSettings;
use super::fees::FeePolicy;
use super::refill::RefillPolicy;

/// A key that signs, local or in a key management service.
pub type SharedSigner = Arc<dyn Signer + Send + Sync>;

/// Everything the engine is told by configuration, with its signers open.
pub type ChainSettings = ChainSettingsWith<SharedSigner>;

/// Everything the engine is told by configuration; before its signers are opened, `S` says where they are.
#[derive(Clone)]
pub struct ChainSettingsWith<S> {
    /// JSON-RPC endpoints, the preferred one first.
    pub rpc_urls: Vec<Url>,
    /// Endpoints that tell of new blocks by WebSocket.
    pub ws_urls: Vec<Url>,
    /// How long an endpoint may take over one call.
    pub rpc_time_limit: Duration,
    /// EIP-155 id that every endpoint must serve.
    pub chain_id: u64,
    /// Signs the treasury's user operations and its delegation.
    pub treasury: S,
    /// Code that the treasury is delegated to (Simple7702Account of EntryPoint v0.8).
    pub treasury_implementation: Address,
    /// Pay for gas and carry bundles.
    pub lanes: Vec<S>,
    /// Fills the lanes with native coin.
    pub funding: Option<S>,
    /// When, and how far.
    pub refill: RefillPolicy,
    /// Carries user operations instead of lanes, where somebody pays it.
    pub bundler: Option<BundlerSettings>,
    /// Owners of customers' wallets: the first of new ones, the others of older ones.
    pub wallet_owners: Vec<S>,
    /// Blocks on top of a block before what it says is final.
    pub confirmations: u64,
    /// Operations in one user operation at most.
    pub batch_limit: i64,
    /// Bundles of a lane that may wait for a block at once.
    pub in_flight: usize,
    /// Blocks that a bundle may wait before it is sent again or replaced.
    pub replace_after_blocks: u64,
    /// Gas of a transaction at most (2^24, EIP-7825).
    pub max_gas: u64,
    /// Gas of the calls of one user operation at most.
    pub max_call_gas: u64,
    /// Limits on fees.
    pub fees: FeePolicy,
    /// How often the engine looks at the chain.
    pub poll: Duration,
    /// How long a lane is held without being renewed.
    pub lease: Duration,
}

impl<S> ChainSettingsWith<S> {
    /// The same with other signers.
    pub fn with_signers<T>(
        self,
        treasury: T,
        lanes: Vec<T>,
        funding: Option<T>,
        wallet_owners: Vec<T>,
    ) -> ChainSettingsWith<T> {
        ChainSettingsWith {
            rpc_urls: self.rpc_urls,
            ws_urls: self.ws_urls,
            rpc_time_limit: self.rpc_time_limit,
            chain_id: self.chain_id,
            treasury,
            treasury_implementation: self.treasury_implementation,
            lanes,
            funding,
            refill: self.refill,
            bundler: self.bundler,
            wallet_owners,
            confirmations: self.confirmations,
            batch_limit: self.batch_limit,
            in_flight: self.in_flight,
            replace_after_blocks: self.replace_after_blocks,
            max_gas: self.max_gas,
            max_call_gas: self.max_call_gas,
            fees: self.fees,
            poll: self.poll,
            lease: self.lease,
        }
    }
}
