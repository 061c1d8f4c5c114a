//! The JSON of a signal and of a gap, as the bus and standard output carry it.
//!
//! The first eleven fields of a signal are the contract of the program that corelane replaces: names, types and
//! order stay. `size`, `price` and the two rates are JSON numbers, the nearest `f64` in its shortest form; what
//! must add up is in the `*_exact` strings. Nothing is allocated but room in the given vector.

use crate::json::{self, Bytes};
use shards::{Address, Decimal, EventId, Gap, Signal};
use std::fmt::{self, Display, Write};

/// What `position_rate` says while the account value is unknown.
const POSITION_RATE_UNKNOWN: u64 = 100;

/// Writes the id of a signal, `address-oid-leg-revision`: the bus's message id and the database's unique key.
pub fn write_signal_id(signal: &Signal, into: &mut impl Write) -> fmt::Result {
    let Signal { address, oid, revision, .. } = signal;
    write!(into, "{address}-{oid}-{leg}-{revision}", leg = signal.leg.as_str())
}

/// Appends a signal as one JSON object, without a line end. `"position_rate_known":false` stands last when the
/// rate is a stand-in, and is absent otherwise.
pub fn signal_json(signal: &Signal, id: EventId, into: &mut Vec<u8>) {
    write_signal(signal, id, &mut Bytes(into)).expect("a vector takes every write");
}

/// Appends a gap as one JSON object, without a line end.
pub fn gap_json(gap: &Gap, id: EventId, into: &mut Vec<u8>) {
    write_gap(gap, id, &mut Bytes(into)).expect("a vector takes every write");
}

fn write_signal(signal: &Signal, id: EventId, into: &mut Bytes) -> fmt::Result {
    let s = signal;
    write!(into, "{{\"address\":\"{}\",\"asset_type\":\"{}\"", s.address, s.asset_type.as_str())?;
    text(into, "symbol", s.symbol.as_str())?;
    text(into, "coin_type", char::from(s.coin_type).encode_utf8(&mut [0; 4]))?;
    text(into, "direction", s.direction.as_str())?;
    text(into, "side", s.side.as_str())?;
    let rate = s.position_rate.unwrap_or(Decimal::from(POSITION_RATE_UNKNOWN));
    plain(into, "position_rate", rate.to_f64())?;
    plain(into, "close_rate", s.close_rate.to_f64())?;
    plain(into, "size", s.size.to_f64())?;
    plain(into, "price", s.price.to_f64())?;
    plain(into, "timestamp", s.timestamp_ms)?;
    into.write_str(",\"signal_id\":")?;
    write_signal_id_string(s, into)?;
    plain(into, "oid", s.oid)?;
    match &s.cloid {
        Some(cloid) => {
            into.write_str(",\"cloid\":\"")?;
            shards::address::write_hex(cloid, into)?;
            into.write_char('"')?;
        }
        None => into.write_str(",\"cloid\":null")?,
    }
    plain(into, "revision", s.revision)?;
    plain(into, "final", s.is_final)?;
    optional(into, "status", s.status.as_ref().map(shards::Label::as_str))?;
    text(into, "trigger", s.trigger.as_str())?;
    plain(into, "fills", s.fills)?;
    quoted(into, "order_size", s.order_size)?;
    // An empty leg has no average: it says 0.
    let average = s.order_notional.ratio(s.order_size).unwrap_or(Decimal::ZERO);
    quoted(into, "order_avg_px", average)?;
    quoted(into, "size_exact", s.size)?;
    quoted(into, "price_exact", s.price)?;
    quoted(into, "notional_exact", s.notional)?;
    plain(into, "partial_history", s.partial_history)?;
    optional(into, "reason", s.reason.map(shards::event::Reason::as_str))?;
    quoted(into, "closed_pnl", s.closed_pnl)?;
    quoted(into, "fee", s.fee)?;
    text(into, "fee_token", s.fee_token.as_str())?;
    write_event_id(id, into)?;
    if s.position_rate.is_none() {
        plain(into, "position_rate_known", false)?;
    }
    into.write_char('}')
}

fn write_gap(gap: &Gap, id: EventId, into: &mut Bytes) -> fmt::Result {
    write!(into, "{{\"type\":\"gap\",\"address\":\"{}\"", gap.address)?;
    text(into, "coin", gap.coin.as_str())?;
    plain(into, "from", gap.from_ms)?;
    plain(into, "to", gap.to_ms)?;
    quoted(into, "expected", gap.expected)?;
    quoted(into, "found", gap.found)?;
    write_event_id(id, into)?;
    into.write_char('}')
}

/// The signal's id as a JSON string: only the leg can hold a character that wants an escape.
fn write_signal_id_string(signal: &Signal, into: &mut Bytes) -> fmt::Result {
    let (address, oid): (&Address, u64) = (&signal.address, signal.oid);
    let leg = signal.leg.as_str();
    if leg.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
        into.write_char('"')?;
        write_signal_id(signal, into)?;
        return into.write_char('"');
    }
    write!(into, "\"{address}-{oid}-")?;
    // The escaped leg comes with its own quotation marks: take back the first, leave out the last.
    let quote_at = into.0.len();
    json::write_string(into, leg)?;
    into.0.remove(quote_at);
    into.0.pop();
    write!(into, "-{}\"", signal.revision)
}

fn write_event_id(id: EventId, into: &mut Bytes) -> fmt::Result {
    write!(into, ",\"shard\":{},\"seq\":{},\"index\":{}", id.shard.0, id.seq.0, id.index)
}

/// A value that is its own JSON: a number, `true`, `false`.
fn plain(into: &mut Bytes, key: &str, value: impl Display) -> fmt::Result {
    write!(into, ",\"{key}\":{value}")
}

/// A number in quotation marks.
fn quoted(into: &mut Bytes, key: &str, value: Decimal) -> fmt::Result {
    write!(into, ",\"{key}\":\"{value}\"")
}

fn text(into: &mut Bytes, key: &str, value: &str) -> fmt::Result {
    write!(into, ",\"{key}\":")?;
    json::write_string(into, value)
}

fn optional(into: &mut Bytes, key: &str, value: Option<&str>) -> fmt::Result {
    match value {
        Some(value) => text(into, key, value),
        None => write!(into, ",\"{key}\":null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shards::event::{AssetType, Direction, PositionSide, Reason, Trigger};
    use shards::{Coin, Dir, Label, Seq, ShardId, Symbol, Token};

    fn dec(text: &str) -> Decimal {
        text.parse().expect("a decimal in a test")
    }

    fn signal() -> Signal {
        Signal {
            address: Address([0xab; 20]),
            asset_type: AssetType::Futures,
            coin: Coin::new("BTC"),
            symbol: Symbol::new("BTCUSDC"),
            coin_type: b'A',
            direction: Direction::Open,
            side: PositionSide::Long,
            leg: Dir::OpenLong,
            position_rate: Some(dec("15.5")),
            close_rate: dec("0.25"),
            size: dec("1.5"),
            notional: dec("75000.15"),
            price: dec("50000.1"),
            timestamp_ms: 1_700_000_000_000,
            last_fill_ms: 1_700_000_000_000,
            oid: 498_888_530_740,
            cloid: None,
            revision: 1,
            is_final: true,
            status: Some(Label::new("filled")),
            trigger: Trigger::Status,
            fills: 3,
            order_size: dec("1.5"),
            order_notional: dec("75000.15"),
            partial_history: false,
            reason: None,
            closed_pnl: Decimal::ZERO,
            fee: dec("0.01"),
            fee_token: Token::new("USDC"),
        }
    }

    const ID: EventId = EventId { shard: ShardId(0), seq: Seq(123), index: 0 };

    fn json_of(signal: &Signal) -> String {
        let mut bytes = Vec::new();
        signal_json(signal, ID, &mut bytes);
        String::from_utf8(bytes).expect("JSON is UTF-8")
    }

    #[test]
    fn a_signal_has_the_contracts_keys_in_the_contracts_order() {
        let address = "0xabababababababababababababababababababab";
        let wanted = format!(
            concat!(
                "{{\"address\":\"{a}\",\"asset_type\":\"futures\",\"symbol\":\"BTCUSDC\",\"coin_type\":\"A\",",
                "\"direction\":\"open\",\"side\":\"LONG\",\"position_rate\":15.5,\"close_rate\":0.25,",
                "\"size\":1.5,\"price\":50000.1,\"timestamp\":1700000000000,",
                "\"signal_id\":\"{a}-498888530740-Open Long-1\",\"oid\":498888530740,\"cloid\":null,",
                "\"revision\":1,\"final\":true,\"status\":\"filled\",\"trigger\":\"status\",\"fills\":3,",
                "\"order_size\":\"1.5\",\"order_avg_px\":\"50000.1\",\"size_exact\":\"1.5\",",
                "\"price_exact\":\"50000.1\",\"notional_exact\":\"75000.15\",\"partial_history\":false,",
                "\"reason\":null,\"closed_pnl\":\"0\",\"fee\":\"0.01\",\"fee_token\":\"USDC\",",
                "\"shard\":0,\"seq\":123,\"index\":0}}"
            ),
            a = address
        );
        assert_eq!(json_of(&signal()), wanted);
    }

    #[test]
    fn what_is_absent_or_unusual_is_said() {
        let odd = Signal {
            position_rate: None,
            cloid: Some([0x0f; 16]),
            leg: Dir::Other(Label::new("Say \"when\"\n")),
            status: None,
            reason: Some(Reason::Liquidation),
            size: Decimal::ZERO,
            order_size: Decimal::ZERO,
            fee: dec("-0.000001"),
            ..signal()
        };
        let json: serde_json::Value = serde_json::from_str(&json_of(&odd)).expect("JSON");
        assert_eq!(json["position_rate"], 100);
        assert_eq!(json["position_rate_known"], false);
        assert_eq!(json["cloid"], "0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f");
        assert_eq!(json["status"], serde_json::Value::Null);
        assert_eq!(json["reason"], "liquidation");
        assert_eq!(json["order_avg_px"], "0");
        assert_eq!(json["fee"], "-0.000001");
        let mut id = String::new();
        write_signal_id(&odd, &mut id).expect("a string takes all");
        assert_eq!(json["signal_id"], id);
        assert!(id.ends_with("-498888530740-Say \"when\"\n-1"), "{id}");
    }

    #[test]
    fn numbers_are_the_nearest_float_in_shortest_form() {
        for (exact, json) in [
            ("0.1", "0.1"),
            ("1500", "1500"),
            ("0.000000001", "0.000000001"),
            ("123456789012345678", "123456789012345680"),
        ] {
            let text = json_of(&Signal { size: dec(exact), ..signal() });
            assert!(text.contains(&format!("\"size\":{json},")), "{exact}: {text}");
            assert!(text.contains(&format!("\"size_exact\":\"{exact}\"")), "{exact}: {text}");
        }
    }

    #[test]
    fn a_gap_says_what_is_missing() {
        let gap = Gap {
            address: Address([1; 20]),
            coin: Coin::new("xyz:CL"),
            from_ms: 5,
            to_ms: 9,
            expected: dec("1.5"),
            found: dec("-2"),
        };
        let mut bytes = b"[".to_vec();
        gap_json(&gap, ID, &mut bytes);
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            concat!(
                "[{\"type\":\"gap\",\"address\":\"0x0101010101010101010101010101010101010101\",",
                "\"coin\":\"xyz:CL\",\"from\":5,\"to\":9,\"expected\":\"1.5\",\"found\":\"-2\",",
                "\"shard\":0,\"seq\":123,\"index\":0}"
            )
        );
    }
}
