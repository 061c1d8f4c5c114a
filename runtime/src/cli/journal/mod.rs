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
//! | `target` | the directory that these two write |
//! | `siblings` | the shards of a data directory, and whether they are all there |
//!
//! All but the last two only read, and those write a new directory.

mod diff;
mod dump;
pub(super) mod fields;
mod follow;
mod gopherex;
mod info;
mod reshard;
pub(super) mod siblings;
mod target;
mod truncate;
pub(super) mod verify;

use std::io::ErrorKind;
use std::path::Path;

use persist::batch::{BadBatch, Place};
use persist::disk::DiskError;
use persist::inspect::{Damage, Why};
use persist::segment;

use super::args::journal::DumpFormat;
use super::args::{JournalArgs, JournalVerb};
use crate::diag::{Exit, Problem, Problems, reason};
pub(super) use siblings::{ShardDir, shard_count, shard_dirs};

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
