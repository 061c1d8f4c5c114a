//! What an account's source gives, block by block, and how it looks on the wire.

use std::fmt::{self, Write as _};
use std::rc::Rc;

use shards::fill::Liquidation;
use shards::{Address, Decimal, Fill, Side};

/// A fill, and its JSON object as the venue would send it.
#[derive(Debug)]
pub(crate) struct TapeFill {
    pub(crate) fill: Fill,
    pub(crate) json: Box<str>,
    /// The transaction, for the public trade.
    pub(crate) hash: Box<str>,
}

/// A new state of an order.
#[derive(Clone, Debug)]
pub(crate) struct TapeUpdate {
    pub(crate) oid: u64,
    pub(crate) cloid: Option<Rc<str>>,
    pub(crate) status: &'static str,
    pub(crate) status_ms: u64,
    /// The object inside `"order"`, as `orderUpdates` has it.
    pub(crate) order_json: Rc<str>,
}

impl TapeUpdate {
    /// The object that `orderUpdates` lists.
    pub(crate) fn json(&self) -> String {
        format!(
            r#"{{"order":{},"status":"{}","statusTimestamp":{}}}"#,
            self.order_json, self.status, self.status_ms
        )
    }
}

/// What one block brings to one account. It may be empty.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) time_ms: u64,
    pub(crate) fills: Vec<Rc<TapeFill>>,
    pub(crate) updates: Vec<TapeUpdate>,
}

/// A decimal as the venue writes it: whole numbers end in `.0`.
pub(crate) struct Wire(pub(crate) Decimal);

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.0.scale() == 0 { ".0" } else { "" };
        write!(f, "{}{end}", self.0)
    }
}

/// The same as a text of its own.
pub(crate) fn wire(value: Decimal) -> String {
    Wire(value).to_string()
}

/// `B` or `A`.
pub(crate) fn wire_side(side: Side) -> &'static str {
    match side {
        Side::Buy => "B",
        Side::Sell => "A",
    }
}

/// The hash of a fill that the venue made itself, or of a TWAP's counterparty.
pub(crate) const ZERO_HASH: &str =
    "0x0000000000000000000000000000000000000000000000000000000000000000";

/// What a fill on the wire has beside what the monitor's own `Fill` keeps.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    pub(crate) hash: String,
    pub(crate) twap_id: Option<u64>,
    pub(crate) builder_fee: Option<Decimal>,
}

/// Makes the wire form of a generated fill. Written out by hand: a load has hundreds of thousands in
/// a second. None of the texts needs an escape.
pub(crate) fn fill_on_tape(fill: Fill, extras: Extras) -> TapeFill {
    let mut json = String::with_capacity(FILL_BYTES);
    write_fill(&mut json, &fill, &extras).expect("a String takes everything");
    TapeFill { fill, json: json.into(), hash: extras.hash.into() }
}

/// Bytes of most orders.
const ORDER_BYTES: usize = 224;
/// Bytes of most fills.
const FILL_BYTES: usize = 512;

fn write_fill(json: &mut String, fill: &Fill, extras: &Extras) -> fmt::Result {
    write!(
        json,
        r#"{{"coin":"{}","px":"{}","sz":"{}","side":"{}","time":{},"startPosition":"{}","dir":"{}","closedPnl":"{}","hash":"{}","oid":{},"crossed":{},"fee":"{}","tid":{}"#,
        fill.coin.as_str(),
        Wire(fill.px),
        Wire(fill.sz),
        wire_side(fill.side),
        fill.time_ms,
        Wire(fill.start_position),
        fill.dir.as_str(),
        Wire(fill.closed_pnl),
        extras.hash,
        fill.oid,
        fill.crossed,
        Wire(fill.fee),
        fill.tid,
    )?;
    if let Some(cloid) = &fill.cloid {
        json.push_str(r#","cloid":""#);
        shards::address::write_hex(cloid, json)?;
        json.push('"');
    }
    write!(json, r#","feeToken":"{}","twapId":"#, fill.fee_token.as_str())?;
    match extras.twap_id {
        Some(id) => write!(json, "{id}")?,
        None => json.push_str("null"),
    }
    if let Some(fee) = extras.builder_fee {
        write!(json, r#","builderFee":"{}""#, Wire(fee))?;
    }
    if let Some(Liquidation { user, method }) = &fill.liquidation {
        write!(
            json,
            r#","liquidation":{{"liquidatedUser":"{user}","markPx":"{}","method":"{}"}}"#,
            Wire(fill.px),
            method.as_str()
        )?;
    }
    json.push('}');
    Ok(())
}

/// A client order id as text.
pub(crate) fn cloid_text(cloid: &[u8; 16]) -> String {
    let mut text = String::with_capacity(34);
    shards::address::write_hex(cloid, &mut text).expect("a String takes everything");
    text
}

/// The parts of an order that its states tell.
#[derive(Clone, Debug)]
pub(crate) struct OrderFace<'a> {
    pub(crate) coin: &'a str,
    pub(crate) side: Side,
    pub(crate) limit_px: Decimal,
    pub(crate) left: Decimal,
    pub(crate) orig: Decimal,
    pub(crate) oid: u64,
    pub(crate) placed_ms: u64,
    pub(crate) cloid: Option<&'a str>,
    pub(crate) reduce_only: bool,
}

impl OrderFace<'_> {
    /// The new state `status`, taken at `status_ms`.
    pub(crate) fn update(&self, status: &'static str, status_ms: u64) -> TapeUpdate {
        let mut order = String::with_capacity(ORDER_BYTES);
        write!(
            order,
            r#"{{"coin":"{}","side":"{}","limitPx":"{}","sz":"{}","oid":{},"timestamp":{},"origSz":"{}""#,
            self.coin,
            wire_side(self.side),
            Wire(self.limit_px),
            Wire(self.left),
            self.oid,
            self.placed_ms,
            Wire(self.orig),
        )
        .expect("a String takes everything");
        if let Some(cloid) = self.cloid {
            order.push_str(&format!(r#","cloid":"{cloid}""#));
        }
        if self.reduce_only {
            order.push_str(r#","reduceOnly":true"#);
        }
        order.push('}');
        TapeUpdate {
            oid: self.oid,
            cloid: self.cloid.map(Into::into),
            status,
            status_ms,
            order_json: order.into(),
        }
    }
}

/// A `userFills` frame.
pub(crate) fn fills_frame<'a>(
    user: &Address,
    snapshot: bool,
    fills: impl Iterator<Item = &'a Rc<TapeFill>>,
) -> String {
    let mark = if snapshot { r#""isSnapshot":true,"# } else { "" };
    let mut frame = String::with_capacity(FILL_BYTES * (1 + fills.size_hint().0));
    write!(frame, r#"{{"channel":"userFills","data":{{{mark}"user":"{user}","fills":["#)
        .expect("a String takes everything");
    for (i, fill) in fills.enumerate() {
        if i > 0 {
            frame.push(',');
        }
        frame.push_str(&fill.json);
    }
    frame.push_str("]}}");
    frame
}

/// An `orderUpdates` frame.
pub(crate) fn updates_frame(updates: &[TapeUpdate]) -> String {
    let list: Vec<String> = updates.iter().map(TapeUpdate::json).collect();
    format!(r#"{{"channel":"orderUpdates","data":[{}]}}"#, list.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use shards::Dir;

    fn dec(text: &str) -> Decimal {
        text.parse().expect("a decimal in a test")
    }

    fn fill() -> Fill {
        Fill {
            coin: "xyz:CL".into(),
            px: dec("61.24"),
            sz: dec("3"),
            side: Side::Sell,
            time_ms: 1_790_000_000_100,
            start_position: dec("-1.5"),
            dir: Dir::OpenShort,
            closed_pnl: Decimal::ZERO,
            oid: 7,
            crossed: true,
            fee: dec("-0.01"),
            fee_token: "USDC".into(),
            tid: 9,
            cloid: Some([0xab; 16]),
            liquidation: Some(Liquidation { user: Address([1; 20]), method: "market".into() }),
        }
    }

    #[test]
    fn a_fill_has_the_venues_names_and_texts() {
        let extras =
            Extras { hash: ZERO_HASH.into(), twap_id: None, builder_fee: Some(dec("0.5")) };
        let tape = fill_on_tape(fill(), extras);
        let found: Value = serde_json::from_str(&tape.json).expect("JSON");
        let wanted = json!({
            "coin":"xyz:CL","px":"61.24","sz":"3.0","side":"A","time":1_790_000_000_100_u64,
            "startPosition":"-1.5","dir":"Open Short","closedPnl":"0.0","hash":ZERO_HASH,"oid":7,
            "crossed":true,"fee":"-0.01","tid":9,"cloid":"0xabababababababababababababababab",
            "feeToken":"USDC","twapId":null,"builderFee":"0.5",
            "liquidation":{"liquidatedUser":"0x0101010101010101010101010101010101010101",
                           "markPx":"61.24","method":"market"},
        });
        assert_eq!(found, wanted);
    }

    #[test]
    fn frames_mark_only_snapshots() {
        let tape = Rc::new(fill_on_tape(fill(), Extras::default()));
        let user = Address([2; 20]);
        let live: Value =
            serde_json::from_str(&fills_frame(&user, false, [&tape, &tape].into_iter()))
                .expect("JSON");
        assert_eq!(live["data"]["fills"].as_array().map(Vec::len), Some(2));
        assert!(live["data"].get("isSnapshot").is_none());
        let empty = fills_frame(&user, true, [].into_iter());
        assert_eq!(
            empty,
            format!(
                r#"{{"channel":"userFills","data":{{"isSnapshot":true,"user":"{user}","fills":[]}}}}"#
            )
        );
    }

    #[test]
    fn an_update_tells_the_remaining_and_the_original_size() {
        let face = OrderFace {
            coin: "BTC",
            side: Side::Buy,
            limit_px: dec("85000"),
            left: dec("0.25"),
            orig: dec("1"),
            oid: 5,
            placed_ms: 1,
            cloid: None,
            reduce_only: true,
        };
        let frame = updates_frame(&[face.update("canceled", 2), face.update("open", 1)]);
        let found: Value = serde_json::from_str(&frame).expect("JSON");
        let order = json!({"coin":"BTC","side":"B","limitPx":"85000.0","sz":"0.25","oid":5,
            "timestamp":1,"origSz":"1.0","reduceOnly":true});
        assert_eq!(found["channel"], "orderUpdates");
        assert_eq!(
            found["data"][0],
            json!({"order": order, "status": "canceled", "statusTimestamp": 2})
        );
        assert_eq!(found["data"].as_array().map(Vec::len), Some(2));
    }
}
