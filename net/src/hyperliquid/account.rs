//! Reading account states: perpetual positions of all dexes, and spot balances.
//!
//! Both are absolute states that come every few seconds. What rows and the admin page show of them is JSON text,
//! written here in one go; what rules compute with is in the numbers.

use super::wire::{Addr, CoinName, Dec, Keyed, Object, Short, Words, each, ignore};
use crate::json;
use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use shards::{Address, Coin, Decimal};
use std::fmt::{self, Write};

/// What `allDexsClearinghouseState` says of an account: sums over all its perpetual dexes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountState {
    /// The account.
    pub user: Address,
    /// Sum of the account values.
    pub account_value: Decimal,
    /// Sum of the margin that positions use.
    pub total_margin_used: Decimal,
    /// Sum of the positions' notional values.
    pub total_ntl_pos: Decimal,
    /// Sum of what can be withdrawn.
    pub withdrawable: Decimal,
    /// Open positions, as many as are in the JSON text.
    pub positions: u32,
}

/// One token's balance in a spot account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Balance {
    /// The token's name.
    pub coin: Coin,
    /// The token's index in `spotMeta`.
    pub token: u32,
    /// What the account has.
    pub total: Decimal,
    /// How much of it open orders hold.
    pub hold: Decimal,
    /// Value at entry, in USDC.
    pub entry_ntl: Decimal,
}

/// The `data` of an `allDexsClearinghouseState` frame; positions go into `text`.
pub(crate) struct AllDexs<'s> {
    pub(crate) user: Option<Address>,
    pub(crate) sums: Sums,
    pub(crate) text: &'s mut String,
}

/// Sums over dexes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sums {
    pub(crate) account_value: Decimal,
    pub(crate) total_margin_used: Decimal,
    pub(crate) total_ntl_pos: Decimal,
    pub(crate) withdrawable: Decimal,
    pub(crate) positions: u32,
}

impl<'s> AllDexs<'s> {
    pub(crate) fn new(text: &'s mut String) -> AllDexs<'s> {
        AllDexs { user: None, sums: Sums::default(), text }
    }
}

impl<'de> Keyed<'de> for AllDexs<'_> {
    fn value<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "user" => self.user = Some(map.next_value::<Addr>()?.0),
            "clearinghouseStates" => {
                self.sums = Sums::default();
                self.text.clear();
                self.text.push('[');
                map.next_value_seed(Dexs(self))?;
                self.text.push(']');
            }
            _ => ignore(map)?,
        }
        Ok(())
    }
}

/// The list of pairs `[dex, state]`.
struct Dexs<'t, 's>(&'t mut AllDexs<'s>);

impl<'de> DeserializeSeed<'de> for Dexs<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Dexs<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of dexes and states")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Pair(&mut *self.0))?.is_some() {}
        Ok(())
    }
}

/// One pair `[dex, state]`.
struct Pair<'t, 's>(&'t mut AllDexs<'s>);

impl<'de> DeserializeSeed<'de> for Pair<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Pair<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a dex and its state")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        // The coins of a builder's dex carry its prefix, so the name says nothing more.
        seq.next_element::<Words>()?.ok_or_else(|| A::Error::custom("a state without its dex"))?;
        seq.next_element_seed(Object(&mut State(self.0)))?
            .ok_or_else(|| A::Error::custom("a dex without its state"))?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// One dex's state.
struct State<'t, 's>(&'t mut AllDexs<'s>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Margins {
    account_value: Dec,
    total_ntl_pos: Dec,
    total_margin_used: Dec,
}

impl<'de> Keyed<'de> for State<'_, '_> {
    fn value<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let all = &mut *self.0;
        match key {
            "marginSummary" => {
                let margins: Margins = map.next_value()?;
                add(&mut all.sums.account_value, margins.account_value)?;
                add(&mut all.sums.total_ntl_pos, margins.total_ntl_pos)?;
                add(&mut all.sums.total_margin_used, margins.total_margin_used)?;
            }
            "withdrawable" => add(&mut all.sums.withdrawable, map.next_value()?)?,
            "assetPositions" => {
                let (sums, text) = (&mut all.sums, &mut *all.text);
                map.next_value_seed(each(|asset: WireAsset| {
                    sums.positions += 1;
                    write_position(&asset.position, text)
                }))?;
            }
            _ => ignore(map)?,
        }
        Ok(())
    }
}

fn add<E: serde::de::Error>(sum: &mut Decimal, Dec(value): Dec) -> Result<(), E> {
    *sum = sum.checked_add(value).ok_or_else(|| E::custom("a sum over dexes does not fit"))?;
    Ok(())
}

#[derive(Deserialize)]
struct WireAsset {
    position: WirePosition,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePosition {
    coin: CoinName,
    szi: Dec,
    leverage: Option<WireLeverage>,
    entry_px: Option<Dec>,
    position_value: Option<Dec>,
    unrealized_pnl: Option<Dec>,
    return_on_equity: Option<Dec>,
    margin_used: Option<Dec>,
}

#[derive(Deserialize)]
struct WireLeverage {
    value: Option<Dec>,
}

/// A decimal in quotation marks, or `null`.
struct OrNull(Option<Dec>);

impl fmt::Display for OrNull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(Dec(decimal)) => write!(f, "\"{decimal}\""),
            None => f.write_str("null"),
        }
    }
}

/// A comma before every element of a JSON list but the first.
fn separate(text: &mut String) {
    if !text.ends_with('[') {
        text.push(',');
    }
}

fn write_position(position: &WirePosition, text: &mut String) -> fmt::Result {
    separate(text);
    text.push_str("{\"coin\":");
    json::write_string(text, position.coin.0.as_str())?;
    write!(
        text,
        ",\"szi\":\"{}\",\"entry_px\":{},\"unrealized_pnl\":{},\"leverage\":{},\"margin_used\":{},\
         \"position_value\":{},\"return_on_equity\":{}}}",
        position.szi.0,
        OrNull(position.entry_px),
        OrNull(position.unrealized_pnl),
        OrNull(position.leverage.as_ref().and_then(|leverage| leverage.value)),
        OrNull(position.margin_used),
        OrNull(position.position_value),
        OrNull(position.return_on_equity),
    )
}

/// The `data` of a `spotState` frame.
pub(crate) struct Spot<'s> {
    pub(crate) user: Option<Address>,
    pub(crate) balances: &'s mut Vec<Balance>,
    pub(crate) text: &'s mut String,
}

impl<'de> Keyed<'de> for Spot<'_> {
    fn value<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "user" => self.user = Some(map.next_value::<Addr>()?.0),
            "spotState" => {
                self.balances.clear();
                self.text.clear();
                self.text.push('[');
                map.next_value_seed(Object(&mut Balances(self)))?;
                self.text.push(']');
            }
            _ => ignore(map)?,
        }
        Ok(())
    }
}

struct Balances<'t, 's>(&'t mut Spot<'s>);

impl<'de> Keyed<'de> for Balances<'_, '_> {
    fn value<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        if key != "balances" {
            return ignore(map);
        }
        let (balances, text) = (&mut *self.0.balances, &mut *self.0.text);
        map.next_value_seed(each(|wire: WireBalance| {
            let balance = wire.into_balance();
            balances.push(balance);
            write_balance(&balance, text)
        }))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireBalance {
    coin: Short<31>,
    token: Option<u32>,
    total: Dec,
    hold: Option<Dec>,
    entry_ntl: Option<Dec>,
}

impl WireBalance {
    fn into_balance(self) -> Balance {
        let or_zero = |value: Option<Dec>| value.map_or(Decimal::ZERO, |Dec(decimal)| decimal);
        Balance {
            coin: self.coin.0,
            token: self.token.unwrap_or(0),
            total: self.total.0,
            hold: or_zero(self.hold),
            entry_ntl: or_zero(self.entry_ntl),
        }
    }
}

fn write_balance(balance: &Balance, text: &mut String) -> fmt::Result {
    separate(text);
    text.push_str("{\"coin\":");
    json::write_string(text, balance.coin.as_str())?;
    let Balance { total, hold, entry_ntl, .. } = balance;
    write!(text, ",\"total\":\"{total}\",\"hold\":\"{hold}\",\"entry_ntl\":\"{entry_ntl}\"}}")
}
