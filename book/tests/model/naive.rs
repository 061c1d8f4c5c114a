//! The specification, written for reading and not for speed: a list of orders in order of arrival.

use book::{
    Cancelled, Command, Cut, Event, Lots, NewOrder, OrderId, Outcome, Reject, Rested, RestingOrder,
    SelfTrade, Side, Ticks, TimeInForce, Trade, User,
};

/// A book as a list: of two orders at one price, the one further ahead in the list came first.
pub(crate) struct Naive {
    pub(crate) resting: Vec<RestingOrder>,
    pub(crate) self_trade: SelfTrade,
}

impl Naive {
    pub(crate) fn apply(&mut self, command: &Command, events: &mut Vec<Event>) -> Outcome {
        let (id, result) = match *command {
            Command::New(new) => (Some(new.id), self.new_order(&new, events)),
            Command::Cancel { id } => (Some(id), self.reduce(id, Lots(u64::MAX), events)),
            Command::Reduce { id, by } if !by.in_range() => (Some(id), Err(Reject::BadQuantity)),
            Command::Reduce { id, by } => (Some(id), self.reduce(id, by, events)),
            Command::Replace { id, price, qty, self_trade } => {
                (Some(id), self.replace(id, price, qty, self_trade, events))
            }
            Command::MassCancel { user, side } => (None, Ok(self.mass_cancel(user, side, events))),
        };
        result.unwrap_or_else(|reject| {
            events.push(Event::Rejected { id, reject });
            Outcome { reject: Some(reject), ..Outcome::default() }
        })
    }

    /// The orders of a side in the order they trade.
    pub(crate) fn queue(&self, side: Side) -> Vec<RestingOrder> {
        let mut queue: Vec<_> =
            self.resting.iter().copied().filter(|order| order.side == side).collect();
        // The sort is stable: orders at one price stay in order of arrival.
        queue.sort_by_key(|order| match side {
            Side::Buy => -order.price.0,
            Side::Sell => order.price.0,
        });
        queue
    }

    fn new_order(&mut self, new: &NewOrder, events: &mut Vec<Event>) -> Result<Outcome, Reject> {
        if new.limit.is_none() && new.tif == TimeInForce::Post {
            return Err(Reject::BadCommand);
        }
        if !new.qty.in_range() {
            return Err(Reject::BadQuantity);
        }
        if new.limit.is_some_and(|price| !price.in_range()) {
            return Err(Reject::BadPrice);
        }
        if self.find(new.id).is_some() {
            return Err(Reject::DuplicateId);
        }
        let within: u128 = self
            .queue(new.side.opposite())
            .iter()
            .filter(|maker| meets(new.side, new.limit, maker.price))
            .map(|maker| u128::from(maker.qty.0))
            .sum();
        if new.tif == TimeInForce::Post && within > 0 {
            return Err(Reject::WouldCross);
        }
        if new.tif == TimeInForce::Fok && within < u128::from(new.qty.0) {
            return Err(Reject::Killed);
        }
        events.push(Event::Accepted { id: Some(new.id) });
        let rests = matches!(new.tif, TimeInForce::Gtc | TimeInForce::Post);
        Ok(self.trade(new, if rests { new.limit } else { None }, events))
    }

    fn trade(
        &mut self,
        new: &NewOrder,
        rests_at: Option<Ticks>,
        events: &mut Vec<Event>,
    ) -> Outcome {
        let NewOrder { id, user, side, limit, .. } = *new;
        let mode = new.self_trade.unwrap_or(self.self_trade);
        let (mut open, mut filled, mut cut) = (new.qty.0, 0, 0);
        while open > 0 {
            let queue = self.queue(side.opposite());
            let Some(maker) = queue.first().filter(|maker| meets(side, limit, maker.price)) else {
                break;
            };
            let smaller = open.min(maker.qty.0);
            if maker.user != user || user == User(0) || mode == SelfTrade::Allow {
                open -= smaller;
                filled += smaller;
                let maker_open = self.take_off(maker.id, smaller);
                events.push(Event::Traded(Trade {
                    maker: maker.id,
                    taker: id,
                    price: maker.price,
                    qty: Lots(smaller),
                    maker_open,
                    taker_open: Lots(open),
                    maker_user: maker.user,
                    taker_user: user,
                    taker_side: side,
                }));
                continue;
            }
            let (off_maker, off_taker) = match mode {
                SelfTrade::CancelNewest => (0, open),
                SelfTrade::CancelOldest => (maker.qty.0, 0),
                SelfTrade::CancelBoth => (maker.qty.0, open),
                _ => (smaller, smaller),
            };
            if off_maker > 0 {
                self.cut(maker, off_maker, Cut::SelfTrade, events);
            }
            open -= off_taker;
            cut += off_taker;
        }
        let taker_cut = |qty, open, cut| {
            let (qty, open) = (Lots(qty), Lots(open));
            Event::Cancelled(Cancelled { id, user, side, price: None, qty, open, cut })
        };
        if cut > 0 {
            events.push(taker_cut(cut, open, Cut::SelfTrade));
        }
        let mut resting = 0;
        match rests_at {
            Some(price) if open > 0 => {
                resting = open;
                let qty = Lots(open);
                self.resting.push(RestingOrder { side, id, price, qty, user });
                events.push(Event::Rested(Rested { id, user, side, price, qty }));
            }
            None if open > 0 => {
                events.push(taker_cut(open, 0, Cut::Unfilled));
                cut += open;
            }
            _ => {}
        }
        let (filled, resting, cancelled) = (Lots(filled), Lots(resting), Lots(cut));
        Outcome { reject: None, filled, resting, cancelled }
    }

    fn reduce(
        &mut self,
        id: OrderId,
        by: Lots,
        events: &mut Vec<Event>,
    ) -> Result<Outcome, Reject> {
        let order = self.find(id).ok_or(Reject::UnknownId)?;
        events.push(Event::Accepted { id: Some(id) });
        let cancelled = order.qty.min(by);
        let resting = self.cut(&order, cancelled.0, Cut::Asked, events);
        Ok(Outcome { resting, cancelled, ..Outcome::default() })
    }

    fn replace(
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
        events.push(Event::Accepted { id: Some(id) });
        self.cut(&old, old.qty.0, Cut::Replaced, events);
        let new = NewOrder { self_trade, ..NewOrder::limit(id, old.user, old.side, price, qty) };
        Ok(self.trade(&new, Some(price), events))
    }

    fn mass_cancel(&mut self, user: User, only: Option<Side>, events: &mut Vec<Event>) -> Outcome {
        events.push(Event::Accepted { id: None });
        let mut cancelled = 0;
        for side in Side::BOTH {
            for order in self.queue(side) {
                if order.user == user && only.is_none_or(|only| only == side) {
                    self.cut(&order, order.qty.0, Cut::Asked, events);
                    cancelled += order.qty.0;
                }
            }
        }
        Outcome { cancelled: Lots(cancelled), ..Outcome::default() }
    }

    fn find(&self, id: OrderId) -> Option<RestingOrder> {
        self.resting.iter().copied().find(|order| order.id == id)
    }

    fn cut(&mut self, order: &RestingOrder, by: u64, cut: Cut, events: &mut Vec<Event>) -> Lots {
        let RestingOrder { side, id, price, user, .. } = *order;
        let open = self.take_off(id, by);
        let (price, qty) = (Some(price), Lots(by));
        events.push(Event::Cancelled(Cancelled { id, user, side, price, qty, open, cut }));
        open
    }

    /// Takes quantity off a resting order, and the order out when nothing stays. Returns what
    /// stays.
    fn take_off(&mut self, id: OrderId, by: u64) -> Lots {
        let order = self.resting.iter_mut().find(|order| order.id == id).expect("it rests");
        order.qty.0 -= by;
        let open = order.qty;
        self.resting.retain(|order| order.qty > Lots::ZERO);
        open
    }
}

/// Whether an order of `side` with this limit may trade at `price`.
fn meets(side: Side, limit: Option<Ticks>, price: Ticks) -> bool {
    limit.is_none_or(|limit| match side {
        Side::Buy => price <= limit,
        Side::Sell => price >= limit,
    })
}
