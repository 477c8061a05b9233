//! Baselines: what Postgres alone does, measured by `pgbench` on the same server.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;
use sqlx::Executor;
use tokio::process::Command;

use super::world::World;

/// What a baseline does in each transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// Updates one row, always the same, and inserts one.
    HotRow,
    /// Updates one of 10,000 rows and inserts one.
    Spread,
    /// Inserts one row.
    Insert,
}

impl Baseline {
    /// Its script; sent as prepared statements, which is the fastest that `pgbench` does.
    fn script(self) -> &'static str {
        match self {
            Baseline::HotRow => {
                "begin;\nupdate account set balance = balance - 1 where id = 1;\n\
                 insert into entry (account, amount) values (1, 1);\nend;\n"
            }
            Baseline::Spread => {
                "\\set account random(1, 10000)\nbegin;\n\
                 update account set balance = balance - 1 where id = :account;\n\
                 insert into entry (account, amount) values (:account, 1);\nend;\n"
            }
            Baseline::Insert => {
                "\\set account random(1, 10000)\ninsert into entry (account, amount) values (:account, 1);\n"
            }
        }
    }
}

/// Clients of a baseline.
const CLIENTS: &str = "16";

const TABLES: &str = "
    create table account (id int primary key, balance bigint not null) with (fillfactor = 50);
    insert into account select id, 0 from generate_series(1, 10000) id;
    create table entry (
        id bigint generated always as identity primary key, account int not null, amount bigint not null,
        created_at timestamptz not null default now());
    analyze account;";

/// A `pgbench` and the folder for what it writes.
pub struct Pgbench {
    program: PathBuf,
    folder: PathBuf,
}

impl Pgbench {
    /// The one that `script/bench` has found, or that is in `PATH`.
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        let folder = folder.join("pgbench");
        std::fs::create_dir_all(&folder)?;
        Ok(Self { program: std::env::var_os("PGBENCH").unwrap_or_else(|| "pgbench".into()).into(), folder })
    }

    /// What it says its version is.
    pub async fn version(&self) -> anyhow::Result<String> {
        let output = Command::new(&self.program).arg("--version").output().await.context("pgbench cannot be run")?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Transactions a second.
    pub async fn rate(&self, world: &World, baseline: Baseline, measured: Duration) -> anyhow::Result<f64> {
        let said = self.run(world, baseline, measured, &[]).await?;
        let line = said.lines().find_map(|line| line.strip_prefix("tps = ")).context("pgbench names no tps")?;
        Ok(line.split(' ').next().unwrap_or_default().parse()?)
    }

    /// Latencies in microseconds at a rate, counted from when a transaction was due.
    pub async fn latencies(
        &self,
        world: &World,
        baseline: Baseline,
        measured: Duration,
        per_second: f64,
    ) -> anyhow::Result<Histogram<u64>> {
        let logs = self.folder.join("latency");
        if logs.exists() {
            std::fs::remove_dir_all(&logs)?;
        }
        std::fs::create_dir_all(&logs)?;
        let rate = format!("--rate={per_second:.0}");
        let prefix = format!("--log-prefix={}", logs.join("log").display());
        self.run(world, baseline, measured, &[&rate, "--log", &prefix]).await?;
        let mut latencies = Histogram::new(3)?;
        for log in std::fs::read_dir(&logs)? {
            for line in std::fs::read_to_string(log?.path())?.lines() {
                // client, transaction, latency, script, time, microseconds, lag
                let latency = line.split(' ').nth(2).context("a line of pgbench's log without a latency")?;
                latencies.record(latency.parse()?)?;
            }
        }
        ensure!(!latencies.is_empty(), "pgbench has logged nothing");
        Ok(latencies)
    }

    /// Runs it in a database of its own, which is dropped afterwards; what it prints.
    async fn run(
        &self,
        world: &World,
        baseline: Baseline,
        measured: Duration,
        more: &[&str],
    ) -> anyhow::Result<String> {
        let database = world.empty_database().await?;
        let mut superuser = world.superuser(&database).await?;
        superuser.execute(TABLES).await?;
        let script = self.folder.join("script.sql");
        std::fs::write(&script, baseline.script())?;
        // Without a connection that lingers: dropping the database needs it to itself.
        sqlx::Connection::close(superuser).await?;
        let output = Command::new(&self.program)
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=2", "--client", CLIENTS])
            .arg(format!("--time={}", measured.as_secs().max(1)))
            .args(more)
            .arg("--file")
            .arg(&script)
            .arg("--host")
            .arg(world.socket_folder())
            .args(["--username=postgres", &database])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("pgbench cannot be run")?;
        world.drop_database(&database).await?;
        if !output.status.success() {
            bail!("pgbench failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}
