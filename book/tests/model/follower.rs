//! Rebuilds a book from its events alone, as a market-data consumer does.

use book::{Cancelled, Event, Lots, OrderId, Rested, RestingOrder, Side, Trade};

/// What the events so far say is resting, in order of arrival.
#[derive(Default)]
pub(crate) struct Follower {
    resting: Vec<RestingOrder>,
}

impl Follower {
    /// Follows one event; panics when it contradicts the earlier ones.
    pub(crate) fn follow(&mut self, event: &Event) {
        match *event {
            Event::Accepted { .. } | Event::Rejected { .. } => {}
            Event::Traded(Trade { maker, price, qty, maker_open, taker_side, .. }) => {
                let order = self.lose(maker, qty, maker_open);
                assert_eq!((order.side, order.price), (taker_side.opposite(), price));
                let first = self.queue(order.side).first().copied();
                // The maker was first: it stays so, or the order behind it is not better.
                assert!(first.is_none_or(|first| match order.side {
                    Side::Buy => first.price <= price,
                    Side::Sell => first.price >= price,
                }));
            }
            Event::Cancelled(Cancelled { price: None, .. }) => {}
            Event::Cancelled(Cancelled { id, user, side, price, qty, open, .. }) => {
                let order = self.lose(id, qty, open);
                assert_eq!((order.user, order.side, Some(order.price)), (user, side, price));
            }
            Event::Rested(Rested { id, user, side, price, qty }) => {
                assert!(self.resting.iter().all(|order| order.id != id), "an id rests twice");
                self.resting.push(RestingOrder { side, id, price, qty, user });
            }
        }
    }

    /// The orders of a side in the order they trade.
    pub(crate) fn queue(&self, side: Side) -> Vec<RestingOrder> {
        let mut queue: Vec<_> =
            self.resting.iter().copied().filter(|order| order.side == side).collect();
        queue.sort_by_key(|order| match side {
            Side::Buy => -order.price.0,
            Side::Sell => order.price.0,
        });
        queue
    }

    /// Takes quantity off an order; returns the order as it was.
    fn lose(&mut self, id: OrderId, qty: Lots, open: Lots) -> RestingOrder {
        let at = self.resting.iter().position(|order| order.id == id).expect("it rests");
        let before = self.resting[at];
        assert!(qty > Lots::ZERO && before.qty.0 == qty.0 + open.0, "open quantity is off");
        if open == Lots::ZERO {
            self.resting.remove(at);
        } else {
            self.resting[at].qty = open;
        }
        before
    }
}
