//! Cancel, reduce, replace, mass cancel and expiry.

use super::enter::Entry;
use super::{Naive, Order, Stop, can_slice};
use book::{
    Cut, Event, Lots, OrderId, Outcome, Phase, Reject, SelfTrade, Side, Ticks, Time, TimeInForce,
    User,
};

impl Naive {
    /// Takes lots off an order, hidden ones first; it keeps its place.
    pub(super) fn reduce(
        &mut self,
        id: OrderId,
        by: u64,
        events: &mut Vec<Event>,
    ) -> Result<Outcome, Reject> {
        let order = self.find(id).ok_or(Reject::UnknownId)?;
        events.push(Event::Accepted { id: Some(id) });
        let cancelled = order.open.min(by);
        let resting = self.cut(&order, cancelled, Cut::Asked, events);
        Ok(Outcome { resting, cancelled: Lots(cancelled), ..Outcome::default() })
    }

    /// Cancels an order and enters it again with another price and quantity.
    pub(super) fn replace(
        &mut self,
        id: OrderId,
        price: Ticks,
        qty: Lots,
        self_trade: Option<SelfTrade>,
        events: &mut Vec<Event>,
    ) -> Result<Outcome, Reject> {
        if !qty.in_range() {
            return Err(Reject::BadQuantity);
        }
        if !price.in_range() {
            return Err(Reject::BadPrice);
        }
        let old = self.find(id).ok_or(Reject::UnknownId)?;
        if !can_slice(qty, old.display) {
            return Err(Reject::BadQuantity);
        }
        if self.phase == Phase::Halted {
            return Err(Reject::WrongPhase);
        }
        events.push(Event::Accepted { id: Some(id) });
        self.cut(&old, old.open, Cut::Replaced, events);
        let entry = Entry { tif: TimeInForce::Gtc, self_trade };
        let new = Order { limit: Some(price), open: qty.0, slice: qty.0, ..old };
        let Some(Stop { trigger, .. }) = old.stop else {
            return Ok(self.arrive(new, entry, events));
        };
        // A stop goes on waiting for the same trigger, whatever has traded since.
        let stop = Some(Stop { trigger, tif: entry.tif, self_trade: entry.self_trade });
        Ok(self.wait(Order { stop, ..new }, events))
    }

    /// Cancels all orders of a user, by rising id.
    pub(super) fn mass_cancel(
        &mut self,
        user: User,
        only: Option<Side>,
        events: &mut Vec<Event>,
    ) -> Outcome {
        let theirs =
            |order: &&Order| order.user == user && only.is_none_or(|only| only == order.side);
        let mut orders: Vec<Order> = self.live().filter(theirs).copied().collect();
        orders.sort_by_key(|order| order.id);
        self.cancel_all(&orders, Cut::Asked, events)
    }

    /// Cancels all orders whose time has come, by rising expiry, then id.
    pub(super) fn expire(&mut self, now: Time, events: &mut Vec<Event>) -> Outcome {
        self.now = self.now.max(now);
        let over = |order: &&Order| order.expires.is_some_and(|expires| expires <= self.now);
        let mut orders: Vec<Order> = self.live().filter(over).copied().collect();
        orders.sort_by_key(|order| (order.expires, order.id));
        self.cancel_all(&orders, Cut::Expired, events)
    }

    fn cancel_all(&mut self, orders: &[Order], cut: Cut, events: &mut Vec<Event>) -> Outcome {
        events.push(Event::Accepted { id: None });
        for order in orders {
            self.cut(order, order.open, cut, events);
        }
        let cancelled = Lots(orders.iter().map(|order| order.open).sum());
        Outcome { cancelled, ..Outcome::default() }
    }
}
