//! Entering an order: what it is refused for, trading, and what becomes of the rest.

use super::{Naive, Order, Stop, can_slice, meets};
use book::{
    Cancelled, Cut, Event, Lots, NewOrder, Outcome, Phase, Reject, SelfTrade, Side, Terms, Ticks,
    TimeInForce, Trade, User,
};

/// How an order trades when it enters.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) tif: TimeInForce,
    /// The order's own mode; the book's when `None`.
    pub(super) self_trade: Option<SelfTrade>,
}

impl Naive {
    pub(super) fn enter(
        &mut self,
        new: &NewOrder,
        terms: &Terms,
        events: &mut Vec<Event>,
    ) -> Result<Outcome, Reject> {
        self.judge(new, terms)?;
        events.push(Event::Accepted { id: Some(new.id) });
        let entry = Entry { tif: new.tif, self_trade: new.self_trade };
        let order = Order {
            id: new.id,
            user: new.user,
            side: new.side,
            limit: new.limit,
            open: new.qty.0,
            slice: new.qty.0,
            display: terms.display,
            expires: terms.expires,
            stop: None,
        };
        let Some(trigger) = terms.stop else {
            return Ok(self.arrive(order, entry, events));
        };
        let reached = self.last_trade.is_some_and(|last| reaches(&order, trigger, last));
        if self.phase == Phase::Continuous && reached {
            return Ok(self.activate(order, entry, 1, events));
        }
        let stop = Some(Stop { trigger, tif: entry.tif, self_trade: entry.self_trade });
        Ok(self.wait(Order { stop, ..order }, events))
    }

    /// Every reason to refuse an order, in the order they are looked at.
    fn judge(&self, new: &NewOrder, terms: &Terms) -> Result<(), Reject> {
        use TimeInForce::{Fok, Gtc, Post};
        let may_rest = new.limit.is_some() && matches!(new.tif, Gtc | Post);
        let market_post = new.limit.is_none() && new.tif == Post;
        let display_of_none = terms.display.is_some() && !may_rest;
        let expiry_of_none = terms.expires.is_some() && !may_rest && terms.stop.is_none();
        if market_post || display_of_none || expiry_of_none {
            return Err(Reject::BadCommand);
        }
        if [Some(new.qty), terms.display].into_iter().flatten().any(|lots| !lots.in_range())
            || !can_slice(new.qty, terms.display)
        {
            return Err(Reject::BadQuantity);
        }
        if [new.limit, terms.stop].into_iter().flatten().any(|price| !price.in_range()) {
            return Err(Reject::BadPrice);
        }
        if !self.phase_takes(new, terms) {
            return Err(Reject::WrongPhase);
        }
        if terms.expires.is_some_and(|expires| expires <= self.now) {
            return Err(Reject::Expired);
        }
        if self.find(new.id).is_some() {
            return Err(Reject::DuplicateId);
        }
        // A stop is judged against the book when it is triggered, in an auction nothing trades.
        if terms.stop.is_none() && self.phase == Phase::Continuous {
            let within = self.lots_within(new.side, new.limit);
            if new.tif == Post && within > 0 {
                return Err(Reject::WouldCross);
            }
            if new.tif == Fok && within < u128::from(new.qty.0) {
                return Err(Reject::Killed);
            }
        }
        Ok(())
    }

    fn phase_takes(&self, new: &NewOrder, terms: &Terms) -> bool {
        use TimeInForce::{Gtc, Ioc};
        match self.phase {
            Phase::Continuous => true,
            Phase::Halted => false,
            Phase::Auction => match (terms.stop, new.limit) {
                (Some(_), _) => true,
                (None, Some(_)) => new.tif == Gtc,
                (None, None) => matches!(new.tif, Gtc | Ioc),
            },
        }
    }

    /// All lots, hidden ones too, that an order with this limit could meet.
    fn lots_within(&self, side: Side, limit: Option<Ticks>) -> u128 {
        let makers = self.resting[side.opposite() as usize].iter();
        makers
            .filter(|maker| meets(side, limit, maker.price()))
            .map(|maker| maker.open as u128)
            .sum()
    }

    /// An accepted order that is no stop, or none any more, comes to the book.
    pub(super) fn arrive(
        &mut self,
        order: Order,
        entry: Entry,
        events: &mut Vec<Event>,
    ) -> Outcome {
        match self.phase {
            Phase::Auction if order.limit.is_none() => self.wait(order, events),
            Phase::Auction => self.rest(order, events),
            Phase::Continuous | Phase::Halted => self.trade(order, entry, events),
        }
    }

    /// A stop that has been triggered, `depth` stops deep, enters.
    pub(super) fn activate(
        &mut self,
        order: Order,
        entry: Entry,
        depth: usize,
        events: &mut Vec<Event>,
    ) -> Outcome {
        events.push(Event::Triggered { id: order.id });
        self.deepest = self.deepest.max(depth);
        let within = self.lots_within(order.side, order.limit);
        match entry.tif {
            TimeInForce::Post if within > 0 => drop_rest(&order, Cut::WouldCross, events),
            TimeInForce::Fok if within < u128::from(order.open) => {
                drop_rest(&order, Cut::Unfilled, events)
            }
            _ => self.trade(order, entry, events),
        }
    }

    pub(super) fn wait(&mut self, order: Order, events: &mut Vec<Event>) -> Outcome {
        events.push(Event::Waiting(order.waiting()));
        self.put(order);
        Outcome { resting: Lots(order.open), ..Outcome::default() }
    }

    fn rest(&mut self, mut order: Order, events: &mut Vec<Event>) -> Outcome {
        order.slice = order.next_slice();
        events.push(Event::Rested(order.rested()));
        self.put(order);
        Outcome { resting: Lots(order.open), ..Outcome::default() }
    }

    /// Trades with the first order of the other side while it is within the limit.
    fn trade(&mut self, mut taker: Order, entry: Entry, events: &mut Vec<Event>) -> Outcome {
        let mode = entry.self_trade.unwrap_or(self.self_trade);
        let (mut filled, mut prevented) = (0, 0);
        while taker.open > 0 {
            let first = self.resting[taker.side.opposite() as usize].first().copied();
            let Some(maker) = first.filter(|first| meets(taker.side, taker.limit, first.price()))
            else {
                break;
            };
            let smaller = taker.open.min(maker.slice);
            let own = maker.user == taker.user && taker.user != User(0);
            if own && mode != SelfTrade::Allow {
                let cut = self.prevent(&maker, taker.open, mode, events);
                taker.open -= cut;
                prevented += cut;
                continue;
            }
            taker.open -= smaller;
            filled += smaller;
            events.push(Event::Traded(Trade {
                maker: maker.id,
                taker: taker.id,
                price: maker.price(),
                qty: Lots(smaller),
                maker_open: Lots(maker.open - smaller),
                taker_open: Lots(taker.open),
                maker_user: maker.user,
                taker_user: taker.user,
                taker_side: taker.side,
            }));
            self.note_trade(maker.price());
            self.use_up(&maker, smaller, events);
        }
        if prevented > 0 {
            events.push(taker_cut(&taker, prevented, taker.open, Cut::SelfTrade));
        }
        let rests = matches!(entry.tif, TimeInForce::Gtc | TimeInForce::Post);
        let rest = match taker.open {
            0 => Outcome::default(),
            _ if rests && taker.limit.is_some() => self.rest(taker, events),
            _ => drop_rest(&taker, Cut::Unfilled, events),
        };
        let cancelled = Lots(prevented + rest.cancelled.0);
        Outcome { filled: Lots(filled), cancelled, ..rest }
    }

    /// Two orders of one user have met: cuts the maker, and says how much to cut of the taker.
    fn prevent(
        &mut self,
        maker: &Order,
        taker_open: u64,
        mode: SelfTrade,
        events: &mut Vec<Event>,
    ) -> u64 {
        let smaller = taker_open.min(maker.slice);
        match mode {
            SelfTrade::Allow => unreachable!("the two trade"),
            SelfTrade::CancelNewest => taker_open,
            SelfTrade::CancelOldest => {
                self.cut(maker, maker.open, Cut::SelfTrade, events);
                0
            }
            SelfTrade::CancelBoth => {
                self.cut(maker, maker.open, Cut::SelfTrade, events);
                taker_open
            }
            SelfTrade::Decrement => {
                let (open, slice) = (maker.open - smaller, maker.slice - smaller);
                events.push(Order { open, slice, ..*maker }.cancelled(smaller, Cut::SelfTrade));
                self.use_up(maker, smaller, events);
                smaller
            }
        }
    }
}

/// Whether a trade at `price` reaches the trigger of this order.
pub(super) fn reaches(order: &Order, trigger: Ticks, price: Ticks) -> bool {
    match order.side {
        Side::Buy => price >= trigger,
        Side::Sell => price <= trigger,
    }
}

/// Drops what is left of a taker.
fn drop_rest(taker: &Order, cut: Cut, events: &mut Vec<Event>) -> Outcome {
    events.push(taker_cut(taker, taker.open, 0, cut));
    Outcome { cancelled: Lots(taker.open), ..Outcome::default() }
}

/// The event that a part of a taker is cut, which never rested.
fn taker_cut(taker: &Order, qty: u64, open: u64, cut: Cut) -> Event {
    let Order { id, user, side, .. } = *taker;
    let [qty, open, shown] = [qty, open, 0].map(Lots);
    Event::Cancelled(Cancelled { id, user, side, price: None, qty, open, shown, cut })
}
