//! A book allocates at its start and never again: counted, for each kind of command.

use book::{
    Book, BookConfig, Command, Event, Events, Lots, NewOrder, OrderId, SelfTrade, Side, Ticks,
    TimeInForce, User,
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
#[derive(Default)]
struct Tally {
    trades: u64,
    cancels: u64,
    rests: u64,
}

impl Events for Tally {
    fn event(&mut self, event: Event) {
        match event {
            Event::Traded(_) => self.trades += 1,
            Event::Cancelled(_) => self.cancels += 1,
            Event::Rested(_) => self.rests += 1,
            Event::Accepted { .. } | Event::Rejected { .. } => {}
        }
    }
}

const ORDERS: u64 = 2000;

/// A book exactly full: 1000 bids and 1000 asks, each at a price of its own, far apart.
fn full(self_trade: SelfTrade) -> Book {
    let (orders, levels) = (ORDERS as usize, ORDERS as usize);
    let mut book = Book::new(BookConfig { self_trade, orders, levels, seed: 1 });
    for id in 0..ORDERS {
        let outcome = book.apply(&Command::New(resting(id)), &mut Tally::default());
        assert_eq!((outcome.code(), outcome.resting), (0, Lots(10)));
    }
    assert_eq!((book.check(), book.level_count()), (Ok(()), levels));
    book
}

/// The order that `full` enters with this id.
fn resting(id: u64) -> NewOrder {
    let side = Side::BOTH[(id % 2) as usize];
    let far = (id as i64) << 20;
    let price = match side {
        Side::Buy => Ticks((1 << 40) - far),
        Side::Sell => Ticks((1 << 40) + far),
    };
    NewOrder::limit(OrderId(id), User((id % 10) as u32 + 1), side, price, Lots(10))
}

/// Runs `commands` on a full book; none of them may call the allocator.
#[track_caller]
fn check(name: &str, self_trade: SelfTrade, commands: impl Iterator<Item = Command>) -> Tally {
    let commands: Vec<Command> = commands.collect();
    let mut book = full(self_trade);
    let mut tally = Tally::default();
    for (at, command) in commands.iter().enumerate() {
        let before = CALLS.get();
        book.apply(command, &mut tally);
        let calls = CALLS.get() - before;
        assert_eq!(calls, 0, "{name}: the allocator was called by command {at}, {command:?}");
    }
    assert_eq!((book.check(), book.growths()), (Ok(()), 0), "{name}");
    tally
}

/// Each resting order once, in an order that jumps about the book.
fn shuffled() -> impl Iterator<Item = u64> {
    (0..ORDERS).map(|at| at * 709 % ORDERS)
}

#[test]
fn cancel_and_add_do_not_allocate() {
    let turns =
        shuffled().flat_map(|id| [Command::Cancel { id: OrderId(id) }, Command::New(resting(id))]);
    let tally = check("cancel, then add", SelfTrade::Allow, turns);
    assert_eq!((tally.cancels, tally.rests), (ORDERS, ORDERS));
    let all = shuffled().map(|id| Command::Cancel { id: OrderId(id) });
    let again = shuffled().map(|id| Command::New(resting(id)));
    check("cancel all, then add all", SelfTrade::Allow, all.chain(again));
}

#[test]
fn reduce_and_replace_do_not_allocate() {
    let [by, half] = [Lots(3), Lots(5)];
    let turns = shuffled().flat_map(|id| {
        let price = resting((id + 2) % ORDERS).limit.expect("a limit order");
        let id = OrderId(id);
        let replace = Command::Replace { id, price, qty: half, self_trade: None };
        [Command::Reduce { id, by }, replace]
    });
    let tally = check("reduce and replace", SelfTrade::Allow, turns);
    assert_eq!((tally.cancels, tally.rests), (2 * ORDERS, ORDERS));
    let crossing = shuffled().filter(|id| id % 2 == 0).map(|id| Command::Replace {
        id: OrderId(id),
        price: Ticks(1 << 50),
        qty: Lots(10),
        self_trade: None,
    });
    assert!(check("replace that trades", SelfTrade::Allow, crossing).trades > 900);
}

#[test]
fn takers_do_not_allocate_in_any_self_trade_mode() {
    use TimeInForce::{Fok, Gtc, Ioc, Post};
    for mode in SelfTrade::ALL {
        let takers = (0..400).map(|at| {
            let (id, user) = (OrderId(ORDERS + at), User((at % 10) as u32 + 1));
            let side = Side::BOTH[(at / 4 % 2) as usize];
            let price = Ticks(if side == Side::Buy { 1 << 50 } else { 1 });
            let order = match at % 4 {
                0 => NewOrder::market(id, user, side, Lots(25)),
                1 => NewOrder::limit(id, user, side, price, Lots(25)).with_tif(Ioc),
                2 => NewOrder::limit(id, user, side, price, Lots(25)).with_tif(Fok),
                _ => NewOrder::limit(id, user, side, price, Lots(25)).with_tif(Gtc),
            };
            Command::New(order)
        });
        let tally = check(&format!("takers, {mode:?}"), mode, takers);
        assert!(tally.trades > 200, "{mode:?}: {} trades", tally.trades);
    }
    let refused = (0..100).map(|at| {
        let price = Ticks(1 << 50);
        let order = NewOrder::limit(OrderId(ORDERS + at), User(1), Side::Buy, price, Lots(1));
        Command::New(order.with_tif(Post))
    });
    check("refused", SelfTrade::Allow, refused);
}

#[test]
fn mass_cancel_does_not_allocate() {
    let users = (1..=10).flat_map(|user| {
        [Some(Side::Sell), None].map(|side| Command::MassCancel { user: User(user), side })
    });
    let again = shuffled().map(|id| Command::New(resting(id)));
    let tally = check("mass cancel", SelfTrade::Allow, users.chain(again));
    assert_eq!((tally.cancels, tally.rests), (ORDERS, ORDERS));
}

#[test]
fn the_counter_counts() {
    let before = CALLS.get();
    drop(std::hint::black_box(Box::new(5)));
    assert_eq!(CALLS.get() - before, 2);
}
