//! The content of one file of the model: durable bytes, and the sectors written since.

use std::rc::Rc;

/// The least that a disk writes whole, or so it is hoped.
pub(crate) const SECTOR_BYTES: usize = 512;

/// Durable sectors kept apart from the shared bytes before those are copied.
const PATCHES_MAX: usize = 64;

type Sector = [u8; SECTOR_BYTES];

/// What a crash may do to a sector besides keeping an old or a new version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Damage {
    None,
    /// The left half or the right half of the new version, or garbage of three kinds.
    Sectors,
    /// The same, and also in sectors whose content was not to change.
    Everywhere,
}

/// Outcomes of damage.
const DAMAGED: usize = 5;

/// What is to be decided at a crash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    /// Which write it is about; 0 for a name.
    pub(crate) write: u64,
    /// How many outcomes there are. 0 is "lost".
    pub(crate) outcomes: usize,
    /// The outcome that keeps what was written last; those beyond are damage.
    pub(crate) newest: usize,
}

/// Decides at a crash.
pub(crate) type Choose<'a> = dyn FnMut(Choice) -> usize + 'a;

#[derive(Clone, Default)]
pub(super) struct Content {
    /// What a crash leaves that loses all it can: shared bytes, and sectors laid over them.
    durable: Rc<Vec<u8>>,
    patches: Vec<(usize, Sector)>,
    /// Sectors written and not yet durable, in the order of their writes.
    pending: Vec<Pending>,
    /// Sectors that can be read but are never written: see `mark_clean`.
    lost: Vec<(usize, Sector)>,
    length: usize,
    durable_length: usize,
}

#[derive(Clone)]
struct Pending {
    write: u64,
    has_landed: bool,
    sector: usize,
    bytes: Sector,
}

impl Content {
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Fills `bytes` from `offset`; returns how much there is.
    pub(super) fn read(&self, bytes: &mut [u8], offset: usize) -> usize {
        let start = offset.min(self.length);
        let end = (start + bytes.len()).min(self.length);
        let bytes = &mut bytes[..end - start];
        copy_durable(&self.durable, bytes, start);
        let patches = self.patches.iter().map(|(sector, bytes)| (*sector, bytes));
        let lost = self.lost.iter().map(|(sector, bytes)| (*sector, bytes));
        let pending = self.pending.iter().map(|pending| (pending.sector, &pending.bytes));
        for (sector, version) in patches.chain(lost).chain(pending) {
            lay(version, sector * SECTOR_BYTES, bytes, start);
        }
        bytes.len()
    }

    pub(super) fn all(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length];
        self.read(&mut bytes, 0);
        bytes
    }

    /// Begins a write.
    pub(super) fn write(&mut self, write: u64, bytes: &[u8], offset: usize) {
        let (start, end) = (offset, offset + bytes.len());
        let sectors = start / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES);
        let overlaps = |p: &&Pending| !p.has_landed && sectors.contains(&p.sector);
        assert!(self.pending.iter().find(overlaps).is_none(), "two writes in flight to one place");
        self.length = self.length.max(end);
        for sector in sectors.clone() {
            let from = sector * SECTOR_BYTES;
            let mut version = [0; SECTOR_BYTES];
            if from < start || from + SECTOR_BYTES > end {
                self.read(&mut version, from);
            }
            let inside = from.max(start)..(from + SECTOR_BYTES).min(end);
            version[inside.start - from..inside.end - from]
                .copy_from_slice(&bytes[inside.start - start..inside.end - start]);
            self.pending.push(Pending { write, has_landed: false, sector, bytes: version });
        }
        self.lost.retain(|(sector, _)| !sectors.contains(sector));
    }

    pub(super) fn land(&mut self, write: u64) {
        for pending in self.pending.iter_mut().filter(|pending| pending.write == write) {
            pending.has_landed = true;
        }
    }

    pub(super) fn land_all(&mut self) {
        self.pending.iter_mut().for_each(|pending| pending.has_landed = true);
    }

    /// The writes that a sync covers that begins now.
    pub(super) fn landed(&self) -> Vec<u64> {
        let landed = self.pending.iter().filter(|pending| pending.has_landed);
        let mut writes: Vec<u64> = landed.map(|pending| pending.write).collect();
        writes.dedup();
        writes
    }

    pub(super) fn make_durable(&mut self, writes: &[u64], length: usize) {
        let is_covered = |pending: &Pending| writes.contains(&pending.write);
        let (done, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending).into_iter().partition(is_covered);
        self.pending = kept;
        let grows = length > self.durable_length;
        self.durable_length = self.durable_length.max(length);
        let is_shared = Rc::strong_count(&self.durable) > 1;
        let is_little = self.patches.len() + done.len() <= PATCHES_MAX;
        self.patches.extend(done.into_iter().map(|pending| (pending.sector, pending.bytes)));
        if grows || !is_shared || !is_little {
            self.fold();
        }
    }

    /// Lays the patches into the bytes.
    fn fold(&mut self) {
        let durable = Rc::make_mut(&mut self.durable);
        durable.resize(self.durable_length, 0);
        for (sector, version) in self.patches.drain(..) {
            lay(&version, sector * SECTOR_BYTES, durable, 0);
        }
    }

    /// What these writes wrote can be read from now on, and will never reach the disk.
    pub(super) fn mark_clean(&mut self, writes: &[u64]) {
        let is_covered = |pending: &Pending| writes.contains(&pending.write);
        let (clean, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending).into_iter().partition(is_covered);
        self.pending = kept;
        self.lost.extend(clean.into_iter().map(|pending| (pending.sector, pending.bytes)));
    }

    pub(super) fn edit<T>(&mut self, edit: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        assert!(self.pending.is_empty() && self.lost.is_empty(), "edits are made on a quiet disk");
        self.fold();
        let durable = Rc::make_mut(&mut self.durable);
        let result = edit(durable);
        (self.length, self.durable_length) = (durable.len(), durable.len());
        result
    }

    fn durable_sector(&self, sector: usize) -> Sector {
        let mut bytes = [0; SECTOR_BYTES];
        copy_durable(&self.durable, &mut bytes, sector * SECTOR_BYTES);
        let patch = self.patches.iter().rev().find(|(patched, _)| *patched == sector);
        patch.map_or(bytes, |(_, bytes)| *bytes)
    }

    pub(super) fn crash(&self, damage: Damage, choose: &mut Choose<'_>) -> Content {
        let mut length = self.durable_length;
        if self.length != length && choose(Choice { write: 0, outcomes: 2, newest: 1 }) == 1 {
            length = self.length;
        }
        let mut after = Content {
            durable: Rc::clone(&self.durable),
            patches: self.patches.clone(),
            length,
            durable_length: length,
            ..Content::default()
        };
        for (at, pending) in self.pending.iter().enumerate() {
            let is_here = |other: &&Pending| other.sector == pending.sector;
            if self.pending[..at].iter().any(|other| is_here(&other)) {
                continue;
            }
            let old = self.durable_sector(pending.sector);
            let versions: Vec<_> = self.pending[at..].iter().filter(is_here).collect();
            let changes = versions.iter().any(|version| version.bytes != old);
            if !changes && damage != Damage::Everywhere {
                continue;
            }
            let newest = versions.len();
            let outcomes = 1 + newest + if damage == Damage::None { 0 } else { DAMAGED };
            let write = versions[newest - 1].write;
            let outcome = choose(Choice { write, outcomes, newest });
            if outcome > newest {
                let bytes = damaged(&old, &versions[newest - 1].bytes, outcome - newest - 1);
                after.patches.push((pending.sector, bytes));
            } else if outcome > 0 {
                after.patches.push((pending.sector, versions[outcome - 1].bytes));
            }
        }
        if after.patches.len() > PATCHES_MAX {
            after.fold();
        }
        after
    }
}

fn damaged(old: &Sector, new: &Sector, kind: usize) -> Sector {
    let (half, mut bytes) = (SECTOR_BYTES / 2, *old);
    match kind {
        0 => bytes[..half].copy_from_slice(&new[..half]),
        1 => bytes[half..].copy_from_slice(&new[half..]),
        2 => bytes = new.map(|byte| !byte),
        3 => bytes = [0xFF; SECTOR_BYTES],
        // The one byte that a disk's own checksum missed.
        _ => {
            bytes = *new;
            bytes[41] ^= 0x10;
        }
    }
    bytes
}

fn copy_durable(durable: &[u8], bytes: &mut [u8], start: usize) {
    let from = start.min(durable.len());
    let to = (start + bytes.len()).min(durable.len());
    bytes[..to - from].copy_from_slice(&durable[from..to]);
    bytes[to - from..].fill(0);
}

/// Copies the part of `version`, which stands at `from`, that lies within `bytes`, which start at
/// `start`.
fn lay(version: &Sector, from: usize, bytes: &mut [u8], start: usize) {
    let (begin, end) = (from.max(start), (from + SECTOR_BYTES).min(start + bytes.len()));
    if begin < end {
        bytes[begin - start..end - start].copy_from_slice(&version[begin - from..end - from]);
    }
}
