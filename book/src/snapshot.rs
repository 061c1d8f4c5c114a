//! A whole book as bytes, and back.
//!
//! All little-endian. A header, then the orders of six groups: bids, asks, buy stops, sell stops,
//! buy and sell market orders that wait for an uncross. In a group the level that comes first in
//! its ladder comes first, and in a level the order that is first in its queue.
//!
//! | at | header | |
//! |---|---|---|
//! | 0 | magic | `CLBOOK\0\0` |
//! | 8 | version u32 | 1 |
//! | 12 | self-trade u8, phase u8 | their numbers |
//! | 14 | zero | 2 bytes |
//! | 16 | last trade i64 | 0: none yet |
//! | 24 | reach low i64, high i64 | prices traded since stops were last elected; 0: none |
//! | 40 | now u64 | |
//! | 48 | orders of each group, 6 × u32 | |
//! | 72 | state hash u64 | of the book |
//! | 80 | arrivals u32 | the number of the next arrival in a queue |
//! | 84 | zero | 4 bytes |
//!
//! | at | order | |
//! |---|---|---|
//! | 0 | id u64 | |
//! | 8 | price i64 | of a stop its trigger, of a market order 0 |
//! | 16 | lots u64 | bits 0 to 40: lots in the queue; above: number of its arrival, modulo 2^23 |
//! | 24 | user u32 | |
//! | 28 | flags u8 | 1 terms follow, 2 display given, 4 expiry given, 8 a stop |
//! | 29 | tif u8 | of a stop, else 0 |
//! | 30 | self-trade u8 | of a stop: 0 the book's, else 1 + number; else 0 |
//! | 31 | zero | |
//! | 32 | hidden u64, display u64, expiry u64, limit i64 | only if terms follow; limit of a stop, 0: market |
//!
//! | at the end | | |
//! |---|---|---|
//! | | checksum u64 | of all bytes before it: two orders that changed places have the same state hash |
//!
//! The bytes of a book are determined by its state, and two books that encode to the same bytes do
//! the same from there on. [`Book::decode`] refuses bytes that were damaged anywhere; bytes made by
//! somebody who can compute checksum and hash must still make a sound book.

use crate::arena::Slot;
use crate::book::{Book, BookConfig, ORDERS_MAX};
use crate::check::Broken;
use crate::command::{NewOrder, Phase, SelfTrade, Terms, TimeInForce};
use crate::event::Discard;
use crate::hash;
use crate::index::Probe;
use crate::level::{Kind, Level, market_rank, stop_rank};
use crate::order::{Arrival, Order};
use crate::special::{Entry, Special, can_slice};
use crate::units::{Lots, OrderId, Rank, Side, Ticks, Time, User};

const MAGIC: [u8; 8] = *b"CLBOOK\0\0";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 88;
const ORDER_BYTES: usize = 32;
const TERMS_BYTES: usize = 32;

const TERMS: u8 = 1;
const DISPLAY: u8 = 2;
const EXPIRY: u8 = 4;
const STOP: u8 = 8;

/// What the six groups hold, in their order.
const GROUPS: [(Kind, Side); 6] = [
    (Kind::Priced, Side::Buy),
    (Kind::Priced, Side::Sell),
    (Kind::Stop, Side::Buy),
    (Kind::Stop, Side::Sell),
    (Kind::Market, Side::Buy),
    (Kind::Market, Side::Sell),
];

/// Why bytes are no book.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// The first eight bytes are others.
    #[error("no snapshot of a book: it does not begin with CLBOOK")]
    Magic,
    /// A version this program does not know.
    #[error("a book snapshot of version {version}; this program reads version 1")]
    Version {
        /// What the header says.
        version: u32,
    },
    /// The bytes end before the book does.
    #[error("the snapshot ends at byte {bytes}, in the middle of {within}")]
    Short {
        /// Bytes there.
        bytes: usize,
        /// What is cut.
        within: &'static str,
    },
    /// More bytes than the book has.
    #[error("{bytes} bytes follow the end of the snapshot at byte {end}")]
    Trailing {
        /// Where the book ends.
        end: usize,
        /// How many bytes follow.
        bytes: usize,
    },
    /// A field of the header that is no state of a book.
    #[error("byte {at} of the snapshot is not a possible {field}")]
    Header {
        /// Its place.
        at: usize,
        /// Its name.
        field: &'static str,
    },
    /// An order that can't be in a book, or not in this place.
    #[error("the order at byte {at} of the snapshot has an impossible {field}")]
    Order {
        /// Its place.
        at: usize,
        /// What is wrong with it.
        field: &'static str,
    },
    /// The book that the bytes make breaks an invariant.
    #[error("the snapshot makes no sound book: {0}")]
    Unsound(Broken),
    /// The bytes are not those that were written.
    #[error("the snapshot is damaged: its bytes sum to {computed:016x}, it says {stored:016x}")]
    Checksum {
        /// What the last eight bytes say.
        stored: u64,
        /// What the bytes before them sum to.
        computed: u64,
    },
    /// The hash of the book that the bytes make is not the one they carry.
    #[error("the snapshot is damaged: its state hashes to {computed:016x}, it says {stored:016x}")]
    Hash {
        /// What the header says.
        stored: u64,
        /// What the state hashes to.
        computed: u64,
    },
}

impl Book {
    /// Appends the whole state of the book: what [`Book::decode`] makes the same book from.
    /// Capacity, seed and counters of growth are not state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend([self.self_trade as u8, self.phase as u8, 0, 0]);
        let price = |price: Option<Ticks>| price.map_or(0, |price| price.0).to_le_bytes();
        let (low, high) = self.reach.unzip();
        out.extend([self.last_trade, low, high].into_iter().flat_map(price));
        out.extend(self.now.0.to_le_bytes());
        out.extend([0; 24]);
        out.extend(self.state_hash().to_le_bytes());
        out.extend(u64::from(self.queues.arrival.number()).to_le_bytes());
        for (group, (kind, side)) in GROUPS.into_iter().enumerate() {
            let mut count = 0_u32;
            let slots = self.group(kind, side).flat_map(|at| self.queues.queue(at));
            for slot in slots {
                self.encode_order(slot, out);
                count += 1;
            }
            let at = start + 48 + 4 * group;
            out[at..at + 4].copy_from_slice(&count.to_le_bytes());
        }
        let checksum = hash::of_bytes(&out[start..]);
        out.extend(checksum.to_le_bytes());
    }

    /// Reads a book that [`Book::encode`] wrote. Capacity and seed are those of `config`, the
    /// self-trade mode is that of the bytes. Checks every invariant; bytes that were damaged are
    /// refused.
    pub fn decode(bytes: &[u8], config: BookConfig) -> Result<Book, DecodeError> {
        let mut reader = Reader { bytes, at: 0 };
        let Header { mut book, phase, counts, stored, arrival } =
            decode_header(&mut reader, config)?;
        // Whether the sides may cross is judged when all orders are there.
        book.phase = Phase::Halted;
        for (count, (kind, side)) in counts.into_iter().zip(GROUPS) {
            let mut ahead = None;
            for _ in 0..count {
                ahead = Some(book.decode_order(&mut reader, kind, side, ahead)?);
            }
        }
        let computed = hash::of_bytes(&bytes[..reader.at]);
        let checksum = u64::from_le_bytes(reader.take("the checksum")?);
        if reader.at < bytes.len() {
            let (end, bytes) = (reader.at, bytes.len() - reader.at);
            return Err(DecodeError::Trailing { end, bytes });
        }
        (book.phase, book.queues.arrival) = (phase, arrival);
        book.check().map_err(DecodeError::Unsound)?;
        let state_hash = book.state_hash();
        if state_hash != stored {
            return Err(DecodeError::Hash { stored, computed: state_hash });
        }
        if checksum != computed {
            return Err(DecodeError::Checksum { stored: checksum, computed });
        }
        Ok(book)
    }

    /// All live orders, group by group.
    pub(crate) fn live(&self) -> impl Iterator<Item = Slot<Order>> + '_ {
        let levels = GROUPS.into_iter().flat_map(|(kind, side)| self.group(kind, side));
        levels.flat_map(|at| self.queues.queue(at))
    }

    /// The levels of a group, in order.
    fn group(&self, kind: Kind, side: Side) -> impl Iterator<Item = Slot<Level>> + '_ {
        let ladder = match kind {
            Kind::Priced => Some(&self.ladders[side as usize]),
            Kind::Stop => Some(&self.stops[side as usize]),
            Kind::Market => None,
        };
        let collected = match kind {
            Kind::Market => self.collected[side as usize].some(),
            Kind::Priced | Kind::Stop => None,
        };
        ladder.into_iter().flat_map(|ladder| self.slots_of(ladder)).chain(collected)
    }

    fn encode_order(&self, slot: Slot<Order>, out: &mut Vec<u8>) {
        let Order { id, user, .. } = self.queues.orders[slot];
        out.extend(id.0.to_le_bytes());
        out.extend(self.queues.level_of(slot).price().0.to_le_bytes());
        out.extend(self.queues.orders[slot].word().to_le_bytes());
        out.extend(user.0.to_le_bytes());
        let Some(Special { hidden, display, expires, entry, .. }) = self.specials.get(id) else {
            return out.extend([0; 4]);
        };
        let given = |given: bool, flag: u8| if given { flag } else { 0 };
        let flags = TERMS
            | given(display.is_some(), DISPLAY)
            | given(expires.is_some(), EXPIRY)
            | given(entry.is_some(), STOP);
        let (tif, mode, limit) = entry.map_or((0, 0, None), |entry| {
            (entry.tif as u8, entry.self_trade.map_or(0, |mode| mode as u8 + 1), entry.limit)
        });
        out.extend([flags, tif, mode, 0]);
        out.extend(hidden.0.to_le_bytes());
        out.extend(display.map_or(0, |lots| lots.0).to_le_bytes());
        out.extend(expires.map_or(0, |time| time.0).to_le_bytes());
        out.extend(limit.map_or(0, |price| price.0).to_le_bytes());
    }

    /// Reads an order and puts it into its queue, behind the order that was read before it.
    fn decode_order(
        &mut self,
        reader: &mut Reader<'_>,
        kind: Kind,
        side: Side,
        ahead: Option<Rank>,
    ) -> Result<Rank, DecodeError> {
        let at = reader.at;
        let wrong = |field: &'static str| DecodeError::Order { at, field };
        let within = "an order";
        let id = OrderId(u64::from_le_bytes(reader.take(within)?));
        let price = Ticks(i64::from_le_bytes(reader.take(within)?));
        let (open, arrival) = Order::lots_of(u64::from_le_bytes(reader.take(within)?));
        let user = User(u32::from_le_bytes(reader.take(within)?));
        let [flags, tif, mode, zero] = reader.take(within)?;
        if zero != 0 {
            return Err(wrong("padding"));
        }
        if !open.in_range() {
            return Err(wrong("quantity"));
        }
        if price.in_range() == (kind == Kind::Market) || kind == Kind::Market && price != Ticks(0) {
            return Err(wrong("price"));
        }
        if let Probe::Found(..) = self.probe(id) {
            return Err(wrong("id: it is there twice"));
        }
        let rank = match kind {
            Kind::Priced => Rank::new(side, price),
            Kind::Stop => stop_rank(side, price),
            Kind::Market => market_rank(side),
        };
        if ahead.is_some_and(|ahead| ahead < rank) {
            return Err(wrong("place: its level comes before the one ahead of it"));
        }
        if (flags & STOP != 0) != (kind == Kind::Stop) {
            return Err(wrong("flag of a stop"));
        }
        let special = match flags {
            0 if (tif, mode) == (0, 0) => None,
            _ => Some(
                decode_terms(reader, [flags, tif, mode], open)
                    .map_err(|error| error.unwrap_or_else(wrong))?,
            ),
        };
        self.queues.arrival = arrival;
        self.place(NewOrder::limit(id, user, side, price, open), kind, special);
        Ok(rank)
    }

    /// Puts an order that was read at the end of its queue.
    fn place(&mut self, new: NewOrder, kind: Kind, terms: Option<Special>) {
        let slot = self.store(&new, &Terms::default());
        if let Some(mut terms) = terms {
            (terms.id, terms.order, terms.side) = (new.id, slot, new.side);
            // What it hides is noted when it has joined its level.
            terms.hidden = Lots::ZERO;
            self.specials.insert(terms);
        }
        let price = new.limit.expect("made with a limit");
        match kind {
            Kind::Stop => self.wait_for_trigger(slot, new.side, price, &mut Discard),
            Kind::Market => self.wait_for_uncross(slot, new.side, &mut Discard),
            Kind::Priced => {
                self.attach(slot, new.side, Rank::new(new.side, price), &mut Discard);
                if let Some(terms) = terms {
                    self.join_special(slot, terms.hidden);
                }
            }
        }
    }
}

/// What a header says.
struct Header {
    /// Empty, and not in its phase yet.
    book: Book,
    phase: Phase,
    /// Orders of each group.
    counts: [u32; 6],
    /// Hash of the state.
    stored: u64,
    arrival: Arrival,
}

/// Reads the header into an empty book.
fn decode_header(reader: &mut Reader<'_>, config: BookConfig) -> Result<Header, DecodeError> {
    if !reader.bytes.starts_with(&MAGIC) {
        return Err(DecodeError::Magic);
    }
    reader.at = MAGIC.len();
    let within = "the header";
    let version = u32::from_le_bytes(reader.take(within)?);
    if version != VERSION {
        return Err(DecodeError::Version { version });
    }
    let wrong = |at, field| DecodeError::Header { at, field };
    let [mode, phase, zero @ ..] = reader.take::<4>(within)?;
    let self_trade = SelfTrade::from_byte(mode).ok_or(wrong(12, "self-trade mode"))?;
    let phase = Phase::from_byte(phase).ok_or(wrong(13, "phase"))?;
    if zero != [0, 0] {
        return Err(wrong(14, "padding"));
    }
    let mut price = |at, field| match Ticks(i64::from_le_bytes(reader.take(within)?)) {
        Ticks(0) => Ok(None),
        price if price.in_range() => Ok(Some(price)),
        _ => Err(wrong(at, field)),
    };
    let last_trade = price(16, "last trade")?;
    let reach = match (price(24, "lowest price")?, price(32, "highest price")?) {
        (None, None) => None,
        (Some(low), Some(high)) if last_trade.is_some_and(|at| low <= at && at <= high) => {
            Some((low, high))
        }
        _ => return Err(wrong(24, "range of prices")),
    };
    let now = Time(u64::from_le_bytes(reader.take(within)?));
    let mut counts = [0; 6];
    for count in &mut counts {
        *count = u32::from_le_bytes(reader.take(within)?);
    }
    let stored = u64::from_le_bytes(reader.take(within)?);
    let arrivals = u32::from_le_bytes(reader.take(within)?);
    if arrivals >= Arrival::COUNT || reader.take(within)? != [0; 4] {
        return Err(wrong(80, "number of arrivals"));
    }
    assert!(reader.at == HEADER_BYTES, "the header has its length");
    let orders: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    let room = (reader.bytes.len() - HEADER_BYTES) / ORDER_BYTES;
    if orders > ORDERS_MAX as u64 {
        return Err(wrong(48, "number of orders"));
    }
    if orders > room as u64 {
        return Err(DecodeError::Short { bytes: reader.bytes.len(), within: "the orders" });
    }
    // Nothing was allocated before the bytes were seen to be there.
    let room = (orders as usize).max(config.orders);
    let mut book = Book::new(BookConfig { self_trade, orders: room, ..config });
    book.shrink_back_to(config);
    (book.last_trade, book.reach, book.now) = (last_trade, reach, now);
    let arrival = Arrival::new(arrivals);
    Ok(Header { book, phase, counts, stored, arrival })
}

/// Reads the terms of an order that shows `open`. An error names the field, or is of the bytes.
fn decode_terms(
    reader: &mut Reader<'_>,
    [flags, tif, mode]: [u8; 3],
    open: Lots,
) -> Result<Special, Result<DecodeError, &'static str>> {
    let within = "the terms of an order";
    let mut word = || reader.take(within).map(u64::from_le_bytes).map_err(Ok);
    let [hidden, display, expiry, limit] = [word()?, word()?, word()?, word()?];
    if flags & TERMS == 0 || flags >= 16 || flags == TERMS {
        return Err(Err("set of flags"));
    }
    let given = |flag: u8, value: u64| match (flags & flag != 0, value) {
        (false, 0) => Ok(None),
        (true, value) => Ok(Some(value)),
        (false, _) => Err(Err("value without its flag")),
    };
    let display = given(DISPLAY, display)?.map(Lots);
    let expires = given(EXPIRY, expiry)?.map(Time);
    let hidden = Lots(hidden);
    let stop = flags & STOP != 0;
    let whole = open.0.checked_add(hidden.0).map(Lots);
    if !whole.is_some_and(|lots| lots.in_range() && can_slice(lots, display))
        || display.is_some_and(|lots| !lots.in_range())
    {
        return Err(Err("quantity"));
    }
    if hidden > Lots::ZERO && (stop || display.is_none()) {
        return Err(Err("hidden part"));
    }
    let (tif, mode) = match (stop, tif, mode) {
        (false, 0, 0) => (TimeInForce::Gtc, None),
        (true, tif, 0) => (TimeInForce::from_byte(tif).ok_or(Err("time in force"))?, None),
        (true, tif, mode) => (
            TimeInForce::from_byte(tif).ok_or(Err("time in force"))?,
            Some(SelfTrade::from_byte(mode - 1).ok_or(Err("self-trade mode"))?),
        ),
        (false, ..) => return Err(Err("time in force")),
    };
    let limit = (limit != 0).then_some(Ticks(limit as i64));
    let fits = match limit {
        Some(limit) => limit.in_range() && stop,
        None => tif != TimeInForce::Post && (display.is_none() || !stop),
    };
    if !fits || stop && display.is_some() && !tif.may_rest() {
        return Err(Err("limit"));
    }
    let entry = stop.then_some(Entry { limit, tif, self_trade: mode });
    let terms = Terms { display, expires, stop: None };
    // Its id, slot and side are filled in by who knows them.
    let mut special = Special::new(OrderId(0), Slot::NONE, Side::Buy, &terms);
    (special.hidden, special.entry) = (hidden, entry);
    Ok(special)
}

/// Bytes, and how far they have been read.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self, within: &'static str) -> Result<[u8; N], DecodeError> {
        let rest = &self.bytes[self.at..];
        let bytes = self.bytes.len();
        let taken = rest.first_chunk().ok_or(DecodeError::Short { bytes, within })?;
        self.at += N;
        Ok(*taken)
    }
}

const _: () = assert!(TERMS_BYTES == 4 * 8 && ORDER_BYTES == 3 * 8 + 2 * 4);

#[cfg(test)]
mod tests;
