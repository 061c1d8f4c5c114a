//! The chain as a node beside the venue writes it: every block one line, with the fills and the
//! order states of everyone.
//!
//! Pure: it says what to append to which file; `node_files.rs` does it. All accounts trade on one
//! clock here, so that a block's time is the time of the fills in it. Each trade stands there twice,
//! for buyer and seller, and strangers trade too.

use std::collections::VecDeque;
use std::time::Duration;

use shards::{Address, Decimal, Dir, Fill, Side};

use super::coins::{COINS, PERPS};
use super::public::counterparty;
use super::random::Random;
use super::tape::{Block, Extras, TapeFill, TapeUpdate, fill_on_tape};
use super::trader::address_of;

/// Number of the block before the first.
const NUMBER_BASE: u64 = 800_000_000;
/// Without anything to tell, an empty block comes after this long: positions and gaps are found by
/// block numbers.
const BEAT: Duration = Duration::from_millis(100);
/// Trades between strangers in a block with fills, at most.
const STRANGE_TRADES_MAX: u64 = 2;
/// Milliseconds of an hour.
const HOUR_MS: u64 = 3_600_000;

/// Which file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum NodeKind {
    Fills,
    Statuses,
}

impl NodeKind {
    pub(crate) const BOTH: [NodeKind; 2] = [NodeKind::Fills, NodeKind::Statuses];

    /// Name of the directory.
    pub(crate) fn name(self, plain: bool) -> &'static str {
        match (self, plain) {
            (NodeKind::Fills, false) => "node_fills_by_block",
            (NodeKind::Fills, true) => "node_fills",
            (NodeKind::Statuses, false) => "node_order_statuses_by_block",
            (NodeKind::Statuses, true) => "node_order_statuses",
        }
    }
}

/// Something for the files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum NodeOp {
    /// Append to the file of this hour since the epoch.
    Append { kind: NodeKind, hour: u64, text: String },
    /// Put a copy of the newest file in its place: the same bytes, another file.
    Replace(NodeKind),
}

/// What goes wrong with a block on its way to the files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mishap {
    /// It is never written; its number is missing.
    Skip,
    /// Half of each line now, the rest after this time.
    Part(Duration),
    /// Nothing is written until then.
    Lag(Duration),
    /// The files are replaced after it.
    Replace,
}

/// The block that is being filled.
#[derive(Default, Debug)]
struct Open {
    time_ms: u64,
    fills: Vec<String>,
    statuses: Vec<String>,
}

/// The chain.
#[derive(Debug)]
pub(crate) struct Chain {
    plain: bool,
    /// Length of an hour on the simulator's clock; `None`: the clock of the blocks.
    hour: Option<Duration>,
    number: u64,
    open: Option<Open>,
    last_ms: u64,
    sealed_at: Duration,
    random: Random,
    out: Vec<NodeOp>,
    held: VecDeque<NodeOp>,
    held_until: Option<Duration>,
    /// Unix microseconds at which the simulator's clock began.
    pub(crate) epoch_us: u64,
}

impl Chain {
    /// A chain whose first block is not before `begin_ms`.
    pub(crate) fn new(seed: u64, plain: bool, hour: Option<Duration>, begin_ms: u64) -> Chain {
        Chain {
            plain,
            hour,
            number: NUMBER_BASE,
            open: None,
            last_ms: begin_ms,
            sealed_at: Duration::ZERO,
            random: Random::new(seed, u64::MAX - 2),
            out: Vec::new(),
            held: VecDeque::new(),
            held_until: None,
            epoch_us: 0,
        }
    }

    /// Takes an account's block in. Blocks come in the order of time; one of a later time ends the
    /// chain's block, which is what this returns: it is to be sealed before.
    pub(crate) fn ends_before(&self, block: &Block) -> bool {
        self.open.as_ref().is_some_and(|open| block.time_ms > open.time_ms)
    }

    /// Takes an account's block in.
    pub(crate) fn take_in(&mut self, user: &Address, block: &Block) {
        let time_ms = block.time_ms.max(self.last_ms);
        let mut open = self.open.take().unwrap_or_else(|| Open { time_ms, ..Open::default() });
        let user_text = user.to_string();
        for fill in &block.fills {
            open.fills.push(event_of(&user_text, fill));
            if fill.fill.tid != 0 {
                let other = self.other_side(&fill.fill, &fill.hash);
                open.fills.push(event_of(&counterparty(fill.fill.tid).to_string(), &other));
            }
        }
        let hash = block.fills.first().map_or(super::tape::ZERO_HASH, |fill| &*fill.hash);
        open.statuses
            .extend(block.updates.iter().map(|update| status_of(&user_text, hash, update)));
        self.open = Some(open);
    }

    /// Whether a block waits to be sealed, with fills in it.
    pub(crate) fn has_fills(&self) -> bool {
        self.open.as_ref().is_some_and(|open| !open.fills.is_empty())
    }

    /// Whether it is time for a block, filled or empty.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        self.open.is_some() || now >= self.beat_at()
    }

    /// When an empty block is due.
    pub(crate) fn beat_at(&self) -> Duration {
        self.sealed_at + BEAT
    }

    /// Ends the block, at `clock_ms` of the chain's clock.
    pub(crate) fn seal(&mut self, clock_ms: u64, now: Duration, mishap: Option<Mishap>) {
        let time_ms = clock_ms.max(self.last_ms);
        let mut open = self.open.take().unwrap_or_else(|| Open { time_ms, ..Open::default() });
        if !open.fills.is_empty() {
            for _ in 0..self.random.below(STRANGE_TRADES_MAX + 1) {
                self.strange_trade(&mut open);
            }
        }
        self.number += 1;
        self.last_ms = open.time_ms;
        self.sealed_at = now;
        if mishap == Some(Mishap::Skip) {
            return;
        }
        let nanos = self.random.below(1_000_000);
        let block_time = iso(open.time_ms, nanos);
        let local_us = self.epoch_us + now.as_micros() as u64;
        let local_time = iso(local_us / 1000, local_us % 1000 * 1000);
        let hour = match self.hour {
            None => open.time_ms / HOUR_MS,
            Some(length) => {
                self.epoch_us / 1000 / HOUR_MS + (now.as_nanos() / length.as_nanos().max(1)) as u64
            }
        };
        for kind in NodeKind::BOTH {
            let events = match kind {
                NodeKind::Fills => &open.fills,
                NodeKind::Statuses => &open.statuses,
            };
            let text = if self.plain {
                events.iter().map(|event| format!("{event}\n")).collect()
            } else {
                format!(
                    "{{\"local_time\":\"{local_time}\",\"block_time\":\"{block_time}\",\
                     \"block_number\":{},\"events\":[{}]}}\n",
                    self.number,
                    events.join(",")
                )
            };
            let text = if kind == NodeKind::Statuses {
                text.replace(STATUS_TIME, &block_time)
            } else {
                text
            };
            if !text.is_empty() {
                self.write(kind, hour, text, mishap);
            }
        }
        match mishap {
            Some(Mishap::Part(pause) | Mishap::Lag(pause)) => self.held_until = Some(now + pause),
            Some(Mishap::Replace) => NodeKind::BOTH.into_iter().for_each(|kind| {
                self.put(NodeOp::Replace(kind));
            }),
            _ => {}
        }
    }

    fn write(&mut self, kind: NodeKind, hour: u64, text: String, mishap: Option<Mishap>) {
        match mishap {
            Some(Mishap::Part(_)) => {
                let (first, rest) = text.split_at(text.len() / 2);
                let part = |text: &str| NodeOp::Append { kind, hour, text: text.to_owned() };
                self.put(part(first));
                self.held.push_back(part(rest));
            }
            Some(Mishap::Lag(_)) => self.held.push_back(NodeOp::Append { kind, hour, text }),
            _ => self.put(NodeOp::Append { kind, hour, text }),
        }
    }

    fn put(&mut self, op: NodeOp) {
        if self.held_until.is_some() {
            self.held.push_back(op);
        } else {
            self.out.push(op);
        }
    }

    /// Whether a mishap is going on: one at a time.
    pub(crate) fn is_held(&self) -> bool {
        self.held_until.is_some()
    }

    /// When what is held is let go.
    pub(crate) fn held_until(&self) -> Option<Duration> {
        self.held_until
    }

    /// Lets go what is held, if its time has come; in any case for `None`.
    pub(crate) fn release(&mut self, now: Option<Duration>) {
        if self.held_until.is_some_and(|until| now.is_none_or(|now| until <= now)) {
            self.held_until = None;
            self.out.extend(self.held.drain(..));
        }
    }

    /// What is to be done to the files.
    pub(crate) fn take_ops(&mut self) -> Vec<NodeOp> {
        std::mem::take(&mut self.out)
    }

    /// Whether everything has been given to the files.
    pub(crate) fn is_quiet(&self) -> bool {
        self.open.is_none() && self.held.is_empty() && self.out.is_empty()
    }

    /// The same trade as the other side sees it.
    fn other_side(&mut self, fill: &Fill, hash: &str) -> TapeFill {
        let side = match fill.side {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        };
        let perp = fill.is_perp();
        let (start_position, dir) = match (perp, side) {
            (true, Side::Buy) => (Decimal::ZERO, Dir::OpenLong),
            (true, Side::Sell) => (Decimal::ZERO, Dir::OpenShort),
            (false, Side::Buy) => (Decimal::ZERO, Dir::Buy),
            (false, Side::Sell) => (fill.sz, Dir::Sell),
        };
        let other = Fill {
            side,
            start_position,
            dir,
            closed_pnl: Decimal::ZERO,
            oid: 1 + (self.random.next() >> 24),
            crossed: !fill.crossed,
            fee: Decimal::ZERO,
            cloid: None,
            ..*fill
        };
        let extras = Extras { hash: hash.to_owned(), ..Extras::default() };
        fill_on_tape(other, extras)
    }

    fn strange_trade(&mut self, open: &mut Open) {
        let coin = &COINS[self.random.below(PERPS as u64) as usize];
        let tid = (self.random.next() >> 11).max(1);
        let fill = Fill {
            coin: coin.name.into(),
            px: Decimal::new(coin.start_ticks.into(), coin.px_decimals),
            sz: Decimal::new(self.random.between(1, coin.usual_lots).into(), coin.sz_decimals),
            side: Side::Buy,
            time_ms: open.time_ms,
            start_position: Decimal::ZERO,
            dir: Dir::OpenLong,
            closed_pnl: Decimal::ZERO,
            oid: 1 + (self.random.next() >> 24),
            crossed: true,
            fee: Decimal::ZERO,
            fee_token: "USDC".into(),
            tid,
            cloid: None,
            liquidation: None,
        };
        let hash = super::tape::ZERO_HASH;
        let other = self.other_side(&fill, hash);
        let own = fill_on_tape(fill, Extras { hash: hash.to_owned(), ..Extras::default() });
        open.fills.push(event_of(&address_of(tid, 1).to_string(), &own));
        open.fills.push(event_of(&counterparty(tid).to_string(), &other));
    }
}

/// Stands in an event for the block's time until that is known.
const STATUS_TIME: &str = "BLOCK-TIME";

fn event_of(user: &str, fill: &TapeFill) -> String {
    format!(r#"["{user}",{}]"#, fill.json)
}

fn status_of(user: &str, hash: &str, update: &TapeUpdate) -> String {
    let order = update.order_json.strip_suffix('}').expect("an object");
    let cloid = if update.cloid.is_none() { r#","cloid":null"# } else { "" };
    let reduces = order.contains(r#""reduceOnly":true"#);
    let reduces = if reduces { "" } else { r#","reduceOnly":false"# };
    let status = update.status;
    format!(
        r#"{{"time":"{STATUS_TIME}","user":"{user}","hash":"{hash}","builder":null,"status":"{status}","order":{order}{cloid}{reduces},"triggerCondition":"N/A","isTrigger":false,"triggerPx":"0.0","children":[],"isPositionTpsl":false,"orderType":"Limit","tif":"Gtc"}}}}"#
    )
}

/// A time as node files have it: no zone, nanoseconds.
fn iso(unix_ms: u64, nanos_of_ms: u64) -> String {
    let (seconds, ms) = (unix_ms / 1000, unix_ms % 1000);
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let nanos = ms * 1_000_000 + nanos_of_ms;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}")
}

/// Year, month and day of a number of days since 1970-01-01.
pub(crate) fn civil(days: u64) -> (u64, u64, u64) {
    let mut rest = days;
    let is_leap = |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
    let mut year = 1970;
    while rest >= 365 + u64::from(is_leap(year)) {
        rest -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if rest < days {
            break;
        }
        rest -= days;
        month += 1;
    }
    (year, month, rest + 1)
}

#[cfg(test)]
mod tests;
