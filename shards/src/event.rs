//! What a shard tells the world: signals, gaps.

use crate::address::Address;
use crate::decimal::Decimal;
use crate::fill::{Cloid, Dir};
use crate::partition::ShardId;
use crate::text::{Coin, Label, Symbol, Token};

/// Position of an input in one shard's journal. Starts at 1, has no gaps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Seq(pub u64);

/// The name of an event, derived from the journal alone, so that a replay gives the same one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EventId {
    /// Shard whose journal has it.
    pub shard: ShardId,
    /// Input that it came of.
    pub seq: Seq,
    /// Place among the events of that input, from 0.
    pub index: u32,
}

/// Kind of market.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AssetType {
    /// Perpetuals of the venue and of builder dexes.
    Futures,
    /// Spot pairs and outcomes.
    Spot,
}

impl AssetType {
    /// The word in a signal.
    pub fn as_str(self) -> &'static str {
        match self {
            AssetType::Futures => "futures",
            AssetType::Spot => "spot",
        }
    }
}

/// What a leg does to a position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// It opens or grows.
    Open,
    /// It shrinks or closes.
    Close,
    /// The venue's label says neither.
    Other,
}

impl Direction {
    /// The word in a signal.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Open => "open",
            Direction::Close => "close",
            Direction::Other => "other",
        }
    }
}

/// Side of the position that a leg is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PositionSide {
    /// A long position, or spot.
    Long,
    /// A short position.
    Short,
}

impl PositionSide {
    /// The word in a signal.
    pub fn as_str(self) -> &'static str {
        match self {
            PositionSide::Long => "LONG",
            PositionSide::Short => "SHORT",
        }
    }
}

/// Why a leg was emitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trigger {
    /// The order's terminal status came and the fills add up.
    Status,
    /// The terminal status came, and the fills did not add up in time.
    Grace,
    /// No status in `aggregation.timeout`.
    Timeout,
    /// `emit = "frame"`: each frame's fills at once.
    Frame,
}

impl Trigger {
    /// The word in a signal.
    pub fn as_str(self) -> &'static str {
        match self {
            Trigger::Status => "status",
            Trigger::Grace => "grace",
            Trigger::Timeout => "timeout",
            Trigger::Frame => "frame",
        }
    }
}

/// What forced a leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The watched account was liquidated.
    Liquidation,
    /// Auto-deleveraging.
    AutoDeleveraging,
    /// The market was settled.
    Settlement,
}

impl Reason {
    /// The word in a signal.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Liquidation => "liquidation",
            Reason::AutoDeleveraging => "adl",
            Reason::Settlement => "settlement",
        }
    }
}

/// What was not yet signalled of a leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signal {
    /// The account.
    pub address: Address,
    /// Kind of market.
    pub asset_type: AssetType,
    /// Coin as the wire names it.
    pub coin: Coin,
    /// Symbol as consumers know it; the raw coin while it is unknown.
    pub symbol: Symbol,
    /// `A` to `D`, from `pair_configs`.
    pub coin_type: u8,
    /// What the leg does to the position.
    pub direction: Direction,
    /// Side of the position.
    pub side: PositionSide,
    /// The leg's name: `Open Long`, `Buy`, or the venue's label.
    pub leg: Dir,
    /// price x size / account value x 100, in percent; `None` while the account value is unknown.
    pub position_rate: Option<Decimal>,
    /// Size / |start position of the leg's first fill|, at most 1; 0 unless the leg closes.
    pub close_rate: Decimal,
    /// Size of this revision, exact.
    pub size: Decimal,
    /// Sum of px x sz of this revision, exact.
    pub notional: Decimal,
    /// notional / size, to 18 significant digits.
    pub price: Decimal,
    /// Block time of this revision's first fill, Unix milliseconds.
    pub timestamp_ms: u64,
    /// Block time of the leg's newest fill, Unix milliseconds.
    pub last_fill_ms: u64,
    /// Order id.
    pub oid: u64,
    /// Client order id.
    pub cloid: Option<Cloid>,
    /// Counts from 1 within the leg.
    pub revision: u32,
    /// Whether nothing is expected to follow.
    pub is_final: bool,
    /// The order's terminal status, if it came.
    pub status: Option<Label>,
    /// Why the leg was emitted now.
    pub trigger: Trigger,
    /// Fills in this revision.
    pub fills: u32,
    /// Size of the leg so far, exact.
    pub order_size: Decimal,
    /// Sum of px x sz of the leg so far, exact.
    pub order_notional: Decimal,
    /// Whether the order had fills before the account was watched.
    pub partial_history: bool,
    /// What forced the leg.
    pub reason: Option<Reason>,
    /// Realised profit of this revision, without fees.
    pub closed_pnl: Decimal,
    /// Fees of this revision in `fee_token`.
    pub fee: Decimal,
    /// Token of the first fill's fee.
    pub fee_token: Token,
}

/// Fills that could not be recovered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// The account.
    pub address: Address,
    /// The coin whose chain of positions is broken; empty when no chain shows what may be missing.
    pub coin: Coin,
    /// Block time of the last fill before the gap, Unix milliseconds; 0 if there was none.
    pub from_ms: u64,
    /// Block time of the first fill after the gap, Unix milliseconds.
    pub to_ms: u64,
    /// The position that the chain led to.
    pub expected: Decimal,
    /// The position that the next fill started from.
    pub found: Decimal,
}

/// An event: an output of the shard's state machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "gaps are rare; signals must not cost an allocation")]
pub enum Event {
    /// A signal.
    Signal(Signal),
    /// A gap.
    Gap(Gap),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_that_consumers_read() {
        let assets = [AssetType::Futures, AssetType::Spot].map(AssetType::as_str);
        assert_eq!(assets, ["futures", "spot"]);
        let directions = [Direction::Open, Direction::Close, Direction::Other];
        assert_eq!(directions.map(Direction::as_str), ["open", "close", "other"]);
        assert_eq!(
            [PositionSide::Long, PositionSide::Short].map(PositionSide::as_str),
            ["LONG", "SHORT"]
        );
        let triggers = [Trigger::Status, Trigger::Grace, Trigger::Timeout, Trigger::Frame];
        assert_eq!(triggers.map(Trigger::as_str), ["status", "grace", "timeout", "frame"]);
        let reasons = [Reason::Liquidation, Reason::AutoDeleveraging, Reason::Settlement];
        assert_eq!(reasons.map(Reason::as_str), ["liquidation", "adl", "settlement"]);
    }

    #[test]
    fn ids_follow_the_journal() {
        let id = |seq, index| EventId { shard: ShardId(1), seq: Seq(seq), index };
        assert!(id(1, 9) < id(2, 0) && id(2, 0) < id(2, 1));
        assert_eq!(Seq::default(), Seq(0));
    }
}
