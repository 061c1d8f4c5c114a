//! The configuration as the program uses it: plain fields, every value already checked.
//!
//! What a field means, its default and its limits stand once, in the table of `keys.rs`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use shards::{Address, Decimal};

/// Everything that can be set.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// `[node]`
    pub node: Node,
    /// `[monitor]`
    pub monitor: Monitor,
    /// `[[source]]`, at least one.
    pub sources: Vec<Source>,
    /// `[aggregation]`
    pub aggregation: Aggregation,
    /// `[dedup]`
    pub dedup: Dedup,
    /// `[symbols]`
    pub symbols: Symbols,
    /// `[canary]`
    pub canary: Canary,
    /// `[match]`
    pub matching: Matching,
    /// `[journal]`
    pub journal: Journal,
    /// `[stdout]`
    pub stdout: Stdout,
    /// `[nats]`
    pub nats: Nats,
    /// `[store]`
    pub store: Store,
    /// `[admin]`
    pub admin: Admin,
    /// `[log]`
    pub log: Log,
}

/// The process on its host.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the table of keys says it")]
pub struct Node {
    pub name: String,
    pub data_dir: PathBuf,
    pub shards: Shards,
    pub cpus: Cpus,
    /// `None` is `auto`.
    pub publisher_cpu: Option<usize>,
    pub poll: Poll,
    pub spin_for: Duration,
    pub profile: Profile,
}

/// How many shards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shards {
    /// As many as the usable CPUs allow.
    Auto,
    /// This many.
    Count(u16),
}

/// Which CPUs the shards take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cpus {
    /// Any that this process may use.
    Auto,
    /// These, shard 0 first.
    List(Vec<usize>),
}

/// What a core does when it has nothing to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Poll {
    /// Sleeps in its ring after `spin_for`.
    Park,
    /// Keeps asking; for dedicated, isolated cores.
    Spin,
}

/// How strict to be about the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    /// Works anywhere; says what is not as it should be.
    Dev,
    /// Refuses a host on which latency cannot be kept.
    Prod,
}

/// What is watched.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the table of keys says it")]
pub struct Monitor {
    /// Those of `addresses` and of `addresses_file`, each once, in the order written.
    pub addresses: Vec<Address>,
    /// Those of `addresses` alone.
    pub listed: Vec<Address>,
    /// Those of `addresses_file` alone.
    pub in_file: Vec<Address>,
    pub addresses_file: Option<PathBuf>,
    pub addresses_from_database: bool,
    pub reload_interval: Duration,
    pub remove_grace: Duration,
    pub start_from: StartFrom,
    pub users_per_connection: u32,
}

/// What the first snapshot of a new address is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartFrom {
    /// The baseline: only what comes after it is news.
    Now,
    /// News.
    Snapshot,
}

/// One upstream, reached from one local address, with the limits the venue sets for that.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the table of keys says it")]
pub struct Source {
    pub kind: SourceKind,
    pub ws_url: String,
    /// Of a node only, and there always.
    pub node_dir: Option<PathBuf>,
    /// For the public WebSocket derived from `ws_url` when not set: same host, `http` for `ws`, path `/info`.
    pub info_url: Option<String>,
    pub local_addr: Option<IpAddr>,
    /// `u32::MAX` is no limit.
    pub users_per_ip: u32,
    pub connections_per_ip: u32,
    pub connects_per_minute: u32,
    pub subscriptions_per_ip: u32,
    pub messages_per_minute: u32,
    pub rest_weight_per_minute: u32,
}

/// What speaks at the other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SourceKind {
    /// Hyperliquid's public WebSocket API, or a server that speaks it.
    HyperliquidWs,
    /// The files that an own node writes.
    HyperliquidNode,
    /// A provider's WebSocket: fills of many accounts by one subscription.
    HyperliquidProvider,
}

/// From fills to signals.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the table of keys says it")]
pub struct Aggregation {
    pub emit: Emit,
    pub emit_final: bool,
    pub timeout: Duration,
    pub status_grace: Duration,
    pub status_ttl: Duration,
}

/// When a leg is emitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Emit {
    /// At the order's terminal status.
    Order,
    /// With each frame that brings fills.
    Frame,
}

/// Never twice.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the table of keys says it")]
pub struct Dedup {
    pub window: Duration,
}

/// Instrument names.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the table of keys says it")]
pub struct Symbols {
    pub refresh: Duration,
    /// Additions to, and replacements in, the built-in table of spot tokens.
    pub aliases: BTreeMap<String, String>,
    pub cache_size: u64,
    pub price_cache_size: u64,
}

/// Live or shadow subject, by address.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the table of keys says it")]
pub struct Canary {
    /// Percent of the addresses, 0 to 100.
    pub ratio: u8,
    pub shadow_subject: String,
}

/// The matching engine.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the table of keys says it")]
pub struct Matching {
    pub symbols: Vec<MatchSymbol>,
    pub listen: SocketAddr,
}

/// One order book.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MatchSymbol {
    /// Name of the instrument.
    pub name: String,
    /// Smallest step of the price.
    pub tick: Decimal,
    /// Smallest step of the size.
    pub lot: Decimal,
}

/// The journal of each shard.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the table of keys says it")]
pub struct Journal {
    /// Bytes.
    pub segment_size: u64,
    pub flush: FlushMode,
    /// Batches that may be on their way to the disk at a time, 1 to 4.
    pub writes_in_flight: u64,
    /// Inputs between two snapshots.
    pub snapshot_every: u64,
}

/// How a batch is made durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlushMode {
    /// What is right for this host: `Linked` unless measured otherwise.
    Auto,
    /// A write and an fdatasync, linked in one submission.
    Linked,
    /// One write with `RWF_DSYNC`.
    Dsync,
}

/// Signals as JSON lines on standard output.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the table of keys says it")]
pub struct Stdout {
    pub enabled: bool,
}

/// The NATS sink.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the table of keys says it")]
pub struct Nats {
    pub url: Option<String>,
    pub subject: String,
    pub jetstream: bool,
    pub stream: String,
    pub ack_window: u32,
    pub creds_file: Option<PathBuf>,
}

/// The database sink.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the table of keys says it")]
pub struct Store {
    pub url: StoreUrl,
    pub batch_size: u32,
    pub flush_interval: Duration,
    pub retention: Duration,
}

/// Where rows go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StoreUrl {
    /// Nowhere: `url = ""`.
    None,
    /// One SQLite file; a relative path is inside `node.data_dir`.
    Sqlite(PathBuf),
}

/// The administration port.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the table of keys says it")]
pub struct Admin {
    /// `None` for none.
    pub listen: Option<SocketAddr>,
    pub token_file: Option<PathBuf>,
}

/// The program's own log.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "the table of keys says it")]
pub struct Log {
    pub level: LogLevel,
    pub format: LogFormat,
}

/// What is worth a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The word, as `tracing` spells it.
    pub const fn name(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

/// The form of a log line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}
