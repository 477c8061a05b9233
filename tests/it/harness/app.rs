//! A whole server with a database, a treasury and a lane of its own, in this process.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use alloy::primitives::Address;
use alloy::rpc::types::Filter;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolEvent;
use diolkos::app::Server;
use diolkos::auth::Jwt;
use diolkos::chain::Rpc;
use diolkos::chain::contracts::IERC20::Transfer;
use diolkos::config::{Config, Environment};
use diolkos::foundation::{Clock, TenantId};
use diolkos::product::App;
use secrecy::ExposeSecret;
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::actor::Actor;
use super::db_proxy::DbProxy;
use super::engine::Path;
use super::paymaster::TestPaymaster;
use super::rpc_proxy::RpcProxy;
use super::services::{Services, services};
use super::tenant::TestTenant;

/// Variables of a server's configuration.
pub type Variables = BTreeMap<&'static str, String>;

/// The server of one test.
pub struct TestApp {
    pub services: &'static Services,
    pub database: String,
    pub variables: Variables,
    pub rpc_proxy: RpcProxy,
    pub db_proxy: DbProxy,
    /// In front of the bundler and of its paymaster, where there are any.
    pub bundler: Option<RpcProxy>,
    pub sponsor: Option<RpcProxy>,
    pub base_url: String,
    /// The server's own parts, for looking inside.
    pub app: App,
    running: Option<(CancellationToken, JoinHandle<anyhow::Result<()>>)>,
}

fn jwt_private_key() -> String {
    static KEY: OnceLock<String> = OnceLock::new();
    KEY.get_or_init(|| Jwt::generate_pem().unwrap().expose_secret().to_owned()).clone()
}

fn hex_key() -> String {
    hex::encode(PrivateKeySigner::random().to_bytes())
}

impl TestApp {
    /// A server that runs, with everything as a test likes it.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with the indexer's role as well.
    pub async fn indexed() -> Self {
        Self::with(|variables| {
            variables.insert("ROLES", "api,worker,indexer".to_owned());
        })
        .await
    }

    /// The same, with some variables of the configuration changed.
    pub async fn with(change: impl FnOnce(&mut Variables)) -> Self {
        let services = services();
        let database = services.database().await;
        let rpc_proxy = RpcProxy::start(&services.rpc_url).await;
        let db_proxy = DbProxy::start(services.socket()).await;
        let mut variables = variables(services, &database, &rpc_proxy, &db_proxy);
        change(&mut variables);
        let (treasury, lane) = (address(&variables["TREASURY_KEY"]), address(&variables["LANE_KEYS"]));
        services.fund(&services.rpc_url, treasury, lane).await;
        let (app, base_url, running) = start(&variables).await;
        Self {
            services,
            database,
            variables,
            rpc_proxy,
            db_proxy,
            bundler: None,
            sponsor: None,
            base_url,
            app,
            running: Some(running),
        }
    }

    /// A server whose payments, and whose customers' payments, go through Alto, which a paymaster pays. Set
    /// `BUNDLER_URL` alone for one whose treasury pays from its deposit, while lanes carry customers' payments.
    pub async fn by_bundler(change: impl FnOnce(&mut Variables)) -> Self {
        let services = services();
        let bundler = RpcProxy::start(&services.alto().await.url).await;
        let sponsor = RpcProxy::start(&TestPaymaster::start(&services.rpc_url).await.url).await;
        let mut app = Self::with(|variables| {
            variables.insert("BUNDLER_URL", format!("{}/v2/rpc?apikey=bundler-secret", bundler.url));
            variables.insert("PAYMASTER_URL", format!("{}/?apikey=paymaster-secret", sponsor.url));
            change(variables);
        })
        .await;
        (app.bundler, app.sponsor) = (Some(bundler), Some(sponsor));
        app
    }

    /// One whose payments go this way to the chain.
    pub async fn by(path: Path, change: impl FnOnce(&mut Variables)) -> Self {
        match path {
            Path::Lanes => Self::with(change).await,
            Path::Sponsored => Self::by_bundler(change).await,
            Path::Deposit => panic!("customers' payments have no deposit of their own"),
        }
    }

    /// Ends the server in order and starts another one on the same database.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.start_again().await;
    }

    /// Starts another server on the same database after this one has ended.
    pub async fn start_again(&mut self) {
        let (app, base_url, running) = start(&self.variables).await;
        (self.app, self.base_url, self.running) = (app, base_url, Some(running));
    }

    /// One more server on the same database, which serves HTTP and does nothing else.
    pub async fn replica(&self) -> Self {
        let mut variables = self.variables.clone();
        variables.insert("ROLES", "api".to_owned());
        let (app, base_url, running) = start(&variables).await;
        let (rpc_proxy, db_proxy) = (self.rpc_proxy.clone(), self.db_proxy.clone());
        let (services, database) = (self.services, self.database.clone());
        let (bundler, sponsor) = (self.bundler.clone(), self.sponsor.clone());
        let running = Some(running);
        Self { services, database, variables, rpc_proxy, db_proxy, bundler, sponsor, base_url, app, running }
    }

    /// Ends the server in order.
    pub async fn stop(&mut self) {
        let (stop, task) = self.running.take().unwrap();
        stop.cancel();
        task.await.unwrap().unwrap();
    }

    /// Nobody: no credentials.
    pub fn nobody(&self) -> Actor {
        Actor::new(&self.base_url, &[])
    }

    /// The operator.
    pub fn operator(&self) -> Actor {
        Actor::bearer(&self.base_url, &self.variables["OPERATOR_TOKEN"])
    }

    /// A bearer token for a tenant's person with these permissions.
    pub fn token(&self, tenant: TenantId, permissions: &[&str]) -> String {
        let ttl = Duration::from_secs(3600);
        let issued = self.app.auth.jwt().issue_dashboard(tenant, "test", permissions, ttl, self.app.clock.now());
        issued.unwrap().expose_secret().to_owned()
    }

    /// A new tenant `<name>.ul` with a live and a test key, without a balance.
    pub async fn tenant(&self, name: &str) -> TestTenant {
        let answer =
            self.operator().post("/admin/tenants", json!({"namespace": format!("{name}.ul"), "name": name})).await;
        assert_eq!(answer.status, 201, "{answer}");
        TestTenant::new(self, answer.json["id"].as_str().unwrap().parse().unwrap()).await
    }

    /// A superuser's connection to the test's database.
    pub async fn sql(&self) -> PgConnection {
        PgConnection::connect(&self.services.superuser_url(&self.database)).await.unwrap()
    }

    /// The chain, around the proxy.
    pub fn rpc(&self) -> Rpc {
        Rpc::new(&[self.services.rpc_url.parse().unwrap()], Duration::from_secs(10))
    }

    /// Amounts of all USDC transfers from the treasury to an account, in base units.
    pub async fn transfers_to(&self, account: Address) -> Vec<u64> {
        let filter = Filter::new()
            .address(self.services.contracts.usdc)
            .event_signature(Transfer::SIGNATURE_HASH)
            .topic1(self.app.chain.treasury().into_word())
            .topic2(account.into_word())
            .from_block(0);
        let logs = self.rpc().logs(&filter).await.unwrap();
        logs.iter().map(|log| u64::from_str_radix(&hex::encode(&log.data().data)[48..], 16).unwrap()).collect()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if let Some((stop, _)) = &self.running {
            stop.cancel();
        }
    }
}

/// The configuration of a test's server, which another process can use as well.
fn variables(services: &Services, database: &str, rpc: &RpcProxy, db: &DbProxy) -> Variables {
    let contracts = &services.contracts;
    BTreeMap::from([
        ("DATABASE_URL", format!("postgres://diolkos_server@127.0.0.1:{}/{database}", db.port)),
        ("DATABASE_CONNECTIONS", "10".to_owned()),
        ("RPC_URLS", rpc.url.clone()),
        ("RPC_TIMEOUT_MS", "1500".to_owned()),
        ("CHAIN_ID", "137".to_owned()),
        ("TOKENS", format!("USDC:{}:6,USDT:{}:6", contracts.usdc, contracts.usdt)),
        ("MASTER_KEY", hex_key()),
        ("JWT_PRIVATE_KEY", jwt_private_key()),
        ("OPERATOR_TOKEN", hex_key()),
        ("TREASURY_KEY", hex_key()),
        ("TREASURY_IMPLEMENTATION", contracts.account_implementation_7702.to_string()),
        ("LANE_KEYS", hex_key()),
        ("WALLET_OWNER_KEYS", hex_key()),
        ("CONFIRMATIONS", "1".to_owned()),
        ("REPLACE_AFTER_BLOCKS", "4".to_owned()),
        ("MIN_TIP_GWEI", "1".to_owned()),
        ("ENGINE_POLL_MS", "40".to_owned()),
        ("LANE_LEASE_SECONDS", "2".to_owned()),
        ("RATE_LIMIT_PER_SECOND", "100000".to_owned()),
        ("RATE_LIMIT_BURST", "100000".to_owned()),
        ("FX_RATES", "XOF:560.5,XAF:560.5,GHS:10.85,KES:129.2,NGN:1395,UGX:3570,TZS:2495,EUR:0.8545".to_owned()),
        // Tests of the indexer add it: it asks the chain of its own accord, which would use up others' planned faults.
        ("ROLES", "api,worker".to_owned()),
        ("PAYOUT_PROVIDER", "simulator".to_owned()),
        ("SMS_PROVIDER", "outbox".to_owned()),
        ("MAIL_PROVIDER", "outbox".to_owned()),
        ("COMPLIANCE_TOKEN", hex_key()),
        ("TWILIO_AUTH_TOKEN", hex_key()),
        ("SMTP_URL", format!("smtps://acme:{}@mail.invalid", hex_key())),
        ("PAYOUT_TOKEN", hex_key()),
        ("PAYOUT_REFUND_AFTER_SECONDS", "1".to_owned()),
        ("COMPLIANCE_PROVIDER", "simulator".to_owned()),
        ("VERIFICATION_PROVIDER", "simulator".to_owned()),
        ("VERIFICATION_TOKEN", hex_key()),
        ("COMPLIANCE_TOKEN", hex_key()),
    ])
}

fn address(key: &str) -> Address {
    key.parse::<PrivateKeySigner>().unwrap().address()
}

type Running = (CancellationToken, JoinHandle<anyhow::Result<()>>);

async fn start(variables: &Variables) -> (App, String, Running) {
    let config = Config::read(&Environment::new(&|name| variables.get(name).cloned())).unwrap();
    let server = Server::build(config, Clock::default()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let (app, stop) = (server.app.clone(), CancellationToken::new());
    let task = tokio::spawn(server.run(Some(listener), stop.clone()));
    (app, base_url, (stop, task))
}
