//! `journal reshard`: a data directory for another number of shards.
//!
//! The journals are replayed, the states divided anew, and each new shard's journal begins with a snapshot of its part.
//! Inputs count on behind the highest seq of all old shards, so no event gets the number of another. The new journals
//! do not have the old events: each sink must have taken all of them before. The old directory stays as it is; the new
//! one gets its name when all of it is durable and was read back.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use persist::Options;
use persist::Position;
use persist::cursor::{self, Cursor};
use persist::inspect::files::{self, SuperblockState};
use persist::open::{found, replay_with};
use persist::snapshot::{Header, Mark};
use persist::superblock::Superblock;
use shards::Core;

use super::target::{Target, beside, confirmed, lock};
use super::{ShardDir, disk, shard_count, shard_dirs};
use crate::cli::args::ReplayArgs;
use crate::cli::print::{self, talk};
use crate::cli::replay;
use crate::config::units::approximate_size;
use crate::control::not_replayed;
use crate::control::options::BATCH_BYTES_MAX;
use crate::diag::{Exit, Problem, Problems, reason, whereabouts};
use crate::host::dirs;
use crate::shard::replayer::Replayer;

/// All that the old journals come to.
struct Old {
    superblock: Superblock,
    cores: Vec<Core>,
    /// The highest seq, and the highest epoch.
    seq: u64,
    epoch: u64,
    sinks: Vec<String>,
}

/// `corelane journal reshard DIR --to N`.
pub(super) fn run(
    dir: &Path,
    to: u16,
    into: Option<&Path>,
    dry_run: bool,
    yes: bool,
    quiet: bool,
) -> Result<Exit, Problems> {
    let target = Target::new(dir, into, ".resharded")?;
    let Target { dir, into } = &target;
    let _lock = if dry_run { None } else { lock(dir)? };
    let shards = whole(dir, to)?;
    let old = read(&shards, quiet)?;
    let from = shards.len();
    let accounts: usize = old.cores.iter().map(|core| core.watched().count()).sum();
    let (seq, epoch) = (old.seq, old.epoch);
    let (superblock, sinks) = (old.superblock, old.sinks);
    let cores = Core::reshard(old.cores, to).map_err(|error| refused(dir, &error.to_string()))?;
    let described = format!(
        "{} to {to}: {accounts} accounts, inputs go on at seq {}, sinks: {}\n  \
         written to {}{}\n  {} stays as it is\n",
        shard_count(from),
        seq + 1,
        if sinks.is_empty() { "none".to_owned() } else { sinks.join(", ") },
        into.display(),
        dirs::space(into)
            .map_or(String::new(), |space| format!(" ({} free)", approximate_size(space.free))),
        dir.display()
    );
    if dry_run {
        return Ok(print::out(&described));
    }
    talk(&described);
    if !yes && !confirmed(&format!("write {}? [yes/no] ", into.display()))? {
        return Ok(Exit::Failed);
    }
    let new = New { superblock: Superblock { shard_count: to, ..superblock }, seq, epoch, sinks };
    new.write(dir, into, &cores)?;
    talk(&format!("{} is written and durable\n", into.display()));
    let set = |count: usize| format!("  then set node.shards = {count}\n");
    talk(&target.swap(&set(usize::from(to)), &set(from)));
    Ok(print::out(&format!("{}\n", into.display())))
}

/// The shards of a data directory, which must all be there.
fn whole(dir: &Path, to: u16) -> Result<Vec<ShardDir>, Problem> {
    let shards = shard_dirs(dir)?;
    if shards.len() == 1 && shards[0].dir == dir {
        return Err(Problem::error("JRN009", format!("{} is one shard", dir.display()))
            .fix("name the data directory that it is in: all shards are divided anew"));
    }
    if shards.len() == usize::from(to) {
        return Err(refused(dir, &format!("it has {} already", shard_count(shards.len()))));
    }
    Ok(shards)
}

fn refused(dir: &Path, why: &str) -> Problem {
    Problem::error("JRN017", format!("{} cannot be divided anew: {why}", dir.display()))
}

/// Replays all journals, and makes sure that no sink has anything left to take.
fn read(shards: &[ShardDir], quiet: bool) -> Result<Old, Problem> {
    let mut old: Option<Old> = None;
    for (number, shard) in (0..).zip(shards) {
        let failed = |error| disk(&shard.dir, &error);
        let args =
            ReplayArgs { dir: shard.dir.clone(), to_seq: None, verify: false, json: false, quiet };
        let SuperblockState::Found { superblock, .. } =
            files::superblock(&shard.dir).map_err(failed)?
        else {
            let what = format!("{}: no superblock that can be read", shard.dir.display());
            return Err(Problem::error("JRN005", what)
                .fix(format!("corelane journal verify {}", shard.dir.display())));
        };
        if (superblock.shard, usize::from(superblock.shard_count)) != (number, shards.len()) {
            let why = format!(
                "it is shard {} of {}, found as number {number} of {}",
                superblock.shard,
                superblock.shard_count,
                shards.len()
            );
            return Err(refused(&shard.dir, &why).fix("name a data directory with all its shards"));
        }
        let played = replay::play(shard, &args)?.playback;
        let old = old.get_or_insert_with(|| Old {
            superblock,
            cores: Vec::new(),
            seq: 0,
            epoch: 0,
            sinks: Vec::new(),
        });
        for file in files::cursors(&shard.dir).map_err(failed)? {
            let at = file.position.unwrap_or(Position::START);
            if at < played.last_event {
                let why = format!(
                    "sink {} is {}, and the events end {}",
                    file.sink,
                    whereabouts(at),
                    whereabouts(played.last_event)
                );
                return Err(refused(&shard.dir, &why)
                    .why("the new journals have no old events: what it has not taken would be lost")
                    .fix("run the node until its sinks are done, and stop it in order")
                    .fix(format!("if that sink is gone for good: rm {}", file.path.display())));
            }
            if !old.sinks.contains(&file.sink) {
                old.sinks.push(file.sink);
            }
        }
        old.seq = old.seq.max(played.last_seq);
        old.epoch = old.epoch.max(superblock.epoch);
        old.cores.push(played.core);
    }
    Ok(old.expect("a data directory has a shard"))
}

/// What all new journals have in common.
struct New {
    superblock: Superblock,
    seq: u64,
    epoch: u64,
    sinks: Vec<String>,
}

impl New {
    fn write(&self, dir: &Path, into: &Path, cores: &[Core]) -> Result<(), Problem> {
        let tmp = beside(into, ".tmp");
        for path in [into, &tmp] {
            if path.exists() {
                return Err(Problem::error("DIR001", format!("{} exists already", path.display()))
                    .fix("name another directory: --into NEWDIR"));
            }
        }
        fs::create_dir(&tmp).map_err(|error| dirs::refused(&tmp, "--into", &error))?;
        let written = self.fill(dir, &tmp, cores).and_then(|()| {
            let parent = into.parent().filter(|parent| !parent.as_os_str().is_empty());
            let named = fs::rename(&tmp, into).and_then(|()| {
                File::open(parent.unwrap_or(Path::new("."))).and_then(|dir| dir.sync_all())
            });
            named.map_err(|error| dirs::refused(into, "--into", &error))
        });
        if written.is_err() {
            // It was made here, a moment ago. If it cannot be removed, its name says what it is.
            let _ = fs::remove_dir_all(&tmp);
        }
        written
    }

    fn fill(&self, dir: &Path, tmp: &Path, cores: &[Core]) -> Result<(), Problem> {
        copy_others(dir, tmp).map_err(|(path, error)| {
            Problem::error(
                "DIR002",
                format!("{} cannot be copied: {}", path.display(), reason(&error)),
            )
        })?;
        for (shard, core) in (0..).zip(cores) {
            self.shard(&tmp.join(format!("shard-{shard}")), shard, core)?;
        }
        let synced = File::open(tmp).and_then(|dir| dir.sync_all());
        synced.map_err(|error| dirs::refused(tmp, "--into", &error))
    }

    /// Writes one shard's journal, and reads it back.
    fn shard(&self, dir: &Path, shard: u16, core: &Core) -> Result<(), Problem> {
        let mut body = Vec::new();
        core.encode(&mut body);
        let last_event = Position::end_of(self.seq);
        let header = Header {
            shard,
            shard_count: self.superblock.shard_count,
            mark: Mark::beginning(shard, self.seq),
            last_event,
            state_hash: core.state_hash(),
            body_bytes: body.len() as u64,
        };
        let options = Options {
            dir: dir.to_owned(),
            shard,
            shard_count: self.superblock.shard_count,
            segment_bytes: self.superblock.segment_bytes,
            batch_bytes_max: BATCH_BYTES_MAX,
            flights: 1,
        };
        found(&options, self.epoch, &header, &body).map_err(|error| not_replayed(&error))?;
        for sink in &self.sinks {
            let failed = |error: cursor::CursorError| {
                Problem::error("JRN008", format!("a cursor cannot be written: {error}"))
            };
            let mut cursor = Cursor::open(&cursor::path_of(dir, sink)).map_err(failed)?;
            cursor.set(last_event).map_err(failed)?;
            cursor.sync().map_err(failed)?;
        }
        let mut replayer = Replayer::default();
        replay_with(dir, &mut replayer).map_err(|error| not_replayed(&error))?;
        let (written, read) = (core.state_hash(), replayer.core.state_hash());
        if written != read {
            let what = format!("{}: written was state {written:016x}", dir.display());
            return Err(Problem::error("JRN011", what).why(format!("read back was {read:016x}")));
        }
        Ok(())
    }
}

/// Copies what else is in a data directory: the database, logs. Not the lock.
fn copy_others(dir: &Path, tmp: &Path) -> Result<(), (PathBuf, io::Error)> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |error| (path, error)
    };
    for entry in fs::read_dir(dir).map_err(failed(dir))? {
        let path = entry.map_err(failed(dir))?.path();
        let Some(name) = path.file_name().filter(|name| *name != persist::lock::NAME) else {
            continue;
        };
        if path.is_file() {
            let to = tmp.join(name);
            fs::copy(&path, &to).map_err(failed(&path))?;
            File::open(&to).and_then(|file| file.sync_all()).map_err(failed(&to))?;
        }
    }
    Ok(())
}
