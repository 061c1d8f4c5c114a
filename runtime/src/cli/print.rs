//! Writing to standard output. A reader that goes away (`| head`) is no failure.

use std::io::{ErrorKind, Write};

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

/// Writes text to standard error. Where that cannot be written, nobody is there to be told: dropped.
pub(super) fn talk(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
