//! The shards of a data directory: which there are, and whether they belong together.

use std::fs;
use std::path::{Path, PathBuf};

use persist::inspect::files::{self, SuperblockState};
use persist::superblock::{self, Superblock};

use super::{disk, not_readable};
use crate::diag::{Problem, Problems};

/// One shard's journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::cli) struct ShardDir {
    /// Its number: of the superblock, or of the directory's name where that cannot be read.
    pub(in crate::cli) shard: u16,
    /// Its directory.
    pub(in crate::cli) dir: PathBuf,
}

/// The journals in a directory: its own if it is a shard's, those of all shards if it is a data directory.
pub(in crate::cli) fn shard_dirs(dir: &Path) -> Result<Vec<ShardDir>, Problem> {
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

/// Holds the shards of a data directory against what their superblocks say: which each is, and of how many. Nothing is
/// said of a shard that was named by itself, or whose superblock cannot be read.
pub(in crate::cli) fn judge(data_dir: &Path, shards: &[ShardDir]) -> Result<Problems, Problem> {
    let mut wrong = Problems::new();
    if shards.iter().any(|shard| shard.dir == data_dir) {
        return Ok(wrong);
    }
    let mut found = Vec::new();
    for shard in shards {
        let state = files::superblock(&shard.dir).map_err(|error| disk(&shard.dir, &error))?;
        if let SuperblockState::Found { superblock, .. } = state {
            found.push((shard, superblock));
        }
    }
    let Some(count) = most_say(&found) else { return Ok(wrong) };
    for (shard, superblock) in &found {
        wrong.extend(judge_one(shard, superblock, count));
    }
    for shard in shards.iter().filter(|shard| shard.shard >= count) {
        if !found.iter().any(|(judged, _)| *judged == shard) {
            let what = format!("{} is too many: the others are {}", shard.dir.display(), of(count));
            wrong.push(Problem::error("JRN002", what).fix("move it out of the data directory"));
        }
    }
    let is_there = |number: &u16| shards.iter().any(|shard| shard.shard == *number);
    let missing: Vec<u16> = (0..count).filter(|number| !is_there(number)).collect();
    if let Some(first) = missing.first() {
        wrong.push(not_there(&data_dir.join(format!("shard-{first}")), missing.len(), count));
    }
    Ok(wrong)
}

/// The number of shards that most superblocks give, the first of those that are given as often.
fn most_say(found: &[(&ShardDir, Superblock)]) -> Option<u16> {
    let votes = |count: u16| found.iter().filter(|(_, said)| said.shard_count == count).count();
    let counts = found.iter().rev().map(|(_, said)| said.shard_count);
    counts.max_by_key(|count| votes(*count))
}

/// So many shards.
pub(in crate::cli) fn shard_count(count: usize) -> String {
    if count == 1 { "1 shard".to_owned() } else { format!("{count} shards") }
}

fn of(count: u16) -> String {
    format!("of {}", shard_count(usize::from(count)))
}

/// What is wrong with one shard's place among the others.
fn judge_one(shard: &ShardDir, said: &Superblock, count: u16) -> Option<Problem> {
    let path = shard.dir.join(superblock::NAME);
    let is = format!("{} says shard {} {}", path.display(), said.shard, of(said.shard_count));
    if said.shard_count != count {
        let problem = Problem::error("JRN002", format!("{is}; the others are {}", of(count)));
        let why = "it comes from another data directory, or was left by a reshard";
        return Some(problem.why(why).fix("bring the whole data directory back from one copy"));
    }
    if said.shard == shard.shard {
        return None;
    }
    let problem = Problem::error("JRN005", format!("{is}, but its directory is another shard's"))
        .why("directories were renamed or swapped; nothing in them was changed");
    Some(problem.fix(format!("rename it to shard-{}", said.shard)))
}

fn not_there(first: &Path, missing: usize, count: u16) -> Problem {
    let more = match missing - 1 {
        0 => String::new(),
        1 => " (and 1 more)".to_owned(),
        more => format!(" (and {more} more)"),
    };
    let what = format!("{} is missing{more}: the others are {}", first.display(), of(count));
    Problem::error("JRN005", what)
        .why("nothing else has its accounts; a node makes it anew only if no shard has worked yet")
        .fix("bring it back from a copy")
}
