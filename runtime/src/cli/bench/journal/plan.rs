//! What is measured, as the command line asks for it.

use std::time::Duration;

use persist::ring::Flush;

use super::failure::BenchError;
use crate::cli::args::{BenchJournalArgs, FlushForms};
use crate::cli::print;
use crate::cli::signals::Stop;
use crate::config::units::{format_duration, format_size};
use crate::control::options::BATCH_BYTES_MAX;

/// Bytes that the journal adds to a record, and to a batch.
const RECORD_HEADER_BYTES: usize = persist::batch::RECORD_HEADER_BYTES;

/// The command line, understood.
pub(super) struct Plan {
    pub(super) forms: Vec<Flush>,
    pub(super) body_bytes: usize,
    pub(super) per_flush: Vec<usize>,
    /// Ascending, each once.
    pub(super) in_flight: Vec<usize>,
    pub(super) rate: u32,
    pub(super) records: u64,
    pub(super) rounds: usize,
    pub(super) time: Duration,
    pub(super) segment_bytes: u64,
    pub(super) batch_bytes_max: usize,
    pub(super) cpu: Option<usize>,
    quiet: bool,
    stop: Stop,
}

impl Plan {
    /// Of these flags; `stop` ends it early.
    pub(super) fn new(args: &BenchJournalArgs, stop: Stop) -> Plan {
        let forms = match args.flush {
            FlushForms::Linked => vec![Flush::Linked],
            FlushForms::Dsync => vec![Flush::Dsync],
            FlushForms::Both => vec![Flush::Linked, Flush::Dsync],
        };
        Plan {
            forms,
            body_bytes: args.bytes as usize,
            per_flush: distinct(args.per_flush.iter().map(|count| *count as usize)),
            in_flight: distinct(args.in_flight.iter().map(|count| usize::from(*count))),
            rate: args.rate,
            records: args.records,
            rounds: args.rounds as usize,
            time: args.for_,
            segment_bytes: args.segment_size,
            // A batch must fit into a segment, and several into what is prepared.
            batch_bytes_max: BATCH_BYTES_MAX.min(args.segment_size as usize / 8),
            cpu: args.cpu,
            quiet: args.quiet,
            stop,
        }
    }

    /// The largest number of records that fit into a batch.
    pub(super) fn per_flush_max(&self) -> usize {
        self.batch_bytes_max / (self.body_bytes + RECORD_HEADER_BYTES)
    }

    /// The time of one round's measurement of throughput.
    pub(super) fn cell_time(&self) -> Duration {
        self.time / 5 / self.rounds as u32
    }

    /// The time of one round's open loop.
    pub(super) fn loop_time(&self) -> Duration {
        self.time / self.rounds as u32
    }

    /// Ends what is under way if a signal came. To be asked between measurements.
    pub(super) fn go_on(&self) -> Result<(), BenchError> {
        if self.stop.is_asked() { Err(BenchError::Stopped) } else { Ok(()) }
    }

    /// Tells what is under way.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet {
            print::talk(&format!("{text}\n"));
        }
    }

    /// The arguments in force.
    pub(super) fn text(&self) -> String {
        let list =
            |numbers: &[usize]| numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let forms: Vec<&str> = self.forms.iter().map(|form| form_name(*form)).collect();
        format!(
            "--flush {} --bytes {} --per-flush {} --in-flight {} --rate {} --for {} --rounds {} \
             --records {} --segment-size {}",
            if forms.len() == 2 { "both" } else { forms[0] },
            self.body_bytes,
            list(&self.per_flush),
            list(&self.in_flight),
            self.rate,
            format_duration(self.time),
            self.rounds,
            self.records,
            format_size(self.segment_bytes),
        )
    }
}

fn distinct(numbers: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut numbers: Vec<usize> = numbers.collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// As `journal.flush` calls it.
pub(super) fn form_name(form: Flush) -> &'static str {
    match form {
        Flush::Linked => "linked",
        Flush::Dsync => "dsync",
    }
}
