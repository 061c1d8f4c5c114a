//! How far a long verb is, on standard error: a line that is rewritten on a terminal, a line each 10 s elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::config::units::approximate_size;

/// How often the line on a terminal is rewritten.
const REDRAW: Duration = Duration::from_millis(200);
/// How often a line is written where nobody can rewrite it.
const REPEAT: Duration = Duration::from_secs(10);
/// Calls between two looks at the clock.
const CALLS: u32 = 64;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    /// Bytes of files.
    Bytes,
    /// Inputs of a journal.
    Inputs,
}

impl Unit {
    fn text(self, count: u64) -> String {
        match self {
            Unit::Bytes => approximate_size(count),
            Unit::Inputs => format!("{count} inputs"),
        }
    }
}

/// The progress of one piece of work.
pub(super) struct Progress {
    what: String,
    unit: Unit,
    is_quiet: bool,
    is_terminal: bool,
    started: Instant,
    said: Instant,
    calls: u32,
    is_drawn: bool,
}

impl Progress {
    /// Begins. `what` stands in front of each line.
    pub(super) fn new(what: impl Into<String>, unit: Unit, is_quiet: bool) -> Progress {
        let started = Instant::now();
        let is_terminal = std::io::stderr().is_terminal();
        Progress {
            what: what.into(),
            unit,
            is_quiet,
            is_terminal,
            started,
            said: started,
            calls: 0,
            is_drawn: false,
        }
    }

    /// Says how far it is, if it is time to.
    pub(super) fn at(&mut self, done: u64, total: u64, records: u64) {
        self.calls += 1;
        if self.is_quiet || !self.calls.is_multiple_of(CALLS) {
            return;
        }
        let every = if self.is_terminal { REDRAW } else { REPEAT };
        if self.said.elapsed() < every {
            return;
        }
        self.said = Instant::now();
        let line = line(&self.what, self.unit, (done, total), records, self.started.elapsed());
        let mut err = std::io::stderr().lock();
        // Where standard error cannot be written, nobody is there to be told.
        let _ = match self.is_terminal {
            true => write!(err, "\r\x1b[K{line}"),
            false => writeln!(err, "{line}"),
        };
        self.is_drawn = self.is_terminal;
    }

    /// Ends: the line on a terminal goes. How long it took.
    pub(super) fn end(&mut self) -> Duration {
        if std::mem::take(&mut self.is_drawn) {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
        self.started.elapsed().max(Duration::from_micros(1))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

fn line(what: &str, unit: Unit, (done, total): (u64, u64), records: u64, took: Duration) -> String {
    let seconds = took.as_secs_f64().max(0.001);
    let percent = (done * 100).checked_div(total).unwrap_or(100).min(100);
    let left = total.saturating_sub(done) as f64 * seconds / (done.max(1) as f64);
    format!(
        "{what}: {} of {} ({percent} %) · {:.0} records/s · {:.0} s left",
        unit.text(done),
        unit.text(total),
        records as f64 / seconds,
        left
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_done_total_rate_and_time_left() {
        let text =
            line("shard 0", Unit::Bytes, (1 << 30, 4 << 30), 3_000_000, Duration::from_secs(2));
        assert_eq!(text, "shard 0: 1 GiB of 4 GiB (25 %) · 1500000 records/s · 6 s left");
        let empty = line("shard 0", Unit::Inputs, (0, 0), 0, Duration::ZERO);
        assert_eq!(empty, "shard 0: 0 inputs of 0 inputs (100 %) · 0 records/s · 0 s left");
    }
}
