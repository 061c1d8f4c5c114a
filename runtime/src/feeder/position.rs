//! The file that says how far a node's files were read: `data_dir/node-K.position`.
//!
//! Text, so that a person can look at it; the last line is the XXH3 of all before it. It is written beside and renamed, so
//! it is the old one or the new one. A damaged one is none: then reading begins at the end, and what lies between is
//! fetched by request.
//!
//! ```text
//! corelane node position 1
//! number 807847463
//! block 807847463
//! status-block 807847463
//! time 1764059598111
//! left-out 0 0
//! fills node_fills_by_block 20251125 8 1234567 890 1f2e3d4c5b6a7988
//! statuses node_order_statuses_by_block 20251125 8 7654321 890 1f2e3d4c5b6a7988
//! journal 0 4711
//! followed 0x...
//! checksum 0123456789abcdef
//! ```
//!
//! A place is kind, day, hour, offset, and length and hash of the line before it. `number` is how the shards know the
//! block; `left-out` is how many blocks at a time the files leave out
//! by habit. `journal` has a line for each shard: the seq up to which its journal was durable. A position of which a journal
//! has less is of another journal, or this one has lost its end. `followed` has a line for each account whose fills up to there have all been given.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::SplitWhitespace;

use net::hyperliquid::node::Kind;
use shards::Address;
use xxhash_rust::xxh3::xxh3_64;

use super::hours::Hour;
use super::marks::Mark;
use super::place::Place;

const TITLE: &str = "corelane node position 1";

/// A position, as it is on the disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Position {
    pub(super) mark: Mark,
    /// By shard.
    pub(super) journals: Vec<u64>,
    /// In ascending order.
    pub(super) followed: Vec<Address>,
}

/// The file of a source.
pub(super) fn path_of(data_dir: &Path, source: u16) -> PathBuf {
    data_dir.join(format!("node-{source}.position"))
}

/// Why a position cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum PositionError {
    /// It is not what was written.
    #[error("{} is damaged", .0.display())]
    Damaged(PathBuf),
    /// It cannot be read.
    #[error("{}: {}", .0.display(), crate::diag::reason(.1))]
    Read(PathBuf, io::Error),
}

/// Reads the position; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<Position>, PositionError> {
    match fs::read(path) {
        Ok(bytes) => {
            let text = std::str::from_utf8(&bytes).ok();
            let position = text.and_then(parse);
            position.map(Some).ok_or_else(|| PositionError::Damaged(path.to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PositionError::Read(path.to_owned(), error)),
    }
}

/// Writes the position in place of the one before.
pub(super) fn write(path: &Path, position: &Position) -> io::Result<()> {
    let beside = path.with_extension("position.new");
    let mut file = File::create(&beside)?;
    file.write_all(text(position).as_bytes())?;
    // Without this the name could be there after a power cut and the bytes not.
    file.sync_data()?;
    fs::rename(&beside, path)
}

/// Removes the position, if there is one.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn text(position: &Position) -> String {
    let Mark { number, block, status_block, time_ms, fills, statuses, habits } = &position.mark;
    let mut text = format!("{TITLE}\nnumber {number}\n");
    for (name, block) in [("block", block), ("status-block", status_block)] {
        let _ = block.map(|block| writeln!(text, "{name} {block}"));
    }
    let [of_fills, of_statuses] = habits;
    let _ = writeln!(text, "time {time_ms}\nleft-out {of_fills} {of_statuses}");
    for (name, place) in [("fills", Some(fills)), ("statuses", statuses.as_ref())] {
        let Some(Place { kind, hour: Hour { day, hour }, offset, line_bytes, line_hash }) = place
        else {
            continue;
        };
        let kind = kind.dir();
        let _ =
            writeln!(text, "{name} {kind} {day:08} {hour} {offset} {line_bytes} {line_hash:016x}");
    }
    for (shard, seq) in position.journals.iter().enumerate() {
        let _ = writeln!(text, "journal {shard} {seq}");
    }
    for address in &position.followed {
        let _ = writeln!(text, "followed {address}");
    }
    let checksum = xxh3_64(text.as_bytes());
    let _ = writeln!(text, "checksum {checksum:016x}");
    text
}

fn parse(text: &str) -> Option<Position> {
    let (body, checksum) =
        text.split_at_checked(text.len().checked_sub("checksum \n".len() + 16)?)?;
    let checksum = checksum.strip_prefix("checksum ")?.strip_suffix('\n')?;
    if u64::from_str_radix(checksum, 16).ok()? != xxh3_64(body.as_bytes()) {
        return None;
    }
    let mut lines = body.lines();
    if lines.next()? != TITLE {
        return None;
    }
    let (mut number, mut block, mut status_block, mut time_ms) = (None, None, None, None);
    let (mut fills, mut statuses, mut habits) = (None, None, None);
    let (mut journals, mut followed) = (Vec::new(), Vec::new());
    for line in lines {
        let mut words = line.split_whitespace();
        match words.next()? {
            "number" => number = Some(words.next()?.parse().ok()?),
            "block" => block = Some(words.next()?.parse().ok()?),
            "status-block" => status_block = Some(words.next()?.parse().ok()?),
            "time" => time_ms = Some(words.next()?.parse().ok()?),
            "left-out" => {
                habits = Some([words.next()?.parse().ok()?, words.next()?.parse().ok()?]);
            }
            "fills" => fills = Some(place(words, [Kind::FillsByBlock, Kind::Fills])?),
            "statuses" => statuses = Some(place(words, [Kind::StatusesByBlock, Kind::Statuses])?),
            "journal" => {
                let shard: usize = words.next()?.parse().ok()?;
                journals
                    .push(words.next()?.parse().ok().filter(|_: &u64| shard == journals.len())?);
            }
            "followed" => followed.push(words.next()?.parse().ok()?),
            _ => return None,
        }
    }
    let mark = Mark {
        number: number?,
        block,
        status_block,
        time_ms: time_ms?,
        fills: fills?,
        statuses,
        habits: habits?,
    };
    Some(Position { mark, journals, followed })
}

fn place(mut words: SplitWhitespace<'_>, kinds: [Kind; 2]) -> Option<Place> {
    let name = words.next()?;
    Some(Place {
        kind: kinds.into_iter().find(|kind| kind.dir() == name)?,
        hour: Hour::parse(words.next()?, words.next()?)?,
        offset: words.next()?.parse().ok()?,
        line_bytes: words.next()?.parse().ok()?,
        line_hash: u64::from_str_radix(words.next()?, 16).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position() -> Position {
        let place = |kind, offset| Place {
            kind,
            hour: Hour { day: 20_251_125, hour: 8 },
            offset,
            line_bytes: 890,
            line_hash: 0x1f2e,
        };
        let mark = Mark {
            number: 807_847_465,
            block: Some(807_847_463),
            status_block: None,
            time_ms: 1_764_059_598_111,
            fills: place(Kind::FillsByBlock, 1_234_567),
            statuses: Some(place(Kind::Statuses, 0)),
            habits: [7, 0],
        };
        Position { mark, journals: vec![9, 0], followed: vec![Address([1; 20]), Address([2; 20])] }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = path_of(dir.path(), 3);
        assert!(matches!(read(&path), Ok(None)));
        let mut wanted = position();
        for _ in 0..2 {
            write(&path, &wanted).expect("written");
            assert_eq!(read(&path).expect("readable"), Some(wanted.clone()));
            wanted.mark.statuses = None;
            wanted.mark.status_block = Some(7);
            wanted.followed.clear();
        }
        let names: Vec<_> = fs::read_dir(dir.path()).expect("readable").collect();
        assert_eq!(names.len(), 1, "nothing is left beside it");
    }

    #[test]
    fn no_damaged_byte_goes_unnoticed() {
        let text = text(&position());
        assert_eq!(parse(&text), Some(position()));
        for at in 0..text.len() {
            assert_eq!(parse(&text[..at]), None, "{at} bytes");
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let other = String::from_utf8(bytes).expect("still ASCII");
            assert_eq!(parse(&other), None, "byte {at}");
        }
        assert_eq!(parse(&format!("{text}\n")), None);
    }
}
