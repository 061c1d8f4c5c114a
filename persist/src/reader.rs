//! Reading batches from a journal's segment files. Judges each batch by itself; whether it
//! continues the one before is for [`Chain`](crate::chain::Chain) to say.

use std::io;
use std::path::PathBuf;

use crate::batch::{self, BadBatch, Header, Place};
use crate::block::{BLOCK_BYTES, Window};
use crate::disk::{Disk, DiskError, DiskFile, Mode, Op, failed, failed_at};
use crate::segment;

/// Reads one journal's files, holding one open at a time.
pub(crate) struct Reader<F> {
    dir: PathBuf,
    mode: Mode,
    window: Window,
    open: Option<(u64, F)>,
}

/// A batch that is intact where it stands.
pub(crate) struct Found<'a> {
    pub(crate) header: Header,
    pub(crate) crc: u32,
    pub(crate) bytes: &'a [u8],
}

impl<F: DiskFile> Reader<F> {
    /// A reader of the journal in `dir` that reads `ahead` bytes at a time.
    pub(crate) fn new(dir: PathBuf, mode: Mode, ahead: usize) -> Reader<F> {
        Reader { dir, mode, window: Window::new(ahead), open: None }
    }

    /// Forgets what was read ahead: the writer may have gone on.
    pub(crate) fn forget(&mut self) {
        self.window.forget();
    }

    /// `bytes` bytes at `place`; fewer at the end of the file, none when there is no such file.
    pub(crate) fn read<D: Disk<File = F>>(
        &mut self,
        disk: &D,
        place: Place,
        bytes: usize,
    ) -> Result<&[u8], DiskError> {
        let path = || segment::path_of(&self.dir, place.segment);
        if self.open.as_ref().is_none_or(|(index, _)| *index != place.segment) {
            let path = path();
            match disk.open(&path, self.mode) {
                Ok(file) => self.open = Some((place.segment, file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(&[]),
                Err(error) => return Err(failed(Op::Open, &path)(error)),
            }
        }
        let (_, file) = self.open.as_ref().expect("opened above");
        self.window
            .get(file, place.segment, place.offset, bytes)
            .map_err(|error| failed_at(Op::Read, &path(), place.offset)(error))
    }

    /// The batch at `place`, or why there is none.
    pub(crate) fn batch<D: Disk<File = F>>(
        &mut self,
        disk: &D,
        place: Place,
    ) -> Result<Result<Found<'_>, BadBatch>, DiskError> {
        let padded = match batch::peek(self.read(disk, place, BLOCK_BYTES)?) {
            Ok((header, _)) => header.padded_bytes(),
            Err(bad) => return Ok(Err(bad)),
        };
        let bytes = self.read(disk, place, padded)?;
        Ok(batch::check(bytes, place).map(|(header, crc)| Found { header, crc, bytes }))
    }
}
