//! From the text of a provider's frame to what it says, in place.
//!
//! The outer object is passed over once to find its parts, whatever their order; the part that matters is read into
//! the caller's [`Scratch`]. Nothing is allocated once its vector has its size. A fill that cannot be read makes its whole
//! frame an error, as on the public server.

use crate::hyperliquid::fill::{UserFills, WireFill};
use crate::hyperliquid::frame::DecodeError;
use crate::hyperliquid::wire::{Addr, Object, Words};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;
use shards::{Address, Fill, Text};
use std::borrow::Cow;
use std::fmt;

/// The channel of the fills.
const CHANNEL: &str = "userFills";

/// Where the fills of a frame go. Reused from frame to frame.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// Of [`Frame::Fills`], in the order of the frame.
    pub fills: Vec<(Address, Fill)>,
    /// For the public server's form.
    of_one: Vec<Fill>,
}

/// Where in the provider's stream a frame stands, as far as it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Position {
    /// Counts the frames of a connection, from 1.
    pub seq: Option<u64>,
    /// The block that the fills are of.
    pub block: Option<u64>,
    /// The provider's own name for the position.
    pub cursor: Option<Text<63>>,
}

/// What a frame says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame<'a> {
    /// Fills, in [`Scratch::fills`].
    Fills {
        /// Whether these are past fills.
        snapshot: bool,
        /// Where in the stream.
        position: Position,
        /// The account of the first.
        first: Option<Address>,
    },
    /// A request is carried out.
    Acknowledged {
        /// Whether it began a subscription; `None` where that is not said.
        begins: Option<bool>,
        /// One of its addresses, where they are echoed.
        address: Option<Address>,
    },
    /// The provider refuses something.
    Refused {
        /// The provider's words.
        text: Cow<'a, str>,
    },
    /// The answer to a ping.
    Pong,
    /// The provider asks whether we are there.
    Ping,
    /// Anything else: greetings, other channels.
    Other,
}

/// The parts of a frame, and of an object in its `data`: both have been seen with the same keys.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Parts<'a> {
    #[serde(borrow)]
    channel: Option<Words<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Words<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    fills: Option<&'a RawValue>,
    #[serde(borrow)]
    events: Option<&'a RawValue>,
    #[serde(borrow)]
    user: Option<&'a RawValue>,
    #[serde(borrow, rename = "isSnapshot")]
    snapshot: Option<&'a RawValue>,
    #[serde(borrow)]
    seq: Option<&'a RawValue>,
    #[serde(borrow)]
    cursor: Option<Words<'a>>,
    #[serde(borrow)]
    block_number: Option<&'a RawValue>,
    #[serde(borrow, rename = "blockNumber")]
    block_number_too: Option<&'a RawValue>,
    #[serde(borrow, rename = "blockHeight")]
    block_height: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Words<'a>>,
    #[serde(borrow)]
    subscription: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

impl<'a> Parts<'a> {
    fn read(text: &'a str, piece: &'a str) -> Result<Parts<'a>, DecodeError> {
        serde_json::from_str(piece).map_err(|error| wrong(text, piece, &error))
    }

    /// What these say of the position; what they leave out is said by `outer`.
    fn position(&self, outer: Position) -> Position {
        let block = [self.block_number, self.block_number_too, self.block_height];
        let block = block.into_iter().flatten().find_map(number);
        let cursor = self.cursor.as_ref().map(|Words(cursor)| Text::new(cursor));
        Position {
            seq: self.seq.and_then(number).or(outer.seq),
            block: block.or(outer.block),
            cursor: cursor.or(outer.cursor),
        }
    }

    fn is_snapshot(&self) -> bool {
        self.snapshot.is_some_and(|raw| raw.get() == "true")
    }

    fn list(&self) -> Option<&'a RawValue> {
        self.fills.or(self.events)
    }

    /// The words of a refusal.
    fn words(&self) -> Option<Cow<'a, str>> {
        self.message.or(self.error).map(words_of)
    }

    fn begins(&self) -> Option<bool> {
        match self.method.as_ref()?.0.as_ref() {
            "subscribe" => Some(true),
            "unsubscribe" => Some(false),
            _ => None,
        }
    }
}

/// A number, or one in a string.
fn number(raw: &RawValue) -> Option<u64> {
    raw.get().trim_matches('"').parse().ok()
}

/// The text of a JSON string, or the JSON itself.
fn words_of(raw: &RawValue) -> Cow<'_, str> {
    match serde_json::from_str::<Words>(raw.get()) {
        Ok(Words(words)) => words,
        Err(_) => Cow::Borrowed(raw.get()),
    }
}

fn wrong(text: &str, piece: &str, error: &serde_json::Error) -> DecodeError {
    // Every piece is a part of the text.
    let base = (piece.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    DecodeError::new(text, base.min(text.len()), error)
}

/// Reads one text frame.
pub fn decode<'a>(text: &'a str, scratch: &mut Scratch) -> Result<Frame<'a>, DecodeError> {
    scratch.fills.clear();
    let decoded = decode_json(text, scratch);
    if decoded.is_err() {
        scratch.fills.clear();
    }
    decoded
}

fn decode_json<'a>(text: &'a str, scratch: &mut Scratch) -> Result<Frame<'a>, DecodeError> {
    match text.trim() {
        "ping" => return Ok(Frame::Ping),
        "pong" => return Ok(Frame::Pong),
        greeting if greeting.starts_with("Websocket connection established") => {
            return Ok(Frame::Other);
        }
        _ => {}
    }
    let parts = Parts::read(text, text)?;
    let name = parts.channel.as_ref().or(parts.kind.as_ref()).map(|Words(name)| name.as_ref());
    match name {
        Some(CHANNEL) => fills(text, &parts, scratch),
        Some("pong") => Ok(Frame::Pong),
        Some("ping") => Ok(Frame::Ping),
        Some("error") => Ok(refused(text, &parts)),
        Some("subscriptionResponse" | "subscriptionUpdate") => Ok(acknowledged(text, &parts)),
        Some("subscribed" | "unsubscribed") => {
            let begins = name == Some("subscribed");
            Ok(Frame::Acknowledged { begins: Some(begins), address: echoed(text, &parts) })
        }
        Some(_) => Ok(Frame::Other),
        None if parts.list().is_some() => fills(text, &parts, scratch),
        None if parts.words().is_some() => Ok(refused(text, &parts)),
        None => Ok(Frame::Other),
    }
}

/// The object in `data`, if it is one.
fn inner<'a>(text: &'a str, parts: &Parts<'a>) -> Option<Parts<'a>> {
    let data = parts.data?.get();
    data.starts_with('{').then(|| Parts::read(text, data).ok())?
}

fn refused<'a>(text: &'a str, parts: &Parts<'a>) -> Frame<'a> {
    let said = parts.words().or_else(|| inner(text, parts)?.words());
    let said = said.or_else(|| parts.data.map(words_of));
    Frame::Refused { text: said.unwrap_or(Cow::Borrowed(text)) }
}

fn acknowledged<'a>(text: &'a str, parts: &Parts<'a>) -> Frame<'a> {
    let begins = parts.begins().or_else(|| inner(text, parts)?.begins());
    Frame::Acknowledged { begins, address: echoed(text, parts) }
}

/// The first address that an acknowledgement echoes.
fn echoed<'a>(text: &'a str, parts: &Parts<'a>) -> Option<Address> {
    #[derive(Deserialize)]
    struct Echo {
        addresses: First,
    }
    let subscription = parts.subscription.or_else(|| inner(text, parts)?.subscription)?;
    let Echo { addresses: First(address) } = serde_json::from_str(subscription.get()).ok()?;
    address
}

/// The first of a list of addresses.
struct First(Option<Address>);

impl<'de> Deserialize<'de> for First {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<First, D::Error> {
        deserializer.deserialize_seq(FirstVisitor)
    }
}

struct FirstVisitor;

impl<'de> Visitor<'de> for FirstVisitor {
    type Value = First;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of addresses")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<First, A::Error> {
        let first = seq.next_element::<Addr>()?.map(|Addr(address)| address);
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(First(first))
    }
}

fn fills<'a>(
    text: &'a str,
    parts: &Parts<'a>,
    scratch: &mut Scratch,
) -> Result<Frame<'a>, DecodeError> {
    let mut position = parts.position(Position::default());
    let mut snapshot = parts.is_snapshot();
    let list = match (parts.list(), parts.data) {
        (Some(list), _) => list,
        (None, Some(data)) if data.get().starts_with('[') => data,
        (None, Some(data)) => {
            let body = Parts::read(text, data.get())?;
            position = body.position(position);
            snapshot |= body.is_snapshot();
            if body.user.is_some() {
                of_one(text, data.get(), scratch)?;
                return Ok(fills_of(snapshot, position, scratch));
            }
            body.list().ok_or_else(|| without_fills(text, data.get()))?
        }
        (None, None) => return Err(without_fills(text, text)),
    };
    let mut json = serde_json::Deserializer::from_str(list.get());
    Tuples(&mut scratch.fills)
        .deserialize(&mut json)
        .map_err(|error| wrong(text, list.get(), &error))?;
    Ok(fills_of(snapshot, position, scratch))
}

fn without_fills(text: &str, piece: &str) -> DecodeError {
    wrong(text, piece, &serde_json::Error::custom("a frame of fills without a list of them"))
}

fn fills_of<'a>(snapshot: bool, position: Position, scratch: &Scratch) -> Frame<'a> {
    Frame::Fills { snapshot, position, first: scratch.fills.first().map(|(user, _)| *user) }
}

/// The form of the public server: one account, its fills without it.
fn of_one(text: &str, data: &str, scratch: &mut Scratch) -> Result<(), DecodeError> {
    scratch.of_one.clear();
    let mut fills =
        UserFills { user: None, snapshot: false, fills: &mut scratch.of_one, listed: false };
    let mut json = serde_json::Deserializer::from_str(data);
    Object(&mut fills).deserialize(&mut json).map_err(|error| wrong(text, data, &error))?;
    let (Some(user), true) = (fills.user, fills.listed) else {
        return Err(without_fills(text, data));
    };
    scratch.fills.extend(scratch.of_one.iter().map(|fill| (user, *fill)));
    Ok(())
}

/// A list of `[address, fill]`, appended.
struct Tuples<'s>(&'s mut Vec<(Address, Fill)>);

impl<'de> DeserializeSeed<'de> for Tuples<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Tuples<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of [address, fill]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(Tuple(user, fill)) = seq.next_element()? {
            if let Some(fill) = fill.into_fill().map_err(de::Error::custom)? {
                self.0.push((user, fill));
            }
        }
        Ok(())
    }
}

struct Tuple(Address, WireFill);

impl<'de> Deserialize<'de> for Tuple {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tuple, D::Error> {
        deserializer.deserialize_seq(TupleVisitor)
    }
}

struct TupleVisitor;

impl<'de> Visitor<'de> for TupleVisitor {
    type Value = Tuple;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[address, fill]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tuple, A::Error> {
        let missing = || A::Error::custom("a fill without its account");
        let Addr(user) = seq.next_element()?.ok_or_else(missing)?;
        let fill = seq.next_element()?.ok_or_else(|| A::Error::custom("an account without its fill"))?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Tuple(user, fill))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILL: &str = r#"{"coin":"ETH","px":"2150.50","sz":"1.5","side":"B","time":1704067200000,"startPosition":"1.5","dir":"Open Long","closedPnl":"125.5","hash":"0xab","oid":5,"crossed":true,"fee":"0.1","tid":6,"feeToken":"USDC","builder":"0x01","txIndex":3}"#;

    fn user(n: u8) -> String {
        Address([n; 20]).to_string()
    }

    /// Two tuples: of accounts 0x0a… (in upper case) and 0x0b….
    fn tuples() -> String {
        let first = user(0x0a).to_uppercase().replace('X', "x");
        format!(r#"[["{first}",{FILL}],["{}",{FILL},null]]"#, user(0x0b))
    }

    #[track_caller]
    fn check(text: &str, snapshot: bool, seq: Option<u64>, block: Option<u64>) {
        let mut scratch = Scratch::default();
        let frame = decode(text, &mut scratch).expect(text);
        let Frame::Fills { snapshot: found, position, first } = frame else {
            panic!("{frame:?}: {text}")
        };
        assert_eq!((found, position.seq, position.block), (snapshot, seq, block), "{text}");
        assert_eq!(first, Some(Address([0x0a; 20])));
        let users: Vec<Address> = scratch.fills.iter().map(|(user, _)| *user).collect();
        assert_eq!(users, [Address([0x0a; 20]), Address([0x0b; 20])], "{text}");
        assert!(scratch.fills.iter().all(|(_, fill)| fill.tid == 6));
    }

    #[test]
    fn fills_are_found_wherever_they_stand() {
        let list = tuples();
        check(&format!(r#"{{"channel":"userFills","fills":{list}}}"#), false, None, None);
        check(
            &format!(
                r#"{{"type":"userFills","channel":"userFills","seq":7,"cursor":"500:1:3","fills":{list}}}"#
            ),
            false,
            Some(7),
            None,
        );
        check(&format!(r#"{{"fills":{list},"seq":"8","type":"userFills"}}"#), false, Some(8), None);
        check(&format!(r#"{{"channel":"userFills","data":{list}}}"#), false, None, None);
        check(
            &format!(
                r#"{{"data":{{"isSnapshot":true,"block_number":500,"fills":{list}}},"seq":1,"channel":"userFills"}}"#
            ),
            true,
            Some(1),
            Some(500),
        );
        check(
            &format!(
                r#"{{"channel":"userFills","data":{{"events":{list},"blockNumber":9,"seq":2,"new":[]}}}}"#
            ),
            false,
            Some(2),
            Some(9),
        );
    }

    #[test]
    fn the_public_servers_form_is_understood_too() {
        let text = format!(
            r#"{{"channel":"userFills","data":{{"user":"{}","isSnapshot":true,"fills":[{FILL},{FILL}]}}}}"#,
            user(7)
        );
        let mut scratch = Scratch::default();
        let frame = decode(&text, &mut scratch).expect("reads");
        let first = Some(Address([7; 20]));
        assert_eq!(frame, Frame::Fills { snapshot: true, position: Position::default(), first });
        assert_eq!(scratch.fills.len(), 2);
    }

    #[test]
    fn answers_pings_and_greetings_are_told_apart() {
        let address = Some(Address([7; 20]));
        let refused = |text: &'static str| Frame::Refused { text: Cow::Borrowed(text) };
        let acknowledged = |begins, address| Frame::Acknowledged { begins, address };
        let echo = format!(r#"{{"type":"userFills","addresses":["{}"]}}"#, user(7));
        let whole = format!(
            r#"{{"channel":"subscriptionResponse","data":{{"method":"subscribe","subscription":{echo}}}}}"#
        );
        let ended = format!(
            r#"{{"channel":"subscriptionResponse","method":"unsubscribe","subscription":{echo}}}"#
        );
        for (text, wanted) in [
            (whole.as_str(), acknowledged(Some(true), address)),
            (ended.as_str(), acknowledged(Some(false), address)),
            (
                r#"{"channel":"subscriptionResponse","data":{"subscriptionId":"sub_01","type":"userFills"}}"#,
                acknowledged(None, None),
            ),
            (
                r#"{"type":"subscriptionUpdate","subscribed":["userFills"],"unsubscribed":[]}"#,
                acknowledged(None, None),
            ),
            (r#"{"type":"unsubscribed"}"#, acknowledged(Some(false), None)),
            (r#"{"channel":"error","data":"no \\ key"}"#, refused("no \\ key")),
            (r#"{"type":"error","message":"limit reached"}"#, refused("limit reached")),
            (r#"{"channel":"error","data":{"message":"bad key"}}"#, refused("bad key")),
            (r#"{"error":"Unauthorized"}"#, refused("Unauthorized")),
            (r#"{"channel":"pong"}"#, Frame::Pong),
            (r#"{"type":"pong"}"#, Frame::Pong),
            (r#"{ "type": "ping" }"#, Frame::Ping),
            ("ping", Frame::Ping),
            (r#"{"type":"connected","sessionId":"x"}"#, Frame::Other),
            (r#"{"channel":"trades","data":[1]}"#, Frame::Other),
            ("{}", Frame::Other),
            ("Websocket connection established.", Frame::Other),
        ] {
            assert_eq!(decode(text, &mut Scratch::default()), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn a_bad_fill_spoils_its_frame_and_says_where() {
        let mut scratch = Scratch::default();
        let good = format!(r#"{{"channel":"userFills","fills":{}}}"#, tuples());
        for (from, to) in [
            ("\"B\"", "\"X\""),
            (",{", ",[{"),
            ("0x0b", "0x0"),
            ("\"1.5\",\"side\"", "\"-1.5\",\"side\""),
            ("\"fills\":[", "\"fills\":[7,"),
            ("\"fills\":", "\"files\":"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            let error = decode(&bad, &mut scratch).expect_err(&bad);
            assert!(error.at <= bad.len() && scratch.fills.is_empty(), "{error}: {bad}");
        }
        for text in ["", "[]", "nonsense", "{", r#"{"channel":"userFills"}"#] {
            assert!(decode(text, &mut scratch).is_err(), "{text}");
        }
        assert!(decode(&good, &mut scratch).is_ok());
    }
}
