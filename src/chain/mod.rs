//! The chain engine: an operation accepted once happens on chain exactly once, whatever dies in between.
//!
//! ```text
//! operation (chain_op)     what should happen, and for whom
//!    │ gathered, many into one
//! user operation (user_op) one account, one nonce of its own: the EntryPoint executes it at most once   SAFETY
//!    │ carried, as often as it takes: by our own lanes, or by a bundler (`bundler/`)
//! bundle                   a lane's transaction with gas and fees, replaced and sent again at will      LIVENESS
//! ```
//!
//! What became of a user operation is read from the chain (its event, its nonce), never remembered; signatures and
//! bytes are stored before they are sent; what signs, stores or ends anything does so under the lane's fencing number.

mod board;
pub mod bundler;
mod carry;
pub mod contracts;
mod cost;
mod delegation;
mod deployment;
mod engine;
pub mod entry_point;
mod fees;
mod follow;
mod gas;
mod gather;
mod heads;
pub mod indexer;
mod lane;
mod locate;
mod operation;
mod outcome;
mod outgoing;
mod payer;
mod refill;
mod refusal;
mod review;
mod rpc;
mod rpc_error;
mod scan;
mod send;
mod settings;
mod settle;
mod sign;
mod simulated;
pub mod status;
mod store;
mod transaction;
pub mod wallet;
mod watcher;

use std::sync::Arc;

use alloy::primitives::Address;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use cost::book_costs;
pub use engine::EngineError;
pub use fees::FeePolicy;
pub use follow::{Follower, follow};
pub use heads::Heads;
pub use operation::{NewOperation, News, OperationState, enqueue, news, take_note};
pub use outgoing::{Held, spendable};
pub use payer::{Payer, SmartWallet};
pub use refill::RefillPolicy;
pub use refusal::Refusal;
pub use review::{Disputed, Resolution, Undone, disputed, resolve, see_to_undone, undone};
pub use rpc::{EndpointStatus, Head, Rpc, survey};
pub use rpc_error::RpcError;
pub use settings::{ChainSettings, ChainSettingsWith, SharedSigner};
pub use simulated::{rehearsed_failure, rehearsed_failure_of, simulate, simulated_balance};

use crate::db::Db;
use crate::foundation::Amount;
use bundler::Bundler;
use engine::Engine;
use gas::GasBook;
use store::Takes;
use wallet::WalletFactory;
use watcher::Watcher;

/// A handle to the chain for features, probes and the engine itself.
#[derive(Clone)]
pub struct Chain(Arc<Inner>);

struct Inner {
    db: Db,
    rpc: Rpc,
    bundler: Option<Bundler>,
    settings: ChainSettings,
    gas: GasBook,
    /// The newest block up to which everything was seen.
    sight: watch::Sender<Option<Head>>,
    news: watch::Sender<()>,
}

impl Chain {
    /// A handle; nothing is asked of the chain yet.
    pub fn new(db: Db, settings: ChainSettings) -> Self {
        let rpc = Rpc::of_chain(settings.chain_id, &settings.rpc_urls, settings.rpc_time_limit);
        let bundler = settings.bundler.as_ref();
        let bundler = bundler.map(|bundler| Bundler::new(bundler, settings.chain_id, settings.rpc_time_limit));
        Self(Arc::new(Inner {
            db,
            rpc,
            bundler,
            settings,
            gas: GasBook::default(),
            sight: watch::Sender::default(),
            news: watch::Sender::default(),
        }))
    }

    /// Watches the chain and works all lanes and the funding account, whose rows it makes sure of, until told to stop; fails only when the chain
    /// can never serve the engine.
    pub async fn work(self, shutdown: CancellationToken) -> Result<(), EngineError> {
        let mut tasks = JoinSet::new();
        for lane in &self.settings().lanes {
            store::ensure(self.db(), lane.address()).await?;
            tasks.spawn(Engine::new(self.clone(), lane.clone()).run(shutdown.clone()));
        }
        if let Some(funding) = &self.settings().funding {
            store::ensure_funding(self.db(), funding.address()).await?;
            tasks.spawn(Engine::for_funding(self.clone(), funding.clone()).run(shutdown.clone()));
        }
        tasks.spawn(Watcher::new(self.clone()).run(shutdown));
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(EngineError::Died)??;
        }
        Ok(())
    }

    /// The account that holds the tenants' tokens on chain.
    pub fn treasury(&self) -> Address {
        self.settings().treasury.address()
    }

    /// Computes customers' wallet addresses.
    pub fn wallets(&self) -> WalletFactory {
        WalletFactory::new(self.settings().wallet_owners.first().map_or(Address::ZERO, |owner| owner.address()))
    }

    /// Base units of a token that an account holds now.
    pub async fn token_balance(&self, token: Address, holder: Address) -> Result<Amount, RpcError> {
        let balance = self.rpc().token_balance(token, holder).await?;
        u128::try_from(balance)
            .ok()
            .and_then(Amount::from_base_units)
            .ok_or_else(|| RpcError::Unavailable("a balance beyond all bounds".into()))
    }

    /// The newest block up to which this process has seen everything, whenever it changes.
    fn sight(&self) -> watch::Receiver<Option<Head>> {
        self.0.sight.subscribe()
    }

    fn saw(&self, head: Head) {
        self.0.sight.send_replace(Some(head));
    }

    fn gas(&self) -> &GasBook {
        &self.0.gas
    }

    /// Changes whenever operations have moved in this process; features need not rely on it.
    fn arrivals(&self) -> watch::Receiver<()> {
        self.0.news.subscribe()
    }

    fn announce(&self) {
        self.0.news.send_replace(());
    }

    /// Whether the treasury carries the code that its user operations need (EIP-7702).
    pub async fn treasury_is_delegated(&self) -> Result<bool, EngineError> {
        delegation::is_delegated(self.rpc(), self.treasury(), self.settings().treasury_implementation).await
    }

    /// Calls to the chain.
    pub fn rpc(&self) -> &Rpc {
        &self.0.rpc
    }

    /// Configuration.
    pub fn settings(&self) -> &ChainSettings {
        &self.0.settings
    }

    fn bundler(&self) -> Option<&Bundler> {
        self.0.bundler.as_ref()
    }

    /// Whose user operations a bundler carries; nobody's without one.
    fn bundler_takes(&self) -> Takes {
        self.bundler().map(Bundler::takes).unwrap_or_default()
    }

    fn db(&self) -> &Db {
        &self.0.db
    }
}
