//! Flows around one large command: a sweep, a mass cancel.

use super::market::Market;
use book::{Command, NewOrder, OrderId, Side, Ticks, TimeInForce, User};

/// Orders that one command touches.
pub(super) const TOUCHED: usize = 10_000;
/// Levels that the sweep empties.
const LEVELS: usize = 100;
/// Whose orders are cancelled. No other order of the flow is his.
const LEAVING: User = User(1 << 20);

/// Rounds of 10,000 asks beyond the market and one buyer of all that is offered.
pub(super) fn sweeps(market: &mut Market, commands: usize) {
    let mut lots = 0;
    let offset = market.draw.below(LEVELS as u64) as usize;
    let touch = market.book.best(Side::Buy).map_or(100_000, |price| price.0);
    while market.out.len() < commands {
        if market.out.len() % (TOUCHED + 1) == TOUCHED {
            let (id, user) = (market.id(), market.user());
            let limit = Ticks(touch + 1 + LEVELS as i64);
            let mut taker = NewOrder::limit(id, user, Side::Buy, limit, market.lots());
            taker.qty.0 = lots;
            market.push(Command::New(taker.with_tif(TimeInForce::Ioc)));
            lots = 0;
            continue;
        }
        let at = (market.out.len() * 37 + offset) % LEVELS;
        let (id, user, qty) = (market.id(), market.user(), market.lots());
        lots += qty.0;
        let price = Ticks(touch + 2 + at as i64);
        market.push(Command::New(NewOrder::limit(id, user, Side::Sell, price, qty)));
    }
}

/// Rounds of 10,000 orders of one user, among those of others, and his mass cancel.
pub(super) fn mass_cancels(market: &mut Market, commands: usize) {
    while market.out.len() < commands {
        if market.out.len() % (TOUCHED + 1) == TOUCHED {
            market.push(Command::MassCancel { user: LEAVING, side: None });
            continue;
        }
        let side = Side::BOTH[market.draw.below(2) as usize];
        let away = market.draw.below(400) as i64;
        let touch = market.book.best(side).map_or(100_000, |price| price.0);
        let price = Ticks(if side == Side::Buy { touch - away } else { touch + away });
        let (id, qty): (OrderId, _) = (market.id(), market.lots());
        market.push(Command::New(NewOrder::limit(id, LEAVING, side, price, qty)));
    }
}
