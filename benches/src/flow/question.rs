//! Flows of one kind of command, for the benches that ask about that alone.

use super::market::Market;
use super::shape::Shape;
use super::{Flow, Ids, Profile};
use book::{Command, Lots, NewOrder, Side, Ticks, TimeInForce, User};

/// Where the levels are that a flow lays out itself.
const TOUCH: i64 = 100_000;
/// Owner of the orders that a mass cancel is for.
const LEAVING: User = User(1 << 20);

impl Flow {
    /// Adds that join or go behind the touch, at the prices of a profile, to its prefilled book.
    pub fn adds(profile: Profile, commands: usize, seed: u64) -> Flow {
        let mut market = Market::new(profile.shape(), Ids::Spread, seed);
        let prefill = market.prefill();
        for _ in 0..commands {
            let side = Side::BOTH[market.draw.below(2) as usize];
            let touch = market.book.best(side).map_or(TOUCH, |price| price.0);
            let away = market.away();
            market.place(side, if side == Side::Buy { touch - away } else { touch + away });
        }
        market.into_flow("adds", seed, prefill)
    }

    /// Cancels of resting orders, recent and old as in a profile, until its book is left.
    pub fn cancels(profile: Profile, commands: usize, seed: u64) -> Flow {
        let mut market = larger(profile, commands, seed);
        let prefill = market.prefill();
        while market.out.len() < commands {
            market.cancel(None);
        }
        market.into_flow("cancels", seed, prefill)
    }

    /// Takers, each for the whole of the best order, or for one lot of it, until a profile's book
    /// is left.
    pub fn takes(profile: Profile, commands: usize, whole: bool, seed: u64) -> Flow {
        let mut market = larger(profile, commands, seed);
        let prefill = market.prefill();
        for n in 0..commands {
            let side = Side::BOTH[n % 2];
            let best = market.book.orders(side.opposite()).next().expect("the book is larger");
            let qty = if whole { best.qty } else { Lots(1) };
            let taker = NewOrder::limit(market.id(), market.user(), side, best.price, qty);
            market.push(Command::New(taker.with_tif(TimeInForce::Ioc)));
        }
        market.into_flow("takes", seed, prefill)
    }

    /// Asks on so many levels, each taker taking as many of them, until none is left.
    pub fn sweeps(levels: usize, orders: usize, orders_each: usize, seed: u64) -> Flow {
        let mut market = Market::new(Profile::Core.shape(), Ids::Spread, seed);
        for n in 0..orders {
            let price = TOUCH + (n * 37 % levels) as i64;
            market.place(Side::Sell, price);
        }
        let lots: Vec<u64> = market.book.orders(Side::Sell).map(|order| order.qty.0).collect();
        let prefill = std::mem::take(&mut market.out);
        let limit = Ticks(TOUCH + levels as i64);
        for taken in lots.chunks(orders_each) {
            let qty = Lots(taken.iter().sum());
            let taker = NewOrder::limit(market.id(), market.user(), Side::Buy, limit, qty);
            market.push(Command::New(taker.with_tif(TimeInForce::Ioc)));
        }
        market.into_flow("sweeps", seed, prefill)
    }

    /// One level of so many orders, of which some are cancelled wherever they stand.
    pub fn queue(orders: usize, commands: usize, seed: u64) -> Flow {
        let mut market = Market::new(Profile::Million.shape(), Ids::Spread, seed);
        (0..orders).for_each(|_| market.place(Side::Buy, TOUCH));
        let mut ids: Vec<_> = market.book.orders(Side::Buy).map(|order| order.id).collect();
        let prefill = std::mem::take(&mut market.out);
        for _ in 0..commands.min(orders) {
            let at = market.draw.below(ids.len() as u64) as usize;
            market.push(Command::Cancel { id: ids.swap_remove(at) });
        }
        market.into_flow("queue", seed, prefill)
    }

    /// A mass cancel of a user's orders among those of others.
    pub fn mass_cancel(orders: usize, others: usize, seed: u64) -> Flow {
        let shape = Shape { resting: others, ..Profile::Core.shape() };
        let mut market = Market::new(shape, Ids::Spread, seed);
        let mut prefill = market.prefill();
        for _ in 0..orders {
            let side = Side::BOTH[market.draw.below(2) as usize];
            let touch = market.book.best(side).map_or(TOUCH, |price| price.0);
            let away = market.away();
            let price = Ticks(if side == Side::Buy { touch - away } else { touch + away });
            let order = NewOrder::limit(market.id(), LEAVING, side, price, market.lots());
            market.push(Command::New(order));
        }
        prefill.append(&mut market.out);
        market.push(Command::MassCancel { user: LEAVING, side: None });
        market.into_flow("mass_cancel", seed, prefill)
    }
}

/// A profile's market with so many orders more.
fn larger(profile: Profile, orders: usize, seed: u64) -> Market {
    let shape = profile.shape();
    Market::new(Shape { resting: shape.resting + orders, ..shape }, Ids::Spread, seed)
}
