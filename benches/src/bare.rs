//! The floor: a bare prototype of a book, to be timed beside the real one in the same run.
//!
//! A slab of 32-byte orders linked by `u32` slots, FIFO levels of 16 bytes, a hash index by id, a
//! window of ticks with a bitmap for near prices and B-trees for far ones. New, cancel, reduce,
//! replace, and a mass cancel that looks at every slot; GTC, IOC, FOK, POST and market. Trades go
//! to a callback.
//!
//! It has no self-trade prevention, no events, no icebergs, stops, phases or state hash, and checks
//! no ranges: what it does, it does as the book does, to the last digest.

mod index;
mod ladder;

use book::{
    Command, LevelDepth, Lots, NewOrder, OrderId, Outcome, Reject, RestingOrder, Side, Ticks,
    TimeInForce, User,
};
use index::Index;
use ladder::{EMPTY, Ladder, rank};

/// No slot.
const NONE: u32 = u32::MAX;
/// In [`Order::level`]: the order is an ask.
const ASK: u32 = 1 << 31;

/// An order in the slab. Free when it has no lots; `next` links the free ones then.
#[derive(Clone, Copy)]
struct Order {
    id: u64,
    open: u64,
    user: u32,
    /// Its level; the highest bit is its side.
    level: u32,
    prev: u32,
    next: u32,
}

const _: () = assert!(size_of::<Order>() == 32);

/// A trade: maker, taker, price, lots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BareTrade {
    /// The resting order.
    pub maker: u64,
    /// The order that met it.
    pub taker: u64,
    /// The maker's price, in ticks.
    pub price: i64,
    /// Lots.
    pub qty: u64,
}

/// The prototype.
pub struct Bare {
    orders: Vec<Order>,
    free: u32,
    index: Index,
    ladder: Ladder,
}

impl Bare {
    /// An empty book with room for `orders`; it grows beyond.
    pub fn new(orders: usize) -> Bare {
        Bare {
            orders: Vec::with_capacity(orders),
            free: NONE,
            index: Index::new(orders),
            ladder: Ladder::new(),
        }
    }

    /// Applies a command; tells its trades in order.
    ///
    /// # Panics
    ///
    /// When the command is one that the prototype has not.
    #[inline]
    pub fn apply(&mut self, command: &Command, trades: &mut impl FnMut(BareTrade)) -> Outcome {
        match command {
            Command::New(new) => self.enter(new, trades),
            Command::Cancel { id } => self.cancel(id.0),
            Command::Reduce { id, by } => self.reduce(id.0, by.0),
            Command::Replace { id, price, qty, .. } => self.replace(id.0, price.0, qty.0, trades),
            Command::MassCancel { user, side } => self.mass_cancel(user.0, *side),
            other => unimplemented_command(other),
        }
    }

    #[inline]
    fn enter(&mut self, new: &NewOrder, trades: &mut impl FnMut(BareTrade)) -> Outcome {
        let (id, side, qty) = (new.id.0, new.side as usize, new.qty.0);
        let Err(mut vacant) = self.index.find(id, &self.orders) else {
            return refused(Reject::DuplicateId);
        };
        let limit = new.limit.map_or(EMPTY + 1, |price| rank(1 - side, price.0));
        let mut open = qty;
        if self.ladder.best[1 - side] >= limit {
            match new.tif {
                TimeInForce::Post => return refused(Reject::WouldCross),
                TimeInForce::Fok if !self.can_fill(1 - side, limit, qty) => {
                    return refused(Reject::Killed);
                }
                _ => open = self.take(id, side, limit, qty, trades),
            }
            // Makers that left may have moved entries.
            vacant = self.index.find(id, &self.orders).expect_err("it was vacant above");
        } else if new.tif == TimeInForce::Fok {
            return refused(Reject::Killed);
        }
        let (filled, mut resting, mut cancelled) = (qty - open, 0, 0);
        if let Some(price) = new.limit
            && matches!(new.tif, TimeInForce::Gtc | TimeInForce::Post)
        {
            resting = open;
            if open > 0 {
                let order = Order { id, open, user: new.user.0, level: 0, prev: NONE, next: NONE };
                let slot = self.rest(None, order, side, price.0);
                self.index.insert(vacant, id, slot);
            }
        } else {
            cancelled = open;
        }
        outcome(filled, resting, cancelled)
    }

    #[inline]
    fn cancel(&mut self, id: u64) -> Outcome {
        let Ok((place, slot)) = self.index.find(id, &self.orders) else {
            return refused(Reject::UnknownId);
        };
        let open = self.orders[slot as usize].open;
        self.detach(slot);
        self.index.remove(place);
        self.release(slot);
        outcome(0, 0, open)
    }

    fn reduce(&mut self, id: u64, by: u64) -> Outcome {
        let Ok((_, slot)) = self.index.find(id, &self.orders) else {
            return refused(Reject::UnknownId);
        };
        let order = &mut self.orders[slot as usize];
        if by >= order.open {
            return self.cancel(id);
        }
        order.open -= by;
        self.ladder.levels[order.level() as usize].total -= by;
        outcome(0, order.open, by)
    }

    fn replace(
        &mut self,
        id: u64,
        price: i64,
        qty: u64,
        trades: &mut impl FnMut(BareTrade),
    ) -> Outcome {
        let Ok((_, slot)) = self.index.find(id, &self.orders) else {
            return refused(Reject::UnknownId);
        };
        let side = self.orders[slot as usize].side();
        self.detach(slot);
        let limit = rank(1 - side, price);
        let mut open = qty;
        if self.ladder.best[1 - side] >= limit {
            open = self.take(id, side, limit, qty, trades);
        }
        if open > 0 {
            let order = Order { open, next: NONE, ..self.orders[slot as usize] };
            self.rest(Some(slot), order, side, price);
        } else {
            // Makers that left may have moved its entry.
            let (place, _) = self.index.find(id, &self.orders).expect("it was found above");
            self.index.remove(place);
            self.release(slot);
        }
        outcome(qty - open, open, 0)
    }

    fn mass_cancel(&mut self, user: u32, side: Option<Side>) -> Outcome {
        let mut cancelled = 0;
        for slot in 0..self.orders.len() {
            let order = self.orders[slot];
            let asked = side.is_none_or(|side| side as usize == order.side());
            if order.user == user && order.open > 0 && asked {
                cancelled += self.cancel(order.id).cancelled.0;
            }
        }
        outcome(0, 0, cancelled)
    }

    /// Trades until nothing is open or nothing is within the limit. Returns what is still open.
    fn take(
        &mut self,
        taker: u64,
        side: usize,
        limit: i64,
        mut open: u64,
        trades: &mut impl FnMut(BareTrade),
    ) -> u64 {
        let makers = 1 - side;
        while open > 0 && self.ladder.best[makers] >= limit {
            let level = self.ladder.at(makers, self.ladder.best[makers]);
            let price = rank(makers, self.ladder.best[makers]);
            let mut queue = self.ladder.levels[level as usize];
            while open > 0 && queue.first != NONE {
                let slot = queue.first;
                let order = &mut self.orders[slot as usize];
                let (maker, qty) = (order.id, order.open.min(open));
                open -= qty;
                queue.total -= qty;
                order.open -= qty;
                if order.open == 0 {
                    queue.first = order.next;
                    let found = self.index.find(maker, &self.orders);
                    self.index.remove(found.expect("a queued order is in the index").0);
                    self.release(slot);
                }
                trades(BareTrade { maker, taker, price, qty });
            }
            match queue.first {
                NONE => queue.last = NONE,
                first => self.orders[first as usize].prev = NONE,
            }
            self.ladder.levels[level as usize] = queue;
            if queue.first == NONE {
                self.ladder.close(makers, level);
            }
        }
        self.ladder.follow(&mut self.orders);
        open
    }

    /// Whether a side holds the quantity within the limit.
    fn can_fill(&self, side: usize, limit: i64, qty: u64) -> bool {
        let mut held = 0;
        let ranks = self.ranks(side).take_while(|rank| *rank >= limit);
        for rank in ranks {
            held += self.ladder.levels[self.ladder.at(side, rank) as usize].total;
            if held >= qty {
                return true;
            }
        }
        false
    }

    /// Puts an order at the end of its price's queue: into the slot that it has, or a free one.
    #[inline]
    fn rest(&mut self, slot: Option<u32>, order: Order, side: usize, price: i64) -> u32 {
        let better = rank(side, price) > self.ladder.best[side];
        let at = self.ladder.open(side, price);
        let slot = slot.unwrap_or_else(|| self.slot());
        let level = &mut self.ladder.levels[at as usize];
        level.total = level.total.wrapping_add(order.open);
        let last = level.last;
        level.last = slot;
        self.orders[slot as usize] = Order { level: at | (side as u32) << 31, prev: last, ..order };
        match last {
            NONE => level.first = slot,
            last => self.orders[last as usize].next = slot,
        }
        if better {
            self.ladder.follow(&mut self.orders);
        }
        slot
    }

    /// Takes an order out of its queue.
    #[inline]
    fn detach(&mut self, slot: u32) {
        let order = self.orders[slot as usize];
        let level = &mut self.ladder.levels[order.level() as usize];
        level.total = level.total.wrapping_sub(order.open);
        match order.prev {
            NONE => level.first = order.next,
            prev => self.orders[prev as usize].next = order.next,
        }
        match order.next {
            NONE => level.last = order.prev,
            next => self.orders[next as usize].prev = order.prev,
        }
        if level.first == NONE {
            self.ladder.close(order.side(), order.level());
        }
    }

    /// A slot that no order is in.
    #[inline]
    fn slot(&mut self) -> u32 {
        if self.free == NONE {
            self.orders.push(Order { id: 0, open: 0, user: 0, level: 0, prev: NONE, next: NONE });
            return self.orders.len() as u32 - 1;
        }
        let slot = self.free;
        self.free = self.orders[slot as usize].next;
        slot
    }

    #[inline]
    fn release(&mut self, slot: u32) {
        let order = &mut self.orders[slot as usize];
        (order.open, order.next) = (0, self.free);
        self.free = slot;
    }
}

/// Reading it out.
impl Bare {
    /// Number of resting orders.
    pub fn order_count(&self) -> usize {
        self.index.len()
    }

    /// Whether an order rests.
    pub fn rests(&self, id: OrderId) -> bool {
        self.index.find(id.0, &self.orders).is_ok()
    }

    /// The best price of a side.
    pub fn best(&self, side: Side) -> Option<Ticks> {
        let best = self.ladder.best[side as usize];
        (best != EMPTY).then(|| Ticks(rank(side as usize, best)))
    }

    /// The levels of a side, the best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = LevelDepth> + '_ {
        self.ranks(side as usize).map(move |rank_| {
            let level = self.ladder.at(side as usize, rank_);
            let total = self.ladder.levels[level as usize].total;
            let orders = self.queue(level).count() as u32;
            LevelDepth { side, price: Ticks(rank(side as usize, rank_)), qty: Lots(total), orders }
        })
    }

    /// The orders of a side in the order in which they trade.
    pub fn orders(&self, side: Side) -> impl Iterator<Item = RestingOrder> + '_ {
        self.ranks(side as usize).flat_map(move |rank_| {
            let level = self.ladder.at(side as usize, rank_);
            let price = Ticks(rank(side as usize, rank_));
            self.queue(level).map(move |order| {
                let (id, user) = (OrderId(order.id), User(order.user));
                RestingOrder { side, id, price, qty: Lots(order.open), hidden: Lots::ZERO, user }
            })
        })
    }

    fn ranks(&self, side: usize) -> impl Iterator<Item = i64> + '_ {
        let some = |rank: i64| (rank != EMPTY).then_some(rank);
        let best = some(self.ladder.best[side]);
        std::iter::successors(best, move |rank| some(self.ladder.below(side, *rank)))
    }

    fn queue(&self, level: u32) -> impl Iterator<Item = &Order> + '_ {
        let order = |slot: u32| self.orders.get(slot as usize);
        let first = order(self.ladder.levels[level as usize].first);
        std::iter::successors(first, move |at| order(at.next))
    }
}

impl Order {
    #[inline]
    fn level(&self) -> u32 {
        self.level & !ASK
    }

    #[inline]
    fn side(&self) -> usize {
        (self.level >> 31) as usize
    }

    fn set_level(&mut self, level: u32) {
        self.level = self.level & ASK | level;
    }
}

#[inline]
fn outcome(filled: u64, resting: u64, cancelled: u64) -> Outcome {
    let (filled, resting, cancelled) = (Lots(filled), Lots(resting), Lots(cancelled));
    Outcome { reject: None, filled, resting, cancelled }
}

#[inline]
fn refused(reject: Reject) -> Outcome {
    Outcome { reject: Some(reject), ..Outcome::default() }
}

#[cold]
fn unimplemented_command(command: &Command) -> ! {
    panic!("the prototype has no such command: {command:?}")
}

#[cfg(test)]
mod tests;
