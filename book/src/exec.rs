//! Command files: bytes in, digests out. What `corelane book exec` runs.
//!
//! A file is a 64-byte header and as many 32-byte [records](crate::record) as the header counts:
//!
//! | at | field | meaning |
//! |---|---|---|
//! | 0 | magic | `MECMD01\0` |
//! | 8 | version u32 | 1 |
//! | 12 | record size u32 | 32 |
//! | 16 | count u64 | records |
//! | 24 | seed u64 | of the program that made the file; seeds the hash tables |
//! | 32 | stp u8 | self-trade mode of the book |
//! | 33 | zero | 3 bytes |
//! | 36 | prefill u32 | first commands, which only build the book |
//! | 40 | profile | name, zero-padded, 24 bytes |
//!
//! Digests are FNV-1a over packed little-endian fields. T: each trade (maker u64, taker u64, price
//! i64, qty u64). R: each outcome (code u8, filled, resting, cancelled u64). L2, bids then asks
//! from the best: (side u8, price i64, qty u64, orders u32). L3, each order in its queue: (side u8,
//! id u64, price i64, qty u64, user u32).

mod bench;

pub use bench::{BenchReport, LatencyNs, bench};

use crate::book::{Book, BookConfig};
use crate::command::{Command, SelfTrade};
use crate::digest::Digest;
use crate::event::{Event, Events, Outcome, Reject, Trade};
use crate::record::{self, RECORD_BYTES};
use crate::units::Side;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 64;

const MAGIC: [u8; 8] = *b"MECMD01\0";
const VERSION: u32 = 1;

/// Why bytes are no command file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ExecError {
    /// Shorter than a header.
    #[error("{bytes} bytes are no command file: the header alone has 64")]
    NoHeader {
        /// Bytes there.
        bytes: usize,
    },
    /// The first eight bytes are others.
    #[error("no command file: it does not begin with MECMD01")]
    Magic,
    /// A version this program does not know.
    #[error(
        "command file of version {version} (byte 8); this program reads version 1, little-endian"
    )]
    Version {
        /// What the header says.
        version: u32,
    },
    /// A record size other than 32.
    #[error("records of {size} bytes (byte 12); version 1 has 32")]
    RecordSize {
        /// What the header says.
        size: u32,
    },
    /// An unknown self-trade mode.
    #[error("unknown self-trade mode {mode} (byte 32); known are 0 to 4")]
    SelfTradeMode {
        /// What the header says.
        mode: u8,
    },
    /// The file is not as long as its header says.
    #[error(
        "the header (byte 16) counts {count} records, {} bytes, but {} bytes follow it",
        u128::from(*.count) * 32,
        if *.bytes as u128 > u128::from(*.count) * 32 { "more".to_owned() } else { .bytes.to_string() }
    )]
    Length {
        /// What the header says.
        count: u64,
        /// Bytes after the header.
        bytes: usize,
    },
    /// More prefill than commands.
    #[error("the header (byte 36) says a prefill of {prefill}, in a file of {count} commands")]
    Prefill {
        /// What the header says.
        prefill: u32,
        /// Commands in the file.
        count: u64,
    },
}

/// A command file, its header read and its length checked.
#[derive(Clone, Copy, Debug)]
pub struct CommandFile<'a> {
    records: &'a [[u8; RECORD_BYTES]],
    /// Self-trade mode of the book.
    pub self_trade: SelfTrade,
    /// How many of the first commands only build the book.
    pub prefill: usize,
    /// Seed of the program that made the file.
    pub seed: u64,
}

/// What running a command file came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExecReport {
    /// Commands in the file.
    pub cmds: u64,
    /// Trades made.
    pub trades: u64,
    /// Lots traded.
    pub traded_qty: u128,
    /// Commands refused.
    pub rejects: u64,
    /// Digest of the trades.
    pub t: Digest,
    /// Digest of the outcomes.
    pub r: Digest,
    /// Digest of the levels at the end.
    pub l2: Digest,
    /// Digest of the orders at the end.
    pub l3: Digest,
    /// Levels at the end, both sides.
    pub levels: u64,
    /// Orders at the end, both sides.
    pub orders: u64,
    /// Times, when they were asked for.
    pub bench: Option<BenchReport>,
}

/// The most orders and levels a book held at once.
#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    orders: usize,
    levels: usize,
}

/// Runs a command file on an empty book.
pub fn run(bytes: &[u8]) -> Result<ExecReport, ExecError> {
    Ok(measure(&CommandFile::parse(bytes)?).0)
}

/// Runs a command file, with a look at how large the book becomes.
fn measure(file: &CommandFile<'_>) -> (ExecReport, Peak) {
    let BookConfig { orders, levels, .. } = BookConfig::default();
    let (mut book, mut peak) = (file.book(orders, levels), Peak::default());
    let mut tape = Tape { trades: 0, traded_qty: 0, digest: Digest::START };
    let (mut r, mut rejects) = (Digest::START, 0);
    for record in file.records {
        let outcome = record::apply(&mut book, record, &mut tape);
        rejects += u64::from(outcome.reject.is_some());
        feed_outcome(&mut r, &outcome);
        peak.orders = peak.orders.max(book.order_count());
        peak.levels = peak.levels.max(book.level_count());
    }
    let report = ExecReport {
        cmds: file.len() as u64,
        trades: tape.trades,
        traded_qty: tape.traded_qty,
        rejects,
        t: tape.digest,
        r,
        l2: digest_l2(&book),
        l3: digest_l3(&book),
        levels: book.level_count() as u64,
        orders: book.order_count() as u64,
        bench: None,
    };
    (report, peak)
}

impl<'a> CommandFile<'a> {
    /// Reads the header and checks the length.
    pub fn parse(bytes: &'a [u8]) -> Result<CommandFile<'a>, ExecError> {
        let Some((header, body)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(ExecError::NoHeader { bytes: bytes.len() });
        };
        if header[..8] != MAGIC {
            return Err(ExecError::Magic);
        }
        let version = u32_at(header, 8);
        if version != VERSION {
            return Err(ExecError::Version { version });
        }
        let size = u32_at(header, 12);
        if size as usize != RECORD_BYTES {
            return Err(ExecError::RecordSize { size });
        }
        let mode = header[32];
        let self_trade = SelfTrade::from_byte(mode).ok_or(ExecError::SelfTradeMode { mode })?;
        let (count, seed) = (u64_at(header, 16), u64_at(header, 24));
        let (records, rest) = body.as_chunks::<RECORD_BYTES>();
        if !rest.is_empty() || records.len() as u64 != count {
            return Err(ExecError::Length { count, bytes: body.len() });
        }
        let prefill = u32_at(header, 36);
        if u64::from(prefill) > count {
            return Err(ExecError::Prefill { prefill, count });
        }
        Ok(CommandFile { records, self_trade, prefill: prefill as usize, seed })
    }

    /// How many bytes a file has that begins with these: of what is no header, as many as show that.
    /// So that a reader need not take in more of a stream than it can use.
    pub fn bytes_expected(header: &[u8; HEADER_BYTES]) -> u64 {
        if header[..8] != MAGIC || u32_at(header, 12) as usize != RECORD_BYTES {
            return HEADER_BYTES as u64;
        }
        u64_at(header, 16).saturating_mul(RECORD_BYTES as u64).saturating_add(HEADER_BYTES as u64)
    }

    /// Number of commands.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether the file holds no commands.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The records in order.
    pub fn records(&self) -> &'a [[u8; RECORD_BYTES]] {
        self.records
    }

    /// The commands in order; an error for a record that is none.
    pub fn commands(&self) -> impl Iterator<Item = Result<Command, Reject>> + 'a {
        self.records.iter().map(record::decode)
    }

    /// An empty book for this file, with room for so many orders and levels.
    pub fn book(&self, orders: usize, levels: usize) -> Book {
        Book::new(BookConfig { self_trade: self.self_trade, orders, levels, seed: self.seed })
    }
}

impl ExecReport {
    /// The report as one line of JSON, without a line end.
    pub fn to_json_line(&self) -> String {
        let ExecReport { cmds, trades, traded_qty, rejects, t, r, l2, l3, levels, orders, .. } =
            self;
        let times = self.bench.map_or_else(String::new, |bench| bench.to_json_fields());
        format!(
            "{{\"cmds\":{cmds},\"trades\":{trades},\"traded_qty\":{traded_qty},\
             \"rejects\":{rejects},\"T\":\"{t}\",\"R\":\"{r}\",\"L2\":\"{l2}\",\"L3\":\"{l3}\",\
             \"levels\":{levels},\"orders\":{orders}{times}}}"
        )
    }
}

/// Digests trades as they happen.
struct Tape {
    trades: u64,
    traded_qty: u128,
    digest: Digest,
}

impl Events for Tape {
    fn event(&mut self, event: Event) {
        if let Event::Traded(Trade { maker, taker, price, qty, .. }) = event {
            self.trades += 1;
            self.traded_qty += u128::from(qty.0);
            self.digest.feed(&maker.0.to_le_bytes());
            self.digest.feed(&taker.0.to_le_bytes());
            self.digest.feed(&price.0.to_le_bytes());
            self.digest.feed(&qty.0.to_le_bytes());
        }
    }
}

fn feed_outcome(digest: &mut Digest, outcome: &Outcome) {
    digest.feed(&[outcome.code()]);
    for qty in [outcome.filled, outcome.resting, outcome.cancelled] {
        digest.feed(&qty.0.to_le_bytes());
    }
}

/// Digest of the levels, bids then asks, the best first.
pub fn digest_l2(book: &Book) -> Digest {
    let mut digest = Digest::START;
    for level in Side::BOTH.into_iter().flat_map(|side| book.levels(side)) {
        digest.feed(&[level.side as u8]);
        digest.feed(&level.price.0.to_le_bytes());
        digest.feed(&level.qty.0.to_le_bytes());
        digest.feed(&level.orders.to_le_bytes());
    }
    digest
}

/// Digest of the orders, bids then asks, the best level first, each level in queue order.
pub fn digest_l3(book: &Book) -> Digest {
    let mut digest = Digest::START;
    for order in Side::BOTH.into_iter().flat_map(|side| book.orders(side)) {
        digest.feed(&[order.side as u8]);
        digest.feed(&order.id.0.to_le_bytes());
        digest.feed(&order.price.0.to_le_bytes());
        digest.feed(&order.qty.0.to_le_bytes());
        digest.feed(&order.user.0.to_le_bytes());
    }
    digest
}

fn u32_at(header: &[u8; HEADER_BYTES], at: usize) -> u32 {
    let bytes = header[at..].first_chunk().expect("every field ends inside the header");
    u32::from_le_bytes(*bytes)
}

fn u64_at(header: &[u8; HEADER_BYTES], at: usize) -> u64 {
    let bytes = header[at..].first_chunk().expect("every field ends inside the header");
    u64::from_le_bytes(*bytes)
}

#[cfg(test)]
mod tests;
