//! A chain engine with a database, a treasury and a lane of its own, and an RPC proxy that a test can break.

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, U256};
use alloy::rpc::types::Filter;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolEvent;
use diolkos::chain::bundler::{BundlerSettings, DepositMarks, PaymasterSettings};
use diolkos::chain::contracts::IERC20::Transfer;
use diolkos::chain::{self, Chain, ChainSettings, FeePolicy, NewOperation, Payer, RefillPolicy, Rpc, SmartWallet};
use diolkos::db::Db;
use diolkos::dev::contracts;
use diolkos::foundation::{Amount, TenantId};
use sqlx::{Connection, PgConnection};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::paymaster::TestPaymaster;
use super::rpc_proxy::{Fault, RpcProxy};
use super::services::{Services, services};
use super::until;

/// The engine of one test.
pub struct TestEngine {
    pub services: &'static Services,
    pub database: String,
    pub db: Db,
    pub proxy: RpcProxy,
    pub chain: Chain,
    pub tenant: TenantId,
    pub lane: PrivateKeySigner,
    pub settings: ChainSettings,
    /// In front of the bundler, on the bundler's path.
    pub bundler: Option<RpcProxy>,
    /// In front of the paymaster, where one pays.
    pub sponsor: Option<RpcProxy>,
    pub paymaster: Option<TestPaymaster>,
    running: Option<(CancellationToken, JoinHandle<()>)>,
}

/// How an engine's user operations are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// By lanes.
    Lanes,
    /// By Alto, which a paymaster pays.
    Sponsored,
    /// The treasury's by Alto, which is paid from its deposit; customers' by lanes.
    Deposit,
}

/// USDC that a treasury starts with.
pub const TREASURY_USDC: u64 = 1_000_000_000_000;

impl TestEngine {
    /// An engine that runs.
    pub async fn start() -> Self {
        let mut engine = Self::stopped(|_| {}).await;
        engine.run().await;
        engine
    }

    /// An engine that does not run yet, with settings of the test's choice.
    pub async fn stopped(change: impl FnOnce(&mut ChainSettings)) -> Self {
        Self::on(&services().rpc_url, change).await
    }

    /// The same on a chain of the test's own.
    pub async fn on(rpc_url: &str, change: impl FnOnce(&mut ChainSettings)) -> Self {
        let services = services();
        let database = services.database().await;
        let db = Db::new(services.server_url(&database).parse().unwrap(), 8);
        let proxy = RpcProxy::start(rpc_url).await;
        let (treasury, lane) = (PrivateKeySigner::random(), PrivateKeySigner::random());
        services.fund(rpc_url, treasury.address(), lane.address()).await;
        let mut settings = ChainSettings {
            rpc_urls: vec![proxy.url.parse().unwrap()],
            ws_urls: vec![],
            rpc_time_limit: Duration::from_millis(1500),
            chain_id: 137,
            treasury: Arc::new(treasury),
            treasury_implementation: services.contracts.account_implementation_7702,
            lanes: vec![Arc::new(lane.clone())],
            funding: None,
            refill: RefillPolicy { low: coins(20), high: coins(100), daily_cap: coins(500) },
            bundler: None,
            wallet_owners: vec![Arc::new(PrivateKeySigner::random())],
            confirmations: 1,
            batch_limit: 100,
            in_flight: 4,
            replace_after_blocks: 4,
            max_gas: 1 << 24,
            max_call_gas: 12_000_000,
            fees: FeePolicy { min_tip: 1_000_000_000, max_fee: 2_000_000_000_000 },
            poll: Duration::from_millis(40),
            lease: Duration::from_secs(2),
        };
        change(&mut settings);
        let chain = Chain::new(db.clone(), settings.clone());
        let tenant = TenantId::new();
        let mut owner = PgConnection::connect(&services.superuser_url(&database)).await.unwrap();
        sqlx::query("insert into tenant (tenant_id, namespace, name, wrapped_key) values ($1, 'acme.ul', 'Acme', '')")
            .bind(tenant.0)
            .execute(&mut owner)
            .await
            .unwrap();
        owner.close().await.unwrap();
        Self {
            services,
            database,
            db,
            proxy,
            chain,
            tenant,
            lane,
            settings,
            bundler: None,
            sponsor: None,
            paymaster: None,
            running: None,
        }
    }

    /// An engine that runs, on one of the paths.
    pub async fn start_by(path: Path) -> Self {
        let mut engine = Self::stopped_by(path, |_| {}).await;
        engine.run().await;
        engine
    }

    /// An engine on one of the paths that does not run yet.
    pub async fn stopped_by(path: Path, change: impl FnOnce(&mut ChainSettings)) -> Self {
        let services = services();
        if path == Path::Lanes {
            return Self::stopped(change).await;
        }
        let bundler = RpcProxy::start(&services.alto().await.url).await;
        let paymaster = match path {
            Path::Sponsored => Some(TestPaymaster::start(&services.rpc_url).await),
            Path::Lanes | Path::Deposit => None,
        };
        let sponsor = match &paymaster {
            Some(paymaster) => Some(RpcProxy::start(&paymaster.url).await),
            None => None,
        };
        let paid_by = sponsor.as_ref().map(|sponsor| PaymasterSettings {
            url: sponsor.url.clone().into(),
            context: serde_json::json!({"policy": "tests"}),
        });
        let settings = BundlerSettings { paymaster: paid_by, ..paid_from_deposit(&bundler.url) };
        let engine = Self::stopped(|all| {
            all.bundler = Some(settings);
            change(all);
        });
        Self { bundler: Some(bundler), sponsor, paymaster, ..engine.await }
    }

    /// Starts the engine, as a process that knows nothing of an earlier one.
    pub async fn run(&mut self) {
        let stop = CancellationToken::new();
        let work = self.chain.clone().work(stop.clone());
        let task = tokio::spawn(async move { work.await.unwrap() });
        self.running = Some((stop, task));
    }

    /// From now on neither a node nor the bundler takes what is sent.
    pub fn nobody_takes_anything(&self) {
        self.proxy.next(usize::MAX, "eth_sendRawTransaction", Fault::Refuse(-32000, "txpool is full"));
        if let Some(bundler) = &self.bundler {
            bundler.next(usize::MAX, "eth_sendUserOperation", Fault::Refuse(-32603, "mempool is full"));
        }
    }

    /// From now on everything passes again.
    pub fn everybody_is_well(&self) {
        let proxies = [Some(&self.proxy), self.bundler.as_ref(), self.sponsor.as_ref()];
        proxies.into_iter().flatten().for_each(RpcProxy::heal);
    }

    /// Ends the engine as by `kill -9`: in the middle of whatever it does.
    pub async fn kill(&mut self) {
        let (_, task) = self.running.take().unwrap();
        task.abort();
        let _ = task.await;
    }

    /// A superuser's connection to the test's database.
    pub async fn sql(&self) -> PgConnection {
        PgConnection::connect(&self.services.superuser_url(&self.database)).await.unwrap()
    }

    /// The chain without the proxy.
    pub fn rpc(&self) -> Rpc {
        Rpc::new(&[self.proxy.target.parse().unwrap()], Duration::from_secs(10))
    }

    /// Asks for payments of USDC base units from the treasury to these recipients, all at once.
    pub async fn pay(&self, payments: &[(Address, u64)]) -> Vec<Uuid> {
        self.pay_from(Payer::Treasury(self.chain.treasury()), payments).await
    }

    /// A new customer's wallet that holds USDC and is not deployed.
    pub async fn wallet(&self, holds: u64) -> SmartWallet {
        let owner = self.settings.wallet_owners[0].address();
        let wallet = SmartWallet { owner, salt: rand::random::<[u8; 32]>().into() };
        self.services.mint(&self.proxy.target, wallet.address(), holds).await;
        wallet
    }

    /// Asks for payments of USDC base units from an account, all at once.
    pub async fn pay_from(&self, payer: Payer, payments: &[(Address, u64)]) -> Vec<Uuid> {
        self.pay_in(self.services.contracts.usdc, payer, payments).await
    }

    /// Asks for payments of a token's base units from an account, all at once.
    pub async fn pay_in(&self, token: Address, payer: Payer, payments: &[(Address, u64)]) -> Vec<Uuid> {
        let operations: Vec<NewOperation> = payments
            .iter()
            .map(|(recipient, amount)| {
                let id = Uuid::now_v7();
                NewOperation {
                    mode: diolkos::foundation::Mode::Live,
                    rehearsed_failure: None,
                    tenant: self.tenant,
                    id,
                    kind: "test",
                    reference: id.to_string(),
                    payer,
                    token,
                    recipient: *recipient,
                    amount: Amount::from_base_units(u128::from(*amount)).unwrap(),
                }
            })
            .collect();
        let mut tx = self.db.tenant(self.tenant).begin().await.unwrap();
        chain::enqueue(&mut tx, &operations).await.unwrap();
        tx.commit().await.unwrap();
        operations.iter().map(|operation| operation.id).collect()
    }

    /// State and failure of an operation.
    pub async fn state(&self, operation: Uuid) -> (String, Option<String>) {
        let mut sql = self.sql().await;
        let query = "select case when o.state = 'waiting' and u.sent_at is not null then 'submitted' else o.state end,
                o.failure
            from chain_op o left join user_op u on u.id = o.user_op_id where o.id = $1";
        sqlx::query_as(query).bind(operation).fetch_one(&mut sql).await.unwrap()
    }

    /// Waits until all operations have ended and returns their states.
    pub async fn ended(&self, operations: &[Uuid]) -> Vec<String> {
        let mut sql = self.sql().await;
        let mut states = Vec::new();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let rows: Vec<(Uuid, String)> = sqlx::query_as("select id, state from chain_op where id = any($1)")
                .bind(operations)
                .fetch_all(&mut sql)
                .await
                .unwrap();
            let by_id: std::collections::HashMap<_, _> = rows.into_iter().collect();
            states.clear();
            states.extend(operations.iter().map(|id| by_id[id].clone()));
            if states.iter().all(|state| !matches!(state.as_str(), "waiting" | "submitted")) {
                return states;
            }
            if tokio::time::Instant::now() >= deadline {
                let query = "select state || ' ' || coalesce(failure, '') from user_op where state <> 'ended' limit 20";
                let user_ops: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut sql).await.unwrap();
                panic!("operations did not end: {states:?}; {user_ops:?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// USDC base units that an account holds on chain.
    pub async fn holds(&self, account: Address) -> u64 {
        self.rpc().token_balance(self.services.contracts.usdc, account).await.unwrap().to()
    }

    /// Amounts of all transfers from the treasury to an account.
    pub async fn transfers_to(&self, account: Address) -> Vec<u64> {
        let filter = Filter::new()
            .address(self.services.contracts.usdc)
            .event_signature(Transfer::SIGNATURE_HASH)
            .topic1(self.chain.treasury().into_word())
            .topic2(account.into_word())
            .from_block(0);
        let logs = self.rpc().logs(&filter).await.unwrap();
        logs.iter().map(|log| U256::from_be_slice(&log.data().data).to()).collect()
    }

    /// Waits until the lane's nonce in the database, the chain and the bundles agree.
    pub async fn lane_at_rest(&self) {
        until("the lane comes to rest", || async {
            let lanes = chain::status::lanes(&self.chain).await.ok()?;
            let lane = lanes.first()?;
            (lane.in_flight == 0 && lane.next_nonce == lane.chain_nonce).then_some(())
        })
        .await;
    }
}

/// A bundler that the treasury pays from a deposit of between one and ten coins.
pub fn paid_from_deposit(url: &str) -> BundlerSettings {
    let coins = |zeros: u32| U256::from(10).pow(U256::from(zeros));
    BundlerSettings { url: url.into(), paymaster: None, deposit: DepositMarks { low: coins(18), high: coins(19) } }
}

/// Wei of so many coins.
pub fn coins(count: u64) -> U256 {
    U256::from(count) * U256::from(10).pow(U256::from(18))
}

/// A fresh account.
pub fn stranger() -> Address {
    PrivateKeySigner::random().address()
}

/// The minter and the blacklister are accounts with one nonce each.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

impl Services {
    /// Gives a treasury USDC and a lane native coin.
    pub async fn fund(&self, rpc_url: &str, treasury: Address, lane: Address) {
        contracts::give_native(rpc_url, lane, U256::from(10).pow(U256::from(21))).await.unwrap();
        self.mint(rpc_url, treasury, TREASURY_USDC).await;
    }

    /// Gives an account USDC.
    pub async fn mint(&self, rpc_url: &str, to: Address, amount: u64) {
        let _turn = ONE_AT_A_TIME.lock().await;
        contracts::mint(rpc_url, self.contracts.usdc, to, U256::from(amount)).await.unwrap();
    }

    /// From now on the token refuses this account.
    pub async fn blacklist(&self, token: Address, account: Address) {
        let _turn = ONE_AT_A_TIME.lock().await;
        contracts::blacklist(&self.rpc_url, token, account).await.unwrap();
    }
}
