//! A queue of deposits that is let loose: an API that accepts them while the worker is held, then the worker alone
//! against the clock.

use std::time::Duration;

use alloy::primitives::Address;
use alloy::providers::Provider;
use alloy::rpc::types::Filter;
use alloy::sol_types::SolEvent;
use anyhow::{bail, ensure};
use diolkos::chain::contracts::IERC20::Transfer;
use sqlx::PgConnection;
use tokio::time::Instant;

use super::Bench;
use super::chain::Chain;
use super::load::{Load, Until};
use super::request::Request;
use super::server::{Configuration, Server};
use super::tenant::Tenant;

/// How long nothing may settle before the run is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Deposits before the clock starts. They go to the first wallets, those that are measured to the next ones.
pub const WARM_UP: u64 = 100;

/// An API and a worker, two processes, with one tenant whose customers' wallets are known.
pub struct Queue {
    pub chain: Chain,
    pub wallets: Vec<Address>,
    pub sql: PgConnection,
    api: Server,
    worker: Server,
    database: String,
    request: Request,
    /// Deposits asked for so far.
    asked: u64,
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
        let api = Server::start(&configuration, &bench.log("api")).await?;
        let tenant = Tenant::new(&api, &configuration, "acme").await?;
        tenant.provision(&api, customers).await?;
        let mut sql = bench.world.superuser(&database).await?;
        let addresses: Vec<Vec<u8>> =
            sqlx::query_scalar("select address from wallet order by id").fetch_all(&mut sql).await?;
        let wallets: Vec<Address> = addresses.iter().map(|bytes| Address::from_slice(bytes)).collect();
        ensure!(wallets.len() as u64 == customers, "{} wallets, not {customers}", wallets.len());
        let worker = Server::start(&configuration.with("ROLES", "worker"), &bench.log("worker")).await?;
        Ok(Self { chain, wallets, sql, api, worker, database, request: tenant.fund(customers), asked: 0 })
    }

    /// Settles a few, so that lanes are leased, the treasury is delegated and gas is known.
    pub async fn warm_up(&mut self) -> anyhow::Result<()> {
        self.ask(WARM_UP).await?;
        self.until_settled(WARM_UP).await?;
        // What still follows the settlement.
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(())
    }

    /// Holds the worker, queues so many deposits, lets it go right after a block; the time until the last is settled.
    pub async fn settle(&mut self, count: u64) -> anyhow::Result<Duration> {
        let before = self.settled().await?;
        let paid_before = self.paid().await?;
        self.worker.signal("STOP")?;
        let queued = self.ask(count).await;
        if queued.is_ok() {
            self.chain.next_block().await?;
        }
        self.worker.signal("CONT")?;
        queued?;
        let started = Instant::now();
        self.until_settled(before + count).await?;
        let took = started.elapsed();
        let paid = self.paid().await? - paid_before;
        ensure!(paid == count, "{paid} transfers left the treasury for {count} deposits");
        Ok(took)
    }

    async fn ask(&mut self, count: u64) -> anyhow::Result<()> {
        let requests = [self.request.clone()];
        let load = Load {
            address: &self.api.address,
            requests: &requests,
            expected: 202,
            connections: 64,
            first: self.asked,
        };
        self.asked = load.closed(Until::Count(count)).await?.next;
        Ok(())
    }

    async fn settled(&mut self) -> anyhow::Result<u64> {
        let count: i64 = sqlx::query_scalar("select count(*) from deposit where status = 'SETTLED'")
            .fetch_one(&mut self.sql)
            .await?;
        Ok(count as u64)
    }

    async fn until_settled(&mut self, count: u64) -> anyhow::Result<()> {
        let (mut last, mut moved) = (0, Instant::now());
        loop {
            let settled = self.settled().await?;
            if settled >= count {
                return Ok(());
            }
            if settled != last {
                (last, moved) = (settled, Instant::now());
            }
            if moved.elapsed() > PATIENCE {
                bail!("{settled} of {count} deposits are settled, and nothing moves");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Transfers that the chain says have left the treasury.
    async fn paid(&self) -> anyhow::Result<u64> {
        let head = self.chain.provider.get_block_number().await?;
        let mut paid = 0;
        for first in (0..=head).step_by(10) {
            let filter = Filter::new()
                .address(self.chain.contracts.usdc)
                .event_signature(Transfer::SIGNATURE_HASH)
                .topic1(self.chain.treasury.address().into_word())
                .from_block(first)
                .to_block((first + 9).min(head));
            paid += self.chain.provider.get_logs(&filter).await?.len() as u64;
        }
        Ok(paid)
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
