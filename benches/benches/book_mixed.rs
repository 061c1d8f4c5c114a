//! What does one command cost in a usual mix: 50 % adds near the touch, 40 % cancels, 8 % takers, 2
//! % replaces, on a book of some thousand resting orders? One iteration is [`COMMANDS`] commands;
//! the throughput line says commands per second.

use book::{
    Book, BookConfig, Command, Event, Events, Lots, NewOrder, OrderId, SelfTrade, Side, Ticks,
    TimeInForce, User,
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

/// Orders in the book before the timed part.
const PREFILL: usize = 4000;
/// Commands of one timed pass.
const COMMANDS: usize = 100_000;
/// Where the market is, and stays: a mix without drift keeps the book at its size.
const MIDDLE: i64 = 100_000;
/// Adds are placed up to so many ticks from the touch.
const DEPTH: u64 = 50;

/// A fixed sequence of numbers, so that every run times the same commands.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % bound
    }

    fn side(&mut self) -> Side {
        Side::BOTH[self.below(2) as usize]
    }
}

/// Makes commands, remembering which orders may still rest.
struct Flow {
    draw: Draw,
    resting: Vec<(OrderId, Side)>,
    made: u64,
}

impl Flow {
    /// Ids spread over all of `u64`, so that no index can count on their density.
    fn id(&mut self) -> OrderId {
        self.made += 1;
        OrderId(self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn price(&mut self, side: Side) -> Ticks {
        // The smaller of two draws: nearer prices are likelier.
        let away = 1 + self.draw.below(DEPTH).min(self.draw.below(DEPTH)) as i64;
        match side {
            Side::Buy => Ticks(MIDDLE - away),
            Side::Sell => Ticks(MIDDLE + away),
        }
    }

    fn add(&mut self) -> Command {
        let (id, side) = (self.id(), self.draw.side());
        let (price, qty) = (self.price(side), Lots(1 + self.draw.below(100)));
        self.resting.push((id, side));
        Command::New(NewOrder::limit(id, User(1), side, price, qty))
    }

    fn take(&mut self) -> Command {
        let (id, side) = (self.id(), self.draw.side());
        let price = self.price(side.opposite());
        let taker = NewOrder::limit(id, User(2), side, price, Lots(1 + self.draw.below(120)));
        Command::New(taker.with_tif(TimeInForce::Ioc))
    }

    fn next(&mut self) -> Command {
        let roll = self.draw.below(100);
        if roll < 50 || self.resting.is_empty() {
            return self.add();
        }
        if roll < 58 {
            return self.take();
        }
        let at = self.draw.below(self.resting.len() as u64) as usize;
        if roll < 60 {
            let (id, side) = self.resting[at];
            let (price, qty) = (self.price(side), Lots(1 + self.draw.below(100)));
            return Command::Replace { id, price, qty, self_trade: None };
        }
        Command::Cancel { id: self.resting.swap_remove(at).0 }
    }
}

/// Reads what a consumer would read of each event.
#[derive(Default)]
struct Tally {
    events: u64,
    lots: u64,
}

impl Events for Tally {
    fn event(&mut self, event: Event) {
        self.events += 1;
        if let Event::Traded(trade) = event {
            self.lots += trade.qty.0;
        }
    }
}

fn book_mixed(criterion: &mut Criterion) {
    let mut flow = Flow { draw: Draw(7), resting: Vec::new(), made: 0 };
    let prefill: Vec<Command> = (0..PREFILL).map(|_| flow.add()).collect();
    let commands: Vec<Command> = (0..COMMANDS).map(|_| flow.next()).collect();
    let prefilled = || {
        let self_trade = SelfTrade::Allow;
        let mut book = Book::new(BookConfig { self_trade, orders: 1 << 15, levels: 1024, seed: 5 });
        prefill.iter().for_each(|command| {
            book.apply(command, &mut Tally::default());
        });
        book
    };
    let mut group = criterion.benchmark_group("book_mixed");
    group.throughput(Throughput::Elements(COMMANDS as u64));
    group.bench_function("100,000 commands", |bencher| {
        bencher.iter_batched_ref(
            prefilled,
            |book| {
                let mut tally = Tally::default();
                for command in &commands {
                    black_box(book.apply(command, &mut tally));
                }
                black_box(tally.events + tally.lots)
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, book_mixed);
criterion_main!(benches);
