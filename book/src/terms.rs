//! Orders with terms: icebergs and expiries while they rest, and everything that is refused, changed
//! or cancelled of an order that is not plain.

use crate::arena::Slot;
use crate::book::{Book, refuse};
use crate::command::{NewOrder, Phase, SelfTrade, Terms, TimeInForce};
use crate::event::{Cut, Event, Events, Outcome, Reject, Rested};
use crate::index::Probe;
use crate::level::Kind;
use crate::matching::limit_rank;
use crate::order::Order;
use crate::special::{Entry, Special, can_slice};
use crate::units::{Lots, Rank, Ticks};

impl Book {
    /// Enters a new order with terms.
    pub(crate) fn enter_with(
        &mut self,
        new: &NewOrder,
        terms: &Terms,
        events: &mut impl Events,
    ) -> Outcome {
        if *terms == Terms::default() {
            return self.enter(new, events);
        }
        let limit = match self.judge_terms(new, terms) {
            Ok(limit) => limit,
            Err(reject) => return refuse(Some(new.id), reject, events),
        };
        if self.phase == Phase::Auction && terms.stop.is_none() {
            return self.collect(new, terms, events);
        }
        if let Probe::Found(..) = self.probe(new.id) {
            return refuse(Some(new.id), Reject::DuplicateId, events);
        }
        if let Some(stop) = terms.stop {
            return self.enter_stop(new, terms, stop, events);
        }
        let crosses = self.crosses(new.side, limit);
        self.enter_taking(new, terms, limit, crosses, events)
    }

    /// Judges an order and its terms by themselves, and against phase and time. Returns the worst
    /// rank of the other side that it trades with.
    fn judge_terms(&self, new: &NewOrder, terms: &Terms) -> Result<Rank, Reject> {
        let Terms { display, stop, expires } = *terms;
        let may_rest = new.limit.is_some() && new.tif.may_rest();
        let in_vain = display.is_some() && !may_rest
            || expires.is_some() && !may_rest && stop.is_none()
            || new.limit.is_none() && new.tif == TimeInForce::Post;
        if in_vain {
            return Err(Reject::BadCommand);
        }
        let shows = display.is_none_or(Lots::in_range) && can_slice(new.qty, display);
        if !new.qty.in_range() || !shows {
            return Err(Reject::BadQuantity);
        }
        let limit = limit_rank(new)?;
        if stop.is_some_and(|price| !price.in_range()) {
            return Err(Reject::BadPrice);
        }
        let refused = match self.phase {
            Phase::Continuous => false,
            Phase::Halted => true,
            Phase::Auction => stop.is_none() && new.tif != TimeInForce::Gtc,
        };
        if refused {
            return Err(Reject::WrongPhase);
        }
        match expires {
            Some(expires) if expires <= self.now => Err(Reject::Expired),
            _ => Ok(limit),
        }
    }

    /// Gives a new order its slot, its id and its terms if it has any. It is in no queue yet.
    pub(crate) fn store(&mut self, new: &NewOrder, terms: &Terms) -> Slot<Order> {
        let slot = self.queues.orders.insert(Order::new(new.id, new.user, new.qty));
        let place = self.vacancy(new.id);
        self.index.insert(place, slot, |slot| self.queues.orders[slot].id.0);
        if *terms != Terms::default() {
            self.specials.insert(Special::new(new.id, slot, new.side, terms));
        }
        slot
    }

    /// Cancels an order that is not plain, or that stands among such.
    #[inline(never)]
    pub(crate) fn cancel_special(
        &mut self,
        slot: Slot<Order>,
        events: &mut impl Events,
    ) -> Outcome {
        events.event(Event::Accepted { id: Some(self.queues.orders[slot].id) });
        let cancelled = self.cancel_as(slot, Cut::Asked, events);
        self.give_back();
        Outcome { cancelled, ..Outcome::default() }
    }

    /// Takes any order out, for a reason. Returns what was open of it.
    pub(crate) fn cancel_as(
        &mut self,
        slot: Slot<Order>,
        why: Cut,
        events: &mut impl Events,
    ) -> Lots {
        let open = Lots(self.queues.orders[slot].open().0 + self.hidden_of(slot).0);
        events.event(Event::Cancelled(self.cut(slot, open, Lots::ZERO, why)));
        if self.queues.level_of(slot).kind() == Kind::Stop {
            self.stops_waiting -= 1;
        }
        self.part_special(slot);
        self.detach(slot, events);
        self.retire(slot);
        open
    }

    /// Replaces an order that is not plain, or stands among such, or in a book that does not trade.
    #[inline(never)]
    pub(crate) fn replace_special(
        &mut self,
        slot: Slot<Order>,
        price: Ticks,
        qty: Lots,
        self_trade: Option<SelfTrade>,
        events: &mut impl Events,
    ) -> Outcome {
        let Order { id, level: at, .. } = self.queues.orders[slot];
        let open = self.queues.orders[slot].open();
        let display = self.specials.get(id).and_then(|special| special.display);
        if !can_slice(qty, display) {
            return refuse(Some(id), Reject::BadQuantity, events);
        }
        if self.phase == Phase::Halted {
            return refuse(Some(id), Reject::WrongPhase, events);
        }
        events.event(Event::Accepted { id: Some(id) });
        let whole = Lots(open.0 + self.hidden_of(slot).0);
        events.event(Event::Cancelled(self.cut(slot, whole, Lots::ZERO, Cut::Replaced)));
        let level = self.queues.levels[at];
        self.part_special(slot);
        self.detach(slot, events);
        self.queues.orders[slot].set_open(qty);
        match (level.kind(), self.phase) {
            (Kind::Stop, _) => {
                self.stops_waiting -= 1;
                let entry = Entry { limit: Some(price), tif: TimeInForce::Gtc, self_trade };
                self.specials.change(id, |special| special.entry = Some(entry));
                self.wait_for_trigger(slot, level.side(), level.price(), events);
            }
            (_, Phase::Continuous) => {
                return self.replace_taking(slot, level.side(), price, qty, self_trade, events);
            }
            _ => self.rest(slot, level.side(), price, qty, events),
        }
        Outcome { resting: qty, ..Outcome::default() }
    }

    /// Shows the next slice of an iceberg whose shown slice has gone, at the end of its queue.
    pub(crate) fn refresh(&mut self, slot: Slot<Order>, events: &mut impl Events) {
        let Order { id, user, level: at, .. } = self.queues.orders[slot];
        let special = *self.specials.get(id).expect("only an iceberg hides something");
        let show = special.display.expect("only an iceberg hides something");
        let qty = show.min(special.hidden);
        let hidden = Lots(special.hidden.0 - qty.0);
        self.queues.unlink(slot);
        self.queues.orders[slot].set_open(qty);
        self.queues.push_last(at, slot);
        self.set_hidden(slot, hidden);
        let (side, price) = (special.side, self.queues.levels[at].price());
        events.event(Event::Refreshed(Rested { id, user, side, price, qty, hidden }));
    }

    /// What an order hides.
    pub(crate) fn hidden_of(&self, slot: Slot<Order>) -> Lots {
        let order = &self.queues.orders[slot];
        if self.queues.levels[order.level].specials() == 0 {
            return Lots::ZERO;
        }
        self.specials.get(order.id).map_or(Lots::ZERO, |special| special.hidden)
    }

    /// Changes what an order hides.
    pub(crate) fn set_hidden(&mut self, slot: Slot<Order>, hidden: Lots) {
        let before = self.hidden_of(slot);
        if before != hidden {
            let Order { id, level, .. } = self.queues.orders[slot];
            self.specials.change(id, |special| special.hidden = hidden);
            self.specials.hide_at(level, before, hidden);
        }
    }

    /// Notes at its level that an order with terms has joined.
    pub(crate) fn join_special(&mut self, slot: Slot<Order>, hidden: Lots) {
        let at = self.queues.orders[slot].level;
        self.queues.levels[at].add_special();
        self.set_hidden(slot, hidden);
    }

    /// Notes at its level that an order is about to leave, if it has terms.
    pub(crate) fn part_special(&mut self, slot: Slot<Order>) {
        let Order { id, level: at, .. } = self.queues.orders[slot];
        if self.queues.levels[at].specials() > 0 && self.specials.get(id).is_some() {
            self.set_hidden(slot, Lots::ZERO);
            self.queues.levels[at].drop_special();
        }
    }
}
