//! What goes wrong, and when: a schedule that follows from the seed alone.

use std::rc::Rc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use super::book::Book;
use super::cluster::{CONFIRMATIONS, Cluster, LEASE};

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// `kill -9` of one process of the server.
    Killed { replica: usize, away: Duration },
    /// `kill -9` of both workers at once.
    WorkersKilled { away: Duration },
    /// SIGSTOP and SIGCONT of one process; of a worker past its lease.
    Paused { replica: usize, time: Duration },
    /// SIGTERM, and started again.
    Restarted { replica: usize },
    /// Postgres goes, by `kill -9` or in order.
    Postgres { by_kill: bool, away: Duration },
    /// The node goes in order and comes back without its mempool.
    ChainRestarted { away: Duration },
    /// The node hangs.
    ChainPaused { time: Duration },
    /// A reorg that reaches no final block.
    Reorg { depth: u64 },
}

impl Fault {
    fn choose(rng: &mut StdRng) -> Self {
        let away = Duration::from_millis(rng.random_range(0..3_000));
        let replica = rng.random_range(0..4);
        match rng.random_range(0..100) {
            0..28 => Fault::Killed { replica, away },
            28..34 => Fault::WorkersKilled { away },
            34..52 => Fault::Paused { replica, time: LEASE + away },
            52..57 => Fault::Restarted { replica },
            57..68 => Fault::Postgres { by_kill: true, away },
            68..72 => Fault::Postgres { by_kill: false, away },
            72..78 => Fault::ChainRestarted { away },
            78..84 => Fault::ChainPaused { time: Duration::from_secs(1) + 2 * away },
            _ => Fault::Reorg { depth: rng.random_range(1..CONFIRMATIONS) },
        }
    }

    fn name(self) -> &'static str {
        match self {
            Fault::Killed { replica: 0 | 1, .. } => "API killed",
            Fault::Killed { .. } => "worker killed",
            Fault::WorkersKilled { .. } => "both workers killed",
            Fault::Paused { replica: 0 | 1, .. } => "API paused",
            Fault::Paused { .. } => "worker paused past its lease",
            Fault::Restarted { .. } => "process restarted",
            Fault::Postgres { by_kill: true, .. } => "Postgres killed",
            Fault::Postgres { by_kill: false, .. } => "Postgres restarted",
            Fault::ChainRestarted { .. } => "node restarted",
            Fault::ChainPaused { .. } => "node hung",
            Fault::Reorg { .. } => "reorg",
        }
    }

    async fn happen(self, cluster: &mut Cluster, book: &Book) -> anyhow::Result<()> {
        match self {
            Fault::Killed { replica, away } => cluster.replicas[replica].killed(away).await,
            Fault::WorkersKilled { away } => {
                cluster.replicas[3].kill().await?;
                cluster.replicas[2].killed(away).await?;
                cluster.replicas[3].begin()
            }
            Fault::Paused { replica, time } => cluster.replicas[replica].paused(time).await,
            Fault::Restarted { replica } => cluster.replicas[replica].restarted().await,
            Fault::Postgres { by_kill, away } => cluster.postgres_restarted(by_kill, away).await,
            Fault::ChainRestarted { away } => cluster.chain_restarted(away).await,
            Fault::ChainPaused { time } => cluster.chain_paused(time).await,
            Fault::Reorg { depth } => {
                if !cluster.reorg(depth).await? {
                    book.count("reorg refused by anvil");
                }
                Ok(())
            }
        }
    }
}

/// Lets one thing after the other go wrong until the time is over, and says what and when.
pub async fn run(
    cluster: &mut Cluster,
    seed: u64,
    started: Instant,
    until: Instant,
    book: Rc<Book>,
) -> anyhow::Result<()> {
    let mut rng = StdRng::seed_from_u64(seed);
    loop {
        let pause = Duration::from_millis(rng.random_range(2_000..9_000));
        if Instant::now() + pause >= until {
            tokio::time::sleep_until(until).await;
            return Ok(());
        }
        tokio::time::sleep(pause).await;
        let fault = Fault::choose(&mut rng);
        eprintln!("{:6.1} s  {fault:?}", started.elapsed().as_secs_f64());
        book.count(fault.name());
        fault.happen(cluster, &book).await?;
    }
}
