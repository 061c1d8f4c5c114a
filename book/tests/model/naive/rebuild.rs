//! A short way to a state, commands that make it on an empty book; and to states nearly the same.

use super::Naive;
use crate::draw::Dice;
use book::{
    Command, Lots, NewOrder, OrderId, Phase, SelfTrade, Side, Terms, Ticks, Time, TimeInForce, User,
};

impl Naive {
    /// Commands that bring an empty book into this state, `None` for a
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

/// Changes one thing in one of the commands that make a state, or the order of two.
pub(crate) fn vary(commands: &mut [Command], dice: &mut Dice) {
    let at = dice.roll(commands.len() as u64) as usize;
    let (new, terms) = match &mut commands[at] {
        Command::NewWith(new, terms) => (new, terms),
        Command::Expire { now } => return now.0 ^= 1,
        Command::SetPhase { phase } => return *phase = dice.pick(&Phase::ALL),
        _ => return commands.swap(at, 0),
    };
    let one_more = |price: Ticks| Ticks(price.0 + 1);
    match dice.roll(11) {
        0 => new.id.0 ^= 1,
        1 => new.user.0 ^= 1,
        2 => new.side = new.side.opposite(),
        3 => new.limit = new.limit.map(one_more),
        4 => new.qty.0 += 1,
        5 => new.tif = dice.pick(&[TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Post]),
        6 => new.self_trade = Some(dice.pick(&SelfTrade::ALL)),
        7 => terms.display = Some(Lots(1 + dice.roll(new.qty.0.max(1)))),
        8 => terms.stop = terms.stop.map(one_more),
        9 => terms.expires = Some(Time(terms.expires.map_or(1 << 40, |expires| expires.0 ^ 1))),
        _ => commands.swap(at, at - 1),
    }
}
