//! A model of a disk, for tests: what is durable is kept apart from what is merely written, per
//! 512-byte sector and per directory entry, and a crash may lose, keep or damage any part of the
//! difference.
//!
//! Strict where POSIX is: a file's name is durable only when its directory was synced, its content
//! and length only when the file was. A fuse lets the power fail after any operation that changes
//! something.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::disk::{Disk, DiskFile, Mode};

/// The one directory that is there from the start.
const ROOT: &str = "/data";

pub(crate) const SECTOR_BYTES: usize = 512;

/// A disk. Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct ModelDisk(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    /// Names as a process sees them, and as they would be after a crash that loses all it can.
    names: BTreeMap<PathBuf, Entry>,
    durable_names: BTreeMap<PathBuf, Entry>,
    name_changes: Vec<NameChange>,
    files: Vec<Content>,
    /// Operations that change something, so far, and the one at which the power fails.
    changes: u64,
    fuse: Option<u64>,
    failure: Option<i32>,
    /// Bytes that a single write takes at most.
    write_bytes_max: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    Dir,
    File(usize),
}

#[derive(Clone)]
enum NameChange {
    Add(PathBuf, Entry),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf, Entry),
}

#[derive(Clone, Default)]
struct Content {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors written since the last sync, in order, with what they then held.
    pending: Vec<(usize, [u8; SECTOR_BYTES])>,
}

/// Decides at a crash: given a number of outcomes, 0 being "lost", says which happens.
pub(crate) type Choose<'a> = dyn FnMut(usize) -> usize + 'a;

/// What a crash may do to a sector besides keeping an old or a new version.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    None,
    /// Torn within the sector, or garbage.
    Sectors,
}

impl ModelDisk {
    /// Lets the power fail at the `fuse`-th change from now, 0 being the next: it happens as far as
    /// a crash lets it, and everything after is refused.
    pub(crate) fn cut_after(&self, fuse: u64) {
        let mut state = self.0.borrow_mut();
        state.fuse = Some(state.changes + fuse);
    }

    /// The process ends, the power stays on: what was written can still be read, and still be lost.
    pub(crate) fn end_process(&self) {
        self.0.borrow_mut().fuse = None;
    }

    /// Lets every change fail with this error number, or none.
    pub(crate) fn fail_with(&self, errno: Option<i32>) {
        self.0.borrow_mut().failure = errno;
    }

    /// Lets a single write take at most this many bytes.
    pub(crate) fn shorten_writes(&self, bytes: Option<usize>) {
        self.0.borrow_mut().write_bytes_max = bytes;
    }

    /// Sector writes that a crash could lose.
    pub(crate) fn pending_sectors(&self) -> usize {
        self.0.borrow().files.iter().map(|file| file.pending.len()).sum()
    }

    /// The disk after a crash.
    pub(crate) fn crash(&self, damage: Damage, choose: &mut Choose<'_>) -> ModelDisk {
        let state = self.0.borrow();
        let mut names = state.durable_names.clone();
        for change in &state.name_changes {
            if choose(2) == 1 {
                change.apply(&mut names);
            }
        }
        // What is in a directory that was lost is lost with it.
        let has_dir = |path: &PathBuf| {
            let parent = path.parent().expect("all paths have a parent");
            parent == Path::new(ROOT) || names.get(parent) == Some(&Entry::Dir)
        };
        let kept = names.iter().filter(|(path, _)| has_dir(path));
        let kept: BTreeMap<_, _> = kept.map(|(path, entry)| (path.clone(), *entry)).collect();
        let files = state.files.iter().map(|file| file.crash(damage, choose)).collect();
        let state = State { names: kept.clone(), durable_names: kept, files, ..State::default() };
        ModelDisk(Rc::new(RefCell::new(state)))
    }

    /// The durable bytes of a file, to look at or to damage, when nothing is pending.
    pub(crate) fn edit<T>(&self, path: &Path, edit: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let mut state = self.0.borrow_mut();
        let Some(Entry::File(number)) = state.names.get(path).copied() else {
            panic!("no file {}", path.display());
        };
        let file = &mut state.files[number];
        assert!(file.pending.is_empty(), "edits are made on a quiet disk");
        let result = edit(&mut file.bytes);
        file.durable.clone_from(&file.bytes);
        result
    }

    /// Every file and what a process would read from it.
    pub(crate) fn image(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.0.borrow();
        let files = state.names.iter().filter_map(|(path, entry)| match entry {
            Entry::Dir => None,
            Entry::File(number) => Some((path.clone(), state.files[*number].bytes.clone())),
        });
        files.collect()
    }

    /// Counts a change; `Err` when it, and all after it, are refused.
    fn change(&self) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        if let Some(errno) = state.failure {
            return Err(io::Error::from_raw_os_error(errno));
        }
        state.changes += 1;
        match state.fuse {
            Some(fuse) if state.changes > fuse + 1 => Err(io::Error::other("no power")),
            _ => Ok(()),
        }
    }

    /// After the change at which the power fails has been made: refuses.
    fn survived(&self) -> io::Result<()> {
        let state = self.0.borrow();
        match state.fuse {
            Some(fuse) if state.changes > fuse => Err(io::Error::other("the power fails")),
            _ => Ok(()),
        }
    }

    fn rename_or_add(&self, change: NameChange) {
        let mut state = self.0.borrow_mut();
        change.apply(&mut state.names);
        state.name_changes.push(change);
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, Entry>) {
        match self {
            NameChange::Add(path, entry) => {
                names.insert(path.clone(), *entry);
            }
            NameChange::Remove(path) => {
                names.remove(path);
            }
            NameChange::Rename(from, to, entry) => {
                names.remove(from);
                names.insert(to.clone(), *entry);
            }
        }
    }

    fn is_in(&self, dir: &Path) -> bool {
        let (NameChange::Add(path, _) | NameChange::Remove(path) | NameChange::Rename(_, path, _)) =
            self;
        path.parent() == Some(dir)
    }
}

impl Content {
    fn crash(&self, damage: Damage, choose: &mut Choose<'_>) -> Content {
        let mut bytes = self.durable.clone();
        if self.bytes.len() != self.durable.len() && choose(2) == 1 {
            bytes.resize(self.bytes.len(), 0);
        }
        let mut sectors: Vec<usize> = self.pending.iter().map(|(sector, _)| *sector).collect();
        sectors.sort_unstable();
        sectors.dedup();
        for sector in sectors {
            let of_sector = self.pending.iter().filter(|(written, _)| *written == sector);
            let versions: Vec<_> = of_sector.map(|(_, bytes)| bytes).collect();
            let extra = if damage == Damage::Sectors { 3 } else { 0 };
            let outcome = choose(1 + versions.len() + extra);
            let start = (sector * SECTOR_BYTES).min(bytes.len());
            let end = (start + SECTOR_BYTES).min(bytes.len());
            let room = &mut bytes[start..end];
            let newest = versions.last().expect("a sector is listed when it was written");
            match outcome.checked_sub(1) {
                None => {}
                Some(version) if version < versions.len() => {
                    room.copy_from_slice(&versions[version][..end - start]);
                }
                Some(kind) => {
                    for (at, byte) in room.iter_mut().enumerate() {
                        match kind - versions.len() {
                            0 if at < SECTOR_BYTES / 2 => *byte = newest[at],
                            1 if at >= SECTOR_BYTES / 2 => *byte = newest[at],
                            2 => *byte = !newest[at],
                            _ => {}
                        }
                    }
                }
            }
        }
        Content { durable: bytes.clone(), bytes, pending: Vec::new() }
    }
}

impl fmt::Debug for ModelFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file {}", self.number)
    }
}

/// An open file of a [`ModelDisk`].
pub(crate) struct ModelFile {
    disk: ModelDisk,
    number: usize,
}

impl Disk for ModelDisk {
    type File = ModelFile;

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        if self.0.borrow().names.contains_key(dir) {
            return Ok(());
        }
        self.change()?;
        self.rename_or_add(NameChange::Add(dir.to_owned(), Entry::Dir));
        self.survived()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.0.borrow();
        if dir != Path::new(ROOT) && state.names.get(dir) != Some(&Entry::Dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn create(&self, path: &Path) -> io::Result<ModelFile> {
        self.change()?;
        let number = {
            let mut state = self.0.borrow_mut();
            state.files.push(Content::default());
            state.files.len() - 1
        };
        self.rename_or_add(NameChange::Add(path.to_owned(), Entry::File(number)));
        self.survived()?;
        Ok(ModelFile { disk: self.clone(), number })
    }

    fn open(&self, path: &Path, _mode: Mode) -> io::Result<ModelFile> {
        match self.0.borrow().names.get(path) {
            Some(Entry::File(number)) => Ok(ModelFile { disk: self.clone(), number: *number }),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change()?;
        let entry = {
            let state = self.0.borrow();
            if state.names.contains_key(to) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            *state.names.get(from).ok_or(io::ErrorKind::NotFound)?
        };
        self.rename_or_add(NameChange::Rename(from.to_owned(), to.to_owned(), entry));
        self.survived()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        self.rename_or_add(NameChange::Remove(path.to_owned()));
        self.survived()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.change()?;
        // A sync at which the power fails has done nothing for sure.
        self.survived()?;
        let mut state = self.0.borrow_mut();
        let changes = std::mem::take(&mut state.name_changes);
        let (done, kept) = changes.into_iter().partition::<Vec<_>, _>(|change| change.is_in(dir));
        done.iter().for_each(|change| change.apply(&mut state.durable_names));
        state.name_changes = kept;
        Ok(())
    }
}

impl DiskFile for ModelFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.0.borrow().files[self.number].bytes.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.0.borrow();
        let file = &state.files[self.number].bytes;
        let start = (offset as usize).min(file.len());
        let end = (start + bytes.len()).min(file.len());
        bytes[..end - start].copy_from_slice(&file[start..end]);
        Ok(end - start)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.disk.change()?;
        let mut state = self.disk.0.borrow_mut();
        let len = state.write_bytes_max.unwrap_or(usize::MAX).min(bytes.len());
        let (start, end) = (offset as usize, offset as usize + len);
        let file = &mut state.files[self.number];
        if file.bytes.len() < end {
            file.bytes.resize(end, 0);
        }
        file.bytes[start..end].copy_from_slice(&bytes[..len]);
        for sector in start / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES) {
            let mut version = [0; SECTOR_BYTES];
            let from = sector * SECTOR_BYTES;
            let to = (from + SECTOR_BYTES).min(file.bytes.len());
            version[..to - from].copy_from_slice(&file.bytes[from..to]);
            file.pending.push((sector, version));
        }
        drop(state);
        self.disk.survived()?;
        Ok(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.change()?;
        self.disk.survived()?;
        let mut state = self.disk.0.borrow_mut();
        let file = &mut state.files[self.number];
        file.durable.clone_from(&file.bytes);
        file.pending.clear();
        Ok(())
    }

    fn raw_fd(&self) -> RawFd {
        -1
    }

    fn is_direct(&self) -> bool {
        false
    }
}

/// A small generator of numbers for tests: the same seed gives the same numbers. (SplitMix64.)
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("below a usize")
    }
}
