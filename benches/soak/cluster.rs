//! Everything that runs: Postgres, a chain that survives restarts and can be reorganised, two APIs and two workers, each a
//! process that can be killed, paused and started again on its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use alloy::primitives::{Address, U256};
use alloy::providers::{Provider, ProviderBuilder, RootProvider};
use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, ensure};
use diolkos::auth::Jwt;
use diolkos::dev::anvil::{Anvil, AnvilOptions};
use diolkos::dev::contracts::{self, Contracts};
use diolkos::dev::postgres::Postgres;
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgConnection;
use sqlx::{ConnectOptions, postgres::PgConnectOptions};

use super::process::{Process, Variables, free_port};

/// Blocks on top of a block before what it says is final.
pub const CONFIRMATIONS: u64 = 4;
/// How long a lane is held without being renewed.
pub const LEASE: Duration = Duration::from_secs(3);
/// Base units of USDC that the treasury starts with.
pub const TREASURY_USDC: u64 = 1_000_000_000_000;
/// Seconds from block to block; whole ones, for mining is stopped and begun again.
const BLOCK_SECONDS: u64 = 1;
/// Blocks that a reorg can reach back.
const PAST_STATES: u32 = 64;

/// One process of the server.
pub struct Replica {
    pub name: &'static str,
    variables: Variables,
    port: u16,
    /// `host:port`, also while it is away.
    address: String,
    log: PathBuf,
    process: Option<Process>,
}

impl Replica {
    /// Starts it, after it was killed.
    pub fn begin(&mut self) -> anyhow::Result<()> {
        let process = Process::start(&self.variables, self.port, &self.log)?;
        self.address.clone_from(&process.address);
        self.process = Some(process);
        Ok(())
    }

    fn running(&self) -> anyhow::Result<&Process> {
        self.process.as_ref().with_context(|| format!("{} does not run", self.name))
    }

    /// `kill -9`, and after a while it is there again.
    pub async fn killed(&mut self, away: Duration) -> anyhow::Result<()> {
        self.kill().await?;
        tokio::time::sleep(away).await;
        self.begin()
    }

    /// `kill -9`.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        let process = self.process.take().with_context(|| format!("{} does not run", self.name))?;
        ensure!(process.child.ended().is_none(), "{} has ended by itself; see {}", self.name, self.log.display());
        process.signal("KILL")?;
        process.child.wait().await;
        Ok(())
    }

    /// Stopped in the middle of whatever it does, and woken up.
    pub async fn paused(&mut self, time: Duration) -> anyhow::Result<()> {
        self.running()?.signal("STOP")?;
        tokio::time::sleep(time).await;
        self.running()?.signal("CONT")
    }

    /// Ended in order and started again.
    pub async fn restarted(&mut self) -> anyhow::Result<()> {
        self.stop().await?;
        self.begin()
    }

    async fn stop(&mut self) -> anyhow::Result<()> {
        match self.process.take() {
            Some(process) => process.stop().await,
            None => Ok(()),
        }
    }
}

/// How callers reach a tenant.
#[derive(Clone)]
pub struct TenantAccess {
    pub key: String,
    pub dashboard: String,
}

/// All of it.
pub struct Cluster {
    folder: PathBuf,
    postgres: Option<Postgres>,
    anvil: Option<Anvil>,
    anvil_options: AnvilOptions,
    pub contracts: Contracts,
    pub treasury: Address,
    pub operator_token: String,
    jwt_private_key: SecretString,
    pub replicas: Vec<Replica>,
    variables: Variables,
}

impl Cluster {
    /// Starts everything.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        Postgres::remove(&folder.join("postgres")).await?;
        let mut anvil_options = AnvilOptions {
            state: Some(folder.join("anvil/state.json")),
            block_time: BLOCK_SECONDS as f64,
            past_states: PAST_STATES,
            log: Some(folder.join("anvil.log")),
            ..AnvilOptions::default()
        };
        let postgres = Postgres::start(&folder.join("postgres")).await?;
        let anvil = Anvil::start(anvil_options.clone()).await?;
        // The address stays when it is started again.
        anvil_options.port = anvil.port();
        diolkos::db::migrate(&postgres.owner_url("diolkos").parse()?).await?;
        let contracts = contracts::deploy(&anvil.url()).await?;
        let treasury = PrivateKeySigner::random();
        let lanes = [PrivateKeySigner::random(), PrivateKeySigner::random()];
        contracts::mint(&anvil.url(), contracts.usdc, treasury.address(), U256::from(TREASURY_USDC)).await?;
        for lane in &lanes {
            contracts::give_native(&anvil.url(), lane.address(), U256::from(10).pow(U256::from(22))).await?;
        }
        let jwt_private_key = Jwt::generate_pem()?;
        let operator_token = key(&PrivateKeySigner::random());
        let mut variables = variables(&postgres, &anvil, &contracts);
        variables.extend([
            ("JWT_PRIVATE_KEY", jwt_private_key.expose_secret().to_owned()),
            ("OPERATOR_TOKEN", operator_token.clone()),
            ("TREASURY_KEY", key(&treasury)),
            ("LANE_KEYS", lanes.map(|lane| key(&lane)).join(",")),
        ]);
        let mut cluster = Self {
            folder: folder.to_owned(),
            postgres: Some(postgres),
            anvil: Some(anvil),
            anvil_options,
            contracts,
            treasury: treasury.address(),
            operator_token,
            jwt_private_key,
            replicas: Vec::new(),
            variables,
        };
        // An indexer beside each worker, in binaries that have one.
        let has_indexer = matches!(cluster.command(&["reconcile", "--help"]).await?, Some((true, _)));
        let worker = if has_indexer { "worker,indexer" } else { "worker" };
        for (name, roles) in [("api-1", "api"), ("api-2", "api"), ("worker-1", worker), ("worker-2", worker)] {
            cluster.add(name, roles)?;
        }
        Ok(cluster)
    }

    fn add(&mut self, name: &'static str, roles: &str) -> anyhow::Result<()> {
        let mut variables = self.variables.clone();
        variables.insert("ROLES", roles.to_owned());
        let log = self.folder.join(format!("{name}.log"));
        let mut replica = Replica { name, variables, port: free_port()?, address: String::new(), log, process: None };
        replica.begin()?;
        self.replicas.push(replica);
        Ok(())
    }

    /// Where the APIs answer, running or not.
    pub fn bases(&self) -> Vec<String> {
        let apis = self.replicas.iter().filter(|replica| replica.name.starts_with("api"));
        apis.map(|replica| format!("http://{}", replica.address)).collect()
    }

    /// A token of a tenant's super admin.
    pub fn dashboard_token(&self, tenant: &str) -> anyhow::Result<String> {
        let jwt = Jwt::from_pem(&self.jwt_private_key, "diolkos".to_owned())?;
        let (permissions, ttl) = (["waas", "waas:super_admin"], Duration::from_secs(24 * 3600));
        let token = jwt.issue_dashboard(tenant.parse()?, "soak", &permissions, ttl, chrono::Utc::now())?;
        Ok(token.expose_secret().to_owned())
    }

    /// A superuser's connection.
    pub async fn sql(&self) -> anyhow::Result<PgConnection> {
        let postgres = self.postgres.as_ref().context("Postgres does not run")?;
        let options: PgConnectOptions = postgres.url("postgres", "diolkos").parse()?;
        Ok(options.connect().await?)
    }

    /// The chain.
    pub fn provider(&self) -> anyhow::Result<RootProvider> {
        let anvil = self.anvil.as_ref().context("anvil does not run")?;
        Ok(ProviderBuilder::default().connect_http(anvil.url().parse()?))
    }

    /// Postgres ends, by `kill -9` or in order, and comes back.
    pub async fn postgres_restarted(&mut self, by_kill: bool, away: Duration) -> anyhow::Result<()> {
        let postgres = self.postgres.take().context("Postgres does not run")?;
        if by_kill {
            signal("KILL", postgres.pid())?;
            postgres.ended().await;
            drop(postgres);
        } else {
            postgres.stop().await?;
        }
        tokio::time::sleep(away).await;
        self.postgres = Some(Postgres::start(&self.folder.join("postgres")).await.context("Postgres, again")?);
        Ok(())
    }

    /// The node ends in order, with its state but without its mempool, and comes back. (After `kill -9` anvil would lose
    /// blocks that were final, which no chain does.)
    pub async fn chain_restarted(&mut self, away: Duration) -> anyhow::Result<()> {
        self.anvil.take().context("anvil does not run")?.stop().await?;
        tokio::time::sleep(away).await;
        self.anvil = Some(Anvil::start(self.anvil_options.clone()).await.context("anvil, again")?);
        Ok(())
    }

    /// The node hangs: it takes connections and does not answer.
    pub async fn chain_paused(&mut self, time: Duration) -> anyhow::Result<()> {
        let pid = self.anvil.as_ref().context("anvil does not run")?.pid();
        signal("STOP", pid)?;
        tokio::time::sleep(time).await;
        signal("CONT", pid)
    }

    /// The newest blocks are replaced by empty ones. False when anvil refuses: after a restart it knows no earlier states.
    pub async fn reorg(&mut self, depth: u64) -> anyhow::Result<bool> {
        let anvil = self.anvil.as_ref().context("anvil does not run")?;
        anvil.stop_mining().await?;
        let no_transactions: [(); 0] = [];
        // One more, for the block that was mined just now.
        let dropped = (depth + 1, no_transactions);
        let done = self.provider()?.raw_request::<_, ()>("anvil_reorg".into(), dropped).await;
        anvil.mine_every(BLOCK_SECONDS).await?;
        Ok(done.is_ok())
    }

    /// Runs `diolkos` with the same configuration; whether it succeeded, and what it said. `None` for a command that this
    /// binary does not have.
    pub async fn command(&self, arguments: &[&str]) -> anyhow::Result<Option<(bool, String)>> {
        let mut variables = self.variables.clone();
        variables.insert("ROLES", "api".to_owned());
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_diolkos"));
        let output = command.args(arguments).env_clear().envs(variables).output().await?;
        // What clap ends with when it knows no such command.
        if output.status.code() == Some(2) {
            return Ok(None);
        }
        let said = [output.stdout, output.stderr].concat();
        Ok(Some((output.status.success(), String::from_utf8_lossy(&said).trim().to_owned())))
    }

    /// Ends everything; the data goes only after a clean run.
    pub async fn stop(mut self, clean: bool) -> anyhow::Result<()> {
        for replica in &mut self.replicas {
            replica.stop().await?;
        }
        if let Some(anvil) = self.anvil.take() {
            anvil.stop().await?;
        }
        if let Some(postgres) = self.postgres.take() {
            postgres.stop().await?;
        }
        if clean {
            Postgres::remove(&self.folder.join("postgres")).await?;
            std::fs::remove_dir_all(&self.folder)?;
        }
        Ok(())
    }
}

fn variables(postgres: &Postgres, anvil: &Anvil, contracts: &Contracts) -> Variables {
    let fixed = [
        ("CHAIN_ID", "137"),
        ("RPC_TIMEOUT_MS", "2000"),
        ("CONFIRMATIONS", &CONFIRMATIONS.to_string()),
        ("LANE_LEASE_SECONDS", &LEASE.as_secs().to_string()),
        ("REPLACE_AFTER_BLOCKS", "6"),
        ("MIN_TIP_GWEI", "1"),
        ("ENGINE_POLL_MS", "100"),
        ("RATE_LIMIT_PER_SECOND", "100000"),
        ("RATE_LIMIT_BURST", "100000"),
        ("FX_RATES", "XOF:560.5"),
        ("PAYOUT_PROVIDER", "simulator"),
        ("PAYOUT_REFUND_AFTER_SECONDS", "5"),
        ("RUST_LOG", "info"),
        ("LOG_FORMAT", "text"),
    ];
    let mut variables: Variables = fixed.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
    variables.extend([
        ("DATABASE_URL", postgres.server_url("diolkos")),
        ("RPC_URLS", anvil.url()),
        ("TOKENS", format!("USDC:{}:6,USDT:{}:6", contracts.usdc, contracts.usdt)),
        ("TREASURY_IMPLEMENTATION", contracts.account_implementation_7702.to_string()),
        ("MASTER_KEY", key(&PrivateKeySigner::random())),
        ("WALLET_OWNER_KEYS", key(&PrivateKeySigner::random())),
    ]);
    variables
}

fn key(signer: &PrivateKeySigner) -> String {
    hex::encode(signer.to_bytes())
}

fn signal(name: &str, pid: u32) -> anyhow::Result<()> {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status()?;
    ensure!(sent.success(), "process {pid} cannot be sent {name}");
    Ok(())
}
