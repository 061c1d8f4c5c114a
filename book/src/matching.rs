//! Entering an order: the checks, the trades, and what becomes of the rest.
//!
//! A taker meets the best level first and in it the order that came first, always at the maker's
//! price. Self-trade prevention decides at the moment two orders meet, so it touches only makers
//! that are reached.

use crate::arena::{Slot, Stored};
use crate::book::{Book, refuse};
use crate::command::{NewOrder, Phase, SelfTrade, Terms, TimeInForce};
use crate::depth::LevelDepth;
use crate::event::{Cancelled, Cut, Event, Events, Outcome, Reject, Rested, Trade};
use crate::hash;
use crate::index::Probe;
use crate::level::Level;
use crate::order::Order;
use crate::units::{Lots, OrderId, Rank, Side, Ticks, User};

/// An order on its way into the book.
#[derive(Clone, Copy)]
pub(crate) struct Taker {
    pub(crate) id: OrderId,
    pub(crate) user: User,
    pub(crate) side: Side,
    /// The worst rank, on the other side, that it trades with.
    pub(crate) limit: Rank,
    /// Never a prevention for user 0, who is nobody.
    pub(crate) self_trade: SelfTrade,
    pub(crate) qty: Lots,
}

/// What has become of a taker so far; the three add up to its quantity.
pub(crate) struct Taken {
    pub(crate) filled: Lots,
    /// Cut by self-trade prevention.
    pub(crate) cut: Lots,
    pub(crate) open: Lots,
}

impl Book {
    /// Enters a new order without terms.
    #[inline]
    pub(crate) fn enter(&mut self, new: &NewOrder, events: &mut impl Events) -> Outcome {
        let limit = match limit_rank(new) {
            Ok(limit) => limit,
            Err(reject) => return refuse(Some(new.id), reject, events),
        };
        if self.phase != Phase::Continuous {
            return self.collect(new, &Terms::default(), events);
        }
        let NewOrder { id, user, side, qty, .. } = *new;
        let Probe::Vacant(place) = self.probe(id) else {
            return refuse(Some(id), Reject::DuplicateId, events);
        };
        let crosses = self.crosses(side, limit);
        let (Some(price), false) = (new.limit.filter(|_| new.tif.may_rest()), crosses) else {
            return self.enter_taking(new, &Terms::default(), limit, crosses, events);
        };
        if self.queues.orders.len() >= self.orders_max {
            return refuse(Some(id), Reject::Full, events);
        }
        events.event(Event::Accepted { id: Some(id) });
        let at = self.level_for(side, Rank::new(side, price));
        let slot = self.queues.push_new(at, id, user, qty);
        self.index.insert(place, slot, |slot| self.queues.orders[slot].id.0);
        self.tell_level(at, events);
        let hidden = Lots::ZERO;
        events.event(Event::Rested(Rested { id, user, side, price, qty, hidden }));
        Outcome { resting: qty, ..Outcome::default() }
    }

    /// Enters a new order that trades, that may not rest, or that has terms; not a stop.
    #[inline(never)]
    pub(crate) fn enter_taking(
        &mut self,
        new: &NewOrder,
        terms: &Terms,
        limit: Rank,
        crosses: bool,
        events: &mut impl Events,
    ) -> Outcome {
        if let Err(reject) = self.admit(new, limit, crosses) {
            return refuse(Some(new.id), reject, events);
        }
        events.event(Event::Accepted { id: Some(new.id) });
        let outcome = self.take_and_rest(new, terms, limit, events);
        self.settle_stops(events);
        self.give_back();
        outcome
    }

    /// Trades an order that is no stop, or none any more, and rests what is left. Only then it needs
    /// a slot: one that trades in full finds room in a full book.
    #[inline]
    pub(crate) fn take_and_rest(
        &mut self,
        new: &NewOrder,
        terms: &Terms,
        limit: Rank,
        events: &mut impl Events,
    ) -> Outcome {
        let taker = self.taker(new, limit);
        let taken = self.take(&taker, events);
        let rests_at = new.limit.filter(|_| new.tif.may_rest());
        let outcome = taken.settle(&taker, rests_at.is_some(), events);
        if let (Some(price), open @ Lots(1..)) = (rests_at, outcome.resting) {
            let slot = self.store(new, &Terms { stop: None, ..*terms });
            self.rest(slot, new.side, price, open, events);
        }
        debug_assert!(new.qty.0 == outcome.filled.0 + outcome.resting.0 + outcome.cancelled.0);
        outcome
    }

    /// Enters an order again that [`Command::Replace`](crate::Command::Replace) took out, where it
    /// trades.
    #[inline(never)]
    pub(crate) fn replace_taking(
        &mut self,
        slot: Slot<Order>,
        side: Side,
        price: Ticks,
        qty: Lots,
        self_trade: Option<SelfTrade>,
        events: &mut impl Events,
    ) -> Outcome {
        let Order { id, user, .. } = self.queues.orders[slot];
        let new = NewOrder { self_trade, ..NewOrder::limit(id, user, side, price, qty) };
        let taker = self.taker(&new, Rank::new(side.opposite(), price));
        let taken = self.take(&taker, events);
        let outcome = taken.settle(&taker, true, events);
        self.rest(slot, side, price, outcome.resting, events);
        self.settle_stops(events);
        self.give_back();
        outcome
    }

    /// Puts what is left of an order that has its slot and its id into the queue of its price, or
    /// retires the order if nothing is.
    pub(crate) fn rest(
        &mut self,
        slot: Slot<Order>,
        side: Side,
        price: Ticks,
        open: Lots,
        events: &mut impl Events,
    ) {
        if open == Lots::ZERO {
            return self.retire(slot);
        }
        let Order { id, user, .. } = self.queues.orders[slot];
        let special = self.specials.get(id).copied();
        let shown = special.and_then(|special| special.display).map_or(open, |show| show.min(open));
        self.queues.orders[slot].set_open(shown);
        self.attach(slot, side, Rank::new(side, price), events);
        let hidden = Lots(open.0 - shown.0);
        if special.is_some() {
            self.join_special(slot, hidden);
        }
        events.event(Event::Rested(Rested { id, user, side, price, qty: shown, hidden }));
    }

    /// The taker that a new order is.
    pub(crate) fn taker(&self, new: &NewOrder, limit: Rank) -> Taker {
        let NewOrder { id, user, side, qty, .. } = *new;
        let self_trade = match user {
            User(0) => SelfTrade::Allow,
            _ => new.self_trade.unwrap_or(self.self_trade),
        };
        Taker { id, user, side, limit, self_trade, qty }
    }

    /// Whether an order on `side` with this worst rank would trade at once.
    #[inline]
    pub(crate) fn crosses(&self, side: Side, limit: Rank) -> bool {
        self.ladders[side.opposite() as usize].best() >= limit
    }

    /// Judges a well-formed order against a book that trades.
    #[inline]
    pub(crate) fn admit(&self, new: &NewOrder, limit: Rank, crosses: bool) -> Result<(), Reject> {
        match new.tif {
            TimeInForce::Post if crosses => Err(Reject::WouldCross),
            TimeInForce::Fok if !self.can_fill(new, limit) => Err(Reject::Killed),
            TimeInForce::Ioc | TimeInForce::Fok => Ok(()),
            TimeInForce::Gtc | TimeInForce::Post
                if new.limit.is_some() && self.queues.orders.len() >= self.orders_max =>
            {
                Err(Reject::Full)
            }
            TimeInForce::Gtc | TimeInForce::Post => Ok(()),
        }
    }

    /// Whether the other side holds the whole quantity within the limit; from level totals.
    #[inline(never)]
    pub(crate) fn can_fill(&self, new: &NewOrder, limit: Rank) -> bool {
        let ladder = &self.ladders[new.side.opposite() as usize];
        let mut missing = new.qty.0;
        for rank in ladder.ranks().take_while(|rank| *rank >= limit) {
            let at = ladder.level(rank, &self.queues.levels);
            let hidden = self.specials.hidden_at(at);
            missing = missing.saturating_sub(self.queues.levels[at].total.0 + hidden.0);
            if missing == 0 {
                return true;
            }
        }
        false
    }

    /// Trades a taker against the other side until nothing is left of it or within its limit.
    pub(crate) fn take(&mut self, taker: &Taker, events: &mut impl Events) -> Taken {
        let mut taken = Taken { filled: Lots::ZERO, cut: Lots::ZERO, open: taker.qty };
        let makers = taker.side.opposite() as usize;
        while taken.open > Lots::ZERO && self.ladders[makers].best() >= taker.limit {
            let at = self.ladders[makers].best_level();
            let is_plain = self.queues.levels[at].is_plain();
            let emptied = if is_plain && taker.self_trade == SelfTrade::Allow {
                let emptied = self.take_plain(taker, at, &mut taken, events);
                self.tell_level(at, events);
                emptied
            } else {
                let Level { total, count, .. } = self.queues.levels[at];
                let emptied = self.take_careful(taker, at, &mut taken, events);
                // Prevention may have cut the taker and left the level as it was.
                let level = &self.queues.levels[at];
                if (total, count) != (level.total, level.count) {
                    self.tell_level(at, events);
                }
                emptied
            };
            if emptied {
                self.drop_priced(taker.side.opposite(), self.ladders[makers].best(), at);
            }
        }
        taken
    }

    /// Trades a taker against a level without special orders, asking nothing about users, until
    /// either is used up. Leaves an empty level in its ladder, and says so.
    #[inline]
    fn take_plain(
        &mut self,
        taker: &Taker,
        at: Slot<Level>,
        taken: &mut Taken,
        events: &mut impl Events,
    ) -> bool {
        let orders = self.queues.orders.items();
        let level = &mut self.queues.levels[at];
        let (rank, first) = (level.rank, level.first);
        let price = LevelDepth::of(level).price;
        let mut open = taken.open;
        // The makers that leave stay linked, and are freed as one chain.
        let (mut slot, mut last_gone, mut gone) = (first, first, 0_u32);
        let mut hash = self.queues.hash;
        while let Some(front) = slot.some() {
            let maker = &mut orders[front.at()];
            let lots = maker.open();
            hash = hash.wrapping_sub(hash::of_order(maker, rank));
            let qty = lots.min(open);
            open.0 -= qty.0;
            if qty > Lots::ZERO {
                events.event(Event::Traded(Trade {
                    maker: maker.id,
                    taker: taker.id,
                    price,
                    qty,
                    maker_open: Lots(lots.0 - qty.0),
                    taker_open: open,
                    maker_user: maker.user,
                    taker_user: taker.user,
                    taker_side: taker.side,
                }));
            }
            if qty < lots {
                maker.set_open(Lots(lots.0 - qty.0));
                maker.ahead = Slot::NONE;
                hash = hash.wrapping_add(hash::of_order(maker, rank));
                break;
            }
            let (id, behind) = (maker.id.0, maker.behind);
            self.index.forget(id, front, |slot| orders[slot.at()].id.0);
            orders[front.at()].free(behind);
            (slot, last_gone) = (behind, front);
            gone = gone.wrapping_add(1);
        }
        let lots = taken.open.0 - open.0;
        taken.open = open;
        taken.filled.0 += lots;
        self.queues.hash = hash;
        level.first = slot;
        if slot.is_none() {
            level.last = slot;
        }
        level.total.0 -= lots;
        level.count -= gone;
        if gone > 0 {
            self.queues.orders.release(first, last_gone, gone);
        }
        self.note_price(price);
        slot.is_none()
    }

    /// Trades a taker against one level, with a look at users and terms, until either is used up.
    /// Leaves an empty level in its ladder, and says so.
    #[inline(never)]
    fn take_careful(
        &mut self,
        taker: &Taker,
        at: Slot<Level>,
        taken: &mut Taken,
        events: &mut impl Events,
    ) -> bool {
        let price = self.queues.levels[at].price();
        let filled_before = taken.filled;
        while taken.open > Lots::ZERO {
            let Some(slot) = self.queues.levels[at].first.some() else { break };
            let maker = self.queues.orders[slot];
            if maker.user == taker.user && taker.self_trade != SelfTrade::Allow {
                self.prevent(taker, slot, taken, events);
                continue;
            }
            let qty = maker.open().min(taken.open);
            taken.filled.0 += qty.0;
            taken.open.0 -= qty.0;
            events.event(Event::Traded(Trade {
                maker: maker.id,
                taker: taker.id,
                price,
                qty,
                maker_open: Lots(maker.open().0 + self.hidden_of(slot).0 - qty.0),
                taker_open: taken.open,
                maker_user: maker.user,
                taker_user: taker.user,
                taker_side: taker.side,
            }));
            self.use_up(slot, qty, events);
        }
        if taken.filled > filled_before {
            self.note_price(price);
        }
        self.queues.levels[at].count == 0
    }

    /// Two orders of one user have met: cuts what the mode says.
    fn prevent(
        &mut self,
        taker: &Taker,
        slot: Slot<Order>,
        taken: &mut Taken,
        events: &mut impl Events,
    ) {
        let (shown, hidden) = (self.queues.orders[slot].open(), self.hidden_of(slot));
        let whole = Lots(shown.0 + hidden.0);
        let smaller = shown.min(taken.open);
        let (off_maker, off_taker) = match taker.self_trade {
            SelfTrade::Allow => unreachable!("asked before"),
            SelfTrade::CancelNewest => (Lots::ZERO, taken.open),
            SelfTrade::CancelOldest => (whole, Lots::ZERO),
            SelfTrade::CancelBoth => (whole, taken.open),
            SelfTrade::Decrement => (smaller, smaller),
        };
        if off_maker > Lots::ZERO {
            let open = Lots(whole.0 - off_maker.0);
            let shown = Lots(shown.0.saturating_sub(off_maker.0));
            let cancelled = self.cut(slot, off_maker, open, Cut::SelfTrade);
            events.event(Event::Cancelled(Cancelled { shown, ..cancelled }));
            if off_maker == whole {
                self.leave(slot);
            } else {
                self.use_up(slot, off_maker, events);
            }
        }
        taken.cut.0 += off_taker.0;
        taken.open.0 -= off_taker.0;
    }

    /// Takes lots off what an order shows. When nothing is shown, the next slice of an iceberg is,
    /// at the end of the queue; any other order leaves. Its level stays in the ladder.
    pub(crate) fn use_up(&mut self, slot: Slot<Order>, by: Lots, events: &mut impl Events) {
        if by < self.queues.orders[slot].open() {
            self.queues.shrink(slot, by);
        } else if self.hidden_of(slot) > Lots::ZERO {
            self.refresh(slot, events);
        } else {
            self.leave(slot);
        }
    }

    /// Takes an order out of its queue and retires it. Its level stays in the ladder.
    fn leave(&mut self, slot: Slot<Order>) {
        self.part_special(slot);
        self.queues.unlink(slot);
        self.retire(slot);
    }

    /// Notes a price that traded.
    #[inline]
    pub(crate) fn note_price(&mut self, price: Ticks) {
        self.last_trade = Some(price);
        if self.stops_waiting > 0 || self.phase != Phase::Continuous {
            let (low, high) = self.reach.unwrap_or((price, price));
            self.reach = Some((low.min(price), high.max(price)));
        }
    }
}

impl Taken {
    /// Tells what is cut from the taker, and sums up.
    pub(crate) fn settle(self, taker: &Taker, rests: bool, events: &mut impl Events) -> Outcome {
        let Taken { filled, cut, open } = self;
        assert!(filled.0 + cut.0 + open.0 == taker.qty.0, "matching lost or made quantity");
        if cut > Lots::ZERO {
            events.event(taker.cut(cut, open, Cut::SelfTrade));
        }
        if rests || open == Lots::ZERO {
            return Outcome { reject: None, filled, resting: open, cancelled: cut };
        }
        events.event(taker.cut(open, Lots::ZERO, Cut::Unfilled));
        let cancelled = Lots(cut.0 + open.0);
        Outcome { reject: None, filled, resting: Lots::ZERO, cancelled }
    }
}

impl Taker {
    /// The event that lots of it leave without trading.
    pub(crate) fn cut(&self, qty: Lots, open: Lots, cut: Cut) -> Event {
        let Taker { id, user, side, .. } = *self;
        let (price, shown) = (None, Lots::ZERO);
        Event::Cancelled(Cancelled { id, user, side, price, qty, open, shown, cut })
    }
}

/// Judges an order by itself. Returns the worst rank of the other side that it trades with.
#[inline]
pub(crate) fn limit_rank(new: &NewOrder) -> Result<Rank, Reject> {
    match new.limit {
        None if new.tif == TimeInForce::Post => Err(Reject::BadCommand),
        _ if !new.qty.in_range() => Err(Reject::BadQuantity),
        None => Ok(Rank::ANY),
        Some(price) if price.in_range() => Ok(Rank::new(new.side.opposite(), price)),
        Some(_) => Err(Reject::BadPrice),
    }
}
