//! One process a data directory.
//!
//! The lock is the kernel's (`flock`), so it goes with the process, however that ends, and with the
//! last write that a ring of that process has under way. The file's
//! content says who holds it and since when; it is for the reader of an error, not for the lock.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use thiserror::Error;

use crate::disk::{DiskError, Op, failed};

/// The file's name in the data directory.
pub const NAME: &str = "lock";

/// How long to wait for the writes of a process that is gone. A disk that takes longer is told of.
const RELEASED_WITHIN: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(5);

/// Why a directory could not be locked.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{} is in use{}", .data_dir.display(), by(.pid))]
    Held {
        /// The directory.
        data_dir: PathBuf,
        /// The process, if the file tells.
        pid: Option<u32>,
        /// When it took the lock, Unix seconds, if the file tells.
        since_unix_s: Option<u64>,
    },
    /// The disk said no. The directory or the file could not be created, if [`Op::creates`].
    #[error(transparent)]
    Disk(#[from] DiskError),
}

fn by(pid: &Option<u32>) -> String {
    pid.map(|pid| format!(" by process {pid}")).unwrap_or_default()
}

/// A lock on a data directory, held until it is dropped.
#[derive(Debug)]
pub struct DirLock {
    /// Open, and thereby locked.
    file: File,
}

impl DirLock {
    /// Locks `data_dir`, creating it if need be.
    pub fn acquire(data_dir: &Path) -> Result<DirLock, LockError> {
        fs::create_dir_all(data_dir).map_err(failed(Op::CreateDir, data_dir))?;
        sync_way(data_dir);
        let path = data_dir.join(NAME);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(failed(Op::Create, &path))?;
        let deadline = Instant::now() + RELEASED_WITHIN;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK) => {
                    let (pid, since_unix_s) = holder(&mut file);
                    // What a killed process had given to the disk is still on its way.
                    if pid.is_some_and(is_dead) && Instant::now() < deadline {
                        std::thread::sleep(RETRY);
                        continue;
                    }
                    let data_dir = data_dir.to_owned();
                    return Err(LockError::Held { data_dir, pid, since_unix_s });
                }
                Err(error) => return Err(failed(Op::Open, &path)(error.into()).into()),
            }
        }
        sign(&mut file).map_err(failed(Op::Write, &path))?;
        Ok(DirLock { file })
    }
}

impl AsFd for DirLock {
    /// To be registered with every ring that writes into the directory: then the kernel keeps the lock
    /// until the last write is done, also when the process is killed before.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Whether there is no such process any more.
fn is_dead(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}

/// Makes the names of a directory and of those above it durable, as far as this user may: where it is not ours, it was
/// there before.
fn sync_way(dir: &Path) {
    for above in dir.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
        let _ = File::open(above).and_then(|above| above.sync_all());
    }
}

/// Writes who holds the lock since when.
fn sign(file: &mut File) -> io::Result<()> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{} {}", process::id(), since.as_secs())
}

/// Who holds the lock since when, as far as the file tells: it may just be being written.
fn holder(file: &mut File) -> (Option<u32>, Option<u64>) {
    let mut text = String::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(64).read_to_string(&mut text));
    if read.is_err() {
        return (None, None);
    }
    let mut words = text.split_whitespace();
    let pid = words.next().and_then(|word| word.parse().ok());
    (pid, words.next().and_then(|word| word.parse().ok()))
}

#[cfg(test)]
mod tests;
