//! Group commit: what is asked for at the same time is committed together, and each caller hears of its own.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use diolkos::batch::{GroupCommit, Limits, Work};
use diolkos::db::TenantTx;
use diolkos::foundation::TenantId;
use diolkos::http::{Error, Result};
use futures::future::join_all;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::harness::{self, until};

/// What an item does to its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Good,
    Refused,
    Poison,
    Panic,
    /// A statement that the database refuses.
    Sql,
    /// A constraint that is checked when the transaction is committed.
    AtCommit,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    tenant: TenantId,
    number: usize,
    deed: Deed,
}

/// Notes what was committed when, behind a gate that a test opens.
#[derive(Clone)]
struct Notes {
    gate: Arc<Semaphore>,
    /// Every attempt's items.
    attempts: Arc<Mutex<Vec<Vec<usize>>>>,
}

impl Notes {
    fn open() -> Self {
        Self::with(Semaphore::MAX_PERMITS)
    }

    fn closed() -> Self {
        Self::with(0)
    }

    fn with(permits: usize) -> Self {
        Self { gate: Arc::new(Semaphore::new(permits)), attempts: Arc::default() }
    }

    /// Lets so many batches through.
    fn let_through(&self, batches: usize) {
        self.gate.add_permits(batches);
    }

    fn attempts(&self) -> Vec<Vec<usize>> {
        self.attempts.lock().unwrap().clone()
    }
}

impl Work for Notes {
    const NAME: &'static str = "test";
    type Item = Item;
    type Outcome = std::result::Result<usize, usize>;

    fn tenant(item: &Item) -> TenantId {
        item.tenant
    }

    async fn perform(&self, tx: &mut TenantTx, items: &[Item]) -> Result<Vec<Self::Outcome>> {
        self.attempts.lock().unwrap().push(items.iter().map(|item| item.number).collect());
        self.gate.acquire().await.unwrap().forget();
        sqlx::query("create temp table if not exists seen (n int unique deferrable initially deferred)")
            .execute(&mut **tx)
            .await?;
        for item in items {
            let statement = match item.deed {
                Deed::Good | Deed::Refused => continue,
                Deed::Poison => return Err(Error::internal("poison")),
                Deed::Panic => panic!("a panicking item"),
                Deed::Sql => "select 1 / 0",
                Deed::AtCommit => "insert into seen values (1), (1)",
            };
            sqlx::query(statement).execute(&mut **tx).await?;
        }
        let outcome = |item: &Item| if item.deed == Deed::Refused { Err(item.number) } else { Ok(item.number) };
        Ok(items.iter().map(outcome).collect())
    }
}

struct Running {
    commits: GroupCommit<Notes>,
    notes: Notes,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Running {
    async fn new(notes: Notes, limits: Limits) -> Self {
        let commits = GroupCommit::new(harness::database().await, notes.clone(), limits);
        let stop = CancellationToken::new();
        let running = tokio::spawn(commits.clone().run(stop.clone()));
        Self { commits, notes, stop, running }
    }

    /// Submits an item and waits until it has been taken in.
    async fn submit(
        &self,
        tenant: TenantId,
        number: usize,
        deed: Deed,
    ) -> JoinHandle<Result<std::result::Result<usize, usize>>> {
        let commits = self.commits.clone();
        let submitted = tokio::spawn(async move { commits.submit(Item { tenant, number, deed }).await });
        // The runtime of a test has one thread: the task runs until it waits for its answer.
        tokio::task::yield_now().await;
        submitted
    }

    /// Submits one that stays at work, so that whatever follows waits.
    async fn block(&self, tenant: TenantId) -> JoinHandle<Result<std::result::Result<usize, usize>>> {
        let blocker = self.submit(tenant, usize::MAX, Deed::Good).await;
        until("the first batch is at work", || async { (self.notes.attempts().len() == 1).then_some(()) }).await;
        blocker
    }
}

fn one_lane(limits: Limits) -> Limits {
    // A patience that no slow machine wears out, where it is not what a test is about.
    Limits { lanes: 1, wait: Duration::from_secs(600), ..limits }
}

#[tokio::test]
async fn what_waits_is_one_batch_in_which_everybody_has_an_outcome_of_its_own() {
    let app = Running::new(Notes::closed(), one_lane(Limits::default())).await;
    let (acme, globex) = (TenantId::new(), TenantId::new());
    let blocker = app.block(acme).await;
    let mut waiting = Vec::new();
    for number in 0..100 {
        let tenant = if number % 4 == 0 { acme } else { globex };
        let deed = if number % 3 == 0 { Deed::Refused } else { Deed::Good };
        waiting.push(app.submit(tenant, number, deed).await);
    }
    assert!(waiting.iter().all(|one| !one.is_finished()), "nobody is answered before the commit");

    app.notes.let_through(2);

    assert_eq!(blocker.await.unwrap().unwrap(), Ok(usize::MAX));
    for (number, one) in waiting.into_iter().enumerate() {
        let expected = if number % 3 == 0 { Err(number) } else { Ok(number) };
        assert_eq!(one.await.unwrap().unwrap(), expected);
    }
    let attempts = app.notes.attempts();
    assert_eq!(attempts.len(), 2);
    for tenants_own in [|n: &usize| n.is_multiple_of(4), |n: &usize| !n.is_multiple_of(4)] {
        let order: Vec<usize> = attempts[1].iter().copied().filter(tenants_own).collect();
        assert!(order.is_sorted(), "a tenant's requests are decided in their order: {order:?}");
    }
}

/// FAULTS 26, counted in places.
#[tokio::test]
async fn a_flood_of_one_tenant_does_not_hold_up_another() {
    let app = Running::new(Notes::closed(), one_lane(Limits { batch: 10, ..Limits::default() })).await;
    let (flood, other) = (TenantId::new(), TenantId::new());
    let _blocker = app.block(flood).await;
    for number in 0..500 {
        app.submit(flood, number, Deed::Good).await;
    }
    let quick = app.submit(other, 1_000, Deed::Good).await;

    app.notes.let_through(2);

    assert_eq!(quick.await.unwrap().unwrap(), Ok(1_000));
    let attempts = app.notes.attempts();
    let place = attempts[1].iter().position(|number| *number == 1_000).expect("it is in the next batch");
    assert!(place <= 1, "at place {place} of the next batch");
}

#[tokio::test]
async fn beyond_its_limit_the_queue_sheds_load() {
    let app = Running::new(Notes::closed(), one_lane(Limits { waiting: 5, ..Limits::default() })).await;
    let (flood, other) = (TenantId::new(), TenantId::new());
    let _blocker = app.block(flood).await;
    let mut waiting = Vec::new();
    for number in 0..5 {
        waiting.push(app.submit(flood, number, Deed::Good).await);
    }

    let shed = app.submit(flood, 5, Deed::Good).await.await.unwrap().unwrap_err();
    assert_eq!((shed.status().as_u16(), shed.code()), (503, "overloaded"));
    // Another tenant still finds room: the last of the flood makes it.
    let quick = app.submit(other, 10, Deed::Good).await;
    let displaced = waiting.pop().unwrap().await.unwrap().unwrap_err();
    assert_eq!((displaced.status().as_u16(), displaced.code()), (503, "overloaded"));

    app.notes.let_through(2);
    assert_eq!(quick.await.unwrap().unwrap(), Ok(10));
    for (number, one) in waiting.into_iter().enumerate() {
        assert_eq!(one.await.unwrap().unwrap(), Ok(number));
    }
}

#[tokio::test]
async fn who_would_wait_too_long_is_told_so_at_once() {
    let limits = Limits { lanes: 1, wait: Duration::from_millis(50), ..Limits::default() };
    let app = Running::new(Notes::closed(), limits).await;
    let _blocker = app.block(TenantId::new()).await;
    until("the batch at work has taken too long", || async {
        let one = app.submit(TenantId::new(), 1, Deed::Good).await;
        tokio::task::yield_now().await;
        if !one.is_finished() {
            one.abort();
            return None;
        }
        let shed = one.await.unwrap().unwrap_err();
        assert_eq!((shed.status().as_u16(), shed.code()), (503, "overloaded"));
        Some(())
    })
    .await;
}

#[tokio::test]
async fn poisonous_items_fail_alone() {
    for deed in [Deed::Poison, Deed::Panic, Deed::Sql, Deed::AtCommit] {
        let app = Running::new(Notes::closed(), one_lane(Limits::default())).await;
        let acme = TenantId::new();
        let _blocker = app.block(acme).await;
        let poisonous = [7, 8, 90];
        let mut waiting = Vec::new();
        for number in 0..100 {
            let deed = if poisonous.contains(&number) { deed } else { Deed::Good };
            waiting.push(app.submit(acme, number, deed).await);
        }
        app.notes.let_through(Semaphore::MAX_PERMITS / 2);
        for (number, one) in waiting.into_iter().enumerate() {
            match one.await.unwrap() {
                Ok(outcome) => assert_eq!((outcome, poisonous.contains(&number)), (Ok(number), false), "{deed:?}"),
                Err(error) => {
                    assert!(poisonous.contains(&number), "{deed:?}: {number} failed: {error}");
                    assert_eq!(error.status().as_u16(), 500, "{deed:?}");
                }
            }
        }
        let attempts = app.notes.attempts();
        assert!(attempts.len() < 50, "{} attempts", attempts.len());
    }
}

#[tokio::test]
async fn a_fault_that_no_item_brought_is_not_looked_for_in_each() {
    let app = Running::new(Notes::closed(), one_lane(Limits::default())).await;
    let acme = TenantId::new();
    let _blocker = app.block(acme).await;
    let mut waiting = Vec::new();
    for number in 0..900 {
        waiting.push(app.submit(acme, number, Deed::Poison).await);
    }
    app.notes.let_through(Semaphore::MAX_PERMITS / 2);
    for one in join_all(waiting).await {
        assert_eq!(one.unwrap().unwrap_err().status().as_u16(), 500);
    }
    assert!(app.notes.attempts().len() < 150, "{} attempts", app.notes.attempts().len());
}

#[tokio::test]
async fn whoever_gives_up_while_waiting_is_left_out() {
    let app = Running::new(Notes::closed(), one_lane(Limits::default())).await;
    let acme = TenantId::new();
    let blocker = app.block(acme).await;
    let gone = app.submit(acme, 1, Deed::Good).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    // One whose caller alone is gone holds nobody up.
    let stays = app.submit(acme, 2, Deed::Good).await;

    app.notes.let_through(2);

    stays.await.unwrap().unwrap().unwrap();
    blocker.await.unwrap().unwrap().unwrap();
    assert_eq!(app.notes.attempts(), [vec![usize::MAX], vec![2]]);
    // Also where nobody is left of a whole batch.
    let blocker = app.submit(acme, 3, Deed::Good).await;
    until("it is at work", || async { (app.notes.attempts().len() == 3).then_some(()) }).await;
    app.submit(acme, 4, Deed::Good).await.abort();
    app.notes.let_through(1);
    blocker.await.unwrap().unwrap().unwrap();
    app.notes.let_through(1);
    app.submit(acme, 5, Deed::Good).await.await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn what_was_taken_in_is_committed_before_the_end() {
    let app = Running::new(Notes::closed(), Limits { batch: 10, wait: Duration::MAX, ..Limits::default() }).await;
    let tenants: Vec<TenantId> = (0..5).map(|_| TenantId::new()).collect();
    let _blocker = app.block(tenants[0]).await;
    let mut waiting = Vec::new();
    for number in 0..100 {
        waiting.push(app.submit(tenants[number % 5], number, Deed::Good).await);
    }

    app.stop.cancel();
    until("nobody new is let in", || async {
        let late = app.submit(tenants[1], 1_000, Deed::Good).await;
        tokio::task::yield_now().await;
        if late.is_finished() { Some(late.await.unwrap().unwrap_err().status().as_u16()) } else { None }
    })
    .await;
    app.notes.let_through(Semaphore::MAX_PERMITS / 2);

    for (number, one) in waiting.into_iter().enumerate() {
        assert_eq!(one.await.unwrap().unwrap(), Ok(number));
    }
    tokio::time::timeout(Duration::from_secs(10), app.running).await.expect("it ends").unwrap();
}

#[tokio::test]
async fn tenants_whose_lock_somebody_holds_do_not_stop_the_others() {
    let app = Running::new(Notes::closed(), Limits { wait: Duration::MAX, ..Limits::default() }).await;
    let (stuck, other) = (TenantId::new(), TenantId::new());
    let blocker = app.block(stuck).await;
    let second = app.submit(stuck, 1, Deed::Good).await;
    let quick = app.submit(other, 2, Deed::Good).await;
    until("another lane is at it", || async { (app.notes.attempts().len() == 2).then_some(()) }).await;
    assert_eq!(app.notes.attempts()[1], [2], "a tenant's requests are in one batch at a time");
    app.notes.let_through(3);
    for one in [blocker, second, quick] {
        one.await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn under_load_every_request_has_exactly_one_outcome() {
    let app = Running::new(Notes::open(), Limits::default()).await;
    let tenants: Vec<TenantId> = (0..7).map(|_| TenantId::new()).collect();
    let calls =
        (0..2_000).map(|number| app.commits.submit(Item { tenant: tenants[number % 7], number, deed: Deed::Good }));
    let answered: HashSet<usize> = join_all(calls).await.into_iter().map(|one| one.unwrap().unwrap()).collect();
    assert_eq!(answered.len(), 2_000);
    let attempts = app.notes.attempts();
    assert_eq!(attempts.iter().map(Vec::len).sum::<usize>(), 2_000);
    assert!(attempts.len() < 200, "{} batches", attempts.len());
}
