//! `journal truncate`: a shorter copy of one shard's journal, in a new directory.

use std::path::{Path, PathBuf};

use persist::cursor;
use persist::inspect::truncate::{Count, Plan, TruncateError, Truncated};

use super::target::{self, Target, confirmed, quoted};
use super::{ShardDir, disk, shard_dirs};
use crate::cli::print::{self, talk};
use crate::config::units::approximate_size;
use crate::diag::{Exit, Problem, Problems, whereabouts};
use crate::host::dirs;
use crate::publisher;

/// `corelane journal truncate DIR --at-seq N`.
pub(super) fn run(
    dir: &Path,
    at_seq: u64,
    into: Option<&Path>,
    dry_run: bool,
    yes: bool,
) -> Result<Exit, Problems> {
    let mut shard = one_shard(dir)?;
    let target = Target::new(&shard.dir, into, ".truncated")?;
    shard.dir.clone_from(&target.dir);
    let into = &target.into;
    let _lock = if dry_run { None } else { target::lock(&data_dir_of(&shard.dir))? };
    let plan = Plan::new(&shard.dir, at_seq).map_err(|error| refused(&shard, at_seq, &error))?;
    let described = describe(&plan, &shard, into);
    if dry_run {
        return Ok(print::out(&described));
    }
    talk(&described);
    let agreed = yes || confirmed(&format!("write {}? [yes/no] ", into.display()))?;
    if !agreed {
        return Ok(Exit::Failed);
    }
    let written = plan.write(into).map_err(|error| refused(&shard, at_seq, &error))?;
    talk(&afterwards(&shard, &target, &plan, &written));
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

/// The data directory that a shard's directory is in. A copy that lies elsewhere is in none, and nothing in there is
/// locked.
fn data_dir_of(shard: &Path) -> PathBuf {
    let parent = shard.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new(".")).to_owned()
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
    if plan.passed_bytes > 0 {
        text += &format!(
            "\n  damaged     {} bytes stay so, before the snapshot that a start begins with",
            plan.passed_bytes
        );
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
fn afterwards(shard: &ShardDir, target: &Target, plan: &Plan, written: &Truncated) -> String {
    let mut text = format!("{} is written and durable\n", written.into.display());
    for (sink, from, to) in &written.cursors {
        text += &format!(
            "  cursor {sink} was {}, is now {}: what it had beyond comes again, \
             under the same numbers with other content\n",
            whereabouts(*from),
            whereabouts(*to)
        );
    }
    // A sink may have had a little more than its cursor says, so these are said of all that are there.
    let had_events = plan.dropped.events > 0 || plan.damaged_bytes > 0;
    let has = |sink| had_events && cursor::path_of(&shard.dir, sink).exists();
    if has(publisher::stdout::NAME) {
        text += &format!(
            "  standard output: its consumers have seen signals of seq {} and later that are gone now\n",
            plan.at_seq
        );
    }
    if has(publisher::store::NAME) {
        text += &rows_to_remove(shard, plan.at_seq);
    }
    text += &target.swap("", "");
    text + &format!("check it:\n  corelane replay {} --verify\n", quoted(&written.into))
}

/// How the database forgets what was cut: it keeps the first row of a number.
fn rows_to_remove(shard: &ShardDir, at_seq: u64) -> String {
    let usual = data_dir_of(&shard.dir).join("corelane.db");
    let (file, which) = match usual.exists() {
        true => (quoted(&usual), ""),
        false => ("FILE".to_owned(), ", FILE being that of store.url"),
    };
    format!(
        "  the database keeps the old rows of these numbers; remove them before the node starts{which}:\n  \
         sqlite3 {file} \"DELETE FROM hl_address_signals WHERE shard={} AND seq>={at_seq};\"\n",
        shard.shard
    )
}

fn refused(shard: &ShardDir, at_seq: u64, error: &TruncateError) -> Problem {
    let dir = shard.dir.display();
    let cannot = |why: String| Problem::error("JRN015", format!("{dir} cannot be cut: {why}"));
    match error {
        TruncateError::DamagedBefore { seq } => {
            let problem = cannot(format!("seq {seq} is damaged already, before seq {at_seq}"));
            match Plan::new(&shard.dir, *seq) {
                Ok(_) => {
                    problem.fix(format!("corelane journal truncate {dir} --at-seq {seq} --dry-run"))
                }
                Err(_) => problem.fix("bring the damaged file back from a copy"),
            }
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
