//! What must hold of any trader's stream, over many blocks of several seeds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shards::fill::is_perp;
use shards::{Decimal, Fill};

use super::super::options::SimRates;
use super::super::tape::Block;
use super::*;

const BLOCKS: usize = 12_000;

fn rates() -> SimRates {
    SimRates { orders_per_mille: 300, forced_per_mille: 30, ..SimRates::default() }
}

/// History, many blocks, and the end.
fn stream(seed: u64, number: u64) -> Vec<Block> {
    let mut trader = Trader::new(seed, number, rates());
    let mut blocks = trader.history();
    blocks.extend((0..BLOCKS).map(|_| trader.next_block()));
    blocks.push(trader.close());
    assert_eq!(trader.next_ms(), None);
    blocks
}

fn fills(blocks: &[Block]) -> impl Iterator<Item = &Fill> {
    blocks.iter().flat_map(|block| block.fills.iter().map(|fill| &fill.fill))
}

fn text_of(blocks: &[Block]) -> Vec<String> {
    let lines = blocks.iter().map(|block| {
        let fills: Vec<&str> = block.fills.iter().map(|fill| &*fill.json).collect();
        let updates: Vec<String> = block.updates.iter().map(|update| update.json()).collect();
        format!("{} {fills:?} {updates:?}", block.time_ms)
    });
    lines.collect()
}

#[test]
fn seed_and_number_name_the_stream() {
    assert_eq!(text_of(&stream(1, 0)), text_of(&stream(1, 0)));
    assert_ne!(text_of(&stream(1, 0)), text_of(&stream(1, 1)));
    assert_ne!(text_of(&stream(1, 0)), text_of(&stream(2, 0)));
    assert_ne!(address_of(1, 0), address_of(1, 1));
    assert_ne!(address_of(1, 0), address_of(2, 0));
}

#[test]
fn each_perpetuals_positions_are_a_chain_without_a_hole() {
    for seed in 1..5 {
        let blocks = stream(seed, seed);
        let mut positions: BTreeMap<String, Decimal> = BTreeMap::new();
        let mut checked = 0;
        for fill in fills(&blocks).filter(|fill| is_perp(fill.coin.as_str())) {
            let end = fill.end_position().expect("it fits");
            let before = positions.insert(fill.coin.as_str().to_owned(), end);
            assert_eq!(before.unwrap_or_default(), fill.start_position, "{fill:?}");
            checked += 1;
        }
        assert!(checked > 5_000, "{checked}");
    }
}

#[test]
fn labels_agree_with_positions() {
    for fill in fills(&stream(3, 3)) {
        let start = fill.start_position;
        let end = fill.end_position().expect("it fits");
        let grows = end.abs() > start.abs();
        let crosses =
            !start.is_zero() && !end.is_zero() && start.is_negative() != end.is_negative();
        match fill.dir.as_str() {
            "Open Long" | "Open Short" => assert!(grows && !crosses, "{fill:?}"),
            "Close Long" => assert!(!grows && !crosses && !start.is_negative(), "{fill:?}"),
            "Close Short" => assert!(!grows && !crosses && start.is_negative(), "{fill:?}"),
            "Long > Short" => assert!(crosses && end.is_negative(), "{fill:?}"),
            "Short > Long" => assert!(crosses && start.is_negative(), "{fill:?}"),
            "Auto-Deleveraging" | "Settlement" => assert!(!grows && !crosses, "{fill:?}"),
            "Buy" | "Sell" | "Spot Dust Conversion" => assert!(!is_perp(fill.coin.as_str())),
            _ => {}
        }
        assert!(is_perp(fill.coin.as_str()) || !end.is_negative(), "sold what was not there");
    }
}

#[test]
fn the_state_that_ends_an_order_tells_what_was_filled() {
    let blocks = stream(4, 1);
    let mut filled: BTreeMap<u64, Decimal> = BTreeMap::new();
    for fill in fills(&blocks) {
        let sum = filled.entry(fill.oid).or_default();
        *sum = sum.checked_add(fill.sz).expect("it fits");
    }
    let mut ended = BTreeSet::new();
    let mut statuses: BTreeMap<&str, u32> = BTreeMap::new();
    for update in blocks.iter().flat_map(|block| &block.updates) {
        *statuses.entry(update.status).or_default() += 1;
        assert!(!ended.contains(&update.oid), "a state after the end of {}", update.oid);
        if matches!(update.status, "open" | "triggered") {
            continue;
        }
        ended.insert(update.oid);
        let order: Value = serde_json::from_str(&update.order_json).expect("JSON");
        let size = |name: &str| -> Decimal {
            order[name].as_str().expect("a text").parse().expect("a decimal")
        };
        let found = size("origSz").checked_sub(size("sz")).expect("it fits");
        let wanted = filled.get(&update.oid).copied().unwrap_or_default();
        assert_eq!(found, wanted, "{} {order}", update.status);
        assert_eq!(update.status == "filled", size("sz").is_zero(), "{order}");
    }
    for status in [
        "open",
        "triggered",
        "filled",
        "canceled",
        "reduceOnlyCanceled",
        "liquidatedCanceled",
        "iocCancelRejected",
        "badAloPxRejected",
        "scheduledCancel",
    ] {
        assert!(statuses.contains_key(status), "{status} never happened: {statuses:?}");
    }
    // Only what the venue itself does has no states.
    let silent: BTreeSet<&str> =
        fills(&blocks).filter(|f| !ended.contains(&f.oid)).map(|f| f.dir.as_str()).collect();
    let by_venue = [
        "Auto-Deleveraging",
        "Net Child Vaults",
        "Settlement",
        "Spot Dust Conversion",
        "Vault Rebalance",
    ];
    assert_eq!(silent, BTreeSet::from(by_venue));
}

#[test]
fn numbers_are_unique_and_the_oddities_happen() {
    let blocks = stream(5, 2);
    let mut tids = BTreeSet::new();
    let mut dust = BTreeSet::new();
    for fill in fills(&blocks) {
        if fill.tid == 0 {
            assert!(dust.insert((fill.coin, fill.time_ms, fill.oid)), "{fill:?}");
        } else {
            assert!(tids.insert(fill.tid), "{fill:?}");
        }
    }
    let tapes = || blocks.iter().flat_map(|block| &block.fills);
    let seen = |what: &str, found: bool| assert!(found, "{what} never happened");
    seen("dust", !dust.is_empty());
    seen("a rebate", tapes().any(|f| f.fill.fee.is_negative()));
    seen("a client id", tapes().any(|f| f.fill.cloid.is_some()));
    seen("a TWAP", tapes().any(|f| !f.json.contains(r#""twapId":null"#)));
    seen("a zero hash", tapes().any(|f| &*f.hash == ZERO_HASH && f.fill.tid != 0));
    seen("a builder's fee", tapes().any(|f| f.json.contains("builderFee")));
    let me = address_of(5, 2);
    let liquidated =
        |own: bool| tapes().any(|f| f.fill.liquidation.is_some_and(|l| (l.user == me) == own));
    seen("the own liquidation", liquidated(true));
    seen("somebody else's liquidation", liquidated(false));
    for coin in &COINS {
        seen(coin.name, tapes().any(|f| f.fill.coin.as_str() == coin.name));
    }
    for dir in [
        "Long > Short",
        "Short > Long",
        "Liquidated Cross Long",
        "Liquidated Cross Short",
        "Liquidated Isolated Long",
        "Liquidated Isolated Short",
    ] {
        seen(dir, tapes().any(|f| f.fill.dir.as_str() == dir));
    }
}

#[test]
fn most_orders_are_done_in_one_block_and_one_is_open_when_the_past_ends() {
    let mut trader = Trader::new(8, 0, rates());
    let history = trader.history();
    assert_eq!(history.len() as u64, u64::from(rates().history_blocks));
    let last_oid = fills(&history).last().expect("the last order has a fill").oid;
    let blocks: Vec<Block> = (0..BLOCKS).map(|_| trader.next_block()).collect();
    assert!(fills(&blocks).any(|fill| fill.oid == last_oid), "it goes on");
    let mut times: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for fill in fills(&blocks) {
        times.entry(fill.oid).or_default().insert(fill.time_ms);
    }
    let one_block = times.values().filter(|times| times.len() == 1).count();
    let per_cent = one_block * 100 / times.len();
    assert!((70..90).contains(&per_cent), "{per_cent} %");
}
