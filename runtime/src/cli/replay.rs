//! `corelane replay`: rebuilds the state of every shard from its journal and prints its hash. Changes nothing.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::args::ReplayArgs;
use super::print;
use crate::control::not_replayed;
use crate::diag::{Exit, Problem, Problems};
use crate::shard::replayer::Replayer;

/// What the replay of one shard gave.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub(super) struct ShardReplay {
    /// Its number.
    pub(super) shard: u16,
    /// Records read.
    pub(super) records: u64,
    /// Newest seq.
    pub(super) last_seq: u64,
    /// Hash of the state, 16 hex digits.
    pub(super) state_hash: String,
    /// Fills taken since the journal began.
    pub(super) fills: u64,
    /// Signals emitted since the journal began.
    pub(super) signals: u64,
    /// Records per second of this replay.
    pub(super) records_per_s: u64,
    /// Whether the journal ends in an unfinished write.
    pub(super) torn: bool,
}

/// The state hash as it is printed.
pub(super) fn hash_text(hash: u64) -> String {
    format!("{hash:016x}")
}

pub(super) fn run(args: &ReplayArgs) -> Result<Exit, Problems> {
    let mut shards = Vec::new();
    for (shard, dir) in shard_dirs(&args.dir)? {
        shards.push(replay(shard, &dir)?);
    }
    let text = if args.json { json(&shards) } else { table(&shards) };
    Ok(print::out(&text))
}

fn json(shards: &[ShardReplay]) -> String {
    let shards = serde_json::to_string(shards).expect("plain fields serialize");
    format!("{{\"shards\":{shards}}}\n")
}

fn table(shards: &[ShardReplay]) -> String {
    let mut text = String::from(
        "shard  state hash        last seq      records     fills   signals   records/s\n",
    );
    for s in shards {
        text += &format!(
            "{:>5}  {}  {:>8}  {:>11}  {:>8}  {:>8}  {:>10}{}\n",
            s.shard,
            s.state_hash,
            s.last_seq,
            s.records,
            s.fills,
            s.signals,
            s.records_per_s,
            if s.torn { "  (ends in an unfinished write)" } else { "" },
        );
    }
    text
}

/// The journals in a data directory, by number.
fn shard_dirs(data_dir: &Path) -> Result<Vec<(u16, PathBuf)>, Problem> {
    let mut found = Vec::new();
    let listed = std::fs::read_dir(data_dir);
    let listed = listed.map_err(|error| crate::host::dirs::refused(data_dir, "DIR", &error))?;
    for entry in listed.flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("shard-")?.parse().ok());
        found.extend(number.map(|shard| (shard, entry.path())));
    }
    found.sort();
    if found.is_empty() {
        return Err(Problem::error(
            "JRN001",
            format!("{} holds no journals (shard-0, shard-1, ...)", data_dir.display()),
        )
        .fix("name a data directory: the one of node.data_dir or of demo --data"));
    }
    Ok(found)
}

fn replay(shard: u16, dir: &Path) -> Result<ShardReplay, Problem> {
    let started = Instant::now();
    let mut replayer = Replayer::default();
    let replayed = persist::open::replay_with(dir, &mut replayer);
    let replayed = replayed.map_err(|error| not_replayed(&error))?;
    if let Some(why) = replayer.broken {
        return Err(Problem::error("JRN003", format!("{}: {why}", dir.display()))
            .fix("use the version that wrote it, or a later one"));
    }
    let seconds = started.elapsed().max(Duration::from_micros(1)).as_secs_f64();
    let counts = replayer.core.counts();
    Ok(ShardReplay {
        shard,
        records: replayed.records,
        last_seq: replayed.last_seq,
        state_hash: hash_text(replayer.core.state_hash()),
        fills: counts.fills,
        signals: counts.signals,
        records_per_s: (replayed.records as f64 / seconds) as u64,
        torn: replayed.torn.is_some(),
    })
}
