//! What the figures depend on: the machine, the versions, the commit.

use std::process::Command;

use anyhow::Context;
use chrono::Utc;
use diolkos::dev::paths;

use super::pgbench::Pgbench;
use super::server;
use super::world::World;

/// Lines of Markdown that say all of it.
pub async fn describe(world: &World, pgbench: &Pgbench) -> anyhow::Result<String> {
    let cores = std::thread::available_parallelism()?;
    let settings: Vec<String> = server::shown().map(|(name, value)| format!("`{name}={value}`")).collect();
    let lines = [
        format!("- date: {}", Utc::now().format("%Y-%m-%d %H:%M UTC")),
        format!("- machine: {cores} cores, {}, {} memory", processor()?, memory()?),
        format!("- commit: {}", said_by("git", &["describe", "--always", "--dirty", "--abbrev=12"])?),
        format!("- rustc: {}", said_by("rustc", &["--version"])?),
        format!("- Postgres: {}, default durability (`fsync`, `synchronous_commit` on)", world.version().await?),
        format!("- pgbench: {}, 16 clients, 2 threads, prepared statements", pgbench.version().await?),
        format!("- anvil: {}, a block a second", last_word(&said_by(&anvil()?, &["--version"])?)),
        format!("- Alto: {}", alto_version().unwrap_or_else(|| "not installed".to_owned())),
        format!("- the server's configuration, where a row says nothing else: {}; four lanes", settings.join(", ")),
    ];
    Ok(lines.join("\n"))
}

fn anvil() -> anyhow::Result<String> {
    Ok(paths::anvil_program()?.display().to_string())
}

fn said_by(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let output = output.with_context(|| format!("{program} cannot be run"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Of the first line.
fn last_word(text: &str) -> String {
    text.lines().next().and_then(|line| line.split(' ').next_back()).unwrap_or_default().to_owned()
}

/// The value of the first such line of a file of Linux' `/proc`.
fn proc_field(file: &str, name: &str) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| file.to_owned())?;
    let line =
        text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("{file} has no {name}"))?;
    Ok(line.trim_start_matches([' ', '\t', ':']).trim().to_owned())
}

fn processor() -> anyhow::Result<String> {
    proc_field("/proc/cpuinfo", "model name")
}

fn memory() -> anyhow::Result<String> {
    let total = proc_field("/proc/meminfo", "MemTotal")?;
    let kib: u64 = total.trim_end_matches(" kB").parse()?;
    Ok(format!("{:.1} GiB", kib as f64 / 1024.0 / 1024.0))
}

fn alto_version() -> Option<String> {
    let file = paths::root().ok()?.join("dev/bundler/node_modules/@pimlico/alto/package.json");
    let package: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    Some(package["version"].as_str()?.to_owned())
}
