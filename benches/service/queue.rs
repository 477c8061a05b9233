//! A queue of deposits that is let loose: an API that accepts them while the worker is held, then the worker alone
//! against the clock.

use std::time::Duration;

use alloy::primitives::Address;
use alloy::providers::Provider;
use alloy::rpc::types::Filter;
use alloy::sol_types::SolEvent;
use anyhow::{bail, ensure};
use diolkos::chain::contracts::IERC20::Transfer;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::Instant;

use super::Bench;
use super::chain::Chain;
use super::load::{Load, Until};
use super::process::Process;
use super::request::Request;
use super::server::Configuration;
use super::tenant::Tenant;

/// How long the settling may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(300);

/// Deposits before the clock starts. They go to the first wallets, those that are measured to the next ones.
pub const WARM_UP: u64 = 100;

/// Customers before the tables' statistics are made for the first time.
const FIRST: u64 = 1_000;

/// What is queued: how it is asked for, where it is settled, and how the chain shows it.
pub struct Work {
    pub request: Request,
    /// The table whose rows become `SETTLED`.
    pub table: &'static str,
    /// Its `Transfer` events.
    pub moved: Filter,
    /// Asked for so far.
    asked: u64,
}

impl Work {
    /// None of it is asked for yet.
    pub fn new(request: Request, table: &'static str, moved: Filter) -> Self {
        let moved = moved.event_signature(Transfer::SIGNATURE_HASH);
        Self { request, table, moved, asked: 0 }
    }
}

/// An API and a worker, two processes, with one tenant whose customers' wallets are known.
pub struct Queue {
    pub chain: Chain,
    pub wallets: Vec<Address>,
    pub tenant: Tenant,
    pub sql: PgConnection,
    pub api: Process,
    worker: Process,
    database: String,
}

impl Queue {
    /// Opens one for so many customers; `change` says how its servers differ from the usual configuration.
    pub async fn open(
        bench: &Bench,
        chain: Chain,
        customers: u64,
        change: impl FnOnce(Configuration) -> Configuration,
    ) -> anyhow::Result<Self> {
        let database = bench.world.database().await?;
        let configuration = change(Configuration::new(&bench.world, &database, &chain, "api")?);
        let api = configuration.start(&bench.log("api")).await?;
        let tenant = Tenant::new(&api, &configuration, "acme").await?;
        let mut sql = bench.world.superuser(&database).await?;
        let first = customers.min(FIRST);
        tenant.provision(&api, 0..first).await?;
        // As autovacuum does within a minute of a server's life.
        sqlx::query("analyze").execute(&mut sql).await?;
        tenant.provision(&api, first..customers).await?;
        let addresses: Vec<Vec<u8>> =
            sqlx::query_scalar("select address from wallet order by id").fetch_all(&mut sql).await?;
        let wallets: Vec<Address> = addresses.iter().map(|bytes| Address::from_slice(bytes)).collect();
        ensure!(wallets.len() as u64 == customers, "{} wallets, not {customers}", wallets.len());
        let worker = configuration.with("ROLES", "worker").start(&bench.log("worker")).await?;
        Ok(Self { chain, wallets, tenant, sql, api, worker, database })
    }

    /// Deposits to the wallets in turn.
    pub fn deposits(&self) -> Work {
        let from_treasury = Filter::new().address(self.chain.contracts.usdc).topic1(self.chain.treasury.address());
        Work::new(self.tenant.fund(self.wallets.len() as u64), "deposit", from_treasury)
    }

    /// Settles a few, so that lanes are leased, the treasury is delegated and gas is known, and has the tables' statistics
    /// made, as autovacuum has them made within a minute of a server's life.
    pub async fn warm_up(&mut self, work: &mut Work) -> anyhow::Result<()> {
        self.ask(work, WARM_UP).await?;
        self.until_settled(work, WARM_UP).await?;
        // What still follows the settlement.
        tokio::time::sleep(Duration::from_secs(2)).await;
        sqlx::query("analyze").execute(&mut self.sql).await?;
        Ok(())
    }

    /// Holds the worker, queues so much work, lets it go right after a block; the time until the last is settled.
    pub async fn settle(&mut self, work: &mut Work, count: u64) -> anyhow::Result<Duration> {
        let before = self.settled(work).await?;
        let moved_before = self.moved(work).await?;
        self.worker.signal("STOP")?;
        let queued = self.ask(work, count).await;
        if queued.is_ok() {
            self.chain.next_block().await?;
        }
        self.worker.signal("CONT")?;
        queued?;
        let started = Instant::now();
        self.until_settled(work, before + count).await?;
        let took = started.elapsed();
        let moved = self.moved(work).await? - moved_before;
        ensure!(moved == count, "the chain shows {moved} transfers for {count} of table {}", work.table);
        Ok(took)
    }

    async fn ask(&mut self, work: &mut Work, count: u64) -> anyhow::Result<()> {
        let requests = [work.request.clone()];
        let address = &self.api.address;
        let load = Load { address, requests: &requests, expected: 202, connections: 64, first: work.asked };
        work.asked = load.closed(Until::Count(count)).await?.next;
        Ok(())
    }

    async fn settled(&mut self, work: &Work) -> anyhow::Result<u64> {
        let query = format!("select count(*) from {} where status = 'SETTLED'", work.table);
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut self.sql).await?;
        Ok(count as u64)
    }

    /// Counts only when nothing is under way: counting takes the machine from what is measured.
    async fn until_settled(&mut self, work: &Work, count: u64) -> anyhow::Result<()> {
        let started = Instant::now();
        while self.is_busy().await? || self.settled(work).await? < count {
            if started.elapsed() > PATIENCE {
                bail!("{} of {count} of table {} are settled", self.settled(work).await?, work.table);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Whether an operation has no outcome yet, or one that is not noted.
    async fn is_busy(&mut self) -> anyhow::Result<bool> {
        let query = "select exists (select from chain_op where state = 'waiting' and mode = 'live')
            or exists (select from chain_news)";
        Ok(sqlx::query_scalar(query).fetch_one(&mut self.sql).await?)
    }

    /// Transfers of this work that the chain shows; asked for in pieces, because anvil's answers can be large.
    async fn moved(&self, work: &Work) -> anyhow::Result<u64> {
        let head = self.chain.provider.get_block_number().await?;
        let mut moved = 0;
        for first in (0..=head).step_by(10) {
            let filter = work.moved.clone().from_block(first).to_block((first + 9).min(head));
            moved += self.chain.provider.get_logs(&filter).await?.len() as u64;
        }
        Ok(moved)
    }

    /// Ends both processes, the chain and the database.
    pub async fn close(self, bench: &Bench) -> anyhow::Result<()> {
        self.worker.stop().await?;
        self.api.stop().await?;
        self.chain.stop().await?;
        sqlx::Connection::close(self.sql).await?;
        bench.world.drop_database(&self.database).await
    }
}
