//! A book allocates at its start and never again: counted, for each kind of order and of command.
//!
//! Every script runs in a book with room for just the orders and levels that it takes, from the first
//! command on, and again in books with less, which must grow: so the room is no larger than it looks.
//! Snapshots are not part of it: they write to a vector of their caller, and a book that is decoded
//! is a new one.

#[path = "allocations/auctions.rs"]
mod auctions;
#[path = "allocations/flow.rs"]
mod flow;
#[path = "allocations/plain.rs"]
mod plain;
#[path = "allocations/terms.rs"]
mod terms;

use book::{
    Book, BookConfig, Command, Event, Events, LevelDepth, Lots, NewOrder, OrderId, SelfTrade, Side,
    Ticks, User,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting the calls of each thread by itself.
struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    CALLS.with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: every call goes to the system's allocator with the arguments it came with; counting
// touches a constant-initialised thread-local without a destructor, which does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { System.realloc(block, layout, bytes) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts events, without storing them.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Tally {
    rejects: u64,
    trades: u64,
    cancels: u64,
    rests: u64,
    refreshes: u64,
    waits: u64,
    triggers: u64,
    phases: u64,
    uncrosses: u64,
    levels: u64,
}

impl Events for Tally {
    fn event(&mut self, event: Event) {
        let count = match event {
            Event::Accepted { .. } => return,
            Event::Rejected { .. } => &mut self.rejects,
            Event::Traded(_) => &mut self.trades,
            Event::Cancelled(_) => &mut self.cancels,
            Event::Rested(_) => &mut self.rests,
            Event::Refreshed(_) => &mut self.refreshes,
            Event::Waiting(_) => &mut self.waits,
            Event::Triggered { .. } => &mut self.triggers,
            Event::PhaseSet { .. } => &mut self.phases,
            Event::Uncrossed { .. } => &mut self.uncrosses,
        };
        *count += 1;
    }

    fn level(&mut self, _: LevelDepth) {
        self.levels += 1;
    }
}

/// Commands for an empty book, and the room that they take.
struct Script {
    name: String,
    self_trade: SelfTrade,
    /// Most live orders, of any kind.
    orders: usize,
    /// Most queues: prices with orders, triggers with stops, sides with market orders that wait.
    levels: usize,
    commands: Vec<Command>,
}

impl Script {
    /// Runs the commands in a book with this room. None may call the allocator, nor may a look at the
    /// book do so. The room must be needed.
    #[track_caller]
    fn check(&self) -> Tally {
        let Script { name, orders, levels, .. } = self;
        let mut book = self.book(*orders, *levels);
        let mut tally = Tally::default();
        for (at, command) in self.commands.iter().enumerate() {
            let before = CALLS.get();
            book.apply(command, &mut tally);
            look(&book, command, at);
            let calls = CALLS.get() - before;
            assert_eq!(calls, 0, "{name}: the allocator was called by command {at}, {command:?}");
        }
        assert_eq!((book.check(), book.growths(), book.trims()), (Ok(()), 0, 0), "{name}");
        for (orders, levels) in [(orders - 1, *levels), (*orders, levels - 1)] {
            let mut smaller = self.book(orders, levels);
            self.commands.iter().for_each(|command| {
                smaller.apply(command, &mut Tally::default());
            });
            assert!(smaller.growths() > 0, "{name}: {orders} orders, {levels} levels are enough");
        }
        tally
    }

    fn book(&self, orders: usize, levels: usize) -> Book {
        Book::new(BookConfig { self_trade: self.self_trade, orders, levels, seed: 1 })
    }
}

/// Reads what a session reads after a command, and now and then what it reads in between.
fn look(book: &Book, command: &Command, at: usize) {
    std::hint::black_box(book.state_hash());
    for side in Side::BOTH {
        std::hint::black_box(book.best(side));
        if at.is_multiple_of(16) {
            std::hint::black_box(book.levels(side).take(5).last());
            std::hint::black_box(book.orders(side).take(5).last());
            std::hint::black_box(book.waiting(side).take(5).last());
        }
    }
    match command {
        Command::New(new) | Command::NewWith(new, _) => {
            std::hint::black_box(book.order(new.id));
        }
        Command::SetPhase { .. } | Command::Uncross { .. } => {
            std::hint::black_box(book.indicative());
        }
        _ => {}
    }
}

const ORDERS: u64 = 2000;

/// Commands that fill a book: 1000 bids and 1000 asks, each at a price of its own, far apart.
fn fill(of: impl Fn(NewOrder) -> Command) -> Vec<Command> {
    (0..ORDERS).map(|id| of(resting(id))).collect()
}

/// The order that `fill` enters with this id.
fn resting(id: u64) -> NewOrder {
    let side = Side::BOTH[(id % 2) as usize];
    let far = (id as i64) << 20;
    let price = match side {
        Side::Buy => Ticks((1 << 40) - far),
        Side::Sell => Ticks((1 << 40) + far),
    };
    NewOrder::limit(OrderId(id), User((id % 10) as u32 + 1), side, price, Lots(10))
}

/// Runs `commands` on what `fill` makes of each order, in a book that this fills exactly.
#[track_caller]
fn check_filled(
    name: &str,
    self_trade: SelfTrade,
    of: impl Fn(NewOrder) -> Command,
    commands: impl Iterator<Item = Command>,
) -> Tally {
    let (orders, levels) = (ORDERS as usize, ORDERS as usize);
    let commands = fill(of).into_iter().chain(commands).collect();
    Script { name: name.to_owned(), self_trade, orders, levels, commands }.check()
}

/// Each order of `fill` once, in an order that jumps about the book.
fn shuffled() -> impl Iterator<Item = u64> {
    (0..ORDERS).map(|at| at * 709 % ORDERS)
}

#[test]
fn the_counter_counts() {
    let before = CALLS.get();
    drop(std::hint::black_box(Box::new(5)));
    assert_eq!(CALLS.get() - before, 2);
}
