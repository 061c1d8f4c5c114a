//! What the disk alone takes: the floor under every latency that includes a durable journal write.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Instant;

use hdrhistogram::Histogram;

const BLOCK: usize = 4096;
/// Enough for a stable median, and a tenth of a second.
const WRITES: usize = 500;

/// Times overwrites of one 4-KiB block past the page cache, each with its fdatasync: what a journal batch costs at least.
/// Nanoseconds.
pub(super) fn measure(dir: &Path) -> io::Result<Histogram<u64>> {
    let path = dir.join("floor.tmp");
    let measured = write(&path);
    // Nothing is lost if it stays.
    let _ = std::fs::remove_file(&path);
    measured
}

fn write(path: &Path) -> io::Result<Histogram<u64>> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    let direct = options.clone().custom_flags(libc::O_DIRECT).open(path);
    // A file system without O_DIRECT is measured as it is used: through the page cache.
    let file = match direct {
        Ok(file) => file,
        Err(_) => options.open(path)?,
    };
    // O_DIRECT wants an aligned address: take the aligned part of two blocks.
    let memory = vec![0u8; 2 * BLOCK];
    let skip = memory.as_ptr().align_offset(BLOCK);
    let block = &memory[skip..skip + BLOCK];
    file.write_all_at(block, 0)?;
    file.sync_all()?;
    let mut histogram = Histogram::new(2).expect("two digits are allowed");
    for _ in 0..WRITES {
        let started = Instant::now();
        file.write_all_at(block, 0)?;
        file.sync_data()?;
        histogram += started.elapsed().as_nanos() as u64;
    }
    Ok(histogram)
}
