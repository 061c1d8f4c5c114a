//! Signals and gaps as JSON lines on a descriptor: standard output, in the program.
//!
//! It never blocks the publisher: it writes what the reader has room for, and takes no more events while a bounded
//! buffer is full. An event is acknowledged when its whole line has been written.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Write};

use net::payload::{gap_json, signal_json};
use persist::Position;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use shards::{Event, EventId, ShardId};

use super::canary::Canary;
use super::sink::{Problem, Sink, SinkReport};

/// Its name, in reports and in its cursors.
pub const NAME: &str = "stdout";

/// Bytes that may wait for the reader.
const WAITING_BYTES_MAX: usize = 256 << 10;
/// A write of at most this size to a pipe that is writable does not block (PIPE_BUF).
const WRITE_BYTES: usize = 4096;

/// The sink.
pub struct Stdout {
    out: File,
    waiting: Vec<u8>,
    written: usize,
    /// Ends of lines in `waiting`, and whose they are.
    lines: VecDeque<(usize, ShardId, Position)>,
    report: SinkReport,
    gone: bool,
    problem: Option<Problem>,
    canary: Canary,
}

impl Stdout {
    /// Writes to `out`; signals that are not live say so.
    pub fn new(out: File, canary: Canary) -> Stdout {
        Stdout {
            out,
            waiting: Vec::new(),
            written: 0,
            lines: VecDeque::new(),
            report: SinkReport { name: "stdout", ..SinkReport::default() },
            gone: false,
            problem: None,
            canary,
        }
    }

    fn is_writable(&self) -> bool {
        let mut fds = [PollFd::new(&self.out, PollFlags::OUT)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(poll(&mut fds, Some(&now)), Ok(count) if count > 0)
    }

    fn write(&mut self) {
        while self.written < self.waiting.len() && !self.gone && self.is_writable() {
            let end = self.waiting.len().min(self.written + WRITE_BYTES);
            match self.out.write(&self.waiting[self.written..end]) {
                Ok(bytes) => self.written += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => {
                    self.gone = true;
                    self.problem = Some(match error.kind() {
                        ErrorKind::BrokenPipe => Problem::ReaderGone,
                        _ => Problem::Text(format!("writing to standard output: {error}")),
                    });
                }
            }
        }
    }
}

impl Sink for Stdout {
    fn name(&self) -> &'static str {
        NAME
    }

    fn offer(&mut self, id: EventId, event: &Event) -> bool {
        if self.gone || self.waiting.len() >= WAITING_BYTES_MAX {
            return false;
        }
        match event {
            Event::Signal(signal) => {
                self.report.signals += 1;
                signal_json(signal, id, &mut self.waiting);
                self.canary.mark(&signal.address, &mut self.waiting);
            }
            Event::Gap(gap) => {
                self.report.gaps += 1;
                gap_json(gap, id, &mut self.waiting);
            }
        }
        self.waiting.push(b'\n');
        let position = Position { seq: id.seq.0, index: id.index };
        self.lines.push_back((self.waiting.len(), id.shard, position));
        true
    }

    fn set_canary_ratio(&mut self, ratio: u8) {
        self.canary.set_ratio(ratio);
    }

    fn turn(&mut self, acked: &mut dyn FnMut(ShardId, Position)) {
        self.write();
        while let Some((end, shard, position)) = self.lines.front().copied() {
            if end > self.written {
                return;
            }
            acked(shard, position);
            self.lines.pop_front();
        }
        if self.written == self.waiting.len() {
            self.waiting.clear();
            self.written = 0;
        }
    }

    fn is_gone(&self) -> bool {
        self.gone
    }

    fn problem(&mut self) -> Option<Problem> {
        self.problem.take()
    }

    fn report(&self) -> SinkReport {
        self.report.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shards::{Address, Coin, Decimal, Gap, Seq};
    use std::io::Read;

    fn gap() -> Event {
        Event::Gap(Gap {
            address: Address([1; 20]),
            coin: Coin::new("BTC"),
            from_ms: 1,
            to_ms: 2,
            expected: Decimal::ZERO,
            found: Decimal::ONE,
        })
    }

    fn id(seq: u64) -> EventId {
        EventId { shard: ShardId(0), seq: Seq(seq), index: 0 }
    }

    fn pipe() -> (File, File) {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        (
            File::from(std::os::fd::OwnedFd::from(reader)),
            File::from(std::os::fd::OwnedFd::from(writer)),
        )
    }

    #[test]
    fn a_line_is_acknowledged_when_it_is_written_and_a_full_pipe_blocks_nobody() {
        let (mut reader, writer) = pipe();
        let mut sink = Stdout::new(writer, Canary::all_live());
        let mut offered = 0;
        let mut acked = 0;
        // The pipe and then the buffer fill up: offers end, and nothing hangs.
        while sink.offer(id(offered + 1), &gap()) {
            offered += 1;
            sink.turn(&mut |_, position| acked = position.seq);
        }
        assert!(acked > 0 && acked < offered, "{acked} of {offered}");
        let mut text = Vec::new();
        let mut chunk = [0; 4096];
        while acked < offered {
            let bytes = reader.read(&mut chunk).expect("there is more");
            text.extend_from_slice(&chunk[..bytes]);
            sink.turn(&mut |_, position| acked = position.seq);
        }
        drop(sink);
        reader.read_to_end(&mut text).expect("the rest");
        let text = String::from_utf8(text).expect("JSON is text");
        assert_eq!(text.lines().count() as u64, offered);
        assert!(text.lines().all(|line| line.starts_with('{') && line.ends_with('}')));
    }

    #[test]
    fn a_reader_that_goes_away_is_reported() {
        let (reader, writer) = pipe();
        drop(reader);
        let mut sink = Stdout::new(writer, Canary::all_live());
        assert!(sink.offer(id(1), &gap()) && !sink.is_gone());
        sink.turn(&mut |_, _| panic!("nothing was written"));
        assert!(sink.is_gone());
        assert_eq!(sink.problem(), Some(Problem::ReaderGone));
        assert!(!sink.offer(id(2), &gap()));
    }
}
