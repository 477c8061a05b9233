//! Load: so many connections, each of which asks again as soon as it is answered, or all together at a given rate.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::request::{Connection, Request};

/// What is asked, by how many, and for how long.
pub struct Load<'a> {
    /// `host:port`.
    pub address: &'a str,
    /// Requests; connections take them in turn.
    pub requests: &'a [Request],
    /// The status that every answer must have.
    pub expected: u16,
    /// How many connections there are.
    pub connections: usize,
    /// The number of the first request.
    pub first: u64,
}

/// When a load ends.
#[derive(Clone, Copy)]
pub enum Until {
    /// After this many requests.
    Count(u64),
    /// After the measured time, before which there is a time to warm up.
    Time { warm_up: Duration, measured: Duration },
}

/// What was measured.
pub struct Measured {
    /// Requests that were answered while it was measured.
    pub answered: u64,
    /// How long that was.
    pub elapsed: Duration,
    /// Latencies in microseconds.
    pub latencies: Histogram<u64>,
    /// The number of the first request that was not sent.
    pub next: u64,
}

impl Measured {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that 99 of 100 requests stayed below.
    pub fn p99(&self) -> Duration {
        Duration::from_micros(self.latencies.value_at_quantile(0.99))
    }
}

/// When requests are due, in a load of a given rate. They arrive as independent callers' do: exponentially distributed
/// intervals, as `pgbench --rate` has them.
struct Schedule {
    next: Instant,
    mean: f64,
}

impl Schedule {
    fn due(&mut self) -> Instant {
        let uniform: f64 = rand::random::<f64>().max(f64::MIN_POSITIVE);
        let due = self.next;
        self.next += Duration::from_secs_f64(-uniform.ln() * self.mean);
        due
    }
}

struct Shared {
    next: Cell<u64>,
    last: u64,
    schedule: Option<RefCell<Schedule>>,
    from: Instant,
    to: Option<Instant>,
    answered: Cell<u64>,
    latencies: RefCell<Histogram<u64>>,
}

impl Load<'_> {
    /// Each connection asks again as soon as it is answered.
    pub async fn closed(&self, until: Until) -> anyhow::Result<Measured> {
        self.run(until, None).await
    }

    /// Requests become due at this rate, whether earlier ones are answered or not; latencies count from when a request
    /// was due.
    pub async fn at_rate(&self, per_second: f64, until: Until) -> anyhow::Result<Measured> {
        self.run(until, Some(1.0 / per_second)).await
    }

    async fn run(&self, until: Until, mean: Option<f64>) -> anyhow::Result<Measured> {
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            connections.push(Connection::open(self.address).await?);
        }
        let start = Instant::now();
        let (last, from, to) = match until {
            Until::Count(count) => (self.first + count, start, None),
            Until::Time { warm_up, measured } => (u64::MAX, start + warm_up, Some(start + warm_up + measured)),
        };
        let shared = Rc::new(Shared {
            next: Cell::new(self.first),
            last,
            schedule: mean.map(|mean| RefCell::new(Schedule { next: start, mean })),
            from,
            to,
            answered: Cell::new(0),
            latencies: RefCell::new(Histogram::new(3)?),
        });
        let tasks = LocalSet::new();
        let mut running = Vec::new();
        for (connection, request) in connections.into_iter().zip(self.requests.iter().cycle()) {
            let conversation = converse(shared.clone(), connection, request.clone(), self.expected);
            running.push(tasks.spawn_local(conversation));
        }
        let finished = tasks.run_until(async {
            for task in running {
                task.await??;
            }
            anyhow::Ok(())
        });
        finished.await?;
        let to = to.unwrap_or_else(Instant::now);
        let latencies = shared.latencies.borrow().clone();
        Ok(Measured { answered: shared.answered.get(), elapsed: to - from, latencies, next: shared.next.get() })
    }
}

/// Tokio's timers tick in milliseconds: what such a tick comes late is not the server's.
const TICK: Duration = Duration::from_millis(1);

/// Waits until a request is due; returns since when its caller waits.
async fn wait(due: Instant) -> Instant {
    if due <= Instant::now() {
        return due;
    }
    tokio::time::sleep_until(due).await;
    Instant::now().min(due + TICK)
}

async fn converse(shared: Rc<Shared>, mut on: Connection, mut request: Request, expected: u16) -> anyhow::Result<()> {
    loop {
        let due = match &shared.schedule {
            Some(schedule) => {
                let due = schedule.borrow_mut().due();
                wait(due).await
            }
            None => Instant::now(),
        };
        let number = shared.next.get();
        if number >= shared.last || shared.to.is_some_and(|to| due >= to) {
            return Ok(());
        }
        shared.next.set(number + 1);
        on.ask(request.numbered(number), expected).await?;
        let now = Instant::now();
        if now >= shared.from && shared.to.is_none_or(|to| now <= to) {
            shared.answered.set(shared.answered.get() + 1);
        }
        if due >= shared.from {
            shared.latencies.borrow_mut().record((now - due).as_micros() as u64)?;
        }
    }
}
