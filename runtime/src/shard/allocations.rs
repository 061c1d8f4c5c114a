//! Counts what the allocator is asked for on a shard's way of what comes of many accounts at a time: a feeder's entries, and a
//! provider's frames, up to the ring to the publisher.
//!
//! The way of a public frame has a test of its own, which needs nothing but what is public (`tests/allocations.rs`).

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::Arc;

use net::hyperliquid::{Policy as SessionPolicy, provider, rest};
use persist::Position;
use shards::event::AssetType;
use shards::{
    Address, Coin, Core, Fill, Input, OrderStatus, Policy, StartFrom, Symbol, SymbolEntry,
};

use super::fed::Fed;
use super::feed::Feed;
use super::message::Reply;
use super::outbox::Outbox;
use super::speech::provider_frame;
use super::station::Station;
use super::{CacheSizes, Clock};
use crate::lane::bell::Bell;
use crate::lane::channel::{Receiver, Sender, channel};
use crate::lane::events::{self, EventConsumer};

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending has no counter any more, and nobody to read it.
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`, which is passed on as it is.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above; `at` came from `System`.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as above; `at` came from `System`.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ACCOUNTS: u8 = 8;
const FILLS_PER_ORDER: u64 = 3;
/// Orders are remembered for half an hour, which does not pass here: so the warm-up ends just beyond 4096 of them, where
/// whatever grows by doubling has room for nearly as many again.
const WARM_UP: u64 = 520;
const ROUNDS: u64 = 200;

fn address(account: u8) -> Address {
    Address([account; 20])
}

/// A station with all that is around it, and a feeder's ring.
struct Way {
    station: Station,
    control: Receiver<Reply>,
    events: EventConsumer,
    feeder: Sender<Fed>,
    feed: Feed,
    fill: Fill,
    status: OrderStatus,
    signals: u64,
    fed: u64,
    _dir: tempfile::TempDir,
}

impl Way {
    fn new() -> Way {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let options = persist::Options {
            dir: dir.path().join("shard-0"),
            shard: 0,
            shard_count: 1,
            segment_bytes: 64 << 20,
            batch_bytes_max: 1 << 20,
            flights: 1,
        };
        let opened = persist::open::open(&options, &mut |_| ControlFlow::Continue(()));
        let journal = opened.expect("a new journal").journal;
        let bell = Arc::new(Bell::new().expect("an eventfd"));
        let (replies, control) = channel(64, &bell);
        let (feeder, entries) = channel(256, &bell);
        let (producer, events) = events::ring(1 << 20);
        let outbox = Outbox::new(producer, Position::START);
        let caches = CacheSizes { symbols: 16, prices: 16 };
        let station = Station::new(Core::new(), journal, outbox, Clock::new(0), replies, caches);
        let mut fills = Vec::new();
        rest::parse_fills(format!("[{}]", fill_text(1, 1, 1)).as_bytes(), &mut fills)
            .expect("a fill");
        let status = rest::parse_order_status(
            br#"{"status":"order","order":{"order":{"coin":"@107","side":"B","limitPx":"1","sz":"0.0","oid":1,
                "timestamp":1,"origSz":"6"},"status":"filled","statusTimestamp":1}}"#,
        );
        let status = status.expect("readable").expect("an order");
        let mut way = Way {
            station,
            control,
            events,
            feeder,
            feed: Feed::new(entries),
            fill: fills[0],
            status,
            signals: 0,
            fed: 0,
            _dir: dir,
        };
        way.begin();
        way
    }

    /// The accounts are watched, the instrument has its name, and what is old is soon forgotten.
    fn begin(&mut self) {
        // Time passes as it does: what waits for it must not wait for minutes.
        let timeout_ns = 1_000_000;
        let policy =
            Policy { timeout_ns, dedup_window_ms: 100, status_ttl_ns: 1, ..Policy::default() };
        self.station.apply(&Input::Policy(policy), 0);
        let (coin, symbol) = (Coin::new("@107"), Symbol::new("HYPEUSDC"));
        let entry = SymbolEntry { coin, symbol, asset_type: AssetType::Spot, coin_type: b'A' };
        self.station.symbols(&[entry]);
        for account in 0..ACCOUNTS {
            let address = address(account);
            self.station.apply(&Input::Watch { address, start: StartFrom::Now }, 0);
            let joined = Input::Joined { address, at_ms: 1, continues: false };
            self.station.apply(&joined, 0);
        }
        self.settle();
    }

    /// Everything becomes durable and goes out.
    fn settle(&mut self) {
        self.station.tick();
        self.station.journal.flush_blocking().expect("a disk that works");
        self.station.outbox.release(self.station.journal.durable_seq());
        while self.events.pop().is_some() {
            self.signals += 1;
        }
        self.station.send_replies();
        while let Some(reply) = self.control.receive() {
            match reply {
                Reply::SegmentWanted(order) => {
                    let segment = persist::segment::prepare(&order).expect("room on the disk");
                    self.station.journal.segment_ready(segment);
                }
                Reply::Fed { number, .. } => self.fed = number,
                _ => {}
            }
        }
    }

    /// A block in which each account has an order that is filled in parts, the accounts' fills among each other.
    fn block(&mut self, round: u64) {
        for part in 0..FILLS_PER_ORDER {
            for account in 0..ACCOUNTS {
                let (oid, tid) = ids(round, account, part);
                let fill = Fill { time_ms: time_ms(round), oid, tid, ..self.fill };
                self.put(Fed::Fill { address: address(account), fill });
            }
        }
        self.put(Fed::Block { source: 0, number: round, time_ms: time_ms(round) });
        self.end_orders(round);
        self.feed.turn(&mut self.station);
        self.settle();
        self.feed.turn(&mut self.station);
        self.settle();
    }

    fn end_orders(&mut self, round: u64) {
        for account in 0..ACCOUNTS {
            let (oid, _) = ids(round, account, 0);
            self.put(Fed::Status(OrderStatus { oid, time_ms: time_ms(round), ..self.status }));
        }
    }

    fn put(&mut self, fed: Fed) {
        self.feeder.put(fed).expect("the ring is emptied each round");
    }
}

fn time_ms(round: u64) -> u64 {
    1_791_280_000_000 + round * 70
}

/// Order and trade of an account's part of a round.
fn ids(round: u64, account: u8, part: u64) -> (u64, u64) {
    let oid = round * u64::from(ACCOUNTS) + u64::from(account);
    (oid, oid * FILLS_PER_ORDER + part)
}

fn fill_text(at_ms: u64, oid: u64, tid: u64) -> String {
    format!(
        r#"{{"coin":"@107","px":"1.5","sz":"2","side":"B","time":{at_ms},"startPosition":"0","dir":"Buy","closedPnl":"0","hash":"0x0d","oid":{oid},"crossed":true,"fee":"0","tid":{tid},"feeToken":"USDC"}}"#
    )
}

/// A provider's frame of such a round.
fn frame(round: u64) -> String {
    let mut tuples = Vec::new();
    for part in 0..FILLS_PER_ORDER {
        for account in 0..ACCOUNTS {
            let (oid, tid) = ids(round, account, part);
            let (user, fill) = (address(account), fill_text(time_ms(round), oid, tid));
            tuples.push(format!("[\"{user}\",{fill}]"));
        }
    }
    format!(r#"{{"channel":"userFills","fills":[{}]}}"#, tuples.join(","))
}

/// Allocations of `ROUNDS` rounds after the warm-up; each must have a signal of every account.
#[track_caller]
fn check(way: &mut Way, mut turn: impl FnMut(&mut Way, u64)) {
    let count = || COUNT.with(Cell::get);
    assert!(count() > 0, "the counter counts");
    (1..=WARM_UP).for_each(|round| turn(way, round));
    let (before, signals) = (count(), way.signals);
    (WARM_UP + 1..=WARM_UP + ROUNDS).for_each(|round| turn(way, round));
    assert_eq!(count() - before, 0);
    assert_eq!(way.signals - signals, ROUNDS * u64::from(ACCOUNTS), "each order was signalled");
}

#[test]
fn after_warm_up_a_feeders_entries_allocate_nothing() {
    let mut way = Way::new();
    check(&mut way, Way::block);
    assert_eq!(way.fed, WARM_UP + ROUNDS, "and all of it is told to be durable");
}

#[test]
fn after_warm_up_a_providers_frames_allocate_nothing() {
    let frames: Vec<String> = (0..=WARM_UP + ROUNDS).map(frame).collect();
    let mut session = provider::Session::new(SessionPolicy::default());
    (0..ACCOUNTS).for_each(|account| session.want(address(account)));
    session.on_open(0);
    let mut way = Way::new();
    check(&mut way, |way, round| {
        let text = &frames[usize::try_from(round).expect("small")];
        provider_frame(&mut session, text, &mut way.station, 1, 1).expect("a good frame");
        while session.poll(1).is_some() {}
        way.end_orders(round);
        way.feed.turn(&mut way.station);
        way.settle();
    });
}
