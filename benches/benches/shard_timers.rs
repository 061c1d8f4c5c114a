//! What does a shard's timer cost, in the heap that it has and in a hierarchical wheel?
//!
//! `life`: an order has a time-out at its first fill (300 s), and is kept for 10 s from its end on, which makes the first
//! deadline stale. `rest`: it waits for its time-out. So many orders are there at a time. Both look for what is due at each
//! order, and sweep when two thirds are stale, as a shard does. Times are of one order.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

#[path = "../../shards/src/core/timers.rs"]
#[allow(dead_code, reason = "a part of another crate, taken whole")]
mod timers;
#[path = "beside/wheel.rs"]
mod wheel;

use timers::{Owner, Timers};
use wheel::Wheel;

const SECOND: u64 = 1_000_000_000;

trait Bed: Default {
    fn set(&mut self, deadline_ns: u64, owner: Owner);
    fn due(&mut self, now_ns: u64) -> Option<(u64, Owner)>;
    fn pop(&mut self);
    fn entries(&self) -> usize;
    fn sweep(&mut self, counts: impl Fn(u64, Owner) -> bool);
}

impl Bed for Timers {
    fn set(&mut self, deadline_ns: u64, owner: Owner) {
        Timers::set(self, deadline_ns, owner);
    }
    fn due(&mut self, now_ns: u64) -> Option<(u64, Owner)> {
        self.first().filter(|(deadline_ns, _)| *deadline_ns <= now_ns)
    }
    fn pop(&mut self) {
        Timers::pop(self);
    }
    fn entries(&self) -> usize {
        self.len()
    }
    fn sweep(&mut self, counts: impl Fn(u64, Owner) -> bool) {
        Timers::sweep(self, counts);
    }
}

impl Bed for Wheel {
    fn set(&mut self, deadline_ns: u64, owner: Owner) {
        Wheel::set(self, deadline_ns, owner);
    }
    fn due(&mut self, now_ns: u64) -> Option<(u64, Owner)> {
        self.first(now_ns)
    }
    fn pop(&mut self) {
        Wheel::pop(self);
    }
    fn entries(&self) -> usize {
        self.len()
    }
    fn sweep(&mut self, counts: impl Fn(u64, Owner) -> bool) {
        Wheel::sweep(self, counts);
    }
}

/// Orders by slab key: the deadline that counts, 0 for none, and what tells them apart.
struct Shard<B> {
    bed: B,
    armed: Vec<(u64, u64)>,
    now_ns: u64,
    /// Between two orders.
    step_ns: u64,
    next: usize,
    generation: u64,
    ends: bool,
}

impl<B: Bed> Shard<B> {
    /// `open` orders are there for as long as one stays, once it runs.
    fn new(open: usize, ends: bool) -> Shard<B> {
        let stay_ns = if ends { 10 * SECOND } else { 300 * SECOND };
        let step_ns = stay_ns / open as u64;
        let (bed, armed) = (B::default(), vec![(0, 0); 4 * open]);
        let mut shard = Shard {
            bed,
            armed,
            now_ns: 1_790_000_000 * SECOND,
            step_ns,
            next: 0,
            generation: 0,
            ends,
        };
        (0..4 * open).for_each(|_| shard.order());
        shard
    }

    fn arm(&mut self, key: usize, deadline_ns: u64) {
        let generation = self.armed[key].1;
        self.armed[key].0 = deadline_ns;
        self.bed.set(deadline_ns, Owner::Order { generation, key });
        // As `Timers::wants_sweep` says.
        if self.bed.entries() > 64 + 2 * self.armed.len() {
            let armed = &self.armed;
            self.bed.sweep(|deadline_ns, owner| counts(armed, deadline_ns, owner));
        }
    }

    fn order(&mut self) {
        self.order_with(&mut |entry| {
            black_box(entry);
        });
    }

    /// One order begins; what is due is given to `f`.
    fn order_with(&mut self, f: &mut impl FnMut((u64, Owner))) {
        self.now_ns += self.step_ns;
        self.next = (self.next + 1) % self.armed.len();
        self.generation += 1;
        let key = self.next;
        self.armed[key].1 = self.generation;
        self.arm(key, self.now_ns + 300 * SECOND + self.generation * 7919 % 1_000_000);
        if self.ends {
            self.arm(key, self.now_ns + 10 * SECOND);
        }
        while let Some((deadline_ns, owner)) = self.bed.due(self.now_ns) {
            self.bed.pop();
            if counts(&self.armed, deadline_ns, owner) {
                f((deadline_ns, owner));
            }
        }
    }
}

fn counts(armed: &[(u64, u64)], deadline_ns: u64, owner: Owner) -> bool {
    match owner {
        Owner::Order { generation, key } => armed[key] == (deadline_ns, generation),
        Owner::Account(_) => false,
    }
}

/// What comes up, while `orders` begin.
fn due<B: Bed>(ends: bool, orders: usize) -> Vec<(u64, Owner)> {
    let mut shard = Shard::<B>::new(100, ends);
    let mut found = Vec::new();
    for _ in 0..orders {
        shard.order_with(&mut |entry| found.push(entry));
    }
    found
}

fn bench<B: Bed>(criterion: &mut Criterion, name: &str) {
    for (case, ends) in [("life", true), ("rest", false)] {
        let mut group = criterion.benchmark_group(format!("shard_timers/{case}"));
        for open in [10, 1_000, 100_000] {
            let mut shard = Shard::<B>::new(open, ends);
            group.bench_function(BenchmarkId::new(name, open), |b| b.iter(|| shard.order()));
        }
        group.finish();
    }
}

fn shard_timers(criterion: &mut Criterion) {
    for ends in [true, false] {
        let found = due::<Timers>(ends, 10_000);
        assert!(!found.is_empty() && found == due::<Wheel>(ends, 10_000), "the same order");
    }
    bench::<Timers>(criterion, "heap");
    bench::<Wheel>(criterion, "wheel");
}

criterion_group!(benches, shard_timers);
criterion_main!(benches);
