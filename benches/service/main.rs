//! What the service does in a second, as ratios to baselines that are measured beside it. Run by `script/bench`.
//!
//! The release binary serves in a process of its own, with a Postgres of default durability and an anvil that makes a
//! block a second. This process makes the load, on one thread, because all share the machine's cores: requests are
//! written beforehand, answers are read no further than their status, and any other status than the expected one ends
//! the run. Everything lives in a folder of the run's own and is gone afterwards.
//!
//! - Accepting is measured on a process of the role `api`, with the money and the customers there beforehand.
//! - Each row measures its own baseline right before, because machines have moods.
//! - A partial run (`--rows`, `--quick`) is printed and not written to `docs/BENCHMARKS.md`.

mod accept;
#[path = "../../tests/it/harness/alto.rs"]
mod alto;
mod chain;
mod full;
mod idle;
mod load;
mod machine;
mod pgbench;
mod process;
mod queue;
mod request;
mod server;
mod settle;
mod singles;
mod table;
mod tenant;
mod users;
mod world;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Parser;
use diolkos::dev::postgres::Postgres;

use self::pgbench::Pgbench;
use self::table::{Row, Target};
use self::world::World;

/// What to run.
#[derive(Parser)]
struct Options {
    /// Only these rows
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// Smaller sizes: shows that a row works, not how fast it is
    #[arg(long)]
    quick: bool,
    /// What cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// What rows are measured with.
pub struct Bench {
    world: World,
    pgbench: Pgbench,
    quick: bool,
    folder: PathBuf,
}

impl Bench {
    /// Where a process of this name logs.
    pub fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }
}

/// The rows in the table's order.
const ROWS: [&str; 12] = [
    "fund-64",
    "fund-256",
    "fund-100-tenants",
    "settle-30m",
    "settle-140m",
    "gas",
    "user-operations",
    "provision",
    "fund-p99",
    "idle",
    "full",
    "memory",
];

async fn measure(bench: &Bench, row: &str) -> Result<Vec<Row>> {
    Ok(match row {
        "fund-64" => vec![accept::one_tenant(bench, 64, Target::AtLeast(5.0)).await?],
        "fund-256" => vec![accept::one_tenant(bench, 256, Target::AtLeast(10.0)).await?],
        "fund-100-tenants" => vec![accept::hundred_tenants(bench).await?],
        "settle-30m" => settle::small_blocks(bench).await?,
        "settle-140m" => settle::large_blocks(bench).await?,
        "gas" => settle::gas(bench).await?,
        "user-operations" => vec![users::payments(bench).await?],
        "provision" => vec![accept::provision(bench).await?],
        "fund-p99" => vec![accept::at_half_of_the_peak(bench).await?],
        "idle" => vec![idle::settled(bench).await?],
        "full" => vec![full::accepted(bench).await?],
        "memory" => idle::memory(bench).await?,
        _ => bail!("there is no row {row}; there are {}", ROWS.join(", ")),
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    let rows: Vec<&str> = match options.rows.as_slice() {
        [] => ROWS.to_vec(),
        some => some.iter().map(String::as_str).collect(),
    };
    if let Some(unknown) = rows.iter().find(|row| !ROWS.contains(row)) {
        bail!("there is no row {unknown}; there are {}", ROWS.join(", "));
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{}", std::process::id()));
    remove_leftovers().await?;
    std::fs::create_dir_all(&folder)?;
    let bench = Bench {
        world: World::start(&folder).await?,
        pgbench: Pgbench::new(&folder)?,
        quick: options.quick,
        folder: folder.clone(),
    };
    let measured = all(&bench, &rows).await;
    // The data may be large; the logs of a run that failed are kept.
    bench.world.stop().await?;
    let (description, measured) = measured.with_context(|| format!("logs are in {}", folder.display()))?;
    std::fs::remove_dir_all(&folder)?;
    let table = table::markdown(&measured);
    println!("\n{table}");
    if options.rows.is_empty() && !options.quick {
        write(&description, &table)?;
    }
    Ok(())
}

/// What the figures depend on, and the lines of these rows.
async fn all(bench: &Bench, rows: &[&str]) -> Result<(String, Vec<Row>)> {
    let description = machine::describe(&bench.world, &bench.pgbench).await?;
    println!("{description}\n");
    let mut measured = Vec::new();
    for row in rows {
        let lines = measure(bench, row).await.with_context(|| format!("row {row}"))?;
        eprint!("{}", table::markdown(&lines));
        measured.extend(lines);
    }
    Ok((description, measured))
}

/// Removes what runs that were killed have left behind.
async fn remove_leftovers() -> Result<()> {
    let Ok(entries) = std::fs::read_dir(env!("CARGO_TARGET_TMPDIR")) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = name.strip_prefix("bench-") else { continue };
        if !Path::new("/proc").join(pid).exists() {
            Postgres::remove(&entry.path().join("postgres")).await?;
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn write(description: &str, table: &str) -> Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/BENCHMARKS.md");
    let text = format!(
        "# Benchmarks\n\nWritten by `script/bench`. Each result is a ratio to a baseline that was measured in the same \
         run on the same\nmachine; the absolutes stand beside it.\n\n{description}\n\n{table}"
    );
    std::fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))
}
