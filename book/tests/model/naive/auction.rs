//! Phases, and the uncross of an auction with its price found by trying prices.

use super::{Naive, Order};
use book::{Cut, Event, Indicative, Lots, Outcome, Phase, Reject, Side, Ticks, Trade};

/// Up to this distance between the lowest and the highest price of a book, every tick is tried.
const EVERY_TICK_MAX: i64 = 20;

impl Naive {
    pub(super) fn set_phase(
        &mut self,
        phase: Phase,
        events: &mut Vec<Event>,
    ) -> Result<Outcome, Reject> {
        if phase == Phase::Continuous && (self.is_crossed() || self.markets != [[], []]) {
            return Err(Reject::WrongPhase);
        }
        events.push(Event::Accepted { id: None });
        self.go_to(phase, events);
        Ok(Outcome::default())
    }

    pub(super) fn uncross(
        &mut self,
        then: Phase,
        events: &mut Vec<Event>,
    ) -> Result<Outcome, Reject> {
        if self.phase != Phase::Auction || then == Phase::Auction {
            return Err(Reject::WrongPhase);
        }
        events.push(Event::Accepted { id: None });
        let mut filled = Lots::ZERO;
        if let Some(Indicative { price, volume, .. }) = self.uncross_price() {
            events.push(Event::Uncrossed { price, volume });
            self.trade_at(price, volume.0, events);
            filled = volume;
        }
        let left: Vec<Order> = self.markets.iter().flatten().copied().collect();
        for order in &left {
            self.cut(order, order.open, Cut::Unfilled, events);
        }
        assert!(!self.is_crossed(), "an uncross leaves nothing that could trade");
        self.go_to(then, events);
        let cancelled = Lots(left.iter().map(|order| order.open).sum());
        Ok(Outcome { filled, cancelled, ..Outcome::default() })
    }

    fn is_crossed(&self) -> bool {
        match [Side::Buy, Side::Sell].map(|side| self.resting[side as usize].first()) {
            [Some(bid), Some(ask)] => bid.price() >= ask.price(),
            _ => false,
        }
    }

    /// Changes the phase. Where trading starts, the last trade counts for the stops.
    fn go_to(&mut self, phase: Phase, events: &mut Vec<Event>) {
        self.phase = phase;
        events.push(Event::PhaseSet { phase });
        if let (Phase::Continuous, Some(price)) = (phase, self.last_trade) {
            self.note_trade(price);
        }
    }

    /// Trades the first buyer with the first seller until the volume is done.
    fn trade_at(&mut self, price: Ticks, mut volume: u64, events: &mut Vec<Event>) {
        while volume > 0 {
            let [buyer, seller] = Side::BOTH.map(|side| {
                let [markets, resting] =
                    [&self.markets, &self.resting].map(|of| &of[side as usize]);
                *markets.first().or(resting.first()).expect("the volume counts live orders")
            });
            let qty = volume.min(buyer.slice).min(seller.slice);
            events.push(Event::Traded(Trade {
                maker: seller.id,
                taker: buyer.id,
                price,
                qty: Lots(qty),
                maker_open: Lots(seller.open - qty),
                taker_open: Lots(buyer.open - qty),
                maker_user: seller.user,
                taker_user: buyer.user,
                taker_side: Side::Buy,
            }));
            self.note_trade(price);
            self.use_up(&buyer, qty, events);
            self.use_up(&seller, qty, events);
            volume -= qty;
        }
    }

    /// The price of an uncross, by the words of the rule.
    pub(super) fn uncross_price(&self) -> Option<Indicative> {
        let mut tried: Vec<Indicative> =
            self.ticks_to_try().into_iter().map(|price| self.at_price(price)).collect();
        // The largest volume,
        let volume = tried.iter().map(|at| at.volume).max().filter(|most| *most > Lots::ZERO)?;
        tried.retain(|at| at.volume == volume);
        // then the smallest surplus,
        let surplus = tried.iter().map(|at| at.surplus.abs()).min()?;
        tried.retain(|at| at.surplus.abs() == surplus);
        // then up if buyers are left everywhere, down if sellers are,
        let (lowest, highest) = (*tried.first()?, *tried.last()?);
        if tried.iter().all(|at| at.surplus > 0) {
            return Some(highest);
        }
        if tried.iter().all(|at| at.surplus < 0) {
            return Some(lowest);
        }
        // then what is nearest to the last trade, or else the middle.
        let (low, high) = (lowest.price, highest.price);
        let price = match self.last_trade {
            Some(last) => last.clamp(low, high),
            None => Ticks((low.0 + high.0).div_euclid(2)),
        };
        let chosen = self.at_price(price);
        assert_eq!((chosen.volume, chosen.surplus.abs()), (volume, surplus), "a gap in the prices");
        Some(chosen)
    }

    /// Rising prices that stand for all that an uncross may have: those from the lowest limit of an
    /// order to the highest, or the last trade alone when no order has a limit. Between two
    /// neighbouring order prices nothing changes: so every order price and its neighbours; and all
    /// between when they are few.
    fn ticks_to_try(&self) -> Vec<Ticks> {
        let prices: Vec<i64> = self.resting.iter().flatten().map(|order| order.price().0).collect();
        let (Some(low), Some(high)) = (prices.iter().copied().min(), prices.iter().copied().max())
        else {
            return self.last_trade.into_iter().collect();
        };
        let mut ticks: Vec<i64> = match high - low <= EVERY_TICK_MAX {
            true => (low..=high).collect(),
            false => prices.iter().flat_map(|price| [price - 1, *price, price + 1]).collect(),
        };
        ticks.sort_unstable();
        ticks.dedup();
        ticks.into_iter().filter(|price| (low..=high).contains(price)).map(Ticks).collect()
    }

    /// What would trade and what would be left over at a price.
    fn at_price(&self, price: Ticks) -> Indicative {
        let lots = |side: Side| {
            let mut lots = 0;
            for order in self.markets[side as usize].iter().chain(&self.resting[side as usize]) {
                if super::meets(side, order.limit, price) {
                    lots += u128::from(order.open);
                }
            }
            lots
        };
        let (demand, supply) = (lots(Side::Buy), lots(Side::Sell));
        let volume = u64::try_from(demand.min(supply)).expect("a book's lots fit into 64 bits");
        Indicative { price, volume: Lots(volume), surplus: demand as i128 - supply as i128 }
    }
}
