//! Reading fills and order statuses, from frames and from REST answers alike.

use super::wire::{Addr, CoinName, Dec, Keyed, Short, from_str, ignore};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess};
use shards::fill::{Cloid, Liquidation};
use shards::{Address, Decimal, Dir, Fill, OrderStatus, Side, Token, address};

/// A fill as the venue writes it. Fields that no rule needs are skipped; those that old or shortened forms leave
/// out have a stand-in.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireFill {
    coin: CoinName,
    px: Dec,
    sz: Dec,
    side: WireSide,
    time: u64,
    start_position: Dec,
    dir: WireDir,
    closed_pnl: Option<Dec>,
    oid: u64,
    crossed: Option<bool>,
    fee: Option<Dec>,
    fee_token: Option<Short<15>>,
    tid: Option<u64>,
    cloid: Option<WireCloid>,
    liquidation: Option<WireLiquidation>,
}

struct WireSide(Side);

struct WireDir(Dir);

/// `None` where the text is no 128-bit hex number: a label of the client's must not cost the fill.
struct WireCloid(Option<Cloid>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireLiquidation {
    liquidated_user: Option<Addr>,
    method: Option<Short<15>>,
}

impl<'de> Deserialize<'de> for WireSide {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WireSide, D::Error> {
        from_str(deserializer, |text| match text {
            "B" => Ok(WireSide(Side::Buy)),
            "A" => Ok(WireSide(Side::Sell)),
            other => Err(format!("side {other:?}: neither B nor A")),
        })
    }
}

impl<'de> Deserialize<'de> for WireDir {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WireDir, D::Error> {
        from_str(deserializer, |text| Ok(WireDir(Dir::new(text))))
    }
}

impl<'de> Deserialize<'de> for WireCloid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WireCloid, D::Error> {
        from_str(deserializer, |text| Ok(WireCloid(address::parse_hex(text).ok())))
    }
}

impl WireFill {
    /// The fill; `None` for a size of zero, which says nothing and would only stop its frame. A size below zero
    /// is refused.
    pub(crate) fn into_fill(self) -> Result<Option<Fill>, &'static str> {
        let sz = self.sz.0;
        if sz.is_negative() {
            return Err("a fill's size is below zero");
        }
        if sz.is_zero() {
            return Ok(None);
        }
        let or_zero = |value: Option<Dec>| value.map_or(Decimal::ZERO, |Dec(decimal)| decimal);
        let fee_token = self.fee_token.map_or_else(|| Token::new("USDC"), |Short(token)| token);
        let mut fill = Fill {
            coin: self.coin.0,
            px: self.px.0,
            sz,
            side: self.side.0,
            time_ms: self.time,
            start_position: self.start_position.0,
            dir: self.dir.0,
            closed_pnl: or_zero(self.closed_pnl),
            oid: self.oid,
            crossed: self.crossed.unwrap_or(false),
            fee: or_zero(self.fee),
            fee_token,
            tid: self.tid.unwrap_or(0),
            cloid: self.cloid.and_then(|WireCloid(cloid)| cloid),
            liquidation: self.liquidation.map(|liquidation| Liquidation {
                // Without a name nobody can say that it was the watched account: no account has address 0.
                user: liquidation.liquidated_user.map_or(Address::default(), |Addr(user)| user),
                method: liquidation.method.unwrap_or_default().0,
            }),
        };
        if self.tid.is_none() {
            fill.tid = derived_tid(&fill);
        }
        Ok(Some(fill))
    }
}

/// A trade id for fills of the time before the venue gave them: FNV-1a over what tells two executions of one order
/// apart, the position before it included. Never 0, which the venue uses for conversions of dust, and below 2^63.
fn derived_tid(fill: &Fill) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut take = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    take(fill.coin.as_str().as_bytes());
    take(&fill.time_ms.to_le_bytes());
    take(&fill.oid.to_le_bytes());
    for decimal in [fill.px, fill.sz, fill.start_position] {
        take(&decimal.mantissa().to_le_bytes());
        take(&[decimal.scale()]);
    }
    take(&[u8::from(fill.side == Side::Buy)]);
    take(fill.dir.as_str().as_bytes());
    (hash >> 1).max(1)
}

/// An order with its status: `orderUpdates` and `orderStatus` write the same.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireStatus {
    order: WireOrder,
    status: Short<47>,
    status_timestamp: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireOrder {
    pub(crate) oid: u64,
    pub(crate) sz: Dec,
    pub(crate) orig_sz: Dec,
}

impl WireStatus {
    pub(crate) fn into_status(self) -> OrderStatus {
        OrderStatus {
            oid: self.order.oid,
            status: self.status.0,
            orig_sz: self.order.orig_sz.0,
            sz: self.order.sz.0,
            time_ms: self.status_timestamp,
        }
    }
}

/// The `data` of a `userFills` frame.
pub(crate) struct UserFills<'s> {
    pub(crate) user: Option<Address>,
    pub(crate) snapshot: bool,
    pub(crate) fills: &'s mut Vec<Fill>,
    pub(crate) listed: bool,
}

impl<'de> Keyed<'de> for UserFills<'_> {
    fn value<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "user" => self.user = Some(map.next_value::<Addr>()?.0),
            "isSnapshot" => self.snapshot = map.next_value::<Option<bool>>()?.unwrap_or(false),
            "fills" => {
                self.listed = true;
                self.fills.clear();
                map.next_value_seed(into_fills(self.fills))?;
            }
            _ => ignore(map)?,
        }
        Ok(())
    }
}

/// A list of fills, appended to `fills`.
pub(crate) fn into_fills<'de>(
    fills: &mut Vec<Fill>,
) -> impl serde::de::DeserializeSeed<'de, Value = ()> {
    super::wire::each(move |wire: WireFill| {
        if let Some(fill) = wire.into_fill()? {
            fills.push(fill);
        }
        Ok::<(), &'static str>(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Fill {
        let wire: WireFill = serde_json::from_str(json).expect("a fill");
        wire.into_fill().expect("accepted").expect("not empty")
    }

    const OLD: &str = r#"{"closedPnl":"-0.25686","coin":"SUI","crossed":true,"dir":"Close Long","fee":"0.0",
        "hash":"0x3d","oid":189324432,"px":"1.3189","side":"A","startPosition":"4623.5","sz":"142.7","time":1683245884863}"#;

    #[test]
    fn a_fill_without_a_trade_id_gets_a_stable_one_of_its_content() {
        let fill = read(OLD);
        assert_eq!(fill.tid, read(OLD).tid);
        assert!(fill.tid != 0 && fill.tid < 1 << 63);
        assert_eq!(fill.fee_token.as_str(), "USDC");
        for (field, other) in [
            ("\"4623.5\"", "\"4623.6\""),
            ("\"1.3189\"", "\"1.319\""),
            ("\"142.7\"", "\"142.8\""),
            ("189324432", "189324433"),
            ("1683245884863", "1683245884864"),
            ("\"A\"", "\"B\""),
            ("Close Long", "Open Short"),
            ("SUI", "SEI"),
        ] {
            assert_ne!(fill.tid, read(&OLD.replace(field, other)).tid, "{field}");
        }
    }

    #[test]
    fn a_trade_id_of_zero_stays() {
        assert_eq!(read(&OLD.replace("\"fee\":\"0.0\"", "\"tid\":0")).tid, 0);
    }

    #[test]
    fn a_cloid_or_a_liquidation_that_says_too_little_costs_nothing() {
        let with = |more: &str| read(&OLD.replacen('{', &format!("{{{more},"), 1));
        assert_eq!(with("\"cloid\":null").cloid, None);
        assert_eq!(with("\"cloid\":\"mine\"").cloid, None);
        assert_eq!(
            with("\"cloid\":\"0x000000000000000000065d2917ff6969\"").cloid.map(|c| c[15]),
            Some(0x69)
        );
        assert_eq!(with("\"liquidation\":null").liquidation, None);
        let liquidation = with(r#""liquidation":{"markPx":"1.3","method":"market"}"#).liquidation;
        let wanted = Liquidation { user: Address::default(), method: Token::new("market") };
        assert_eq!(liquidation, Some(wanted));
    }

    #[test]
    fn sizes_below_zero_are_refused_and_empty_ones_left_out() {
        let sized = |size: &str| {
            let wire: WireFill = serde_json::from_str(&OLD.replace("142.7", size)).expect("a fill");
            wire.into_fill().map(|fill| fill.is_some())
        };
        assert_eq!(sized("0.0"), Ok(false));
        assert_eq!(sized("0.1"), Ok(true));
        assert!(sized("-1").is_err());
    }
}
