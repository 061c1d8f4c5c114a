//! A book kept in plain maps, which foretells every event of a command that was accepted.
//!
//! Whether a command is accepted is the book's word; the ledger knows what follows from it: who
//! trades with whom, what is cut, which stop enters when. It is written for reading and not for
//! speed: a search where the book has an index, a sum where the book keeps one.

mod auction;
mod change;
mod enter;
mod stops;

use book::{
    Book, Cancelled, Command, Cut, Event, Indicative, LiveOrder, Lots, OrderId, Outcome, Phase,
    Reject, Rested, SelfTrade, Side, Terms, Ticks, Time, TimeInForce, User, Waiting,
};
use std::collections::VecDeque;

/// A live order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Order {
    id: OrderId,
    user: User,
    side: Side,
    /// `None` of a market order.
    limit: Option<Ticks>,
    /// All of it.
    open: u64,
    /// Of these, lots that show; none of an order that waits.
    shown: u64,
    terms: Terms,
    tif: TimeInForce,
    self_trade: Option<SelfTrade>,
}

/// What should be in the book, in the order in which it came there.
pub struct Ledger {
    self_trade: SelfTrade,
    phase: Phase,
    last_trade: Option<Ticks>,
    /// Lowest and highest price traded since stops were last elected.
    reach: Option<(Ticks, Ticks)>,
    now: Time,
    resting: Vec<Order>,
    /// Stops.
    stops: Vec<Order>,
    /// Market orders that wait for an uncross.
    markets: Vec<Order>,
    /// Stops that are to enter before the command ends.
    elected: VecDeque<Order>,
}

/// The events of a command, each to be foretold.
struct Story<'a> {
    events: std::slice::Iter<'a, Event>,
}

impl Story<'_> {
    #[track_caller]
    fn expect(&mut self, foretold: Event) {
        assert_eq!(
            self.events.next(),
            Some(&foretold),
            "not the event (left) that follows (right)"
        );
    }
}

impl Ledger {
    /// An empty book's.
    pub fn new(self_trade: SelfTrade) -> Ledger {
        Ledger {
            self_trade,
            phase: Phase::Continuous,
            last_trade: None,
            reach: None,
            now: Time(0),
            resting: Vec::new(),
            stops: Vec::new(),
            markets: Vec::new(),
            elected: VecDeque::new(),
        }
    }

    /// Follows a command to its outcome and events. `before` is what the book said an uncross would
    /// do.
    pub fn follow(
        &mut self,
        command: &Result<Command, Reject>,
        outcome: &Outcome,
        events: &[Event],
        before: Option<Indicative>,
    ) {
        let mut story = Story { events: events.iter() };
        let id = named(command);
        let foretold = match (outcome.reject, command) {
            (Some(reject), _) => {
                story.expect(Event::Rejected { id, reject });
                Outcome { reject: Some(reject), ..Outcome::default() }
            }
            (None, Err(reject)) => panic!("accepted what is no command: {reject}"),
            (None, Ok(command)) => {
                story.expect(Event::Accepted { id });
                self.accepted(command, before, &mut story)
            }
        };
        assert_eq!(*outcome, foretold, "not the outcome (left) that follows (right)");
        assert_eq!(story.events.next(), None, "nothing more follows");
        assert!(self.elected.is_empty(), "every elected stop has entered");
    }

    fn accepted(
        &mut self,
        command: &Command,
        before: Option<Indicative>,
        story: &mut Story<'_>,
    ) -> Outcome {
        let outcome = match *command {
            Command::New(new) => self.enter(&new, Terms::default(), story),
            Command::NewWith(new, terms) => self.enter(&new, terms, story),
            Command::Cancel { id } => self.reduce(id, u64::MAX, story),
            Command::Reduce { id, by } => self.reduce(id, by.0, story),
            Command::Replace { id, price, qty, self_trade } => {
                self.replace(id, price, qty, self_trade, story)
            }
            Command::MassCancel { user, side } => self.mass_cancel(user, side, story),
            Command::Expire { now } => self.expire(now, story),
            Command::SetPhase { phase } => {
                self.go_to(phase, story);
                Outcome::default()
            }
            Command::Uncross { then } => self.uncross(then, before, story),
        };
        self.settle_stops(story);
        outcome
    }

    /// Compares with a book.
    pub fn compare(&self, book: &Book) {
        let modes = (book.phase(), book.last_trade(), book.now());
        assert_eq!(modes, (self.phase, self.last_trade, self.now), "phase, last trade and moment");
        assert_eq!(book.order_count(), self.live().count(), "number of live orders");
        for side in Side::BOTH {
            let mut resting: Vec<_> = of_side(&self.resting, side).collect();
            resting.sort_by_key(|order| order.rank());
            let foretold = resting.iter().map(|order| order.rested());
            let shown = book.orders(side).map(|order| Rested {
                id: order.id,
                user: order.user,
                side: order.side,
                price: order.price,
                qty: order.qty,
                hidden: order.hidden,
            });
            assert!(shown.eq(foretold), "the {side:?} orders are not {resting:#?}");
            let mut stops: Vec<_> = of_side(&self.stops, side).collect();
            stops.sort_by_key(|order| order.trigger_rank());
            let waiting = stops.into_iter().chain(of_side(&self.markets, side));
            let foretold: Vec<_> = waiting.map(Order::waiting).collect();
            assert!(book.waiting(side).eq(foretold.iter().copied()), "{foretold:#?} does not wait");
        }
        for order in self.live() {
            let (live, terms) = book.order(order.id).expect("a live order is found by its id");
            let waits = matches!(live, LiveOrder::Waiting(_));
            assert_eq!((waits, terms), (order.waits(), order.terms), "order {:?}", order.id);
        }
    }

    fn live(&self) -> impl Iterator<Item = &Order> {
        self.resting.iter().chain(&self.stops).chain(&self.markets)
    }

    fn find(&self, id: OrderId) -> Order {
        *self.live().find(|order| order.id == id).expect("the command was accepted, so it is live")
    }

    /// Puts an order behind all others of its kind.
    fn put(&mut self, order: Order) {
        self.list(&order).push(order);
    }

    fn take_out(&mut self, order: &Order) {
        self.list(order).retain(|other| other.id != order.id);
    }

    fn list(&mut self, order: &Order) -> &mut Vec<Order> {
        match order {
            Order { terms: Terms { stop: Some(_), .. }, .. } => &mut self.stops,
            Order { limit: None, .. } => &mut self.markets,
            _ => &mut self.resting,
        }
    }
}

impl Order {
    fn waits(&self) -> bool {
        self.limit.is_none() || self.terms.stop.is_some()
    }

    /// What its next slice shows.
    fn slice(&self) -> u64 {
        self.terms.display.map_or(self.open, |display| display.0.min(self.open))
    }

    fn price(&self) -> Ticks {
        self.limit.expect("only orders with a limit rest")
    }

    /// Lower is better.
    fn rank(&self) -> i64 {
        match self.side {
            Side::Buy => -self.price().0,
            Side::Sell => self.price().0,
        }
    }

    /// Lower is triggered earlier.
    fn trigger_rank(&self) -> i64 {
        let Ticks(stop) = self.terms.stop.expect("only stops have a trigger");
        match self.side {
            Side::Buy => stop,
            Side::Sell => -stop,
        }
    }

    /// Whether a trade at `price` triggers it.
    fn is_reached(&self, price: Ticks) -> bool {
        self.terms.stop.is_some_and(|stop| match self.side {
            Side::Buy => price >= stop,
            Side::Sell => price <= stop,
        })
    }

    fn rested(&self) -> Rested {
        let Order { id, user, side, open, shown, .. } = *self;
        let (qty, hidden) = (Lots(shown), Lots(open - shown));
        Rested { id, user, side, price: self.price(), qty, hidden }
    }

    fn waiting(&self) -> Waiting {
        let Order { id, user, side, open, terms, .. } = *self;
        Waiting { id, user, side, qty: Lots(open), stop: terms.stop }
    }

    /// The event that `qty` lots have left, and this is what stays. `price` if it rested.
    fn cut(&self, qty: u64, price: Option<Ticks>, cut: Cut) -> Event {
        let Order { id, user, side, open, shown, .. } = *self;
        let [qty, open, shown] = [qty, open, shown].map(Lots);
        Event::Cancelled(Cancelled { id, user, side, price, qty, open, shown, cut })
    }
}

fn of_side(orders: &[Order], side: Side) -> impl Iterator<Item = &Order> {
    orders.iter().filter(move |order| order.side == side)
}

/// The order that a command names.
fn named(command: &Result<Command, Reject>) -> Option<OrderId> {
    match command.as_ref().ok()? {
        Command::New(new) | Command::NewWith(new, _) => Some(new.id),
        Command::Cancel { id } | Command::Reduce { id, .. } | Command::Replace { id, .. } => {
            Some(*id)
        }
        Command::MassCancel { .. }
        | Command::Expire { .. }
        | Command::SetPhase { .. }
        | Command::Uncross { .. } => None,
    }
}
