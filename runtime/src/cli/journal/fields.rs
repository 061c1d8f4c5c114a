//! A record as one JSON object: where it stands, and what its bytes say.
//!
//! Decimals, hashes and addresses are strings: they must come out as they went in. Times are integers, nanoseconds for
//! the record and milliseconds inside it, as the venue gives them.

use std::fmt::Display;
use std::io::Write;

use persist::Record;
use shards::address::write_hex;
use shards::codec::{Scratch, decode_event, decode_input};
use shards::fill::Liquidation;
use shards::input::{Baseline, Emit};
use shards::{
    Event, Fill, Gap, Input, OrderStatus, Origin, Policy, Side, Signal, StartFrom, SymbolEntry,
};

/// A JSON object that is being written.
pub(in crate::cli) struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    /// Begins one at the end of `out`.
    pub(in crate::cli) fn begin(out: &'a mut Vec<u8>) -> Object<'a> {
        out.push(b'{');
        Object { out, is_empty: true }
    }

    /// Ends it.
    pub(in crate::cli) fn end(self) {
        self.out.push(b'}');
    }

    fn key(&mut self, key: &str) {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        write!(self.out, "\"{key}\":").expect("a vector takes every write");
    }

    /// A value that is its own JSON: a number, `true`, `null`.
    pub(in crate::cli) fn plain(&mut self, key: &str, value: impl Display) {
        self.key(key);
        write!(self.out, "{value}").expect("a vector takes every write");
    }

    /// A number, or `null`.
    pub(in crate::cli) fn maybe(&mut self, key: &str, value: Option<impl Display>) {
        match value {
            Some(value) => self.plain(key, value),
            None => self.plain(key, "null"),
        }
    }

    /// Any text.
    pub(in crate::cli) fn text(&mut self, key: &str, value: impl Display) {
        self.key(key);
        let value = value.to_string();
        serde_json::to_writer(&mut *self.out, &value).expect("a vector takes every write");
    }

    /// Any text, or `null`.
    pub(in crate::cli) fn maybe_text(&mut self, key: &str, value: Option<impl Display>) {
        match value {
            Some(value) => self.text(key, value),
            None => self.plain(key, "null"),
        }
    }

    /// Bytes as `0x` and hex digits.
    pub(in crate::cli) fn hex(&mut self, key: &str, bytes: &[u8]) {
        let mut text = String::with_capacity(2 + bytes.len() * 2);
        write_hex(bytes, &mut text).expect("a string takes every write");
        self.text(key, text);
    }

    /// JSON as it is.
    pub(in crate::cli) fn raw(&mut self, key: &str, json: &[u8]) {
        self.key(key);
        self.out.extend_from_slice(json);
    }

    /// An object inside.
    pub(in crate::cli) fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.key(key);
        let mut inner = Object::begin(self.out);
        fill(&mut inner);
        inner.end();
    }

    /// A list of objects.
    pub(in crate::cli) fn list<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        mut fill: impl FnMut(T, &mut Object<'_>),
    ) {
        self.key(key);
        self.out.push(b'[');
        for (nth, item) in items.into_iter().enumerate() {
            if nth > 0 {
                self.out.push(b',');
            }
            let mut inner = Object::begin(self.out);
            fill(item, &mut inner);
            inner.end();
        }
        self.out.push(b']');
    }
}

/// Turns records into JSON.
#[derive(Default)]
pub(in crate::cli) struct Decoder {
    scratch: Scratch,
}

impl Decoder {
    /// Why a record cannot be read, if it cannot.
    pub(in crate::cli) fn check(&mut self, record: &Record<'_>) -> Result<(), String> {
        match record.is_input {
            true => decode_input(record.kind, record.body, &mut self.scratch).map(drop),
            false => decode_event(record.kind, record.body).map(drop),
        }
        .map_err(|error| error.to_string())
    }

    /// The seq, index, type and time of a record.
    pub(in crate::cli) fn head(record: &Record<'_>, object: &mut Object<'_>) {
        object.plain("seq", record.seq);
        object.maybe("index", (!record.is_input).then_some(record.index));
        object.text("type", kind_name(record.kind, record.is_input));
        object.plain("time", record.event_time);
    }

    /// What a record's body says. Whether it could be read: if not, it is given in hex, with the reason.
    pub(in crate::cli) fn body(&mut self, record: &Record<'_>, object: &mut Object<'_>) -> bool {
        let failed = if record.is_input {
            match decode_input(record.kind, record.body, &mut self.scratch) {
                Ok(input) => {
                    input_fields(&input, object);
                    None
                }
                Err(error) => Some(error),
            }
        } else {
            match decode_event(record.kind, record.body) {
                Ok(Event::Signal(signal)) => {
                    signal_fields(&signal, object);
                    None
                }
                Ok(Event::Gap(gap)) => {
                    gap_fields(&gap, object);
                    None
                }
                Err(error) => Some(error),
            }
        };
        if let Some(error) = &failed {
            object.plain("kind", record.kind);
            object.hex("body", record.body);
            object.text("why", error);
        }
        failed.is_none()
    }
}

/// The name of a record's kind.
pub(in crate::cli) fn kind_name(kind: u16, is_input: bool) -> &'static str {
    match (is_input, kind) {
        (true, 1) => "policy",
        (true, 2) => "watch",
        (true, 3) => "unwatch",
        (true, 4) => "baseline",
        (true, 5) => "fills",
        (true, 6) => "backfill_failed",
        (true, 7) => "statuses",
        (true, 8) => "worth",
        (true, 9) => "symbols",
        (true, 10) => "tick",
        (true, 11) => "disconnected",
        (true, 12) => "started",
        (true, 14) => "joined",
        (true, 15) => "check",
        (false, 101) => "signal",
        (false, 102) => "gap",
        (true, _) => "unknown_input",
        (false, _) => "unknown_event",
    }
}

fn input_fields(input: &Input<'_>, object: &mut Object<'_>) {
    match input {
        Input::Policy(policy) => policy_fields(policy, object),
        Input::Watch { address, start } => {
            object.text("address", address);
            object.text(
                "start",
                match start {
                    StartFrom::Now => "now",
                    StartFrom::Snapshot => "snapshot",
                },
            );
        }
        Input::Unwatch { address }
        | Input::Disconnected { address }
        | Input::BackfillFailed { address } => object.text("address", address),
        Input::Joined { address, at_ms, continues } => {
            object.text("address", address);
            object.plain("at_ms", at_ms);
            object.plain("continues", continues);
        }
        Input::Started | Input::Tick => {}
        Input::Baseline { address, baseline } => {
            object.text("address", address);
            baseline_fields(baseline, object);
        }
        Input::Fills { address, origin, fills } => {
            object.text("address", address);
            origin_fields(*origin, object);
            object.list("fills", *fills, fill_fields);
        }
        Input::Statuses(statuses) => object.list("statuses", *statuses, status_fields),
        Input::Worth { address, account_value, spot_total } => {
            object.text("address", address);
            object.maybe_text("account_value", account_value.as_ref());
            object.maybe_text("spot_total", spot_total.as_ref());
        }
        Input::Symbols(entries) => object.list("symbols", *entries, symbol_fields),
        Input::Check { digest } => object.text("digest", format_args!("{digest:016x}")),
    }
}

fn policy_fields(policy: &Policy, object: &mut Object<'_>) {
    object.text(
        "emit",
        match policy.emit {
            Emit::Order => "order",
            Emit::Frame => "frame",
        },
    );
    object.plain("emit_final", policy.emit_final);
    object.plain("timeout_ns", policy.timeout_ns);
    object.plain("status_grace_ns", policy.status_grace_ns);
    object.plain("status_ttl_ns", policy.status_ttl_ns);
    object.plain("dedup_window_ms", policy.dedup_window_ms);
}

fn baseline_fields(baseline: &Baseline<'_>, object: &mut Object<'_>) {
    object.plain("newest_ms", baseline.newest_ms);
    object.list("newest", baseline.newest, fill_fields);
    object.list("chain", baseline.chain, |(coin, position), object| {
        object.text("coin", coin);
        object.text("position", position);
    });
    object.list("orders", baseline.orders, |(oid, filled), object| {
        object.plain("oid", oid);
        object.text("filled", filled);
    });
}

fn origin_fields(origin: Origin, object: &mut Object<'_>) {
    match origin {
        Origin::Live => object.text("origin", "live"),
        Origin::Snapshot { last, reaches } => {
            object.text("origin", "snapshot");
            object.plain("last", last);
            object.plain("reaches", reaches);
        }
        Origin::Backfill { last } => {
            object.text("origin", "backfill");
            object.plain("last", last);
        }
    }
}

fn fill_fields(fill: &Fill, object: &mut Object<'_>) {
    object.text("coin", fill.coin);
    object.text("px", fill.px);
    object.text("sz", fill.sz);
    object.text(
        "side",
        match fill.side {
            Side::Buy => "B",
            Side::Sell => "A",
        },
    );
    object.plain("time_ms", fill.time_ms);
    object.text("start_position", fill.start_position);
    object.text("dir", fill.dir.as_str());
    object.text("closed_pnl", fill.closed_pnl);
    object.plain("oid", fill.oid);
    object.plain("crossed", fill.crossed);
    object.text("fee", fill.fee);
    object.text("fee_token", fill.fee_token);
    object.plain("tid", fill.tid);
    if let Some(cloid) = &fill.cloid {
        object.hex("cloid", cloid);
    }
    if let Some(Liquidation { user, method }) = &fill.liquidation {
        object.object("liquidation", |object| {
            object.text("user", user);
            object.text("method", method);
        });
    }
}

fn status_fields(status: &OrderStatus, object: &mut Object<'_>) {
    object.plain("oid", status.oid);
    object.text("status", status.status);
    object.text("orig_sz", status.orig_sz);
    object.text("sz", status.sz);
    object.plain("time_ms", status.time_ms);
}

fn symbol_fields(entry: &SymbolEntry, object: &mut Object<'_>) {
    object.text("coin", entry.coin);
    object.text("symbol", entry.symbol);
    object.text("asset_type", entry.asset_type.as_str());
    object.text("coin_type", char::from(entry.coin_type));
}

fn signal_fields(signal: &Signal, object: &mut Object<'_>) {
    object.text("address", signal.address);
    object.text("asset_type", signal.asset_type.as_str());
    object.text("coin", signal.coin);
    object.text("symbol", signal.symbol);
    object.text("coin_type", char::from(signal.coin_type));
    object.text("direction", signal.direction.as_str());
    object.text("side", signal.side.as_str());
    object.text("leg", signal.leg.as_str());
    object.maybe_text("position_rate", signal.position_rate);
    object.text("close_rate", signal.close_rate);
    object.text("size", signal.size);
    object.text("notional", signal.notional);
    object.text("price", signal.price);
    object.plain("timestamp_ms", signal.timestamp_ms);
    object.plain("last_fill_ms", signal.last_fill_ms);
    object.plain("oid", signal.oid);
    if let Some(cloid) = &signal.cloid {
        object.hex("cloid", cloid);
    }
    object.plain("revision", signal.revision);
    object.plain("final", signal.is_final);
    object.maybe_text("status", signal.status);
    object.text("trigger", signal.trigger.as_str());
    object.plain("fills", signal.fills);
    object.text("order_size", signal.order_size);
    object.text("order_notional", signal.order_notional);
    object.plain("partial_history", signal.partial_history);
    object.maybe_text("reason", signal.reason.map(shards::event::Reason::as_str));
    object.text("closed_pnl", signal.closed_pnl);
    object.text("fee", signal.fee);
    object.text("fee_token", signal.fee_token);
}

fn gap_fields(gap: &Gap, object: &mut Object<'_>) {
    object.text("address", gap.address);
    object.text("coin", gap.coin);
    object.plain("from_ms", gap.from_ms);
    object.plain("to_ms", gap.to_ms);
    object.text("expected", gap.expected);
    object.text("found", gap.found);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_json_whatever_is_in_it() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.plain("n", 7);
        object.text("t", "a \"b\"\n");
        object.maybe("m", None::<u8>);
        object.hex("h", &[0, 255]);
        object.object("o", |object| object.plain("x", true));
        object.list("l", [1, 2], |n, object| object.plain("n", n));
        object.raw("r", b"[1]");
        object.end();
        let text = String::from_utf8(out).expect("JSON is UTF-8");
        let expect = "{\"n\":7,\"t\":\"a \\\"b\\\"\\n\",\"m\":null,\"h\":\"0x00ff\",\"o\":{\"x\":true},\
                      \"l\":[{\"n\":1},{\"n\":2}],\"r\":[1]}";
        assert_eq!(text, expect);
        serde_json::from_str::<serde_json::Value>(&text).expect("it is JSON");
    }

    #[test]
    fn a_record_that_cannot_be_read_is_given_in_hex() {
        let record =
            Record { seq: 4, index: 1, is_input: false, kind: 999, event_time: 5, body: &[1, 2] };
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        Decoder::head(&record, &mut object);
        assert!(!Decoder::default().body(&record, &mut object));
        object.end();
        let expect = "{\"seq\":4,\"index\":1,\"type\":\"unknown_event\",\"time\":5,\"kind\":999,\
                      \"body\":\"0x0102\",\"why\":\"record kind 999 is not known\"}";
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expect);
    }
}
