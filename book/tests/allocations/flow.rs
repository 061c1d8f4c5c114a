//! Drawn commands of every kind, on a book that is full most of the time.

use crate::{CALLS, Tally, look};
use book::{
    Book, BookConfig, Command, LiveOrder, Lots, NewOrder, OrderId, Phase, SelfTrade, Side, Terms,
    Ticks, Time, TimeInForce, User,
};

const ORDERS: usize = 100;

/// A sequence of numbers that look drawn (a linear congruential generator, its upper bits).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    /// On the half of the prices where orders of this side rest, most of the time; near or as far as
    /// prices go.
    fn price(&mut self, side: Side) -> Ticks {
        let (middle, side) = (1 << 51, if self.one_in(10) { side.opposite() } else { side });
        let away = self.roll(40) as i64 + 1;
        let away = if self.one_in(5) { away << 45 } else { away };
        Ticks(if side == Side::Buy { middle - away } else { middle + away })
    }

    fn command(&mut self, book: &Book, at: u64) -> Command {
        let id = OrderId(self.roll(ORDERS as u64 * 2));
        let (user, side) = (User(self.roll(8) as u32), Side::BOTH[self.roll(2) as usize]);
        let phases = if book.phase() == Phase::Continuous { 5 } else { 50 };
        if self.roll(1000) < phases {
            return match self.roll(4) {
                0 => Command::SetPhase { phase: Phase::Auction },
                1 => Command::SetPhase { phase: Phase::Halted },
                2 => Command::SetPhase { phase: Phase::Continuous },
                _ => Command::Uncross { then: Phase::Continuous },
            };
        }
        match self.roll(1000) {
            0..950 if book.order(id).is_none() => self.new_order(book, id, user, at),
            0..100 => Command::Cancel { id },
            100..400 => Command::Reduce { id, by: Lots(1 + self.roll(5)) },
            400..950 => {
                let side = match book.order(id) {
                    Some((LiveOrder::Resting(order), _)) => order.side,
                    _ => side,
                };
                let (price, qty) = (self.price(side), Lots(1 + self.roll(30)));
                Command::Replace { id, price, qty, self_trade: self.mode() }
            }
            950..995 => Command::Expire { now: Time(at) },
            995..997 => Command::MassCancel { user, side: None },
            _ => Command::MassCancel { user, side: Some(side) },
        }
    }

    fn new_order(&mut self, book: &Book, id: OrderId, user: User, at: u64) -> Command {
        use TimeInForce::{Fok, Gtc, Ioc, Post};
        let (side, qty) = (Side::BOTH[self.roll(2) as usize], Lots(1 + self.roll(30)));
        let limit = (!self.one_in(20)).then(|| self.price(side));
        let tif = [Gtc, Gtc, Gtc, Ioc, Fok, Post][self.roll(6) as usize];
        let new = NewOrder { id, user, side, limit, qty, tif, self_trade: self.mode() };
        if book.order_count() == ORDERS {
            // Only what does not stay.
            return Command::New(NewOrder { tif: if self.one_in(2) { Ioc } else { Fok }, ..new });
        }
        let terms = Terms {
            display: self.one_in(3).then(|| Lots(1 + self.roll(5))),
            stop: self.one_in(3).then(|| self.price(side.opposite())),
            expires: self.one_in(3).then(|| Time(at + 1 + self.roll(3000))),
        };
        Command::NewWith(new, terms)
    }

    fn mode(&mut self) -> Option<SelfTrade> {
        self.one_in(3).then(|| SelfTrade::ALL[self.roll(5) as usize])
    }
}

#[test]
fn a_mixed_flow_does_not_allocate() {
    let self_trade = SelfTrade::Decrement;
    let mut book = Book::new(BookConfig { self_trade, orders: ORDERS, levels: ORDERS, seed: 1 });
    let (mut dice, mut tally, mut full) = (Dice(1), Tally::default(), 0);
    for at in 0..300_000 {
        let command = dice.command(&book, at);
        let before = CALLS.get();
        // A market order that would wait for the uncross finds no room; all others that come do.
        if book.order_count() < ORDERS || !would_wait(&book, &command) {
            book.apply(&command, &mut tally);
        }
        look(&book, &command, at as usize);
        let calls = CALLS.get() - before;
        assert_eq!(calls, 0, "the allocator was called by command {at}, {command:?}");
        full += u64::from(book.order_count() == ORDERS);
    }
    assert_eq!((book.check(), book.growths()), (Ok(()), 0));
    let Tally { trades, cancels, rests, refreshes, waits, triggers, phases, uncrosses, .. } = tally;
    let reached = [trades, cancels, rests, refreshes, waits, triggers, phases, uncrosses, full];
    assert!(reached.iter().all(|count| *count > 200), "full {full}, {tally:?}");
}

fn would_wait(book: &Book, command: &Command) -> bool {
    let market = matches!(command, Command::New(new) if new.limit.is_none());
    market && book.phase() == Phase::Auction
}
