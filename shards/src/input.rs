//! What a shard hears. Every input that changes state is in the journal, with the time it was heard.

use crate::address::Address;
use crate::decimal::Decimal;
use crate::event::AssetType;
use crate::fill::{Fill, OrderStatus};
use crate::text::{Coin, Symbol};

/// Most fills in one input. A longer frame is split, so that one input and its events fit a batch.
pub const FILLS_PER_INPUT_MAX: usize = 512;

/// Where the signals of a newly watched account begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartFrom {
    /// The first snapshot is the baseline, not news.
    Now,
    /// The fills of the first snapshot are news.
    Snapshot,
}

/// When a leg is emitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Emit {
    /// At the order's terminal status, or at a time-out.
    Order,
    /// Each frame's fills at once.
    Frame,
}

/// The settings that decide outputs. They are an input, so that a replay follows the settings of its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// When a leg is emitted.
    pub emit: Emit,
    /// Whether an order's end emits an empty-size final signal when nothing is left to signal.
    pub emit_final: bool,
    /// From a leg's first unsignalled fill to its emission without a status, nanoseconds.
    pub timeout_ns: u64,
    /// From a terminal status to the emission of what is there, nanoseconds.
    pub status_grace_ns: u64,
    /// How long a status without fills is kept, nanoseconds.
    pub status_ttl_ns: u64,
    /// How long fill keys are kept behind an account's newest fill, milliseconds.
    pub dedup_window_ms: u64,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            emit: Emit::Order,
            emit_final: false,
            timeout_ns: 300_000_000_000,
            status_grace_ns: 2_000_000_000,
            status_ttl_ns: 600_000_000_000,
            dedup_window_ms: 1_800_000,
        }
    }
}

/// How fills came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A live frame.
    Live,
    /// The snapshot after a subscription.
    Snapshot {
        /// Whether this is the last input of the snapshot.
        last: bool,
        /// Whether the snapshot reaches back to the account's newest known fill.
        reaches: bool,
    },
    /// An answer of the REST interface.
    Backfill {
        /// Whether this is the last input of the answer.
        last: bool,
    },
}

/// The first snapshot of an account that is watched from now on: what is old.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Baseline<'a> {
    /// Block time of the newest fill, Unix milliseconds; 0 if there is none.
    pub newest_ms: u64,
    /// The fills of that time: later ones of the same millisecond are told from them by key.
    pub newest: &'a [Fill],
    /// Per perpetual, the position after its newest fill.
    pub chain: &'a [(Coin, Decimal)],
    /// Per order, the size filled so far.
    pub orders: &'a [(u64, Decimal)],
}

/// What a coin is called outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SymbolEntry {
    /// Coin as the wire names it.
    pub coin: Coin,
    /// Symbol as consumers know it.
    pub symbol: Symbol,
    /// Kind of market.
    pub asset_type: AssetType,
    /// `A` to `D`.
    pub coin_type: u8,
}

/// One input of the state machine.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Input<'a> {
    /// The settings in force from here on.
    Policy(Policy),
    /// Follow an account.
    Watch {
        /// The account.
        address: Address,
        /// Where its signals begin.
        start: StartFrom,
    },
    /// Follow an account no longer.
    Unwatch {
        /// The account.
        address: Address,
    },
    /// The account's connection was lost: its live fills wait until a snapshot has come again.
    Disconnected {
        /// The account.
        address: Address,
    },
    /// A source without snapshots (a node's files, a provider) feeds the account from here on. An account of which nothing
    /// is known, and whose signals begin now, has its baseline here.
    Joined {
        /// The account.
        address: Address,
        /// Block time from which on it is fed, Unix milliseconds: fills before it are old, if this is its baseline.
        at_ms: u64,
        /// Whether nothing was missed since what is known. If something was, it is asked for.
        continues: bool,
    },
    /// The process began: no account is connected.
    Started,
    /// The baseline of an account.
    Baseline {
        /// The account.
        address: Address,
        /// What is old.
        baseline: Baseline<'a>,
    },
    /// Fills of an account, at most [`FILLS_PER_INPUT_MAX`].
    Fills {
        /// The account.
        address: Address,
        /// How they came.
        origin: Origin,
        /// The fills, in order of arrival.
        fills: &'a [Fill],
    },
    /// The back-fill of an account was given up.
    BackfillFailed {
        /// The account.
        address: Address,
    },
    /// Terminal order statuses. They name no account.
    Statuses(&'a [OrderStatus]),
    /// What an account is worth, in dollars; `None` leaves a value as it was.
    Worth {
        /// The account.
        address: Address,
        /// What backs its perpetuals, on all dexes together.
        account_value: Option<Decimal>,
        /// Value of the spot balances.
        spot_total: Option<Decimal>,
    },
    /// Symbols of coins that are traded from here on, or that changed.
    Symbols(&'a [SymbolEntry]),
    /// Time went on.
    Tick,
    /// What the state's [running digest](crate::Core::digest) was before this input. For whoever replays the journal to
    /// compare; to the state machine it is a [`Input::Tick`].
    Check {
        /// The digest.
        digest: u64,
    },
}

/// What the core asks of the outside. It is not journaled: after a restart the need shows again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// The account's fills since `from_ms` (inclusive), over REST.
    Backfill {
        /// The account.
        address: Address,
        /// Unix milliseconds.
        from_ms: u64,
    },
}
