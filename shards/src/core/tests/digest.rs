//! The digest: equal where the state is, different as soon as something that differs is touched.

use super::logs::{Record, log};
use super::state::bytes_of;
use super::*;
use crate::core::order::Terminal;
use crate::event::{Direction, PositionSide, Reason};
use crate::fill::TIME_MS_MAX;

/// A shard with an order of two legs, both with something unsignalled.
fn core() -> Core {
    let mut bed = Bed::watching(Policy::default());
    let account_value = Some(Decimal::from(10_000));
    bed.step(&Input::Worth { address: ME, account_value, spot_total: None });
    bed.live(&[nth(1, 1, fill("BTC", "A", "3", "10", "2"))]);
    Core::decode(&bytes_of(&bed.core)).expect("its own state")
}

fn step(core: &mut Core, after_ns: u64, input: &Input<'_>) {
    core.step(core.now_ns + after_ns, input, &mut ());
}

/// The fill that touches the account and the order once more; it goes into the opening leg.
fn one_more_fill(core: &mut Core) {
    let fills = &[nth(1, 2, fill("BTC", "A", "1", "10", "-1"))];
    step(core, 1, &Input::Fills { address: ME, origin: Origin::Live, fills });
}

fn time_out(core: &mut Core) {
    step(core, 301 * SECOND, &Input::Tick);
}

fn tick(core: &mut Core) {
    step(core, 0, &Input::Tick);
}

/// Whether a shard that was changed has another digest after the next touch.
#[track_caller]
fn check(what: &str, change: impl Fn(&mut Core), touch: impl Fn(&mut Core)) {
    let (mut one, mut other) = (core(), core());
    assert_eq!(one.digest(), other.digest());
    change(&mut other);
    touch(&mut one);
    touch(&mut other);
    assert_ne!(one.digest(), other.digest(), "{what}");
}

fn label(text: &str) -> Label {
    Label::new(text)
}

type Change<T> = (&'static str, fn(&mut T));

#[test]
fn a_different_account_shows_when_it_is_touched() {
    let changes: [Change<Account>; 19] = [
        ("address", |a| a.address.0[19] ^= 1),
        ("address", |a| a.address.0[0] ^= 1),
        ("start", |a| a.start = StartFrom::Snapshot),
        ("synced", |a| a.synced = false),
        ("floor", |a| a.floor_ms += 1),
        ("newest", |a| a.last_ms = TIME_MS_MAX),
        ("a chain more", |a| {
            let stand = a.chain.stands()[0];
            assert!(a.chain.restore(chain::Stand { coin: "ZEC".into(), ..stand }));
        }),
        ("a key less", |a| a.keys.clear()),
        ("baseline order", |a| a.baseline_orders.push((9, Decimal::ONE))),
        ("hold", |a| {
            a.hold = Some(Hold::Asked { since_ns: 1, asked_ns: 2, from_ms: 3, joins: true })
        }),
        ("owed", |a| a.hold = Some(Hold::Owed { since_ns: 1, asked_ns: 2, from_ms: 3 })),
        ("blind", |a| a.blind = true),
        ("when the baseline was", |a| a.baselined_ns += 1),
        ("timer", |a| a.armed_ns = u64::MAX),
        ("watched", |a| a.watched = false),
        ("baselined", |a| a.baselined = false),
        ("joined", |a| a.joined = false),
        ("worth", |a| a.account_value = None),
        ("worth of spot", |a| a.spot_total = Some(Decimal::ZERO)),
    ];
    for (what, change) in changes {
        check(what, |core| change(&mut core.accounts[0]), one_more_fill);
    }
}

#[test]
fn a_different_chain_shows_when_it_goes_on() {
    // In the millisecond in which the chain's newest fill is.
    let same_time = |core: &mut Core| {
        let base = nth(1, 2, fill("BTC", "A", "1", "10", "-1"));
        let fills = &[Fill { time_ms: 1_001, ..base }];
        step(core, 1, &Input::Fills { address: ME, origin: Origin::Live, fills });
    };
    let changes: [Change<chain::Stand>; 4] = [
        ("end", |stand| stand.end = Decimal::ONE),
        ("run", |stand| stand.run_ms = 9),
        ("start of the run", |stand| stand.run_start = Decimal::ONE),
        ("run known", |stand| stand.run_known = !stand.run_known),
    ];
    for (what, change) in changes {
        let change = |core: &mut Core| {
            let account = &mut core.accounts[0];
            let mut stand = account.chain.stands()[0];
            change(&mut stand);
            account.chain.clear();
            assert!(account.chain.restore(stand));
        };
        check(what, change, same_time);
    }
}

#[test]
fn a_different_order_shows_when_it_is_touched() {
    let end = |status, filled| Some(Terminal { status: label(status), filled });
    let changes: [Change<Order>; 11] = [
        ("generation", |o| o.generation += 1),
        ("coin", |o| o.coin = "ETH".into()),
        ("a long coin", |o| o.coin = "BTC0123456789012345".into()),
        ("cloid", |o| o.cloid = Some([0; 16])),
        ("filled", |o| o.filled = Decimal::new(31, 1)),
        ("history", |o| o.partial_history = true),
        ("unsignalled", |o| o.unsignalled_ns += 1),
        ("nothing unsignalled", |o| o.unsignalled_ns = 0),
        ("timer", |o| o.armed_ns -= 1),
        ("leg", |o| o.first_leg = None),
        ("oid", |o| o.oid += 1),
    ];
    for (what, change) in changes {
        check(what, |core| change(&mut core.orders[0]), one_more_fill);
    }
    let ends = [
        end("canceled", None),
        end("canceled", Some(Decimal::from(9))),
        end("filled", Some(Decimal::from(9))),
        end("a status with a long name, longer than words", None),
        end("a status with a long name, longer than wordS", None),
    ];
    let digest_with = |terminal| {
        let mut core = core();
        core.orders[0].terminal = terminal;
        one_more_fill(&mut core);
        core.digest()
    };
    let digests: std::collections::BTreeSet<u64> = ends.map(digest_with).into();
    assert_eq!(digests.len(), ends.len());
    // A fill sets these anew.
    check("grace", |core| core.orders[0].grace_from_ns = 1, time_out);
    check("touched", |core| core.orders[0].touched_ns = 1, time_out);
}

#[test]
fn a_different_leg_shows_when_it_is_touched() {
    let changes: [Change<Leg>; 20] = [
        ("name", |l| l.kind.name = Dir::Buy),
        ("a name of its own", |l| l.kind.name = Dir::new("Odd")),
        ("direction", |l| l.kind.direction = Direction::Other),
        ("side", |l| l.kind.side = PositionSide::Short),
        ("asset", |l| l.kind.asset_type = AssetType::Spot),
        ("start", |l| l.first_start = Decimal::new(21, 1)),
        ("size", |l| l.size = Decimal::new(21, 1)),
        ("notional", |l| l.notional = l.notional.neg()),
        ("newest", |l| l.last_ms += 1),
        ("revision", |l| l.revision += 1),
        ("final", |l| l.is_final = true),
        ("fills", |l| l.open.fills += 1),
        ("no fills", |l| l.open.fills = 0),
        ("open size", |l| l.open.size = Decimal::new(2, 1)),
        ("open notional", |l| l.open.notional = Decimal::new(i128::MAX / 2, 0)),
        ("open time", |l| l.open.first_ms -= 1),
        ("pnl", |l| l.open.closed_pnl = Decimal::new(1, 30)),
        ("fee", |l| l.open.fee = Decimal::new(-1, 2)),
        ("fee token", |l| l.open.fee_token = "USDH".into()),
        ("reason", |l| l.open.reason = Some(Reason::Settlement)),
    ];
    for (what, change) in changes {
        // The closing leg; the fill that touches the order goes into the other one.
        check(what, |core| change(&mut core.legs[0]), one_more_fill);
    }
    check("a leg less", |core| core.legs[0].next = None, time_out);
}

#[test]
fn what_is_no_account_or_order_shows_too() {
    check("settings", |core| core.policy.emit_final = true, tick);
    check("settings", |core| core.policy.timeout_ns += 1, tick);
    check("counts", |core| core.counts.gaps += 1, tick);
    check("generation", |core| core.generation += 1, tick);
    check("names", |core| assert!(core.names.add(label("new"))), tick);
    check("digest", |core| core.digest ^= 1 << 63, tick);
    let know = |core: &mut Core, symbol: &str, coin_type| {
        let (coin, asset_type) = (Coin::new("BTC"), AssetType::Futures);
        let entry = SymbolEntry { coin, symbol: symbol.into(), asset_type, coin_type };
        core.symbols.insert(coin, entry);
    };
    check("a symbol", |core| know(core, "BTC", b'D'), tick);
    // What a coin is called shows when a signal says it.
    let signalled = |symbol: &str, coin_type| {
        let mut core = core();
        know(&mut core, symbol, coin_type);
        time_out(&mut core);
        core.digest()
    };
    let digests = [("BTC", b'D'), ("BTC", b'A'), ("BTCUSDC", b'D')].map(|(s, t)| signalled(s, t));
    assert!(digests[0] != digests[1] && digests[0] != digests[2]);
    let heard = |ns| {
        let mut core = core();
        step(&mut core, ns, &Input::Tick);
        core.digest()
    };
    assert_ne!(heard(0), heard(1), "time");
    let (mut ticked, mut started) = (core(), core());
    tick(&mut ticked);
    step(&mut started, 0, &Input::Symbols(&[]));
    assert_ne!(ticked.digest(), started.digest(), "kind of input");
}

#[test]
fn a_check_is_a_tick_that_says_the_digest() {
    let mut scratch = Scratch::default();
    let (mut core, mut checks) = (Core::new(), 0);
    for record in (0..50).flat_map(|seed| {
        let log = log(seed, 32);
        std::iter::once(None).chain(log.into_iter().map(Some))
    }) {
        let Some(record) = record else {
            core = Core::new();
            continue;
        };
        if let Ok(Input::Check { digest }) =
            codec::decode_input(record.kind, &record.body, &mut Scratch::default())
        {
            assert_eq!(digest, core.digest());
            checks += 1;
            // But for the digest, what comes of it is what comes of a tick.
            let mut twin = Core::decode(&bytes_of(&core)).expect("its own state");
            let events = Record::new(record.now_ns, &Input::Tick).apply(&mut twin, &mut scratch);
            assert_eq!(events, record.apply(&mut core, &mut scratch));
            assert_ne!(core.digest(), twin.digest());
            twin.digest = core.digest;
            assert!(bytes_of(&core) == bytes_of(&twin));
            continue;
        }
        record.apply(&mut core, &mut scratch);
    }
    assert!(checks > 20, "{checks}");
}
