//! Another way to the same state: commands that make it on an empty book.

use super::Naive;
use book::{Command, Lots, NewOrder, OrderId, Phase, Side, Terms, TimeInForce, User};

impl Naive {
    /// Commands that bring an empty book into this state, by another way than it took. `None` for a
    /// state that takes a history: an iceberg with a part of its slice gone, or trades that stops
    /// have yet to answer to.
    pub(crate) fn rebuild(&self) -> Option<Vec<Command>> {
        let sliced = self.resting.iter().flatten().any(|order| order.slice != order.next_slice());
        if sliced || self.traded.is_some() {
            return None;
        }
        let mut commands = Vec::new();
        if let Some(price) = self.last_trade {
            let orders = Side::BOTH
                .map(|side| NewOrder::limit(OrderId(side as u64), User(0), side, price, Lots(1)));
            commands.extend(orders.map(Command::New));
        }
        commands.push(Command::SetPhase { phase: Phase::Auction });
        // In an auction, nothing that enters trades or is triggered.
        let entered = self.live().map(|order| {
            let new = NewOrder {
                id: order.id,
                user: order.user,
                side: order.side,
                limit: order.limit,
                qty: Lots(order.open),
                tif: order.stop.map_or(TimeInForce::Gtc, |stop| stop.tif),
                self_trade: order.stop.and_then(|stop| stop.self_trade),
            };
            let stop = order.stop.map(|stop| stop.trigger);
            Command::NewWith(new, Terms { display: order.display, stop, expires: order.expires })
        });
        commands.extend(entered);
        commands.push(Command::Expire { now: self.now });
        commands.push(Command::SetPhase { phase: self.phase });
        Some(commands)
    }
}
