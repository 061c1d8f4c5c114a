//! `journal dump --follow`: records as a node makes them durable.
//!
//! A batch is shown when a later one says that it was durable: the node says so at the latest by a seal, 10 ms after
//! its last input.

use std::collections::VecDeque;
use std::time::Duration;

use persist::inspect::{Batch, Piece, Standing, Walk};

use super::dump::{Writer, begins, check_range, gone};
use super::{ShardDir, disk, shard_dirs};
use crate::cli::args::journal::DumpArgs;
use crate::cli::print::{Ended, Lines};
use crate::cli::signals::Stop;
use crate::diag::{Exit, Problem, Problems};

/// How soon the files are looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Looks without anything new after which it is found out why: damage, or segments that were recycled.
const LOOKS_PER_VERDICT: u32 = 250;

/// One shard, followed.
struct Follower {
    shard: ShardDir,
    walk: Walk,
    writer: Writer,
    /// Lines of batches that are not known to be durable: the last seq of each, and its lines.
    held: VecDeque<(u64, Vec<u8>)>,
    last_seq: u64,
    from_seq: u64,
    /// Whether something of the journal was seen.
    is_begun: bool,
    /// Looks that found nothing new.
    idle_looks: u32,
}

/// `corelane journal dump DIR --follow`.
pub(super) fn run(args: &DumpArgs) -> Result<Exit, Problems> {
    check_range(args)?;
    let stop = Stop::listen()?;
    let mut lines = Lines::new();
    let mut followers = Vec::new();
    for shard in shard_dirs(&args.dir)? {
        followers.push(Follower::new(shard, args)?);
    }
    let mut is_read = true;
    let is_done = |follower: &Follower| follower.last_seq >= args.to_seq;
    while is_read && !stop.is_asked() && !followers.iter().all(is_done) {
        for follower in &mut followers {
            follower.look(&mut lines)?;
        }
        is_read = lines.flush();
        std::thread::sleep(LOOK_AGAIN);
    }
    let ended = lines.end();
    let damaged = followers.iter().find(|follower| follower.writer.faults.any());
    Ok(match (ended, damaged) {
        (Ended::Whole, Some(follower)) => follower.writer.faults.exit(&follower.shard.dir, ended),
        (Ended::Failed, _) => Exit::Io,
        _ => Exit::Success,
    })
}

impl Follower {
    fn new(shard: ShardDir, args: &DumpArgs) -> Result<Follower, Problem> {
        let failed = |error| disk(&shard.dir, &error);
        let mut walk = Walk::new(&shard.dir).map_err(failed)?;
        if args.from_seq > 1 {
            walk.seek(args.from_seq).map_err(failed)?;
        }
        let writer = Writer::new(shard.shard, args);
        Ok(Follower {
            shard,
            walk,
            writer,
            held: VecDeque::new(),
            last_seq: 0,
            from_seq: args.from_seq,
            is_begun: false,
            idle_looks: 0,
        })
    }

    /// Shows what has become durable since the last look.
    fn look(&mut self, lines: &mut Lines) -> Result<(), Problem> {
        let is_due = self.idle_looks.is_multiple_of(LOOKS_PER_VERDICT);
        self.idle_looks += 1;
        if is_due {
            return self.walk_to_end(lines);
        }
        while let Some(batch) = self.walk.poll().map_err(|error| disk(&self.shard.dir, &error))? {
            self.idle_looks = 1;
            self.held.push_back(written(&mut self.writer, &batch));
            self.release(lines);
        }
        self.release(lines);
        Ok(())
    }

    /// Walks to the end as it is now, over damage.
    fn walk_to_end(&mut self, lines: &mut Lines) -> Result<(), Problem> {
        self.walk.again();
        loop {
            let next = self.walk.next().map_err(|error| disk(&self.shard.dir, &error))?;
            if let Some(piece) = next.as_ref().filter(|_| !self.is_begun) {
                self.is_begun = true;
                begins(&self.shard, self.from_seq, piece);
            }
            let held = match &next {
                Some(Piece::Batch(batch)) if batch.standing != Standing::Stale => {
                    written(&mut self.writer, batch)
                }
                Some(Piece::Damaged(damage)) => {
                    let mut text = Vec::new();
                    self.writer.damage(damage, &mut |line| keep(&mut text, line));
                    (0, text)
                }
                Some(Piece::Gone { seq, first }) => {
                    gone(&self.shard, *seq, *first);
                    continue;
                }
                // What lies beyond the end may be a write at work.
                _ => break,
            };
            self.held.push_back(held);
            self.release(lines);
        }
        self.release(lines);
        Ok(())
    }

    fn release(&mut self, lines: &mut Lines) {
        let durable_seq = self.walk.durable_seq();
        while self.held.front().is_some_and(|(last_seq, _)| *last_seq <= durable_seq) {
            if let Some((last_seq, text)) = self.held.pop_front() {
                lines.write(&text);
                self.last_seq = self.last_seq.max(last_seq);
            }
        }
    }
}

/// The last seq of a batch, and its lines.
fn written(writer: &mut Writer, batch: &Batch<'_>) -> (u64, Vec<u8>) {
    let mut text = Vec::new();
    writer.batch(batch, &mut |line| keep(&mut text, line));
    let last_seq = batch.records().last().map_or(batch.header.first_seq - 1, |last| last.seq);
    (last_seq, text)
}

fn keep(text: &mut Vec<u8>, line: &[u8]) -> bool {
    text.extend_from_slice(line);
    true
}
