//! Reading a book out: the touch, levels with their sums (L2), orders in queue order (L3), and what
//! waits.

use crate::arena::Slot;
use crate::book::Book;
use crate::command::{Phase, Terms};
use crate::event::Waiting;
use crate::hash;
use crate::index::Probe;
use crate::ladder::Ladder;
use crate::level::{Kind, Level};
use crate::order::Order;
use crate::units::{Lots, OrderId, Side, Ticks, Time, User};

/// The sums of one price level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LevelDepth {
    /// Its side.
    pub side: Side,
    /// Its price.
    pub price: Ticks,
    /// Lots that its orders show.
    pub qty: Lots,
    /// Number of its orders.
    pub orders: u32,
}

/// An order that rests in the book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RestingOrder {
    /// Its side.
    pub side: Side,
    /// Its name.
    pub id: OrderId,
    /// Its price.
    pub price: Ticks,
    /// What the book shows of it.
    pub qty: Lots,
    /// What it hides beyond that: zero unless it is an iceberg.
    pub hidden: Lots,
    /// Its owner.
    pub user: User,
}

/// An order in whatever state it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LiveOrder {
    /// It rests in the queue of its level.
    Resting(RestingOrder),
    /// It waits, unseen.
    Waiting(Waiting),
}

impl LevelDepth {
    /// What a level that trades shows.
    #[inline]
    pub(crate) fn of(level: &Level) -> LevelDepth {
        let (side, price) = (level.side(), Ticks(level.rank.0.wrapping_abs()));
        LevelDepth { side, price, qty: level.total, orders: level.count }
    }
}

impl Book {
    /// The best level of a side.
    pub fn best(&self, side: Side) -> Option<LevelDepth> {
        let at = self.ladders[side as usize].best_level().some()?;
        Some(LevelDepth::of(&self.queues.levels[at]))
    }

    /// The levels of a side, the best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = LevelDepth> + '_ {
        self.slots_of(&self.ladders[side as usize])
            .map(|at| LevelDepth::of(&self.queues.levels[at]))
    }

    /// The orders of a side: the best level first, inside a level as they stand in the queue.
    pub fn orders(&self, side: Side) -> impl Iterator<Item = RestingOrder> + '_ {
        self.slots_of(&self.ladders[side as usize])
            .flat_map(|at| self.queues.queue(at).map(|slot| self.resting(slot)))
    }

    /// The orders of a side that wait: stops in the order they would be triggered, then the market
    /// orders that wait for an uncross.
    pub fn waiting(&self, side: Side) -> impl Iterator<Item = Waiting> + '_ {
        let stops = self.slots_of(&self.stops[side as usize]);
        let levels = stops.chain(self.collected[side as usize].some());
        levels.flat_map(|at| self.queues.queue(at).map(|slot| self.waits(slot)))
    }

    /// A live order, and the terms it still has.
    pub fn order(&self, id: OrderId) -> Option<(LiveOrder, Terms)> {
        let Probe::Found(_, slot) = self.probe(id) else { return None };
        let (live, stop) = match self.queues.level_of(slot).kind() {
            Kind::Priced => (LiveOrder::Resting(self.resting(slot)), None),
            Kind::Stop | Kind::Market => {
                let waiting = self.waits(slot);
                (LiveOrder::Waiting(waiting), waiting.stop)
            }
        };
        let special = self.specials.get(id);
        let (display, expires) = special.map_or((None, None), |held| (held.display, held.expires));
        Some((live, Terms { display, stop, expires }))
    }

    /// Number of live orders, resting or waiting, both sides.
    pub fn order_count(&self) -> usize {
        self.queues.orders.len()
    }

    /// Number of price levels, both sides.
    pub fn level_count(&self) -> usize {
        self.ladders.iter().map(Ladder::len).sum()
    }

    /// The phase of the book.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The price of the last trade.
    pub fn last_trade(&self) -> Option<Ticks> {
        self.last_trade
    }

    /// The latest moment that [`Command::Expire`](crate::Command::Expire) told.
    pub fn now(&self) -> Time {
        self.now
    }

    /// A hash of all that decides what the book does from here on: queues and the order of arrival
    /// in them, waiting orders, terms, phase, moment, last trade. Books that took the same commands
    /// have the same hash, also when one of them was restored from bytes on the way. Every command
    /// keeps it up to date, in constant time per order touched.
    pub fn state_hash(&self) -> u64 {
        let optional = |price: Option<Ticks>| price.map_or(0, |price| price.0 as u64);
        let (low, high) = self.reach.unzip();
        let modes = u64::from(self.phase as u8) << 8 | u64::from(self.self_trade as u8);
        let last = optional(self.last_trade);
        let (orders, terms) = (self.queues.hash, self.specials.hash);
        let arrivals = u64::from(self.queues.arrival.number());
        let (low, high, now) = (optional(low), optional(high), self.now.0);
        hash::of_words(&[orders, terms, modes, last, low, high, now, arrivals])
    }

    /// The levels of a ladder, the best first.
    pub(crate) fn slots_of<'a>(
        &'a self,
        ladder: &'a Ladder,
    ) -> impl Iterator<Item = Slot<Level>> + 'a {
        ladder.ranks().map(|rank| ladder.level(rank, &self.queues.levels))
    }

    fn resting(&self, slot: Slot<Order>) -> RestingOrder {
        let Order { id, user, .. } = self.queues.orders[slot];
        let qty = self.queues.orders[slot].open();
        let level = self.queues.level_of(slot);
        let hidden = self.hidden_of(slot);
        RestingOrder { side: level.side(), id, price: level.price(), qty, hidden, user }
    }

    fn waits(&self, slot: Slot<Order>) -> Waiting {
        let Order { id, user, .. } = self.queues.orders[slot];
        let qty = self.queues.orders[slot].open();
        let level = self.queues.level_of(slot);
        let stop = (level.kind() == Kind::Stop).then(|| level.price());
        Waiting { id, user, side: level.side(), qty, stop }
    }
}
