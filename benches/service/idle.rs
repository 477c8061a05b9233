//! A system with nothing else to do: how soon a deposit is settled, and how much memory the server takes.

use std::time::Duration;

use anyhow::{Context, bail};
use hdrhistogram::Histogram;
use reqwest::Client;
use serde_json::json;
use tokio::time::Instant;

use super::Bench;
use super::chain::{Chain, POLYGON_BLOCK};
use super::load::Load;
use super::process::Process;
use super::server::Configuration;
use super::table::{Row, Target};
use super::tenant::{Tenant, ask};

/// Customers of the one tenant.
const CUSTOMERS: u64 = 100;

/// The usual time from block to block.
const BLOCK_TIME: Duration = Duration::from_secs(1);

/// What a server does when it is not told.
const ALL_ROLES: &str = "";

/// One process that does everything, as `diolkos serve` does by default.
struct Whole {
    chain: Chain,
    server: Process,
    tenant: Tenant,
    database: String,
}

impl Whole {
    async fn open(bench: &Bench, change: impl FnOnce(Configuration) -> Configuration) -> anyhow::Result<Self> {
        let database = bench.world.database().await?;
        let chain = Chain::start(POLYGON_BLOCK).await?;
        let configuration = change(Configuration::new(&bench.world, &database, &chain, ALL_ROLES)?);
        let server = configuration.start(&bench.log("whole")).await?;
        let tenant = Tenant::new(&server, &configuration, "acme").await?;
        tenant.provision(&server, 0..CUSTOMERS).await?;
        Ok(Self { chain, server, tenant, database })
    }

    async fn close(self, bench: &Bench) -> anyhow::Result<()> {
        self.server.stop().await?;
        self.chain.stop().await?;
        bench.world.drop_database(&self.database).await
    }

    /// Funds one customer and waits until that is settled.
    async fn settle_one(&self, client: &Client, number: u64) -> anyhow::Result<Duration> {
        let deposit = format!("idle_{number}");
        let body = json!({
            "phone_number": format!("+22507{:08}", number % CUSTOMERS),
            "deposit_id": deposit,
            "local_fiat_amount": "11000.00",
            "stablecoin_amount": "0.001",
            "target_token": "USDC",
        });
        let url = |path: &str| format!("http://{}{path}", self.server.address);
        let started = Instant::now();
        ask(client.post(url("/v1/users/fund")).header("x-api-key", &self.tenant.key).json(&body), 202).await?;
        let path = format!("/v1/dashboard/deposits/{deposit}");
        loop {
            let shown = ask(client.get(url(&path)).bearer_auth(&self.tenant.dashboard), 200).await?;
            if shown["status"] == "SETTLED" {
                return Ok(started.elapsed());
            }
            if started.elapsed() > Duration::from_secs(60) {
                bail!("a deposit on an idle system is {} after a minute", shown["status"]);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The median from asking to `SETTLED`, one deposit at a time, begun at no particular moment between blocks.
pub async fn settled(bench: &Bench) -> anyhow::Result<Row> {
    let deposits = if bench.quick { 8 } else { 40 };
    let whole = Whole::open(bench, |usual| usual.with("CONFIRMATIONS", 0)).await?;
    let client = Client::builder().no_proxy().build()?;
    // The first delegates the treasury.
    whole.settle_one(&client, 0).await?;
    let mut times = Histogram::<u64>::new(3)?;
    for number in 1..=deposits {
        tokio::time::sleep(BLOCK_TIME.mul_f64(0.3 + rand::random::<f64>())).await;
        times.record(whole.settle_one(&client, number).await?.as_millis() as u64)?;
    }
    whole.close(bench).await?;
    let median = times.value_at_quantile(0.5);
    let words = format!("{median} ms, 90 of 100 within {} ms", times.value_at_quantile(0.9));
    Ok(Row::ratio(
        "fund to SETTLED, p50, idle, CONFIRMATIONS=0",
        (median as f64, words),
        (BLOCK_TIME.as_millis() as f64, "1000 ms, the time from block to block".to_owned()),
        Target::AtMost(1.5),
    ))
}

/// Memory of a server that has started and rests, and the most that it takes while 256 connections fund and it settles.
pub async fn memory(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let whole = Whole::open(bench, |usual| usual).await?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (idle, _) = memory_of(&whole.server)?;
    let requests = [whole.tenant.fund(CUSTOMERS)];
    let load = Load { address: &whole.server.address, requests: &requests, expected: 202, connections: 256, first: 0 };
    let measured = load.closed(bench.period()).await?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (_, peak) = memory_of(&whole.server)?;
    whole.close(bench).await?;
    let row = |what: &str, kib: u64, most: f64, baseline: String| Row {
        what: what.to_owned(),
        value: kib as f64 / 1024.0,
        unit: "MiB",
        target: Target::AtMost(most),
        measured: "resident memory of one server in all roles".to_owned(),
        baseline,
    };
    Ok(vec![
        row("memory at idle", idle, 80.0, "–".to_owned()),
        row("memory at peak load", peak, 300.0, format!("at {:.0} funds/s by 256 connections", measured.rate())),
    ])
}

/// Its memory now and at its highest, in KiB (`VmRSS` and `VmHWM`).
fn memory_of(process: &Process) -> anyhow::Result<(u64, u64)> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.child.pid()))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such field")?;
        anyhow::Ok(line.trim().trim_end_matches(" kB").parse()?)
    };
    Ok((field("VmRSS:")?, field("VmHWM:")?))
}
