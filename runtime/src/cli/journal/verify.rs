//! `journal verify`: is everything whole, and what to do if not.
//!
//! Stricter than a start: it also looks at what lies before the snapshot from which a start would begin, at every
//! record's body, and at files that a start can do without.

use std::path::Path;
use std::time::Duration;

use persist::inspect::files::{self, CursorFile, Hole, SnapshotFile, SuperblockState, WrongSize};
use persist::inspect::truncate::Plan;
use persist::inspect::{Batch, Damage, End, Piece, Standing, Walk, Why};
use persist::snapshot::Header;
use persist::{Position, segment};

use super::fields::Decoder;
use super::{ShardDir, at, disk, newer_format, shard_dirs, siblings};
use crate::cli::print;
use crate::cli::progress::{Progress, Unit};
use crate::diag::{Exit, Problem, Problems, whereabouts};

/// What lies beside the segments. It is read before them: a node at work moves cursors and makes snapshots, and must not be
/// taken for having them ahead of its journal.
struct Beside {
    snapshots: Vec<SnapshotFile>,
    cursors: Vec<CursorFile>,
    hole: Option<Hole>,
}

impl Beside {
    /// The snapshots that a start could begin with, ascending.
    fn usable(&self) -> Vec<Header> {
        self.snapshots.iter().filter_map(|file| file.header.as_ref().ok().copied()).collect()
    }
}

/// A damaged stretch.
struct Damaged {
    damage: Damage,
    /// Batches and records that had been found behind damage when this was.
    after: (u64, u64),
}

/// What was found in one journal.
#[derive(Default)]
struct Found {
    batches: u64,
    records: u64,
    first_seq: Option<u64>,
    last_seq: u64,
    last_event: Position,
    damaged: Vec<Damaged>,
    /// Intact batches behind the first damage, and their records.
    after: (u64, u64),
    /// The first record that cannot be read: its seq, and why; and how many there are.
    unreadable: Option<(u64, String)>,
    unreadable_count: u64,
    end: Option<End>,
    gone: Option<u64>,
}

/// `corelane journal verify DIR`.
pub(super) fn run(dir: &Path, quiet: bool) -> Result<Exit, Problems> {
    let shards = shard_dirs(dir)?;
    let mut problems = siblings::judge(dir, &shards)?;
    let mut exit = if problems.has_errors() { Exit::Failed } else { Exit::Success };
    let mut text = String::new();
    for shard in shards {
        let failed = |error| disk(&shard.dir, &error);
        let beside = Beside {
            snapshots: files::snapshots(&shard.dir).map_err(failed)?,
            cursors: files::cursors(&shard.dir).map_err(failed)?,
            hole: files::hole(&shard.dir).map_err(failed)?,
        };
        let (found, took) = walk(&shard, quiet)?;
        let mut wrong = Problems::new();
        let sizes = judge_superblock(&shard, &mut wrong)?;
        judge_beside(&shard, &found, &beside, &mut wrong);
        judge_damage(&shard, &found, &beside, &sizes, &mut wrong);
        judge_batches(&shard, &found, &mut wrong);
        let is_newer = wrong.iter().any(|problem| problem.code == "JRN003");
        exit = match (exit, is_newer, wrong.has_errors()) {
            (Exit::Config, ..) | (_, true, _) => Exit::Config,
            (_, _, true) => Exit::Failed,
            (before, ..) => before,
        };
        text += &verdict(&shard, &found, wrong.has_errors(), took);
        problems.extend(wrong);
    }
    let printed = print::out(&text);
    problems.print();
    Ok(if printed == Exit::Success { exit } else { printed })
}

fn walk(shard: &ShardDir, quiet: bool) -> Result<(Found, Duration), Problem> {
    let failed = |error| disk(&shard.dir, &error);
    let mut walk = Walk::new(&shard.dir).map_err(failed)?;
    let mut progress = Progress::new(format!("shard {}", shard.shard), Unit::Bytes, quiet);
    let (mut found, mut decoder) = (Found::default(), Decoder::default());
    loop {
        let place = match walk.next().map_err(failed)? {
            None => break,
            Some(Piece::Batch(batch)) => {
                found.batch(&batch, &mut decoder);
                batch.place
            }
            Some(Piece::Damaged(damage)) => {
                // Where it begins with damage, it begins there all the same.
                found.first_seq = found.first_seq.or(damage.seq);
                found.damaged.push(Damaged { damage, after: found.after });
                damage.until
            }
            Some(Piece::Gone { seq, .. }) => {
                found.gone.get_or_insert(seq);
                continue;
            }
            Some(Piece::End(end)) => {
                let place = end.place;
                found.last_seq = end.last_seq;
                found.end = Some(end);
                place
            }
            Some(Piece::Remains { place, .. }) => place,
        };
        let (done, total) = walk.bytes_done(place);
        progress.at(done, total, found.records);
    }
    let took = progress.end();
    Ok((found, took))
}

impl Found {
    fn batch(&mut self, batch: &Batch<'_>, decoder: &mut Decoder) {
        if batch.standing == Standing::Stale {
            return;
        }
        self.first_seq.get_or_insert(batch.header.first_seq);
        if batch.standing == Standing::AfterDamage {
            self.after.0 += 1;
            self.after.1 += u64::from(batch.header.count);
        }
        self.batches += 1;
        for record in batch.records() {
            self.records += 1;
            if !record.is_input {
                self.last_event = Position::new(record.seq, record.index);
            }
            if let Err(why) = decoder.check(&record) {
                self.unreadable_count += 1;
                self.unreadable.get_or_insert((record.seq, why));
            }
        }
    }
}

const COPY: &str = "bring the file back from a copy; nothing was changed here";

/// The superblock and the sizes that it gives: the files that have others.
fn judge_superblock(shard: &ShardDir, wrong: &mut Problems) -> Result<Vec<WrongSize>, Problem> {
    let dir = &shard.dir;
    let failed = |error| disk(dir, &error);
    let path = dir.join(persist::superblock::NAME);
    match files::superblock(dir).map_err(failed)? {
        SuperblockState::Missing => {
            wrong.push(Problem::error("JRN005", format!("{} is missing", path.display())).fix(COPY))
        }
        SuperblockState::Damaged => wrong.push(
            Problem::error("JRN005", format!("{}: both slots are damaged", path.display()))
                .fix(COPY),
        ),
        SuperblockState::Newer { found } => wrong.push(newer(&path.display().to_string(), found)),
        SuperblockState::Found { superblock, whole } => {
            if !whole {
                let what = format!("{}: one of two slots is damaged", path.display());
                let why = "the other is good; the next start writes both";
                wrong.push(Problem::warning("JRN005", what).why(why));
            }
            let sizes = files::wrong_sizes(dir, superblock.segment_bytes).map_err(failed)?;
            for size in &sizes {
                let why = "segments never change their size: the disk or a person did it";
                wrong.push(Problem::error("JRN005", size.to_string()).why(why).fix(COPY));
            }
            return Ok(sizes);
        }
    }
    Ok(Vec::new())
}

/// The snapshots and the cursors.
fn judge_beside(shard: &ShardDir, found: &Found, beside: &Beside, wrong: &mut Problems) {
    let dir = &shard.dir;
    let Beside { snapshots, cursors, .. } = beside;
    let newest_usable = beside.usable().last().map(Header::seq);
    for error in snapshots.iter().filter_map(|file| file.header.as_ref().err()) {
        let problem = Problem::error("JRN010", error.to_string());
        let instead = match (newest_usable, found.first_seq) {
            (Some(seq), _) => format!("a start begins with the snapshot at seq {seq}"),
            (None, Some(1)) => "a start begins with the first input".to_owned(),
            _ => "no other one can be used".to_owned(),
        };
        let fix = "leave it, if a start has something else to begin with: it is replaced by and by";
        wrong.push(problem.why(instead).fix(fix));
    }
    let usable = snapshots.iter().filter_map(|file| file.header.as_ref().ok());
    let newest = usable.clone().map(|header| header.last_event).max().unwrap_or_default();
    let base = usable.map(|header| header.seq()).max();
    if let Some(first) = found.first_seq.filter(|first| *first > 1)
        && base.is_none_or(|seq| seq + 1 < first)
    {
        let what = format!("{} begins at seq {first}, and no snapshot reaches that", dir.display());
        wrong.push(Problem::error("JRN014", what).fix("bring the snapshot files back from a copy"));
    }
    let ahead = snapshots.iter().filter(|file| file.header.is_ok() && file.seq > found.last_seq);
    for file in ahead.filter(|_| found.damaged.is_empty()) {
        let what = format!(
            "{} was made after seq {}, but the journal ends at {}",
            file.path.display(),
            file.seq,
            found.last_seq
        );
        let why = "the inputs between were durable: the end of the journal was damaged, or an older copy put back";
        wrong.push(Problem::error("JRN005", what).why(why).fix(COPY));
    }
    // A new sink begins behind what was recycled, which may be behind the last event.
    let last_event = found.last_event.max(newest).max(Position::end_of(found.last_seq));
    for cursor in cursors {
        let what = match &cursor.position {
            Ok(position) if *position <= last_event => continue,
            Ok(position) => format!(
                "{} is {}, but the journal ends {}",
                cursor.path.display(),
                whereabouts(*position),
                whereabouts(last_event)
            ),
            Err(error) => error.to_string(),
        };
        wrong.push(Problem::error("JRN008", what).fix(format!(
            "bring the directory back from one copy; or remove {}: its sink gets everything again",
            cursor.path.display()
        )));
    }
}

/// The batches and what is in them.
fn judge_batches(shard: &ShardDir, found: &Found, wrong: &mut Problems) {
    let dir = &shard.dir;
    if let Some((seq, why)) = &found.unreadable {
        let what = format!(
            "{}: seq {seq} cannot be read: {why} ({} such records)",
            dir.display(),
            found.unreadable_count
        );
        wrong.push(
            Problem::error("JRN003", what)
                .why("the checksum is right: another version of corelane wrote it")
                .fix("use the version that wrote it, or a later one"),
        );
    }
    if let Some(torn) = found.end.as_ref().and_then(|end| end.torn.as_ref()) {
        let what = format!(
            "{} ends inside a batch at byte {}; last good seq {}",
            torn.segment.display(),
            torn.offset,
            torn.last_seq
        );
        let why =
            "normal after a power loss, and while a node writes: nothing acknowledged is in it";
        wrong.push(Problem::warning("JRN004", what).why(why));
    }
    if let Some(seq) = found.gone {
        let what = format!("{}: segments were recycled while they were read", dir.display());
        let why = format!("records from seq {seq} on were skipped; a node is at work there");
        wrong.push(Problem::warning("JRN001", what).why(why));
    }
}

/// What is damaged: what keeps a start from going on, and what does not.
fn judge_damage(
    shard: &ShardDir,
    found: &Found,
    beside: &Beside,
    sizes: &[WrongSize],
    wrong: &mut Problems,
) {
    let usable = beside.usable();
    let is_passed = |found: &&Damaged| found.damage.is_passed(&usable, sizes);
    let (passed, in_the_way): (Vec<_>, Vec<_>) = found.damaged.iter().partition(is_passed);
    if let Some(first) = in_the_way.first() {
        wrong.push(match newer_format(&first.damage) {
            Some(format) => newer(&at(&shard.dir, first.damage.place), format),
            None => damaged(shard, found, &in_the_way),
        });
    }
    if let (Some(first), Some(newest)) = (passed.first(), usable.last()) {
        let problem = not_touched(what_is_damaged(shard, found, first), newest.seq());
        wrong.push(needed_by(first, &beside.cursors).into_iter().fold(problem, Problem::why));
    }
    // Where batches prove that the file had some, it was told as damage.
    let is_told = |hole: &Hole| {
        found.damaged.iter().any(|found| {
            found.damage.why == Why::Missing && found.damage.place.segment == hole.segment
        })
    };
    if let Some(hole) = beside.hole.as_ref().filter(|hole| !is_told(hole)) {
        wrong.push(missing(hole).fix(format!(
            "if there is none: what it held is lost; move {} and what is behind it away to go on after seq {}",
            hole.next.display(),
            found.last_seq
        )));
    }
}

/// The first damaged stretch, and what follows it.
fn what_is_damaged(shard: &ShardDir, found: &Found, first: &Damaged) -> String {
    let damage = &first.damage;
    let (batches, records) = (found.after.0 - first.after.0, found.after.1 - first.after.1);
    let follow = format!("{batches} good batches with {records} records follow it");
    let seq = damage.seq.map_or("unknown".to_owned(), |seq| seq.to_string());
    if damage.why == Why::Missing && damage.next_seq.is_some() {
        let file = |segment| segment::path_of(&shard.dir, segment).display().to_string();
        let (missing, next) = (file(damage.place.segment), file(damage.until.segment));
        return format!("{missing} is missing, {next} is there (seq {seq} is gone); {follow}");
    }
    let place = at(&shard.dir, damage.place);
    format!("{place} (seq {seq}) is damaged: {}; {follow}", damage.why)
}

/// Damage that keeps a start from going on, and the ways out.
fn damaged(shard: &ShardDir, found: &Found, damaged: &[&Damaged]) -> Problem {
    let (dir, first) = (shard.dir.display(), damaged[0]);
    let bytes: u64 = damaged.iter().map(|found| found.damage.bytes).sum();
    let stretches = match damaged.len() {
        1 => "1 stretch".to_owned(),
        more => format!("{more} stretches"),
    };
    let mut problem = Problem::error("JRN005", what_is_damaged(shard, found, first))
        .why("this is not a torn tail: the disk or a person changed what had been acknowledged")
        .why(format!("{stretches}, {bytes} bytes in all; nothing was changed here"));
    if let Some(seq) = first.damage.seq {
        problem = problem.why(format!("look: corelane journal dump {dir} --from-seq {seq}"));
    }
    problem = problem.fix("bring the file back from a copy");
    // Nothing is proposed that would be refused.
    if let Some(seq) = first.damage.seq
        && let Ok(plan) = Plan::new(&shard.dir, seq)
    {
        let drops = match (found.last_seq + 1).saturating_sub(seq) {
            0 => format!("what {} damaged bytes held", plan.damaged_bytes),
            1 => "1 input".to_owned(),
            more => format!("{more} inputs"),
        };
        problem = problem.fix(format!(
            "go on without what follows: corelane journal truncate {dir} --at-seq {seq} --dry-run (would drop {drops})"
        ));
    }
    problem
}

/// Says of damage that a start does not get to it.
pub(in crate::cli) fn not_touched(what: String, snapshot: u64) -> Problem {
    Problem::error("JRN005", what)
        .why(format!(
            "a start does not read it: it begins with the snapshot at seq {snapshot}, behind it"
        ))
        .fix("bring the file back from a copy; or leave it: the segment is recycled by and by")
}

/// The sinks that have not taken what is damaged.
fn needed_by(first: &Damaged, cursors: &[CursorFile]) -> Option<String> {
    let next_seq = first.damage.next_seq?;
    let is_behind =
        |cursor: &&CursorFile| cursor.position.as_ref().is_ok_and(|at| at.seq < next_seq);
    let cursor = cursors.iter().find(is_behind)?;
    let at = cursor.position.as_ref().ok()?;
    Some(format!(
        "but sink {} is {}: what it has not taken cannot be read from here",
        cursor.sink,
        whereabouts(*at)
    ))
}

/// Says that a segment is missing.
pub(in crate::cli) fn missing(hole: &Hole) -> Problem {
    Problem::error("JRN005", hole.to_string())
        .why("segments are made in order, so no crash leaves one out: the disk or a person removed it")
        .fix("bring the file back from a copy; nothing was changed here")
}

fn newer(what: &str, format: u16) -> Problem {
    let known = persist::batch::VERSION;
    Problem::error(
        "JRN003",
        format!("{what} has format {format}, this corelane reads up to {known}"),
    )
    .fix("use the version that wrote it, or a later one")
}

fn verdict(shard: &ShardDir, found: &Found, wrong: bool, took: Duration) -> String {
    let seqs = match found.first_seq {
        Some(first) if found.last_seq >= first => format!("seq {first} to {}", found.last_seq),
        _ => "no inputs".to_owned(),
    };
    let line = format!(
        "shard {}: {} · {seqs} · {} batches, {} records · {:.0} records/s",
        shard.shard,
        if wrong { "NOT WHOLE" } else { "whole" },
        found.batches,
        found.records,
        found.records as f64 / took.as_secs_f64()
    );
    format!("{line}\n")
}
