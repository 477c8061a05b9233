//! A local chain that mines by the clock and knows EIP-7702.
//!
//! Never by transaction ("automine"): with many requests in flight anvil 1.7.1 then livelocks or loses transactions.

mod state;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use alloy::providers::Provider;
use anyhow::{Context, bail};

use self::state::State;
use super::child::{Child, Service};
use super::claim::Claim;
use super::identity::Identity;
use super::{paths, rpc};

/// Writing a large state takes a while.
const GRACE: Duration = Duration::from_secs(20);
/// Reading one too: half a second for 38,000 blocks.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// Polygon's block.
const BLOCK_GAS: u64 = 140_000_000;

/// How a chain is run.
#[derive(Debug, Clone)]
pub struct AnvilOptions {
    /// The file that keeps the chain from one start to the next; none for a chain that is forgotten.
    pub state: Option<PathBuf>,
    /// The port, 0 to pick a free one.
    pub port: u16,
    /// Seconds from block to block; fractions are sound.
    pub block_time: f64,
    /// The chain's id, which must be the same at every start.
    pub chain_id: u64,
    /// A hardfork's name, or anvil's newest.
    pub hardfork: Option<String>,
    /// How many past states stay readable, for reorgs (`anvil_reorg`) and calls at past blocks, at a cost in memory and
    /// disk that grows with the chain. With 0 only the latest state can be read. Blocks, receipts and logs always can.
    pub past_states: u32,
    /// Where anvil's messages go; nowhere if none.
    pub log: Option<PathBuf>,
    /// More of anvil's arguments.
    pub arguments: Vec<String>,
}

impl Default for AnvilOptions {
    fn default() -> Self {
        AnvilOptions {
            state: None,
            port: 0,
            block_time: 1.0,
            chain_id: 137,
            hardfork: None,
            past_states: 0,
            log: None,
            arguments: Vec::new(),
        }
    }
}

/// A running chain. Dropping it ends it without waiting.
#[derive(Debug)]
pub struct Anvil {
    child: Child,
    port: u16,
    state: Option<State>,
    _claim: Option<Claim>,
}

impl Anvil {
    /// Starts a chain and waits until it answers. One that an earlier run left behind on the same state is ended first.
    pub async fn start(options: AnvilOptions) -> anyhow::Result<Anvil> {
        let program = paths::anvil_program()?;
        let (claim, state) = match &options.state {
            Some(file) => {
                let (claim, state) = State::claim(file).await?;
                state.end_running(GRACE).await?;
                (Some(claim), Some(state))
            }
            None => (None, None),
        };
        match launch(&program, &options, state.as_ref()).await {
            Err(error) if state.as_ref().is_some_and(State::restore) => {
                tracing::warn!(%error, "the chain's state was cut short by a kill; its last whole copy is used");
                let (child, port) = launch(&program, &options, state.as_ref()).await?;
                Ok(Anvil::running(child, port, state, claim))
            }
            launched => {
                let (child, port) = launched?;
                Ok(Anvil::running(child, port, state, claim))
            }
        }
    }

    fn running(child: Child, port: u16, state: Option<State>, claim: Option<Claim>) -> Anvil {
        Anvil { child, port, state: state.map(State::keeping_copies), _claim: claim }
    }

    /// Where it answers JSON-RPC.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port; give it to the next start to keep the address stable.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Waits until it has ended, by whatever cause.
    pub async fn ended(&self) -> std::process::ExitStatus {
        self.child.wait().await
    }

    /// Ends it and waits until its state is written.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(state) = &mut self.state {
            state.stop_copying().await;
            // A node that hangs cannot be asked; it is ended all the same.
            let _ = tokio::time::timeout(GRACE, self.stop_mining()).await;
        }
        self.child.stop().await
    }

    /// Mines by the clock again, a block in so many seconds.
    pub async fn mine_every(&self, seconds: u64) -> anyhow::Result<()> {
        rpc::local(&self.url())?.raw_request::<_, ()>("evm_setIntervalMining".into(), (seconds,)).await?;
        Ok(())
    }

    /// No block is mined by the clock from now on; one more is mined at once, behind the one that may be under way. Anvil
    /// 1.7.1 has to be left alone while it writes its state or is reorganised: a block in between is built upon, and missing
    /// afterwards.
    pub async fn stop_mining(&self) -> anyhow::Result<()> {
        let provider = rpc::local(&self.url())?;
        provider.raw_request::<_, ()>("evm_setIntervalMining".into(), (0,)).await?;
        provider.raw_request::<_, String>("evm_mine".into(), ()).await?;
        Ok(())
    }

    /// Ends what runs on a state file and removes it. Fails when a living process uses it.
    pub async fn remove(state: &Path) -> anyhow::Result<()> {
        let (_claim, state) = State::claim(state).await?;
        state.end_running(GRACE).await?;
        state.remove()
    }
}

/// Starts anvil; a free port may be taken by somebody else before anvil has it, so another one is tried then.
async fn launch(program: &Path, options: &AnvilOptions, state: Option<&State>) -> anyhow::Result<(Child, u16)> {
    let mut attempts = if options.port == 0 { 5 } else { 1 };
    loop {
        attempts -= 1;
        let port = match options.port {
            0 => TcpListener::bind("127.0.0.1:0")?.local_addr()?.port(),
            port => port,
        };
        if TcpListener::bind(("127.0.0.1", port)).is_err() {
            bail!("port {port}, which the local chain needs, is in use by another program");
        }
        let log = options.log.clone().unwrap_or_else(|| PathBuf::from("/dev/null"));
        let child = Child::start(Service {
            name: "anvil",
            program,
            arguments: arguments(options, port, state),
            environment: Vec::new(),
            log: &log,
            folder: Path::new("/"),
            identity: Identity::Ourselves,
            grace: GRACE,
        })?;
        if let Some(state) = state {
            state.write_pid(child.pid())?;
        }
        match answers(&child, port, options.chain_id).await {
            Ok(()) => return Ok((child, port)),
            // 1 is a port in use; 2 arguments or a state that it cannot read.
            Err(_) if attempts > 0 && child.ended().and_then(|status| status.code()) == Some(1) => {}
            Err(error) => return Err(error.context(format!("anvil does not start; its log is {}", log.display()))),
        }
    }
}

fn arguments(options: &AnvilOptions, port: u16, state: Option<&State>) -> Vec<String> {
    let mut arguments: Vec<String> = ["--host", "127.0.0.1", "--quiet", "--enable-tx-gas-limit"].map(Into::into).into();
    let mut set = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
    set("--port", port.to_string());
    set("--chain-id", options.chain_id.to_string());
    set("--block-time", options.block_time.to_string());
    set("--gas-limit", BLOCK_GAS.to_string());
    if let Some(hardfork) = &options.hardfork {
        set("--hardfork", hardfork.clone());
    }
    match state {
        Some(state) => state.arguments(&mut set),
        None => set("--cache-path", std::env::temp_dir().join(format!("diolkos-anvil-{port}")).display().to_string()),
    }
    if options.past_states > 0 {
        set("--max-persisted-states", options.past_states.to_string());
    } else {
        arguments.push("--prune-history".to_owned());
    }
    arguments.extend(options.arguments.iter().cloned());
    arguments
}

async fn answers(child: &Child, port: u16, chain_id: u64) -> anyhow::Result<()> {
    let provider = rpc::local(&format!("http://127.0.0.1:{port}"))?;
    let started = Instant::now();
    loop {
        if let Some(status) = child.ended() {
            bail!("it ended ({status})");
        }
        match tokio::time::timeout(Duration::from_secs(5), provider.get_chain_id()).await {
            Ok(Ok(id)) if id == chain_id => break,
            Ok(Ok(id)) => bail!("port {port} answers for chain {id}, not {chain_id}"),
            answer if started.elapsed() > START_DEADLINE => {
                let _ = answer.context("no answer")?.context("no answer")?;
            }
            _ => tokio::time::sleep(Duration::from_millis(15)).await,
        }
    }
    // Ignored as an argument once a state is loaded.
    let limit = (alloy::primitives::U64::from(BLOCK_GAS),);
    provider.raw_request::<_, bool>("evm_setBlockGasLimit".into(), limit).await.context("block gas limit")?;
    Ok(())
}
