//! The book: its parts, and the commands that touch one resting order or many.
//!
//! Entering an order, which may trade, is in `matching.rs`; reading the book out in `depth.rs`.
//! Every command is judged in full before the first change, so a refused one changes nothing.

use crate::arena::{Arena, Slot};
use crate::command::{Command, SelfTrade};
use crate::event::{Cancelled, Cut, Event, Events, Outcome, Reject};
use crate::index::{Index, Place, Probe};
use crate::ladder::Ladder;
use crate::level::{self, Level};
use crate::order::Order;
use crate::units::{LOTS_MAX, Lots, OrderId, Rank, Side, Ticks, User};

/// Most orders that can rest in one book. With it, the lots of a whole book fit into a `u64`, and
/// orders and levels into 32-bit slots.
pub const ORDERS_MAX: usize = (1 << 24) - 1;

const _: () = assert!((ORDERS_MAX as u128) * (LOTS_MAX.0 as u128) < u64::MAX as u128);

/// What a book is made with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BookConfig {
    /// Self-trade prevention of orders that don't name their own.
    pub self_trade: SelfTrade,
    /// Resting orders to have room for. More are taken, up to [`ORDERS_MAX`], at the cost of a
    /// pause.
    pub orders: usize,
    /// Price levels, of both sides together, to have room for. More are taken, at the cost of a
    /// pause.
    pub levels: usize,
    /// Seed of the id table. Draw it at random where outsiders choose ids; it shows in no result.
    pub seed: u64,
}

impl Default for BookConfig {
    fn default() -> BookConfig {
        BookConfig { self_trade: SelfTrade::Allow, orders: 4096, levels: 1024, seed: 0 }
    }
}

/// The resting orders of one symbol.
pub struct Book {
    pub(crate) orders: Arena<Order>,
    pub(crate) levels: Arena<Level>,
    pub(crate) index: Index,
    /// By `Side as usize`.
    pub(crate) ladders: [Ladder; 2],
    pub(crate) self_trade: SelfTrade,
    pub(crate) orders_max: usize,
}

impl Book {
    /// An empty book. Allocates all it will need within the capacity of `config`.
    pub fn new(config: BookConfig) -> Book {
        let orders = config.orders.min(ORDERS_MAX);
        let levels = config.levels.min(orders);
        Book {
            orders: Arena::new(orders),
            levels: Arena::new(levels),
            index: Index::new(orders, config.seed),
            ladders: [Ladder::new(levels), Ladder::new(levels)],
            self_trade: config.self_trade,
            orders_max: ORDERS_MAX,
        }
    }

    /// Applies a command: the one way to change a book. Says what happened to `events`, in order.
    pub fn apply(&mut self, command: &Command, events: &mut impl Events) -> Outcome {
        let (id, result) = match command {
            Command::New(new) => (Some(new.id), self.enter(new, events)),
            Command::Cancel { id } => (Some(*id), self.cancel(*id, events)),
            Command::Reduce { id, by } => (Some(*id), self.reduce(*id, *by, events)),
            Command::Replace { id, price, qty, self_trade } => {
                (Some(*id), self.replace(*id, *price, *qty, *self_trade, events))
            }
            Command::MassCancel { user, side } => {
                (None, Ok(self.mass_cancel(*user, *side, events)))
            }
            _ => unreachable!("being built"),
        };
        result.unwrap_or_else(|reject| refuse(id, reject, events))
    }

    /// Makes room for so many resting orders and levels in all. To be called between commands,
    /// where a pause does no harm: it may allocate and move what the book holds.
    pub fn reserve(&mut self, orders: usize, levels: usize) {
        let orders = orders.min(ORDERS_MAX);
        let levels = levels.min(orders);
        self.orders.reserve(orders);
        self.levels.reserve(levels);
        self.index.reserve(orders);
        self.ladders.iter_mut().for_each(|ladder| ladder.reserve(levels));
    }

    /// How often a command had to allocate because the capacity was exceeded.
    pub fn growths(&self) -> u32 {
        let ladders: u32 = self.ladders.iter().map(Ladder::growths).sum();
        self.orders.growths() + self.levels.growths() + self.index.growths() + ladders
    }

    fn cancel(&mut self, id: OrderId, events: &mut impl Events) -> Result<Outcome, Reject> {
        let (place, slot) = self.resting(id)?;
        events.event(Event::Accepted { id: Some(id) });
        let cancelled = self.cancel_at(place, slot, events);
        Ok(Outcome { cancelled, ..Outcome::default() })
    }

    fn reduce(
        &mut self,
        id: OrderId,
        by: Lots,
        events: &mut impl Events,
    ) -> Result<Outcome, Reject> {
        if !by.in_range() {
            return Err(Reject::BadQuantity);
        }
        let (place, slot) = self.resting(id)?;
        events.event(Event::Accepted { id: Some(id) });
        if by >= self.orders[slot].open {
            let cancelled = self.cancel_at(place, slot, events);
            return Ok(Outcome { cancelled, ..Outcome::default() });
        }
        let order = &mut self.orders[slot];
        level::shrink(&mut self.levels[order.level], order, by);
        let resting = order.open;
        events.event(self.cut_event(slot, by, resting, Cut::Asked));
        Ok(Outcome { resting, cancelled: by, ..Outcome::default() })
    }

    fn mass_cancel(&mut self, user: User, side: Option<Side>, events: &mut impl Events) -> Outcome {
        events.event(Event::Accepted { id: None });
        let mut cancelled = Lots::ZERO;
        for side in Side::BOTH.into_iter().filter(|each| side.is_none_or(|only| only == *each)) {
            let mut from = Rank(i64::MAX);
            while let Some((rank, at)) = self.ladders[side as usize].below(from) {
                from = rank;
                let mut next = self.levels[at].first;
                while let Some(slot) = next.some() {
                    // Read before the order may go.
                    let order = self.orders[slot];
                    next = order.behind;
                    if order.user == user {
                        let place = self.place(order.id);
                        cancelled.0 += self.cancel_at(place, slot, events).0;
                    }
                }
            }
        }
        Outcome { cancelled, ..Outcome::default() }
    }

    /// Takes a resting order out because it was asked for. Returns what was open of it.
    fn cancel_at(&mut self, place: Place, slot: Slot<Order>, events: &mut impl Events) -> Lots {
        let open = self.orders[slot].open;
        events.event(self.cut_event(slot, open, Lots::ZERO, Cut::Asked));
        self.detach(slot);
        self.index.remove(place);
        self.orders.remove(slot);
        open
    }

    /// The event that `qty` of a resting order leaves without trading.
    pub(crate) fn cut_event(&self, slot: Slot<Order>, qty: Lots, open: Lots, cut: Cut) -> Event {
        let order = &self.orders[slot];
        let level = &self.levels[order.level];
        let (side, price) = (level.side(), Some(level.price()));
        Event::Cancelled(Cancelled {
            id: order.id,
            user: order.user,
            side,
            price,
            qty,
            open,
            shown: open,
            cut,
        })
    }

    /// Takes an order out of its queue, and its level out of the ladder when that was its last
    /// order. The order keeps its slot and its id.
    pub(crate) fn detach(&mut self, slot: Slot<Order>) {
        let at = self.orders[slot].level;
        if level::unlink(&mut self.levels, &mut self.orders, slot) {
            self.drop_level(at);
        }
    }

    /// Takes an empty level out of its ladder and frees it.
    pub(crate) fn drop_level(&mut self, at: Slot<Level>) {
        let level = self.levels.remove(at);
        assert!(level.total == Lots::ZERO && level.first.is_none(), "a level left with orders");
        self.ladders[level.side() as usize].remove(level.rank);
    }

    /// Puts an order at the end of its price's queue, opening the level if there is none.
    pub(crate) fn attach(&mut self, slot: Slot<Order>, side: Side, price: Ticks) {
        let crossed = Rank::new(side.opposite(), price);
        assert!(self.ladders[side.opposite() as usize].best() < crossed, "the book would cross");
        let rank = Rank::new(side, price);
        let ladder = &mut self.ladders[side as usize];
        let at = ladder.find(rank).unwrap_or_else(|rung| {
            let at = self.levels.insert(Level::new(rank));
            ladder.insert(rung, rank, at);
            at
        });
        level::push_last(&mut self.levels, &mut self.orders, at, slot);
    }

    /// A resting order by its id.
    pub(crate) fn resting(&self, id: OrderId) -> Result<(Place, Slot<Order>), Reject> {
        match self.index.probe(id) {
            Probe::Found(place, slot) => Ok((place, slot)),
            Probe::Vacant(_) => Err(Reject::UnknownId),
        }
    }

    /// The place in the index of an order that rests.
    pub(crate) fn place(&self, id: OrderId) -> Place {
        self.resting(id).expect("an order in a queue is in the index").0
    }
}

/// Answers a command that is refused.
pub(crate) fn refuse(id: Option<OrderId>, reject: Reject, events: &mut impl Events) -> Outcome {
    events.event(Event::Rejected { id, reject });
    Outcome::refused(reject)
}

#[cfg(test)]
mod tests;
