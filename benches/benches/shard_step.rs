//! What does one `userFills` frame with one fill cost a shard, step by step, up to the journal's batch buffer?
//!
//! `hostile` is a snapshot of 2,000 fills of one millisecond in reverse order, the whole of it: what a stranger can make a
//! shard do. `decode` is the text alone; `admit_step` the state machine alone, with one signal a fill (`emit = "frame"`); `all` is
//! both with input and event in the batch buffer. Flushing is left out: a batch has many fills, and disks differ.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use net::hyperliquid::{Frame, Scratch, decode};
use persist::journal::{self, Journal};
use shards::codec::{encode_event, encode_input, event_kind, input_kind};
use shards::input::{Emit, FILLS_PER_INPUT_MAX};
use shards::{
    Address, Admission, Admitted, Core, Effects, Event, Fill, Input, Origin, Policy, Request,
    StartFrom,
};

const USER: Address = Address([0x0a; 20]);
/// Fills between two flushes: some 300 KiB of records.
const FILLS_PER_FLUSH: u64 = 1_000;
/// Orders that are filled in turn.
const ORDERS: u64 = 500;
/// Block time of the first fill.
const START_MS: u64 = 1_791_280_942_711;

/// The text of the `n`-th frame: an order opens when `n` is even, the next one closes.
fn frame(n: u64) -> String {
    let (side, start, dir) = match n % 2 {
        0 => ("B", "0.0", "Open Long"),
        _ => ("A", "0.07905", "Close Long"),
    };
    let (time, oid, tid) = (START_MS + n, 566_617_233_807 + n % ORDERS, 669_583_051_366_496 + n);
    format!(
        r#"{{"channel":"userFills","data":{{"user":"{USER}","fills":[{{"coin":"BTC","px":"86006.0","sz":"0.07905","side":"{side}","time":{time},"startPosition":"{start}","dir":"{dir}","closedPnl":"-2.600745","hash":"0x0da3f51a7423740a0f1d0445f5707e02017400000f2692dcb16ca06d33274df4","oid":{oid},"crossed":true,"fee":"-0.067987","tid":{tid},"cloid":"0x000000000000000000065d2917ff6969","feeToken":"USDC","twapId":null}}]}}}}"#
    )
}

/// The state machine in the middle of its day.
struct Shard {
    core: Core,
    admitted: Admitted,
    /// Fills so far: the number of the next frame, and what moves time on.
    next: u64,
}

#[derive(Default)]
struct Count(u64);

impl Effects for Count {
    fn event(&mut self, event: &Event) {
        black_box(event);
        self.0 += 1;
    }

    fn request(&mut self, request: Request) {
        panic!("nothing is missing: {request:?}");
    }
}

impl Shard {
    fn new() -> Shard {
        let mut shard = Shard { core: Core::new(), admitted: Admitted::default(), next: 0 };
        // Ten seconds of keys at this pace, so that the benchmark does not measure the growth of a list.
        let policy = Policy { emit: Emit::Frame, dedup_window_ms: 10_000, ..Policy::default() };
        let origin = Origin::Snapshot { last: true, reaches: true };
        for input in [
            Input::Policy(policy),
            Input::Watch { address: USER, start: StartFrom::Snapshot },
            Input::Fills { address: USER, origin, fills: &[] },
        ] {
            shard.core.step(1, &input, &mut ());
        }
        shard
    }

    fn now_ns(&self) -> u64 {
        (START_MS + self.next) * 1_000_000
    }

    fn admit(&mut self, fills: &[Fill]) {
        let admission = self.core.admit(&USER, false, fills, &mut self.admitted);
        assert_eq!(admission, Admission::Fills { reaches: false });
    }

    /// Takes a fill that is decoded already.
    fn admit_step(&mut self, fills: &[Fill]) {
        self.admit(fills);
        let (now_ns, mut count) = (self.now_ns(), Count::default());
        let fills = &self.admitted.fills[..];
        let input = Input::Fills { address: USER, origin: Origin::Live, fills };
        self.core.step(now_ns, &input, &mut count);
        assert_eq!(count.0, 1);
        self.next += 1;
    }
}

/// The effects of one input, into the batch buffer.
struct Batch<'a> {
    journal: &'a mut Journal,
    body: &'a mut Vec<u8>,
    now_ns: u64,
}

impl Effects for Batch<'_> {
    fn event(&mut self, event: &Event) {
        self.body.clear();
        encode_event(event, self.body);
        let body = &*self.body;
        self.journal.push_event(event_kind(event), self.now_ns, |to| to.extend_from_slice(body));
    }

    fn request(&mut self, request: Request) {
        panic!("nothing is missing: {request:?}");
    }
}

/// From the text to input and event in the batch buffer.
fn all(shard: &mut Shard, text: &str, scratch: &mut Scratch, disk: &mut Disk) {
    let frame = decode(black_box(text), scratch);
    assert!(matches!(frame, Ok(Frame::UserFills { snapshot: false, .. })));
    shard.admit(&scratch.fills);
    let now_ns = shard.now_ns();
    let fills = &shard.admitted.fills[..];
    let input = Input::Fills { address: USER, origin: Origin::Live, fills };
    disk.journal.push_input(input_kind(&input), now_ns, |body| encode_input(&input, body));
    let mut batch = Batch { journal: &mut disk.journal, body: &mut disk.body, now_ns };
    shard.core.step(now_ns, &input, &mut batch);
    shard.next += 1;
}

/// Times `work` on as many fresh frames as asked for. Making them with `make`, and what `make` does first, is not timed.
fn timed<S, T>(
    iterations: u64,
    state: &mut S,
    make: impl Fn(&mut S, u64) -> Vec<T>,
    work: impl Fn(&mut S, &T),
) -> Duration {
    let (mut time, mut left) = (Duration::ZERO, iterations);
    while left > 0 {
        let count = left.min(FILLS_PER_FLUSH);
        let made = make(state, count);
        let start = Instant::now();
        made.iter().for_each(|one| work(state, one));
        time += start.elapsed();
        left -= count;
    }
    time
}

/// A journal in a temporary directory.
struct Disk {
    journal: Journal,
    body: Vec<u8>,
    _dir: tempfile::TempDir,
}

impl Disk {
    fn new() -> Disk {
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
        Disk { journal: opened.expect("a new journal").journal, body: Vec::new(), _dir: dir }
    }

    /// Writes what is pending, and makes room for more.
    fn flush(&mut self) {
        while let Some(order) = self.journal.segment_wanted() {
            let segment = persist::segment::prepare(&order).expect("room on the disk");
            self.journal.segment_ready(segment);
        }
        self.journal.flush_blocking().expect("a disk that works");
    }
}

fn texts(shard: &Shard, count: u64) -> Vec<String> {
    (shard.next..shard.next + count).map(frame).collect()
}

fn fills(shard: &Shard, scratch: &mut Scratch, count: u64) -> Vec<Fill> {
    let decoded = |text: &String| {
        decode(text, scratch).expect("a good frame");
        scratch.fills[0]
    };
    texts(shard, count).iter().map(decoded).collect()
}

/// A position that grows by one, 2,000 times in one millisecond, told backwards.
fn backwards(scratch: &mut Scratch) -> Vec<Fill> {
    decode(&frame(0), scratch).expect("a good frame");
    let first = scratch.fills[0];
    let nth = |n: u64| Fill { start_position: n.into(), sz: 1.into(), tid: n + 1, ..first };
    (0..2_000).rev().map(nth).collect()
}

/// Takes a snapshot into an account that has nothing yet.
fn snapshot(fills: &[Fill]) {
    let (mut core, mut admitted, mut count) = (Core::new(), Admitted::default(), Count::default());
    core.step(1, &Input::Watch { address: USER, start: StartFrom::Snapshot }, &mut count);
    let admission = core.admit(&USER, true, fills, &mut admitted);
    assert!(matches!(admission, Admission::Fills { .. }));
    let parts = admitted.fills.chunks(FILLS_PER_INPUT_MAX);
    let count_of_parts = parts.len();
    for (at, fills) in parts.enumerate() {
        let origin = Origin::Snapshot { last: at + 1 == count_of_parts, reaches: true };
        core.step(1, &Input::Fills { address: USER, origin, fills }, &mut count);
    }
    assert_eq!((core.counts().fills as usize, core.counts().gaps), (fills.len(), 0));
}

fn shard_step(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("shard_step");
    let mut scratch = Scratch::default();
    let text = frame(0);
    group.bench_function("decode", |b| {
        b.iter(|| {
            let frame = decode(black_box(&text), &mut scratch);
            assert!(matches!(frame, Ok(Frame::UserFills { .. })));
            scratch.fills.len()
        });
    });
    let mut state = (Shard::new(), Scratch::default());
    group.bench_function("admit_step", |b| {
        b.iter_custom(|iterations| {
            timed(
                iterations,
                &mut state,
                |(shard, scratch), count| fills(shard, scratch, count),
                |(shard, _), fill| shard.admit_step(std::slice::from_ref(fill)),
            )
        });
    });
    let mut state = (Shard::new(), Scratch::default(), Disk::new());
    group.bench_function("all", |b| {
        b.iter_custom(|iterations| {
            timed(
                iterations,
                &mut state,
                |(shard, _, disk), count| {
                    disk.flush();
                    texts(shard, count)
                },
                |(shard, scratch, disk), text| all(shard, text, scratch, disk),
            )
        });
    });
    let fills = backwards(&mut Scratch::default());
    group.bench_function("hostile", |b| b.iter(|| snapshot(black_box(&fills))));
    group.finish();
}

criterion_group!(benches, shard_step);
criterion_main!(benches);
