//! Buffers in whole 4-KiB blocks, aligned as O_DIRECT asks, and the window through which files are
//! read.
//!
//! Alignment is had from a type, not from pointer arithmetic, so there is no unsafe code here.

use std::io;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::disk::DiskFile;

/// The unit of placing and padding: no disk sold today has a larger logical sector.
pub const BLOCK_BYTES: usize = 4096;

/// A block of zeros, to compare with and to write.
pub const ZERO_BLOCK: Block = Block([0; BLOCK_BYTES]);

/// One block.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(4096))]
pub struct Block(pub [u8; BLOCK_BYTES]);

const _: () = assert!(size_of::<Block>() == BLOCK_BYTES && align_of::<Block>() == BLOCK_BYTES);

/// A growing run of blocks. The bytes do not move unless it grows.
#[derive(Default)]
pub struct Blocks(Vec<Block>);

impl Blocks {
    /// A run of zeros that holds at least `bytes`.
    pub fn with_bytes(bytes: usize) -> Blocks {
        Blocks(vec![ZERO_BLOCK; bytes.div_ceil(BLOCK_BYTES)])
    }

    /// Grows, if need be, to hold `bytes`; by doubling, so that it soon stops growing.
    pub fn ensure(&mut self, bytes: usize) {
        let wanted = bytes.div_ceil(BLOCK_BYTES);
        if wanted > self.0.len() {
            self.0.resize(wanted.next_power_of_two(), ZERO_BLOCK);
        }
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// All bytes, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.as_mut_bytes()
    }

    /// Bytes that it holds.
    pub fn len(&self) -> usize {
        self.0.len() * BLOCK_BYTES
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A part of one file in memory, read ahead of need.
pub(crate) struct Window {
    blocks: Blocks,
    file: u64,
    start: u64,
    filled: usize,
    ahead: usize,
}

impl Window {
    /// A window that reads `ahead` bytes at a time, or more when more is asked for.
    pub(crate) fn new(ahead: usize) -> Window {
        Window { blocks: Blocks::default(), file: 0, start: 0, filled: 0, ahead }
    }

    /// Forgets what was read: the file may have changed.
    pub(crate) fn forget(&mut self) {
        self.filled = 0;
    }

    /// `bytes` bytes at `offset` (a multiple of the block) of the file numbered `number`; fewer at
    /// its end.
    pub(crate) fn get<F: DiskFile>(
        &mut self,
        file: &F,
        number: u64,
        offset: u64,
        bytes: usize,
    ) -> io::Result<&[u8]> {
        assert!(offset.is_multiple_of(BLOCK_BYTES as u64), "reads are placed on blocks");
        let inside = self.file == number
            && offset >= self.start
            && offset + bytes as u64 <= self.start + self.filled as u64;
        if !inside {
            self.fill(file, number, offset, bytes)?;
        }
        let from = usize::try_from(offset - self.start).expect("inside a buffer in memory");
        let to = self.filled.min(from + bytes);
        Ok(&self.blocks.bytes()[from..to])
    }

    fn fill<F: DiskFile>(
        &mut self,
        file: &F,
        number: u64,
        offset: u64,
        bytes: usize,
    ) -> io::Result<()> {
        let wanted = bytes.max(self.ahead).next_multiple_of(BLOCK_BYTES);
        self.blocks.ensure(wanted);
        (self.file, self.start, self.filled) = (number, offset, 0);
        while self.filled < wanted {
            let rest = &mut self.blocks.bytes_mut()[self.filled..wanted];
            match file.read_at(rest, offset + self.filled as u64) {
                Ok(0) => break,
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.filled = 0;
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK_BYTES, Blocks};

    #[test]
    fn blocks_are_aligned_and_grow_by_doubling() {
        let mut blocks = Blocks::with_bytes(1);
        assert_eq!(blocks.len(), BLOCK_BYTES);
        blocks.ensure(3 * BLOCK_BYTES - 1);
        assert_eq!(blocks.len(), 4 * BLOCK_BYTES);
        assert_eq!(blocks.bytes().as_ptr().addr() % BLOCK_BYTES, 0);
        blocks.bytes_mut()[5] = 7;
        blocks.ensure(1);
        assert_eq!((blocks.len(), blocks.bytes()[5]), (4 * BLOCK_BYTES, 7));
        assert!(Blocks::default().is_empty() && !blocks.is_empty());
    }
}
