//! Orders without terms.

use crate::{ORDERS, Tally, check_filled, resting, shuffled};
use book::{Command, Lots, NewOrder, OrderId, SelfTrade, Side, Ticks, TimeInForce, User};

#[track_caller]
fn check(name: &str, self_trade: SelfTrade, commands: impl Iterator<Item = Command>) -> Tally {
    check_filled(name, self_trade, Command::New, commands)
}

#[test]
fn cancel_and_add_do_not_allocate() {
    let turns =
        shuffled().flat_map(|id| [Command::Cancel { id: OrderId(id) }, Command::New(resting(id))]);
    let tally = check("cancel, then add", SelfTrade::Allow, turns);
    assert_eq!((tally.cancels, tally.rests), (ORDERS, 2 * ORDERS));
    let all = shuffled().map(|id| Command::Cancel { id: OrderId(id) });
    let again = shuffled().map(|id| Command::New(resting(id)));
    check("cancel all, then add all", SelfTrade::Allow, all.chain(again));
}

#[test]
fn reduce_and_replace_do_not_allocate() {
    let [by, half] = [Lots(3), Lots(5)];
    let turns = shuffled().flat_map(|id| {
        let price = resting((id + 2) % ORDERS).limit.expect("a limit order");
        let id = OrderId(id);
        let replace = Command::Replace { id, price, qty: half, self_trade: None };
        [Command::Reduce { id, by }, replace]
    });
    let tally = check("reduce and replace", SelfTrade::Allow, turns);
    assert_eq!((tally.cancels, tally.rests), (2 * ORDERS, 2 * ORDERS));
    let crossing = shuffled().filter(|id| id % 2 == 0).map(|id| Command::Replace {
        id: OrderId(id),
        price: Ticks(1 << 50),
        qty: Lots(10),
        self_trade: None,
    });
    assert!(check("replace that trades", SelfTrade::Allow, crossing).trades > 900);
    // Alone at its price, to a price where nobody is: the level goes and another comes.
    let moved = shuffled().map(|id| {
        let price = resting(id).limit.expect("a limit order");
        let price = Ticks(price.0 + 1);
        Command::Replace { id: OrderId(id), price, qty: Lots(10), self_trade: None }
    });
    check("replace to a new level", SelfTrade::Allow, moved);
}

#[test]
fn takers_do_not_allocate_in_any_self_trade_mode() {
    use TimeInForce::{Fok, Gtc, Ioc, Post};
    for mode in SelfTrade::ALL {
        let takers = (0..400).map(|at| {
            let (id, user) = (OrderId(ORDERS + at), User((at % 10) as u32 + 1));
            let side = Side::BOTH[(at / 4 % 2) as usize];
            let price = Ticks(if side == Side::Buy { 1 << 50 } else { 1 });
            let order = match at % 4 {
                0 => NewOrder::market(id, user, side, Lots(25)),
                1 => NewOrder::limit(id, user, side, price, Lots(25)).with_tif(Ioc),
                2 => NewOrder::limit(id, user, side, price, Lots(25)).with_tif(Fok),
                _ => NewOrder::limit(id, user, side, price, Lots(25)).with_tif(Gtc),
            };
            Command::New(order)
        });
        let tally = check(&format!("takers, {mode:?}"), mode, takers);
        assert!(tally.trades > 200, "{mode:?}: {} trades", tally.trades);
    }
    let refused = (0..100).map(|at| {
        let price = Ticks(1 << 50);
        let order = NewOrder::limit(OrderId(ORDERS + at), User(1), Side::Buy, price, Lots(1));
        Command::New(order.with_tif(Post))
    });
    assert_eq!(check("refused", SelfTrade::Allow, refused).rejects, 100);
}

#[test]
fn mass_cancel_does_not_allocate() {
    let users = (1..=10).flat_map(|user| {
        [Some(Side::Sell), None].map(|side| Command::MassCancel { user: User(user), side })
    });
    let again = shuffled().map(|id| Command::New(resting(id)));
    let tally = check("mass cancel", SelfTrade::Allow, users.chain(again));
    assert_eq!((tally.cancels, tally.rests), (ORDERS, 2 * ORDERS));
}
