//! A shorter copy of a journal: everything before an input, in a new directory.
//!
//! For the day on which a journal is damaged, no copy of it can be had, and somebody decides to go
//! on without what follows the damage. The old directory stays as it is. Whole segments are copied
//! as they are, checksums and places included; of the batch that the cut goes through, what stays
//! is written again, in an epoch above every old one; and the superblock names the new end, so that
//! nothing beyond it can come back. Cursors that were ahead are moved back to the newest event that
//! stays. Snapshots from behind the cut are left out.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::files::{self, SuperblockState};
use super::{Batch, Piece, Standing, Walk};
use crate::batch::{self, Header, Place};
use crate::block::Blocks;
use crate::cursor::{self, Cursor, CursorError};
use crate::disk::{Disk, DiskError, DiskFile, Mode, Op, OsDisk, failed, failed_at, read_up_to};
use crate::position::Position;
use crate::segment;
use crate::snapshot;
use crate::superblock::{self, Superblock};

/// Bytes copied at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// Batches, and what is in them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Count {
    /// Batches; one that is cut in two counts as kept.
    pub batches: u64,
    /// Inputs.
    pub inputs: u64,
    /// Events.
    pub events: u64,
}

/// What a cut would keep and drop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    dir: PathBuf,
    superblock: Superblock,
    /// The first input that goes.
    pub at_seq: u64,
    /// What stays.
    pub kept: Count,
    /// What goes, as far as it can be read.
    pub dropped: Count,
    /// Bytes that cannot be read, among what goes.
    pub damaged_bytes: u64,
    /// Bytes that cannot be read, among what stays: a start begins with a snapshot behind them.
    pub passed_bytes: u64,
    /// The newest event that stays.
    pub last_event: Position,
    /// Epoch of the new journal.
    pub epoch: u64,
    /// The snapshots that stay: intact, and from before the cut.
    snapshots: Vec<snapshot::Header>,
    /// The byte where copying ends.
    end: Place,
    /// The batch that is cut in two.
    partial: Option<Partial>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Partial {
    place: Place,
    header: Header,
    records: Vec<u8>,
}

/// A new journal.
#[derive(Debug)]
pub struct Truncated {
    /// Its directory.
    pub into: PathBuf,
    /// Cursors that were moved back: sink, from, to.
    pub cursors: Vec<(String, Position, Position)>,
}

/// Why there was nothing to cut, or no way to.
#[derive(Debug, Error)]
pub enum TruncateError {
    /// The superblock cannot be read, so it is not known of how many shards this is one.
    #[error("{} cannot be read", .path.display())]
    Superblock {
        /// The file.
        path: PathBuf,
    },
    /// What would stay is damaged.
    #[error("seq {seq} is damaged already")]
    DamagedBefore {
        /// The first input that is missing: the last place for a cut.
        seq: u64,
    },
    /// The journal does not reach that far.
    #[error("it ends at seq {last_seq}")]
    BeyondEnd {
        /// Its last input.
        last_seq: u64,
    },
    /// The journal begins behind that, and no snapshot from before it could stand in.
    #[error("it begins at seq {first_seq}, and no snapshot from before the cut stands in for that")]
    BeforeStart {
        /// Its first input.
        first_seq: u64,
    },
    /// The new directory is there already.
    #[error("{} exists", .path.display())]
    Exists {
        /// It.
        path: PathBuf,
    },
    /// A cursor could not be written.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The disk said no.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl Plan {
    /// Finds out what dropping the input `at_seq` and all that follows would mean. Changes nothing.
    pub fn new(dir: &Path, at_seq: u64) -> Result<Plan, TruncateError> {
        let SuperblockState::Found { superblock, .. } = files::superblock(dir)? else {
            return Err(TruncateError::Superblock { path: dir.join(superblock::NAME) });
        };
        let mut plan = Plan {
            dir: dir.to_owned(),
            superblock,
            at_seq,
            kept: Count::default(),
            dropped: Count::default(),
            damaged_bytes: 0,
            passed_bytes: 0,
            last_event: Position::START,
            epoch: superblock.epoch,
            snapshots: Vec::new(),
            end: Place { segment: 1, offset: 0 },
            partial: None,
        };
        for file in files::snapshots(dir)? {
            if let Ok(header) = file.header
                && header.seq() < at_seq
            {
                plan.last_event = plan.last_event.max(header.last_event);
                plan.snapshots.push(header);
            }
        }
        let wrong = files::wrong_sizes(dir, superblock.segment_bytes)?;
        let mut walk = Walk::new(dir)?;
        let (mut first_seq, mut found, mut last_seq) = (None, at_seq == 0, 0);
        while let Some(piece) = walk.next()? {
            match piece {
                Piece::Batch(batch) => {
                    plan.epoch = plan.epoch.max(batch.header.epoch);
                    if batch.standing == Standing::Stale {
                        continue;
                    }
                    first_seq.get_or_insert(batch.header.first_seq);
                    found |= plan.take(&batch, found);
                }
                Piece::Damaged(damage) if !found && damage.is_passed(&plan.snapshots, &wrong) => {
                    plan.passed_bytes += damage.bytes;
                }
                Piece::Damaged(damage) => {
                    plan.damaged_bytes += damage.bytes;
                    match damage.seq {
                        Some(seq) if seq < at_seq && !found => {
                            return Err(TruncateError::DamagedBefore { seq });
                        }
                        // The beginning is gone: whether a snapshot stands in is seen below.
                        None if damage.next_seq.is_some() => {}
                        _ => found = true,
                    }
                }
                Piece::End(end) => last_seq = end.last_seq,
                Piece::Gone { .. } | Piece::Remains { .. } => {}
            }
        }
        let first_seq = first_seq.unwrap_or(1);
        // What came before the first input is in a snapshot, and nowhere else.
        let has_base =
            first_seq == 1 || plan.snapshots.iter().any(|header| header.seq() + 1 >= first_seq);
        if at_seq < first_seq || !has_base {
            return Err(TruncateError::BeforeStart { first_seq });
        }
        if !found {
            return Err(TruncateError::BeyondEnd { last_seq });
        }
        plan.epoch += 1;
        Ok(plan)
    }

    /// Counts a batch. Whether the cut is in it, or before it.
    fn take(&mut self, batch: &Batch<'_>, found: bool) -> bool {
        let mut records = batch.records();
        let (mut kept_bytes, mut kept_records, mut is_cut) = (0, 0, found);
        let (mut kept, mut dropped) = (Count::default(), Count::default());
        loop {
            let remaining = records.remaining();
            let Some(record) = records.next() else { break };
            if record.seq >= self.at_seq && !is_cut {
                is_cut = true;
                kept_bytes = batch.header.len as usize - remaining;
            }
            let count = if is_cut { &mut dropped } else { &mut kept };
            match record.is_input {
                true => count.inputs += 1,
                false => count.events += 1,
            }
            if !is_cut {
                kept_records += 1;
                if !record.is_input {
                    self.last_event = self.last_event.max(Position::new(record.seq, record.index));
                }
            }
        }
        if !is_cut {
            kept.batches = 1;
            let bytes = batch.header.padded_bytes() as u64;
            self.end = Place { offset: batch.place.offset + bytes, ..batch.place };
        } else if kept_records > 0 {
            kept.batches = 1;
            let header = Header {
                count: kept_records,
                len: u32::try_from(kept_bytes).expect("part of a length that is a u32"),
                settled: true,
                durable_seq: batch.header.first_seq - 1,
                ..batch.header
            };
            let records = batch.record_bytes()[..kept_bytes].to_vec();
            self.partial = Some(Partial { place: batch.place, header, records });
        } else {
            dropped.batches = 1;
        }
        self.kept.add(kept);
        self.dropped.add(dropped);
        is_cut
    }

    /// The last input that stays.
    pub fn last_seq(&self) -> u64 {
        self.at_seq.saturating_sub(1)
    }

    /// Bytes that the new directory takes.
    pub fn bytes(&self) -> u64 {
        let segments = files::segments(&self.dir).unwrap_or_default();
        let kept = segments.iter().filter(|index| **index <= self.last_place().segment).count();
        kept as u64 * self.superblock.segment_bytes
    }

    /// Writes the new directory. It gets its name when all of it is durable.
    pub fn write(&self, into: &Path) -> Result<Truncated, TruncateError> {
        let tmp = into.with_file_name(match into.file_name() {
            Some(name) => format!("{}.tmp", name.to_string_lossy()),
            None => return Err(TruncateError::Exists { path: into.to_owned() }),
        });
        for path in [into, &tmp] {
            // A symbolic link is in the way, too, wherever it leads.
            match fs::symlink_metadata(path) {
                Ok(_) => return Err(TruncateError::Exists { path: path.to_owned() }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(Op::Open, path)(error).into()),
            }
        }
        fs::create_dir(&tmp).map_err(failed(Op::CreateDir, &tmp))?;
        let written = self.fill(&tmp).and_then(|cursors| {
            OsDisk.rename(&tmp, into).map_err(failed(Op::Rename, into))?;
            let parent = into.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new("."));
            OsDisk.sync_dir(parent).map_err(failed(Op::SyncDir, parent))?;
            Ok(Truncated { into: into.to_owned(), cursors })
        });
        if written.is_err() {
            // It was made here, a moment ago. If it cannot be removed, its name says what it is.
            let _ = fs::remove_dir_all(&tmp);
        }
        written
    }

    fn fill(&self, tmp: &Path) -> Result<Vec<(String, Position, Position)>, TruncateError> {
        let last = self.last_place();
        for index in files::segments(&self.dir)? {
            if index <= last.segment {
                self.copy_segment(tmp, index)?;
            }
        }
        let cursors = self.copy_cursors(tmp)?;
        self.copy_snapshots(tmp)?;
        let (epoch, nowhere) = (self.epoch, Place { segment: 0, offset: 0 });
        let superblock = Superblock { epoch, end: last, remains: nowhere, ..self.superblock };
        superblock::create(&OsDisk, tmp, superblock)?;
        OsDisk.sync_dir(tmp).map_err(failed(Op::SyncDir, tmp))?;
        Ok(cursors)
    }

    /// The byte behind the last batch of the new journal.
    fn last_place(&self) -> Place {
        match &self.partial {
            None => self.end,
            Some(partial) => {
                let bytes = partial.header.padded_bytes() as u64;
                Place { offset: partial.place.offset + bytes, ..partial.place }
            }
        }
    }

    /// Copies a segment as far as it stays; zeros follow.
    fn copy_segment(&self, tmp: &Path, index: u64) -> Result<(), TruncateError> {
        let segment_bytes = self.superblock.segment_bytes;
        let copied = match index.cmp(&self.end.segment) {
            std::cmp::Ordering::Less => segment_bytes,
            std::cmp::Ordering::Equal => self.end.offset,
            std::cmp::Ordering::Greater => 0,
        };
        let (from, to) = (segment::path_of(&self.dir, index), segment::path_of(tmp, index));
        let source = OsDisk.open(&from, Mode::Read).map_err(failed(Op::Open, &from))?;
        let target = OsDisk.create(&to).map_err(failed(Op::Create, &to))?;
        let mut blocks = Blocks::with_bytes(CHUNK_BYTES);
        let mut offset = 0;
        while offset < segment_bytes {
            let chunk = (segment_bytes - offset).min(CHUNK_BYTES as u64) as usize;
            let chunk = &mut blocks.bytes_mut()[..chunk];
            chunk.fill(0);
            let wanted = copied.saturating_sub(offset).min(chunk.len() as u64) as usize;
            read(&source, &from, offset, &mut chunk[..wanted])?;
            target.write_all_at(chunk, offset).map_err(failed_at(Op::Write, &to, offset))?;
            offset += chunk.len() as u64;
        }
        if let Some(partial) = self.partial.as_ref().filter(|part| part.place.segment == index) {
            let (place, header) = (partial.place, Header { epoch: self.epoch, ..partial.header });
            let padded = batch::encode(&header, place, &partial.records, &mut blocks).1;
            let bytes = &blocks.bytes()[..padded];
            let written = target.write_all_at(bytes, place.offset);
            written.map_err(failed_at(Op::Write, &to, place.offset))?;
        }
        Ok(target.sync().map_err(failed(Op::Sync, &to))?)
    }

    /// Copies the cursors, none of them ahead of the new end.
    fn copy_cursors(&self, tmp: &Path) -> Result<Vec<(String, Position, Position)>, TruncateError> {
        let mut moved = Vec::new();
        for file in files::cursors(&self.dir)? {
            // A damaged one is left out: its sink gets everything again, and that is said.
            let from = file.position.unwrap_or(Position::START);
            let to = from.min(self.last_event);
            let mut cursor = Cursor::open(&cursor::path_of(tmp, &file.sink))?;
            cursor.set(to)?;
            cursor.sync()?;
            if from != to {
                moved.push((file.sink, from, to));
            }
        }
        Ok(moved)
    }

    fn copy_snapshots(&self, tmp: &Path) -> Result<(), TruncateError> {
        let snapshots =
            self.snapshots.iter().map(|header| snapshot::path_of(&self.dir, header.seq()));
        // And what shows that nobody missed anything of what was recycled.
        let passed = snapshot::passed_paths(&OsDisk, &self.dir)?;
        for from in snapshots.chain(passed) {
            let to = tmp.join(from.file_name().expect("a file in a directory"));
            fs::copy(&from, &to).map_err(failed(Op::Create, &to))?;
            let file = OsDisk.open(&to, Mode::Read).map_err(failed(Op::Open, &to))?;
            file.sync().map_err(failed(Op::Sync, &to))?;
        }
        Ok(())
    }
}

impl Count {
    fn add(&mut self, more: Count) {
        self.batches += more.batches;
        self.inputs += more.inputs;
        self.events += more.events;
    }
}

/// Fills `bytes` from `offset`.
fn read<F: DiskFile>(
    file: &F,
    path: &Path,
    offset: u64,
    bytes: &mut [u8],
) -> Result<(), DiskError> {
    if read_up_to(file, path, offset, bytes)? < bytes.len() {
        let error = io::ErrorKind::UnexpectedEof.into();
        return Err(failed_at(Op::Read, path, offset)(error));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
