//! Rebuilds a book from its events alone, as a consumer of order-by-order market data does: the
//! queues with what is shown and hidden of each order, the orders that wait, phase and last trade.

use book::{
    Cancelled, Event, Lots, OrderId, Phase, Rested, RestingOrder, Side, Ticks, Trade, Waiting,
};

/// What the events so far say.
#[derive(Default)]
pub(crate) struct Follower {
    /// By side, the first to trade in front.
    resting: [Vec<RestingOrder>; 2],
    /// By side, in order of arrival.
    waiting: [Vec<Waiting>; 2],
    /// An iceberg whose slice is used up, until its next one is told.
    between_slices: Vec<RestingOrder>,
    pub(crate) phase: Phase,
    pub(crate) last_trade: Option<Ticks>,
}

impl Follower {
    /// Follows the events of one command; panics when they contradict the earlier ones.
    pub(crate) fn follow(&mut self, events: &[Event]) {
        assert!(matches!(events[0], Event::Accepted { .. } | Event::Rejected { .. }));
        for (at, event) in events.iter().enumerate() {
            let judged = matches!(event, Event::Accepted { .. } | Event::Rejected { .. });
            assert_eq!(judged, at == 0, "a command is judged once, first");
            self.follow_one(event);
        }
        assert_eq!(self.between_slices, [], "an iceberg has not shown its next slice");
    }

    /// The orders of a side in the order they trade.
    pub(crate) fn queue(&self, side: Side) -> &[RestingOrder] {
        &self.resting[side as usize]
    }

    /// The orders of a side that wait: stops as a price that moves away from the other side
    /// reaches them, then market orders.
    pub(crate) fn waiting(&self, side: Side) -> Vec<Waiting> {
        let mut waiting = self.waiting[side as usize].clone();
        // The sort is stable: orders with one trigger stay in order of arrival.
        waiting.sort_by_key(|order| match (order.stop, side) {
            (None, _) => i64::MAX,
            (Some(trigger), Side::Buy) => trigger.0,
            (Some(trigger), Side::Sell) => -trigger.0,
        });
        waiting
    }

    fn follow_one(&mut self, event: &Event) {
        match *event {
            Event::Accepted { .. } | Event::Uncrossed { .. } => {}
            Event::Rejected { .. } => {}
            Event::Traded(trade) => self.trade(&trade),
            Event::Cancelled(cancelled) => self.cancel(&cancelled),
            Event::Rested(rested) => {
                assert!(!self.is_live(rested.id), "an id rests twice");
                self.join(&rested);
            }
            Event::Refreshed(rested) => {
                let at = self.between_slices.iter().position(|order| order.id == rested.id);
                let was = self.between_slices.remove(at.expect("its slice was used up"));
                let Rested { id: _, user, side, price, qty, hidden } = rested;
                assert_eq!((was.user, was.side, was.price), (user, side, price));
                assert_eq!(was.hidden.0, qty.0 + hidden.0, "a refresh makes no lots");
                self.join(&rested);
            }
            Event::Waiting(waiting) => {
                assert!(!self.is_live(waiting.id), "an id waits twice");
                self.waiting[waiting.side as usize].push(waiting);
            }
            Event::Triggered { id } => {
                // One that is triggered as it arrives was never told to wait.
                for waiting in &mut self.waiting {
                    waiting.retain(|order| order.id != id);
                }
            }
            Event::PhaseSet { phase } => self.phase = phase,
        }
    }

    fn trade(&mut self, trade: &Trade) {
        let Trade { maker, taker, price, qty, maker_open, taker_open, taker_side, .. } = *trade;
        self.last_trade = Some(price);
        assert!(qty > Lots::ZERO);
        if self.phase != Phase::Auction {
            let first = self.resting[taker_side.opposite() as usize].first();
            assert_eq!(first.map(|first| (first.id, first.price)), Some((maker, price)));
            assert!(!self.is_live(taker), "a taker that rests");
        } else {
            self.lose_in_turn(taker, taker_side, qty, taker_open);
        }
        self.lose_in_turn(maker, taker_side.opposite(), qty, maker_open);
    }

    /// Takes traded lots off the order whose turn it is: market orders first.
    fn lose_in_turn(&mut self, id: OrderId, side: Side, qty: Lots, open: Lots) {
        let waiting = &mut self.waiting[side as usize];
        if let Some(at) = waiting.iter().position(|order| order.stop.is_none()) {
            assert_eq!(waiting[at].id, id, "market orders come first, by arrival");
            assert_eq!(waiting[at].qty.0, qty.0 + open.0, "open quantity is off");
            waiting[at].qty = open;
            waiting.retain(|order| order.qty > Lots::ZERO);
            return;
        }
        let first = self.resting[side as usize].first().expect("it rests");
        assert_eq!(first.id, id, "not the turn of this order");
        let shown = Lots(first.qty.0 - qty.0);
        self.leave(id, qty, open, shown);
    }

    fn cancel(&mut self, cancelled: &Cancelled) {
        let Cancelled { id, user, side, price, qty, open, shown, .. } = *cancelled;
        if price.is_some() {
            let order = self.leave(id, qty, open, shown);
            assert_eq!((order.user, order.side, Some(order.price)), (user, side, price));
            return;
        }
        assert_eq!(shown, Lots::ZERO, "what never rested shows nothing");
        let waiting = &mut self.waiting[side as usize];
        // A part of a taker is of no order that the book has.
        if let Some(order) = waiting.iter_mut().find(|order| order.id == id) {
            assert_eq!((order.user, order.qty.0), (user, qty.0 + open.0));
            order.qty = open;
            waiting.retain(|order| order.qty > Lots::ZERO);
        }
    }

    /// Takes lots off a resting order, which stays with `open`, and `shown` of that. Returns the
    /// order as it was.
    fn leave(&mut self, id: OrderId, qty: Lots, open: Lots, shown: Lots) -> RestingOrder {
        let mut orders = self.resting.iter_mut().flatten();
        let order = orders.find(|order| order.id == id).expect("it rests");
        let was = *order;
        assert!(qty > Lots::ZERO, "nothing left");
        assert_eq!(was.qty.0 + was.hidden.0, qty.0 + open.0, "open quantity is off");
        (order.qty, order.hidden) = (shown, Lots(open.0 - shown.0));
        let now = *order;
        if shown == Lots::ZERO {
            self.resting[was.side as usize].retain(|order| order.id != id);
            self.between_slices.extend((open > Lots::ZERO).then_some(now));
        }
        was
    }

    /// Puts an order at the end of its level.
    fn join(&mut self, rested: &Rested) {
        let Rested { id, user, side, price, qty, hidden } = *rested;
        assert!(qty > Lots::ZERO, "a resting order shows nothing");
        let queue = &mut self.resting[side as usize];
        let behind = queue.iter().position(|other| match side {
            Side::Buy => other.price < price,
            Side::Sell => other.price > price,
        });
        let order = RestingOrder { side, id, price, qty, hidden, user };
        queue.insert(behind.unwrap_or(queue.len()), order);
    }

    fn is_live(&self, id: OrderId) -> bool {
        let waiting = self.waiting.iter().flatten().any(|order| order.id == id);
        waiting || self.resting.iter().flatten().any(|order| order.id == id)
    }
}
