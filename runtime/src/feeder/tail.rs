//! One file that another process appends to: its whole lines, one after the other.
//!
//! What has no line feed yet is not there yet. A line longer than [`LINE_BYTES_MAX`] is passed over, so that memory stays
//! bounded whatever the file holds.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes of a line. The longest of a node are blocks of order statuses of a few MiB.
pub(super) const LINE_BYTES_MAX: usize = 16 << 20;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// What [`Tail::find`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// A whole line: [`Tail::line`].
    Line,
    /// A line that is too long, and was passed over.
    TooLong {
        /// Where it began.
        offset: u64,
        /// Its length.
        bytes: u64,
    },
    /// Nothing more, for now.
    Nothing,
}

/// A file and a place in it.
pub(super) struct Tail {
    file: File,
    buffer: Vec<u8>,
    /// What is read and not yet passed: a part of the buffer.
    from: usize,
    to: usize,
    /// Bytes after `from` that are known to hold no line feed.
    searched: usize,
    /// Where `from` stands in the file.
    offset: u64,
    /// Length of the line at `from`, with its line feed.
    line_bytes: Option<usize>,
    /// Bytes of a line that is too long, so far.
    too_long: Option<u64>,
}

impl Tail {
    pub(super) fn open(path: &Path, offset: u64) -> io::Result<Tail> {
        let file = File::open(path)?;
        Ok(Tail {
            file,
            buffer: vec![0; CHUNK_BYTES],
            from: 0,
            to: 0,
            searched: 0,
            offset,
            line_bytes: None,
            too_long: None,
        })
    }

    /// At the end of the last whole line.
    pub(super) fn open_at_end(path: &Path) -> io::Result<Tail> {
        let mut tail = Tail::open(path, 0)?;
        let end = tail.file.metadata()?.len();
        tail.offset = tail.after_line_feed_before(end)?.unwrap_or(if end > LINE_BYTES_MAX as u64 {
            // Nothing that could be read begins there: what is left of that line is told of as broken.
            end
        } else {
            0
        });
        Ok(tail)
    }

    /// The place behind the last line feed before `end`, if one is near enough.
    fn after_line_feed_before(&self, end: u64) -> io::Result<Option<u64>> {
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut upper = end;
        while upper > 0 && end - upper <= LINE_BYTES_MAX as u64 {
            let lower = upper.saturating_sub(CHUNK_BYTES as u64);
            let part = &mut chunk[..(upper - lower) as usize];
            self.file.read_exact_at(part, lower)?;
            if let Some(at) = part.iter().rposition(|byte| *byte == b'\n') {
                return Ok(Some(lower + at as u64 + 1));
            }
            upper = lower;
        }
        Ok(None)
    }

    /// The line that ends where the tail stands, without its line feed.
    pub(super) fn line_before(&self) -> io::Result<Option<Vec<u8>>> {
        let Some(end) = self.offset.checked_sub(1) else { return Ok(None) };
        let begin = match self.after_line_feed_before(end)? {
            Some(begin) => begin,
            None if end <= LINE_BYTES_MAX as u64 => 0,
            None => return Ok(None),
        };
        self.bytes(begin, (end - begin) as usize).map(Some)
    }

    /// Bytes of the file.
    pub(super) fn bytes(&self, offset: u64, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Where the next line begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// How far the file was read.
    pub(super) fn read_to(&self) -> u64 {
        self.offset + (self.to - self.from) as u64
    }

    /// Bytes of a line that has no end yet.
    pub(super) fn partial_bytes(&self) -> u64 {
        self.too_long.unwrap_or(0) + (self.to - self.from) as u64
    }

    /// Looks for the next whole line. The same again until [`Tail::pass`].
    pub(super) fn find(&mut self) -> io::Result<Found> {
        if self.line_bytes.is_some() {
            return Ok(Found::Line);
        }
        loop {
            let unsearched = &self.buffer[self.from + self.searched..self.to];
            if let Some(at) = unsearched.iter().position(|byte| *byte == b'\n') {
                let len = self.searched + at + 1;
                let Some(bytes) = self.too_long.take() else {
                    self.line_bytes = Some(len);
                    return Ok(Found::Line);
                };
                self.advance(len);
                let bytes = bytes + len as u64;
                return Ok(Found::TooLong { offset: self.offset - bytes, bytes });
            }
            self.searched = self.to - self.from;
            if self.searched > LINE_BYTES_MAX || self.too_long.is_some() {
                *self.too_long.get_or_insert(0) += self.searched as u64;
                self.advance(self.searched);
            }
            if self.read()? == 0 {
                return Ok(Found::Nothing);
            }
        }
    }

    /// The line that was found, without its line feed.
    pub(super) fn line(&self) -> &[u8] {
        let len = self.line_bytes.map_or(0, |len| len - 1);
        &self.buffer[self.from..self.from + len]
    }

    /// Passes the line; its length with the line feed.
    pub(super) fn pass(&mut self) -> usize {
        let len = self.line_bytes.take().unwrap_or(0);
        self.advance(len);
        len
    }

    fn advance(&mut self, len: usize) {
        self.from += len;
        self.offset += len as u64;
        self.searched = 0;
    }

    /// Reads what follows; how many bytes.
    fn read(&mut self) -> io::Result<usize> {
        if self.buffer.len() - self.to < CHUNK_BYTES {
            self.buffer.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
            self.buffer.resize(self.buffer.len().max(self.to + CHUNK_BYTES), 0);
        }
        let at = self.read_to();
        let room = &mut self.buffer[self.to..self.to + CHUNK_BYTES];
        let read = match self.file.read_at(room, at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            read => read?,
        };
        self.to += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::io::Write;

    fn file() -> (tempfile::TempDir, std::path::PathBuf, File) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("8");
        let options = OpenOptions::new().create(true).append(true).open(&path);
        (dir, path, options.expect("opened"))
    }

    fn append(file: &mut File, bytes: &[u8]) {
        file.write_all(bytes).expect("written");
    }

    #[test]
    fn a_line_is_there_when_its_line_feed_is() {
        let (_dir, path, mut file) = file();
        let mut tail = Tail::open(&path, 0).expect("opened");
        for byte in b"first" {
            append(&mut file, &[*byte]);
            assert_eq!(tail.find().expect("read"), Found::Nothing);
        }
        assert_eq!((tail.offset(), tail.partial_bytes()), (0, 5));
        append(&mut file, b"\nsecond\n\nth");
        for (line, offset) in [("first", 6), ("second", 13), ("", 14)] {
            assert_eq!(tail.find().expect("read"), Found::Line);
            assert_eq!(tail.line(), line.as_bytes());
            tail.pass();
            assert_eq!(tail.offset(), offset);
        }
        assert_eq!(tail.find().expect("read"), Found::Nothing);
        let end = Tail::open_at_end(&path).expect("opened");
        assert_eq!((end.offset(), end.line_before().expect("read")), (14, Some(Vec::new())));
        append(&mut file, b"ird\n");
        assert_eq!(tail.find().expect("read"), Found::Line);
        let end = Tail::open_at_end(&path).expect("opened");
        assert_eq!(end.line_before().expect("read"), Some(b"third".to_vec()));
    }

    #[test]
    fn a_file_without_a_whole_line_is_read_from_its_beginning() {
        let (_dir, path, mut file) = file();
        for text in ["", "begun"] {
            append(&mut file, text.as_bytes());
            let end = Tail::open_at_end(&path).expect("opened");
            assert_eq!((end.offset(), end.line_before().expect("read")), (0, None));
        }
    }

    #[test]
    fn lines_of_any_length_pass_and_too_long_ones_are_passed_over() {
        let (_dir, path, mut file) = file();
        let long = vec![b'x'; LINE_BYTES_MAX / 4];
        append(&mut file, &long);
        append(&mut file, b"\nshort\n");
        let too_long = LINE_BYTES_MAX + CHUNK_BYTES + 7;
        append(&mut file, &vec![b'y'; too_long]);
        let mut tail = Tail::open(&path, 0).expect("opened");
        assert_eq!(tail.find().expect("read"), Found::Line);
        assert!(tail.line() == long);
        let end = Tail::open_at_end(&path).expect("opened");
        assert_eq!(end.offset(), (long.len() + 7 + too_long) as u64, "within that line");
        tail.pass();
        assert_eq!(tail.find().expect("read"), Found::Line);
        tail.pass();
        let offset = tail.offset();
        assert_eq!(tail.find().expect("read"), Found::Nothing);
        assert_eq!(tail.partial_bytes(), too_long as u64);
        append(&mut file, b"\nlast\n");
        let bytes = too_long as u64 + 1;
        assert_eq!(tail.find().expect("read"), Found::TooLong { offset, bytes });
        assert_eq!(tail.find().expect("read"), Found::Line);
        assert_eq!(tail.line(), b"last");
        assert!(tail.buffer.len() <= LINE_BYTES_MAX + 3 * CHUNK_BYTES, "bounded");
    }
}
