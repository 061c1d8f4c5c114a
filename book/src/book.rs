//! The book: its parts, and the commands about one order that rests already.
//!
//! Entering an order, which may trade, is in `matching.rs`; orders with terms in `terms.rs`; stops in
//! `stop.rs`; commands about many orders in `many.rs`; phases and the uncross in `phase.rs`; reading
//! the book out in `depth.rs`. Every command is judged in full before the first change, so a refused
//! one changes nothing.

use crate::arena::Slot;
use crate::command::{Command, Phase, SelfTrade};
use crate::depth::LevelDepth;
use crate::event::{Cancelled, Cut, Event, Events, Outcome, Reject, Rested};
use crate::index::{Index, Place, Probe};
use crate::ladder::Ladder;
use crate::level::{Kind, Level};
use crate::order::Order;
use crate::queues::Queues;
use crate::special::Specials;
use crate::units::{LOTS_MAX, Lots, OrderId, Rank, Side, Ticks, Time};

/// Most orders that can live in one book. With it, the lots of a whole book fit into a `u64`, and
/// orders and levels into 32-bit slots.
pub const ORDERS_MAX: usize = (1 << 24) - 1;

const _: () = assert!((ORDERS_MAX as u128) * (LOTS_MAX.0 as u128) < u64::MAX as u128);

/// What a book is made with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BookConfig {
    /// Self-trade prevention of orders that don't name their own.
    pub self_trade: SelfTrade,
    /// Live orders, resting or waiting, to have room for. More are taken, up to [`ORDERS_MAX`], at
    /// the cost of a pause. Choose it near what is needed: the table of ids is as large as this
    /// says, and a sparse table misses the caches.
    pub orders: usize,
    /// Price levels, of both sides together, to have room for. More are taken, at the cost of a
    /// pause.
    pub levels: usize,
    /// Seed of the hash tables. Draw it at random where outsiders choose ids; it shows in no
    /// result.
    pub seed: u64,
}

impl Default for BookConfig {
    fn default() -> BookConfig {
        BookConfig { self_trade: SelfTrade::Allow, orders: 4096, levels: 1024, seed: 0 }
    }
}

/// The orders of one symbol.
pub struct Book {
    pub(crate) queues: Queues,
    pub(crate) index: Index<Order>,
    /// Levels that trade, by `Side as usize`.
    pub(crate) ladders: [Ladder; 2],
    /// Queues of stops, the first to be triggered best.
    pub(crate) stops: [Ladder; 2],
    /// Queues of market orders that wait for an uncross; no slot when there are none.
    pub(crate) collected: [Slot<Level>; 2],
    pub(crate) specials: Specials,
    /// Stops in the queues of `stops`.
    pub(crate) stops_waiting: u32,
    pub(crate) phase: Phase,
    pub(crate) self_trade: SelfTrade,
    pub(crate) last_trade: Option<Ticks>,
    /// Lowest and highest price traded since stops were last elected. Between commands only outside
    /// continuous trading.
    pub(crate) reach: Option<(Ticks, Ticks)>,
    pub(crate) now: Time,
    pub(crate) orders_max: usize,
    /// Room to sort the orders of one user in.
    pub(crate) scratch: Vec<(OrderId, Slot<Order>)>,
    /// What the book shrinks to when it is empty.
    capacity: Capacity,
    trims: u32,
    pub(crate) scratch_growths: u32,
}

/// Room for so many orders and levels.
#[derive(Clone, Copy)]
struct Capacity {
    orders: usize,
    levels: usize,
}

impl Book {
    /// An empty book. Allocates all it will need within the capacity of `config`.
    pub fn new(config: BookConfig) -> Book {
        let orders = config.orders.min(ORDERS_MAX);
        let levels = config.levels.min(orders);
        let ladder = || Ladder::new(levels, config.seed);
        Book {
            queues: Queues::new(orders, levels),
            index: Index::new(orders, config.seed),
            ladders: [ladder(), ladder()],
            stops: [ladder(), ladder()],
            collected: [Slot::NONE; 2],
            specials: Specials::new(orders, levels, config.seed),
            stops_waiting: 0,
            phase: Phase::Continuous,
            self_trade: config.self_trade,
            last_trade: None,
            reach: None,
            now: Time(0),
            orders_max: ORDERS_MAX,
            scratch: Vec::with_capacity(orders),
            capacity: Capacity { orders, levels },
            trims: 0,
            scratch_growths: 0,
        }
    }

    /// Applies a command. Says what happened to `events`, in order.
    #[inline]
    pub fn apply(&mut self, command: &Command, events: &mut impl Events) -> Outcome {
        match command {
            Command::New(new) => self.enter(new, events),
            Command::Cancel { id } => self.cancel(*id, events),
            Command::Replace { id, price, qty, self_trade } => {
                self.replace(*id, *price, *qty, *self_trade, events)
            }
            _ => self.apply_rare(command, events),
        }
    }

    /// The commands that are few in any flow.
    #[inline(never)]
    fn apply_rare(&mut self, command: &Command, events: &mut impl Events) -> Outcome {
        match command {
            Command::Reduce { id, by } => self.reduce(*id, *by, events),
            Command::NewWith(new, terms) => self.enter_with(new, terms, events),
            Command::MassCancel { user, side } => self.mass_cancel(*user, *side, events),
            Command::Expire { now } => self.expire(*now, events),
            Command::SetPhase { phase } => self.set_phase(*phase, events),
            Command::Uncross { then } => self.uncross(*then, events),
            Command::New(_) | Command::Cancel { .. } | Command::Replace { .. } => {
                unreachable!("applied by the caller")
            }
        }
    }

    /// Makes room for so many live orders and levels in all. To be called between commands, where a
    /// pause does no harm: it may allocate and move what the book holds.
    pub fn reserve(&mut self, orders: usize, levels: usize) {
        let orders = orders.max(self.capacity.orders).min(ORDERS_MAX);
        let levels = levels.min(orders);
        self.queues.orders.reserve(orders);
        self.queues.levels.reserve(levels);
        self.index.reserve(orders, |slot| self.queues.orders[slot].id.0);
        self.specials.reserve(orders, levels);
        self.scratch.reserve_exact(orders.saturating_sub(self.scratch.len()));
        for ladder in self.ladders.iter_mut().chain(&mut self.stops) {
            ladder.reserve(levels, &self.queues.levels);
        }
        let Capacity { orders: o, levels: l } = self.capacity;
        self.capacity = Capacity { orders: o.max(orders), levels: l.max(levels) };
    }

    /// Makes the capacity that of `config`: what a restored book shrinks to when it is empty, however
    /// many orders it was restored with.
    pub(crate) fn shrink_back_to(&mut self, config: BookConfig) {
        let orders = config.orders.min(ORDERS_MAX);
        self.capacity = Capacity { orders, levels: config.levels.min(orders) };
    }

    /// How often a command had to allocate because the capacity was exceeded.
    pub fn growths(&self) -> u32 {
        let ladders: u32 = self.ladders.iter().chain(&self.stops).map(Ladder::growths).sum();
        let queues = self.queues.orders.growths() + self.queues.levels.growths();
        queues + self.index.growths() + ladders + self.specials.growths() + self.scratch_growths
    }

    /// How often the book gave memory back: when its last order left and it had grown beyond its
    /// capacity.
    pub fn trims(&self) -> u32 {
        self.trims
    }

    /// Takes an order out.
    #[inline]
    pub(crate) fn cancel(&mut self, id: OrderId, events: &mut impl Events) -> Outcome {
        let Probe::Found(place, slot) = self.probe(id) else {
            return refuse(Some(id), Reject::UnknownId, events);
        };
        if !self.queues.level_of(slot).is_plain() {
            return self.cancel_special(slot, events);
        }
        events.event(Event::Accepted { id: Some(id) });
        let cancelled = self.cancel_plain(place, slot, events);
        self.give_back();
        Outcome { cancelled, ..Outcome::default() }
    }

    /// Takes an order of a plain level out because it was asked for. Returns what was open of it.
    #[inline(always)]
    pub(crate) fn cancel_plain(
        &mut self,
        place: Place,
        slot: Slot<Order>,
        events: &mut impl Events,
    ) -> Lots {
        let order = &self.queues.orders[slot];
        let open = order.open();
        let level = self.queues.level_of(slot);
        events.event(Event::Cancelled(plain_cut(order, level, Cut::Asked)));
        self.detach(slot, events);
        self.index.remove(place, |slot| self.queues.orders[slot].id.0);
        self.queues.orders.remove(slot);
        open
    }

    /// Makes an order smaller.
    fn reduce(&mut self, id: OrderId, by: Lots, events: &mut impl Events) -> Outcome {
        if !by.in_range() {
            return refuse(Some(id), Reject::BadQuantity, events);
        }
        let Probe::Found(_, slot) = self.probe(id) else {
            return refuse(Some(id), Reject::UnknownId, events);
        };
        let (shown, hidden) = (self.queues.orders[slot].open(), self.hidden_of(slot));
        if by.0 >= shown.0 + hidden.0 {
            return self.cancel(id, events);
        }
        events.event(Event::Accepted { id: Some(id) });
        let from_hidden = by.min(hidden);
        self.set_hidden(slot, Lots(hidden.0 - from_hidden.0));
        if by > from_hidden {
            self.queues.shrink(slot, Lots(by.0 - from_hidden.0));
            self.tell_level(self.queues.orders[slot].level, events);
        }
        let resting = Lots(shown.0 + hidden.0 - by.0);
        events.event(Event::Cancelled(self.cut(slot, by, resting, Cut::Asked)));
        Outcome { resting, cancelled: by, ..Outcome::default() }
    }

    /// Cancels a resting order and enters it again with the same id, side and user. The order keeps
    /// its slot and its place in the index: nobody can find it there meanwhile.
    #[inline(never)]
    fn replace(
        &mut self,
        id: OrderId,
        price: Ticks,
        qty: Lots,
        self_trade: Option<SelfTrade>,
        events: &mut impl Events,
    ) -> Outcome {
        if !qty.in_range() {
            return refuse(Some(id), Reject::BadQuantity, events);
        }
        if !price.in_range() {
            return refuse(Some(id), Reject::BadPrice, events);
        }
        let Probe::Found(_, slot) = self.probe(id) else {
            return refuse(Some(id), Reject::UnknownId, events);
        };
        let level = self.queues.level_of(slot);
        let side = level.side();
        if self.phase != Phase::Continuous || !level.is_plain() {
            return self.replace_special(slot, price, qty, self_trade, events);
        }
        events.event(Event::Accepted { id: Some(id) });
        let order = &self.queues.orders[slot];
        let user = order.user;
        events.event(Event::Cancelled(plain_cut(order, level, Cut::Replaced)));
        self.detach(slot, events);
        let rank = Rank::new(side, price);
        if self.crosses(side, rank.across()) {
            return self.replace_taking(slot, side, price, qty, self_trade, events);
        }
        self.queues.orders[slot].set_open(qty);
        self.attach(slot, side, rank, events);
        let hidden = Lots::ZERO;
        events.event(Event::Rested(Rested { id, user, side, price, qty, hidden }));
        Outcome { resting: qty, ..Outcome::default() }
    }

    /// What is told when `qty` of an order leaves without trading, and `open` of it stays.
    pub(crate) fn cut(&self, slot: Slot<Order>, qty: Lots, open: Lots, cut: Cut) -> Cancelled {
        let order = &self.queues.orders[slot];
        let level = &self.queues.levels[order.level];
        let (side, priced) = (level.side(), level.is_plain() || level.kind() == Kind::Priced);
        let price = priced.then(|| level.price());
        // What waits is not shown, and what has gone is not either.
        let shown = if priced && open > Lots::ZERO { order.open() } else { Lots::ZERO };
        let Order { id, user, .. } = *order;
        Cancelled { id, user, side, price, qty, open, shown, cut }
    }

    /// Takes an order out of its queue, and its level out of the ladder when that was its last
    /// order. The order keeps its slot and its id.
    #[inline(always)]
    pub(crate) fn detach(&mut self, slot: Slot<Order>, events: &mut impl Events) {
        let at = self.queues.orders[slot].level;
        let emptied = self.queues.unlink(slot);
        self.tell_level(at, events);
        if emptied {
            self.drop_level(at);
        }
    }

    /// Takes an empty level out of where it is and frees it.
    #[inline(never)]
    pub(crate) fn drop_level(&mut self, at: Slot<Level>) {
        let level = self.queues.levels[at];
        assert!(level.total == Lots::ZERO && level.first.is_none(), "a level left with orders");
        let side = level.side() as usize;
        match level.kind() {
            Kind::Priced => return self.drop_priced(level.side(), level.rank, at),
            Kind::Stop => self.stops[side].remove(level.rank, at, &self.queues.levels),
            Kind::Market => self.collected[side] = Slot::NONE,
        }
        self.queues.levels.remove(at);
    }

    /// The same for a level that trades.
    #[inline]
    pub(crate) fn drop_priced(&mut self, side: Side, rank: Rank, at: Slot<Level>) {
        self.ladders[side as usize].remove(rank, at, &self.queues.levels);
        let level = self.queues.levels.remove(at);
        assert!(level.total == Lots::ZERO && level.rank == rank, "a level left with orders");
    }

    /// Puts an order at the end of its price's queue, opening the level if there is none. The caller
    /// has seen that it does not cross, or that the book may be crossed.
    #[inline(always)]
    pub(crate) fn attach(
        &mut self,
        slot: Slot<Order>,
        side: Side,
        rank: Rank,
        events: &mut impl Events,
    ) {
        let at = self.level_for(side, rank);
        self.queues.push_last(at, slot);
        self.tell_level(at, events);
    }

    /// The level of a price, opened if there is none.
    #[inline]
    pub(crate) fn level_for(&mut self, side: Side, rank: Rank) -> Slot<Level> {
        match self.ladders[side as usize].find(rank, &self.queues.levels) {
            Some(at) => at,
            None => self.open_level(side, rank),
        }
    }

    /// Adds a level to the ladder of its side. Only a new level can cross the book.
    #[inline(never)]
    fn open_level(&mut self, side: Side, rank: Rank) -> Slot<Level> {
        assert!(
            self.ladders[side.opposite() as usize].best() < rank.across()
                || self.phase != Phase::Continuous,
            "the book would cross"
        );
        let at = self.queues.levels.insert(Level::new(rank, side, Kind::Priced));
        self.ladders[side as usize].insert(rank, at, &self.queues.levels);
        at
    }

    /// Tells a level that trades as it is now.
    #[inline]
    pub(crate) fn tell_level(&self, at: Slot<Level>, events: &mut impl Events) {
        // No look that could fail: for a sink that does not listen nothing is left of this.
        if let Some(level) = self.queues.levels.get(at)
            && (level.is_plain() || level.kind() == Kind::Priced)
        {
            events.level(LevelDepth::of(level));
        }
    }

    /// Where an order is, or where its id would go.
    #[inline]
    pub(crate) fn probe(&self, id: OrderId) -> Probe<Order> {
        self.index.probe(id.0, |slot| self.queues.orders[slot].id.0)
    }

    /// Where a new id goes in the index.
    pub(crate) fn vacancy(&self, id: OrderId) -> Place {
        match self.probe(id) {
            Probe::Vacant(place) => place,
            Probe::Found(..) => unreachable!("the id was checked before"),
        }
    }

    /// Frees the slot, the id and the terms of an order that is in no queue.
    pub(crate) fn retire(&mut self, slot: Slot<Order>) {
        let id = self.queues.orders[slot].id;
        self.specials.remove(id);
        self.index.forget(id.0, slot, |slot| self.queues.orders[slot].id.0);
        self.queues.orders.remove(slot);
    }

    /// Gives memory back if the book is empty and has grown beyond its capacity. Called where a
    /// command is complete.
    #[inline]
    pub(crate) fn give_back(&mut self) {
        if self.queues.orders.len() == 0 {
            self.trim();
        }
    }

    #[cold]
    fn trim(&mut self) {
        let Capacity { orders, levels } = self.capacity;
        if self.queues.orders.capacity() <= orders && self.queues.levels.capacity() <= levels {
            return;
        }
        self.trims += 1;
        self.queues.orders.shrink_to(orders);
        self.queues.levels.shrink_to(levels);
        self.index.shrink_to(orders);
        self.specials.shrink_to(orders, levels);
        self.scratch.clear();
        self.scratch.shrink_to(orders);
        for ladder in self.ladders.iter_mut().chain(&mut self.stops) {
            ladder.shrink_to(levels);
        }
    }
}

/// What is told of an order without terms that leaves.
#[inline]
fn plain_cut(order: &Order, level: &Level, cut: Cut) -> Cancelled {
    let (open, shown) = (Lots::ZERO, Lots::ZERO);
    let LevelDepth { side, price, .. } = LevelDepth::of(level);
    let Order { id, user, .. } = *order;
    Cancelled { id, user, side, price: Some(price), qty: order.open(), open, shown, cut }
}

/// Answers a command that is refused.
#[cold]
pub(crate) fn refuse(id: Option<OrderId>, reject: Reject, events: &mut impl Events) -> Outcome {
    events.event(Event::Rejected { id, reject });
    Outcome::refused(reject)
}

#[cfg(test)]
mod tests;
