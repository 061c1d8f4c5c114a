//! What the outside sends, mutated: every parser of the wire gives a value or an error, and never panics (row 17 of the
//! reliability tests). Seeded and bounded: `CORELANE_FUZZ_SECONDS` for each target (3 by default), `CORELANE_SEED` to
//! begin elsewhere. A failure prints the seed of its input.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use net::hyperliquid::node::{self, Events, Kind};
use net::hyperliquid::provider;
use net::hyperliquid::rest::{parse_fills, parse_order_status, parse_perp_dexs};
use net::hyperliquid::symbols::ALIASES;
use net::hyperliquid::{Policy, Scratch, SymbolTable, decode};

const USER: &str = "0x0123456789abcdef0123456789abcdef01234567";
const FILL: &str = r#"{"coin":"BTC","px":"65000.5","sz":"0.01","side":"B","time":1700000000000,"startPosition":"-1.5","dir":"Close Short","closedPnl":"1.25","hash":"0x00","oid":77,"crossed":true,"fee":"0.3","tid":99,"feeToken":"USDC","cloid":"0x00000000000000000000000000000001","liquidation":{"liquidatedUser":"0x0123456789abcdef0123456789abcdef01234567","markPx":"1","method":"market"}}"#;

/// SplitMix64.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Pieces that parsers of JSON and of numbers trip over.
const TOKENS: [&str; 20] = [
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "-",
    "1e999",
    "-0",
    "0.",
    "99999999999999999999999999",
    "\\u0000",
    "\\ud800",
    "\"",
    "{",
    "]",
    ",",
    ":",
    "\u{1F600}",
    "1e-400",
    "\\",
];

/// One to eight edits.
fn mutate(sample: &str, seeded: &mut Seeded) -> Vec<u8> {
    let mut bytes = sample.as_bytes().to_vec();
    for _ in 0..=seeded.below(8) {
        let at = seeded.below(bytes.len());
        let to = (at + seeded.below(24)).min(bytes.len());
        match seeded.below(7) {
            0 if at < bytes.len() => bytes[at] = seeded.next() as u8,
            1 if at < bytes.len() => bytes[at] ^= 1 << seeded.below(8),
            2 => drop(bytes.drain(at..to)),
            3 => {
                let again = bytes[at..to].to_vec();
                bytes.splice(at..at, again);
            }
            4 => drop(bytes.splice(at..to, TOKENS[seeded.below(TOKENS.len())].bytes())),
            5 => drop(bytes.splice(at..at, TOKENS[seeded.below(TOKENS.len())].bytes())),
            _ => bytes.truncate(bytes.len() - seeded.below(3).min(bytes.len())),
        }
    }
    bytes
}

/// Gives `target` mutants of the samples until the time is up; says how many were read without an error.
fn fuzz(name: &str, samples: &[String], mut target: impl FnMut(&[u8]) -> bool) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let time = Duration::from_secs(number("CORELANE_FUZZ_SECONDS").unwrap_or(3));
    let first = number("CORELANE_SEED").unwrap_or(1);
    let (started, mut seed, mut read) = (Instant::now(), first, 0u64);
    for sample in samples {
        assert!(target(sample.as_bytes()), "{name}: a sample cannot be read: {sample}");
    }
    while started.elapsed() < time {
        for _ in 0..100 {
            let mut seeded = Seeded(seed);
            let sample = &samples[seeded.below(samples.len())];
            let bytes = mutate(sample, &mut seeded);
            match catch_unwind(AssertUnwindSafe(|| target(&bytes))) {
                Ok(is_read) => read += u64::from(is_read),
                Err(_) => panic!(
                    "{name}: CORELANE_SEED={seed} panics: {}",
                    String::from_utf8_lossy(&bytes)
                ),
            }
            seed += 1;
        }
    }
    let tried = seed - first;
    eprintln!("{name}: {tried} mutants from seed {first}, {read} of them could be read");
    assert!(read > 0 && read < tried, "{name}: mutants are near the edge, on both sides");
}

#[test]
fn frames() {
    let fills = format!(
        r#"{{"channel":"userFills","data":{{"isSnapshot":true,"user":"{USER}","fills":[{FILL},{FILL}]}}}}"#
    );
    let orders = r#"{"channel":"orderUpdates","data":[{"order":{"coin":"BTC","side":"B","limitPx":"1","sz":"0","oid":1,"timestamp":1,"origSz":"1","cloid":null},"status":"filled","statusTimestamp":1}]}"#;
    let state = format!(
        r#"{{"channel":"allDexsClearinghouseState","data":{{"user":"{USER}","clearinghouseStates":[["",{{"assetPositions":[],"withdrawable":"1"}}]]}}}}"#
    );
    let spot = format!(
        r#"{{"channel":"spotState","data":{{"user":"{USER}","spotState":{{"balances":[{{"coin":"USDC","token":0,"total":"1","hold":"0.0","entryNtl":"0.0"}}]}}}}}}"#
    );
    let mids = r#"{"channel":"allMids","data":{"mids":{"BTC":"1","@1":"0.5"}}}"#;
    let response = format!(
        r#"{{"channel":"subscriptionResponse","data":{{"method":"subscribe","subscription":{{"type":"userFills","user":"{USER}"}}}}}}"#
    );
    let samples =
        [fills, orders.to_owned(), state, spot, mids.to_owned(), response].map(String::from);
    let mut scratch = Scratch::default();
    fuzz("frames", &samples, |bytes| match std::str::from_utf8(bytes) {
        Ok(text) => match decode(text, &mut scratch) {
            Ok(_) => true,
            Err(error) => {
                assert!(error.at <= text.len(), "{error}");
                assert!(scratch.fills.is_empty(), "half a frame is none");
                false
            }
        },
        Err(_) => false,
    });
}

#[test]
fn frames_of_providers() {
    let tuples = format!(r#"[["{USER}",{FILL}],["{USER}",{FILL}]]"#);
    let echo = format!(r#"{{"type":"userFills","addresses":["{USER}"]}}"#);
    let samples = [
        format!(r#"{{"channel":"userFills","fills":{tuples}}}"#),
        format!(r#"{{"type":"userFills","seq":7,"cursor":"500:1:3","fills":{tuples}}}"#),
        format!(
            r#"{{"channel":"userFills","data":{{"isSnapshot":true,"block_number":5,"events":{tuples}}}}}"#
        ),
        format!(r#"{{"channel":"userFills","data":{{"user":"{USER}","fills":[{FILL}]}}}}"#),
        format!(
            r#"{{"channel":"subscriptionResponse","data":{{"method":"subscribe","subscription":{echo}}}}}"#
        ),
        r#"{"type":"error","message":"limit reached"}"#.to_owned(),
    ];
    let mut scratch = provider::Scratch::default();
    let mut session = provider::Session::new(Policy::default());
    session.want(USER.parse().expect("an address"));
    session.on_open(0);
    fuzz("providers", &samples, |bytes| match std::str::from_utf8(bytes) {
        Ok(text) => match provider::decode(text, &mut scratch) {
            Ok(frame) => {
                session.on_frame(&frame, 0);
                while session.poll(0).is_some() {}
                true
            }
            Err(error) => {
                assert!(error.at <= text.len(), "{error}");
                assert!(scratch.fills.is_empty(), "half a frame is none");
                false
            }
        },
        Err(_) => false,
    });
}

#[test]
fn answers_of_the_rest_interface() {
    let status = format!(
        r#"{{"status":"order","order":{{"order":{{"coin":"BTC","side":"A","limitPx":"1","sz":"0.0","oid":7,"timestamp":1,"origSz":"1","cloid":null}},"status":"filled","statusTimestamp":5}},"user":"{USER}"}}"#
    );
    let samples =
        [format!("[{FILL},{FILL}]"), status, r#"[null,{"name":"xyz"},{"name":"flx"}]"#.to_owned()];
    let mut fills = Vec::new();
    fuzz("answers", &samples, |bytes| {
        let parsed = [
            parse_fills(bytes, &mut fills).is_ok(),
            parse_order_status(bytes).is_ok(),
            parse_perp_dexs(bytes).is_ok(),
        ];
        parsed.contains(&true)
    });
}

#[test]
fn lines_of_a_node() {
    let head = r#""local_time":"2025-11-25T08:33:18.508962742","block_time":"2025-11-25T08:33:18.111517886","block_number":807847463"#;
    let other = USER.replace("01234567", "fedcba98");
    let fills = format!(r#"{{{head},"events":[["{USER}",{FILL}],["{other}",{FILL}]]}}"#);
    let status = format!(
        r#"{{"time":"2025-11-25T08:33:18.111517886","user":"{USER}","hash":"0x0d","builder":null,"status":"open","order":{{"coin":"kPEPE","side":"B","limitPx":"0.1","sz":"2","oid":24,"timestamp":1764059598111,"children":[],"origSz":"2","tif":"Alo"}}}}"#
    );
    let statuses = format!(r#"{{{head},"events":[{status},{}]}}"#, status.replace(USER, &other));
    let samples = [
        (Kind::FillsByBlock, fills),
        (Kind::Fills, format!(r#"["{USER}",{FILL}]"#)),
        (Kind::StatusesByBlock, statuses),
        (Kind::Statuses, status),
    ];
    let user = USER.parse().expect("an address");
    let mut events = Events::default();
    for (kind, sample) in samples {
        fuzz(kind.dir(), &[sample], |line| {
            let passed = node::read(kind, line, |_| false, &mut events).is_ok();
            assert!(events.fills.is_empty() && events.statuses.is_empty());
            match node::read(kind, line, |address| *address == user, &mut events) {
                Ok(_) => assert!(passed, "what can be decoded can be passed over"),
                Err(error) => {
                    assert!(error.at <= line.len(), "{error}");
                    let left = events.fills.len() + events.statuses.len();
                    assert_eq!(left, 0, "half a line is none");
                    return false;
                }
            }
            true
        });
    }
}

#[test]
fn symbol_tables() {
    let spot = r#"{"tokens":[{"name":"USDC","szDecimals":8,"index":0},{"name":"PURR","szDecimals":0,"index":1}],"universe":[{"name":"PURR/USDC","tokens":[1,0],"index":0},{"name":"@1","tokens":[1,0],"index":1}]}"#;
    let meta = r#"{"universe":[{"name":"BTC","szDecimals":5,"maxLeverage":50},{"name":"ETH","szDecimals":4}],"collateralToken":0}"#;
    let samples = [spot.to_owned(), meta.to_owned(), format!("[{meta},{meta}]")];
    fuzz("symbols", &samples, |bytes| {
        let mut table = SymbolTable::new(ALIASES.iter().copied());
        let parsed = [
            table.read_spot_meta(bytes).is_ok(),
            table.read_meta(bytes).is_ok(),
            table.read_all_perp_metas(bytes).is_ok(),
        ];
        let (entries, clashes) = (table.entries(), table.clashes());
        assert!(clashes.len() <= entries.len() && entries.len() <= bytes.len());
        assert!(table.tokens().dexs().count() <= 1 + bytes.len());
        parsed.contains(&true)
    });
}
