//! The invariants of a book, checked in full. For tests, fuzzing and replay: it reads everything.

use crate::arena::Slot;
use crate::book::Book;
use crate::index::Probe;
use crate::level::Level;
use crate::units::{OrderId, Side, Ticks};

/// An invariant that does not hold: a defect of this crate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Broken {
    /// A bid is at or above an ask.
    #[error("best bid {bid} is not below best ask {ask}")]
    Crossed {
        /// Best bid.
        bid: Ticks,
        /// Best ask.
        ask: Ticks,
    },
    /// A ladder is out of order, or its cached best level is not the best.
    #[error("the ladder of side {side:?} is out of order")]
    Ladder {
        /// Its side.
        side: Side,
    },
    /// A level is empty, on the wrong side, or its sums differ from its orders.
    #[error("level {price} of side {side:?} differs from its orders")]
    Level {
        /// Its side.
        side: Side,
        /// Its price.
        price: Ticks,
    },
    /// An order has no open quantity or too much, is linked wrongly, or is not in the index.
    #[error("order {id:?} is out of place")]
    Order {
        /// The order.
        id: OrderId,
    },
    /// The index, the arenas and the queues hold different numbers of orders or levels.
    #[error("queues hold {queued} orders, the index {indexed}, the arena {stored}")]
    Count {
        /// Orders in queues.
        queued: usize,
        /// Orders in the index.
        indexed: usize,
        /// Orders in the arena.
        stored: usize,
    },
}

impl Book {
    /// Checks every invariant: sides not crossed, ladders in order, level sums equal to order sums,
    /// no empty level or order, queues linked both ways, index and queues in agreement.
    pub fn check(&self) -> Result<(), Broken> {
        if let (Some(bid), Some(ask)) = (self.best(Side::Buy), self.best(Side::Sell))
            && bid.price >= ask.price
        {
            return Err(Broken::Crossed { bid: bid.price, ask: ask.price });
        }
        let mut queued = 0;
        for side in Side::BOTH {
            let ladder = &self.ladders[side as usize];
            if !ladder.is_sound() {
                return Err(Broken::Ladder { side });
            }
            for (rank, at) in ladder.iter() {
                let level = &self.levels[at];
                if level.rank != rank || level.side() != side {
                    return Err(Broken::Level { side, price: rank.price(side) });
                }
                queued += self.check_level(at)?;
            }
        }
        let levels: usize = self.ladders.iter().map(|ladder| ladder.len()).sum();
        let (indexed, stored) = (self.index.len(), self.orders.len());
        if queued != indexed || queued != stored || levels != self.levels.len() {
            return Err(Broken::Count { queued, indexed, stored });
        }
        Ok(())
    }

    /// Checks a level and its queue; returns the number of its orders.
    fn check_level(&self, at: Slot<Level>) -> Result<usize, Broken> {
        let level = &self.levels[at];
        let (mut total, mut count, mut ahead) = (0, 0, Slot::NONE);
        for slot in self.queue(at) {
            let order = &self.orders[slot];
            let found = matches!(self.index.probe(order.id), Probe::Found(_, held) if held == slot);
            let placed = order.level == at && order.ahead == ahead;
            if !found || !placed || !order.open.in_range() {
                return Err(Broken::Order { id: order.id });
            }
            (total, count, ahead) = (total + order.open.0, count + 1, slot);
        }
        let summed = total == level.total.0 && count == level.count as usize;
        if summed && count > 0 && level.last == ahead {
            Ok(count)
        } else {
            Err(Broken::Level { side: level.side(), price: level.price() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::BookConfig;
    use crate::command::{Command, NewOrder};
    use crate::event::Discard;
    use crate::units::{Lots, Rank, User};

    /// A sound book: two bids at 100, one at 99, an ask at 102.
    fn sound() -> Book {
        let mut book = Book::new(BookConfig::default());
        for (id, side, price) in
            [(1, Side::Buy, 100), (2, Side::Buy, 100), (3, Side::Buy, 99), (4, Side::Sell, 102)]
        {
            let new = NewOrder::limit(OrderId(id), User(1), side, Ticks(price), Lots(5));
            book.apply(&Command::New(new), &mut Discard);
        }
        assert_eq!(book.check(), Ok(()));
        book
    }

    /// Damages a sound book and compares what `check` says.
    #[track_caller]
    fn finds(damage: impl FnOnce(&mut Book), broken: Broken) {
        let mut book = sound();
        damage(&mut book);
        assert_eq!(book.check(), Err(broken));
        assert!(!broken.to_string().is_empty());
    }

    fn slot(book: &Book, id: u64) -> Slot<crate::order::Order> {
        book.resting(OrderId(id)).expect("it rests").1
    }

    #[test]
    fn damage_is_found() {
        let level = Broken::Level { side: Side::Buy, price: Ticks(100) };
        let best = |book: &Book| book.ladders[Side::Buy as usize].best_level();
        finds(
            |book| {
                let at = best(book);
                book.levels[at].total.0 += 1
            },
            level,
        );
        finds(
            |book| {
                let at = best(book);
                book.levels[at].count -= 1
            },
            level,
        );
        finds(
            |book| {
                let at = best(book);
                book.levels[at].rank = Rank(98)
            },
            level,
        );
        finds(
            |book| {
                let at = best(book);
                book.levels[at].last = book.levels[at].first
            },
            level,
        );
        let order = |id| Broken::Order { id: OrderId(id) };
        finds(
            |book| {
                let at = slot(book, 1);
                book.orders[at].open = Lots(0)
            },
            order(1),
        );
        finds(
            |book| {
                let at = slot(book, 2);
                book.orders[at].ahead = Slot::NONE
            },
            order(2),
        );
        finds(
            |book| {
                let at = slot(book, 2);
                book.orders[at].id = OrderId(9)
            },
            order(9),
        );
        finds(
            |book| {
                let place = book.place(OrderId(3));
                book.index.remove(place);
            },
            order(3),
        );
        finds(
            |book| {
                let stray = book.orders[slot(book, 1)];
                book.orders.insert(stray);
            },
            Broken::Count { queued: 4, indexed: 4, stored: 5 },
        );
        finds(|book| book.ladders.swap(0, 1), Broken::Crossed { bid: Ticks(102), ask: Ticks(100) });
        finds(
            |book| {
                let [bids, asks] = &mut book.ladders;
                asks.remove(Rank(-102));
                std::mem::swap(bids, asks);
            },
            Broken::Level { side: Side::Sell, price: Ticks(-100) },
        );
    }
}
