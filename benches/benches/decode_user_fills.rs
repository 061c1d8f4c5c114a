//! What does it cost to decode a `userFills` frame, against the JSON parser alone?
//!
//! The floor is serde_json into a structure of the same fields with borrowed strings: it parses and checks, and
//! converts nothing. `net` adds five exact decimals, the address, the client order id and the label.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use net::hyperliquid::{Frame, Scratch, decode};
use serde::Deserialize;
use std::hint::black_box;

const FILL: &str = concat!(
    r#"{"coin":"BTC","px":"86006.0","sz":"0.07905","side":"B","time":1791280942711,"startPosition":"-0.14136","#,
    r#""dir":"Close Short","closedPnl":"-2.600745","hash":"0x0da3f51a7423740a0f1d0445f5707e02017400000f2692dcb16"#,
    r#"ca06d33274df4","oid":566617233807,"crossed":true,"fee":"-0.067987","tid":669583051366496,"cloid":"0x00000"#,
    r#"0000000000000065d2917ff6969","feeToken":"USDC","twapId":null}"#
);

/// The same fields, as the parser alone gives them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is measured is that they are read")]
struct Floor<'a> {
    coin: &'a str,
    px: &'a str,
    sz: &'a str,
    side: &'a str,
    time: u64,
    start_position: &'a str,
    dir: &'a str,
    closed_pnl: &'a str,
    oid: u64,
    crossed: bool,
    fee: &'a str,
    fee_token: &'a str,
    tid: u64,
    cloid: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is measured is that they are read")]
struct FloorUserFills<'a> {
    user: &'a str,
    is_snapshot: Option<bool>,
    #[serde(borrow)]
    fills: Vec<Floor<'a>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what is measured is that they are read")]
struct FloorFrame<'a> {
    channel: &'a str,
    #[serde(borrow)]
    data: FloorUserFills<'a>,
}

fn frame_of(fills: usize) -> String {
    let fills = vec![FILL; fills].join(",");
    let user = "0x000000000000000000000000000000000000000a";
    format!(r#"{{"channel":"userFills","data":{{"user":"{user}","fills":[{fills}]}}}}"#)
}

fn decode_user_fills(criterion: &mut Criterion) {
    for fills in [1usize, 10, 1000] {
        let text = frame_of(fills);
        let mut group = criterion.benchmark_group(format!("decode_user_fills/{fills}"));
        group.throughput(Throughput::Bytes(text.len() as u64));
        let mut scratch = Scratch::default();
        group.bench_function("net", |b| {
            b.iter(|| {
                let frame = decode(black_box(&text), &mut scratch);
                assert!(matches!(frame, Ok(Frame::UserFills { .. })));
                scratch.fills.len()
            });
        });
        group.bench_function("serde_json_alone", |b| {
            b.iter(|| {
                let frame = serde_json::from_str::<FloorFrame>(black_box(&text));
                frame.map(|frame| frame.data.fills.len())
            });
        });
        group.finish();
    }
}

criterion_group!(benches, decode_user_fills);
criterion_main!(benches);
