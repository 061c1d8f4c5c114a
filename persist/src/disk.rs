//! The few things that are asked of a disk, as a trait, and the disk of the operating system.
//!
//! The second implementation is the model in the tests, which keeps what is durable apart from what
//! is merely written and can lose the difference sector by sector. The trait is as small as
//! opening, recovering, preparing segments and the superblock allow.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use thiserror::Error;

use crate::defence::{self, Defence};

/// What a file is opened for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Reading through the page cache.
    Read,
    /// Reading around the page cache, where the file system has that.
    ReadDirect,
    /// Reading and writing through the page cache.
    Write,
    /// Reading and writing around the page cache, where the file system has that.
    WriteDirect,
}

/// A disk, or a model of one.
pub trait Disk {
    /// A file of this disk.
    type File: DiskFile;

    /// Creates a directory and those above it; one that exists is fine.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Names of the files in a directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Creates an empty file, or empties the one there.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    /// Opens a file that exists.
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Self::File>;
    /// Renames; refuses when `to` exists.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// An open file of a [`Disk`].
pub trait DiskFile {
    /// Its length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Reads at `offset`; 0 at the end.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at `offset`; perhaps less than asked.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Makes content and length durable.
    fn sync(&self) -> io::Result<()>;
    /// The descriptor, for the ring.
    fn raw_fd(&self) -> RawFd;
    /// Whether it goes around the page cache.
    fn is_direct(&self) -> bool;

    /// Writes all of `bytes`.
    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = &bytes[written..];
                    offset += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What was being done when a disk said no.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// Creating a directory.
    CreateDir,
    /// Listing a directory.
    List,
    /// Creating a file.
    Create,
    /// Opening a file.
    Open,
    /// Asking for a file's length.
    Length,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Making content durable.
    Sync,
    /// Making names durable.
    SyncDir,
    /// Renaming.
    Rename,
    /// Removing.
    Remove,
}

impl Op {
    /// The words after "cannot".
    pub fn as_str(self) -> &'static str {
        match self {
            Op::CreateDir => "create directory",
            Op::List => "list",
            Op::Create => "create",
            Op::Open => "open",
            Op::Length => "read the length of",
            Op::Read => "read",
            Op::Write => "write",
            Op::Sync => "sync",
            Op::SyncDir => "sync directory",
            Op::Rename => "rename",
            Op::Remove => "remove",
        }
    }

    /// Whether something was to be created: exit code 73, all else is 74.
    pub fn creates(self) -> bool {
        matches!(self, Op::CreateDir | Op::Create | Op::Rename)
    }
}

/// A disk said no.
#[derive(Debug, Error)]
#[error("cannot {} {}{}: {source}", .op.as_str(), .path.display(), at(.offset))]
pub struct DiskError {
    /// What was being done.
    pub op: Op,
    /// With which file or directory.
    pub path: PathBuf,
    /// At which byte, where there is one.
    pub offset: Option<u64>,
    /// The operating system's reason.
    pub source: io::Error,
}

fn at(offset: &Option<u64>) -> String {
    offset.map(|offset| format!(" at byte {offset}")).unwrap_or_default()
}

impl DiskError {
    /// Whether the disk or the quota is full.
    pub fn is_no_space(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self.source.kind(), StorageFull | QuotaExceeded)
    }
}

/// Gives a closure for `map_err`: an I/O error of `op` on `path` becomes a [`DiskError`].
pub(crate) fn failed(op: Op, path: &Path) -> impl FnOnce(io::Error) -> DiskError {
    move |source| DiskError { op, path: path.to_owned(), offset: None, source }
}

/// As [`failed`], with the byte.
pub(crate) fn failed_at(op: Op, path: &Path, offset: u64) -> impl FnOnce(io::Error) -> DiskError {
    move |source| DiskError { op, path: path.to_owned(), offset: Some(offset), source }
}

/// Fills `bytes` from `offset`; says how many the file had. An error names the byte at which the disk
/// said no.
pub(crate) fn read_up_to<F: DiskFile>(
    file: &F,
    path: &Path,
    offset: u64,
    bytes: &mut [u8],
) -> Result<usize, DiskError> {
    let mut filled = 0;
    while filled < bytes.len() {
        let at = offset + filled as u64;
        match file.read_at(&mut bytes[filled..], at) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed_at(Op::Read, path, at)(error)),
        }
    }
    Ok(filled)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_names<D: Disk>(disk: &D, dir: &Path) -> Result<(), DiskError> {
    if !defence::stands(Defence::DirSync) {
        return Ok(());
    }
    disk.sync_dir(dir).map_err(failed(Op::SyncDir, dir))
}

/// The disk of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

/// A file of the operating system.
#[derive(Debug)]
pub struct OsFile {
    file: File,
    direct: bool,
}

impl Disk for OsDisk {
    type File = OsFile;

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            // A name that is not UTF-8 is none of ours.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<OsFile> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(OsFile { file, direct: false })
    }

    fn open(&self, path: &Path, mode: Mode) -> io::Result<OsFile> {
        // Opening a pipe would wait for its other end.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut options = OpenOptions::new();
        options.read(true).write(matches!(mode, Mode::Write | Mode::WriteDirect));
        if matches!(mode, Mode::ReadDirect | Mode::WriteDirect) {
            match options.clone().custom_flags(libc::O_DIRECT).open(path) {
                Ok(file) => return Ok(OsFile { file, direct: true }),
                // The file system has no O_DIRECT: the page cache and fdatasync do as well, slower.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(OsFile { file: options.open(path)?, direct: false })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // A file system that cannot refuse to replace: look first. The directory is locked by
            // us.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                if to.try_exists()? {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                fs::rename(from, to)
            }
            other => Ok(other?),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

impl DiskFile for OsFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(&self.file, bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(&self.file, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    fn is_direct(&self) -> bool {
        self.direct
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::{Disk, DiskFile, Mode, Op, OsDisk, failed, failed_at};

    #[test]
    fn rename_never_replaces() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (from, to) = (dir.path().join("a"), dir.path().join("b"));
        OsDisk.create(&from).expect("created").write_all_at(b"a", 0).expect("written");
        OsDisk.create(&to).expect("created").write_all_at(b"b", 0).expect("written");
        let error = OsDisk.rename(&from, &to).expect_err("b is there");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        OsDisk.remove(&to).expect("removed");
        OsDisk.rename(&from, &to).expect("b is gone");
        OsDisk.sync_dir(dir.path()).expect("synced");
        assert_eq!(OsDisk.list(dir.path()).expect("listed"), ["b"]);
        let mut byte = [0];
        let file = OsDisk.open(&to, Mode::Read).expect("opened");
        assert_eq!(file.read_at(&mut byte, 0).expect("read"), 1);
        assert_eq!((byte, file.length().expect("length"), file.is_direct()), (*b"a", 1, false));
        assert!(file.raw_fd() > 2);
        assert!(file.write_at(b"x", 0).is_err(), "opened for reading");
    }

    #[test]
    fn errors_name_operation_path_and_byte() {
        let full = || io::Error::from_raw_os_error(libc::ENOSPC);
        let error = failed_at(Op::Write, Path::new("/d/000001.journal"), 4096)(full());
        let text = error.to_string();
        assert!(text.starts_with("cannot write /d/000001.journal at byte 4096: "), "{text}");
        assert!(error.is_no_space() && !error.op.creates());
        let error = failed(Op::CreateDir, Path::new("/d"))(io::ErrorKind::PermissionDenied.into());
        assert!(error.to_string().starts_with("cannot create directory /d: "));
        assert!(!error.is_no_space() && error.op.creates());
        let ops = [Op::List, Op::Create, Op::Open, Op::Length, Op::Read, Op::Sync, Op::SyncDir];
        assert!(ops.iter().chain(&[Op::Rename, Op::Remove]).all(|op| !op.as_str().is_empty()));
    }
}
