//! Writing to standard output. A reader that goes away (`| head`) is no failure.

use std::io::{BufWriter, ErrorKind, IsTerminal, StdoutLock, Write};

use crate::diag::Exit;

/// Writes text to standard output.
pub(super) fn out(text: &str) -> Exit {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Exit::Success,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Exit::Success,
        Err(_) => Exit::Io,
    }
}

/// Standard output, line by line, for verbs that print much. The first failure is kept: what follows goes nowhere.
pub(super) struct Lines {
    out: BufWriter<StdoutLock<'static>>,
    /// Somebody looks on: they should see each line when it comes.
    is_watched: bool,
    failed: Option<Exit>,
}

impl Lines {
    /// Takes standard output.
    pub(super) fn new() -> Lines {
        let out = std::io::stdout().lock();
        let is_watched = out.is_terminal();
        Lines { out: BufWriter::with_capacity(64 << 10, out), is_watched, failed: None }
    }

    /// Writes a line, which ends in a line break. Whether anybody reads on.
    pub(super) fn write(&mut self, line: &[u8]) -> bool {
        if self.failed.is_none() {
            let written = self.out.write_all(line);
            self.note(written);
            if self.is_watched {
                self.flush();
            }
        }
        self.failed.is_none()
    }

    /// Hands on what was written. Whether anybody reads on.
    pub(super) fn flush(&mut self) -> bool {
        if self.failed.is_none() {
            let flushed = self.out.flush();
            self.note(flushed);
        }
        self.failed.is_none()
    }

    /// How writing ended: success, too, when the reader went away.
    pub(super) fn end(mut self) -> Ended {
        self.flush();
        match self.failed {
            None => Ended::Whole,
            Some(Exit::Success) => Ended::ReaderGone,
            Some(_) => Ended::Failed,
        }
    }

    fn note(&mut self, result: std::io::Result<()>) {
        if let Err(error) = result {
            let is_gone = error.kind() == ErrorKind::BrokenPipe;
            self.failed = Some(if is_gone { Exit::Success } else { Exit::Io });
        }
    }
}

/// How [`Lines`] ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ended {
    /// Everything was taken.
    Whole,
    /// The reader went away, which is no failure.
    ReaderGone,
    /// Standard output cannot be written.
    Failed,
}

/// Writes text to standard error. Where that cannot be written, nobody is there to be told: dropped.
pub(super) fn talk(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
