//! Icebergs, stops, and orders that expire.

use crate::{ORDERS, Script, Tally, check_filled, resting, shuffled};
use book::{
    Command, Lots, NewOrder, OrderId, SelfTrade, Side, Terms, Ticks, Time, TimeInForce, User,
};

/// Shown in four slices.
fn iceberg(new: NewOrder) -> Command {
    new.with_display(Lots(3))
}

/// Ten expiries, each of many orders all over the book.
fn dated(new: NewOrder) -> Command {
    new.with_expiry(Time(1 + new.id.0 / 2 % 10))
}

/// A stop with a trigger of its own, as far on the other side of the market as its limit is on this.
fn stop(new: NewOrder) -> Command {
    new.with_stop(Ticks((1 << 41) - new.limit.expect("a limit order").0))
}

/// All terms at once.
fn all(new: NewOrder) -> Command {
    let Command::NewWith(new, stops) = stop(new) else { unreachable!("a stop has terms") };
    let (display, expires) = (Some(Lots(3)), Some(Time(1 + new.id.0 % 10)));
    Command::NewWith(new, Terms { display, expires, ..stops })
}

type Kind = (&'static str, fn(NewOrder) -> Command);

const KINDS: [Kind; 4] =
    [("icebergs", iceberg), ("dated orders", dated), ("stops", stop), ("all terms", all)];

#[track_caller]
fn check(what: &str, kind: Kind, commands: impl Iterator<Item = Command>) -> Tally {
    let (name, of) = kind;
    check_filled(&format!("{what} {name}"), SelfTrade::Allow, of, commands)
}

#[test]
fn cancel_reduce_and_replace_do_not_allocate() {
    for kind in KINDS {
        let (_, of) = kind;
        let turns =
            shuffled().flat_map(|id| [Command::Cancel { id: OrderId(id) }, of(resting(id))]);
        let tally = check("cancel, then add", kind, turns);
        assert_eq!((tally.cancels, tally.rests + tally.waits), (ORDERS, 2 * ORDERS));
        let ids = || shuffled().map(OrderId);
        let all = ids().map(|id| Command::Cancel { id });
        check("cancel all, then add all", kind, all.chain(shuffled().map(|id| of(resting(id)))));
        // Of an iceberg, first from what it hides, then from what it shows.
        let thrice = ids().flat_map(|id| [Lots(5), Lots(4), Lots(1)].map(|by| (id, by)));
        let reduce = thrice.map(|(id, by)| Command::Reduce { id, by });
        assert_eq!(check("reduce", kind, reduce).cancels, 3 * ORDERS);
        for (what, ticks, qty) in
            [("replace", 0, 4), ("move", 1, 30), ("enlarge", 0, 3 * 4096), ("shrink", 0, 1)]
        {
            let replace = shuffled().map(|id| {
                let price = Ticks(resting(id).limit.expect("a limit order").0 + ticks);
                let (id, qty) = (OrderId(id), Lots(qty));
                Command::Replace { id, price, qty, self_trade: Some(SelfTrade::CancelBoth) }
            });
            let tally = check(what, kind, replace);
            assert_eq!((tally.cancels, tally.rests + tally.waits), (ORDERS, 2 * ORDERS));
        }
    }
}

#[test]
fn mass_cancel_and_expiry_do_not_allocate() {
    for kind in KINDS {
        let (name, of) = kind;
        let again = || shuffled().map(|id| of(resting(id)));
        let users = (1..=10).flat_map(|user| {
            [Some(Side::Sell), None].map(|side| Command::MassCancel { user: User(user), side })
        });
        assert_eq!(check("mass cancel", kind, users.chain(again())).cancels, ORDERS);
        let days = (0..20).map(|now| Command::Expire { now: Time(now) });
        let expected = if matches!(name, "icebergs" | "stops") { 0 } else { ORDERS };
        assert_eq!(check("expire", kind, days).cancels, expected);
        let at_once = std::iter::once(Command::Expire { now: Time(u64::MAX) });
        assert_eq!(check("expire all at once", kind, at_once).cancels, expected);
    }
}

#[test]
fn refreshes_do_not_allocate_in_any_self_trade_mode() {
    for mode in SelfTrade::ALL {
        let takers = (0..400).map(|at| {
            let (id, user) = (OrderId(ORDERS + at), User((at % 10) as u32 + 1));
            let side = Side::BOTH[(at / 4 % 2) as usize];
            Command::New(NewOrder::market(id, user, side, Lots(25)))
        });
        let name = format!("takers of icebergs, {mode:?}");
        let tally = check_filled(&name, mode, iceberg, takers);
        assert!(tally.refreshes > 500, "{mode:?}: {} refreshes", tally.refreshes);
    }
    // The most slices that an iceberg may have, and one command that goes through them all.
    let many = [
        iceberg(NewOrder { qty: Lots(3 * 4096), ..resting(0) }),
        Command::New(NewOrder::market(OrderId(ORDERS), User(0), Side::Sell, Lots(3 * 4096))),
    ];
    let (self_trade, commands) = (SelfTrade::Allow, many.to_vec());
    let name = "4096 slices".to_owned();
    assert_eq!(Script { name, self_trade, orders: 1, levels: 1, commands }.check().refreshes, 4095);
}

/// The n-th price of a staircase that the takers of a side climb.
fn stair(side: Side, nth: u64) -> Ticks {
    Ticks(match side {
        Side::Buy => (1 << 40) + ((nth as i64) << 20),
        Side::Sell => (1 << 40) - ((nth as i64) << 20),
    })
}

/// A maker at each stair, and at each a stop that it triggers and that takes the next maker.
fn staircase(name: &str, side: Side, stop_at: impl Fn(NewOrder, Ticks) -> Command) -> Script {
    const STAIRS: u64 = 1000;
    let maker = |nth| {
        let (id, price) = (OrderId(nth), stair(side, nth + 1));
        Command::New(NewOrder::limit(id, User(0), side.opposite(), price, Lots(1)))
    };
    let stop = |nth| {
        let (id, price) = (OrderId(STAIRS + nth), stair(side, nth + 2));
        stop_at(NewOrder::limit(id, User(0), side, price, Lots(1)), stair(side, nth + 1))
    };
    let first = NewOrder::market(OrderId(u64::MAX), User(0), side, Lots(1));
    let stairs = || (0..STAIRS).map(|at| at * 709 % STAIRS);
    // A trade in front of the stairs, which no stop waits for.
    let foot = NewOrder::limit(OrderId(0), User(0), side.opposite(), stair(side, 0), Lots(1));
    let start = [foot, first].map(Command::New);
    let stops = stairs().map(stop);
    let once: Vec<Command> =
        start.into_iter().chain(stairs().map(maker)).chain(stops).chain([start[1]]).collect();
    // Twice over: the second time in slots that were used before.
    let all = |side| Command::MassCancel { user: User(0), side };
    let commands = [once.clone(), vec![all(Some(side)), all(None)], once].concat();
    let (orders, levels) = (2 * STAIRS as usize, 2 * STAIRS as usize);
    Script { name: name.to_owned(), self_trade: SelfTrade::Allow, orders, levels, commands }
}

#[test]
fn cascades_of_stops_do_not_allocate() {
    use TimeInForce::{Fok, Ioc, Post};
    for side in Side::BOTH {
        // Each takes the maker of the next stair; the last finds none.
        let market = |new: NewOrder, at| NewOrder { limit: None, ..new }.with_stop(at);
        let tally = staircase("market stops", side, market).check();
        assert_eq!((tally.triggers, tally.trades), (2 * 1000, 2 * 1001));
        let limit = |new: NewOrder, at| new.with_stop(at);
        let tally = staircase("limit stops", side, limit).check();
        assert_eq!((tally.triggers, tally.trades), (2 * 1000, 2 * 1001));
        for tif in [Fok, Ioc] {
            let limit = |new: NewOrder, at| new.with_tif(tif).with_stop(at);
            assert_eq!(staircase("stops that take", side, limit).check().triggers, 2 * 1000);
        }
        // What is left of each rests, as an iceberg that expires.
        let all = |new: NewOrder, at| {
            let (display, expires) = (Some(Lots(2)), Some(Time(9)));
            let terms = Terms { display, stop: Some(at), expires };
            Command::NewWith(NewOrder { qty: Lots(7), ..new }, terms)
        };
        let tally = staircase("icebergs that expire", side, all).check();
        assert_eq!((tally.triggers, tally.trades), (2 * 1000, 2 * 1001));
        // None trades, so none triggers another.
        let post = |new: NewOrder, at| new.with_tif(Post).with_stop(at);
        assert_eq!(staircase("post-only stops", side, post).check().triggers, 2);
        // All at once, from one queue.
        let far = stair(side, 1);
        let one = |new: NewOrder, _| new.with_stop(far);
        let mut script = staircase("stops of one trigger", side, one);
        script.levels = 1001;
        assert_eq!(script.check().triggers, 2 * 1000);
    }
}

#[test]
fn orders_with_terms_that_trade_on_arrival_do_not_allocate() {
    let price = |side| Ticks(if side == Side::Buy { 1 << 50 } else { 1 });
    for (name, terms) in [
        ("iceberg", Terms { display: Some(Lots(3)), ..Terms::default() }),
        ("dated", Terms { expires: Some(Time(9)), ..Terms::default() }),
        ("stop", Terms { stop: Some(Ticks(1 << 40)), ..Terms::default() }),
    ] {
        // Some trade whole, some rest in part; a stop is triggered by the last trade.
        let takers = (0..400).flat_map(|at| {
            let side = Side::BOTH[(at % 2) as usize];
            let id = OrderId(ORDERS + at);
            let lots = Lots(if at % 3 == 0 { 25 } else { 10 });
            let new = NewOrder::limit(id, User(0), side, price(side), lots);
            let touch = NewOrder::market(OrderId(u64::MAX), User(0), side, Lots(1));
            [Command::New(touch), Command::NewWith(new, terms)]
        });
        let tally = check_filled(name, SelfTrade::Allow, iceberg, takers);
        assert!(tally.trades > 1000, "{name}: {tally:?}");
        // It takes a whole side, and rests.
        let (user, side, lots) = (User(0), Side::Buy, Lots(20_000));
        let new = NewOrder::limit(OrderId(ORDERS), user, side, price(side), lots);
        let terms = Terms { display: terms.display.map(|_| Lots(100)), ..terms };
        let touch = Command::New(NewOrder::market(OrderId(ORDERS), user, side, Lots(1)));
        let sweep = [touch, Command::NewWith(new, terms)].into_iter();
        let tally = check_filled(name, SelfTrade::Allow, iceberg, sweep);
        assert_eq!((tally.trades, tally.rests), (4001, ORDERS + 1), "{name}");
    }
}
