//! The short way through a frame of fills: one pass, no allocation.
//!
//! It gives up at whatever is unusual, and then the general reader judges the frame from its beginning; so no rule
//! about what is accepted lives here. A test holds the two to the same answers.

use super::{CHANNEL, Position, Tuples};
use crate::hyperliquid::wire::{Keyed, Object, Words, ignore};
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use shards::{Address, Fill, Text};
use std::fmt;

/// The channel stands in the first bytes of a frame of fills.
const NAMED_WITHIN: usize = 48;

/// What a frame has brought so far.
pub(super) struct Direct<'s> {
    fills: &'s mut Vec<(Address, Fill)>,
    channel: bool,
    kind: bool,
    listed: bool,
    /// Of the outer object, and of `data`, which says it better.
    outer: Stand,
    inner: Stand,
    in_data: bool,
}

/// What an object says beside the fills.
#[derive(Default)]
struct Stand {
    snapshot: Option<bool>,
    position: Position,
}

/// Puts a value where none was: a second one is for the general reader.
fn once<T, E: de::Error>(place: &mut Option<T>, value: T) -> Result<(), E> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::custom("twice")),
    }
}

impl Direct<'_> {
    /// Reads a whole frame: whether its fills are past ones, and where it stands. `fills` is to be cleared by the caller
    /// where this gives up.
    pub(super) fn read(text: &str, fills: &mut Vec<(Address, Fill)>) -> Option<(bool, Position)> {
        // An error costs an allocation: frames that are something else do not come that far.
        let head = &text.as_bytes()[..text.len().min(NAMED_WITHIN)];
        head.windows(CHANNEL.len()).find(|window| *window == CHANNEL.as_bytes())?;
        let (outer, inner) = (Stand::default(), Stand::default());
        let mut direct = Direct {
            fills,
            channel: false,
            kind: false,
            listed: false,
            outer,
            inner,
            in_data: false,
        };
        let mut json = serde_json::Deserializer::from_str(text);
        Object(&mut direct).deserialize(&mut json).and_then(|()| json.end()).ok()?;
        let Direct { listed, outer, inner, .. } = direct;
        let snapshot = outer.snapshot == Some(true) || inner.snapshot == Some(true);
        let position = Position {
            seq: inner.position.seq.or(outer.position.seq),
            block: inner.position.block.or(outer.position.block),
            cursor: inner.position.cursor.or(outer.position.cursor),
        };
        listed.then_some((snapshot, position))
    }

    /// A list may come once, and after the name.
    fn list<E: de::Error>(&mut self) -> Result<Tuples<'_>, E> {
        if !(self.channel || self.kind) || std::mem::replace(&mut self.listed, true) {
            return Err(E::custom("not in this order"));
        }
        Ok(Tuples(self.fills))
    }
}

impl<'de> Keyed<'de> for Direct<'_> {
    fn value<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let stand = if self.in_data { &mut self.inner } else { &mut self.outer };
        match key {
            "channel" | "type" => {
                let Words(name) = map.next_value()?;
                let seen = if key == "type" { &mut self.kind } else { &mut self.channel };
                if self.in_data || name != CHANNEL || std::mem::replace(seen, true) {
                    return Err(A::Error::custom("another channel"));
                }
            }
            "fills" | "events" => {
                let list = self.list()?;
                map.next_value_seed(list)?;
            }
            "data" => map.next_value_seed(Body(self))?,
            "isSnapshot" => once(&mut stand.snapshot, map.next_value()?)?,
            "seq" => once(&mut stand.position.seq, map.next_value::<Number>()?.0)?,
            "block_number" | "blockNumber" | "blockHeight" => {
                once(&mut stand.position.block, map.next_value::<Number>()?.0)?;
            }
            "cursor" => {
                let Words(cursor) = map.next_value()?;
                once(&mut stand.position.cursor, Text::new(&cursor))?;
            }
            // The public server's form, and what the general reader looks at beside fills.
            "user" | "message" | "error" | "method" | "subscription" => {
                return Err(A::Error::custom("another form"));
            }
            _ => ignore(map)?,
        }
        Ok(())
    }
}

/// The `data` of a frame: a list, or an object with one.
struct Body<'d, 's>(&'d mut Direct<'s>);

impl<'de> DeserializeSeed<'de> for Body<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Body<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fills")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        self.0.list()?.visit_seq(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Body(direct) = self;
        if direct.listed || std::mem::replace(&mut direct.in_data, true) {
            return Err(A::Error::custom("another form"));
        }
        while let Some(Words(key)) = map.next_key()? {
            direct.value(&key, &mut map)?;
        }
        direct.in_data = false;
        match direct.listed {
            true => Ok(()),
            false => Err(A::Error::custom("no list in it")),
        }
    }
}

/// A number, or one in a string.
struct Number(u64);

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
        Ok(Number(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
        text.parse().map(Number).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}
