//! `corelane replay`: rebuilds the state of every shard from its journal and prints its hash. Changes nothing.
//!
//! It begins with the first input that is there: with seq 1, or, where segments were recycled, behind the oldest
//! snapshot that can be used. So it goes over all that the directory has, which a start does not.

mod playback;

use std::path::Path;
use std::time::Duration;

use persist::inspect::{Piece, Walk, files};
use persist::open::{OpenError, Replayed};
use persist::snapshot::SnapshotError;
use persist::tail::Tail;
use serde::{Deserialize, Serialize};

use super::args::ReplayArgs;
use super::journal::verify::{missing, not_touched};
use super::journal::{ShardDir, disk, shard_dirs, siblings};
use super::print;
use super::progress::{Progress, Unit};
use crate::control::not_replayed;
use crate::diag::{Exit, Problem, Problems, Severity};
use playback::{NOT_WANTED, Playback};

/// What the replay of one shard gave.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub(super) struct ShardReplay {
    /// Its number.
    pub(super) shard: u16,
    /// Records read.
    pub(super) records: u64,
    /// First input that was replayed: 1, or the one behind a snapshot.
    pub(super) first_seq: u64,
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
    /// Seq of the snapshot from which it began.
    pub(super) snapshot: Option<u64>,
    /// Events that were the same as in the journal, with `--verify`.
    pub(super) events_compared: u64,
    /// Digests and snapshots that the state agreed with.
    pub(super) states_compared: u64,
}

/// The state hash as it is printed.
pub(super) fn hash_text(hash: u64) -> String {
    format!("{hash:016x}")
}

pub(super) fn run(args: &ReplayArgs) -> Result<Exit, Problems> {
    let dirs = shard_dirs(&args.dir)?;
    let wrong = siblings::judge(&args.dir, &dirs)?;
    let mut shards = Vec::new();
    for shard in dirs {
        shards.push(replay(&shard, args)?);
    }
    let text = if args.json { json(&shards) } else { table(&shards, args.verify) };
    let printed = print::out(&text);
    let is_wrong = args.verify && wrong.has_errors();
    said(wrong, args.verify).print();
    Ok(if is_wrong && printed == Exit::Success { Exit::Failed } else { printed })
}

/// What is wrong with the data directory: each journal in it is what it is, so without `--verify` that is a warning.
fn said(wrong: Problems, verify: bool) -> Problems {
    let mut said = Problems::new();
    said.extend(wrong.into_iter().map(|problem| match verify {
        true => problem,
        false => Problem { severity: Severity::Warning, ..problem },
    }));
    said
}

fn json(shards: &[ShardReplay]) -> String {
    let shards = serde_json::to_string(shards).expect("plain fields serialize");
    format!("{{\"shards\":{shards}}}\n")
}

fn table(shards: &[ShardReplay], verified: bool) -> String {
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
    if verified {
        let events: u64 = shards.iter().map(|shard| shard.events_compared).sum();
        let states: u64 = shards.iter().map(|shard| shard.states_compared).sum();
        for s in shards {
            let behind = s.snapshot.map_or(String::new(), |seq| {
                format!(" (behind the snapshot at seq {seq}, with which it begins)")
            });
            text += &match s.last_seq < s.first_seq {
                true => format!("shard {}: no inputs{behind}\n", s.shard),
                false => format!(
                    "shard {}: verified from seq {} to {}{behind}\n",
                    s.shard, s.first_seq, s.last_seq
                ),
            };
        }
        text +=
            &format!("verified: {events} events and {states} states are those of the journal\n");
    }
    text
}

fn replay(shard: &ShardDir, args: &ReplayArgs) -> Result<ShardReplay, Problem> {
    let replayed = play(shard, args)?;
    let (playback, seconds) = (&replayed.playback, replayed.took.as_secs_f64());
    let counts = playback.core.counts();
    Ok(ShardReplay {
        shard: shard.shard,
        records: playback.records,
        first_seq: replayed.replayed.snapshot.map_or(1, |seq| seq + 1),
        last_seq: playback.last_seq,
        state_hash: hash_text(playback.core.state_hash()),
        fills: counts.fills,
        signals: counts.signals,
        records_per_s: (playback.records as f64 / seconds) as u64,
        torn: replayed.replayed.torn.is_some(),
        snapshot: replayed.replayed.snapshot,
        events_compared: playback.events_compared,
        states_compared: playback.states_compared,
    })
}

/// A journal that was played to its end, or to where it was to end.
pub(super) struct Played {
    /// The state, and what was compared.
    pub(super) playback: Playback,
    /// What `persist` says of the journal.
    pub(super) replayed: Replayed,
    took: Duration,
}

/// Plays a shard's journal.
pub(super) fn play(shard: &ShardDir, args: &ReplayArgs) -> Result<Played, Problem> {
    let dir = &shard.dir;
    let failed = |error| disk(dir, &error);
    let to_seq = args.to_seq.unwrap_or(u64::MAX);
    if let Some(hole) = files::hole(dir).map_err(failed)? {
        return Err(missing(&hole).fix(format!("look: corelane journal verify {}", dir.display())));
    }
    let last_seq = if args.quiet { 0 } else { last_seq(dir).map_err(failed)?.min(to_seq) };
    let progress = Progress::new(format!("shard {}", shard.shard), Unit::Inputs, args.quiet);
    let mut playback = Playback::new(args, (progress, last_seq));
    let snapshots = files::snapshots(dir).map_err(failed)?;
    let hashes = snapshots.iter().filter_map(|file| file.header.as_ref().ok());
    playback.expect_states(hashes.map(|header| (header.seq(), header.state_hash)));
    // What is not there cannot be replayed: a snapshot stands in for it.
    if Tail::first_seq(dir).is_ok_and(|first| first != Some(1)) {
        let usable = snapshots.iter().filter(|file| file.header.is_ok() && file.seq <= to_seq);
        playback.begin_with(usable.map(|file| file.seq).min());
    }
    let replayed = persist::open::replay_with(dir, &mut playback);
    let took = playback.end();
    if let Some(problem) = playback.problem(dir) {
        return Err(problem);
    }
    let usable: Vec<u64> = snapshots
        .iter()
        .filter_map(|file| file.header.as_ref().ok().map(|header| header.seq()))
        .collect();
    let replayed = replayed.map_err(|error| refused(dir, to_seq, &usable, &error))?;
    for error in &replayed.skipped {
        let is_by_choice =
            matches!(error, SnapshotError::Unreadable { why, .. } if why == NOT_WANTED);
        if !is_by_choice {
            let problem = Problem::warning("JRN010", error.to_string());
            print::talk(&format!("{}\n", problem.one_line()));
        }
    }
    let reached = playback.last_seq;
    if args.to_seq.is_some_and(|wanted| reached < wanted) {
        let what = format!("{} ends at seq {reached}, before seq {to_seq}", dir.display());
        return Err(Problem::error("JRN015", what)
            .fix(format!("corelane replay {} --to-seq {reached}", dir.display())));
    }
    Ok(Played { playback, replayed, took })
}

/// The last input of a journal, for the progress: found from its last segments.
fn last_seq(dir: &Path) -> Result<u64, persist::disk::DiskError> {
    let mut walk = Walk::new(dir)?;
    walk.seek(u64::MAX)?;
    while let Some(piece) = walk.next()? {
        if let Piece::End(end) = piece {
            return Ok(end.last_seq);
        }
    }
    Ok(0)
}

/// Says why a replay was refused. `usable` are the seqs of the snapshots that a start could begin with, ascending.
fn refused(dir: &Path, to_seq: u64, usable: &[u64], error: &OpenError) -> Problem {
    match (error, usable) {
        (OpenError::NoSnapshot { .. }, [oldest, ..]) if to_seq < *oldest => {
            let what = format!(
                "the journal in {} begins behind the snapshot at seq {oldest}: {to_seq} is before it",
                dir.display()
            );
            Problem::error("JRN015", what)
                .why("what came before was recycled")
                .fix(format!("corelane replay {} --to-seq {oldest}", dir.display()))
        }
        (OpenError::CorruptBeforeEnd { seq, .. }, [.., newest]) if seq <= newest => {
            not_touched(error.to_string(), *newest)
                .fix(format!("look: corelane journal verify {}", dir.display()))
        }
        _ => not_replayed(error),
    }
}
