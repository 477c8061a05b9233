//! Alto, a bundler that others wrote, as a process beside the tests: one for all tests of a run, or one of a test's own.
//! The benchmarks compare with it too.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use alloy::primitives::U256;
use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, bail};
use diolkos::chain::entry_point::ENTRY_POINT;
use diolkos::dev::child::{Child, Service};
use diolkos::dev::{contracts, paths};
use serde_json::{Value, json};

/// A running Alto. Ends with this value, and at the latest with this process.
pub struct Alto {
    child: Child,
    pub url: String,
}

impl Alto {
    /// Starts one with so many executors on a free port, for a chain of this block time, and waits until it answers.
    pub async fn start(rpc_url: &str, block_time: Duration, executors: usize, log: &Path) -> anyhow::Result<Self> {
        let keys: Vec<PrivateKeySigner> = (0..=executors).map(|_| PrivateKeySigner::random()).collect();
        for key in &keys {
            contracts::give_native(rpc_url, key.address(), U256::from(10).pow(U256::from(22))).await?;
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = folder()?;
        let child = Child::start(Service {
            name: "alto",
            program: &node(&folder)?,
            arguments: arguments(&folder, rpc_url, port, block_time, &keys),
            environment: vec![("NODE_ENV", "production".to_owned())],
            log,
            folder: &folder,
            identity: diolkos::dev::identity::Identity::Ourselves,
            grace: Duration::from_secs(2),
        })?;
        let alto = Self { child, url: format!("http://127.0.0.1:{port}/v2/rpc") };
        alto.answers(log).await?;
        Ok(alto)
    }

    /// Ends it, and with it all that it remembers.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.child.stop().await
    }

    async fn answers(&self, log: &Path) -> anyhow::Result<()> {
        let started = Instant::now();
        let client = reqwest::Client::builder().no_proxy().build()?;
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_supportedEntryPoints", "params": []});
        loop {
            if let Some(status) = self.child.ended() {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                let end: Vec<&str> = said.lines().rev().take(5).collect();
                bail!("Alto ended ({status}); it wants Node 18.20, 20.10 or newer, and says: {end:?}");
            }
            if let Ok(answer) = client.post(&self.url).json(&call).send().await
                && let Ok(answer) = answer.json::<Value>().await
                && answer["result"][0].as_str().is_some()
            {
                return Ok(());
            }
            if started.elapsed() > Duration::from_secs(60) {
                bail!("Alto does not answer; its log is {}", log.display());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The first key is the utility's, the others are executors'.
fn arguments(folder: &Path, rpc_url: &str, port: u16, block_time: Duration, keys: &[PrivateKeySigner]) -> Vec<String> {
    let mut keys = keys.iter().map(|key| format!("0x{}", hex::encode(key.to_bytes())));
    let utility = keys.next().unwrap_or_default();
    let program = folder.join("node_modules/@pimlico/alto/esm/cli/alto.js");
    let mut arguments = vec!["--require".to_owned(), folder.join("local-only.cjs").display().to_string()];
    arguments.extend([program.display().to_string(), "run".to_owned()]);
    let mut set = |name: &str, value: String| arguments.extend([format!("--{name}"), value]);
    set("rpc-url", rpc_url.to_owned());
    set("port", port.to_string());
    set("entrypoints", ENTRY_POINT.to_string());
    set("executor-private-keys", keys.collect::<Vec<_>>().join(","));
    set("utility-private-key", utility);
    set("min-executor-balance", "1".to_owned());
    // Its tracer does not work against anvil.
    set("safe-mode", "false".to_owned());
    set("default-api-version", "v2".to_owned());
    set("enforce-unique-senders-per-bundle", "false".to_owned());
    set("mempool-max-parallel-ops", "1000".to_owned());
    set("block-time", block_time.as_millis().to_string());
    set("max-bundle-interval", "250".to_owned());
    set("log-level", "warn".to_owned());
    set("json", "true".to_owned());
    arguments
}

pub fn folder() -> anyhow::Result<PathBuf> {
    let folder = paths::root()?.join("dev/bundler");
    if !folder.join("node_modules/@pimlico/alto").is_dir() {
        bail!("{} has no Alto: run script/setup --tests", folder.display());
    }
    Ok(folder)
}

/// The Node that is pinned beside Alto, which needs a newer one than some machines have; or else the machine's, because
/// services do not get our `PATH`.
pub fn node(folder: &Path) -> anyhow::Result<PathBuf> {
    let pinned = std::fs::read_dir(folder.join("node_modules"))?.flatten();
    let pinned = pinned.filter(|package| package.file_name().to_string_lossy().starts_with("node-"));
    if let Some(program) = pinned.map(|package| package.path().join("bin/node")).find(|program| program.is_file()) {
        return Ok(program);
    }
    let path = std::env::var_os("PATH").context("there is no PATH")?;
    let mut places = std::env::split_paths(&path).map(|folder| folder.join("node"));
    places.find(|program| program.is_file()).context("there is no node in PATH")
}
