//! A model of a disk, for tests: what is durable is kept apart from what is merely written, per
//! 512-byte sector and per directory entry, and a crash may lose, keep or damage any part of the
//! difference.
//!
//! Strict where POSIX is: a file's name is durable only when its directory was synced, its content
//! and length only when the file was; a sync covers the writes that had completed when it began.
//! Around the page cache only whole sectors at whole sectors go. A fuse lets the power fail after
//! any operation that changes something, a fault lets any of them fail, and space can run out.
//!
//! Millions of crashes are made of one disk, so what they have in common is shared, and a crash
//! costs no more than what was pending.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::block::BLOCK_BYTES;
use crate::disk::{Disk, DiskFile, Mode};

mod content;

pub(crate) use content::{Choice, Damage, SECTOR_BYTES};
use content::{Choose, Content};

/// The one directory that is there from the start.
const ROOT: &str = "/data";

/// A disk. Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct ModelDisk(Rc<RefCell<State>>);

#[derive(Clone, Default)]
struct State {
    /// Names as a process sees them, and as they would be after a crash that loses all it can.
    names: Rc<Names>,
    durable_names: Rc<Names>,
    name_changes: Vec<NameChange>,
    files: Vec<Content>,
    /// Operations that change something, so far, and the one at which the power fails.
    changes: u64,
    fuse: Option<u64>,
    /// From which change on, and whether for good, everything fails with an error number.
    failure: Option<Failure>,
    /// Bytes that all files may have together.
    capacity: Option<usize>,
    /// Writes so far: each has a number.
    writes: u64,
}

type Names = BTreeMap<OsString, Entry>;

#[derive(Clone, Copy)]
struct Failure {
    change: u64,
    once: bool,
    errno: i32,
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

/// A write that a kernel has been given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WriteId(u64);

/// A sync that has begun: what it will make durable when it completes.
pub(crate) struct Sync {
    file: usize,
    covers: Vec<u64>,
    length: usize,
}

impl ModelDisk {
    /// Lets the power fail at the `fuse`-th change from now, 0 being the next: it happens as far as
    /// a crash lets it, and everything after is refused.
    pub(crate) fn cut_after(&self, fuse: u64) {
        let mut state = self.0.borrow_mut();
        state.fuse = Some(state.changes + fuse);
    }

    /// The process ends, the power stays on: what was written can still be read, and still be lost.
    /// What was in flight has landed before another process opens the files. (So the kernel must keep
    /// the directory locked until then.)
    pub(crate) fn end_process(&self) {
        let mut state = self.0.borrow_mut();
        (state.fuse, state.failure) = (None, None);
        state.files.iter_mut().for_each(Content::land_all);
    }

    /// Operations that have changed something so far.
    pub(crate) fn changes(&self) -> u64 {
        self.0.borrow().changes
    }

    /// Lets every change fail with this error number, or none.
    pub(crate) fn fail_with(&self, errno: Option<i32>) {
        self.0.borrow_mut().failure = errno.map(|errno| Failure { change: 0, once: false, errno });
    }

    /// Lets the `nth` change from now, 0 being the next, fail with this error number.
    pub(crate) fn fail_once(&self, nth: u64, errno: i32) {
        let mut state = self.0.borrow_mut();
        state.failure = Some(Failure { change: state.changes + nth, once: true, errno });
    }

    /// Lets all files together have at most this many bytes more than now, or as many as they like.
    pub(crate) fn leave_space(&self, bytes: Option<usize>) {
        let mut state = self.0.borrow_mut();
        state.capacity = bytes.map(|bytes| state.used() + bytes);
    }

    /// Begins a write: its sectors are pending, and may or may not be on the disk after a crash.
    pub(crate) fn submit(&self, file: &ModelFile, bytes: &[u8], offset: u64) -> WriteId {
        let mut state = self.0.borrow_mut();
        state.writes += 1;
        let write = state.writes;
        state.files[file.number].write(write, bytes, offset as usize);
        WriteId(write)
    }

    /// Completes a write: a sync that begins from now on covers it.
    pub(crate) fn land(&self, file: &ModelFile, WriteId(write): WriteId) {
        self.0.borrow_mut().files[file.number].land(write);
    }

    /// Begins a sync.
    pub(crate) fn begin_sync(&self, file: &ModelFile) -> Sync {
        let content = &self.0.borrow().files[file.number];
        Sync { file: file.number, covers: content.landed(), length: content.length() }
    }

    /// Completes a sync: only now is anything durable.
    pub(crate) fn end_sync(&self, sync: &Sync) {
        self.0.borrow_mut().files[sync.file].make_durable(&sync.covers, sync.length);
    }

    /// Completes a write that is durable by itself.
    pub(crate) fn land_durably(&self, file: &ModelFile, write: WriteId) {
        self.land(file, write);
        let content = &mut self.0.borrow_mut().files[file.number];
        let length = content.length();
        content.make_durable(&[write.0], length);
    }

    /// A failed sync, as ext4, XFS and Btrfs have it: what it was to write can still be read and
    /// counts as clean, so that no later sync writes it, and a power cut loses it.
    pub(crate) fn fail_sync(&self, sync: &Sync) {
        self.0.borrow_mut().files[sync.file].mark_clean(&sync.covers);
    }

    /// Another disk, in the same state.
    pub(crate) fn fork(&self) -> ModelDisk {
        ModelDisk(Rc::new(RefCell::new(self.0.borrow().clone())))
    }

    /// The disk after a crash: `choose` is given a number of outcomes, 0 being "lost".
    pub(crate) fn crash(
        &self,
        damage: Damage,
        choose: &mut dyn FnMut(usize) -> usize,
    ) -> ModelDisk {
        self.crash_by(damage, &mut |choice| choose(choice.outcomes))
    }

    /// As [`ModelDisk::crash`], with more to go by.
    pub(crate) fn crash_by(&self, damage: Damage, choose: &mut Choose<'_>) -> ModelDisk {
        let state = self.0.borrow();
        let names = state.crashed_names(choose);
        let files = state.files.iter().map(|file| file.crash(damage, choose)).collect();
        let (writes, capacity) = (state.writes, state.capacity);
        let durable_names = Rc::clone(&names);
        let state = State { names, durable_names, files, writes, capacity, ..State::default() };
        ModelDisk(Rc::new(RefCell::new(state)))
    }

    /// The durable bytes of a file, to look at or to damage, when nothing is pending.
    pub(crate) fn edit<T>(&self, path: &Path, edit: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let mut state = self.0.borrow_mut();
        let Some(Entry::File(number)) = state.names.get(path.as_os_str()).copied() else {
            panic!("no file {}", path.display());
        };
        state.files[number].edit(edit)
    }

    /// Every file and what a process would read from it.
    pub(crate) fn image(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.0.borrow();
        let files = state.names.iter().filter_map(|(path, entry)| match entry {
            Entry::Dir => None,
            Entry::File(number) => Some((path.into(), state.files[*number].all())),
        });
        files.collect()
    }

    /// Counts a change; `Err` when it, and all after it, are refused.
    fn change(&self) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        let now = state.changes;
        if let Some(failure) = state.failure
            && if failure.once { now == failure.change } else { now >= failure.change }
        {
            state.changes += 1;
            return Err(io::Error::from_raw_os_error(failure.errno));
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
        change.apply(Rc::make_mut(&mut state.names));
        state.name_changes.push(change);
    }

    fn entry(&self, path: &Path) -> Option<Entry> {
        self.0.borrow().names.get(path.as_os_str()).copied()
    }

    /// A name goes only into a directory that is there.
    fn check_parent(&self, path: &Path) -> io::Result<()> {
        let parent = path.parent().expect("all paths have a parent");
        match parent == Path::new(ROOT) || self.entry(parent) == Some(Entry::Dir) {
            true => Ok(()),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl State {
    /// Bytes of all files that have a name.
    fn used(&self) -> usize {
        let numbers = self.names.values().filter_map(|entry| match entry {
            Entry::File(number) => Some(*number),
            Entry::Dir => None,
        });
        numbers.map(|number| self.files[number].length()).sum()
    }

    fn crashed_names(&self, choose: &mut Choose<'_>) -> Rc<Names> {
        if self.name_changes.is_empty() {
            return Rc::clone(&self.durable_names);
        }
        let mut names = Names::clone(&self.durable_names);
        for change in &self.name_changes {
            if choose(Choice { write: 0, outcomes: 2, newest: 1 }) == 1 {
                change.apply(&mut names);
            }
        }
        // What is in a directory that was lost is lost with it.
        let dirs: Vec<_> = names.iter().filter(|(_, entry)| **entry == Entry::Dir).collect();
        let dirs: Vec<OsString> = dirs.into_iter().map(|(path, _)| path.clone()).collect();
        names.retain(|path, _| {
            let parent = Path::new(path).parent().expect("all paths have a parent");
            parent == Path::new(ROOT) || dirs.iter().any(|dir| dir == parent.as_os_str())
        });
        Rc::new(names)
    }
}

impl NameChange {
    fn apply(&self, names: &mut Names) {
        match self {
            NameChange::Add(path, entry) => {
                names.insert(path.into(), *entry);
            }
            NameChange::Remove(path) => {
                names.remove(path.as_os_str());
            }
            NameChange::Rename(from, to, entry) => {
                names.remove(from.as_os_str());
                names.insert(to.into(), *entry);
            }
        }
    }

    fn is_in(&self, dir: &Path) -> bool {
        let (NameChange::Add(path, _) | NameChange::Remove(path) | NameChange::Rename(_, path, _)) =
            self;
        path.parent() == Some(dir)
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
    mode: Mode,
}

impl Disk for ModelDisk {
    type File = ModelFile;

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        if self.entry(dir) == Some(Entry::Dir) {
            return Ok(());
        }
        self.check_parent(dir)?;
        self.change()?;
        self.rename_or_add(NameChange::Add(dir.to_owned(), Entry::Dir));
        self.survived()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.check_parent(&dir.join("any"))?;
        let state = self.0.borrow();
        let inside = state.names.keys().map(Path::new).filter(|path| path.parent() == Some(dir));
        let names = inside.filter_map(|path| path.file_name()?.to_str());
        Ok(names.map(str::to_owned).collect())
    }

    fn create(&self, path: &Path) -> io::Result<ModelFile> {
        self.check_parent(path)?;
        self.change()?;
        let number = {
            let mut state = self.0.borrow_mut();
            state.files.push(Content::default());
            state.files.len() - 1
        };
        self.rename_or_add(NameChange::Add(path.to_owned(), Entry::File(number)));
        self.survived()?;
        Ok(ModelFile { disk: self.clone(), number, mode: Mode::Write })
    }

    fn open(&self, path: &Path, mode: Mode) -> io::Result<ModelFile> {
        match self.entry(path) {
            Some(Entry::File(number)) => Ok(ModelFile { disk: self.clone(), number, mode }),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check_parent(to)?;
        self.change()?;
        if self.entry(to).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let entry = self.entry(from).ok_or(io::ErrorKind::NotFound)?;
        self.rename_or_add(NameChange::Rename(from.to_owned(), to.to_owned(), entry));
        self.survived()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        self.entry(path).ok_or(io::ErrorKind::NotFound)?;
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
        if !done.is_empty() {
            let durable = Rc::make_mut(&mut state.durable_names);
            done.iter().for_each(|change| change.apply(durable));
        }
        state.name_changes = kept;
        Ok(())
    }
}

impl ModelFile {
    fn is_misaligned(&self, bytes: &[u8], offset: u64) -> bool {
        let (start, len) = (offset as usize, bytes.len());
        let is_off = |number: usize| !number.is_multiple_of(SECTOR_BYTES);
        self.is_direct() && (is_off(start) || is_off(len) || is_off(bytes.as_ptr().addr()))
    }
}

impl DiskFile for ModelFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.0.borrow().files[self.number].length() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.is_misaligned(bytes, offset) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        Ok(self.disk.0.borrow().files[self.number].read(bytes, offset as usize))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if !matches!(self.mode, Mode::Write | Mode::WriteDirect) {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        if self.is_misaligned(bytes, offset) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        self.disk.change()?;
        let room = {
            let state = self.disk.0.borrow();
            let room = state.capacity.map_or(usize::MAX, |all| all.saturating_sub(state.used()));
            let end = state.files[self.number].length().saturating_add(room);
            end.saturating_sub(offset as usize)
        };
        // A file system has space for whole blocks.
        let len = if bytes.len() <= room { bytes.len() } else { room / BLOCK_BYTES * BLOCK_BYTES };
        if len == 0 && !bytes.is_empty() {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        let write = self.disk.submit(self, &bytes[..len], offset);
        self.disk.land(self, write);
        self.disk.survived()?;
        Ok(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.change()?;
        self.disk.survived()?;
        self.disk.end_sync(&self.disk.begin_sync(self));
        Ok(())
    }

    fn raw_fd(&self) -> RawFd {
        -1
    }

    fn is_direct(&self) -> bool {
        matches!(self.mode, Mode::ReadDirect | Mode::WriteDirect)
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
