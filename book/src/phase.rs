//! Phases of a book: what enters while it does not trade, and the uncross that ends an auction.

use crate::arena::Slot;
use crate::auction::{self, AtLowest, Indicative};
use crate::book::{Book, refuse};
use crate::command::{NewOrder, Phase, Terms, TimeInForce};
use crate::event::{Cut, Event, Events, Outcome, Reject, Trade, Waiting};
use crate::index::Probe;
use crate::level::{Kind, Level, market_rank};
use crate::order::Order;
use crate::units::{Lots, Rank, Side, Ticks};

impl Book {
    /// Takes a well-formed order that is no stop, while the book does not trade.
    #[cold]
    pub(crate) fn collect(
        &mut self,
        new: &NewOrder,
        terms: &Terms,
        events: &mut impl Events,
    ) -> Outcome {
        let honoured = match new.tif {
            TimeInForce::Gtc => true,
            TimeInForce::Ioc => new.limit.is_none(),
            TimeInForce::Fok | TimeInForce::Post => false,
        };
        let NewOrder { id, side, limit, qty, .. } = *new;
        if self.phase != Phase::Auction || !honoured {
            return refuse(Some(id), Reject::WrongPhase, events);
        }
        if let Probe::Found(..) = self.probe(id) {
            return refuse(Some(id), Reject::DuplicateId, events);
        }
        if self.queues.orders.len() >= self.orders_max {
            return refuse(Some(id), Reject::Full, events);
        }
        events.event(Event::Accepted { id: Some(id) });
        let slot = self.store(new, terms);
        match limit {
            Some(price) => self.rest(slot, side, price, qty, events),
            None => self.wait_for_uncross(slot, side, events),
        }
        Outcome { resting: qty, ..Outcome::default() }
    }

    /// Puts a market order at the end of those that wait for an uncross.
    pub(crate) fn wait_for_uncross(
        &mut self,
        slot: Slot<Order>,
        side: Side,
        events: &mut impl Events,
    ) {
        if self.collected[side as usize].is_none() {
            let level = Level::new(market_rank(side), side, Kind::Market);
            self.collected[side as usize] = self.queues.levels.insert(level);
        }
        self.queues.push_last(self.collected[side as usize], slot);
        let Order { id, user, .. } = self.queues.orders[slot];
        let qty = self.queues.orders[slot].open();
        events.event(Event::Waiting(Waiting { id, user, side, qty, stop: None }));
    }

    /// Goes to another phase without trading.
    pub(crate) fn set_phase(&mut self, phase: Phase, events: &mut impl Events) -> Outcome {
        let collected = self.collected.iter().any(|level| !level.is_none());
        if phase == Phase::Continuous && (collected || self.is_crossed()) {
            return refuse(None, Reject::WrongPhase, events);
        }
        events.event(Event::Accepted { id: None });
        self.go_to(phase, events);
        self.give_back();
        Outcome::default()
    }

    /// Ends an auction.
    pub(crate) fn uncross(&mut self, then: Phase, events: &mut impl Events) -> Outcome {
        if self.phase != Phase::Auction || then == Phase::Auction {
            return refuse(None, Reject::WrongPhase, events);
        }
        events.event(Event::Accepted { id: None });
        let mut filled = Lots::ZERO;
        if let Some(Indicative { price, volume, .. }) = self.indicative() {
            events.event(Event::Uncrossed { price, volume });
            self.trade_all(price, volume, events);
            self.note_price(price);
            filled = volume;
        }
        let mut cancelled = Lots::ZERO;
        for side in Side::BOTH {
            while let Some(slot) = self.first_collected(side) {
                cancelled.0 += self.cancel_as(slot, Cut::Unfilled, events).0;
            }
        }
        assert!(!self.is_crossed(), "an uncross left the book crossed");
        self.go_to(then, events);
        self.give_back();
        Outcome { filled, cancelled, ..Outcome::default() }
    }

    /// What an uncross would do now; `None` when nothing would trade. In any phase, at a cost that
    /// grows with the number of levels.
    ///
    /// The price is one from the lowest to the highest limit of an order, or the last trade where no
    /// order has a limit: the one with the largest volume; then with the smallest surplus; then, if
    /// buyers are left over at all that remain, the highest, if sellers are, the lowest; else the one
    /// nearest the last trade, or without one the middle, rounded down. Hidden lots count.
    pub fn indicative(&self) -> Option<Indicative> {
        let any = |side: Side| match self.collected[side as usize].some() {
            Some(at) => self.queues.levels[at].total,
            None => Lots::ZERO,
        };
        let level = |side: Side| {
            move |rank: Rank| {
                let at = self.ladders[side as usize].level(rank, &self.queues.levels);
                let lots = self.queues.levels[at].total.0 + self.specials.hidden_at(at).0;
                (rank.price(side), Lots(lots))
            }
        };
        // The worst bid is the lowest price, the best ask is.
        let bids = self.ladders[Side::Buy as usize].ranks_rising().map(level(Side::Buy));
        let asks = self.ladders[Side::Sell as usize].ranks().map(level(Side::Sell));
        let ranks = self.ladders[Side::Buy as usize].ranks();
        let buyers: u64 = ranks.map(level(Side::Buy)).map(|(_, lots)| lots.0).sum();
        let buy = Lots(any(Side::Buy).0 + buyers);
        let at_lowest = AtLowest { buy, sell: any(Side::Sell) };
        auction::find(at_lowest, bids, asks, self.last_trade)
    }

    /// Trades so many lots at one price, the first buyer with the first seller.
    fn trade_all(&mut self, price: Ticks, volume: Lots, events: &mut impl Events) {
        let mut left = volume;
        let mut touched = [Slot::NONE; 2];
        while left > Lots::ZERO {
            let [buyer, seller] = Side::BOTH
                .map(|side| self.first_in_line(side).expect("the volume is there on both sides"));
            let [bought, sold] = [buyer, seller].map(|slot| self.queues.orders[slot]);
            let qty = bought.open().min(sold.open()).min(left);
            left.0 -= qty.0;
            let [taker_open, maker_open] = [buyer, seller].map(|slot| {
                Lots(self.queues.orders[slot].open().0 + self.hidden_of(slot).0 - qty.0)
            });
            events.event(Event::Traded(Trade {
                maker: sold.id,
                taker: bought.id,
                price,
                qty,
                maker_open,
                taker_open,
                maker_user: sold.user,
                taker_user: bought.user,
                taker_side: Side::Buy,
            }));
            for (slot, at) in [(buyer, bought.level), (seller, sold.level)] {
                self.use_up(slot, qty, events);
                let level = &self.queues.levels[at];
                let side = level.side() as usize;
                touched[side] = at;
                if level.count == 0 {
                    self.tell_level(at, events);
                    self.drop_level(at);
                    touched[side] = Slot::NONE;
                }
            }
        }
        for at in touched.into_iter().filter_map(Slot::some) {
            self.tell_level(at, events);
        }
    }

    /// The order of a side that trades first in an uncross: market orders before all others.
    fn first_in_line(&self, side: Side) -> Option<Slot<Order>> {
        let best = || self.ladders[side as usize].best_level().some();
        self.first_collected(side)
            .or_else(|| best().and_then(|at| self.queues.levels[at].first.some()))
    }

    /// The market order of a side that has waited longest.
    fn first_collected(&self, side: Side) -> Option<Slot<Order>> {
        self.collected[side as usize].some().and_then(|at| self.queues.levels[at].first.some())
    }

    /// Enters a phase. Where trading begins, stops are held against the last trade: they may have
    /// come while nothing could be triggered.
    fn go_to(&mut self, phase: Phase, events: &mut impl Events) {
        self.phase = phase;
        events.event(Event::PhaseSet { phase });
        if phase == Phase::Continuous {
            if let Some(last) = self.last_trade {
                self.note_price(last);
            }
            self.settle_stops(events);
            self.reach = None;
        }
    }

    /// Whether a bid is at or above an ask.
    pub(crate) fn is_crossed(&self) -> bool {
        let [bids, asks] = &self.ladders;
        bids.best() != Rank::EMPTY
            && asks.best() != Rank::EMPTY
            && bids.best().price(Side::Buy) >= asks.best().price(Side::Sell)
    }
}
