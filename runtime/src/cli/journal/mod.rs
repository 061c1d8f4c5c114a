//! `corelane journal`: what a person asks of a journal when nothing else answers.
//!
//! | file | verb |
//! |---|---|
//! | `info` | what is in a directory |
//! | `dump`, `fields`, `follow` | every record as JSON; also while a node writes |
//! | `gopherex` | the files of the Go engine |
//! | `verify` | is everything whole, and what to do if not |
//! | `diff` | where two journals part |
//! | `truncate` | a shorter copy |
//! | `reshard` | a copy for another number of shards |
//!
//! All but the last two only read, and those write a new directory.

mod diff;
mod dump;
pub(super) mod fields;
mod follow;
mod gopherex;
mod info;
mod reshard;
mod truncate;
mod verify;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use persist::batch::{BadBatch, Place};
use persist::disk::DiskError;
use persist::inspect::files::{self, SuperblockState};
use persist::inspect::{Damage, Why};
use persist::segment;

use super::args::journal::DumpFormat;
use super::args::{JournalArgs, JournalVerb};
use crate::diag::{Exit, Problem, Problems, reason};

/// Runs a verb of `journal`.
pub(super) fn run(args: &JournalArgs) -> Result<Exit, Problems> {
    match &args.verb {
        JournalVerb::Info { dir, json } => info::run(dir, *json),
        JournalVerb::Dump(args) if args.format == DumpFormat::Gopherex => gopherex::run(args),
        JournalVerb::Dump(args) if args.follow => follow::run(args),
        JournalVerb::Dump(args) => dump::run(args),
        JournalVerb::Verify { dir, quiet } => verify::run(dir, *quiet),
        JournalVerb::Diff { a, b, prefix } => diff::run(a, b, *prefix),
        JournalVerb::Truncate { dir, at_seq, into, dry_run, yes } => {
            truncate::run(dir, *at_seq, into.as_deref(), *dry_run, *yes)
        }
        JournalVerb::Reshard { dir, to, into, dry_run, yes, quiet } => {
            reshard::run(dir, *to, into.as_deref(), *dry_run, *yes, *quiet)
        }
    }
}

/// One shard's journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ShardDir {
    /// Its number: of the superblock, or of the directory's name where that cannot be read.
    pub(super) shard: u16,
    /// Its directory.
    pub(super) dir: PathBuf,
}

/// The journals in a directory: its own if it is a shard's, those of all shards if it is a data directory.
pub(super) fn shard_dirs(dir: &Path) -> Result<Vec<ShardDir>, Problem> {
    let mut found = Vec::new();
    let mut is_shard = false;
    for entry in fs::read_dir(dir).map_err(|error| not_readable(dir, &error))? {
        let name = entry.map_err(|error| not_readable(dir, &error))?.file_name();
        let Some(name) = name.to_str() else { continue };
        is_shard |= name == persist::superblock::NAME || name.ends_with(".journal");
        if let Some(shard) = number(name) {
            found.push(ShardDir { shard, dir: dir.join(name) });
        }
    }
    if is_shard {
        let shard = match files::superblock(dir).map_err(|error| disk(dir, &error))? {
            SuperblockState::Found { superblock, .. } => superblock.shard,
            _ => dir.file_name().and_then(|name| number(name.to_str()?)).unwrap_or(0),
        };
        return Ok(vec![ShardDir { shard, dir: dir.to_owned() }]);
    }
    found.sort_by_key(|found| found.shard);
    if found.is_empty() {
        let what = format!("{} holds no journal: no superblock, no shard-0", dir.display());
        return Err(Problem::error("JRN001", what)
            .fix("name a data directory (node.data_dir, demo --data), or a shard-N in one"));
    }
    Ok(found)
}

/// The number in `shard-N`.
fn number(name: &str) -> Option<u16> {
    let shard = name.strip_prefix("shard-")?.parse().ok()?;
    (name == format!("shard-{shard}")).then_some(shard)
}

fn not_readable(dir: &Path, error: &std::io::Error) -> Problem {
    let problem = Problem::error(
        "JRN001",
        format!("the journal in {} cannot be read: {}", dir.display(), reason(error)),
    );
    match error.kind() {
        ErrorKind::PermissionDenied => problem.fix("run it as the user of the node, or with sudo"),
        ErrorKind::NotFound => problem.fix("name a data directory, or a shard-N in one"),
        _ => problem,
    }
}

/// The disk said no while a journal was looked at.
pub(super) fn disk(dir: &Path, error: &DiskError) -> Problem {
    if error.source.kind() == ErrorKind::PermissionDenied {
        return not_readable(&error.path, &error.source);
    }
    Problem::error("JRN001", format!("the journal in {} cannot be read: {error}", dir.display()))
        .fix("look at the disk (dmesg)")
}

/// The file and byte of a place.
fn at(dir: &Path, place: Place) -> String {
    format!("{}: byte {}", segment::path_of(dir, place.segment).display(), place.offset)
}

/// The format of what stands there, if a later version wrote it.
fn newer_format(damage: &Damage) -> Option<u16> {
    match damage.why {
        Why::Bad(BadBatch::Newer { found }) => Some(found),
        _ => None,
    }
}
