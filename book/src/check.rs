//! The invariants of a book, checked in full. For tests, fuzzing and replay: it reads everything.

use crate::arena::Slot;
use crate::book::Book;
use crate::command::Phase;
use crate::hash;
use crate::index::Probe;
use crate::level::{Kind, Level, stop_rank};
use crate::units::{Lots, OrderId, Side, Ticks};

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
    /// Terms are not those of their order, or its place does not fit them.
    #[error("the terms of order {id:?} do not fit it")]
    Terms {
        /// The order.
        id: OrderId,
    },
    /// Terms of orders that are not there, expiries out of order, or a wrong number of stops.
    #[error("{held} terms are held, {queued} orders have some, {stops} stops are counted")]
    TermsCount {
        /// Terms held.
        held: usize,
        /// Orders in queues that have terms.
        queued: usize,
        /// Stops that the book counts.
        stops: u32,
    },
    /// The hash that was kept is not that of the state.
    #[error("the state hashes to {found:016x}, {kept:016x} was kept")]
    State {
        /// The part of the hash that was kept.
        kept: u64,
        /// The same, computed anew.
        found: u64,
    },
    /// A range of traded prices or market orders that wait, while the book trades.
    #[error("something is left over that continuous trading never leaves")]
    LeftOver,
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
    /// Checks every invariant: sides not crossed while the book trades, ladders in order, level sums
    /// equal to order sums, no empty level or order, queues linked both ways, index, queues and
    /// terms in agreement, and the hash that of the state.
    pub fn check(&self) -> Result<(), Broken> {
        if self.phase == Phase::Continuous
            && let (Some(bid), Some(ask)) = (self.best(Side::Buy), self.best(Side::Sell))
            && bid.price >= ask.price
        {
            return Err(Broken::Crossed { bid: bid.price, ask: ask.price });
        }
        let mut seen = Seen::default();
        for side in Side::BOTH {
            let ladders = [(&self.ladders, Kind::Priced), (&self.stops, Kind::Stop)];
            for (ladder, kind) in ladders.map(|(pair, kind)| (&pair[side as usize], kind)) {
                if !ladder.is_sound(&self.queues.levels) {
                    return Err(Broken::Ladder { side });
                }
                for rank in ladder.ranks() {
                    let at = ladder.level(rank, &self.queues.levels);
                    let level = &self.queues.levels[at];
                    if (level.rank, level.side(), level.kind()) != (rank, side, kind) {
                        return Err(Broken::Level { side, price: level.price() });
                    }
                    self.check_level(at, &mut seen)?;
                }
            }
            if let Some(at) = self.collected[side as usize].some() {
                self.check_level(at, &mut seen)?;
            }
        }
        let (indexed, stored) = (self.index.len(), self.queues.orders.len());
        let queued = seen.orders;
        if queued != indexed || queued != stored || seen.levels != self.queues.levels.len() {
            return Err(Broken::Count { queued, indexed, stored });
        }
        self.check_terms(&seen)?;
        let between = self.phase == Phase::Continuous
            && (self.reach.is_some() || self.collected != [Slot::NONE; 2]);
        if seen.hash != self.queues.hash {
            return Err(Broken::State { kept: self.queues.hash, found: seen.hash });
        }
        if between {
            return Err(Broken::LeftOver);
        }
        Ok(())
    }

    /// Checks a level and its queue.
    fn check_level(&self, at: Slot<Level>, seen: &mut Seen) -> Result<(), Broken> {
        let level = &self.queues.levels[at];
        let (mut total, mut hidden, mut count, mut specials) = (0, 0, 0, 0);
        let mut ahead = Slot::NONE;
        for slot in self.queues.queue(at) {
            let order = &self.queues.orders[slot];
            let found = matches!(self.probe(order.id), Probe::Found(_, held) if held == slot);
            let placed = order.level == at && order.ahead == ahead;
            let special = self.specials.get(order.id);
            let sized = order.open().0 + special.map_or(0, |special| special.hidden.0);
            if !found || !placed || order.open() == Lots::ZERO || !Lots(sized).in_range() {
                return Err(Broken::Order { id: order.id });
            }
            if let Some(special) = special {
                let waits = special.entry.is_some() == (level.kind() == Kind::Stop);
                let shown = special.display.is_none_or(|show| order.open() <= show);
                let shows = shown || level.kind() == Kind::Stop;
                if !waits || !shows || special.order != slot || special.side != level.side() {
                    return Err(Broken::Terms { id: order.id });
                }
                (hidden, specials) = (hidden + special.hidden.0, specials + 1);
            } else if level.kind() == Kind::Stop {
                return Err(Broken::Terms { id: order.id });
            }
            let expired =
                special.is_some_and(|special| special.expires.is_some_and(|at| at <= self.now));
            let reached = level.kind() == Kind::Stop
                && self.phase == Phase::Continuous
                && self.last_trade.is_some_and(|last| level.rank >= stop_rank(level.side(), last));
            if expired || reached {
                return Err(Broken::Terms { id: order.id });
            }
            let number = hash::of_order(order, level.rank);
            seen.hash = seen.hash.wrapping_add(number);
            (total, count, ahead) = (total + order.open().0, count + 1, slot);
        }
        seen.orders += count;
        seen.levels += 1;
        seen.specials += specials as usize;
        seen.stops += if level.kind() == Kind::Stop { count } else { 0 };
        let summed = total == level.total.0
            && count == level.count as usize
            && specials == level.specials()
            && hidden == self.specials.hidden_at(at).0;
        if summed && count > 0 && level.last == ahead {
            Ok(())
        } else {
            Err(Broken::Level { side: level.side(), price: level.price() })
        }
    }

    /// Checks that the terms are those of orders that are there.
    fn check_terms(&self, seen: &Seen) -> Result<(), Broken> {
        let counted = self.specials.len() == seen.specials;
        if !counted || !self.specials.is_sound() || self.stops_waiting as usize != seen.stops {
            let (held, queued) = (self.specials.len(), seen.specials);
            return Err(Broken::TermsCount { held, queued, stops: self.stops_waiting });
        }
        Ok(())
    }
}

/// What a walk through all queues has met.
#[derive(Default)]
struct Seen {
    orders: usize,
    levels: usize,
    specials: usize,
    stops: usize,
    hash: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::BookConfig;
    use crate::command::{Command, NewOrder};
    use crate::event::Discard;
    use crate::units::{Rank, User};

    /// A sound book: two bids at 100, one at 99, an ask at 102, an iceberg at 103, a stop at 110.
    fn sound() -> Book {
        let mut book = Book::new(BookConfig::default());
        for (id, side, price) in
            [(1, Side::Buy, 100), (2, Side::Buy, 100), (3, Side::Buy, 99), (4, Side::Sell, 102)]
        {
            let new = NewOrder::limit(OrderId(id), User(1), side, Ticks(price), Lots(5));
            book.apply(&Command::New(new), &mut Discard);
        }
        let iceberg = NewOrder::limit(OrderId(5), User(1), Side::Sell, Ticks(103), Lots(9));
        book.apply(&iceberg.with_display(Lots(2)), &mut Discard);
        let stop = NewOrder::market(OrderId(6), User(1), Side::Buy, Lots(9));
        book.apply(&stop.with_stop(Ticks(110)), &mut Discard);
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
        match book.probe(OrderId(id)) {
            Probe::Found(_, slot) => slot,
            Probe::Vacant(_) => panic!("it rests"),
        }
    }

    #[test]
    fn damage_to_levels_is_found() {
        let level = Broken::Level { side: Side::Buy, price: Ticks(100) };
        let best = |book: &Book| book.ladders[Side::Buy as usize].best_level();
        let damages: [fn(&mut Level); 4] = [
            |level| level.total.0 += 1,
            |level| level.count -= 1,
            |level| level.last = level.first,
            |level| level.add_special(),
        ];
        for damage in damages {
            finds(
                |book| {
                    let at = best(book);
                    damage(&mut book.queues.levels[at]);
                },
                level,
            );
        }
        finds(
            |book| {
                let at = best(book);
                book.queues.levels[at].rank = Rank(98);
            },
            Broken::Ladder { side: Side::Buy },
        );
        finds(|book| book.ladders.swap(0, 1), Broken::Crossed { bid: Ticks(102), ask: Ticks(100) });
        finds(
            |book| {
                book.phase = Phase::Auction;
                book.ladders.swap(0, 1);
            },
            Broken::Level { side: Side::Buy, price: Ticks(102) },
        );
    }

    /// Breaks one field of an order.
    type Damage = fn(&mut crate::order::Order);

    #[test]
    fn damage_to_orders_is_found() {
        let order = |id| Broken::Order { id: OrderId(id) };
        let damages: [(u64, Damage, u64); 3] = [
            (1, |order| order.set_open(Lots(0)), 1),
            (2, |order| order.ahead = Slot::NONE, 2),
            (2, |order| order.id = OrderId(9), 9),
        ];
        for (damaged, damage, found) in damages {
            finds(
                |book| {
                    let at = slot(book, damaged);
                    damage(&mut book.queues.orders[at]);
                },
                order(found),
            );
        }
        finds(
            |book| book.index.forget(3, slot(book, 3), |slot| book.queues.orders[slot].id.0),
            order(3),
        );
        finds(
            |book| {
                let stray = book.queues.orders[slot(book, 1)];
                book.queues.orders.insert(stray);
            },
            Broken::Count { queued: 6, indexed: 6, stored: 7 },
        );
        let mut book = sound();
        let at = slot(&book, 1);
        book.queues.orders[at].user = User(2);
        assert!(matches!(book.check(), Err(Broken::State { .. })));
    }

    #[test]
    fn damage_to_terms_is_found() {
        finds(
            |book| {
                book.specials.change(OrderId(5), |special| special.hidden.0 -= 1);
            },
            Broken::Level { side: Side::Sell, price: Ticks(103) },
        );
        finds(
            |book| {
                book.specials.change(OrderId(5), |special| special.display = Some(Lots(1)));
            },
            Broken::Terms { id: OrderId(5) },
        );
        finds(
            |book| {
                book.specials.change(OrderId(6), |special| special.entry = None);
            },
            Broken::Terms { id: OrderId(6) },
        );
        finds(
            |book| {
                book.specials.remove(OrderId(6));
            },
            Broken::Terms { id: OrderId(6) },
        );
        finds(|book| book.stops_waiting = 2, Broken::TermsCount { held: 2, queued: 2, stops: 2 });
        finds(|book| book.reach = Some((Ticks(1), Ticks(2))), Broken::LeftOver);
    }
}
