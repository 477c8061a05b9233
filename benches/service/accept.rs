//! Accepting deposits: how many a second, from one tenant and from a hundred.

use std::time::Duration;

use super::Bench;
use super::chain::{Chain, POLYGON_BLOCK};
use super::load::{Load, Measured, Until};
use super::pgbench::Baseline;
use super::process::Process;
use super::request::Request;
use super::server::Configuration;
use super::table::{Row, Target, per_second};
use super::tenant::Tenant;

/// Customers of each tenant.
const CUSTOMERS: u64 = 500;

/// A server that accepts and does nothing else, with tenants that can fund.
pub struct Counter {
    pub database: String,
    pub server: Process,
    pub requests: Vec<Request>,
    pub tenants: Vec<Tenant>,
    chain: Chain,
}

impl Counter {
    /// Opens one for so many tenants, each with so many customers.
    pub async fn open(bench: &Bench, tenants: usize, customers: u64) -> anyhow::Result<Self> {
        let database = bench.world.database().await?;
        let chain = Chain::start(POLYGON_BLOCK).await?;
        let configuration = Configuration::new(&bench.world, &database, &chain, "api")?;
        let server = configuration.start(&bench.log("api")).await?;
        let mut counter = Self { database, server, requests: Vec::new(), tenants: Vec::new(), chain };
        for index in 0..tenants {
            let tenant = Tenant::new(&counter.server, &configuration, &format!("tenant-{index}")).await?;
            tenant.provision(&counter.server, 0..customers).await?;
            counter.requests.push(tenant.fund(customers));
            counter.tenants.push(tenant);
        }
        Ok(counter)
    }

    /// Funds by so many connections, beginning with this number.
    pub fn load(&self, connections: usize, first: u64) -> Load<'_> {
        Load { address: &self.server.address, requests: &self.requests, expected: 202, connections, first }
    }

    /// Has some of these requests done and the tables' statistics made, as autovacuum has them made within a minute of a
    /// server's life; the number of the next request.
    async fn grow(&self, bench: &Bench, load: Load<'_>) -> anyhow::Result<u64> {
        let next = load.closed(Until::Count(2_000)).await?.next;
        sqlx::query("analyze").execute(&mut bench.world.superuser(&self.database).await?).await?;
        Ok(next)
    }

    /// Closes it; its database goes too.
    pub async fn close(self, bench: &Bench) -> anyhow::Result<()> {
        self.server.stop().await?;
        self.chain.stop().await?;
        bench.world.drop_database(&self.database).await
    }
}

/// Accepted funds a second, measured by so many connections.
async fn funds(bench: &Bench, tenants: usize, connections: usize) -> anyhow::Result<Measured> {
    let counter = Counter::open(bench, tenants, CUSTOMERS / tenants.min(50) as u64).await?;
    let next = counter.grow(bench, counter.load(connections, 0)).await?;
    let measured = counter.load(connections, next).closed(bench.period()).await?;
    counter.close(bench).await?;
    Ok(measured)
}

fn accepted(measured: &Measured) -> (f64, String) {
    let p99 = measured.p99().as_secs_f64() * 1000.0;
    (measured.rate(), format!("{}, p99 {p99:.1} ms", per_second(measured.rate())))
}

/// One tenant, whose treasury account is one hot row.
pub async fn one_tenant(bench: &Bench, connections: usize, target: Target) -> anyhow::Result<Row> {
    let baseline = bench.baseline(Baseline::HotRow).await?;
    let measured = funds(bench, 1, connections).await?;
    let what = format!("accepted funds/s, one tenant, {connections} connections");
    Ok(Row::ratio(&what, accepted(&measured), (baseline, format!("{}, hot row", per_second(baseline))), target))
}

/// A hundred tenants in turn.
pub async fn hundred_tenants(bench: &Bench) -> anyhow::Result<Row> {
    let baseline = bench.baseline(Baseline::Spread).await?;
    let measured = funds(bench, 100, 256).await?;
    let what = "accepted funds/s, 100 tenants, 256 connections";
    let baseline = (baseline, format!("{}, 10,000 rows", per_second(baseline)));
    Ok(Row::ratio(what, accepted(&measured), baseline, Target::AtLeast(1.0)))
}

/// Customers provisioned a second, by 64 connections.
pub async fn provision(bench: &Bench) -> anyhow::Result<Row> {
    let baseline = bench.baseline(Baseline::Insert).await?;
    let counter = Counter::open(bench, 1, 1).await?;
    let requests: Vec<Request> = counter.tenants.iter().map(|tenant| super::tenant::provision(&tenant.key)).collect();
    let load = |first| Load { requests: &requests, expected: 200, ..counter.load(64, first) };
    let next = counter.grow(bench, load(1_000)).await?;
    let measured = load(next).closed(bench.period()).await?;
    counter.close(bench).await?;
    let what = "provision/s, one tenant, 64 connections";
    let baseline = (baseline, format!("{}, one row inserted", per_second(baseline)));
    Ok(Row::ratio(what, accepted(&measured), baseline, Target::AtLeast(0.8)))
}

/// The 99th percentile at half of the rate that the server reached with 256 connections.
pub async fn at_half_of_the_peak(bench: &Bench) -> anyhow::Result<Row> {
    let counter = Counter::open(bench, 1, CUSTOMERS).await?;
    let next = counter.grow(bench, counter.load(256, 0)).await?;
    let peak = counter.load(256, next).closed(bench.period()).await?;
    let half = peak.rate() / 2.0;
    // As there is one within five minutes of a server's life: WAL files are used again from then on, and need not be made.
    sqlx::query("checkpoint").execute(&mut bench.world.superuser(&counter.database).await?).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let ours = counter.load(256, peak.next).at_rate(half, bench.period()).await?;
    counter.close(bench).await?;
    let theirs = bench.pgbench.latencies(&bench.world, Baseline::Spread, bench.measured(), half).await?;
    let (ours, rate) = (ours.p99().as_secs_f64() * 1000.0, ours.rate());
    let theirs = theirs.value_at_quantile(0.99) as f64 / 1000.0;
    let baseline = (theirs, format!("{theirs:.1} ms, 10,000 rows at the same rate"));
    let ours = (ours, format!("{ours:.1} ms at {}", per_second(rate)));
    Ok(Row::ratio("p99 of fund at half of the peak rate", ours, baseline, Target::AtMost(3.0)))
}

/// What a period of measuring is.
impl Bench {
    /// How long a rate is measured.
    pub fn measured(&self) -> Duration {
        Duration::from_secs(if self.quick { 3 } else { 15 })
    }

    /// The same after warming up.
    pub fn period(&self) -> Until {
        let warm_up = Duration::from_secs(if self.quick { 1 } else { 3 });
        Until::Time { warm_up, measured: self.measured() }
    }

    /// Transactions a second of a baseline, measured now: machines have moods.
    pub async fn baseline(&self, baseline: Baseline) -> anyhow::Result<f64> {
        self.pgbench.rate(&self.world, baseline, self.measured()).await
    }
}
