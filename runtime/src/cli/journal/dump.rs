//! `journal dump`: one JSON object a line.

use std::path::Path;

use persist::Record;
use persist::batch::Place;
use persist::inspect::{Batch, Damage, Piece, Standing, Walk};

use super::fields::{Decoder, Object};
use super::{ShardDir, disk, shard_dirs};
use crate::cli::args::journal::DumpArgs;
use crate::cli::print::{Ended, Lines, talk};
use crate::diag::{Exit, Problem, Problems};

/// What was not as it should be.
#[derive(Default)]
pub(super) struct Faults {
    stretches: u64,
    bytes: u64,
    unreadable: u64,
    newer: bool,
}

impl Faults {
    fn note(&mut self, damage: &Damage) {
        self.stretches += 1;
        self.bytes += damage.bytes;
        self.newer |= super::newer_format(damage).is_some();
    }

    /// Whether anything was wrong.
    pub(super) fn any(&self) -> bool {
        self.stretches + self.unreadable > 0
    }

    /// How the verb ends, with one line of talk if something was wrong.
    pub(super) fn exit(&self, dir: &Path, ended: Ended) -> Exit {
        match ended {
            Ended::ReaderGone => return Exit::Success,
            Ended::Failed => return Exit::Io,
            Ended::Whole => {}
        }
        if !self.any() {
            return Exit::Success;
        }
        let code = if self.newer { "JRN003" } else { "JRN005" };
        let mut what = Vec::new();
        if self.stretches > 0 {
            let stretches = if self.stretches == 1 { "stretch" } else { "stretches" };
            what.push(format!(
                "{} damaged {stretches} ({} bytes) stepped over",
                self.stretches, self.bytes
            ));
        }
        if self.unreadable > 0 {
            what.push(format!("{} records cannot be read", self.unreadable));
        }
        let problem = Problem::error(code, format!("{}: {}", dir.display(), what.join(", ")))
            .fix(format!("corelane journal verify {}", dir.display()));
        talk(&format!("{}\n", problem.one_line()));
        if self.newer { Exit::Config } else { Exit::Failed }
    }
}

/// Writes what a journal holds, a line at a time.
pub(super) struct Writer {
    /// The shard, where the superblock says so; a batch says it for itself.
    shard: u16,
    decoder: Decoder,
    from_seq: u64,
    to_seq: u64,
    line: Vec<u8>,
    /// What was wrong so far.
    pub(super) faults: Faults,
}

impl Writer {
    pub(super) fn new(shard: u16, args: &DumpArgs) -> Writer {
        Writer {
            shard,
            decoder: Decoder::default(),
            from_seq: args.from_seq,
            to_seq: args.to_seq,
            line: Vec::new(),
            faults: Faults::default(),
        }
    }

    /// Writes the records of a batch that are asked for. Whether somebody reads on.
    pub(super) fn batch(&mut self, batch: &Batch<'_>, put: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        if batch.standing == Standing::Stale {
            self.stale(batch);
            return put(&self.line);
        }
        for record in batch.records() {
            if record.seq < self.from_seq || record.seq > self.to_seq {
                continue;
            }
            self.record(&record, batch);
            if !put(&self.line) {
                return false;
            }
        }
        true
    }

    fn record(&mut self, record: &Record<'_>, batch: &Batch<'_>) {
        self.line.clear();
        let mut object = Object::begin(&mut self.line);
        object.plain("shard", batch.header.shard);
        Decoder::head(record, &mut object);
        place(batch.place, true, &mut object);
        if batch.standing == Standing::AfterDamage {
            object.plain("after_damage", true);
        }
        let is_readable = self.decoder.body(record, &mut object);
        self.faults.unreadable += u64::from(!is_readable);
        object.end();
        self.line.push(b'\n');
    }

    /// A batch that is no part of the journal: what it is, not what is in it.
    fn stale(&mut self, batch: &Batch<'_>) {
        let header = &batch.header;
        self.line.clear();
        let mut object = Object::begin(&mut self.line);
        object.plain("shard", header.shard);
        object.text("type", "stale");
        place(batch.place, true, &mut object);
        object.plain("epoch", header.epoch);
        object.plain("first_seq", header.first_seq);
        object.plain("records", header.count);
        object.text("why", "beyond the end: cut off, or never acknowledged");
        object.end();
        self.line.push(b'\n');
    }

    /// Writes a damaged stretch, if it touches what is asked for.
    pub(super) fn damage(&mut self, damage: &Damage, put: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let is_before = damage.next_seq.is_some_and(|next| next <= self.from_seq);
        if is_before || damage.seq.is_some_and(|seq| seq > self.to_seq) {
            return true;
        }
        self.faults.note(damage);
        self.line.clear();
        let mut object = Object::begin(&mut self.line);
        object.plain("shard", self.shard);
        object.maybe("seq", damage.seq);
        object.text("type", "damaged");
        place(damage.place, false, &mut object);
        object.plain("bytes", damage.bytes);
        object.maybe("next_seq", damage.next_seq);
        object.text("why", damage.why);
        object.end();
        self.line.push(b'\n');
        put(&self.line)
    }
}

fn place(place: Place, crc_ok: bool, object: &mut Object<'_>) {
    object.plain("segment", place.segment);
    object.plain("off", place.offset);
    object.plain("crc_ok", crc_ok);
}

/// `corelane journal dump DIR`.
pub(super) fn run(args: &DumpArgs) -> Result<Exit, Problems> {
    check_range(args)?;
    let mut lines = Lines::new();
    let mut faults = Faults::default();
    for shard in shard_dirs(&args.dir)? {
        let (found, goes_on) = one(&shard, args, &mut lines)?;
        faults.stretches += found.stretches;
        faults.bytes += found.bytes;
        faults.unreadable += found.unreadable;
        faults.newer |= found.newer;
        if !goes_on {
            break;
        }
    }
    Ok(faults.exit(&args.dir, lines.end()))
}

/// Refuses a range that ends before it begins.
pub(super) fn check_range(args: &DumpArgs) -> Result<(), Problem> {
    if args.from_seq <= args.to_seq {
        return Ok(());
    }
    let what = format!("--from-seq {} is behind --to-seq {}", args.from_seq, args.to_seq);
    Err(Problem::error("JRN009", what).fix("name the first input, then the last one"))
}

/// Says where a journal begins, if that is behind what was asked for: what came before was recycled.
pub(super) fn begins(shard: &ShardDir, from_seq: u64, first: &Piece<'_>) {
    let first_seq = match first {
        Piece::Batch(batch) if batch.standing == Standing::Live => batch.header.first_seq,
        // Made by a reshard, and nothing has come yet.
        Piece::End(end) => end.last_seq + 1,
        _ => return,
    };
    if first_seq > from_seq.max(1) {
        talk(&format!("shard {}: the journal begins at seq {first_seq}\n", shard.shard));
    }
}

fn one(shard: &ShardDir, args: &DumpArgs, lines: &mut Lines) -> Result<(Faults, bool), Problem> {
    let failed = |error| disk(&shard.dir, &error);
    let mut walk = Walk::new(&shard.dir).map_err(failed)?;
    if args.from_seq > 1 {
        walk.seek(args.from_seq).map_err(failed)?;
    }
    let mut writer = Writer::new(shard.shard, args);
    let mut put = |line: &[u8]| lines.write(line);
    let mut is_first = true;
    while let Some(piece) = walk.next().map_err(failed)? {
        if std::mem::take(&mut is_first) {
            begins(shard, args.from_seq, &piece);
        }
        let goes_on = match &piece {
            Piece::Batch(batch) => {
                let is_behind = batch.header.first_seq > args.to_seq;
                if is_behind && batch.standing != Standing::Stale {
                    break;
                }
                writer.batch(batch, &mut put)
            }
            Piece::Damaged(damage) => writer.damage(damage, &mut put),
            Piece::Gone { seq, first } => {
                gone(shard, *seq, *first);
                true
            }
            // What lies beyond the end belongs to a dump of the end only.
            Piece::End(end) if end.last_seq >= args.to_seq => break,
            Piece::End(_) | Piece::Remains { .. } => true,
        };
        if !goes_on {
            return Ok((writer.faults, false));
        }
    }
    Ok((writer.faults, true))
}

/// Says that the writer was faster.
pub(super) fn gone(shard: &ShardDir, seq: u64, first: u64) {
    talk(&format!(
        "{}: segments up to {} were recycled while they were read; records from seq {seq} on are skipped\n",
        shard.dir.display(),
        first - 1
    ));
}
