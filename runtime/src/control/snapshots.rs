//! The thread that makes snapshots, away from the shards: it replays a journal from the last snapshot to what is
//! durable, compares the digests on the way, and writes the state down.
//!
//! Between two snapshots nothing is kept in memory: each one is made from the one before it, as it is on the disk. So a
//! snapshot that could not be restored is found here, while the journal behind it is still there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use persist::Position;
use persist::open::State;
use persist::snapshot::{self, Header, Mark};
use persist::tail::Tail;
use shards::ShardId;

use super::failure;
use crate::diag::Problem;
use crate::lane::bell::Bell;
use crate::lane::channel::{Receiver, Sender, channel};
use crate::lane::executor::{self, Housekeeping};
use crate::shard::replayer::{Broken, Diverged, Replayer};

/// Records read before it is asked whether to go on.
const RECORDS_PER_STEP: usize = 65_536;
/// How soon a snapshot that could not be made is tried again.
const RETRY: Duration = Duration::from_secs(60);

/// A journal of which a snapshot is wanted.
#[derive(Clone, Debug)]
struct Job {
    shard: ShardId,
    shard_count: u16,
    dir: PathBuf,
    /// How far it is durable: the end of a batch.
    durable_seq: u64,
}

/// A snapshot that was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    /// The last input in it.
    pub seq: u64,
    /// Bytes of the state.
    pub bytes: u64,
    /// Records that were replayed for it.
    pub records: u64,
    /// Hash of the state.
    pub state_hash: u64,
}

/// Why no snapshot was made.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotTaken {
    /// The process ends.
    #[error("stopped")]
    Stopped,
    /// The replay is not what the shard did.
    #[error(transparent)]
    Diverged(Diverged),
    /// Something else.
    #[error("{0}")]
    Failed(String),
}

/// What the thread says.
#[derive(Debug)]
pub(super) enum Said {
    /// A snapshot was made, in this time.
    Taken(ShardId, Taken, Duration),
    /// None could be made; it is tried again.
    Failed(Problem),
    /// The process must end.
    Diverged(Problem),
}

/// The thread, seen from control.
pub(super) struct Snapshots {
    /// `None` while it ends.
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    said: Receiver<(ShardId, Duration, Result<Taken, NotTaken>)>,
    /// Inputs between two snapshots.
    every: u64,
    shards: Vec<Progress>,
}

/// What is known of one shard.
struct Progress {
    dir: PathBuf,
    /// Seq of the newest snapshot.
    newest: u64,
    busy: bool,
    not_before: Option<Instant>,
}

impl Snapshots {
    /// Starts the thread. It ends when this is dropped.
    pub(super) fn start(
        control: &Arc<Bell>,
        every: u64,
        housekeeping: &Housekeeping,
        shard_count: u16,
    ) -> Result<Snapshots, Problem> {
        let bell = super::new_bell()?;
        let (jobs, received) = channel(usize::from(shard_count), &bell);
        let (sender, said) = channel(usize::from(shard_count), control);
        let housekeeping = housekeeping.clone();
        let thread = std::thread::Builder::new()
            .name("snapshots".to_owned())
            .spawn(move || {
                housekeeping.enter();
                crate::lane::executor::step_back();
                work(&bell, received, sender);
            })
            .map_err(|error| failure::thread("the snapshot thread", &error))?;
        Ok(Snapshots { jobs: Some(jobs), thread: Some(thread), said, every, shards: Vec::new() })
    }

    /// Why the thread has ended, if it has by itself. Said once.
    pub(super) fn ended(&mut self) -> Option<String> {
        executor::ended(&mut self.thread)
    }

    /// The journals are open: each one's directory, and the snapshot that it was opened from, 0 if none.
    pub(super) fn begin(&mut self, shards: impl Iterator<Item = (PathBuf, u64)>) {
        let begin = |(dir, newest)| Progress { dir, newest, busy: false, not_before: None };
        self.shards = shards.map(begin).collect();
    }

    /// Orders the snapshots that are due. `durable` tells how far a shard's journal is durable.
    pub(super) fn turn(&mut self, durable: impl Fn(usize) -> u64) {
        let shard_count = self.shards.len() as u16;
        for (at, state) in self.shards.iter_mut().enumerate() {
            let durable_seq = durable(at);
            let is_due = durable_seq >= state.newest.saturating_add(self.every)
                && state.not_before.is_none_or(|until| until <= Instant::now());
            if state.busy || !is_due {
                continue;
            }
            let shard = ShardId(at as u16);
            let job = Job { shard, shard_count, dir: state.dir.clone(), durable_seq };
            state.busy = self.jobs.as_mut().is_some_and(|jobs| jobs.send(job).is_ok());
        }
    }

    /// What was done.
    pub(super) fn said(&mut self) -> Option<Said> {
        let (shard, took, result) = self.said.receive()?;
        let state = &mut self.shards[usize::from(shard.0)];
        state.busy = false;
        match result {
            Ok(taken) => {
                state.newest = taken.seq;
                Some(Said::Taken(shard, taken, took))
            }
            Err(NotTaken::Stopped) => None,
            Err(NotTaken::Diverged(diverged)) => {
                Some(Said::Diverged(failure::diverged(&state.dir, &diverged)))
            }
            Err(NotTaken::Failed(why)) => {
                state.not_before = Some(Instant::now() + RETRY);
                Some(Said::Failed(failure::snapshot(&state.dir, &why, RETRY)))
            }
        }
    }

    /// Whether [`Snapshots::said`] has something to tell.
    pub(super) fn has_news(&self) -> bool {
        !self.said.is_empty()
    }
}

impl Drop for Snapshots {
    fn drop(&mut self) {
        // Whoever opens the directory next must not meet it at work there.
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(
    bell: &Bell,
    mut jobs: Receiver<Job>,
    mut said: Sender<(ShardId, Duration, Result<Taken, NotTaken>)>,
) {
    while !jobs.is_abandoned() {
        let Some(job) = jobs.receive() else {
            bell.sleep(Duration::from_secs(1), || !jobs.is_empty() || jobs.is_abandoned());
            continue;
        };
        let started = Instant::now();
        let taken = take(&job.dir, job.shard_count, job.durable_seq, &|| jobs.is_abandoned());
        // One job a shard at a time: there is room, unless control has gone.
        let _ = said.send((job.shard, started.elapsed(), taken));
    }
}

/// Makes a snapshot of the journal in `dir` at `durable_seq`, which is the end of a batch, and removes those that are
/// too many. If the replay from one snapshot does not give the digests that the shard journaled, but the replay from the one
/// before it does, then that snapshot was wrong: it is removed.
pub(super) fn take(
    dir: &Path,
    shard_count: u16,
    durable_seq: u64,
    stopped: &dyn Fn() -> bool,
) -> Result<Taken, NotTaken> {
    let mut replayer = Replayer::default();
    let mut replayed = replay(dir, durable_seq, stopped, &mut replayer);
    if let Some(mut other) = replayer.without_base() {
        let refuted = replayer.restored.expect("there was a base to go without");
        match replay(dir, durable_seq, stopped, &mut other) {
            Ok(again) => {
                let path = snapshot::path_of(dir, refuted);
                std::fs::remove_file(&path)
                    .map_err(|error| NotTaken::Failed(format!("{}: {error}", path.display())))?;
                (replayer, replayed) = (other, Ok(again));
            }
            Err(NotTaken::Stopped) => return Err(NotTaken::Stopped),
            // Neither is what the shard did.
            Err(_) => {}
        }
    }
    let (mark, records) = replayed?;
    write(dir, shard_count, mark, &replayer, records)
        .map_err(|error| NotTaken::Failed(error.to_string()))
}

/// Replays from the newest snapshot that the replayer takes. Where it ended, and how many records that were.
fn replay(
    dir: &Path,
    durable_seq: u64,
    stopped: &dyn Fn() -> bool,
    replayer: &mut Replayer,
) -> Result<(Mark, u64), NotTaken> {
    let fault = |error: &dyn std::fmt::Display| NotTaken::Failed(error.to_string());
    let mut tail = match base(dir, replayer).map_err(|error| fault(&error))? {
        Some(mark) => Tail::from_mark(dir, &mark),
        None => Tail::open(dir, Position::START).map_err(|error| fault(&error))?,
    };
    let mut records = 0;
    loop {
        let read = tail.read(durable_seq, RECORDS_PER_STEP, &mut |record| {
            if replayer.broken.is_none() {
                // What broke it off is looked at below.
                let _ = replayer.take(&record);
            }
        });
        let read = read.map_err(|error| fault(&error))?;
        records += read as u64;
        match &replayer.broken {
            Some(Broken::Diverged(diverged)) => return Err(NotTaken::Diverged(*diverged)),
            Some(broken) => return Err(fault(broken)),
            None if stopped() => return Err(NotTaken::Stopped),
            None if read < RECORDS_PER_STEP => break,
            None => {}
        }
    }
    let mark = tail.mark().filter(|mark| mark.seq() == durable_seq);
    let mark =
        mark.ok_or_else(|| fault(&format!("seq {durable_seq} is not the end of a batch")))?;
    Ok((mark, records))
}

/// Restores the newest snapshot that can be, and that fits the journal: a stranger leads nowhere.
fn base(dir: &Path, replayer: &mut Replayer) -> Result<Option<Mark>, persist::disk::DiskError> {
    for seq in snapshot::list(dir)?.into_iter().rev() {
        if let Ok(loaded) = snapshot::load_fitting(dir, seq)
            && replayer.restore(&loaded.header, &loaded.body).is_ok()
        {
            return Ok(Some(loaded.header.mark));
        }
    }
    Ok(None)
}

fn write(
    dir: &Path,
    shard_count: u16,
    mark: Mark,
    replayer: &Replayer,
    records: u64,
) -> Result<Taken, persist::disk::DiskError> {
    let mut body = Vec::new();
    replayer.core.encode(&mut body);
    let header = Header {
        shard: mark.shard(),
        shard_count,
        mark,
        last_event: replayer.last_event,
        state_hash: replayer.core.state_hash(),
        body_bytes: body.len() as u64,
    };
    snapshot::write(dir, &header, &body)?;
    snapshot::keep_newest(dir)?;
    let (seq, bytes, state_hash) = (header.seq(), header.body_bytes, header.state_hash);
    Ok(Taken { seq, bytes, records, state_hash })
}

#[cfg(test)]
mod tests;
