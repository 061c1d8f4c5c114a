//! Tests of the reader: a node's directory that is written by hand, and shards that are only rings.

mod cases;
mod losses;
mod model;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use net::hyperliquid::node::Kind;
use shards::Address;
use tempfile::TempDir;

use super::hours::Hour;
use super::{Now, Progress, Reader, ReaderOptions};
use crate::lane::bell::Bell;
use crate::lane::channel::{Receiver, channel};
use crate::shard::fed::Fed;

/// Time of block 0, and between two blocks.
const BEGAN_MS: u64 = 1_764_059_598_000;
const BLOCK_MS: u64 = 70;

/// The account of this number.
fn user(number: u8) -> Address {
    Address([number; 20])
}

/// The time of a block, in milliseconds.
fn time_ms(block: u64) -> u64 {
    BEGAN_MS + block * BLOCK_MS
}

/// The same as the node writes it.
fn time_text(block: u64) -> String {
    let ms = time_ms(block) - 1_764_028_800_000;
    let (s, ms) = (ms / 1000, ms % 1000);
    assert!(s < 86_400, "the tests take place on one day");
    format!("2025-11-25T{:02}:{:02}:{:02}.{ms:03}517886", s / 3600, s / 60 % 60, s % 60)
}

/// Fill number `index` of a block: the trade id tells both.
fn fill(block: u64, index: u64) -> String {
    format!(
        r#"{{"coin":"BTC","px":"1.5","sz":"2","side":"B","time":{},"startPosition":"0.0","dir":"Open Long","closedPnl":"0.0","hash":"0x00","oid":{index},"crossed":true,"fee":"0.1","tid":{},"feeToken":"USDC"}}"#,
        time_ms(block),
        tid(block, index),
    )
}

fn tid(block: u64, index: u64) -> u64 {
    block * 1000 + index
}

/// The events of a line: a fill, or a status, of each of these accounts.
fn event(kind: Kind, block: u64, index: u64, user: Address) -> String {
    match kind.is_fills() {
        true => format!(r#"["{user}",{}]"#, fill(block, index)),
        false => format!(
            r#"{{"time":"{}","user":"{user}","status":"filled","order":{{"oid":{},"sz":"0.0","origSz":"2"}}}}"#,
            time_text(block),
            tid(block, index),
        ),
    }
}

/// What a node writes for a block: one line, or one for each event.
fn lines(kind: Kind, block: u64, users: &[Address]) -> String {
    let events: Vec<String> =
        users.iter().zip(0..).map(|(user, index)| event(kind, block, index, *user)).collect();
    match kind.is_by_block() {
        true => format!(
            "{{\"local_time\":\"{0}\",\"block_time\":\"{0}\",\"block_number\":{block},\"events\":[{1}]}}\n",
            time_text(block),
            events.join(",")
        ),
        false => events.iter().map(|event| format!("{event}\n")).collect(),
    }
}

/// A node's directory, a reader of it, and the other ends of its rings.
struct Node {
    dir: TempDir,
    reader: Reader,
    rings: Vec<Receiver<Fed>>,
    now: Now,
}

impl Node {
    /// With rings of this size; nothing is there yet, and nothing is read.
    fn new(shards: usize, ring: usize) -> Node {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (reader, rings) = reader(dir.path(), shards, ring);
        let now = Now { unix_ms: time_ms(0), instant: Instant::now() };
        Node { dir, reader, rings, now }
    }

    /// A reader that knows only what is on the disk.
    fn restart(&mut self, ring: usize) {
        let (reader, rings) = reader(self.dir.path(), self.rings.len(), ring);
        (self.reader, self.rings) = (reader, rings);
    }

    fn path(&self, kind: Kind, hour: u8) -> PathBuf {
        file(self.dir.path(), kind, hour)
    }

    fn append(&self, kind: Kind, hour: u8, text: &str) {
        append(&self.path(kind, hour), text.as_bytes());
    }

    /// One turn, this much later.
    fn turn_after(&mut self, time: Duration) -> Progress {
        self.now.instant += time;
        self.now.unix_ms += time.as_millis() as u64;
        self.reader.turn(self.now)
    }

    /// Turns until everything was read, looking into the directories too.
    fn read(&mut self) {
        while self.turn_after(Duration::from_millis(200)) != Progress::Idle {}
    }

    /// What came for a shard, in words.
    fn took(&mut self, shard: usize) -> String {
        let mut words = Vec::new();
        while let Some(fed) = self.rings[shard].receive() {
            words.push(match fed {
                Fed::Fill { address, fill } => format!("fill {} {}", address.0[0], fill.tid),
                Fed::Status(status) => format!("status {}", status.oid),
                Fed::Block { source: 3, number, .. } => format!("block {number}"),
                Fed::Block { source, .. } => panic!("not source 3: {source}"),
                Fed::Join { address, at_ms, continues, .. } => {
                    let how = if continues { "continues" } else { "joins" };
                    let block = at_ms.saturating_sub(BEGAN_MS) as f64 / BLOCK_MS as f64;
                    format!("{how} {} {block}", address.0[0])
                }
            });
        }
        words.join(", ")
    }

    /// The codes of what was said.
    fn said(&mut self) -> Vec<&'static str> {
        let mut codes = Vec::new();
        while let Some(problem) = self.reader.said() {
            codes.push(problem.code);
        }
        codes
    }
}

fn reader(dir: &Path, shards: usize, ring: usize) -> (Reader, Vec<Receiver<Fed>>) {
    let bell = Arc::new(Bell::new().expect("an eventfd"));
    let (senders, receivers) = (0..shards).map(|_| channel(ring, &bell)).unzip();
    let options = ReaderOptions { source: 3, node_dir: dir.join("node"), data_dir: dir.to_owned() };
    let mut reader = Reader::new(options, senders);
    (0..shards).for_each(|shard| reader.journal(shard, 1));
    (reader, receivers)
}

fn file(dir: &Path, kind: Kind, hour: u8) -> PathBuf {
    let hourly = dir.join("node").join(kind.dir()).join("hourly");
    Hour { day: 20_251_125 + u32::from(hour / 24), hour: hour % 24 }.path(&hourly)
}

fn append(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a day's directory")).expect("created");
    let file = OpenOptions::new().create(true).append(true).open(path);
    let mut file: File = file.expect("opened");
    file.write_all(bytes).expect("written");
}
