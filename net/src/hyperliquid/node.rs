//! Lines of the files that a node writes: fills and order statuses of every account of the chain.
//!
//! | kind | one line |
//! |---|---|
//! | `node_fills_by_block` | `{"local_time","block_time","block_number","events":[["0xuser",{fill}],...]}` |
//! | `node_fills` | `["0xuser",{fill}]` |
//! | `node_order_statuses_by_block` | as the first, with `{"time","user","status","order":{...}}` as events |
//! | `node_order_statuses` | one such object |
//!
//! No I/O: a line comes as bytes. Events of accounts that the caller does not want are passed over without being decoded
//! (`skip`), which is most of a node's file. A fill as an object with `user` among its fields is read too, keys may come
//! in any order, unknown ones are ignored. A line that cannot be read is an error and leaves nothing behind, for half
//! a block could not be told from a whole one.
//!
//! The forms are those of the venue's documentation of its node (`l1-data-schemas`); a fill is the API's.

mod skip;
#[cfg(test)]
mod tests;
mod time;

use super::fill::{WireFill, WireOrder};
use super::frame::DecodeError;
use super::wire::{Short, from_str};
use serde::Deserialize;
use serde::de::Deserializer;
use shards::{Address, Fill, OrderStatus};
use skip::{Broken, Skip};
use std::ops::Range;
use time::unix_ms;

/// What the lines of a file are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// All fills of a block.
    FillsByBlock,
    /// One fill.
    Fills,
    /// All order statuses of a block.
    StatusesByBlock,
    /// One order status.
    Statuses,
}

impl Kind {
    /// The directory of such files in a node's data directory.
    pub const fn dir(self) -> &'static str {
        match self {
            Kind::FillsByBlock => "node_fills_by_block",
            Kind::Fills => "node_fills",
            Kind::StatusesByBlock => "node_order_statuses_by_block",
            Kind::Statuses => "node_order_statuses",
        }
    }

    /// Whether a line is a block, with its number and its time.
    pub const fn is_by_block(self) -> bool {
        matches!(self, Kind::FillsByBlock | Kind::StatusesByBlock)
    }

    /// Whether the lines are fills.
    pub const fn is_fills(self) -> bool {
        matches!(self, Kind::FillsByBlock | Kind::Fills)
    }
}

/// Block numbers beyond this are none: a chain of a block each millisecond reaches it in 285 000 years, and an integer of
/// JSON is exact up to there. Who counts on from a block has room for it.
const NUMBER_MAX: u64 = 1 << 53;

/// What of a line is wanted. Reused from line to line.
#[derive(Clone, Debug, Default)]
pub struct Events {
    /// In the order of the line.
    pub fills: Vec<(Address, Fill)>,
    /// In the order of the line.
    pub statuses: Vec<(Address, OrderStatus)>,
}

impl Events {
    fn clear(&mut self) {
        self.fills.clear();
        self.statuses.clear();
    }
}

/// What a line says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// Block number; `None` in files that are not by block.
    pub number: Option<u64>,
    /// Block time, Unix milliseconds. Of a line that is not a block, the time of its event.
    pub time_ms: u64,
    /// Events in the line, wanted or not.
    pub events: usize,
}

/// Reads one line, without its line feed. What the caller wants goes into `events`.
pub fn read(
    kind: Kind,
    line: &[u8],
    wanted: impl Fn(&Address) -> bool,
    events: &mut Events,
) -> Result<Head, DecodeError> {
    events.clear();
    let mut reader = Reader { kind, line, skip: Skip::new(line), wanted, events };
    let read = match kind.is_by_block() {
        true => reader.block(),
        false => reader.single(),
    };
    let read = read.and_then(|head| reader.skip.end().map(|()| head).map_err(Error::from));
    read.map_err(|error| {
        events.clear();
        match error {
            Error::Broken(Broken { at, why }) => DecodeError::in_bytes(line, at, why),
            Error::Json(base, error) => DecodeError::of_piece(line, base, &error),
        }
    })
}

/// The head of a line: what [`read`] says of it, for one that is read for nothing else.
pub fn head(kind: Kind, line: &[u8]) -> Result<Head, DecodeError> {
    read(kind, line, |_| false, &mut Events::default())
}

enum Error {
    Broken(Broken),
    /// In the piece of the line that begins here.
    Json(usize, serde_json::Error),
}

impl From<Broken> for Error {
    fn from(broken: Broken) -> Error {
        Error::Broken(broken)
    }
}

struct Reader<'a, 'e, W> {
    kind: Kind,
    line: &'a [u8],
    skip: Skip<'a>,
    wanted: W,
    events: &'e mut Events,
}

/// What the fields of an event's object tell before it is decoded.
#[derive(Default)]
struct Fields {
    user: Option<Address>,
    time_ms: Option<u64>,
}

impl<W: Fn(&Address) -> bool> Reader<'_, '_, W> {
    fn block(&mut self) -> Result<Head, Error> {
        let (mut number, mut time_ms, mut events) = (None, None, None);
        self.skip.expect(b'{', "not an object")?;
        let mut more = !self.skip.take(b'}')?;
        while more {
            match self.skip.key()? {
                b"block_number" => number = Some(self.skip.integer()?),
                b"block_time" => time_ms = Some(self.time()?),
                b"events" => events = Some(self.list()?),
                _ => {
                    self.skip.value()?;
                }
            }
            more = self.skip.more(b'}')?;
        }
        let Some(number) = number else { return Ok(self.skip.broken("a block without a number")?) };
        if number > NUMBER_MAX {
            return Ok(self.skip.broken("a block number beyond any chain's")?);
        }
        let Some(time_ms) = time_ms else { return Ok(self.skip.broken("a block without a time")?) };
        let Some(events) = events else { return Ok(self.skip.broken("a block without events")?) };
        // A status is of its block, if it does not say when.
        let untimed = self.events.statuses.iter_mut().filter(|(_, status)| status.time_ms == 0);
        untimed.for_each(|(_, status)| status.time_ms = time_ms);
        Ok(Head { number: Some(number), time_ms, events })
    }

    fn single(&mut self) -> Result<Head, Error> {
        match self.event()? {
            Some(time_ms) => Ok(Head { number: None, time_ms, events: 1 }),
            None => Ok(self.skip.broken("an event without a time")?),
        }
    }

    /// The list of events; how many.
    fn list(&mut self) -> Result<usize, Error> {
        self.skip.expect(b'[', "not a list")?;
        let mut count = 0;
        let mut more = !self.skip.take(b']')?;
        while more {
            self.event()?;
            count += 1;
            more = self.skip.more(b']')?;
        }
        Ok(count)
    }

    /// One event; its time, where that is not its block's.
    fn event(&mut self) -> Result<Option<u64>, Error> {
        if self.skip.peek()? == b'[' && self.kind.is_fills() {
            return self.pair();
        }
        if self.skip.peek()? != b'{' {
            return Ok(self.skip.broken("neither an event nor the end of a list")?);
        }
        let from = self.skip.at();
        // The time of an event in a block is the block's.
        let fields = self.fields(!self.kind.is_by_block())?;
        let Some(user) = fields.user else {
            return Ok(self.skip.broken("an event of no user")?);
        };
        if (self.wanted)(&user) {
            self.decode(user, from..self.skip.at())?;
        }
        Ok(fields.time_ms)
    }

    /// `["0xuser",{fill}]`.
    fn pair(&mut self) -> Result<Option<u64>, Error> {
        self.skip.expect(b'[', "not a list")?;
        let user = self.address()?;
        self.skip.expect(b',', "a user without a fill")?;
        let (fill, time_ms) = if self.kind.is_by_block() {
            (self.skip.value()?, None)
        } else {
            self.skip.peek()?;
            let from = self.skip.at();
            let fields = self.fields(true)?;
            (from..self.skip.at(), fields.time_ms)
        };
        if (self.wanted)(&user) {
            self.decode(user, fill)?;
        }
        // More elements than two would be news from a later node.
        while self.skip.more(b']')? {
            self.skip.value()?;
        }
        Ok(time_ms)
    }

    /// Passes over an object; what its `user` and `time` are. Without `with_time` only until the user is known.
    fn fields(&mut self, with_time: bool) -> Result<Fields, Error> {
        let mut fields = Fields::default();
        self.skip.expect(b'{', "not an object")?;
        let mut more = !self.skip.take(b'}')?;
        while more {
            match self.skip.key()? {
                b"user" => {
                    fields.user = Some(self.address()?);
                    if !with_time {
                        self.skip.leave(1)?;
                        return Ok(fields);
                    }
                }
                b"time" if with_time => fields.time_ms = Some(self.time()?),
                _ => {
                    self.skip.value()?;
                }
            }
            more = self.skip.more(b'}')?;
        }
        Ok(fields)
    }

    fn address(&mut self) -> Result<Address, Error> {
        self.skip.peek()?;
        let at = self.skip.at();
        let text = std::str::from_utf8(self.skip.string()?).unwrap_or("");
        let address = text.parse().map_err(|_| Broken { at, why: "a user that is no address" })?;
        Ok(address)
    }

    /// A time: the node's text, or the API's milliseconds.
    fn time(&mut self) -> Result<u64, Error> {
        if self.skip.peek()? != b'"' {
            return Ok(self.skip.integer()?);
        }
        let at = self.skip.at();
        let time = unix_ms(self.skip.string()?);
        Ok(time.ok_or(Broken { at, why: "not a time such as 2025-11-25T08:33:18.111517886" })?)
    }

    fn decode(&mut self, user: Address, span: Range<usize>) -> Result<(), Error> {
        let (base, json) = (span.start, &self.line[span]);
        let failed = |error| Error::Json(base, error);
        if self.kind.is_fills() {
            let wire: WireFill = serde_json::from_slice(json).map_err(failed)?;
            let fill = wire.into_fill().map_err(|why| Broken { at: base, why })?;
            self.events.fills.extend(fill.map(|fill| (user, fill)));
        } else {
            let wire: WireNodeStatus = serde_json::from_slice(json).map_err(failed)?;
            self.events.statuses.push((user, wire.into_status()));
        }
        Ok(())
    }
}

/// An order's status as a node writes it. Fields that no rule needs are skipped.
#[derive(Deserialize)]
struct WireNodeStatus {
    time: Option<NodeTime>,
    status: Short<47>,
    order: WireOrder,
}

struct NodeTime(u64);

impl<'de> Deserialize<'de> for NodeTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NodeTime, D::Error> {
        from_str(deserializer, |text| {
            let time = unix_ms(text.as_bytes()).map(NodeTime);
            time.ok_or_else(|| {
                format!("{text:?}: not a time such as 2025-11-25T08:33:18.111517886")
            })
        })
    }
}

impl WireNodeStatus {
    /// The status; without a time of its own, 0.
    fn into_status(self) -> OrderStatus {
        OrderStatus {
            oid: self.order.oid,
            status: self.status.0,
            orig_sz: self.order.orig_sz.0,
            sz: self.order.sz.0,
            time_ms: self.time.map_or(0, |NodeTime(ms)| ms),
        }
    }
}
