//! Stops: orders that wait for a trade price.
//!
//! They stand in queues of their own, one for each trigger price, and enter only when the command
//! that triggered them is complete. A command, or a stop that entered, leaves the range of prices it
//! traded at; all stops that this range reaches are elected, buys before sells, by trigger price and
//! then by arrival, and enter one after the other in that order. What they elect in turn comes after
//! them. Every stop enters once, so a cascade ends.

use crate::arena::Slot;
use crate::book::{Book, refuse};
use crate::command::{NewOrder, Phase, Terms, TimeInForce};
use crate::event::{Cut, Event, Events, Outcome, Reject, Waiting};
use crate::level::{Kind, Level, stop_rank};
use crate::matching::limit_rank;
use crate::order::Order;
use crate::special::{Entry, Special};
use crate::units::{Lots, Side, Ticks};

/// Stops that are to enter, linked through the orders, the first in front.
struct Elected {
    first: Slot<Order>,
    last: Slot<Order>,
}

impl Book {
    /// Enters a stop that has been judged, but for its id and the room.
    pub(crate) fn enter_stop(
        &mut self,
        new: &NewOrder,
        terms: &Terms,
        stop: Ticks,
        events: &mut impl Events,
    ) -> Outcome {
        if self.queues.orders.len() >= self.orders_max {
            return refuse(Some(new.id), Reject::Full, events);
        }
        events.event(Event::Accepted { id: Some(new.id) });
        let reached = self.last_trade.is_some_and(|last| match new.side {
            Side::Buy => last >= stop,
            Side::Sell => last <= stop,
        });
        if reached && self.phase == Phase::Continuous {
            let outcome = self.enter_triggered(new, terms, events);
            self.settle_stops(events);
            self.give_back();
            return outcome;
        }
        let NewOrder { limit, tif, self_trade, .. } = *new;
        let slot = self.store(new, terms);
        let entry = Some(Entry { limit, tif, self_trade });
        self.specials.change(new.id, |special| special.entry = entry);
        self.wait_for_trigger(slot, new.side, stop, events);
        Outcome { resting: new.qty, ..Outcome::default() }
    }

    /// Puts a stop at the end of its trigger's queue.
    pub(crate) fn wait_for_trigger(
        &mut self,
        slot: Slot<Order>,
        side: Side,
        stop: Ticks,
        events: &mut impl Events,
    ) {
        let rank = stop_rank(side, stop);
        let ladder = &mut self.stops[side as usize];
        let at = ladder.find(rank, &self.queues.levels).unwrap_or_else(|| {
            let at = self.queues.levels.insert(Level::new(rank, side, Kind::Stop));
            ladder.insert(rank, at, &self.queues.levels);
            at
        });
        self.queues.push_last(at, slot);
        self.join_special(slot, Lots::ZERO);
        self.stops_waiting += 1;
        let Order { id, user, .. } = self.queues.orders[slot];
        let qty = self.queues.orders[slot].open();
        events.event(Event::Waiting(Waiting { id, user, side, qty, stop: Some(stop) }));
    }

    /// Lets every stop enter that the trades of a command have triggered, and those that they
    /// trigger. Called when the command itself is complete.
    #[inline]
    pub(crate) fn settle_stops(&mut self, events: &mut impl Events) {
        if self.reach.is_some() && self.phase == Phase::Continuous {
            self.cascade(events);
        }
    }

    #[inline(never)]
    fn cascade(&mut self, events: &mut impl Events) {
        let mut elected = Elected { first: Slot::NONE, last: Slot::NONE };
        self.elect(&mut elected);
        while let Some(slot) = elected.first.some() {
            elected.first = self.queues.orders[slot].behind;
            if elected.first.is_none() {
                elected.last = Slot::NONE;
            }
            self.activate(slot, events);
            self.elect(&mut elected);
        }
    }

    /// Moves the stops that the range of traded prices reaches to the end of `elected`.
    fn elect(&mut self, elected: &mut Elected) {
        let Some((low, high)) = self.reach.take() else { return };
        for (side, reached) in [(Side::Buy, high), (Side::Sell, low)] {
            let reached = stop_rank(side, reached);
            while self.stops[side as usize].best() >= reached {
                let at = self.stops[side as usize].best_level();
                while let Some(slot) = self.queues.levels[at].first.some() {
                    self.part_special(slot);
                    self.queues.unlink(slot);
                    self.stops_waiting -= 1;
                    let order = &mut self.queues.orders[slot];
                    (order.level, order.ahead, order.behind) = (Slot::NONE, Slot::NONE, Slot::NONE);
                    match elected.last.some() {
                        Some(last) => self.queues.orders[last].behind = slot,
                        None => elected.first = slot,
                    }
                    elected.last = slot;
                }
                self.drop_level(at);
            }
        }
    }

    /// Enters a stop that has waited, and is in no queue any more. What rests of it is stored anew.
    fn activate(&mut self, slot: Slot<Order>, events: &mut impl Events) {
        let Order { id, user, .. } = self.queues.orders[slot];
        let qty = self.queues.orders[slot].open();
        let special = *self.specials.get(id).expect("a stop has terms");
        let Special { side, entry, display, expires, .. } = special;
        let Entry { limit, tif, self_trade } = entry.expect("it has not been triggered before");
        self.retire(slot);
        let new = NewOrder { id, user, side, limit, qty, tif, self_trade };
        self.enter_triggered(&new, &Terms { display, stop: None, expires }, events);
    }

    /// Enters a stop that has been triggered, from its queue or on arrival.
    fn enter_triggered(
        &mut self,
        new: &NewOrder,
        terms: &Terms,
        events: &mut impl Events,
    ) -> Outcome {
        let NewOrder { id, side, qty, tif, .. } = *new;
        events.event(Event::Triggered { id });
        let worst = limit_rank(new).expect("judged when the stop arrived");
        let refused = match tif {
            TimeInForce::Post if self.crosses(side, worst) => Some(Cut::WouldCross),
            TimeInForce::Fok if !self.can_fill(new, worst) => Some(Cut::Unfilled),
            _ => None,
        };
        if let Some(why) = refused {
            events.event(self.taker(new, worst).cut(qty, Lots::ZERO, why));
            return Outcome { cancelled: qty, ..Outcome::default() };
        }
        self.take_and_rest(new, terms, worst, events)
    }
}
