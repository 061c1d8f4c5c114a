//! Commands about many orders: the mass cancel of a user, and the coming of a moment.
//!
//! Both take orders out in an order that follows from the orders alone, not from where they lie in
//! memory: a book that was restored tells the same events.

use crate::arena::Slot;
use crate::book::Book;
use crate::event::{Cut, Event, Events, Outcome};
use crate::index::Probe;
use crate::order::Order;
use crate::units::{Lots, OrderId, Side, Time, User};

impl Book {
    /// Cancels the orders of a user, in rising order of their ids.
    ///
    /// It looks at every slot of the store of orders, one after the other, which is the cheapest way
    /// to find them short of a list for each user that every other command would have to keep. Where
    /// most slots are free, left from a larger book, it follows the queues.
    pub(crate) fn mass_cancel(
        &mut self,
        user: User,
        side: Option<Side>,
        events: &mut impl Events,
    ) -> Outcome {
        events.event(Event::Accepted { id: None });
        let mut found = std::mem::take(&mut self.scratch);
        if found.capacity() < self.queues.orders.len() {
            found.reserve_exact(self.queues.orders.capacity());
            self.scratch_growths += 1;
        }
        let owned = |order: &Order| order.user == user && order.open() > Lots::ZERO;
        if self.queues.orders.is_sparse() {
            let slots = self.live().map(|slot| (slot, &self.queues.orders[slot]));
            found.extend(slots.filter(|(_, order)| owned(order)).map(|(slot, at)| (at.id, slot)));
        } else {
            let slots = self.queues.orders.slots();
            found.extend(slots.filter(|(_, order)| owned(order)).map(|(slot, at)| (at.id, slot)));
        }
        if let Some(side) = side {
            found.retain(|(_, slot)| self.queues.level_of(*slot).side() == side);
        }
        found.sort_unstable_by_key(|(id, _)| *id);
        let mut cancelled = Lots::ZERO;
        for (id, slot) in found.drain(..) {
            cancelled.0 += self.cancel_one(id, slot, events).0;
        }
        self.scratch = found;
        self.give_back();
        Outcome { cancelled, ..Outcome::default() }
    }

    /// Cancels one of many.
    fn cancel_one(&mut self, id: OrderId, slot: Slot<Order>, events: &mut impl Events) -> Lots {
        if !self.queues.level_of(slot).is_plain() {
            return self.cancel_as(slot, Cut::Asked, events);
        }
        let Probe::Found(place, _) = self.probe(id) else {
            unreachable!("an order in a queue is in the index");
        };
        self.cancel_plain(place, slot, events)
    }

    /// Cancels the orders whose expiry has come, the earliest first, then the lowest id.
    pub(crate) fn expire(&mut self, now: Time, events: &mut impl Events) -> Outcome {
        events.event(Event::Accepted { id: None });
        self.now = self.now.max(now);
        let mut cancelled = Lots::ZERO;
        while let Some((expires, slot)) = self.specials.first_to_expire()
            && expires <= self.now
        {
            cancelled.0 += self.cancel_as(slot, Cut::Expired, events).0;
        }
        self.give_back();
        Outcome { cancelled, ..Outcome::default() }
    }
}
