//! The server that is measured: the release binary in a process of its own, configured as in production but for what
//! [`Configuration`] says.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, bail, ensure};
use diolkos::auth::Jwt;
use diolkos::dev::child::{Child, Service};
use diolkos::dev::identity::Identity;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::chain::Chain;
use super::world::World;

/// What a server is told.
#[derive(Clone)]
pub struct Configuration {
    variables: BTreeMap<&'static str, String>,
    pub jwt_private_key: SecretString,
    pub operator_token: String,
}

/// Settings that matter for what is measured; everything else has its default.
const SHOWN: [(&str, &str); 11] = [
    ("DATABASE_CONNECTIONS", "16"),
    ("RATE_LIMIT_PER_SECOND", "1000000"),
    ("RATE_LIMIT_BURST", "1000000"),
    ("CONFIRMATIONS", "1"),
    ("BATCH_LIMIT", "1000"),
    ("LANE_IN_FLIGHT", "4"),
    ("REPLACE_AFTER_BLOCKS", "20"),
    ("MAX_CALL_GAS", "15000000"),
    ("MIN_TIP_GWEI", "1"),
    ("ENGINE_POLL_MS", "100"),
    ("LANE_LEASE_SECONDS", "60"),
];

impl Configuration {
    /// For a database and a chain; roles as in `ROLES`.
    pub fn new(world: &World, database: &str, chain: &Chain, roles: &str) -> anyhow::Result<Self> {
        let jwt_private_key = Jwt::generate_pem()?;
        let operator_token = random_hex();
        let contracts = &chain.contracts;
        let lanes: Vec<String> = chain.lanes.iter().map(key).collect();
        let mut variables: BTreeMap<&'static str, String> = shown().collect();
        variables.extend([
            ("DATABASE_URL", world.server_url(database)),
            ("RPC_URLS", chain.url()),
            ("CHAIN_ID", "137".to_owned()),
            ("TOKENS", format!("USDC:{}:6,USDT:{}:6", contracts.usdc, contracts.usdt)),
            ("MASTER_KEY", random_hex()),
            ("JWT_PRIVATE_KEY", jwt_private_key.expose_secret().to_owned()),
            ("OPERATOR_TOKEN", operator_token.clone()),
            ("TREASURY_KEY", key(&chain.treasury)),
            ("TREASURY_IMPLEMENTATION", contracts.account_implementation_7702.to_string()),
            ("LANE_KEYS", lanes.join(",")),
            ("WALLET_OWNER_KEYS", key(&chain.wallet_owner)),
            ("ROLES", roles.to_owned()),
            ("RUST_LOG", "warn".to_owned()),
        ]);
        Ok(Self { variables, jwt_private_key, operator_token })
    }

    /// The same with one variable changed.
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.variables.insert(name, value.to_string());
        self
    }
}

/// The settings that the table names.
pub fn shown() -> impl Iterator<Item = (&'static str, String)> {
    SHOWN.into_iter().map(|(name, value)| (name, value.to_owned()))
}

fn key(signer: &PrivateKeySigner) -> String {
    hex::encode(signer.to_bytes())
}

fn random_hex() -> String {
    key(&PrivateKeySigner::random())
}

/// A running server.
pub struct Server {
    child: Child,
    /// `host:port`.
    pub address: String,
}

impl Server {
    /// Starts one and waits until it says that it is ready.
    pub async fn start(configuration: &Configuration, log: &Path) -> anyhow::Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut environment: Vec<_> = configuration.variables.clone().into_iter().collect();
        environment.push(("PORT", port.to_string()));
        let child = Child::start(Service {
            name: "diolkos",
            program: Path::new(env!("CARGO_BIN_EXE_diolkos")),
            arguments: vec!["serve".to_owned()],
            environment,
            log,
            folder: Path::new("/"),
            identity: Identity::Ourselves,
            grace: Duration::from_secs(40),
        })?;
        let server = Self { child, address: format!("127.0.0.1:{port}") };
        server.is_ready(configuration, log).await?;
        Ok(server)
    }

    async fn is_ready(&self, configuration: &Configuration, log: &Path) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let roles = configuration.variables.get("ROLES").map_or("", String::as_str);
        // An API alone is ready when a worker is, too.
        let path = if roles == "api" { "healthz" } else { "readyz" };
        let client = reqwest::Client::builder().no_proxy().build()?;
        loop {
            if let Some(status) = self.child.ended() {
                bail!("the server ended ({status}); see {}", log.display());
            }
            // A process without the role has nothing to ask; what it does is waited for where it matters.
            let answer = client.get(format!("http://{}/{path}", self.address)).send().await;
            if roles == "worker" || answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("the server does not become ready; see {}", log.display());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Its memory now and at its highest, in KiB (`VmRSS` and `VmHWM`).
    pub fn memory(&self) -> anyhow::Result<(u64, u64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.pid()))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such field")?;
            anyhow::Ok(line.trim().trim_end_matches(" kB").parse()?)
        };
        Ok((field("VmRSS:")?, field("VmHWM:")?))
    }

    /// Sends it a signal, such as `STOP`.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.pid().to_string()]).status()?;
        ensure!(sent.success(), "the server (process {}) cannot be sent {name}", self.child.pid());
        Ok(())
    }

    /// Ends it in order.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.child.stop().await
    }
}
