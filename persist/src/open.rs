//! Opening a journal for writing, and replaying one without writing.
//!
//! The order of an opening: names and content that an earlier process wrote are made durable before
//! they are read, so that nothing is built on what a power cut could still take back; the
//! superblock is read and compared with the options; sizes are checked; the scan replays and finds
//! the end. Up to here nothing has been changed, and every refusal happens here. Then leftovers are
//! removed, the epoch is raised durably, and the segment to be written is opened.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::batch::{BATCH_BYTES_MAX, Place, Record, VERSION};
use crate::block::BLOCK_BYTES;
use crate::chain::Chain;
use crate::cursor::{self, Cursor};
use crate::disk::{Disk, DiskError, DiskFile, Mode, Op, OsDisk, OsFile, failed, sync_names};
use crate::journal::{FLIGHTS_MAX, Journal, Options, Start};
use crate::position::Position;
use crate::reader::Reader;
use crate::recover::{self, OnRecord, TornTail};
use crate::segment::{self, Segment, SegmentError, SegmentOrder};
use crate::snapshot::{self, SnapshotError};
use crate::superblock::{self, Loaded, Superblock, SuperblockError};

/// A journal, open.
#[derive(Debug)]
pub struct Opened<F = OsFile> {
    /// The writer.
    pub journal: Journal<F>,
    /// The unfinished write at its end, if there was one. It was cut off.
    pub torn: Option<TornTail>,
    /// The last input.
    pub last_seq: u64,
    /// Records replayed.
    pub records: u64,
    /// Whether it was created just now.
    pub new: bool,
    /// Bytes of a segment. Fixed when the journal was created; the option is for new ones.
    pub segment_bytes: u64,
    /// Seq of the snapshot from which replay began.
    pub snapshot: Option<u64>,
    /// Snapshots that could not be used, newest first: worth a word to the user.
    pub skipped: Vec<SnapshotError>,
}

/// A journal, replayed.
#[derive(Debug)]
pub struct Replayed {
    /// Whose journal it is, and of how many shards.
    pub superblock: Superblock,
    /// An unfinished write at its end. Also seen when the writer is at work just now.
    pub torn: Option<TornTail>,
    /// The last input, if replay went to the end.
    pub last_seq: u64,
    /// Records handed over.
    pub records: u64,
    /// Batches in it, seals included.
    pub batches: u64,
    /// Whether the closure stopped it before the end.
    pub stopped: bool,
    /// Seq of the snapshot from which replay began.
    pub snapshot: Option<u64>,
    /// Snapshots that could not be used, newest first.
    pub skipped: Vec<SnapshotError>,
}

/// What a replay builds.
pub trait State {
    /// Takes over a snapshot, in place of everything it has so far. An error, in words, lets the
    /// snapshot before it be tried.
    fn restore(&mut self, header: &snapshot::Header, body: &[u8]) -> Result<(), String>;

    /// Takes the next record.
    fn record(&mut self, record: Record<'_>) -> ControlFlow<()>;
}

/// Why a journal was not opened. Nothing has been changed, unless it is `Disk`, `NoSpace` or
/// `Segment`.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The options make no sense.
    #[error("{why}")]
    Options {
        /// Which, and why.
        why: &'static str,
    },
    /// Something that was acknowledged is damaged: later batches, of which these many are intact,
    /// prove it.
    #[error(
        "{}: the batch at byte {offset}, seq {seq}, is damaged, and {batches} intact batches with \
         {records} records follow it",
        .segment.display()
    )]
    CorruptBeforeEnd {
        /// The file.
        segment: PathBuf,
        /// The byte where the damaged batch begins.
        offset: u64,
        /// The first input that is missing.
        seq: u64,
        /// Intact batches after it, seals included.
        batches: u64,
        /// Records in those.
        records: u64,
    },
    /// The directory was written with another number of shards.
    #[error("{} is of {found} shards, asked for are {asked}", .path.display())]
    ShardCount {
        /// The superblock.
        path: PathBuf,
        /// What it says.
        found: u16,
        /// What the options say.
        asked: u16,
    },
    /// The directory is another shard's.
    #[error("{} is of shard {found}, asked for is {asked}", .path.display())]
    WrongShard {
        /// The superblock.
        path: PathBuf,
        /// What it says.
        found: u16,
        /// What the options say.
        asked: u16,
    },
    /// Written by a later version.
    #[error("{} has format {found}, known is {known}", .path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u16,
        /// The newest that this program reads.
        known: u16,
    },
    /// A segment was cut or extended by someone.
    #[error("{} has {found} bytes, it was made with {expected}", .path.display())]
    SegmentSize {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: u64,
        /// The size of every segment of this journal.
        expected: u64,
    },
    /// Both slots of the superblock are damaged.
    #[error("{} is damaged", .path.display())]
    SuperblockDamaged {
        /// The file.
        path: PathBuf,
    },
    /// There is no superblock, though there are segments; or, when replaying, though one was asked
    /// for.
    #[error("{} is missing", .path.display())]
    SuperblockMissing {
        /// The file that should be there.
        path: PathBuf,
    },
    /// The journal does not begin with seq 1, since what came before was recycled, and no snapshot
    /// can be used.
    #[error("{} begins at seq {first_seq}, and no snapshot before that can be used{}",
        .segment.display(), reasons(.skipped))]
    NoSnapshot {
        /// The first segment that is there.
        segment: PathBuf,
        /// The first input in it.
        first_seq: u64,
        /// What is wrong with the snapshots that are there, newest first.
        skipped: Vec<SnapshotError>,
    },
    /// A snapshot proves that inputs were durable which are not in the journal.
    #[error("{} was made after seq {seq}, but the journal ends at {last_seq}", .path.display())]
    SnapshotAhead {
        /// The snapshot.
        path: PathBuf,
        /// The last input in it.
        seq: u64,
        /// The last input in the journal.
        last_seq: u64,
    },
    /// A cursor proves that inputs were durable which are not in the journal.
    #[error("{} is at seq {}, but the journal ends at {last_seq}", .path.display(), .at.seq)]
    CursorAhead {
        /// The cursor.
        path: PathBuf,
        /// What its sink has acknowledged.
        at: Position,
        /// The last input in the journal.
        last_seq: u64,
    },
    /// A segment is gone, and a later one is there.
    #[error("{} is missing, and {} is there", .path.display(), .next.display())]
    SegmentMissing {
        /// The one that is gone.
        path: PathBuf,
        /// The next one that is there.
        next: PathBuf,
    },
    /// The closure said stop at this record.
    #[error("replay was stopped at seq {seq}, index {index}")]
    Stopped {
        /// The record's input.
        seq: u64,
        /// The record's index.
        index: u32,
    },
    /// No room for the first segment.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The disk said no. Whether it is full, and whether something was to be created, is in there.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

fn reasons(skipped: &[SnapshotError]) -> String {
    skipped.iter().map(|error| format!("; {error}")).collect()
}

impl From<SuperblockError> for OpenError {
    fn from(error: SuperblockError) -> OpenError {
        match error {
            SuperblockError::Damaged { path } => OpenError::SuperblockDamaged { path },
            SuperblockError::Newer { path, found } => {
                OpenError::NewerFormat { path, found, known: VERSION }
            }
            SuperblockError::Disk(error) => OpenError::Disk(error),
        }
    }
}

/// Opens the journal in `options.dir`, creating it if there is none, and hands over every record in
/// order, from the first. Snapshots are not looked at.
///
/// A record may be handed over though the opening is refused later: what the closure built is then
/// to be thrown away. When the closure breaks off, the opening fails with [`OpenError::Stopped`].
pub fn open(
    options: &Options,
    on_record: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
) -> Result<Opened, OpenError> {
    open_on(&OsDisk, options, on_record)
}

/// As [`open`], from the newest snapshot that is intact and fits the journal.
pub fn open_with(options: &Options, state: &mut dyn State) -> Result<Opened, OpenError> {
    open_with_on(&OsDisk, options, state)
}

/// Hands over every record of the journal in `dir`, in order, from the first. Changes nothing.
pub fn replay(
    dir: &Path,
    on_record: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
) -> Result<Replayed, OpenError> {
    replay_on(&OsDisk, dir, on_record)
}

/// As [`replay`], from the newest snapshot that is intact and fits the journal.
pub fn replay_with(dir: &Path, state: &mut dyn State) -> Result<Replayed, OpenError> {
    replay_with_on(&OsDisk, dir, state)
}

/// A state that is only a closure: it wants the records from the first on.
struct Records<'a>(&'a mut OnRecord<'a>);

impl State for Records<'_> {
    fn restore(&mut self, _: &snapshot::Header, _: &[u8]) -> Result<(), String> {
        Err("all records are wanted".to_owned())
    }

    fn record(&mut self, record: Record<'_>) -> ControlFlow<()> {
        (self.0)(record)
    }
}

/// [`open`] on any disk.
pub(crate) fn open_on<D: Disk>(
    disk: &D,
    options: &Options,
    on_record: &mut OnRecord<'_>,
) -> Result<Opened<D::File>, OpenError> {
    open_with_on(disk, options, &mut Records(&mut |record| on_record(record)))
}

/// [`replay`] on any disk.
pub(crate) fn replay_on<D: Disk>(
    disk: &D,
    dir: &Path,
    on_record: &mut OnRecord<'_>,
) -> Result<Replayed, OpenError> {
    replay_with_on(disk, dir, &mut Records(&mut |record| on_record(record)))
}

/// [`replay_with`] on any disk.
pub(crate) fn replay_with_on<D: Disk>(
    disk: &D,
    dir: &Path,
    state: &mut dyn State,
) -> Result<Replayed, OpenError> {
    let Some(loaded) = superblock::load(disk, dir)? else {
        return Err(OpenError::SuperblockMissing { path: dir.join(superblock::NAME) });
    };
    let superblock = loaded.superblock;
    let segments = segment::list(disk, dir)?.segments;
    recover::check_sizes(disk, dir, &segments, superblock.segment_bytes)?;
    let base = base(disk, dir, &superblock, &segments, state)?;
    check_segments(dir, &segments, &base.chain)?;
    let mut take = |record: Record<'_>| state.record(record);
    let scanned = recover::scan(disk, dir, &superblock, &segments, base.chain, &mut take)?;
    if scanned.stopped.is_none() {
        check_snapshots(dir, &base, &scanned.chain)?;
    }
    Ok(Replayed {
        superblock,
        torn: scanned.torn,
        last_seq: scanned.chain.next_seq - 1,
        records: scanned.records,
        batches: scanned.batches,
        stopped: scanned.stopped.is_some(),
        snapshot: base.snapshot,
        skipped: base.skipped,
    })
}

/// Where a replay begins.
struct Base {
    chain: Chain,
    snapshot: Option<u64>,
    skipped: Vec<SnapshotError>,
    /// The newest snapshot that is intact, whether it fits or not.
    newest: u64,
}

/// Restores the newest snapshot that can be used, or begins at the first batch.
fn base<D: Disk>(
    disk: &D,
    dir: &Path,
    superblock: &Superblock,
    segments: &[u64],
    state: &mut dyn State,
) -> Result<Base, OpenError> {
    let chain = Chain::start(superblock.shard);
    let mut base = Base { chain, snapshot: None, skipped: Vec::new(), newest: 0 };
    for seq in snapshot::list_on(disk, dir)?.into_iter().rev() {
        match restore(disk, dir, superblock, seq, state, &mut base.newest) {
            Ok(chain) => {
                (base.chain, base.snapshot) = (chain, Some(seq));
                return Ok(base);
            }
            // Not the snapshot but the journal beside it.
            Err(SnapshotError::Disk(error)) if error.path != snapshot::path_of(dir, seq) => {
                return Err(error.into());
            }
            Err(error) => base.skipped.push(error),
        }
    }
    let Some(&segment) = segments.first() else { return Ok(base) };
    let place = Place { segment, offset: 0 };
    let mut reader = Reader::new(dir.to_owned(), Mode::Read, BLOCK_BYTES);
    let first = reader.batch(disk, place)?.ok().map(|found| found.header);
    match first.filter(|first| first.shard == u32::from(superblock.shard)) {
        Some(first) if first.first_seq > 1 => Err(OpenError::NoSnapshot {
            segment: segment::path_of(dir, segment),
            first_seq: first.first_seq,
            skipped: base.skipped,
        }),
        _ => Ok(base),
    }
}

fn restore<D: Disk>(
    disk: &D,
    dir: &Path,
    superblock: &Superblock,
    seq: u64,
    state: &mut dyn State,
    newest: &mut u64,
) -> Result<Chain, SnapshotError> {
    let loaded = snapshot::load_on(disk, dir, seq)?;
    let header = loaded.header;
    let path = || snapshot::path_of(dir, seq);
    let stranger = |what| SnapshotError::Stranger { path: path(), what };
    if (header.shard, header.shard_count) != (superblock.shard, superblock.shard_count) {
        return Err(stranger("it is of another shard, or of another number of shards"));
    }
    *newest = (*newest).max(seq);
    snapshot::check_fit(disk, dir, &header.mark)?.map_err(stranger)?;
    let restored = state.restore(&header, &loaded.body);
    restored.map_err(|why| SnapshotError::Unreadable { path: path(), why })?;
    Ok(header.mark.0)
}

/// Refuses a journal that ends before a snapshot of it was made: what is missing was durable.
fn check_snapshots(dir: &Path, base: &Base, end: &Chain) -> Result<(), OpenError> {
    let last_seq = end.next_seq - 1;
    if base.newest <= last_seq {
        return Ok(());
    }
    let path = snapshot::path_of(dir, base.newest);
    Err(OpenError::SnapshotAhead { path, seq: base.newest, last_seq })
}

/// [`open_with`] on any disk.
pub(crate) fn open_with_on<D: Disk>(
    disk: &D,
    options: &Options,
    state: &mut dyn State,
) -> Result<Opened<D::File>, OpenError> {
    scan_on(disk, options, state)?.open(disk, options)
}

/// The first half of an opening: everything is read and judged, nothing is changed. So several
/// journals can be judged before one of them is touched.
pub fn scan_with(options: &Options, state: &mut dyn State) -> Result<Ready, OpenError> {
    scan_on(&OsDisk, options, state).map(Ready)
}

/// A journal that may be opened.
#[derive(Debug)]
pub struct Ready(Judged);

impl Ready {
    /// The last input.
    pub fn last_seq(&self) -> u64 {
        self.0.scanned.chain.next_seq - 1
    }

    /// Whether there is no journal yet.
    pub fn is_new(&self) -> bool {
        self.0.loaded.is_none()
    }

    /// The second half: raises the epoch, and hands over the writer. `options` are those of the scan.
    pub fn open(self, options: &Options) -> Result<Opened, OpenError> {
        self.0.open(&OsDisk, options)
    }
}

/// What the first half of an opening found.
#[derive(Debug)]
struct Judged {
    /// `None` if there is no journal yet.
    loaded: Option<Loaded>,
    listing: segment::Listing,
    scanned: recover::Scanned,
    snapshot: Option<u64>,
    skipped: Vec<SnapshotError>,
}

fn scan_on<D: Disk>(
    disk: &D,
    options: &Options,
    state: &mut dyn State,
) -> Result<Judged, OpenError> {
    check_options(options)?;
    let dir = &options.dir;
    let is_there = match disk.list(dir) {
        Ok(_) => true,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(failed(Op::List, dir)(error).into()),
    };
    if is_there {
        sync_way(disk, dir)?;
        superblock::sync(disk, dir)?;
    }
    let listing = if is_there { segment::list(disk, dir)? } else { segment::Listing::default() };
    let loaded = if is_there { superblock::load(disk, dir)? } else { None };
    let Some(loaded) = loaded else {
        if !listing.segments.is_empty() {
            return Err(OpenError::SuperblockMissing { path: dir.join(superblock::NAME) });
        }
        let scanned = recover::Scanned::nothing(Chain::start(options.shard));
        return Ok(Judged { loaded: None, listing, scanned, snapshot: None, skipped: Vec::new() });
    };
    check_superblock(&loaded.superblock, options)?;
    recover::check_sizes(disk, dir, &listing.segments, loaded.superblock.segment_bytes)?;
    sync_segments(disk, dir, &listing.segments)?;
    let base = base(disk, dir, &loaded.superblock, &listing.segments, state)?;
    check_segments(dir, &listing.segments, &base.chain)?;
    let mut take = |record: Record<'_>| state.record(record);
    let scanned =
        recover::scan(disk, dir, &loaded.superblock, &listing.segments, base.chain, &mut take)?;
    if let Some(position) = scanned.stopped {
        return Err(OpenError::Stopped { seq: position.seq, index: position.index });
    }
    check_snapshots(dir, &base, &scanned.chain)?;
    check_cursors(disk, dir, &scanned.chain)?;
    let Base { snapshot, skipped, .. } = base;
    Ok(Judged { loaded: Some(loaded), listing, scanned, snapshot, skipped })
}

impl Judged {
    fn open<D: Disk>(self, disk: &D, options: &Options) -> Result<Opened<D::File>, OpenError> {
        let Judged { loaded, listing, mut scanned, snapshot, skipped } = self;
        let dir = &options.dir;
        let new = loaded.is_none();
        for name in &listing.unfinished {
            let path = dir.join(name);
            disk.remove(&path).map_err(failed(Op::Remove, &path))?;
        }
        let mut loaded = match loaded {
            Some(loaded) => loaded,
            None => {
                disk.create_dir(dir).map_err(failed(Op::CreateDir, dir))?;
                sync_way(disk, dir)?;
                create(disk, options, 0)?
            }
        };
        let epoch = loaded.next_epoch(scanned.chain.epoch);
        let (end, remains) = (scanned.chain.place, scanned.remains);
        let raised = Superblock { epoch, end, remains, ..loaded.superblock };
        loaded.replace(disk, dir, raised)?;
        // A seal over the torn batch: the next opening shall not report it again.
        scanned.chain.sealed &= scanned.torn.is_none();
        let segment_bytes = raised.segment_bytes;
        let current = scanned.chain.place.segment;
        let (current, spares) =
            open_segments(disk, dir, &listing.segments, current, segment_bytes)?;
        let last_seq = scanned.chain.next_seq - 1;
        let start = Start { chain: scanned.chain, epoch, segment_bytes, current, spares };
        let journal = Journal::new(options, start);
        Ok(Opened {
            journal,
            torn: scanned.torn,
            last_seq,
            records: scanned.records,
            new,
            segment_bytes,
            snapshot,
            skipped,
        })
    }
}

/// Makes the names of a journal's directory, and its own, durable.
fn sync_way<D: Disk>(disk: &D, dir: &Path) -> Result<(), DiskError> {
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        sync_names(disk, parent)?;
    }
    sync_names(disk, dir)
}

/// Refuses a hole among the segments from where the replay begins: they are made in order, each
/// durably before the next, so no crash leaves one.
fn check_segments(dir: &Path, segments: &[u64], chain: &Chain) -> Result<(), OpenError> {
    let first = chain.last.unwrap_or(chain.place).segment;
    let from_there = segments.iter().filter(|index| **index >= first);
    match (first..).zip(from_there).find(|(expected, index)| expected != *index) {
        None => Ok(()),
        Some((expected, &index)) => {
            let path = segment::path_of(dir, expected);
            Err(OpenError::SegmentMissing { path, next: segment::path_of(dir, index) })
        }
    }
}

/// Refuses a journal that ends before what a sink has acknowledged: that was durable.
fn check_cursors<D: Disk>(disk: &D, dir: &Path, end: &Chain) -> Result<(), OpenError> {
    let last_seq = end.next_seq - 1;
    for (_, path) in cursor::list_on(disk, dir)? {
        // One that cannot be read proves nothing.
        let Ok(at) = Cursor::peek_on(disk, &path) else { continue };
        if at.seq > last_seq {
            return Err(OpenError::CursorAhead { path, at, last_seq });
        }
    }
    Ok(())
}

/// Makes a new journal that begins with a snapshot: its inputs count on after the snapshot's, its
/// epochs after `epoch`. For tools that write a journal anew. `header.mark` must be a
/// [beginning](snapshot::Mark::beginning).
pub fn found(
    options: &Options,
    epoch: u64,
    header: &snapshot::Header,
    body: &[u8],
) -> Result<(), OpenError> {
    check_options(options)?;
    assert!(header.mark.0.last.is_none(), "a new journal has no batches");
    assert!(header.shard == options.shard && header.shard_count == options.shard_count);
    let (disk, dir) = (&OsDisk, &options.dir);
    disk.create_dir(dir).map_err(failed(Op::CreateDir, dir))?;
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        sync_names(disk, parent)?;
    }
    snapshot::write(dir, header, body)?;
    create(disk, options, epoch)?;
    Ok(())
}

fn check_options(options: &Options) -> Result<(), OpenError> {
    let why = if options.shard >= options.shard_count {
        "the shard is not below the shard count"
    } else if !segment::is_size(options.segment_bytes) {
        "a segment is a positive multiple of 4096 bytes"
    } else if options.batch_bytes_max == 0 || options.batch_bytes_max > BATCH_BYTES_MAX {
        "a batch has from 1 byte to 8 MiB"
    } else if options.flights == 0 || options.flights > FLIGHTS_MAX {
        "from 1 to 4 batches may be in flight"
    } else {
        return Ok(());
    };
    Err(OpenError::Options { why })
}

fn check_superblock(superblock: &Superblock, options: &Options) -> Result<(), OpenError> {
    let path = options.dir.join(superblock::NAME);
    let (found, asked) = (superblock.shard_count, options.shard_count);
    if found != asked {
        return Err(OpenError::ShardCount { path, found, asked });
    }
    let (found, asked) = (superblock.shard, options.shard);
    if found != asked {
        return Err(OpenError::WrongShard { path, found, asked });
    }
    Ok(())
}

fn create<D: Disk>(disk: &D, options: &Options, epoch: u64) -> Result<Loaded, DiskError> {
    let superblock = Superblock {
        shard: options.shard,
        shard_count: options.shard_count,
        segment_bytes: options.segment_bytes,
        epoch,
        end: Chain::start(options.shard).place,
        remains: Place { segment: 0, offset: 0 },
    };
    superblock::create(disk, &options.dir, superblock)
}

fn sync_segments<D: Disk>(disk: &D, dir: &Path, segments: &[u64]) -> Result<(), DiskError> {
    for &index in segments {
        let path = segment::path_of(dir, index);
        let file = disk.open(&path, Mode::Read).map_err(failed(Op::Open, &path))?;
        file.sync().map_err(failed(Op::Sync, &path))?;
    }
    Ok(())
}

type Segments<F> = (Segment<F>, VecDeque<Segment<F>>);

/// Opens the segment to be written, making it if need be, and those that were prepared ahead.
fn open_segments<D: Disk>(
    disk: &D,
    dir: &Path,
    segments: &[u64],
    current: u64,
    segment_bytes: u64,
) -> Result<Segments<D::File>, OpenError> {
    let mut spares = VecDeque::new();
    for &index in segments.iter().filter(|index| **index > current) {
        spares.push_back(segment::open(disk, dir, index)?);
    }
    let current = if segments.contains(&current) {
        segment::open(disk, dir, current)?
    } else {
        let order = SegmentOrder { dir: dir.to_owned(), index: current, segment_bytes };
        segment::prepare_on(disk, &order)?
    };
    Ok((current, spares))
}
