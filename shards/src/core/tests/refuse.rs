//! States that no shard has: each is one that a shard could have, with one thing made wrong.

use super::state::bytes_of;
use super::*;
use crate::core::account::FillKey;
use crate::core::chain::Stand;
use crate::core::restore::StateError;
use crate::fill::TIME_MS_MAX;

/// An account with chains, keys, a held fill and two orders, one of two legs; two waiting statuses.
fn core() -> Core {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[
        nth(1, 1, fill("BTC", "A", "3", "10", "2")),
        nth(2, 2, fill("@1", "B", "1", "5", "0")),
    ]);
    bed.live(&[buy(1, 9, "1", "4")]);
    bed.status(7, "filled", "1", "0");
    bed.now_ns += MS;
    bed.status(8, "filled", "1", "0");
    bed.status(1, "filled", "9", "0");
    Core::decode(&bytes_of(&bed.core)).expect("its own state")
}

#[track_caller]
fn check(what: &str, spoil: impl Fn(&mut Core)) {
    let mut core = core();
    spoil(&mut core);
    match Core::decode(&bytes_of(&core)) {
        Err(StateError::Invalid { what: found, .. }) => assert_eq!(found, what),
        other => panic!("{what}: {:?}", other.map(|_| "a state")),
    }
}

const HUGE: Decimal = Decimal::new(i128::MAX, 10);

#[test]
fn heads_and_waiting_statuses() {
    check("count", |core| core.counts.gaps = u64::MAX);
    check("count", |core| core.generation = u64::MAX);
    check("generation", |core| core.generation -= 1);
    check("time of a waiting status", |core| core.now_ns -= 1);
    check("time of a waiting status", |core| core.waiting_order.swap(0, 1));
    check("time of a waiting status", |core| {
        core.waiting.get_mut(&7).expect("it waits").heard_ns -= 1;
    });
    check("waiting status", |core| {
        let first = core.waiting_order[0];
        core.waiting_order.push_front(first);
    });
    check("filled size", |core| {
        let waiting = core.waiting.get_mut(&7).expect("it waits");
        waiting.terminal.filled = Some(Decimal::new(-1, 0));
    });
}

#[test]
fn accounts() {
    let first = |core: &mut Core, change: fn(&mut Account)| change(&mut core.accounts[0]);
    check("account that is new", |core| {
        core.accounts.insert(Account::new(ME, StartFrom::Now));
    });
    check("hold", |core| first(core, |account| account.armed_ns = 0));
    check("coin that follows", |core| {
        first(core, |account| {
            let stand = account.chain.stands()[0];
            account.chain.restore(Stand { coin: "AAA".into(), ..stand });
        });
    });
    for oids in [[5, 5], [5, 4]] {
        check("order that follows", |core| {
            core.accounts[0].baseline_orders = oids.map(|oid| (oid, Decimal::ONE)).to_vec();
        });
    }
    check("sum", |core| first(core, |account| account.baseline_orders.push((1, HUGE))));
    check("fill that is sound", |core| {
        first(core, |account| account.held[0].sz = Decimal::ZERO);
    });
    let key = |core: &mut Core, change: fn(&mut FillKey)| {
        change(core.accounts[0].keys.back_mut().expect("a key"));
    };
    check("key that follows", |core| {
        let last = *core.accounts[0].keys.back().expect("a key");
        core.accounts[0].keys.push_back(last);
    });
    check("key of a fill", |core| key(core, |key| key.coin = 2));
    check("key of a fill", |core| key(core, |key| key.dir = 3));
    check("key of a fill", |core| key(core, |key| key.time_ms = TIME_MS_MAX));
}

#[test]
fn orders() {
    let first = |core: &mut Core, change: fn(&mut Order)| change(&mut core.orders[0]);
    check("account of an order", |core| first(core, |order| order.account = 1));
    check("generation", |core| first(core, |order| order.generation = 0));
    check("generation", |core| first(core, |order| order.generation = 2));
    check("list of orders, each of them once", |core| first(core, |order| order.oid = 2));
    check("sum", |core| first(core, |order| order.filled = HUGE));
    check("sum", |core| first(core, |order| order.filled = Decimal::new(1, 21)));
    check("time of an order", |core| first(core, |order| order.touched_ns = u64::MAX));
    check("time of an order", |core| first(core, |order| order.unsignalled_ns = u64::MAX));
    check("time of an order", |core| first(core, |order| order.armed_ns = 0));
    check("time of unsignalled fills", |core| first(core, |order| order.unsignalled_ns = 0));
    check("list of legs, each of them once", |core| first(core, |order| order.first_leg = None));
    let second = |core: &mut Core, change: fn(&mut Leg)| change(&mut core.legs[1]);
    check("list of legs, each of them once", |core| core.legs[1].kind = core.legs[0].kind);
    check("count", |core| second(core, |leg| leg.revision = u32::MAX));
    check("count", |core| second(core, |leg| leg.open.fills = u32::MAX));
    for change in [
        (|leg: &mut Leg| leg.size = HUGE) as fn(&mut Leg),
        |leg| leg.notional = HUGE,
        |leg| leg.open.size = HUGE,
        |leg| leg.open.notional = HUGE,
        |leg| leg.open.closed_pnl = HUGE.neg(),
        |leg| leg.open.fee = HUGE,
    ] {
        check("sum", |core| second(core, change));
    }
}
