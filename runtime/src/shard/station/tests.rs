//! A station without a loop: its inputs, and what it says to control.

use std::ops::ControlFlow;
use std::sync::Arc;

use net::hyperliquid::DexState;
use shards::event::AssetType;
use shards::{Coin, Decimal, StartFrom, Symbol};

use super::*;
use crate::lane::bell::Bell;
use crate::lane::channel::{Receiver, channel};
use crate::lane::events::ring;

const ME: Address = Address([7; 20]);

/// A station with an empty journal, what it says, and the directory of it.
fn station() -> (Station, Receiver<Reply>, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = persist::Options {
        dir: dir.path().join("shard-0"),
        shard: 0,
        shard_count: 1,
        segment_bytes: 1 << 16,
        batch_bytes_max: 1 << 14,
        flights: 1,
    };
    let opened = persist::open::open(&options, &mut |_| ControlFlow::Continue(()));
    let bell = Arc::new(Bell::new().expect("an eventfd"));
    let (replies, control) = channel(64, &bell);
    let outbox = Outbox::new(ring(1 << 16).0, Position::START);
    let journal = opened.expect("opened").journal;
    let caches = CacheSizes { symbols: 2, prices: 2 };
    let station = Station::new(Core::new(), journal, outbox, Clock::new(0), replies, caches);
    (station, control, dir)
}

#[test]
fn new_work_is_refused_while_the_disk_is_full_and_segments_are_few() {
    let (mut station, _control, _dir) = station();
    // No segment is ready yet, but nobody has said that there is no space for them.
    assert!(station.takes_new_work());
    station.space = false;
    assert!(!station.takes_new_work());
    // What is followed goes on.
    station.apply(&Input::Tick, 0);
    assert!(station.journal.take_write().is_some());
    while let Some(order) = station.journal.segment_wanted() {
        let segment = persist::segment::prepare(&order).expect("prepared");
        station.journal.segment_ready(segment);
    }
    assert!(station.takes_new_work(), "those at hand are enough for now");
    station.space = true;
    assert!(station.takes_new_work());
}

/// A fill of each coin; its time and trade are the place in the list, from `from` on.
fn fills(from: u64, coins: &[&str]) -> Vec<Fill> {
    let fill = |(at, coin): (u64, &&str)| {
        let text = format!(
            r#"[{{"coin":"{coin}","px":"1.5","sz":"2","side":"B","time":{at},"startPosition":"0","dir":"Buy",
            "closedPnl":"0","oid":{at},"crossed":true,"fee":"0","tid":{at},"feeToken":"USDC"}}]"#
        );
        let mut fills = Vec::new();
        net::hyperliquid::rest::parse_fills(text.as_bytes(), &mut fills).expect("a fill");
        fills[0]
    };
    (from..).zip(coins).map(fill).collect()
}

/// A station that follows an account from its past on.
fn following() -> (Station, Receiver<Reply>, tempfile::TempDir) {
    let (mut station, control, dir) = station();
    station.apply(&Input::Watch { address: ME, start: StartFrom::Snapshot }, 0);
    station.watches(ME, 1);
    station.fills(ME, true, &[], 0);
    (station, control, dir)
}

fn entry(coin: &str, symbol: &str, coin_type: u8) -> SymbolEntry {
    let (coin, symbol) = (Coin::new(coin), Symbol::new(symbol));
    SymbolEntry { coin, symbol, asset_type: AssetType::Spot, coin_type }
}

fn symbol(station: &Station, coin: &str) -> Option<(String, char)> {
    let known = station.core.symbol(&Coin::new(coin))?;
    Some((known.symbol.to_string(), char::from(known.coin_type)))
}

/// The coins that are asked for.
fn wanted(station: &mut Station, control: &mut Receiver<Reply>) -> Vec<String> {
    station.send_replies();
    let mut coins = Vec::new();
    while let Some(reply) = control.receive() {
        if let Reply::SymbolWanted { coin } = reply {
            coins.push(coin.to_string());
        }
    }
    coins
}

#[test]
fn the_core_is_told_of_a_coin_when_it_is_traded() {
    let (mut station, mut control, _dir) = following();
    station.symbols(&[
        entry("@1", "AUSDC", b'D'),
        entry("@2", "BUSDC", b'D'),
        entry("@3", "CUSDC", b'D'),
    ]);
    assert_eq!(symbol(&station, "@1"), None, "the table alone is no news");
    station.fills(ME, false, &fills(1, &["@1", "@1", "@3", "@3", "#5"]), 0);
    assert_eq!(symbol(&station, "@1"), Some(("AUSDC".to_owned(), 'D')));
    // Two are at hand; the third is asked for, and told as soon as it is known: its fill is taken.
    assert_eq!(symbol(&station, "@3"), None);
    assert_eq!(wanted(&mut station, &mut control), ["@3"]);
    station.symbols(&[entry("@3", "CUSDC", b'B')]);
    assert_eq!(symbol(&station, "@3"), Some(("CUSDC".to_owned(), 'B')));
    // What was traded hears of changes without another fill, the rest does not.
    station.symbols(&[entry("@1", "AUSDC", b'A'), entry("@2", "BUSDC", b'A')]);
    assert_eq!(symbol(&station, "@1"), Some(("AUSDC".to_owned(), 'A')));
    assert_eq!(symbol(&station, "@2"), None);
    let before = station.journal.next_seq();
    station.symbols(&[entry("@1", "AUSDC", b'A'), entry("@3", "CUSDC", b'B')]);
    assert_eq!(station.journal.next_seq(), before, "what is known is no input");
    let counts = station.report().symbols;
    assert_eq!((counts.hits, counts.misses, counts.entries), (1, 1, 2));
}

#[test]
fn a_change_that_came_while_it_was_away_is_told() {
    let (mut station, _control, _dir) = following();
    // As a journal has left it.
    station.apply(&Input::Symbols(&[entry("@1", "OLDUSDC", b'D')]), 0);
    station.fills(ME, false, &fills(1, &["@1"]), 0);
    assert_eq!(symbol(&station, "@1"), Some(("OLDUSDC".to_owned(), 'D')));
    station.symbols(&[entry("@1", "NEWUSDC", b'C')]);
    assert_eq!(symbol(&station, "@1"), Some(("NEWUSDC".to_owned(), 'C')));
}

#[test]
fn a_late_state_does_not_bring_an_account_back() {
    let (mut station, _control, _dir) = following();
    let state = AccountState { user: ME, positions: 0 };
    let dex = DexState { account_value: Decimal::from(5), ..DexState::default() };
    station.scratch.dexs.push(dex);
    station.account(&state);
    assert_eq!(station.report().positions.entries, 1);
    station.apply(&Input::Unwatch { address: ME }, 0);
    station.positions.forget(&ME);
    let before = station.journal.next_seq();
    station.account(&state);
    station.spot(ME, false);
    assert_eq!(station.report().positions.entries, 0);
    assert_eq!(station.journal.next_seq(), before);
}

/// Makes everything durable that was applied.
fn flush(station: &mut Station) {
    while let Some(write) = station.journal.take_write() {
        let part = persist::journal::Part::WriteAndSync;
        let done = station.journal.complete(write.flight, part, Ok(write.len));
        done.expect("no fault");
    }
}

/// The accounts that control is told are followed, with their tickets.
fn followed(station: &mut Station, control: &mut Receiver<Reply>) -> Vec<(Address, u64)> {
    station.send_replies();
    let replies = std::iter::from_fn(|| control.receive());
    let followed = replies.filter_map(|reply| match reply {
        Reply::Followed { address, ticket } => Some((address, ticket)),
        _ => None,
    });
    followed.collect()
}

#[test]
fn an_account_is_told_as_followed_when_that_is_durable() {
    let (mut station, mut control, _dir) = following();
    station.follows(ME);
    assert_eq!(followed(&mut station, &mut control), []);
    flush(&mut station);
    assert_eq!(followed(&mut station, &mut control), [(ME, 1)]);
    assert_eq!(followed(&mut station, &mut control), []);
}

#[test]
fn an_account_that_was_let_go_and_comes_again_is_not_followed_for_what_it_was() {
    let (mut station, mut control, _dir) = following();
    station.follows(ME);
    station.apply(&Input::Unwatch { address: ME }, 0);
    station.apply(&Input::Watch { address: ME, start: StartFrom::Now }, 0);
    station.watches(ME, 2);
    flush(&mut station);
    // Nothing was asked for yet, and no snapshot has come.
    assert_eq!(followed(&mut station, &mut control), []);
    station.follows(ME);
    assert_eq!(followed(&mut station, &mut control), [(ME, 2)]);
}

#[test]
fn an_account_whose_connection_is_lost_is_not_told_as_followed_after_that() {
    let (mut station, mut control, _dir) = following();
    station.follows(ME);
    // As a link does it that is lost.
    station.apply(&Input::Disconnected { address: ME }, 0);
    let why = "closed by the server".to_owned();
    station.news(LinkNews::Down { source: 0, link: 0, users: 1, why, retry_ms: 1 });
    flush(&mut station);
    assert_eq!(followed(&mut station, &mut control), []);
    station.follows(ME);
    assert_eq!(followed(&mut station, &mut control), [(ME, 1)]);
}

#[test]
fn that_a_connection_is_lost_is_told_however_much_else_waits() {
    let (mut station, mut control, _dir) = following();
    for oid in 0..2 * STATUSES_WAITING_MAX as u64 {
        station.reply(Reply::StatusWanted { address: ME, oid });
    }
    assert!(station.waiting.len() <= STATUSES_WAITING_MAX);
    let why = "closed by the server".to_owned();
    station.news(LinkNews::Down { source: 0, link: 0, users: 1, why, retry_ms: 1 });
    station.news(LinkNews::Unreadable { why: "what only the log wants".to_owned() });
    let (mut downs, mut others) = (0, 0);
    while station.has_replies() {
        station.send_replies();
        while let Some(reply) = control.receive() {
            match reply {
                Reply::Link(LinkNews::Down { .. }) => downs += 1,
                Reply::Link(_) => others += 1,
                _ => {}
            }
        }
    }
    assert_eq!((downs, others), (1, 0), "by it alone control knows that they are not followed");
}
