//! Minutes of mixed load while everything that can be killed is killed. Run by `script/soak`.
//!
//! Two APIs and two workers, each a process of its own, share a Postgres and a node. Callers provision, fund, transfer,
//! withdraw, change phones, top up and read; who gets no answer asks again until there is one, so that in the end it is
//! known of every wish whether it was accepted. Meanwhile processes are killed, paused past their leases and restarted,
//! Postgres is killed, the node is restarted and hangs, and blocks that are not final are reorganised away: a schedule that
//! follows from the seed. When all is quiet again, everything accepted must have happened, once.
//!
//! The time at which a fault meets what happens depends on the machine: a seed replays the schedule and what the callers
//! wish for, not the interleaving.

mod book;
mod caller;
mod cluster;
mod customer;
mod faults;
mod node;
#[path = "../service/process.rs"]
mod process;
mod verdict;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use rand::SeedableRng;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::json;
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::book::{Book, Kind};
use self::caller::{Caller, Credentials};
use self::cluster::{Cluster, TenantAccess};
use self::customer::Actor;
use self::verdict::Finding;

/// How long, and by which seed.
#[derive(Parser)]
struct Options {
    /// How long there is load
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// What the schedule follows from; by chance when absent
    #[arg(long)]
    seed: Option<u64>,
    /// What cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

const TENANTS: u64 = 3;
const ACTORS: u64 = 6;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let seed = options.seed.unwrap_or_else(|| rand::random_range(0..1_000_000));
    println!("seed {seed}, {} minutes", options.minutes);
    let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("soak-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut cluster = Cluster::start(&folder).await?;
    let soaked = tokio::select! {
        soaked = soak(&mut cluster, seed, Duration::from_secs(60 * options.minutes)) => soaked,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    let clean = soaked.as_ref().is_ok_and(|findings| findings.iter().all(|finding| finding.good));
    cluster.stop(clean).await?;
    for finding in soaked? {
        println!("{} {:38} {}", if finding.good { "ok " } else { "BAD" }, finding.what, finding.said);
    }
    if !clean {
        println!("not clean; seed {seed}; logs are in {}", folder.display());
    }
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn soak(cluster: &mut Cluster, seed: u64, time: Duration) -> Result<Vec<Finding>> {
    let book = Rc::new(Book::default());
    let caller = Caller::new(Rc::new(cluster.bases()), book.clone())?;
    let mut tenants = Vec::new();
    for number in 0..TENANTS {
        tenants.push(tenant(cluster, &caller, number).await.context("a tenant")?);
    }
    let (started, stop) = (Instant::now(), CancellationToken::new());
    let until = started + time;
    let tasks = LocalSet::new();
    let actors: Vec<JoinHandle<Result<()>>> = (0..ACTORS)
        .zip(tenants.iter().cycle())
        .map(|(number, tenant)| {
            let actor = Actor::new(number, seed, caller.clone(), tenant.clone(), cluster.treasury, book.clone());
            tasks.spawn_local(actor.run(stop.clone()))
        })
        .collect();
    tasks.spawn_local(report(book.clone(), started, stop.clone()));
    tasks
        .run_until(async {
            let mut findings = Vec::new();
            faults::run(cluster, seed, started, until, book.clone()).await.context("a fault")?;
            stop.cancel();
            for actor in actors {
                if let Err(error) = actor.await? {
                    findings.push(Finding { what: "an actor", said: format!("{error:#}"), good: false });
                }
            }
            report_line(&book, started);
            println!("quiet: {:?}", book.counts());
            findings.extend(verdict::judge(cluster, &book).await?);
            Ok(findings)
        })
        .await
}

/// One line a minute.
async fn report(book: Rc<Book>, started: Instant, stop: CancellationToken) {
    let minute = Duration::from_secs(60);
    while stop.run_until_cancelled(tokio::time::sleep(minute)).await.is_some() {
        report_line(&book, started);
    }
}

fn report_line(book: &Book, started: Instant) {
    let [deposits, transfers, withdrawals] = Kind::ALL.map(|kind| book.number(kind));
    let again = book.counts().get("asked again").copied().unwrap_or_default();
    println!(
        "{:4.1} min: accepted {deposits} deposits, {transfers} transfers, {withdrawals} withdrawals; asked again {again} times",
        started.elapsed().as_secs_f64() / 60.0
    );
}

/// A tenant with a key and a first balance.
async fn tenant(cluster: &Cluster, caller: &Caller, number: u64) -> Result<TenantAccess> {
    let mut rng = StdRng::seed_from_u64(number);
    let operator = Credentials::Bearer(cluster.operator_token.clone());
    let mut post = async |credentials: &Credentials, path: &str, body: serde_json::Value, field: &str| {
        let (status, answer) = caller.ask(&mut rng, credentials, (Method::POST, path), Some(&body), None).await?;
        match answer[field].as_str() {
            Some(text) if status < 300 => Ok(text.to_owned()),
            _ => bail!("{path} answered {status}: {answer}"),
        }
    };
    let body = json!({"namespace": format!("tenant-{number}.ul"), "name": format!("Tenant {number}")});
    let id = post(&operator, "/admin/tenants", body, "id").await?;
    let dashboard = cluster.dashboard_token(&id)?;
    let bearer = Credentials::Bearer(dashboard.clone());
    let key = post(&bearer, "/v1/dashboard/apikeys", json!({"name": "soak", "mode": "live"}), "key_secret").await?;
    let body = json!({"amount": "500", "token": "USDC", "reference": "first"});
    let topup = post(&bearer, "/v1/dashboard/treasury/topup", body, "topup_id").await?;
    post(&bearer, &format!("/v1/dashboard/treasury/topup/{topup}/confirm"), json!({}), "status").await?;
    Ok(TenantAccess { key, dashboard })
}
