//! `journal info`: what is in a directory.

use std::path::Path;

use persist::Position;
use persist::inspect::files::{self, CursorFile, SnapshotFile, SuperblockState, WrongSize};
use persist::inspect::{Damage, End, Piece, Standing, Walk};
use serde::Serialize;

use super::{ShardDir, at, disk, shard_dirs, siblings};
use crate::cli::print;
use crate::config::units::{approximate_size, format_size};
use crate::diag::{Exit, Problem, Problems, whereabouts};

/// What stands under a report in which the word occurs.
const STALE: &str = "  stale: batches beyond the end, cut off by an earlier start or never acknowledged; no part of the journal\n";

/// All that was asked for.
#[derive(Serialize)]
struct Report {
    /// Where shards do not belong together.
    damaged: Vec<String>,
    shards: Vec<Shard>,
}

/// One shard's directory.
#[derive(Serialize)]
struct Shard {
    shard: u16,
    dir: String,
    superblock: Head,
    segments: Vec<SegmentRow>,
    snapshots: Vec<SnapshotRow>,
    cursors: Vec<CursorRow>,
    damaged: Vec<String>,
    end: EndRow,
}

#[derive(Serialize, Default)]
struct Head {
    /// `ok`, `one slot damaged`, `damaged`, `missing`, or `format N`.
    state: String,
    format: Option<u16>,
    shard: Option<u16>,
    shard_count: Option<u16>,
    epoch: Option<u64>,
    segment_bytes: Option<u64>,
}

#[derive(Serialize, Clone, Default)]
struct SegmentRow {
    segment: u64,
    bytes: u64,
    first_seq: Option<u64>,
    last_seq: Option<u64>,
    batches: u64,
    records: u64,
    /// `live`, `spare`, `damaged`, `stale`: the worst that is in it.
    state: &'static str,
}

#[derive(Serialize)]
struct SnapshotRow {
    seq: u64,
    bytes: u64,
    intact: bool,
    state_hash: Option<String>,
    why: Option<String>,
}

#[derive(Serialize)]
struct CursorRow {
    sink: String,
    seq: Option<u64>,
    /// `None`, too, when it is behind all events of that input.
    index: Option<u32>,
    lag_events: u64,
    lag_bytes: u64,
    /// It is beyond all that the journal has: a start refuses that.
    ahead: bool,
    /// The first segment that it needs.
    holds_segment: Option<u64>,
    why: Option<String>,
}

#[derive(Serialize, Default)]
struct EndRow {
    segment: u64,
    off: u64,
    last_seq: u64,
    last_event: Option<(u64, u32)>,
    /// `sealed`, `open`, or `torn`.
    state: &'static str,
}

/// `corelane journal info DIR`.
pub(super) fn run(dir: &Path, json: bool) -> Result<Exit, Problems> {
    let mut report = Report { damaged: Vec::new(), shards: Vec::new() };
    let shards = shard_dirs(dir)?;
    report.damaged.extend(siblings::judge(dir, &shards)?.into_iter().map(|wrong| wrong.what));
    for shard in shards {
        report.shards.push(look(&shard)?);
    }
    let text = match json {
        true => serde_json::to_string(&report).expect("plain fields serialize") + "\n",
        false => {
            let wrong = report.damaged.iter().map(|line| format!("DAMAGED     {line}\n"));
            wrong.collect::<String>()
                + &report.shards.iter().map(text).collect::<Vec<_>>().join("\n")
        }
    };
    Ok(print::out(&text))
}

fn look(shard: &ShardDir) -> Result<Shard, Problem> {
    let dir = &shard.dir;
    let failed = |error| disk(dir, &error);
    let superblock = head(&files::superblock(dir).map_err(failed)?);
    let mut walk = Walk::new(dir).map_err(failed)?;
    let wrong = files::wrong_sizes(dir, walk.superblock().segment_bytes).map_err(failed)?;
    let snapshots = files::snapshots(dir).map_err(failed)?;
    let cursors = files::cursors(dir).map_err(failed)?;
    let mut seen = Seen::new(&walk, &cursors);
    while let Some(piece) = walk.next().map_err(failed)? {
        seen.take(&piece, dir);
    }
    seen.damaged.extend(wrong.iter().map(WrongSize::to_string));
    seen.damaged.extend(files::hole(dir).map_err(failed)?.map(|hole| hole.to_string()));
    seen.find_ahead(&snapshots);
    Ok(Shard {
        shard: shard.shard,
        dir: dir.display().to_string(),
        superblock,
        segments: seen.segments,
        snapshots: snapshots.iter().map(snapshot_row).collect(),
        cursors: seen.cursors.into_iter().map(|(_, row)| row).collect(),
        damaged: seen.damaged,
        end: seen.end,
    })
}

fn head(state: &SuperblockState) -> Head {
    match state {
        SuperblockState::Missing => Head { state: "missing".to_owned(), ..Head::default() },
        SuperblockState::Damaged => Head { state: "damaged".to_owned(), ..Head::default() },
        SuperblockState::Newer { found } => {
            Head { state: format!("format {found}"), format: Some(*found), ..Head::default() }
        }
        SuperblockState::Found { superblock, whole } => Head {
            state: if *whole { "ok" } else { "one slot damaged" }.to_owned(),
            format: Some(persist::batch::VERSION),
            shard: Some(superblock.shard),
            shard_count: Some(superblock.shard_count),
            epoch: Some(superblock.epoch),
            segment_bytes: Some(superblock.segment_bytes),
        },
    }
}

fn snapshot_row(file: &SnapshotFile) -> SnapshotRow {
    let header = file.header.as_ref();
    SnapshotRow {
        seq: file.seq,
        bytes: std::fs::metadata(&file.path).map_or(0, |file| file.len()),
        intact: header.is_ok(),
        state_hash: header.ok().map(|header| format!("{:016x}", header.state_hash)),
        why: header.err().map(ToString::to_string),
    }
}

/// What a walk saw.
struct Seen {
    segments: Vec<SegmentRow>,
    /// Cursors that can be read, with their positions.
    cursors: Vec<(Option<Position>, CursorRow)>,
    damaged: Vec<String>,
    end: EndRow,
    last_event: Option<Position>,
}

impl Seen {
    fn new(walk: &Walk, cursors: &[CursorFile]) -> Seen {
        let row = |&(segment, bytes): &(u64, u64)| SegmentRow {
            segment,
            bytes,
            state: "spare",
            ..SegmentRow::default()
        };
        let cursor = |file: &CursorFile| {
            let position = file.position.as_ref().ok().copied();
            let row = CursorRow {
                sink: file.sink.clone(),
                seq: position.map(|at| at.seq),
                index: position.filter(|at| *at != Position::end_of(at.seq)).map(|at| at.index),
                lag_events: 0,
                lag_bytes: 0,
                ahead: false,
                holds_segment: None,
                why: file.position.as_ref().err().map(ToString::to_string),
            };
            (position, row)
        };
        Seen {
            segments: walk.segments().iter().map(row).collect(),
            cursors: cursors.iter().map(cursor).collect(),
            damaged: Vec::new(),
            end: EndRow::default(),
            last_event: None,
        }
    }

    fn take(&mut self, piece: &Piece<'_>, dir: &Path) {
        match piece {
            Piece::Batch(batch) if batch.standing == Standing::Stale => {
                self.mark(batch.place.segment, "stale");
            }
            Piece::Batch(batch) => {
                self.mark(batch.place.segment, "live");
                let (mut events, mut last) = (0, None);
                for record in batch.records().filter(|record| !record.is_input) {
                    let at = Position::new(record.seq, record.index);
                    last = Some(at);
                    events += 1;
                    for (position, row) in &mut self.cursors {
                        row.lag_events += u64::from(position.is_some_and(|position| at > position));
                    }
                }
                self.last_event = last.or(self.last_event);
                for (position, row) in &mut self.cursors {
                    let is_behind = position.is_some_and(|p| last.is_some_and(|last| last > p));
                    if is_behind {
                        row.holds_segment.get_or_insert(batch.place.segment);
                    }
                    if row.holds_segment.is_some() {
                        row.lag_bytes += batch.header.padded_bytes() as u64;
                    }
                }
                let records = u64::from(batch.header.count);
                let first_seq = batch.header.first_seq;
                let inputs = records - events;
                if let Some(row) = self.row(batch.place.segment) {
                    row.batches += 1;
                    row.records += records;
                    if inputs > 0 {
                        row.first_seq.get_or_insert(first_seq);
                        row.last_seq = Some(first_seq + inputs - 1);
                    }
                }
            }
            Piece::Damaged(damage) => self.damage(damage, dir),
            Piece::End(end) => self.end(end),
            Piece::Gone { .. } | Piece::Remains { .. } => {}
        }
    }

    /// Marks the cursors that are beyond the end. A snapshot knows of events that were recycled.
    fn find_ahead(&mut self, snapshots: &[SnapshotFile]) {
        let headers = snapshots.iter().filter_map(|file| file.header.as_ref().ok());
        let newest = headers.map(|header| header.last_event).max().unwrap_or_default();
        let end = newest.max(Position::end_of(self.end.last_seq));
        for (position, row) in &mut self.cursors {
            row.ahead = position.is_some_and(|position| position > end);
        }
    }

    fn damage(&mut self, damage: &Damage, dir: &Path) {
        self.mark(damage.place.segment, "damaged");
        let seq = damage.seq.map_or(String::new(), |seq| format!(" (seq {seq})"));
        let place = at(dir, damage.place);
        self.damaged.push(format!("{place}{seq}: {}, {} bytes", damage.why, damage.bytes));
    }

    fn end(&mut self, end: &End) {
        self.end = EndRow {
            segment: end.place.segment,
            off: end.place.offset,
            last_seq: end.last_seq,
            last_event: self.last_event.map(|at| (at.seq, at.index)),
            state: match (&end.torn, end.sealed) {
                (Some(_), _) => "torn",
                (None, true) => "sealed",
                (None, false) => "open",
            },
        };
    }

    fn row(&mut self, segment: u64) -> Option<&mut SegmentRow> {
        self.segments.iter_mut().find(|row| row.segment == segment)
    }

    /// Marks a segment, unless something worse is known of it.
    fn mark(&mut self, segment: u64, state: &'static str) {
        const ORDER: [&str; 4] = ["spare", "stale", "live", "damaged"];
        let rank = |state| ORDER.iter().position(|known| *known == state);
        if let Some(row) = self.row(segment)
            && rank(state) > rank(row.state)
        {
            row.state = state;
        }
    }
}

fn cursor_line(row: &CursorRow, last_seq: u64) -> String {
    let sink = &row.sink;
    let Some(seq) = row.seq else {
        return format!("  cursor      {sink}: {}\n", row.why.clone().unwrap_or_default());
    };
    let at = row.index.map_or(Position::end_of(seq), |index| Position::new(seq, index));
    let at = whereabouts(at);
    if row.ahead {
        return format!(
            "  cursor      {sink} {at} · AHEAD of the journal, which ends after seq {last_seq}\n"
        );
    }
    format!(
        "  cursor      {sink} {at} · {} events, {} behind{}\n",
        row.lag_events,
        approximate_size(row.lag_bytes),
        row.holds_segment.map_or(String::new(), |at| format!(" · holds segment {at:06}"))
    )
}

/// The report for people.
fn text(shard: &Shard) -> String {
    let head = &shard.superblock;
    let mut out = format!("shard {} · {}\n", shard.shard, shard.dir);
    out += &match head.segment_bytes {
        None => format!("  superblock  {}\n", head.state),
        Some(bytes) => format!(
            "  superblock  {} · format {} · shard {} of {} · epoch {} · segments of {}\n",
            head.state,
            head.format.unwrap_or_default(),
            head.shard.unwrap_or_default(),
            head.shard_count.unwrap_or_default(),
            head.epoch.unwrap_or_default(),
            format_size(bytes)
        ),
    };
    out += "  segment     first seq      last seq     batches       records  state\n";
    for row in &shard.segments {
        let seq = |seq: Option<u64>| seq.map_or("-".to_owned(), |seq| seq.to_string());
        out += &format!(
            "  {:06}  {:>13} {:>13} {:>11} {:>13}  {}\n",
            row.segment,
            seq(row.first_seq),
            seq(row.last_seq),
            row.batches,
            row.records,
            row.state
        );
    }
    for row in &shard.snapshots {
        let state = match (&row.state_hash, &row.why) {
            (Some(hash), _) => format!("intact · state {hash}"),
            (None, why) => why.clone().unwrap_or_default(),
        };
        out +=
            &format!("  snapshot    seq {} · {} · {state}\n", row.seq, approximate_size(row.bytes));
    }
    for row in &shard.cursors {
        out += &cursor_line(row, shard.end.last_seq);
    }
    for line in &shard.damaged {
        out += &format!("  DAMAGED     {line}\n");
    }
    let end = &shard.end;
    out += &format!(
        "  end         seq {} · segment {:06}, byte {} · {}\n",
        end.last_seq, end.segment, end.off, end.state
    );
    if shard.segments.iter().any(|row| row.state == "stale") {
        out += STALE;
    }
    out
}
