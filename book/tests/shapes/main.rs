//! Shapes that break order books: one deep level, far prices, sweeps, sides that empty and fill,
//! many orders that go at once.
//!
//! What each shape comes to is worked out here from its numbers, in closed form. A book that was
//! given the room at its start never grows in any of them.

mod many;
mod special;

use book::{
    Book, BookConfig, Command, Event, Events, LevelDepth, Lots, NewOrder, OrderId, Outcome,
    SelfTrade, Side, Ticks, User,
};

/// A book with room for a shape and no more.
struct Shape {
    book: Book,
    told: Told,
}

/// Events and levels of the last command.
#[derive(Default)]
struct Told {
    events: Vec<Event>,
    levels: Vec<LevelDepth>,
}

impl Events for Told {
    fn event(&mut self, event: Event) {
        self.events.push(event);
    }

    fn level(&mut self, level: LevelDepth) {
        self.levels.push(level);
    }
}

impl Shape {
    fn new(orders: usize, levels: usize) -> Shape {
        let config = BookConfig { self_trade: SelfTrade::Allow, orders, levels, seed: 7 };
        Shape { book: Book::new(config), told: Told::default() }
    }

    /// Applies a command that must be accepted.
    #[track_caller]
    fn apply(&mut self, command: Command) -> Outcome {
        self.told.events.clear();
        self.told.levels.clear();
        let outcome = self.book.apply(&command, &mut self.told);
        assert_eq!(outcome.reject, None, "{command:?}");
        outcome
    }

    #[track_caller]
    fn rest(&mut self, id: u64, side: Side, price: i64, qty: u64) {
        let order = NewOrder::limit(OrderId(id), User(0), side, Ticks(price), Lots(qty));
        let outcome = self.apply(Command::New(order));
        assert_eq!((outcome.filled, outcome.resting), (Lots::ZERO, Lots(qty)));
    }

    fn cancel(&mut self, id: u64) -> Lots {
        self.apply(Command::Cancel { id: OrderId(id) }).cancelled
    }

    /// Checks the invariants, and that the book has stayed in the room it was given.
    #[track_caller]
    fn check(&self, orders: usize, levels: usize) {
        assert_eq!(self.book.check(), Ok(()));
        assert_eq!((self.book.order_count(), self.book.level_count()), (orders, levels));
        assert_eq!(self.book.growths(), 0, "the book has grown beyond its room");
    }

    fn ids(&self, side: Side) -> Vec<u64> {
        self.book.orders(side).map(|order| order.id.0).collect()
    }

    fn prices(&self, side: Side) -> Vec<i64> {
        self.book.levels(side).map(|level| level.price.0).collect()
    }
}

/// The numbers below `count` in an order that jumps about; `count` and `step` have no common factor.
fn shuffled(count: u64, step: u64) -> impl Iterator<Item = u64> {
    (0..count).map(move |at| at * step % count)
}
