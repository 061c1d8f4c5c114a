//! An order enters: what it meets, and what becomes of the rest.

use super::{Ledger, Order, Story, of_side};
use book::{
    Cut, Event, Lots, NewOrder, Outcome, Phase, SelfTrade, Side, Terms, Ticks, TimeInForce, Trade,
    User,
};

impl Ledger {
    /// A new order.
    pub(super) fn enter(&mut self, new: &NewOrder, terms: Terms, story: &mut Story<'_>) -> Outcome {
        let NewOrder { id, user, side, limit, qty, tif, self_trade } = *new;
        assert!(qty.in_range() && limit.is_none_or(Ticks::in_range), "numbers are in range");
        assert!(terms.expires.is_none_or(|expires| expires > self.now), "it is in time");
        assert!(self.live().all(|order| order.id != id), "no live order has the same id");
        assert_ne!(self.phase, Phase::Halted, "nothing enters a halted book");
        let order = Order { id, user, side, limit, open: qty.0, shown: 0, terms, tif, self_trade };
        if terms.stop.is_none() {
            if tif == TimeInForce::Fok && self.prevention(&order) == SelfTrade::Allow {
                assert!(self.within(&order) >= qty.0, "it can be filled");
            }
            assert!(tif != TimeInForce::Post || self.within(&order) == 0, "it meets nobody");
            return self.arrive(order, story);
        }
        let reached = self.last_trade.is_some_and(|price| order.is_reached(price));
        if reached && self.phase == Phase::Continuous {
            return self.activate(order, story);
        }
        self.wait(order, story)
    }

    /// An order that is no stop, or none any more: it trades if it may, or collects.
    pub(super) fn arrive(&mut self, order: Order, story: &mut Story<'_>) -> Outcome {
        if self.phase == Phase::Continuous {
            return self.take(order, story);
        }
        if order.limit.is_none() {
            return self.wait(order, story);
        }
        self.rest(order, story);
        Outcome { resting: Lots(order.open), ..Outcome::default() }
    }

    /// An order waits.
    pub(super) fn wait(&mut self, order: Order, story: &mut Story<'_>) -> Outcome {
        story.expect(Event::Waiting(order.waiting()));
        self.put(order);
        Outcome { resting: Lots(order.open), ..Outcome::default() }
    }

    /// An order trades with the other side, and rests or is cut.
    pub(super) fn take(&mut self, order: Order, story: &mut Story<'_>) -> Outcome {
        let mode = self.prevention(&order);
        let (mut taker, mut filled, mut cut) = (order, 0, 0);
        while let (Some(maker), 1..) = (self.first_met(&taker), taker.open) {
            if maker.user == taker.user && mode != SelfTrade::Allow {
                let (off_maker, off_taker) = off(mode, &maker, &taker);
                taker.open -= off_taker;
                cut += off_taker;
                if off_maker > 0 {
                    let left = Order {
                        open: maker.open - off_maker,
                        shown: maker.shown.saturating_sub(off_maker),
                        ..maker
                    };
                    story.expect(left.cut(off_maker, maker.limit, Cut::SelfTrade));
                    self.next_slice(&maker, left, story);
                }
                continue;
            }
            let qty = maker.shown.min(taker.open);
            taker.open -= qty;
            filled += qty;
            let left = Order { open: maker.open - qty, shown: maker.shown - qty, ..maker };
            story.expect(trade(&left, &taker, maker.price(), qty, taker.side));
            self.next_slice(&maker, left, story);
            self.note_price(maker.price());
        }
        if cut > 0 {
            story.expect(taker.cut(cut, None, Cut::SelfTrade));
        }
        let mut resting = 0;
        if taker.open > 0 {
            let rests = matches!(taker.tif, TimeInForce::Gtc | TimeInForce::Post);
            if rests && taker.limit.is_some() {
                resting = taker.open;
                self.rest(taker, story);
            } else {
                cut += taker.open;
                story.expect(Order { open: 0, ..taker }.cut(taker.open, None, Cut::Unfilled));
            }
        }
        let [filled, resting, cancelled] = [filled, resting, cut].map(Lots);
        Outcome { reject: None, filled, resting, cancelled }
    }

    /// An order joins the end of its level.
    fn rest(&mut self, order: Order, story: &mut Story<'_>) {
        let order = Order { shown: order.slice(), ..order };
        story.expect(Event::Rested(order.rested()));
        self.put(order);
    }

    /// What is left of an order that shows less: it leaves, stays where it is, or shows its next
    /// slice at the end of its level.
    pub(super) fn next_slice(&mut self, order: &Order, left: Order, story: &mut Story<'_>) {
        if left.open == 0 || left.shown > 0 || left.waits() {
            return self.write(order, left);
        }
        let left = Order { shown: left.slice(), ..left };
        story.expect(Event::Refreshed(left.rested()));
        self.take_out(order);
        self.put(left);
    }

    /// The order that a taker meets first.
    pub(super) fn first_met(&self, taker: &Order) -> Option<Order> {
        let others = of_side(&self.resting, taker.side.opposite());
        others.filter(|maker| meets(taker, maker)).min_by_key(|maker| maker.rank()).copied()
    }

    /// Lots of the other side that an order meets, hidden ones too.
    pub(super) fn within(&self, taker: &Order) -> u64 {
        let others = of_side(&self.resting, taker.side.opposite());
        others.filter(|maker| meets(taker, maker)).map(|maker| maker.open).sum()
    }

    pub(super) fn note_price(&mut self, price: Ticks) {
        self.last_trade = Some(price);
        let (low, high) = self.reach.unwrap_or((price, price));
        self.reach = Some((low.min(price), high.max(price)));
    }

    fn prevention(&self, taker: &Order) -> SelfTrade {
        match taker.user {
            User(0) => SelfTrade::Allow,
            _ => taker.self_trade.unwrap_or(self.self_trade),
        }
    }
}

/// The event of a trade; the orders are what is left of them.
pub(super) fn trade(maker: &Order, taker: &Order, price: Ticks, qty: u64, side: Side) -> Event {
    Event::Traded(Trade {
        maker: maker.id,
        taker: taker.id,
        price,
        qty: Lots(qty),
        maker_open: Lots(maker.open),
        taker_open: Lots(taker.open),
        maker_user: maker.user,
        taker_user: taker.user,
        taker_side: side,
    })
}

/// Whether a price of the other side is within an order's limit.
fn meets(taker: &Order, maker: &Order) -> bool {
    taker.limit.is_none_or(|limit| match taker.side {
        Side::Buy => maker.price() <= limit,
        Side::Sell => maker.price() >= limit,
    })
}

/// Lots that prevention takes off maker and taker.
fn off(mode: SelfTrade, maker: &Order, taker: &Order) -> (u64, u64) {
    let smaller = maker.shown.min(taker.open);
    match mode {
        SelfTrade::Allow => (0, 0),
        SelfTrade::CancelNewest => (0, taker.open),
        SelfTrade::CancelOldest => (maker.open, 0),
        SelfTrade::CancelBoth => (maker.open, taker.open),
        SelfTrade::Decrement => (smaller, smaller),
    }
}
