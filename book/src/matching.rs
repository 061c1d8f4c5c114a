//! Entering an order: the checks, the trades, and what becomes of the rest.
//!
//! A taker meets the best level first and in it the order that came first, always at the maker's
//! price. Self-trade prevention decides at the moment two orders meet, so it touches only makers
//! that are reached.

use crate::arena::Slot;
use crate::book::Book;
use crate::command::{NewOrder, SelfTrade, TimeInForce};
use crate::event::{Cancelled, Cut, Event, Events, Outcome, Reject, Rested, Trade};
use crate::index::{Place, Probe};
use crate::level::{self, Level};
use crate::order::Order;
use crate::units::{Lots, OrderId, Rank, Side, Ticks, User};

/// An order on its way into the book.
#[derive(Clone, Copy)]
struct Taker {
    id: OrderId,
    user: User,
    side: Side,
    /// The worst rank, on the other side, that it trades with.
    limit: Rank,
    self_trade: SelfTrade,
    qty: Lots,
}

/// What has become of a taker so far; the three add up to its quantity.
struct Taken {
    filled: Lots,
    /// Cut by self-trade prevention.
    cut: Lots,
    open: Lots,
}

impl Book {
    /// Enters a new order.
    pub(crate) fn enter(
        &mut self,
        new: &NewOrder,
        events: &mut impl Events,
    ) -> Result<Outcome, Reject> {
        let limit = limit_rank(new)?;
        let Probe::Vacant(place) = self.index.probe(new.id) else {
            return Err(Reject::DuplicateId);
        };
        let crosses = self.ladders[new.side.opposite() as usize].best() >= limit;
        let rests_at = self.admit(new, limit, crosses)?;
        events.event(Event::Accepted { id: Some(new.id) });
        let NewOrder { id, user, side, qty, .. } = *new;
        let self_trade = new.self_trade.unwrap_or(self.self_trade);
        let taker = Taker { id, user, side, limit, self_trade, qty };
        let taken = if crosses { self.take(&taker, events) } else { Taken::nothing(taker.qty) };
        if taken.open > Lots::ZERO
            && let Some(price) = rests_at
        {
            // Makers that left may have moved entries of the index.
            let place = if crosses { self.vacancy(id) } else { place };
            let slot = self.orders.insert(Order::new(id, user, taken.open));
            self.index.insert(place, id, slot);
            self.attach(slot, side, price);
        }
        Ok(taken.settle(&taker, rests_at, events))
    }

    /// Cancels a resting order and enters it again with the same id, side and user.
    pub(crate) fn replace(
        &mut self,
        id: OrderId,
        price: Ticks,
        qty: Lots,
        self_trade: Option<SelfTrade>,
        events: &mut impl Events,
    ) -> Result<Outcome, Reject> {
        if !qty.in_range() {
            return Err(Reject::BadQuantity);
        }
        if !price.in_range() {
            return Err(Reject::BadPrice);
        }
        let (_, slot) = self.resting(id)?;
        events.event(Event::Accepted { id: Some(id) });
        let Order { user, open, level, .. } = self.orders[slot];
        let side = self.levels[level].side();
        events.event(self.cut_event(slot, open, Lots::ZERO, Cut::Replaced));
        self.detach(slot);
        // The order keeps its slot and its place in the index: nobody can find it there meanwhile.
        let limit = Rank::new(side.opposite(), price);
        let self_trade = self_trade.unwrap_or(self.self_trade);
        let taker = Taker { id, user, side, limit, self_trade, qty };
        let taken = self.take(&taker, events);
        if taken.open > Lots::ZERO {
            self.orders[slot].open = taken.open;
            self.attach(slot, side, price);
        } else {
            let place = self.place(id);
            self.index.remove(place);
            self.orders.remove(slot);
        }
        Ok(taken.settle(&taker, Some(price), events))
    }

    /// Judges a well-formed order against the book. Returns the price at which its remainder may
    /// rest.
    fn admit(&self, new: &NewOrder, limit: Rank, crosses: bool) -> Result<Option<Ticks>, Reject> {
        match new.tif {
            TimeInForce::Post if crosses => return Err(Reject::WouldCross),
            TimeInForce::Fok if !self.can_fill(new, limit) => return Err(Reject::Killed),
            TimeInForce::Ioc | TimeInForce::Fok => return Ok(None),
            TimeInForce::Gtc | TimeInForce::Post => {}
        }
        if new.limit.is_some() && self.orders.len() >= self.orders_max {
            return Err(Reject::Full);
        }
        Ok(new.limit)
    }

    /// Whether the other side holds the whole quantity within the limit; from level totals.
    fn can_fill(&self, new: &NewOrder, limit: Rank) -> bool {
        let mut missing = new.qty.0;
        for (rank, at) in self.ladders[new.side.opposite() as usize].iter() {
            if rank < limit {
                return false;
            }
            missing = missing.saturating_sub(self.levels[at].total.0);
            if missing == 0 {
                return true;
            }
        }
        false
    }

    /// Trades a taker against the other side until nothing is left of it or within its limit.
    fn take(&mut self, taker: &Taker, events: &mut impl Events) -> Taken {
        let mut taken = Taken::nothing(taker.qty);
        let makers = taker.side.opposite() as usize;
        while taken.open > Lots::ZERO && self.ladders[makers].best() >= taker.limit {
            let at = self.ladders[makers].best_level();
            self.take_level(taker, at, &mut taken, events);
            if self.levels[at].count == 0 {
                self.drop_level(at);
            }
        }
        taken
    }

    /// Trades a taker against one level until either is used up. Leaves an empty level in its
    /// ladder.
    fn take_level(
        &mut self,
        taker: &Taker,
        at: Slot<Level>,
        taken: &mut Taken,
        events: &mut impl Events,
    ) {
        let price = self.levels[at].price();
        while taken.open > Lots::ZERO {
            let Some(slot) = self.levels[at].first.some() else { break };
            let maker = self.orders[slot];
            let own = maker.user == taker.user && taker.user != User(0);
            if own && taker.self_trade != SelfTrade::Allow {
                self.prevent(taker, slot, taken, events);
                continue;
            }
            let qty = maker.open.min(taken.open);
            taken.filled.0 += qty.0;
            taken.open.0 -= qty.0;
            self.lessen(slot, qty);
            events.event(Event::Traded(Trade {
                maker: maker.id,
                taker: taker.id,
                price,
                qty,
                maker_open: Lots(maker.open.0 - qty.0),
                taker_open: taken.open,
                maker_user: maker.user,
                taker_user: taker.user,
                taker_side: taker.side,
            }));
        }
    }

    /// Two orders of one user have met: cuts what the mode says.
    fn prevent(
        &mut self,
        taker: &Taker,
        slot: Slot<Order>,
        taken: &mut Taken,
        events: &mut impl Events,
    ) {
        let maker_open = self.orders[slot].open;
        let smaller = maker_open.min(taken.open);
        let (off_maker, off_taker) = match taker.self_trade {
            SelfTrade::Allow => (Lots::ZERO, Lots::ZERO),
            SelfTrade::CancelNewest => (Lots::ZERO, taken.open),
            SelfTrade::CancelOldest => (maker_open, Lots::ZERO),
            SelfTrade::CancelBoth => (maker_open, taken.open),
            SelfTrade::Decrement => (smaller, smaller),
        };
        if off_maker > Lots::ZERO {
            let open = Lots(maker_open.0 - off_maker.0);
            events.event(self.cut_event(slot, off_maker, open, Cut::SelfTrade));
            self.lessen(slot, off_maker);
        }
        taken.cut.0 += off_taker.0;
        taken.open.0 -= off_taker.0;
    }

    /// Takes quantity off a maker; it leaves the book when nothing stays. Its level stays in the
    /// ladder.
    fn lessen(&mut self, slot: Slot<Order>, by: Lots) {
        let order = &mut self.orders[slot];
        if by < order.open {
            level::shrink(&mut self.levels[order.level], order, by);
            return;
        }
        let place = self.place(self.orders[slot].id);
        level::unlink(&mut self.levels, &mut self.orders, slot);
        self.index.remove(place);
        self.orders.remove(slot);
    }

    /// Where a new id goes in the index.
    fn vacancy(&self, id: OrderId) -> Place {
        match self.index.probe(id) {
            Probe::Vacant(place) => place,
            Probe::Found(..) => unreachable!("the id was checked before the trades"),
        }
    }
}

impl Taken {
    /// A taker that has met nobody.
    fn nothing(open: Lots) -> Taken {
        Taken { filled: Lots::ZERO, cut: Lots::ZERO, open }
    }

    /// Tells what was cut and what rests, and sums up.
    fn settle(self, taker: &Taker, rests_at: Option<Ticks>, events: &mut impl Events) -> Outcome {
        let Taken { filled, cut, open } = self;
        assert!(filled.0 + cut.0 + open.0 == taker.qty.0, "matching lost or made quantity");
        let Taker { id, user, side, .. } = *taker;
        let cancelled = |qty, open, cut| {
            Event::Cancelled(Cancelled {
                id,
                user,
                side,
                price: None,
                qty,
                open,
                shown: Lots::ZERO,
                cut,
            })
        };
        if cut > Lots::ZERO {
            events.event(cancelled(cut, open, Cut::SelfTrade));
        }
        if open == Lots::ZERO {
            return Outcome { reject: None, filled, resting: open, cancelled: cut };
        }
        if let Some(price) = rests_at {
            events.event(Event::Rested(Rested {
                id,
                user,
                side,
                price,
                qty: open,
                hidden: Lots::ZERO,
            }));
            return Outcome { reject: None, filled, resting: open, cancelled: cut };
        }
        events.event(cancelled(open, Lots::ZERO, Cut::Unfilled));
        let cancelled = Lots(cut.0 + open.0);
        Outcome { reject: None, filled, resting: Lots::ZERO, cancelled }
    }
}

/// Judges an order by itself. Returns the worst rank of the other side that it trades with.
fn limit_rank(new: &NewOrder) -> Result<Rank, Reject> {
    if new.limit.is_none() && new.tif == TimeInForce::Post {
        return Err(Reject::BadCommand);
    }
    if !new.qty.in_range() {
        return Err(Reject::BadQuantity);
    }
    match new.limit {
        None => Ok(Rank::ANY),
        Some(price) if price.in_range() => Ok(Rank::new(new.side.opposite(), price)),
        Some(_) => Err(Reject::BadPrice),
    }
}
