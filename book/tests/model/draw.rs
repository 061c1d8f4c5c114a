//! Draws cases and commands from a seed.
//!
//! The book is looked at for ids that are live or free and for the phase, so that few commands are
//! refused.

use crate::naive::Naive;
use book::{
    Command, LOTS_MAX, Lots, NewOrder, OrderId, Phase, SelfTrade, Side, TICKS_MAX, Terms, Ticks,
    Time, TimeInForce, User,
};

/// Where the orders of a case are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Market {
    /// Ids are `0..ids`, so they are used again and again.
    ids: u64,
    /// Prices are `base + stride * 0..width`.
    base: i64,
    width: i64,
    stride: i64,
    /// One order in so many is priced without regard to its side, so that it may take.
    eager: u64,
}

/// Few prices and ids, so that everything collides.
pub(crate) const TIGHT: Market = Market { ids: 40, base: 96, width: 9, stride: 1, eager: 3 };
/// Many levels near each other.
pub(crate) const BROAD: Market = Market { ids: 400, base: 1, width: 300, stride: 1, eager: 8 };
/// Many levels as far from each other as prices go.
pub(crate) const FAR: Market =
    Market { ids: 400, base: 1, width: 500, stride: (1 << 52) / 500, eager: 8 };

/// How often a case has what few commands have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    /// New orders with terms, in a thousand.
    terms: u64,
    /// Commands that change the phase, in a thousand; more while little else is taken.
    phases: u64,
    /// Numbers at or beyond an end of their range, in a thousand.
    extremes: u64,
}

/// Orders as most flow is.
pub(crate) const PLAIN: Mix = Mix { terms: 0, phases: 0, extremes: 4 };
/// Icebergs, stops and expiries only.
pub(crate) const TERMS: Mix = Mix { terms: 1000, phases: 0, extremes: 4 };
/// Some of everything.
pub(crate) const MIXED: Mix = Mix { terms: 300, phases: 4, extremes: 4 };
/// One auction after the other.
pub(crate) const AUCTIONS: Mix = Mix { terms: 300, phases: 25, extremes: 2 };
/// Numbers that a sender has no business to send.
pub(crate) const WILD: Mix = Mix { terms: 400, phases: 10, extremes: 100 };

/// A sequence of numbers that look drawn (SplitMix64: a counter and a good mixer).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// 0 to `sides - 1`; even enough for sides by the thousand.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.next() % sides
    }

    /// True so many times in a thousand.
    fn chance(&mut self, thousandths: u64) -> bool {
        self.roll(1000) < thousandths
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len() as u64) as usize]
    }
}

/// Draws the commands of one case.
pub(crate) struct Draw {
    dice: Dice,
    market: Market,
    mix: Mix,
    /// Number of the command, which is the time of day too.
    at: u64,
}

impl Draw {
    pub(crate) fn new(market: Market, mix: Mix, dice: Dice) -> Draw {
        Draw { dice, market, mix, at: 0 }
    }

    /// The next command, for a book in this state.
    pub(crate) fn command(&mut self, book: &Naive) -> Command {
        self.at += 1;
        let phases = match book.phase() {
            Phase::Continuous => self.mix.phases,
            Phase::Auction => 25,
            Phase::Halted => 200,
        };
        if self.dice.chance(phases) {
            return self.change_of_phase();
        }
        if self.mix.terms > 0 && self.dice.chance(15) {
            return Command::Expire { now: self.time(3) };
        }
        match self.dice.roll(291) {
            0..200 => self.new_order(book),
            200..240 => Command::Cancel { id: self.live_id(book) },
            240..260 => Command::Reduce { id: self.live_id(book), by: self.qty(9) },
            260..290 => self.replace(book),
            _ => {
                let side = self.dice.pick(&[None, Some(Side::Buy), Some(Side::Sell)]);
                Command::MassCancel { user: self.user(), side }
            }
        }
    }

    fn replace(&mut self, book: &Naive) -> Command {
        let id = self.live_id(book);
        let display = book.order(id).and_then(|(_, terms)| terms.display);
        let qty = self.qty_shown_as(display);
        Command::Replace { id, price: self.price(), qty, self_trade: self.mode() }
    }

    fn change_of_phase(&mut self) -> Command {
        use Phase::{Auction, Continuous, Halted};
        match self.dice.roll(12) {
            0..5 => Command::SetPhase { phase: Auction },
            5 => Command::SetPhase { phase: Halted },
            6 => Command::SetPhase { phase: Continuous },
            7 => Command::Uncross { then: Halted },
            8 => Command::Uncross { then: Auction },
            _ => Command::Uncross { then: Continuous },
        }
    }

    fn new_order(&mut self, book: &Naive) -> Command {
        use TimeInForce::{Fok, Gtc, Ioc, Post};
        let (id, user, side) = (self.free_id(book), self.user(), self.dice.pick(&Side::BOTH));
        let with_terms = self.dice.chance(self.mix.terms);
        let stops = with_terms && self.dice.chance(500);
        // A stop that rests when it enters triggers no other: most are priced to trade.
        let eager = stops || self.dice.roll(self.market.eager) == 1;
        let limit = match self.dice.chance(if stops { 300 } else { 40 }) {
            true => None,
            false if eager => Some(self.price()),
            false => Some(self.price_on(side)),
        };
        let tif = self.dice.pick(&[Gtc, Gtc, Gtc, Gtc, Gtc, Gtc, Ioc, Fok, Post]);
        let self_trade = self.mode();
        // Most on the side that the market has not reached, so that they wait.
        let stop = stops.then(|| match self.dice.chance(200) {
            true => self.price(),
            false => self.price_on(side.opposite()),
        });
        let terms = match with_terms {
            true => self.terms(stop, limit.is_some()),
            false => Terms::default(),
        };
        let qty = self.qty_shown_as(terms.display);
        // What an iceberg or a stop never is: most are drawn as what they can be.
        let tif = if terms.display.is_some() && self.dice.roll(10) > 0 { Gtc } else { tif };
        let new = NewOrder { id, user, side, limit, qty, tif, self_trade };
        if with_terms { Command::NewWith(new, terms) } else { Command::New(new) }
    }

    fn terms(&mut self, stop: Option<Ticks>, limited: bool) -> Terms {
        let iceberg = self.dice.chance(if limited { 500 } else { 30 });
        let expires = self.dice.chance(if limited || stop.is_some() { 400 } else { 30 });
        let most_shown = self.dice.pick(&[3, 6, 40]);
        Terms {
            display: iceberg.then(|| self.qty(most_shown)),
            stop,
            expires: expires.then(|| match self.dice.chance(self.mix.extremes) {
                true => Time(u64::MAX),
                false => self.time(60),
            }),
        }
    }

    /// The id of a live order, most of the time.
    fn live_id(&mut self, book: &Naive) -> OrderId {
        let live = book.order_count();
        if live == 0 || self.dice.chance(100) {
            return self.id();
        }
        let nth = self.dice.roll(live as u64) as usize;
        book.orders().nth(nth).expect("one of so many").0
    }

    /// An id that no live order has, most of the time.
    fn free_id(&mut self, book: &Naive) -> OrderId {
        let (first, second) = (self.id(), self.id());
        if book.order(first).is_none() || self.dice.chance(100) { first } else { second }
    }

    fn id(&mut self) -> OrderId {
        match self.dice.chance(30) {
            true => OrderId(u64::MAX),
            false => OrderId(self.dice.roll(self.market.ids)),
        }
    }

    /// Four users, one of them nobody.
    fn user(&mut self) -> User {
        User(self.dice.roll(4) as u32)
    }

    fn mode(&mut self) -> Option<SelfTrade> {
        self.dice.chance(200).then(|| self.dice.pick(&SelfTrade::ALL))
    }

    fn price(&mut self) -> Ticks {
        if self.dice.chance(self.mix.extremes) {
            let ends = [1, TICKS_MAX.0, 0, TICKS_MAX.0 + 1, -5, i64::MIN, i64::MAX];
            return Ticks(self.dice.pick(&ends));
        }
        let Market { base, width, stride, .. } = self.market;
        Ticks(base + stride * self.dice.roll(width as u64) as i64)
    }

    /// A price on the half of the market where orders of this side rest: bids low, asks high.
    fn price_on(&mut self, side: Side) -> Ticks {
        let price = self.price();
        let Market { base, width, stride, .. } = self.market;
        let (last, middle) = (base + (width - 1) * stride, base + width / 2 * stride);
        let strays = match side {
            Side::Buy => price.0 > middle,
            Side::Sell => price.0 < middle,
        };
        let mirrored = strays && (base..=last).contains(&price.0);
        if mirrored { Ticks(base + last - price.0) } else { price }
    }

    fn qty(&mut self, most: u64) -> Lots {
        if self.dice.chance(self.mix.extremes) {
            return Lots(self.dice.pick(&[
                LOTS_MAX.0,
                LOTS_MAX.0 >> 12,
                LOTS_MAX.0 + 1,
                0,
                u64::MAX,
            ]));
        }
        Lots(1 + self.dice.roll(most))
    }

    /// Lots of an order; of an iceberg more, and sometimes as many as can be shown in slices of
    /// this size, or one more than that.
    fn qty_shown_as(&mut self, display: Option<Lots>) -> Lots {
        match display {
            Some(display) if self.dice.chance(20) => {
                let most = display.0.saturating_mul(4096);
                Lots(most.saturating_add(self.dice.roll(2)))
            }
            Some(_) => self.qty(30),
            None => self.qty(9),
        }
    }

    /// A moment up to `ahead` from now; sometimes one long past.
    fn time(&mut self, ahead: u64) -> Time {
        match self.dice.chance(60) {
            true => Time(self.dice.roll(self.at + 1)),
            false => Time(self.at + self.dice.roll(ahead)),
        }
    }
}
