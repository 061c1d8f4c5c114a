//! What a shard and the control thread say to each other.

use std::net::{IpAddr, SocketAddr};

use crate::config::SourceKind;
use net::Target;
use net::hyperliquid::Tokens;
use net::hyperliquid::subscription::Subscription;
use persist::segment::{Segment, SegmentOrder};
use shards::{
    Address, CacheCounts, Coin, Counts, Fill, Gap, OrderStatus, Request, StartFrom, SymbolEntry,
};

/// A server to connect to, from one source address.
#[derive(Clone, Debug)]
pub struct Source {
    /// What speaks there.
    pub kind: SourceKind,
    /// Where; a source without a server has no connections.
    pub target: Option<Target>,
    /// Its addresses, as control resolved them: name resolution blocks, and a core must not.
    pub resolved: Vec<SocketAddr>,
    /// The address of this host to connect from.
    pub local_addr: Option<IpAddr>,
}

/// To a shard.
#[derive(Debug)]
pub enum Command {
    /// All journals are good: open yours. The first command.
    Open,
    /// Follow an account over a source.
    Watch {
        /// The account.
        address: Address,
        /// Index of the source.
        source: usize,
        /// The connection's number; `None` when a feeder brings the account.
        link: Option<usize>,
        /// Where its signals begin, if it is new.
        start: StartFrom,
        /// Tells this watch from others of the same account: answers and joins carry it.
        ticket: u64,
    },
    /// Follow an account no longer.
    Unwatch(Address),
    /// How much a connection may do from here on.
    Allow {
        /// Its number.
        link: usize,
        /// Messages that it may send in a minute.
        messages_per_minute: u32,
        /// Times that it may connect in a minute.
        connects_per_minute: u32,
    },
    /// No account needs this connection any more: [`Reply::Left`] says when it is closed.
    Leave {
        /// Its number.
        link: usize,
        /// Comes back with the answer. There is none if an account comes to the connection before.
        ticket: u64,
    },
    /// Let go of every account that is not in this list.
    Keep(Vec<Address>),
    /// Symbols: all when the table was read for the first time, later what changed in it, and answers to
    /// [`Reply::SymbolWanted`].
    Symbols(Vec<SymbolEntry>),
    /// How tokens are priced, and in which of them the dexes count.
    Tokens(Box<Tokens>),
    /// The dexes whose prices are to be followed, in place of those before.
    Prices(Vec<Coin>),
    /// The answer to [`Request::Backfill`], or a page of it.
    Backfill {
        /// The account.
        address: Address,
        /// The fills.
        fills: Vec<Fill>,
        /// Whether no more pages come.
        last: bool,
    },
    /// The back-fill was given up.
    BackfillFailed {
        /// The account.
        address: Address,
    },
    /// The answer to [`Reply::StatusWanted`].
    Status(OrderStatus),
    /// A source's host was looked up again.
    Resolved {
        /// Index of the source.
        source: usize,
        /// Its addresses.
        addresses: Vec<SocketAddr>,
    },
    /// A segment was prepared.
    Segment(Segment),
    /// Whether the disk has space for segments. While it has not, and few are left, no new account is followed.
    Space(bool),
    /// Stop taking input, make everything durable, seal, and end.
    Stop,
}

/// From a shard.
#[derive(Debug)]
pub enum Reply {
    /// The journal was read and judged; nothing was changed. The shard waits for [`Command::Open`].
    Judged(Judged),
    /// The journal was replayed; the shard works.
    Opened(Opened),
    /// The journal could not be opened. The shard ends.
    NotOpened(NotOpened),
    /// A core's request.
    Request(Request),
    /// The end of an order may have been missed.
    StatusWanted {
        /// The account.
        address: Address,
        /// The order.
        oid: u64,
    },
    /// An account is watched that a feeder is to bring.
    Watched {
        /// The account.
        address: Address,
        /// Of the watch.
        ticket: u64,
    },
    /// A coin is traded that the shard has no symbol for at hand. Asked once; the answer may come when the table has it.
    SymbolWanted {
        /// The coin.
        coin: Coin,
    },
    /// A segment is wanted.
    SegmentWanted(SegmentOrder),
    /// A connection changed.
    Link(LinkNews),
    /// A connection that no account needs is closed.
    Left {
        /// Its number.
        link: usize,
        /// Of [`Command::Leave`].
        ticket: u64,
    },
    /// An account cannot be followed yet for want of disk space. The shard follows it when there is some, unless it is
    /// let go before.
    NoSpace {
        /// The account.
        address: Address,
        /// Of the watch.
        ticket: u64,
    },
    /// The subscription to an account's fills is acknowledged; its snapshot is still to come.
    Acknowledged {
        /// The account.
        address: Address,
        /// Of the watch.
        ticket: u64,
    },
    /// An account is followed: its subscriptions are acknowledged and its snapshot has come, or its feeder brings it.
    Followed {
        /// The account.
        address: Address,
        /// Of the watch.
        ticket: u64,
    },
    /// An account is followed no longer, until it is told again: a provider's group was ended to make room.
    Unfollowed(Address),
    /// Everything that a feeder gave up to this block is durable.
    Fed {
        /// Index of the source.
        source: u16,
        /// The feeder's number of the block.
        number: u64,
        /// Up to where the journal is durable.
        seq: u64,
        /// Its time, Unix milliseconds.
        time_ms: u64,
    },
    /// Counters, about once a second.
    Report(Box<Report>),
    /// The shard has ended in order.
    Stopped(Box<Stopped>),
    /// The shard cannot go on; the process must end.
    Fault(String),
}

/// Why a journal was not opened.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    /// The journal says no.
    #[error(transparent)]
    Journal(Box<persist::open::OpenError>),
    /// The replay was broken off.
    #[error("{}: {why}", .dir.display())]
    Broken {
        /// The journal.
        dir: std::path::PathBuf,
        /// Why.
        why: super::replayer::Broken,
    },
}

/// What reading a journal found.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// Whether there is none yet.
    pub is_new: bool,
    /// Newest seq in it.
    pub last_seq: u64,
    /// Newest event in it.
    pub last_event: persist::Position,
}

/// What opening the journal found.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Newest seq in the journal.
    pub last_seq: u64,
    /// Records replayed.
    pub records: u64,
    /// Newest event in the journal.
    pub last_event: persist::Position,
    /// Seq of the snapshot from which the replay began.
    pub snapshot: Option<u64>,
    /// What is wrong with snapshots that could not be used.
    pub skipped: Vec<String>,
    /// What was cut off at the end.
    pub torn: Option<persist::journal::TornTail>,
    /// Which ring features the kernel has.
    pub ring: crate::lane::ring::Flavour,
    /// Whether the journal is written past the page cache.
    pub direct: bool,
    /// Whether batches are written from buffers registered with the ring.
    pub registered: bool,
}

/// A change of a connection, for the log.
#[derive(Clone, Debug)]
pub enum LinkNews {
    /// It is open.
    Up {
        /// Its number on this shard.
        link: usize,
        /// Accounts on it.
        users: usize,
        /// Milliseconds since it was lost; 0 the first time.
        away_ms: u64,
    },
    /// It is lost.
    Down {
        /// Index of its source.
        source: usize,
        /// Its number on this shard.
        link: usize,
        /// Accounts on it.
        users: usize,
        /// Why.
        why: String,
        /// When it is tried again, milliseconds from now.
        retry_ms: u64,
    },
    /// It was closed: no account needs it.
    Left {
        /// Its number on this shard.
        link: usize,
    },
    /// It may not be opened yet: the venue takes so many in a minute.
    Paced {
        /// Its number on this shard.
        link: usize,
        /// Accounts on it.
        users: usize,
        /// When it is opened, milliseconds from now.
        wait_ms: u64,
    },
    /// The venue refused a subscription.
    Refused {
        /// Which, if it is known.
        subscription: Option<Subscription>,
        /// The venue's words.
        said: String,
        /// Milliseconds until it is asked again.
        retry_ms: Option<u64>,
    },
    /// A subscription was not acknowledged in time.
    TimedOut {
        /// Which.
        subscription: Subscription,
    },
    /// A provider's frames are numbered, and some did not come. Its accounts' fills are fetched by REST.
    Missed {
        /// Its number on this shard.
        link: usize,
        /// Number of the last frame before.
        after_seq: u64,
        /// Number of the frame that came instead of the next.
        next_seq: u64,
    },
    /// Fills with numbers that no market makes were left out.
    Unsound {
        /// The account.
        address: Address,
        /// The first one: coin, size, price.
        fill: String,
        /// How many in the frame.
        count: u64,
    },
    /// Fills are missing for good.
    Gap(Gap),
    /// A coin that the symbol table does not have, said once.
    UnknownCoin {
        /// The coin.
        coin: Coin,
    },
    /// A frame could not be read. The first ten are told, then ever fewer.
    Unreadable {
        /// Where and why, with a sample.
        why: String,
    },
}

/// Counters of a shard. Totals since the start, unless said otherwise.
#[derive(Clone, Copy, Default, Debug)]
pub struct Report {
    /// Of the core, since the journal began.
    pub counts: Counts,
    /// Frames received.
    pub frames: u64,
    /// Those of them with live fills of an account.
    pub fill_frames: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Fills that were known already.
    pub duplicates: u64,
    /// Fills with impossible numbers.
    pub unsound: u64,
    /// Frames that could not be read.
    pub unreadable: u64,
    /// Orders remembered now.
    pub orders: u64,
    /// Orders with fills that are not yet signalled, now.
    pub unsignalled: u64,
    /// Connections open now.
    pub links_open: u64,
    /// Connections lost.
    pub links_lost: u64,
    /// Accounts followed now.
    pub followed: u64,
    /// The cache of symbols.
    pub symbols: CacheCounts,
    /// The cache of prices. A look-up is a token that is valued.
    pub prices: CacheCounts,
    /// The accounts whose state is known. A look-up is a state that came; their weight is the bytes of their text;
    /// none goes but with its account.
    pub positions: CacheCounts,
    /// Journal batches that are durable.
    pub flushes: u64,
    /// Bytes of them.
    pub journal_bytes: u64,
    /// Newest durable seq.
    pub durable_seq: u64,
    /// Journal segments that are ready, now.
    pub spares: u64,
    /// Event copies that the ring had no room for; the publisher reads them from the journal.
    pub ring_full: u64,
    /// Loop turns.
    pub turns: u64,
    /// Times the loop slept.
    pub parks: u64,
    /// Times the loop slept for a moment although there was work, to let a flush have its CPU.
    pub gave_way: u64,
}

/// How a shard ended.
#[derive(Clone, Copy, Debug)]
pub struct Stopped {
    /// Last counters.
    pub report: Report,
    /// Hash of the state.
    pub state_hash: u64,
    /// Newest seq, durable.
    pub last_seq: u64,
}
