//! How the server that is measured is configured: as in production, but for what [`SHOWN`] says.

use std::path::Path;
use std::time::Duration;

use alloy::signers::local::PrivateKeySigner;
use anyhow::bail;
use diolkos::auth::Jwt;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::chain::Chain;
use super::process::{Process, Variables, free_port};
use super::world::World;

/// What a server is told.
#[derive(Clone)]
pub struct Configuration {
    variables: Variables,
    pub jwt_private_key: SecretString,
    pub operator_token: String,
}

/// Settings that matter for what is measured; everything else has its default.
const SHOWN: [(&str, &str); 10] = [
    ("DATABASE_CONNECTIONS", "16"),
    ("RATE_LIMIT_PER_SECOND", "1000000"),
    ("RATE_LIMIT_BURST", "1000000"),
    ("CONFIRMATIONS", "1"),
    ("BATCH_LIMIT", "100"),
    ("LANE_IN_FLIGHT", "16"),
    ("REPLACE_AFTER_BLOCKS", "20"),
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
        let mut variables: Variables = shown().collect();
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

    /// A server with it, once it says that it is ready. A worker alone cannot be asked.
    pub async fn start(&self, log: &Path) -> anyhow::Result<Process> {
        let process = Process::start(&self.variables, free_port()?, log)?;
        match self.variables.get("ROLES").map(String::as_str) {
            Some("worker") => {}
            // An API alone is ready when a worker is, too.
            Some("api") => answers(&process, "healthz", log).await?,
            _ => answers(&process, "readyz", log).await?,
        }
        Ok(process)
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

async fn answers(process: &Process, path: &str, log: &Path) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let client = reqwest::Client::builder().no_proxy().build()?;
    loop {
        if let Some(status) = process.child.ended() {
            bail!("the server ended ({status}); see {}", log.display());
        }
        let answer = client.get(format!("http://{}/{path}", process.address)).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("the server does not become ready; see {}", log.display());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
