//! From the text of a frame to what it says, in place.
//!
//! One pass: the envelope's `channel` decides how its `data` is read, and lists go straight into the caller's
//! [`Scratch`], so nothing is allocated once its vectors have their size. Only where `data` stands before
//! `channel` (JSON objects have no order) is it passed over first and read second. The form of `userFills` that
//! the venue sends is read by `scan`, without serde.
//!
//! Tolerated: the plain-text greeting, frames without `data`, unknown channels, fields and enum values, numbers
//! for decimal strings, addresses in any case. Not tolerated: a fill that cannot be read. It makes its whole frame
//! an error, for a frame of which half was applied could not be told from a whole one.

use super::account::{AccountState, AllDexs, Balance, DexState, Spot};
use super::fill::{UserFills, WireStatus};
use super::scan;
use super::subscription::Subscription;
use super::wire::{CoinName, Dec, Keyed, Object, Words, each, ignore};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess};
use serde_json::value::RawValue;
use shards::{Address, Coin, Decimal, Fill, OrderStatus, Text};
use std::borrow::Cow;

/// The beginning of the one frame that is not JSON.
const GREETING: &str = "Websocket connection established";

/// Bytes of a frame shown with an error.
const SAMPLE_BYTES: usize = 95;

/// Where the lists of a frame go. Reused from frame to frame; what a frame does not bring is empty.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// Of [`Frame::UserFills`], in the order of the frame.
    pub fills: Vec<Fill>,
    /// Of [`Frame::OrderUpdates`], in the order of the frame.
    pub statuses: Vec<OrderStatus>,
    /// Of [`Frame::Mids`].
    pub mids: Vec<(Coin, Decimal)>,
    /// Of [`Frame::Account`].
    pub dexs: Vec<DexState>,
    /// Of [`Frame::Spot`].
    pub balances: Vec<Balance>,
    /// JSON text: the positions of [`Frame::Account`], the balances of [`Frame::Spot`].
    pub text: String,
}

impl Scratch {
    fn clear(&mut self) {
        self.fills.clear();
        self.statuses.clear();
        self.mids.clear();
        self.dexs.clear();
        self.balances.clear();
        self.text.clear();
    }
}

/// What a frame says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame<'a> {
    /// The plain-text greeting.
    Greeting,
    /// The answer to a ping.
    Pong,
    /// A subscription is in force.
    Subscribed {
        /// Which.
        subscription: Subscription,
    },
    /// A subscription has ended.
    Unsubscribed {
        /// Which.
        subscription: Subscription,
    },
    /// The venue refuses something; the text may say what.
    Refused {
        /// The venue's words.
        text: Cow<'a, str>,
    },
    /// Fills of one account, in [`Scratch::fills`].
    UserFills {
        /// The account.
        user: Address,
        /// Whether these are past fills, as they come first after a subscription.
        snapshot: bool,
    },
    /// Order statuses, in [`Scratch::statuses`]. Of which account is not said.
    OrderUpdates,
    /// An account's perpetuals, by dex in [`Scratch::dexs`]; its positions as JSON in [`Scratch::text`].
    Account(AccountState),
    /// Spot balances, in [`Scratch::balances`] and as JSON in [`Scratch::text`].
    Spot {
        /// The account.
        user: Address,
        /// Whether these balances are also the collateral of its perpetuals (a unified or a portfolio-margin account):
        /// what the perpetual dexes say of its value then means nothing, says the venue.
        is_unified: bool,
    },
    /// Mid prices, in [`Scratch::mids`].
    Mids {
        /// The dex; empty for the venue's own.
        dex: Coin,
    },
    /// Trades of a coin.
    Trades {
        /// How many.
        count: usize,
    },
    /// A channel that nothing here follows.
    Other {
        /// Its name.
        channel: Cow<'a, str>,
    },
}

/// A frame that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("byte {at}: {why} (near: {sample})")]
pub struct DecodeError {
    /// Where, in bytes from the beginning of the text.
    pub at: usize,
    /// Why.
    pub why: String,
    /// The text around it, cut short.
    pub sample: String,
}

impl DecodeError {
    /// From the position that serde_json gives, in a piece of `text` that begins at `base`.
    pub(crate) fn new(text: &str, base: usize, error: &serde_json::Error) -> DecodeError {
        let piece = &text[base..];
        // Lines and columns count from 1; a frame is almost always one line.
        let line_at = match error.line() {
            0 | 1 => 0,
            line => piece.match_indices('\n').nth(line - 2).map_or(0, |(at, _)| at + 1),
        };
        let at = (base + line_at + error.column().saturating_sub(1)).min(text.len());
        let mut from = at.saturating_sub(SAMPLE_BYTES / 2);
        while !text.is_char_boundary(from) {
            from -= 1;
        }
        let said = error.to_string();
        let why = said.rfind(" at line ").map_or(said.as_str(), |end| &said[..end]);
        // Messages can quote the input: a coin of a megabyte must not become a log line of one.
        let why = Text::<200>::new(why).to_string();
        DecodeError { at, why, sample: Text::<SAMPLE_BYTES>::new(&text[from..]).to_string() }
    }

    /// At a byte of a text that need not be UTF-8.
    pub(crate) fn in_bytes(text: &[u8], at: usize, why: &str) -> DecodeError {
        let at = at.min(text.len());
        let from = at.saturating_sub(SAMPLE_BYTES / 2);
        let sample = String::from_utf8_lossy(&text[from..text.len().min(from + SAMPLE_BYTES)]);
        DecodeError {
            at,
            why: Text::<200>::new(why).to_string(),
            sample: Text::<SAMPLE_BYTES>::new(&sample).to_string(),
        }
    }

    /// As [`DecodeError::new`], in a piece of one line that begins at `base`.
    pub(crate) fn of_piece(line: &[u8], base: usize, error: &serde_json::Error) -> DecodeError {
        let said = error.to_string();
        let why = said.rfind(" at line ").map_or(said.as_str(), |end| &said[..end]);
        DecodeError::in_bytes(line, base + error.column().saturating_sub(1), why)
    }
}

/// Reads one text frame.
pub fn decode<'a>(text: &'a str, scratch: &mut Scratch) -> Result<Frame<'a>, DecodeError> {
    scratch.clear();
    if text.starts_with(GREETING) {
        return Ok(Frame::Greeting);
    }
    if let Some((user, snapshot)) = scan::user_fills(text, &mut scratch.fills) {
        return Ok(Frame::UserFills { user, snapshot });
    }
    scratch.fills.clear();
    let decoded = decode_json(text, scratch);
    if decoded.is_err() {
        scratch.clear();
    }
    decoded
}

pub(super) fn decode_json<'a>(
    text: &'a str,
    scratch: &mut Scratch,
) -> Result<Frame<'a>, DecodeError> {
    let mut envelope = Envelope { scratch, channel: None, frame: None, late: None };
    let mut json = serde_json::Deserializer::from_str(text);
    Object(&mut envelope)
        .deserialize(&mut json)
        .and_then(|()| json.end())
        .map_err(|e| DecodeError::new(text, 0, &e))?;
    let Envelope { channel, frame, late, scratch } = envelope;
    match (channel, frame, late) {
        (_, Some(frame), _) => Ok(frame),
        (Some(channel), None, Some(data)) => {
            let base = data.get().as_ptr() as usize - text.as_ptr() as usize;
            let mut json = serde_json::Deserializer::from_str(data.get());
            Body { channel, scratch }
                .deserialize(&mut json)
                .map_err(|e| DecodeError::new(text, base, &e))
        }
        (Some(Words(channel)), None, None) => match channel.as_ref() {
            "pong" => Ok(Frame::Pong),
            "userFills"
            | "orderUpdates"
            | "allDexsClearinghouseState"
            | "spotState"
            | "allMids" => {
                let error = serde_json::Error::custom("a frame of this channel without data");
                Err(DecodeError::new(text, 0, &error))
            }
            _ => Ok(Frame::Other { channel }),
        },
        (None, ..) => {
            let error = serde_json::Error::custom("an object without a channel");
            Err(DecodeError::new(text, 0, &error))
        }
    }
}

/// The outer object of a frame.
struct Envelope<'a, 's> {
    scratch: &'s mut Scratch,
    channel: Option<Words<'a>>,
    frame: Option<Frame<'a>>,
    /// `data` that came before `channel`.
    late: Option<&'a RawValue>,
}

impl<'a> Keyed<'a> for Envelope<'a, '_> {
    fn value<A: MapAccess<'a>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "channel" => self.channel = Some(map.next_value()?),
            "data" => match self.channel.take() {
                Some(channel) => {
                    let scratch = &mut *self.scratch;
                    self.frame = Some(map.next_value_seed(Body { channel, scratch })?);
                }
                None => self.late = Some(map.next_value()?),
            },
            _ => ignore(map)?,
        }
        Ok(())
    }
}

/// The `data` of a frame whose channel is known.
struct Body<'a, 's> {
    channel: Words<'a>,
    scratch: &'s mut Scratch,
}

impl<'a> DeserializeSeed<'a> for Body<'a, '_> {
    type Value = Frame<'a>;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Frame<'a>, D::Error> {
        let scratch = self.scratch;
        match self.channel.0.as_ref() {
            "userFills" => user_fills(json, scratch),
            "orderUpdates" => {
                let statuses = &mut scratch.statuses;
                let take = |status: WireStatus| {
                    statuses.push(status.into_status());
                    Ok::<(), &str>(())
                };
                each(take).deserialize(json)?;
                Ok(Frame::OrderUpdates)
            }
            "allDexsClearinghouseState" => account(json, scratch),
            "spotState" => {
                let Scratch { balances, text, .. } = scratch;
                let mut spot = Spot { user: None, is_unified: false, balances, text };
                Object(&mut spot).deserialize(json)?;
                let user = spot.user.ok_or_else(|| D::Error::custom("balances of no user"))?;
                Ok(Frame::Spot { user, is_unified: spot.is_unified })
            }
            "allMids" => {
                let mut mids = Mids { dex: Coin::EMPTY, mids: &mut scratch.mids };
                Object(&mut mids).deserialize(json)?;
                Ok(Frame::Mids { dex: mids.dex })
            }
            "trades" => {
                let mut count = 0;
                let take = |_: IgnoredAny| {
                    count += 1;
                    Ok::<(), &str>(())
                };
                each(take).deserialize(json)?;
                Ok(Frame::Trades { count })
            }
            "subscriptionResponse" => acknowledgement(json, self.channel.0),
            "error" => Words::deserialize(json).map(|Words(text)| Frame::Refused { text }),
            "pong" => IgnoredAny::deserialize(json).map(|_| Frame::Pong),
            _ => {
                IgnoredAny::deserialize(json)?;
                Ok(Frame::Other { channel: self.channel.0 })
            }
        }
    }
}

fn user_fills<'a, D: Deserializer<'a>>(
    json: D,
    scratch: &mut Scratch,
) -> Result<Frame<'a>, D::Error> {
    let fills = &mut scratch.fills;
    let mut data = UserFills { user: None, snapshot: false, fills, listed: false };
    Object(&mut data).deserialize(json)?;
    match (data.user, data.listed) {
        (Some(user), true) => Ok(Frame::UserFills { user, snapshot: data.snapshot }),
        (None, _) => Err(D::Error::custom("fills of no user")),
        (_, false) => Err(D::Error::custom("a user without fills")),
    }
}

fn account<'a, D: Deserializer<'a>>(json: D, scratch: &mut Scratch) -> Result<Frame<'a>, D::Error> {
    let Scratch { dexs, text, .. } = scratch;
    let mut data = AllDexs { user: None, positions: 0, dexs, text };
    Object(&mut data).deserialize(json)?;
    let user = data.user.ok_or_else(|| D::Error::custom("a state of no user"))?;
    Ok(Frame::Account(AccountState { user, positions: data.positions }))
}

/// An acknowledgement of something that is not followed here is another frame like any other.
fn acknowledgement<'a, D: Deserializer<'a>>(
    json: D,
    channel: Cow<'a, str>,
) -> Result<Frame<'a>, D::Error> {
    #[derive(Deserialize)]
    struct Wire<'a> {
        #[serde(borrow)]
        method: Words<'a>,
        #[serde(borrow)]
        subscription: &'a RawValue,
    }
    let wire = Wire::deserialize(json)?;
    Ok(match (wire.method.0.as_ref(), Subscription::parse(wire.subscription.get())) {
        ("subscribe", Some(subscription)) => Frame::Subscribed { subscription },
        ("unsubscribe", Some(subscription)) => Frame::Unsubscribed { subscription },
        _ => Frame::Other { channel },
    })
}

/// The `data` of an `allMids` frame.
struct Mids<'s> {
    dex: Coin,
    mids: &'s mut Vec<(Coin, Decimal)>,
}

impl<'de> Keyed<'de> for Mids<'_> {
    fn value<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "dex" => {
                let dex: Option<CoinName> = map.next_value()?;
                self.dex = dex.map_or(Coin::EMPTY, |CoinName(dex)| dex);
            }
            "mids" => {
                self.mids.clear();
                map.next_value_seed(Object(&mut Prices(self.mids)))?;
            }
            _ => ignore(map)?,
        }
        Ok(())
    }
}

/// The object of coins and prices.
struct Prices<'s>(&'s mut Vec<(Coin, Decimal)>);

impl<'de> Keyed<'de> for Prices<'_> {
    fn value<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        // A coin without a price, or with a name that no symbol table can hold, has no use here.
        if let Some(Dec(price)) = map.next_value()? {
            let coin = Coin::new(key);
            if coin.as_str() == key {
                self.0.push((coin, price));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
