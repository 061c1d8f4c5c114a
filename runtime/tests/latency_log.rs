//! The latency log that a node leaves is an hdr interval log that other programs can read.

mod common;

use std::collections::BTreeMap;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::program::Program;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;

#[test]
fn a_latency_log_has_every_signal_under_the_tag_of_its_shard() {
    let dir = tempfile::tempdir().expect("a directory");
    let (data, report) = (dir.path().join("data"), dir.path().join("r.json"));
    let flags = ["demo", "--for", "4s", "--addresses", "10", "--seed", "9"];
    let paths = [&report, &data].map(|path| path.to_str().expect("a plain path"));
    let mut demo = Program::start(
        &[&flags[..], &["--no-faults", "--report", paths[0], "--data", paths[1]]].concat(),
    );
    demo.ends_with(0);
    let report: Value =
        serde_json::from_slice(&fs::read(&report).expect("a report")).expect("JSON");

    let log = fs::read(data.join("latency.hlog")).expect("the log");
    let mut shards: BTreeMap<String, Histogram<u64>> = BTreeMap::new();
    let mut deserializer = Deserializer::new();
    let (mut has_start, mut has_base) = (false, false);
    for entry in IntervalLogIterator::new(&log) {
        match entry.expect("a line of the format") {
            LogEntry::StartTime(_) => has_start = true,
            LogEntry::BaseTime(_) => has_base = true,
            LogEntry::Interval(interval) => {
                let encoded = interval.encoded_histogram();
                assert!(encoded.starts_with("HISTF"), "V2, deflated: {encoded}");
                let bytes = STANDARD.decode(encoded).expect("base 64");
                let histogram: Histogram<u64> =
                    deserializer.deserialize(&mut &bytes[..]).expect("a V2 histogram");
                let tag = interval.tag().expect("a shard").as_str().to_owned();
                let empty = || Histogram::new(2).expect("two digits");
                let total = shards.entry(tag).or_insert_with(empty);
                total.add(&histogram).expect("it grows");
            }
        }
    }
    assert!(has_start && has_base);
    assert_eq!(shards.keys().collect::<Vec<_>>(), ["shard-0", "shard-1"]);
    // What the report says of each shard is what the log adds up to.
    let lines = report["latency_ns"].as_array().expect("lines");
    for (histogram, line) in shards.values().zip(lines) {
        assert_eq!(Some(histogram.len()), line["count"].as_u64());
        assert_eq!(Some(histogram.value_at_quantile(0.5)), line["p50"].as_u64());
        assert_eq!(Some(histogram.max()), line["max"].as_u64());
    }
}
