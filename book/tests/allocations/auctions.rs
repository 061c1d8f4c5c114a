//! Auctions: orders of every kind that collect, the uncross, and what a halt lets through.

use crate::{ORDERS, Script, Tally};
use book::{Command, Lots, NewOrder, OrderId, Phase, SelfTrade, Side, Ticks, Time, User};

/// An order of an auction in which everyone meets everyone: by turns plain, an iceberg, dated, at
/// market, and a stop that the uncross triggers.
fn collected(id: u64) -> Command {
    let side = Side::BOTH[(id % 2) as usize];
    let far = (id as i64) << 20;
    let (price, behind) = match side {
        Side::Buy => (Ticks((1 << 40) + far), Ticks((1 << 40) - far)),
        Side::Sell => (Ticks((1 << 40) - far), Ticks((1 << 40) + far)),
    };
    let new = NewOrder::limit(OrderId(id), User((id % 10) as u32 + 1), side, price, Lots(10));
    match id % 5 {
        0 => Command::New(new),
        1 => new.with_display(Lots(3)),
        2 => new.with_expiry(Time(1 + id % 10)),
        3 => Command::New(NewOrder { limit: None, ..new }),
        _ => new.with_stop(behind),
    }
}

fn go(phase: Phase) -> Vec<Command> {
    vec![Command::SetPhase { phase }]
}

fn uncross(then: Phase) -> Vec<Command> {
    vec![Command::Uncross { then }]
}

/// Each order once, in an order that jumps about.
fn each(of: impl Fn(u64) -> Command) -> Vec<Command> {
    (0..ORDERS).map(|at| of(at * 709 % ORDERS)).collect()
}

fn cancel_all() -> Vec<Command> {
    (1..=10).map(|user| Command::MassCancel { user: User(user), side: None }).collect()
}

#[track_caller]
fn check(name: &str, levels: usize, parts: &[Vec<Command>]) -> Tally {
    let (name, self_trade, orders) = (name.to_owned(), SelfTrade::CancelBoth, ORDERS as usize);
    Script { name, self_trade, orders, levels, commands: parts.concat() }.check()
}

/// A price or a trigger for each that is not at market, and a queue for those of each side that are.
const LEVELS: usize = ORDERS as usize * 4 / 5 + 2;

#[test]
fn uncrosses_do_not_allocate() {
    let auction = [go(Phase::Auction), each(collected)].concat();
    let then_trade = [auction.clone(), uncross(Phase::Continuous), cancel_all()].concat();
    let tally = check("uncross, then trade", LEVELS, &[then_trade.clone(), then_trade]);
    assert_eq!((tally.uncrosses, tally.triggers, tally.waits), (2, 800, 1600));
    assert!(tally.trades > 1000 && tally.refreshes > 300, "{tally:?}");
    let halts = [go(Phase::Halted), go(Phase::Auction), uncross(Phase::Halted)].concat();
    let parts = [auction, halts, go(Phase::Continuous), cancel_all()];
    let tally = check("uncross, then halt", LEVELS, &parts);
    assert_eq!((tally.uncrosses, tally.triggers, tally.phases), (1, 400, 5));
}

#[test]
fn cancels_of_an_auction_and_in_a_halt_do_not_allocate() {
    let auction = || [go(Phase::Auction), each(collected)].concat();
    for phase in [Phase::Auction, Phase::Halted] {
        let cancel = each(|id| Command::Cancel { id: OrderId(id) });
        let name = format!("cancel in {phase:?}");
        let parts = [auction(), go(phase), cancel, auction(), go(phase), cancel_all()];
        assert_eq!(check(&name, LEVELS, &parts).cancels, 2 * ORDERS);
        let reduce = |by| each(|id| Command::Reduce { id: OrderId(id), by: Lots(by) });
        let expire = (0..20).map(|now| Command::Expire { now: Time(now) }).collect();
        let name = format!("reduce and expire in {phase:?}");
        let parts = [auction(), go(phase), reduce(4), reduce(4), expire, reduce(2)];
        assert_eq!(check(&name, LEVELS, &parts).cancels, 3 * ORDERS);
    }
}

#[test]
fn replaces_in_an_auction_do_not_allocate() {
    let auction = [go(Phase::Auction), each(collected)].concat();
    // Orders at market get a limit, so in the end each has a price or a trigger of its own.
    let replace = each(|id| {
        let price = Ticks((1 << 40) + ((id as i64) << 20) + 1);
        Command::Replace { id: OrderId(id), price, qty: Lots(20), self_trade: None }
    });
    let parts = [auction, replace, uncross(Phase::Continuous), cancel_all()];
    let tally = check("replace in an auction", ORDERS as usize, &parts);
    assert_eq!(tally.waits, 800 + 400);
    assert!(tally.rests > 1200 + 1600 && tally.trades > 800, "{tally:?}");
}

#[test]
fn market_orders_alone_do_not_allocate() {
    let market = |at: u64| {
        let (id, side) = (OrderId(at), Side::BOTH[(at % 2) as usize]);
        Command::New(NewOrder::market(id, User(0), side, Lots(1 + at % 7)))
    };
    let auction = [go(Phase::Auction), each(market), uncross(Phase::Continuous)].concat();
    let trade = [(0, Side::Sell), (1, Side::Buy)]
        .map(|(id, side)| NewOrder::limit(OrderId(id), User(0), side, Ticks(100), Lots(1)))
        .map(Command::New);
    // Without a last trade they have no price, and are cancelled.
    let tally = check("market orders", 2, &[auction.clone(), trade.to_vec(), auction]);
    assert_eq!((tally.uncrosses, tally.waits), (1, 2 * ORDERS));
    assert!(tally.cancels >= ORDERS && tally.trades > ORDERS / 2, "{tally:?}");
}
