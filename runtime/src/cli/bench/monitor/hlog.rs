//! The node's latency log, read while it is written.
//!
//! The node writes a line per shard and second (`control/latency.rs`). Only whole lines are taken, so
//! that reading may happen at any time; what is measured is what lies between two moments.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde::Serialize;

/// A log, and how far it was read.
pub(super) struct LatencyLog {
    path: PathBuf,
    offset: u64,
    /// Unix time that the log's times are relative to.
    began: Duration,
}

/// Frame received to event in the publisher, nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
pub(super) struct Latencies {
    pub(super) signals: u64,
    pub(super) p50_ns: u64,
    pub(super) p99_ns: u64,
    pub(super) p999_ns: u64,
    pub(super) max_ns: u64,
}

impl Latencies {
    /// Of a histogram; `None` if nothing was measured.
    pub(super) fn of(histogram: &Histogram<u64>) -> Option<Latencies> {
        (!histogram.is_empty()).then(|| Latencies {
            signals: histogram.len(),
            p50_ns: histogram.value_at_quantile(0.5),
            p99_ns: histogram.value_at_quantile(0.99),
            p999_ns: histogram.value_at_quantile(0.999),
            max_ns: histogram.max(),
        })
    }
}

/// One that takes any value.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new(2).expect("two digits are allowed")
}

impl LatencyLog {
    /// The log at `path`, from its beginning.
    pub(super) fn at(path: PathBuf) -> LatencyLog {
        LatencyLog { path, offset: 0, began: Duration::ZERO }
    }

    /// What was written since the last call: of intervals whose middle lies between `from` and `to`
    /// (Unix time). A log that is not there or cannot be read has nothing.
    pub(super) fn read_new(&mut self, from: Duration, to: Duration) -> Histogram<u64> {
        let mut found = histogram();
        let text = self.new_lines().unwrap_or_default();
        let mut deserializer = Deserializer::new();
        for entry in IntervalLogIterator::new(&text) {
            match entry {
                Ok(LogEntry::StartTime(began)) => self.began = began,
                Ok(LogEntry::Interval(interval)) => {
                    let start = self.began + interval.start_timestamp();
                    let middle = start + interval.duration() / 2;
                    let is_in = from <= middle && middle < to;
                    let Some(bytes) =
                        STANDARD.decode(interval.encoded_histogram()).ok().filter(|_| is_in)
                    else {
                        continue;
                    };
                    let read: Result<Histogram<u64>, _> = deserializer.deserialize(&mut &bytes[..]);
                    if let Ok(read) = read {
                        found.add(&read).expect("an auto-resizing histogram takes any value");
                    }
                }
                Ok(_) | Err(_) => {}
            }
        }
        found
    }

    fn new_lines(&mut self) -> std::io::Result<Vec<u8>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        text.truncate(whole);
        self.offset += whole as u64;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write as _;
    use std::time::SystemTime;

    use super::*;
    use crate::control::latency::Latency;

    #[test]
    fn what_a_node_writes_is_read_piece_by_piece_and_by_time() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut log = LatencyLog::at(dir.path().join("latency.hlog"));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        let (from, to) = (now - Duration::from_secs(60), now + Duration::from_secs(60));
        assert!(log.read_new(from, to).is_empty(), "there is no log yet");
        let mut writer = Latency::open(dir.path(), 2).expect("a log");
        let mut measured = histogram();
        measured += 1000;
        writer.add(&[Some(measured.clone()), Some(measured.clone())]);
        writer.finish().expect("written");
        // A line that is not yet whole waits.
        let bytes = std::fs::read(&log.path).expect("the log");
        std::fs::write(&log.path, &bytes[..bytes.len() - 5]).expect("cut");
        assert_eq!(log.read_new(from, to).len(), 1);
        let mut file = OpenOptions::new().append(true).open(&log.path).expect("the log");
        file.write_all(&bytes[bytes.len() - 5..]).expect("the rest");
        let rest = log.read_new(from, to);
        assert_eq!(Latencies::of(&rest).map(|l| (l.signals, l.max_ns)), Some((1, rest.max())));
        assert!(log.read_new(from, to).is_empty(), "everything was read");
        let mut again = LatencyLog::at(log.path.clone());
        assert!(again.read_new(to, to * 2).is_empty(), "nothing is of that time");
        assert_eq!(Latencies::of(&histogram()), None);
    }
}
