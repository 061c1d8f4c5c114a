//! Counts what the allocator is asked for on the whole way of a fill: text of a frame, decoding, admission, the state
//! machine, the journal's batch and its flush, the ring to the publisher, the signal's JSON.
//!
//! A file of its own, because the counting allocator is the whole process's. What is not on this way: sockets and TLS,
//! which have a test of their own in `net`, and fills that come out of order, which are sorted with memory of their own.
//! What comes of many accounts at a time, from a feeder or a provider, has its test in `shard/allocations.rs`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::ops::ControlFlow;

use net::hyperliquid::{Frame, Scratch, decode};
use net::payload::signal_json;
use persist::Position;
use persist::journal::{self, Journal};
use runtime::lane::events::{self, EventConsumer, EventProducer, Header};
use shards::codec::{decode_event, encode_event, encode_input, event_kind, input_kind};
use shards::input::Emit;
use shards::{
    Address, Admission, Admitted, Core, Effects, Event, EventId, Input, Origin, Policy, Request,
    Seq, ShardId, StartFrom,
};

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

fn count() -> u64 {
    COUNT.with(Cell::get)
}

const MINUTE_NS: u64 = 60_000_000_000;
const START_NS: u64 = 1_791_280_000_000_000_000;
/// Inputs between two flushes.
const INPUTS_PER_FLUSH: u64 = 16;

/// One shard's way from text to JSON, without its sockets and threads.
struct Way {
    core: Core,
    journal: Journal,
    producer: EventProducer,
    consumer: EventConsumer,
    scratch: Scratch,
    admitted: Admitted,
    event_body: Vec<u8>,
    json: Vec<u8>,
    now_ns: u64,
    newest: Position,
    signals: u64,
    _dir: tempfile::TempDir,
}

/// The effects of one input: into the batch and onto the ring.
struct Out<'a> {
    journal: &'a mut Journal,
    producer: &'a mut EventProducer,
    body: &'a mut Vec<u8>,
    newest: &'a mut Position,
    seq: u64,
    now_ns: u64,
}

impl Effects for Out<'_> {
    fn event(&mut self, event: &Event) {
        self.body.clear();
        encode_event(event, self.body);
        let (kind, body) = (event_kind(event), &*self.body);
        let index =
            self.journal.push_event(kind, self.now_ns, |batch| batch.extend_from_slice(body));
        let position = Position { seq: self.seq, index };
        let header = Header { kind, position, previous: *self.newest, received_ns: self.now_ns };
        *self.newest = position;
        assert!(self.producer.push(header, body), "the ring is emptied after each input");
    }

    fn request(&mut self, request: Request) {
        panic!("nothing is missing, yet it asks: {request:?}");
    }
}

impl Way {
    fn new(policy: Policy) -> Way {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let options = journal::Options {
            dir: dir.path().join("shard-0"),
            shard: 0,
            shard_count: 1,
            segment_bytes: 64 << 20,
            batch_bytes_max: 1 << 20,
            flights: 1,
        };
        let opened = journal::open(&options, &mut |_| ControlFlow::Continue(()));
        let (producer, consumer) = events::ring(1 << 20);
        let mut way = Way {
            core: Core::new(),
            journal: opened.expect("a new journal").journal,
            producer,
            consumer,
            scratch: Scratch::default(),
            admitted: Admitted::default(),
            event_body: Vec::new(),
            json: Vec::new(),
            now_ns: START_NS,
            newest: Position::START,
            signals: 0,
            _dir: dir,
        };
        way.apply(&Input::Policy(policy));
        way
    }

    fn apply(&mut self, input: &Input<'_>) {
        let now_ns = self.now_ns;
        let kind = input_kind(input);
        let seq = self.journal.push_input(kind, now_ns, |body| encode_input(input, body));
        let mut out = Out {
            journal: &mut self.journal,
            producer: &mut self.producer,
            body: &mut self.event_body,
            newest: &mut self.newest,
            seq,
            now_ns,
        };
        self.core.step(now_ns, input, &mut out);
        if seq.is_multiple_of(INPUTS_PER_FLUSH) {
            self.journal.flush_blocking().expect("a disk that works");
        }
        self.publish();
    }

    /// The publisher's part: from the ring to JSON.
    fn publish(&mut self) {
        while let Some((header, body)) = self.consumer.pop() {
            let Ok(Event::Signal(signal)) = decode_event(header.kind, body) else {
                panic!("only signals were made");
            };
            let Position { seq, index } = header.position;
            self.json.clear();
            let id = EventId { shard: ShardId(0), seq: Seq(seq), index };
            signal_json(&signal, id, &mut self.json);
            assert!(self.json.ends_with(b"}"));
            self.signals += 1;
        }
    }

    /// Lets time pass up to `until_ns`.
    fn wait_until(&mut self, until_ns: u64) {
        while let Some(deadline_ns) = self.core.next_deadline_ns().filter(|due| *due <= until_ns) {
            self.now_ns = self.now_ns.max(deadline_ns);
            self.apply(&Input::Tick);
        }
        self.now_ns = until_ns;
    }

    /// A frame's text arrives.
    fn hear(&mut self, text: &str) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut admitted = std::mem::take(&mut self.admitted);
        match decode(text, &mut scratch).expect("a good frame") {
            Frame::UserFills { user: address, snapshot } => {
                match self.core.admit(&address, snapshot, &scratch.fills, &mut admitted) {
                    Admission::Fills { .. } => {
                        let (origin, fills) = (Origin::Live, &admitted.fills[..]);
                        self.apply(&Input::Fills { address, origin, fills });
                    }
                    admission => assert_eq!(admission, Admission::Nothing),
                }
            }
            Frame::OrderUpdates => {
                if self.core.admit_statuses(&scratch.statuses, &mut admitted) {
                    self.apply(&Input::Statuses(&admitted.statuses));
                }
            }
            frame => panic!("{frame:?}"),
        }
        (self.scratch, self.admitted) = (scratch, admitted);
    }

    fn watch(&mut self, address: Address) {
        self.apply(&Input::Watch { address, start: StartFrom::Snapshot });
        let origin = Origin::Snapshot { last: true, reaches: true };
        self.apply(&Input::Fills { address, origin, fills: &[] });
    }
}

const ACCOUNTS: u8 = 8;

fn address(account: u8) -> Address {
    Address([account; 20])
}

/// Writes the frames of a market, minute by minute. Each order is filled in three parts, in two frames; its end is told
/// before them, between them, after them, or only after their time-out. Perpetuals open, close, and flip; some orders are spot.
#[derive(Default)]
struct Market {
    orders: u64,
    trades: u64,
    /// Lots held in the perpetual, by account.
    positions: [i64; ACCOUNTS as usize],
    /// Ends that are told later, by minute.
    late: VecDeque<Vec<String>>,
}

/// Minutes after which a late end is told: later than the time-out.
const LATE_MINUTES: usize = 6;

impl Market {
    /// The frames of a minute in which each account has `orders` orders, and the number of fills in them.
    fn minute(&mut self, at_ms: u64, orders: u64) -> (Vec<String>, u64) {
        let mut frames = Vec::new();
        if self.late.len() == LATE_MINUTES {
            frames.extend(self.late.pop_front().into_iter().flatten());
        }
        self.late.push_back(Vec::new());
        let before = self.trades;
        for order in 0..orders {
            for account in 0..ACCOUNTS {
                self.order(at_ms + order * 10, account, &mut frames);
            }
        }
        (frames, self.trades - before)
    }

    fn order(&mut self, at_ms: u64, account: u8, frames: &mut Vec<String>) {
        self.orders += 1;
        let oid = self.orders;
        let spot = oid.is_multiple_of(5);
        let coin = if spot { "@107" } else { "xyz:CL" };
        let position = self.positions[usize::from(account)];
        // Opens 15 when flat; otherwise closes, and every third time flips.
        let lots = match position {
            0 => [5, 5, 5],
            held if oid.is_multiple_of(3) => [-held, -held / 3, -held * 2 / 3],
            held => [-held / 3; 3],
        };
        let end = format!(
            r#"{{"channel":"orderUpdates","data":[{{"order":{{"coin":"{coin}","side":"B","limitPx":"75.1","sz":"0.0","oid":{oid},"timestamp":{at_ms},"origSz":"{}"}},"status":"filled","statusTimestamp":{at_ms}}}]}}"#,
            lots.iter().map(|lots| lots.abs()).sum::<i64>()
        );
        let fills = lots.map(|lots| self.fill(at_ms, account, oid, coin, lots));
        let first = frame_of(account, &fills[..1]);
        let rest = frame_of(account, &fills[1..]);
        match oid % 7 {
            0 => frames.extend([end, first, rest]),
            1 => frames.extend([first, end, rest]),
            2 => {
                frames.extend([first, rest]);
                self.late.back_mut().expect("made for this minute").push(end);
            }
            // The venue repeats itself.
            3 => frames.extend([first, rest.clone(), rest, end.clone(), end]),
            _ => frames.extend([first, rest, end]),
        }
    }

    fn fill(&mut self, at_ms: u64, account: u8, oid: u64, coin: &str, lots: i64) -> String {
        self.trades += 1;
        let position = &mut self.positions[usize::from(account)];
        let start = if coin.starts_with('@') { 0 } else { *position };
        *position += if coin.starts_with('@') { 0 } else { lots };
        let (side, dir) = if lots > 0 { ("B", "Open Long") } else { ("A", "Close Long") };
        let mut text = String::new();
        write!(
            text,
            r#"{{"coin":"{coin}","px":"75.1{}","sz":"{}","side":"{side}","time":{at_ms},"startPosition":"{start}","dir":"{dir}","closedPnl":"-2.600745","hash":"0x0da3f51a7423740a0f1d0445f5707e02017400000f2692dcb16ca06d33274df4","oid":{oid},"crossed":true,"fee":"-0.067987","tid":{},"cloid":"0x000000000000000000065d2917ff6969","feeToken":"USDC","twapId":null}}"#,
            self.trades % 10,
            lots.abs(),
            self.trades,
        )
        .expect("a string takes every write");
        text
    }
}

fn frame_of(account: u8, fills: &[String]) -> String {
    let (user, fills) = (address(account), fills.join(","));
    format!(r#"{{"channel":"userFills","data":{{"user":"{user}","fills":[{fills}]}}}}"#)
}

/// Runs `minutes` of a market of `orders` orders a minute and account. Fills heard, and allocations on their way.
fn run(way: &mut Way, market: &mut Market, minutes: u64, orders: u64) -> (u64, u64) {
    let (mut heard, mut allocations) = (0, 0);
    for _ in 0..minutes {
        let (frames, fills) = market.minute(way.now_ns / 1_000_000, orders);
        let next_ns = way.now_ns + MINUTE_NS;
        heard += fills;
        let before = count();
        frames.iter().for_each(|frame| way.hear(frame));
        way.wait_until(next_ns);
        allocations += count() - before;
        // Segments are made by another thread.
        while let Some(order) = way.journal.segment_wanted() {
            let segment = persist::segment::prepare(&order).expect("room on the disk");
            way.journal.segment_ready(segment);
        }
    }
    (heard, allocations)
}

fn check(emit: Emit) {
    let mut way = Way::new(Policy { emit, emit_final: true, ..Policy::default() });
    (0..ACCOUNTS).for_each(|account| way.watch(address(account)));
    let mut market = Market::default();
    // Warm-up: a peak of three times the load, until what is kept for half an hour has its size.
    let (_, warm_up) = run(&mut way, &mut market, 65, 9);
    assert!(warm_up > 0, "the counter counts");
    run(&mut way, &mut market, 65, 3);
    let signals = way.signals;
    let (fills, allocations) = run(&mut way, &mut market, 70, 3);
    assert_eq!(allocations, 0, "{emit:?}: {fills} fills");
    assert!(fills >= 5_000, "{fills} fills");
    assert_eq!(way.core.counts().fills, market.trades, "every fill was taken once");
    assert_eq!(way.core.counts().signals, way.signals, "every signal came out");
    assert!(way.signals - signals >= fills / 3, "each order was signalled");
    // Orders come and go: those that wait for a late end are the only ones that stay longer than a minute.
    assert!(way.core.orders() < 100, "{} orders", way.core.orders());
}

#[test]
fn after_warm_up_the_way_of_a_fill_allocates_nothing_by_order() {
    check(Emit::Order);
}

#[test]
fn after_warm_up_the_way_of_a_fill_allocates_nothing_by_frame() {
    check(Emit::Frame);
}
