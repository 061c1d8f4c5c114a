//! Phases, and the uncross.

use super::enter::trade;
use super::{Ledger, Order, Story, of_side};
use book::{Cut, Event, Indicative, Lots, Outcome, Phase, Side, Ticks};

impl Ledger {
    pub(super) fn go_to(&mut self, phase: Phase, story: &mut Story<'_>) {
        self.phase = phase;
        story.expect(Event::PhaseSet { phase });
        if let (Phase::Continuous, Some(last)) = (phase, self.last_trade) {
            assert!(self.markets.is_empty(), "no market order waits while the book trades");
            self.note_price(last);
        }
    }

    /// Trades at the price that the book said before; that no other is better is looked at here.
    pub(super) fn uncross(
        &mut self,
        then: Phase,
        before: Option<Indicative>,
        story: &mut Story<'_>,
    ) -> Outcome {
        assert_eq!(self.phase, Phase::Auction, "only an auction is uncrossed");
        self.judge(before);
        let mut filled = Lots::ZERO;
        if let Some(Indicative { price, volume, .. }) = before {
            story.expect(Event::Uncrossed { price, volume });
            filled = volume;
            self.trade_all(price, volume.0, story);
        }
        let mut left: Vec<_> = of_side(&self.markets, Side::Buy).copied().collect();
        left.extend(of_side(&self.markets, Side::Sell));
        let cancelled = self.cancel_all(&left, Cut::Unfilled, story).cancelled;
        self.go_to(then, story);
        Outcome { filled, cancelled, ..Outcome::default() }
    }

    fn trade_all(&mut self, price: Ticks, volume: u64, story: &mut Story<'_>) {
        let mut left = volume;
        while left > 0 {
            let [buyer, seller] =
                Side::BOTH.map(|side| self.first_in_line(side).expect("the volume is there"));
            let qty = offered(&buyer).min(offered(&seller)).min(left);
            left -= qty;
            let [bought, sold] = [buyer, seller].map(|order| Order {
                open: order.open - qty,
                shown: order.shown.saturating_sub(qty),
                ..order
            });
            story.expect(trade(&sold, &bought, price, qty, Side::Buy));
            self.next_slice(&buyer, bought, story);
            self.next_slice(&seller, sold, story);
        }
        self.note_price(price);
    }

    fn first_in_line(&self, side: Side) -> Option<Order> {
        let best = of_side(&self.resting, side).min_by_key(|order| order.rank());
        of_side(&self.markets, side).next().or(best).copied()
    }

    /// Holds what the book says against every price at which something changes, from the lowest to
    /// the highest limit: no other may trade more, or as much with less left over.
    fn judge(&self, said: Option<Indicative>) {
        let limits = self.resting.iter().map(|order| order.price());
        let (lowest, highest) = match (limits.clone().min(), limits.clone().max(), self.last_trade)
        {
            (Some(lowest), Some(highest), _) => (lowest, highest),
            (_, _, Some(last)) => (last, last),
            _ => return assert_eq!(said, None, "without any price there is none"),
        };
        let (price, volume, surplus) = match said {
            Some(Indicative { price, volume, surplus }) => (price, u128::from(volume.0), surplus),
            None => (lowest, 0, 0),
        };
        assert!((lowest..=highest).contains(&price), "{price} is beyond every limit");
        let [buy, sell] = self.wanted(price);
        assert_eq!(volume, buy.min(sell), "the volume of an uncross");
        assert!(said.is_none() || surplus == buy as i128 - sell as i128, "its surplus");
        let around = limits.flat_map(|price| [price.0 - 1, price.0, price.0 + 1].map(Ticks));
        for at in around.filter(|at| (lowest..=highest).contains(at)) {
            let [buy, sell] = self.wanted(at);
            let (traded, left) = (buy.min(sell), buy.abs_diff(sell));
            let better =
                traded > volume || traded > 0 && traded == volume && left < surplus.unsigned_abs();
            assert!(!better, "{at} is better than {price}");
        }
    }

    /// Lots that would be bought and sold at a price.
    fn wanted(&self, price: Ticks) -> [u128; 2] {
        Side::BOTH.map(|side| {
            let would = |order: &&Order| match side {
                Side::Buy => order.price() >= price,
                Side::Sell => order.price() <= price,
            };
            let resting = of_side(&self.resting, side).filter(would);
            let all = resting.chain(of_side(&self.markets, side));
            all.map(|order| u128::from(order.open)).sum()
        })
    }
}

/// What an order trades next: its slice, or all of it at market.
fn offered(order: &Order) -> u64 {
    if order.limit.is_none() { order.open } else { order.shown }
}
