//! Which stops enter after a command, and when.

use super::{Ledger, Order, Story, of_side};
use book::{Cut, Event, Lots, Outcome, Phase, Side, TimeInForce};

impl Ledger {
    /// Lets all stops enter that the command triggered, and those that they trigger.
    pub(super) fn settle_stops(&mut self, story: &mut Story<'_>) {
        if self.phase != Phase::Continuous {
            return;
        }
        self.elect();
        while let Some(order) = self.elected.pop_front() {
            self.activate(order, story);
            self.elect();
        }
    }

    /// Moves the stops that were reached to those that are to enter.
    fn elect(&mut self) {
        let Some((low, high)) = self.reach.take() else { return };
        for (side, price) in [(Side::Buy, high), (Side::Sell, low)] {
            let reached = of_side(&self.stops, side).filter(|order| order.is_reached(price));
            let mut reached: Vec<Order> = reached.copied().collect();
            reached.sort_by_key(Order::trigger_rank);
            reached.iter().for_each(|order| self.take_out(order));
            self.elected.extend(reached);
        }
    }

    /// A triggered stop enters.
    pub(super) fn activate(&mut self, order: Order, story: &mut Story<'_>) -> Outcome {
        story.expect(Event::Triggered { id: order.id });
        let order = Ledger::without_stop(order);
        let met = self.within(&order);
        let refused = match order.tif {
            TimeInForce::Post if met > 0 => Some(Cut::WouldCross),
            TimeInForce::Fok if met < order.open => Some(Cut::Unfilled),
            _ => None,
        };
        if let Some(cut) = refused {
            story.expect(Order { open: 0, ..order }.cut(order.open, None, cut));
            return Outcome { cancelled: Lots(order.open), ..Outcome::default() };
        }
        self.take(order, story)
    }
}
