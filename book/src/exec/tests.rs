//! Command files: what is refused, what is counted, what is printed.

use super::*;
use crate::command::{NewOrder, TimeInForce};
use crate::units::{Lots, OrderId, Ticks, User};

/// A file of these records.
fn file(self_trade: SelfTrade, prefill: u32, records: &[[u8; RECORD_BYTES]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((RECORD_BYTES as u32).to_le_bytes());
    bytes.extend((records.len() as u64).to_le_bytes());
    bytes.extend(7u64.to_le_bytes());
    bytes.extend([self_trade as u8, 0, 0, 0]);
    bytes.extend(prefill.to_le_bytes());
    bytes.extend([0; 24]);
    assert_eq!(bytes.len(), HEADER_BYTES);
    bytes.extend(records.concat());
    bytes
}

fn limit(id: u64, side: Side, price: i64, qty: u64) -> [u8; RECORD_BYTES] {
    let new = NewOrder::limit(OrderId(id), User(3), side, Ticks(price), Lots(qty));
    record::encode(&Command::New(new)).expect("a plain order fits a record")
}

fn example() -> Vec<u8> {
    let mut bad = limit(9, Side::Buy, 1, 1);
    bad[2] = 4;
    let records = [
        limit(1, Side::Sell, 100, 5),
        limit(2, Side::Sell, 101, 5),
        limit(3, Side::Buy, 100, 7),
        bad,
        limit(4, Side::Buy, 99, 0),
    ];
    file(SelfTrade::Allow, 2, &records)
}

/// The digest of fields that a test writes out by itself.
fn digest(fields: &[&[u8]]) -> Digest {
    let mut digest = Digest::START;
    fields.iter().for_each(|field| digest.feed(field));
    digest
}

#[test]
fn digests_are_over_the_fields_of_the_specification() {
    let report = run(&example()).expect("a command file");
    let [one, two, three] = [1u64, 2, 3].map(u64::to_le_bytes);
    let (five, none) = (5u64.to_le_bytes(), 0u64.to_le_bytes());
    let [at_100, at_101] = [100i64, 101].map(i64::to_le_bytes);
    assert_eq!(report.t, digest(&[&one, &three, &at_100, &five]));
    let rested = [&[0], &none[..], &five, &none];
    let traded = [&[0], &five[..], &two, &none];
    let [bad, quantity] = [[5], [3]];
    let refused = [&bad[..], &none, &none, &none, &quantity, &none, &none, &none];
    assert_eq!(report.r, digest(&[&rested[..], &rested, &traded, &refused].concat()));
    let (user, count) = (3u32.to_le_bytes(), 1u32.to_le_bytes());
    assert_eq!(report.l2, digest(&[&[0], &at_100, &two, &count, &[1], &at_101, &five, &count]));
    let bid = [&[0], &three[..], &at_100, &two, &user];
    let ask = [&[1], &two[..], &at_101, &five, &user];
    assert_eq!(report.l3, digest(&[bid, ask].concat()));
    assert_eq!((report.cmds, report.trades, report.traded_qty), (5, 1, 5));
    assert_eq!((report.rejects, report.levels, report.orders), (2, 2, 2));
}

#[test]
fn the_line_is_the_one_of_the_specification() {
    let line = run(&file(SelfTrade::Allow, 0, &[])).expect("an empty command file").to_json_line();
    let start = "cbf29ce484222325";
    assert_eq!(
        line,
        format!(
            "{{\"cmds\":0,\"trades\":0,\"traded_qty\":0,\"rejects\":0,\"T\":\"{start}\",\
             \"R\":\"{start}\",\"L2\":\"{start}\",\"L3\":\"{start}\",\"levels\":0,\"orders\":0}}"
        )
    );
}

#[test]
fn the_header_names_the_self_trade_mode_and_the_prefill() {
    let records = [limit(1, Side::Sell, 100, 5), limit(2, Side::Buy, 100, 5)];
    for (mode, trades, orders) in [
        (SelfTrade::Allow, 1, 0),
        (SelfTrade::CancelNewest, 0, 1),
        (SelfTrade::CancelOldest, 0, 1),
        (SelfTrade::CancelBoth, 0, 0),
        (SelfTrade::Decrement, 0, 0),
    ] {
        let bytes = file(mode, 1, &records);
        let report = run(&bytes).expect("a command file");
        assert_eq!((report.trades, report.orders), (trades, orders), "{mode:?}");
        let parsed = CommandFile::parse(&bytes).expect("a command file");
        assert_eq!((parsed.self_trade, parsed.prefill, parsed.seed), (mode, 1, 7));
        assert!(!parsed.is_empty() && parsed.len() == 2);
    }
}

#[test]
fn what_is_no_command_file_is_refused_with_the_reason() {
    let good = example();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let body = good.len() - HEADER_BYTES;
    for (bytes, error) in [
        (Vec::new(), ExecError::NoHeader { bytes: 0 }),
        (good[..63].to_vec(), ExecError::NoHeader { bytes: 63 }),
        (with(0, b'X'), ExecError::Magic),
        (with(7, 1), ExecError::Magic),
        (with(8, 2), ExecError::Version { version: 2 }),
        (with(12, 33), ExecError::RecordSize { size: 33 }),
        (with(16, 6), ExecError::Length { count: 6, bytes: body }),
        (with(23, 255), ExecError::Length { count: 255 << 56 | 5, bytes: body }),
        (good[..good.len() - 1].to_vec(), ExecError::Length { count: 5, bytes: body - 1 }),
        ([&good[..], &[0]].concat(), ExecError::Length { count: 5, bytes: body + 1 }),
        (with(32, 5), ExecError::SelfTradeMode { mode: 5 }),
        (with(36, 6), ExecError::Prefill { prefill: 6, count: 5 }),
    ] {
        assert_eq!(run(&bytes), Err(error));
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn bench_times_all_but_the_prefill_and_keeps_the_digests() {
    // A clock that moves by one microsecond whenever it is read: three timed commands a run.
    let mut now_ns = 0;
    let clock = || {
        now_ns += 1000;
        now_ns
    };
    let report = bench(&example(), 3, clock).expect("a command file");
    let times = report.bench.expect("it was asked for");
    assert_eq!(times.ps_per_cmd_median, 1000 * 1000 / 3);
    let second = LatencyNs { p50: 1000, p90: 1000, p99: 1000, p999: 1000, max: 1000 };
    assert_eq!(times.latency, second);
    let plain = run(&example()).expect("a command file");
    assert_eq!(ExecReport { bench: None, ..report }, plain);
    let line = report.to_json_line();
    let tail = "\"orders\":2,\"ns_per_cmd_median\":333.333,\"lat_ns\":{\"p50\":1000,\"p90\":1000,\
                \"p99\":1000,\"p999\":1000,\"max\":1000}}";
    assert!(line.ends_with(tail), "{line}");
}

#[test]
fn a_file_that_is_all_prefill_has_no_times() {
    let bytes = file(SelfTrade::Allow, 1, &[limit(1, Side::Buy, 1, 1)]);
    assert_eq!(bench(&bytes, 0, || 0), run(&bytes));
}

#[test]
fn a_stream_is_read_as_far_as_its_header_says() {
    let bytes = example();
    let header = bytes.first_chunk().expect("a header");
    assert_eq!(CommandFile::bytes_expected(header), bytes.len() as u64);
    assert_eq!(CommandFile::bytes_expected(&[0; HEADER_BYTES]), HEADER_BYTES as u64);
    let mut endless = *header;
    endless[16..24].fill(255);
    assert_eq!(CommandFile::bytes_expected(&endless), u64::MAX);
    let long = [&bytes[..], &[0]].concat();
    let error = run(&long).expect_err("one byte too many").to_string();
    assert!(error.ends_with("but more bytes follow it"), "{error}");
}

#[test]
fn a_record_that_is_no_command_is_told_as_an_event() {
    let mut book = Book::new(BookConfig::default());
    let mut events = Vec::new();
    let outcome = record::apply(&mut book, &[0; RECORD_BYTES], &mut events);
    assert_eq!(outcome.code(), 5);
    assert_eq!(events, [Event::Rejected { id: None, reject: Reject::BadCommand }]);
    let post =
        NewOrder::market(OrderId(1), User(0), Side::Buy, Lots(1)).with_tif(TimeInForce::Post);
    assert_eq!(book.apply(&Command::New(post), &mut events).code(), 5);
}
