//! Reading account states: perpetual positions of all dexes, and spot balances.
//!
//! Both are absolute states that come every few seconds. What rows and the admin page show of them is JSON text,
//! written here in one go; what rules compute with is in the numbers.

use super::wire::{Addr, CoinName, Dec, Keyed, Object, Short, each, ignore};
use crate::json;
use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use shards::{Address, Coin, Decimal};
use std::fmt::{self, Write};

/// Whose state an `allDexsClearinghouseState` frame brought. What it says of each dex is in
/// [`Scratch::dexs`](super::frame::Scratch::dexs).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountState {
    /// The account.
    pub user: Address,
    /// Open positions on all dexes, as many as are in the JSON text.
    pub positions: u32,
}

/// What an account has on one perpetual dex. All amounts are in the dex's collateral token, which differs from dex to
/// dex: they cannot be added up before they are priced. Of a unified account they mean nothing (see
/// [`Frame::Spot`](super::frame::Frame::Spot)).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DexState {
    /// The dex; empty for the venue's own.
    pub dex: Coin,
    /// Account value.
    pub account_value: Decimal,
    /// Margin that positions use.
    pub total_margin_used: Decimal,
    /// The positions' notional values.
    pub total_ntl_pos: Decimal,
    /// What can be withdrawn.
    pub withdrawable: Decimal,
}

/// One token's balance in a spot account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Balance {
    /// The token's name.
    pub coin: Coin,
    /// The token's index in `spotMeta`; `None` where the venue does not say, of all but USDC, which is 0. Other names
    /// decide nothing: anybody gives them.
    pub token: Option<u32>,
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
    pub(crate) positions: u32,
    pub(crate) dexs: &'s mut Vec<DexState>,
    pub(crate) text: &'s mut String,
}

impl<'de> Keyed<'de> for AllDexs<'_> {
    fn value<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "user" => self.user = Some(map.next_value::<Addr>()?.0),
            "clearinghouseStates" => {
                self.positions = 0;
                self.dexs.clear();
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
        let CoinName(dex) =
            seq.next_element()?.ok_or_else(|| A::Error::custom("a state without its dex"))?;
        self.0.dexs.push(DexState { dex, ..DexState::default() });
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
        let AllDexs { dexs, positions, text, .. } = &mut *self.0;
        let dex = dexs.last_mut().expect("a state is read after its dex");
        match key {
            "marginSummary" => {
                let margins: Margins = map.next_value()?;
                dex.account_value = margins.account_value.0;
                dex.total_ntl_pos = margins.total_ntl_pos.0;
                dex.total_margin_used = margins.total_margin_used.0;
            }
            "withdrawable" => dex.withdrawable = map.next_value::<Dec>()?.0,
            "assetPositions" => {
                map.next_value_seed(each(|asset: WireAsset| {
                    *positions += 1;
                    write_position(&asset.position, text)
                }))?;
            }
            _ => ignore(map)?,
        }
        Ok(())
    }
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
    pub(crate) is_unified: bool,
    pub(crate) balances: &'s mut Vec<Balance>,
    pub(crate) text: &'s mut String,
}

impl<'de> Keyed<'de> for Spot<'_> {
    fn value<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "user" => self.user = Some(map.next_value::<Addr>()?.0),
            "spotState" => {
                self.is_unified = false;
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
        let Spot { is_unified, balances, text, .. } = &mut *self.0;
        match key {
            "balances" => map.next_value_seed(each(|wire: WireBalance| {
                let balance = wire.into_balance();
                balances.push(balance);
                write_balance(&balance, text)
            })),
            // Per token, what may leave the account beside its positions: only spot that is their collateral has that.
            "tokenToAvailableAfterMaintenance" => {
                let listed: Option<Vec<IgnoredAny>> = map.next_value()?;
                *is_unified = listed.is_some_and(|listed| !listed.is_empty());
                Ok(())
            }
            _ => ignore(map),
        }
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
            token: self.token.or_else(|| (self.coin.0.as_str() == "USDC").then_some(0)),
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
