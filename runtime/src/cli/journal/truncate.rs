//! `journal truncate`: a shorter copy of one shard's journal, in a new directory.

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use persist::inspect::truncate::{Count, Plan, TruncateError, Truncated};
use persist::lock::{self as dir_lock, DirLock};

use super::{ShardDir, disk, shard_dirs};
use crate::cli::print::{self, talk};
use crate::config::units::approximate_size;
use crate::control;
use crate::diag::{Exit, Problem, Problems};
use crate::host::dirs;

/// `corelane journal truncate DIR --at-seq N`.
pub(super) fn run(
    dir: &Path,
    at_seq: u64,
    into: Option<&Path>,
    dry_run: bool,
    yes: bool,
) -> Result<Exit, Problems> {
    let shard = one_shard(dir)?;
    let into = into.map_or_else(|| beside(&shard.dir, ".truncated"), Path::to_owned);
    let _lock = if dry_run { None } else { lock_of(&shard.dir)? };
    let plan = Plan::new(&shard.dir, at_seq).map_err(|error| refused(&shard, at_seq, &error))?;
    talk(&describe(&plan, &shard, &into));
    if dry_run {
        return Ok(Exit::Success);
    }
    let agreed = yes || confirmed(&format!("write {}? [yes/no] ", into.display()))?;
    if !agreed {
        return Ok(Exit::Failed);
    }
    let written = plan.write(&into).map_err(|error| refused(&shard, at_seq, &error))?;
    talk(&afterwards(&shard, &written));
    Ok(print::out(&format!("{}\n", into.display())))
}

/// The one shard of a directory.
fn one_shard(dir: &Path) -> Result<ShardDir, Problem> {
    let mut shards = shard_dirs(dir)?;
    if shards.len() == 1 {
        return Ok(shards.remove(0));
    }
    let what = format!("{} holds {} shards; seqs are those of one", dir.display(), shards.len());
    let first = shards[0].dir.display().to_string();
    Err(Problem::error("JRN009", what).fix(format!("name one of them, for example {first}")))
}

/// The directory's name with an ending.
pub(super) fn beside(dir: &Path, ending: &str) -> PathBuf {
    let mut name = dir.components().as_path().as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Locks the data directory that a shard's directory is in. A copy that lies elsewhere has no lock to be taken.
fn lock_of(shard: &Path) -> Result<Option<DirLock>, Problem> {
    let parent = shard.parent().filter(|parent| !parent.as_os_str().is_empty());
    lock(parent.unwrap_or(Path::new(".")))
}

/// Locks a data directory, if a node has ever worked in it.
pub(super) fn lock(data_dir: &Path) -> Result<Option<DirLock>, Problem> {
    if !data_dir.join(dir_lock::NAME).exists() {
        return Ok(None);
    }
    let locked = DirLock::acquire(data_dir);
    locked.map(Some).map_err(|error| control::not_locked(data_dir, &error))
}

/// Asks on a terminal. Without one, nobody can say yes.
pub(super) fn confirmed(question: &str) -> Result<bool, Problem> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Problem::error("JRN009", "this writes, and nobody is there to say yes")
            .fix("--dry-run says what it would do, --yes does it"));
    }
    talk(question);
    let mut answer = String::new();
    // An end of input is no yes.
    let _ = std::io::stdin().lock().read_line(&mut answer);
    Ok(matches!(answer.trim(), "y" | "yes"))
}

fn describe(plan: &Plan, shard: &ShardDir, into: &Path) -> String {
    let count = |count: &Count| {
        format!("{} inputs, {} events in {} batches", count.inputs, count.events, count.batches)
    };
    let mut text = format!(
        "shard {}: cut before seq {}\n  stays       {}, up to seq {}\n  goes        {}",
        shard.shard,
        plan.at_seq,
        count(&plan.kept),
        plan.last_seq(),
        count(&plan.dropped)
    );
    if plan.damaged_bytes > 0 {
        text += &format!("; and what {} damaged bytes held", plan.damaged_bytes);
    }
    let free = dirs::space(into)
        .map_or(String::new(), |space| format!(" ({} free)", approximate_size(space.free)));
    text += &format!(
        "\n  new epoch   {}\n  written to  {}, {}{free}\n  {} stays as it is\n",
        plan.epoch,
        into.display(),
        approximate_size(plan.bytes()),
        shard.dir.display()
    );
    text
}

/// What was written, what that means, and how to put it in place.
fn afterwards(shard: &ShardDir, written: &Truncated) -> String {
    let (dir, into) = (shard.dir.display(), written.into.display());
    let damaged = beside(&shard.dir, ".before");
    let mut text = format!("{into} is written and durable\n");
    for (sink, from, to) in &written.cursors {
        text += &format!(
            "  cursor {sink} was at event {}.{}, is now at {}.{}: what it had beyond is given again, \
             under the same numbers with other content\n",
            from.seq, from.index, to.seq, to.index
        );
    }
    text += &format!(
        "  use it:   mv {dir} {} && mv {into} {dir}\n  undo:     mv {dir} {into} && mv {} {dir}\n  \
         check it: corelane replay {into}\n",
        damaged.display(),
        damaged.display()
    );
    text
}

fn refused(shard: &ShardDir, at_seq: u64, error: &TruncateError) -> Problem {
    let dir = shard.dir.display();
    let cannot = |why: String| Problem::error("JRN015", format!("{dir} cannot be cut: {why}"));
    match error {
        TruncateError::DamagedBefore { seq } => {
            cannot(format!("seq {seq} is damaged already, before seq {at_seq}"))
                .fix(format!("corelane journal truncate {dir} --at-seq {seq} --dry-run"))
        }
        TruncateError::BeyondEnd { last_seq } => {
            cannot(format!("it ends at seq {last_seq}: nothing is there to go"))
                .fix(format!("corelane journal info {dir}"))
        }
        TruncateError::BeforeStart { .. } => {
            cannot(error.to_string()).fix(format!("corelane journal info {dir}"))
        }
        TruncateError::Superblock { .. } => cannot(error.to_string())
            .why("it says of how many shards this is one, which nothing else does")
            .fix("bring the superblock back from a copy"),
        TruncateError::Exists { path } => {
            Problem::error("DIR001", format!("{} exists already", path.display()))
                .fix("name another directory: --into NEWDIR")
        }
        TruncateError::Disk(error) if error.is_no_space() => {
            Problem::error("DSK001", error.to_string())
                .fix("name a directory with more room: --into NEWDIR")
        }
        TruncateError::Disk(error) if error.op.creates() => {
            Problem::error("DIR001", error.to_string())
                .fix("name a directory that can be written: --into NEWDIR")
        }
        TruncateError::Disk(error) => disk(&shard.dir, error),
        TruncateError::Cursor(error) => Problem::error("JRN008", error.to_string()),
    }
}
