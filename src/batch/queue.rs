//! What waits: one queue a tenant, drained in turns.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use crate::foundation::TenantId;

/// Tenants' queues. A tenant whose items are at work is left alone until they are done, so that its items are decided in
/// their order however many take from here.
pub struct Queue<T> {
    tenants: HashMap<TenantId, Line<T>>,
    /// Tenants that have something waiting and nothing at work, whose turn is next in front.
    ready: VecDeque<TenantId>,
    waiting: usize,
}

struct Line<T> {
    items: VecDeque<T>,
    /// Since when some of its items are at work.
    at_work: Option<Instant>,
}

/// What became of an item that was offered.
#[derive(Debug, PartialEq, Eq)]
pub enum Offered<T> {
    /// It waits.
    Taken,
    /// It waits, and this one no longer.
    InsteadOf(T),
    /// There is no room for it.
    Refused,
}

impl<T> Queue<T> {
    /// Nothing waits.
    pub fn new() -> Self {
        Self { tenants: HashMap::new(), ready: VecDeque::new(), waiting: 0 }
    }

    /// How many wait.
    pub const fn len(&self) -> usize {
        self.waiting
    }

    /// How many at most are taken before the next item of this tenant: who has more waiting than it takes no more turns
    /// than it before it is there.
    pub fn place(&self, tenant: TenantId) -> usize {
        let own = self.tenants.get(&tenant).map_or(0, |line| line.items.len());
        self.waiting.min((own + 1).saturating_mul(self.tenants.len()))
    }

    /// Since when items of this tenant are at work.
    pub fn at_work(&self, tenant: TenantId) -> Option<Instant> {
        self.tenants.get(&tenant).and_then(|line| line.at_work)
    }

    /// Puts an item behind its tenant's others. Where `limit` wait already, it takes the place of the last one of the
    /// tenant that has the most, unless that would only turn the tables.
    pub fn offer(&mut self, tenant: TenantId, item: T, limit: usize) -> Offered<T> {
        let mut displaced = None;
        if self.waiting >= limit {
            let own = self.tenants.get(&tenant).map_or(0, |line| line.items.len());
            let longest = self.tenants.values_mut().max_by_key(|line| line.items.len());
            let Some(longest) = longest.filter(|line| line.items.len() > own + 1) else { return Offered::Refused };
            displaced = longest.items.pop_back();
            self.waiting -= 1;
        }
        let line = self.tenants.entry(tenant).or_insert_with(|| Line { items: VecDeque::new(), at_work: None });
        if line.items.is_empty() && line.at_work.is_none() {
            self.ready.push_back(tenant);
        }
        line.items.push_back(item);
        self.waiting += 1;
        displaced.map_or(Offered::Taken, Offered::InsteadOf)
    }

    /// Takes up to `most` items of tenants that have none at work, one of each in turn. They are at work until
    /// [`Queue::done`].
    pub fn take(&mut self, most: usize) -> Vec<T> {
        let mut taken = Vec::with_capacity(most.min(self.waiting));
        let now = Instant::now();
        while taken.len() < most
            && let Some(tenant) = self.ready.pop_front()
        {
            let Some(line) = self.tenants.get_mut(&tenant) else { continue };
            line.at_work = Some(now);
            taken.extend(line.items.pop_front());
            if !line.items.is_empty() {
                self.ready.push_back(tenant);
            }
        }
        // Who was taken from and has more waits for those to be done.
        self.ready.retain(|tenant| self.tenants.get(tenant).is_some_and(|line| line.at_work.is_none()));
        self.waiting -= taken.len();
        taken
    }

    /// The items of these tenants that were at work are done. Whether there is something to take now.
    pub fn done(&mut self, tenants: impl IntoIterator<Item = TenantId>) -> bool {
        for tenant in tenants {
            let Some(line) = self.tenants.get_mut(&tenant) else { continue };
            line.at_work = None;
            if line.items.is_empty() {
                self.tenants.remove(&tenant);
            } else {
                self.ready.push_back(tenant);
            }
        }
        self.has_ready()
    }

    /// Whether there is something to take.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_LIMIT: usize = usize::MAX;

    fn tenants<const N: usize>() -> [TenantId; N] {
        std::array::from_fn(|_| TenantId::new())
    }

    #[test]
    fn a_tenants_items_are_taken_in_their_order() {
        let [acme] = tenants();
        let mut queue = Queue::new();
        for item in 0..10 {
            assert_eq!(queue.offer(acme, item, NO_LIMIT), Offered::Taken);
        }
        assert_eq!(queue.take(4), [0, 1, 2, 3]);
        assert!(queue.take(4).is_empty(), "the first four may still be decided otherwise");
        assert!(queue.done([acme]));
        assert_eq!(queue.take(100), [4, 5, 6, 7, 8, 9]);
        assert!(!queue.done([acme]));
        assert_eq!(queue.len(), 0);
        assert!(queue.tenants.is_empty(), "who has nothing waiting is forgotten");
    }

    /// FAULTS 26, counted in places.
    #[test]
    fn a_flood_waits_behind_itself() {
        let [flood, other] = tenants();
        let mut queue = Queue::new();
        for item in 0..5_000 {
            queue.offer(flood, item, NO_LIMIT);
        }
        assert_eq!(queue.place(other), 1);
        assert_eq!(queue.place(flood), 5_000);
        queue.offer(other, -1, NO_LIMIT);
        queue.offer(other, -2, NO_LIMIT);
        assert_eq!(queue.take(6), [0, -1, 1, -2, 2, 3]);
        queue.offer(other, -3, NO_LIMIT);
        queue.done([flood, other]);
        assert!(queue.take(2).contains(&-3));
    }

    #[test]
    fn tenants_take_turns_over_batches() {
        let all: [TenantId; 5] = tenants();
        let mut queue = Queue::new();
        for round in 0..2 {
            for tenant in all {
                queue.offer(tenant, (tenant, round), NO_LIMIT);
            }
        }
        let mut seen = Vec::new();
        for _ in 0..5 {
            let taken = queue.take(2);
            seen.extend(taken.iter().map(|(tenant, _)| *tenant));
            queue.done(taken.into_iter().map(|(tenant, _)| tenant));
        }
        let mut first_round: Vec<TenantId> = seen.iter().take(5).copied().collect();
        first_round.sort_unstable();
        let mut all_sorted = all.to_vec();
        all_sorted.sort_unstable();
        assert_eq!(first_round, all_sorted, "nobody has a second turn before everybody had one");
    }

    #[test]
    fn two_who_take_never_have_items_of_one_tenant() {
        let [acme, globex] = tenants();
        let mut queue = Queue::new();
        queue.offer(acme, "acme 1", NO_LIMIT);
        queue.offer(acme, "acme 2", NO_LIMIT);
        assert_eq!(queue.take(1), ["acme 1"]);
        queue.offer(globex, "globex 1", NO_LIMIT);
        queue.offer(acme, "acme 3", NO_LIMIT);
        assert_eq!(queue.take(10), ["globex 1"]);
        assert!(!queue.has_ready());
        assert!(queue.done([acme]));
        assert_eq!(queue.take(10), ["acme 2", "acme 3"]);
    }

    #[test]
    fn a_full_queue_makes_room_at_the_cost_of_whoever_has_the_most() {
        let [flood, other, third] = tenants();
        let mut queue = Queue::new();
        for item in 0..4 {
            assert_eq!(queue.offer(flood, item, 4), Offered::Taken);
        }
        assert_eq!(queue.offer(flood, 4, 4), Offered::Refused);
        assert_eq!(queue.offer(other, 10, 4), Offered::InsteadOf(3));
        assert_eq!(queue.offer(other, 11, 4), Offered::InsteadOf(2));
        // Now both have two: a third one of either would only turn the tables.
        assert_eq!(queue.offer(other, 12, 4), Offered::Refused);
        assert_eq!(queue.offer(flood, 5, 4), Offered::Refused);
        assert!(matches!(queue.offer(third, 20, 4), Offered::InsteadOf(1 | 11)));
        assert_eq!((queue.len(), queue.take(10).len(), queue.len()), (4, 4, 0));
    }

    #[test]
    fn whoever_is_displaced_down_to_nothing_waiting_is_not_handed_out_twice() {
        let [flood, other] = tenants();
        let mut queue = Queue::new();
        queue.offer(flood, 0, 2);
        queue.take(1);
        queue.offer(flood, 1, 2);
        queue.offer(flood, 2, 2);
        assert_eq!(queue.offer(other, 10, 2), Offered::InsteadOf(2));
        assert_eq!(queue.take(10), [10]);
        queue.done([flood, other]);
        assert_eq!(queue.take(10), [1]);
    }
}
