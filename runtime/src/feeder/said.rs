//! What a feeder tells the user.

use std::io;
use std::path::Path;

use net::hyperliquid::DecodeError;
use net::hyperliquid::node::Kind;

use super::place::Place;
use super::position::PositionError;
use super::stream::{Lost, NotResumed};
use crate::diag::{Problem, reason};

/// What follows from anything that fills may be missing from.
const ASKED_FOR: &str =
    "for the accounts on this source the missing fills are asked for by request";

pub(super) fn no_files(root: &Path, source: u16) -> Problem {
    let kinds = [Kind::FillsByBlock, Kind::Fills].map(|kind| kind.dir().to_owned() + "/hourly");
    let what = format!("no files of a node's fills in {}", root.display());
    Problem::warning("UPS020", what)
        .why(format!("neither {} nor {} holds one", kinds[0], kinds[1]))
        .why("the accounts on this source are not followed; it is looked for every second")
        .fix("start the node with --write-fills --batch-by-block")
        .fix(format!("or correct node_dir of [[source]] {}", source + 1))
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let what = format!("cannot read the node's files at {}: {}", path.display(), reason(error));
    Problem::warning("UPS020", what)
        .why("it is tried again; nothing is lost while the files are there")
        .fix("give this user the right to read there (chmod o+rX, or a common group)")
}

pub(super) fn no_statuses(root: &Path) -> Problem {
    let what = format!("the node in {} writes no order statuses", root.display());
    Problem::warning("UPS021", what)
        .why("the end of an order is known by aggregation.timeout only, or by request")
        .fix("start the node with --write-order-statuses as well")
}

/// Blocks between `from` and `to` are missing, or `to` is not above `from`.
pub(super) fn missing(path: &Path, from: (u64, u64), to: (u64, u64)) -> Problem {
    let ((from, from_ms), (to, to_ms)) = (from, to);
    let what = match to.checked_sub(from) {
        Some(2..) => format!(
            "{}: blocks {} to {} are missing ({} of them, {} ms)",
            path.display(),
            from + 1,
            to - 1,
            to - from - 1,
            to_ms.saturating_sub(from_ms),
        ),
        _ => format!("{}: block {to} comes after block {from}", path.display()),
    };
    Problem::warning("UPS022", what)
        .why(format!("block {from} is of {from_ms}, block {to} of {to_ms} (Unix ms)"))
        .why(ASKED_FOR)
}

pub(super) fn broken(path: &Path, offset: u64, error: &DecodeError, is_fills: bool) -> Problem {
    let what = format!("{}: the line at byte {offset} cannot be read", path.display());
    let effect = if is_fills { ASKED_FOR } else { "its statuses are left out" };
    Problem::warning("UPS023", what).why(error.to_string()).why(effect)
}

pub(super) fn lost(lost: &Lost) -> Problem {
    match lost {
        Lost::TooLong { path, offset, bytes } => {
            let what = format!("{}: the line at byte {offset} is too long", path.display());
            let most = super::tail::LINE_BYTES_MAX >> 20;
            Problem::warning("UPS023", what)
                .why(format!("it has {bytes} bytes, and {most} MiB are read at most; left out"))
        }
        Lost::Cut { path, offset, bytes } => {
            let what = format!("{}: the last line has no end", path.display());
            Problem::warning("UPS023", what)
                .why(format!("{bytes} bytes at byte {offset}; the node goes on in its next file"))
        }
        Lost::Truncated { path, read_to, bytes } => {
            let what = format!("{} became shorter", path.display());
            Problem::warning("UPS024", what)
                .why(format!("{read_to} bytes of it had been read, and it has {bytes} now"))
                .why("it is read from its beginning; what is known already is not news")
                .fix("let nothing but the node write there")
        }
        Lost::Replaced { path } => {
            Problem::warning("UPS024", format!("{} is another file now", path.display()))
                .why("it is read from its beginning; what is known already is not news")
                .fix("let nothing but the node write there")
        }
        Lost::Kind { from, to } => {
            let what = format!("the node writes {} now, no longer {}", to.dir(), from.dir());
            Problem::warning("UPS024", what).why("the new files are read from their beginning")
        }
    }
}

pub(super) fn no_numbers(kind: Kind) -> Problem {
    Problem::warning("UPS025", format!("{} has no block numbers", kind.dir()))
        .why("blocks that the node leaves out cannot be noticed; only a perpetual's position tells")
        .fix("start the node with --batch-by-block")
}

pub(super) fn position_unusable(error: &PositionError) -> Problem {
    Problem::warning("UPS026", format!("{error}: it is not known how far was read"))
        .why("reading begins at the end of the node's newest file")
        .why(ASKED_FOR)
}

/// The position says more of a journal than that has.
pub(super) fn other_journals(path: &Path, source: u16) -> Problem {
    let what = format!("{} is not of these journals", path.display());
    Problem::warning("UPS026", what)
        .why("it says that more of the node's blocks is durable than the journals have")
        .why(format!("[[source]] {} is read from the end of the node's newest file on", source + 1))
        .why(ASKED_FOR)
        .fix("put the data directory back as a whole, from one copy")
}

pub(super) fn not_resumed(error: &NotResumed, place: &Place, time_ms: u64) -> Problem {
    let what = format!("reading cannot go on where it ended: {error}");
    let (day, hour) = (place.hour.day, place.hour.hour);
    Problem::warning("UPS026", what)
        .why(format!("it ended in hour {hour} of {day}, at a block of {time_ms} (Unix ms)"))
        .why("it begins at the end of the newest file")
        .why(ASKED_FOR)
        .fix("keep the node's files for longer than corelane is ever stopped")
}

pub(super) fn position_not_written(path: &Path, error: &io::Error) -> Problem {
    Problem::warning("UPS027", format!("cannot write {}: {}", path.display(), reason(error)))
        .why("after a restart more is read again; nothing is lost")
        .fix("free space, or give this user the right to write there")
}

pub(super) fn quiet(path: &Path, seconds: u64) -> Problem {
    Problem::warning("UPS028", format!("the node has written nothing for {seconds} s"))
        .why(format!("{} does not grow", path.display()))
        .fix("look at the node: is it running, has it peers, is its disk full?")
}

pub(super) fn behind(path: &Path, seconds: u64) -> Problem {
    Problem::warning("UPS028", format!("the node is {seconds} s behind the chain"))
        .why(format!("that is the age of the newest block in {}", path.display()))
        .why("signals are as late as that until it has caught up")
}

pub(super) fn current(path: &Path) -> Problem {
    Problem::warning("UPS028", format!("the node is up to date again: {}", path.display()))
}

pub(super) fn leaves_out(path: &Path, habit: u64, every_s: u64) -> Problem {
    let what = format!("{}: block numbers have many small holes", path.display());
    Problem::warning("UPS029", what)
        .why("this node seems to leave out blocks without events, so small holes say nothing")
        .why(format!("whether fills are missing with holes of up to {habit} blocks is asked every {every_s} s from now on"))
        .why("a longer one is asked for at once")
}
