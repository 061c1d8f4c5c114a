//! The specification, written for reading and not for speed.
//!
//! A book is six plain lists: for each side the orders that rest, the stops that wait and the
//! market orders that wait for an uncross, each in the order they have their turn. Every rule is
//! written down as it is said: the first order of a list trades, an order that loses its place is
//! taken out and put in again, the price of an uncross is found by trying prices.
//!
//! Not here: the limit on the number of orders, which no test fills.

mod auction;
mod change;
mod enter;
mod rebuild;
mod stops;

pub(crate) use rebuild::vary;

use book::{
    Cancelled, Command, Cut, Event, Indicative, LiveOrder, Lots, OrderId, Outcome, Phase, Reject,
    Rested, RestingOrder, SelfTrade, Side, Terms, Ticks, Time, TimeInForce, User, Waiting,
};
use std::hash::{DefaultHasher, Hash, Hasher};

/// An iceberg is shown in no more slices than this.
const SLICES_MAX: u64 = 4096;

/// A book as lists.
#[derive(Clone, Debug)]
pub(crate) struct Naive {
    self_trade: SelfTrade,
    phase: Phase,
    now: Time,
    last_trade: Option<Ticks>,
    /// The lowest and the highest price of the trades since stops were last elected.
    traded: Option<(Ticks, Ticks)>,
    /// By side: priced orders, the best price in front, then by arrival.
    resting: [Vec<Order>; 2],
    /// By side: stops, the trigger that a moving price reaches first in front, then by arrival.
    stops: [Vec<Order>; 2],
    /// By side: market orders that wait for an uncross, by arrival.
    markets: [Vec<Order>; 2],
    /// The longest chain so far of stops that triggered each other within one command.
    deepest: usize,
}

/// A live order. Which list it is in follows from it: `stop`, else no `limit`, else it rests.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Order {
    id: OrderId,
    user: User,
    side: Side,
    limit: Option<Ticks>,
    /// All that is still to trade.
    open: u64,
    /// How much of it trades before it loses its place: what the book shows of an iceberg, all of
    /// any other order.
    slice: u64,
    display: Option<Lots>,
    expires: Option<Time>,
    stop: Option<Stop>,
}

/// What a stop waits for, and how it enters then.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Stop {
    trigger: Ticks,
    tif: TimeInForce,
    self_trade: Option<SelfTrade>,
}

impl Naive {
    pub(crate) fn new(self_trade: SelfTrade) -> Naive {
        Naive {
            self_trade,
            phase: Phase::Continuous,
            now: Time(0),
            last_trade: None,
            traded: None,
            resting: Default::default(),
            stops: Default::default(),
            markets: Default::default(),
            deepest: 0,
        }
    }

    pub(crate) fn apply(&mut self, command: &Command, events: &mut Vec<Event>) -> Outcome {
        let (id, result) = match *command {
            Command::New(new) => (Some(new.id), self.enter(&new, &Terms::default(), events)),
            Command::NewWith(new, terms) => (Some(new.id), self.enter(&new, &terms, events)),
            Command::Cancel { id } => (Some(id), self.reduce(id, u64::MAX, events)),
            Command::Reduce { id, by } if !by.in_range() => (Some(id), Err(Reject::BadQuantity)),
            Command::Reduce { id, by } => (Some(id), self.reduce(id, by.0, events)),
            Command::Replace { id, price, qty, self_trade } => {
                (Some(id), self.replace(id, price, qty, self_trade, events))
            }
            Command::MassCancel { user, side } => (None, Ok(self.mass_cancel(user, side, events))),
            Command::Expire { now } => (None, Ok(self.expire(now, events))),
            Command::SetPhase { phase } => (None, self.set_phase(phase, events)),
            Command::Uncross { then } => (None, self.uncross(then, events)),
        };
        let outcome = result.unwrap_or_else(|reject| {
            events.push(Event::Rejected { id, reject });
            Outcome { reject: Some(reject), ..Outcome::default() }
        });
        self.elect_stops(events);
        outcome
    }

    /// The orders of a side in the order they trade.
    pub(crate) fn queue(&self, side: Side) -> impl Iterator<Item = RestingOrder> + '_ {
        self.resting[side as usize].iter().map(Order::resting)
    }

    /// What waits on a side: stops as they would be elected, then market orders.
    pub(crate) fn waiting(&self, side: Side) -> impl Iterator<Item = Waiting> + '_ {
        let [stops, markets] = [&self.stops, &self.markets].map(|lists| &lists[side as usize]);
        stops.iter().chain(markets).map(Order::waiting)
    }

    pub(crate) fn order(&self, id: OrderId) -> Option<(LiveOrder, Terms)> {
        Some(self.find(id)?.view())
    }

    /// All live orders, in no order of use.
    pub(crate) fn orders(&self) -> impl Iterator<Item = (OrderId, (LiveOrder, Terms))> + '_ {
        self.live().map(|order| (order.id, order.view()))
    }

    /// Number of live orders.
    pub(crate) fn order_count(&self) -> usize {
        self.live().count()
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn now(&self) -> Time {
        self.now
    }

    pub(crate) fn last_trade(&self) -> Option<Ticks> {
        self.last_trade
    }

    pub(crate) fn indicative(&self) -> Option<Indicative> {
        self.uncross_price()
    }

    pub(crate) fn deepest_cascade(&self) -> usize {
        self.deepest
    }

    /// All that decides what the book does from here on, as one number.
    pub(crate) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.self_trade, self.phase, self.now, self.last_trade, self.traded).hash(&mut hasher);
        (&self.resting, &self.stops, &self.markets).hash(&mut hasher);
        hasher.finish()
    }

    fn live(&self) -> impl Iterator<Item = &Order> + '_ {
        [&self.resting, &self.stops, &self.markets].into_iter().flatten().flatten()
    }

    fn find(&self, id: OrderId) -> Option<Order> {
        self.live().find(|order| order.id == id).copied()
    }

    /// The list that an order is in, or goes to.
    fn list(&mut self, order: &Order) -> &mut Vec<Order> {
        let lists = match (order.stop, order.limit) {
            (Some(_), _) => &mut self.stops,
            (None, None) => &mut self.markets,
            (None, Some(_)) => &mut self.resting,
        };
        &mut lists[order.side as usize]
    }

    /// Puts an order into its list, behind all that have their turn before it or with it.
    fn put(&mut self, order: Order) {
        let list = self.list(&order);
        let behind = list.iter().position(|other| order.goes_before(other));
        list.insert(behind.unwrap_or(list.len()), order);
    }

    fn take_out(&mut self, order: &Order) {
        self.list(order).retain(|other| other.id != order.id);
    }

    /// Cuts `by` lots off an order, hidden ones first. Returns what is left of it.
    fn cut(&mut self, order: &Order, by: u64, cut: Cut, events: &mut Vec<Event>) -> Lots {
        let open = order.open - by;
        let left = Order { open, slice: order.slice.min(open), ..*order };
        events.push(left.cancelled(by, cut));
        if open == 0 {
            self.take_out(order);
        } else {
            let at = self.list(order).iter().position(|other| other.id == order.id);
            self.list(order)[at.expect("the order is live")] = left;
        }
        Lots(open)
    }

    /// Takes lots off the slice of an order that has its turn. When the slice is used up, the order
    /// leaves, and the next slice, if something is hidden, joins the end of its level.
    fn use_up(&mut self, order: &Order, by: u64, events: &mut Vec<Event>) {
        let mut left = Order { open: order.open - by, slice: order.slice - by, ..*order };
        if left.slice > 0 {
            let first = self.list(order).first_mut().expect("who has its turn is in front");
            assert_eq!(first.id, order.id, "who has its turn is in front");
            *first = left;
            return;
        }
        self.take_out(order);
        if left.open > 0 {
            left.slice = left.next_slice();
            events.push(Event::Refreshed(left.rested()));
            self.put(left);
        }
    }

    /// Remembers the price of a trade.
    fn note_trade(&mut self, price: Ticks) {
        self.last_trade = Some(price);
        let (low, high) = self.traded.unwrap_or((price, price));
        self.traded = Some((low.min(price), high.max(price)));
    }
}

impl Order {
    fn rests(&self) -> bool {
        self.stop.is_none() && self.limit.is_some()
    }

    /// Whether this order, coming later, still has its turn before another of its list.
    fn goes_before(&self, other: &Order) -> bool {
        let better = |mine: Ticks, theirs: Ticks, high_first: bool| match high_first {
            true => mine > theirs,
            false => mine < theirs,
        };
        match (self.stop, other.stop, self.limit, other.limit) {
            (Some(mine), Some(theirs), ..) => {
                better(mine.trigger, theirs.trigger, self.side == Side::Sell)
            }
            (None, None, Some(mine), Some(theirs)) => better(mine, theirs, self.side == Side::Buy),
            _ => false,
        }
    }

    fn view(&self) -> (LiveOrder, Terms) {
        let stop = self.stop.map(|stop| stop.trigger);
        let terms = Terms { display: self.display, stop, expires: self.expires };
        match self.rests() {
            true => (LiveOrder::Resting(self.resting()), terms),
            false => (LiveOrder::Waiting(self.waiting()), terms),
        }
    }

    fn next_slice(&self) -> u64 {
        self.display.map_or(self.open, |display| display.0.min(self.open))
    }

    fn price(&self) -> Ticks {
        self.limit.expect("what rests has a price")
    }

    fn resting(&self) -> RestingOrder {
        let Order { side, id, user, open, slice, .. } = *self;
        let (qty, hidden) = (Lots(slice), Lots(open - slice));
        RestingOrder { side, id, price: self.price(), qty, hidden, user }
    }

    fn rested(&self) -> Rested {
        let RestingOrder { side, id, price, qty, hidden, user } = self.resting();
        Rested { id, user, side, price, qty, hidden }
    }

    fn waiting(&self) -> Waiting {
        let Order { id, user, side, open, stop, .. } = *self;
        Waiting { id, user, side, qty: Lots(open), stop: stop.map(|stop| stop.trigger) }
    }

    /// The event that `qty` lots have left and this stays. Only what rests has a price and is shown.
    fn cancelled(&self, qty: u64, cut: Cut) -> Event {
        let Order { id, user, side, open, slice, .. } = *self;
        let price = self.limit.filter(|_| self.rests());
        let shown = if self.rests() { slice } else { 0 };
        let [qty, open, shown] = [qty, open, shown].map(Lots);
        Event::Cancelled(Cancelled { id, user, side, price, qty, open, shown, cut })
    }
}

/// Whether so many lots may be shown `display` at a time.
fn can_slice(qty: Lots, display: Option<Lots>) -> bool {
    display.is_none_or(|display| qty.0.div_ceil(display.0) <= SLICES_MAX)
}

/// Whether an order of `side` with this limit may trade at `price`.
fn meets(side: Side, limit: Option<Ticks>, price: Ticks) -> bool {
    limit.is_none_or(|limit| match side {
        Side::Buy => price <= limit,
        Side::Sell => price >= limit,
    })
}
