//! How far one sink has acknowledged the events of one shard.
//!
//! The file `cursor-SINK` has two slots of one block; positions are written to them in turn,
//! without a sync. A power cut can take back some of the last writes, or tear one: then an older
//! position is valid, and events are sent again. It can never skip. Little-endian: magic `CLCU`,
//! CRC-32C of slot number (u64) and the rest, generation u64, seq u64, index u32.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::batch::COUNT_MAX;
use crate::block::BLOCK_BYTES;
use crate::disk::{
    Disk, DiskError, DiskFile, Mode, Op, OsDisk, OsFile, failed, failed_at, read_up_to, sync_names,
};
use crate::position::Position;

const MAGIC: [u8; 4] = *b"CLCU";
const SLOT_BYTES: usize = 28;
const SLOTS: u64 = 2;

/// What the name of a cursor file begins with; the sink's name follows.
const PREFIX: &str = "cursor-";

/// The cursor file of `sink` in a journal's directory.
pub fn path_of(dir: &Path, sink: &str) -> PathBuf {
    dir.join(format!("{PREFIX}{sink}"))
}

/// The cursors in a journal's directory: sink and file.
pub fn list(dir: &Path) -> Result<Vec<(String, PathBuf)>, DiskError> {
    list_on(&OsDisk, dir)
}

/// [`list`] on any disk.
pub(crate) fn list_on<D: Disk>(disk: &D, dir: &Path) -> Result<Vec<(String, PathBuf)>, DiskError> {
    let names = disk.list(dir).map_err(failed(Op::List, dir))?;
    let sinks = names.iter().filter_map(|name| name.strip_prefix(PREFIX));
    let mut found: Vec<_> = sinks.map(|sink| (sink.to_owned(), path_of(dir, sink))).collect();
    found.sort_unstable();
    Ok(found)
}

/// Why a cursor could not be had.
#[derive(Debug, Error)]
pub enum CursorError {
    /// No slot is valid, though something was written. Removing the file sends everything again.
    #[error("{} is damaged", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The disk said no.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// The cursor of one sink and one shard.
#[derive(Debug)]
pub struct Cursor<F = OsFile> {
    path: PathBuf,
    file: F,
    generation: u64,
    position: Position,
}

impl Cursor {
    /// Opens the cursor at `path`, or creates it at [`Position::START`].
    pub fn open(path: &Path) -> Result<Cursor, CursorError> {
        Cursor::open_on(&OsDisk, path)
    }

    /// The position in the cursor file at `path`, which is opened for reading only.
    pub fn peek(path: &Path) -> Result<Position, CursorError> {
        Cursor::peek_on(&OsDisk, path)
    }
}

impl<F: DiskFile> Cursor<F> {
    /// [`Cursor::peek`] on any disk.
    pub(crate) fn peek_on<D: Disk<File = F>>(
        disk: &D,
        path: &Path,
    ) -> Result<Position, CursorError> {
        let file = disk.open(path, Mode::Read).map_err(failed(Op::Open, path))?;
        Ok(Cursor::read(file, path)?.position)
    }

    /// [`Cursor::open`] on any disk.
    pub(crate) fn open_on<D: Disk<File = F>>(
        disk: &D,
        path: &Path,
    ) -> Result<Cursor<F>, CursorError> {
        let file = match disk.open(path, Mode::Write) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = disk.create(path).map_err(failed(Op::Create, path))?;
                if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
                    sync_names(disk, dir)?;
                }
                file
            }
            Err(error) => return Err(failed(Op::Open, path)(error).into()),
        };
        Cursor::read(file, path)
    }

    fn read(file: F, path: &Path) -> Result<Cursor<F>, CursorError> {
        let mut newest = None;
        for slot in 0..SLOTS {
            let mut bytes = [0; SLOT_BYTES];
            // What is beyond the end of the file stays zero.
            read_up_to(&file, path, slot * BLOCK_BYTES as u64, &mut bytes)?;
            // Zeros were never written, as far as the disk remembers: the state before the first
            // write.
            let unwritten = (bytes == [0; SLOT_BYTES]).then_some((0, Position::START));
            newest = newest.max(unwritten.or_else(|| decode(&bytes, slot)));
        }
        let Some((generation, position)) = newest else {
            return Err(CursorError::Damaged { path: path.to_owned() });
        };
        Ok(Cursor { path: path.to_owned(), file, generation, position })
    }

    /// The position: everything up to and with it was acknowledged.
    pub fn get(&self) -> Position {
        self.position
    }

    /// Moves to `position`. Not durable until [`Cursor::sync`], or until the system gets to it.
    pub fn set(&mut self, position: Position) -> Result<(), CursorError> {
        let generation = self.generation + 1;
        let slot = generation % SLOTS;
        let offset = slot * BLOCK_BYTES as u64;
        let bytes = encode(slot, generation, position);
        let written = self.file.write_all_at(&bytes, offset);
        written.map_err(failed_at(Op::Write, &self.path, offset))?;
        (self.generation, self.position) = (generation, position);
        Ok(())
    }

    /// Makes the position durable.
    pub fn sync(&self) -> Result<(), CursorError> {
        Ok(self.file.sync().map_err(failed(Op::Sync, &self.path))?)
    }
}

fn encode(slot: u64, generation: u64, position: Position) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[8..16].copy_from_slice(&generation.to_le_bytes());
    bytes[16..24].copy_from_slice(&position.seq.to_le_bytes());
    bytes[24..].copy_from_slice(&position.index.to_le_bytes());
    let crc = checksum(&bytes, slot);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; SLOT_BYTES], slot: u64) -> Option<(u64, Position)> {
    let word = |at: usize| {
        u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes of twenty-eight"))
    };
    let crc = checksum(bytes, slot).to_le_bytes();
    let index = u32::from_le_bytes(bytes[24..].try_into().expect("the last four bytes"));
    let is_whole = bytes[..4] == MAGIC && bytes[4..8] == crc && word(8) <= COUNT_MAX;
    is_whole.then(|| (word(8), Position::new(word(16), index)))
}

fn checksum(bytes: &[u8; SLOT_BYTES], slot: u64) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&slot.to_le_bytes()), &bytes[8..])
}

#[cfg(test)]
mod tests;
