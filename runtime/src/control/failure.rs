//! What the user reads when a node cannot start or goes on with a fault.

use std::io;
use std::path::Path;
use std::time::Duration;

use persist::Position;
use persist::cursor::{self, Cursor, CursorError};
use persist::disk::DiskError;
use persist::inspect::files::{self, SuperblockState};
use persist::journal::SPARES_MIN;
use persist::lock::LockError;
use persist::open::OpenError;
use persist::recycle::{Need, Needed};
use persist::segment::{SegmentError, SegmentOrder};
use persist::tail::{Tail, TailError};
use shards::{Address, ShardId};

use super::rest::Said;
use crate::diag::{Problem, reason, whereabouts};
use crate::publisher::store::StartError;
use crate::shard::message::{NotOpened, Opened};
use crate::shard::replayer::{Broken, Diverged};

/// How long a core holds an account's fills while it waits for a back-fill.
const HELD_MS: u64 = 300_000;

pub(super) fn thread(what: &str, error: &io::Error) -> Problem {
    Problem::error("SYS001", format!("cannot start {what}: {}", reason(error))).fix(
        "close programs, or raise the limits of open files and of processes (ulimit -n, ulimit -u)",
    )
}

pub(super) fn file(path: &Path, error: &io::Error) -> Problem {
    Problem::error("DIR002", format!("cannot write {}: {}", path.display(), reason(error)))
        .fix("free space, or give this user the right to write there")
}

pub(super) fn url(why: &str) -> Problem {
    Problem::error("UPS001", format!("source.ws_url cannot be connected to: {why}"))
        .fix("write source.ws_url = \"wss://host/ws\"")
}

pub(super) fn resolve(host: &str, error: &io::Error) -> Problem {
    Problem::warning("UPS004", format!("the name {host} cannot be resolved: {}", reason(error)))
        .fix("check source.ws_url and this host's name servers (/etc/resolv.conf)")
}

pub(super) fn backfill(address: &Address, why: &str) -> Problem {
    Problem::warning("UPS005", format!("fills of {address} could not be fetched: {why}"))
        .why("what is missing is told as a gap event; live fills go on")
}

pub(super) fn symbols(why: &str) -> Problem {
    Problem::warning("UPS006", format!("the symbol table could not be read: {why}"))
        .why("signals carry the raw coin name until it can; it is tried again")
}

pub(super) fn sink(sink: &str, what: &str) -> Problem {
    Problem::warning("SNK001", format!("{sink}: {what}"))
        .why("the journal holds what was not acknowledged")
}

pub(super) fn fault(shard: ShardId, why: &str) -> Problem {
    Problem::error("LAN001", format!("shard {} cannot go on: {why}", shard.0))
        .why("nothing that was not durable has been seen by anyone")
        .fix("look at the cause and start again: the journal is replayed")
}

/// A thread beside the shards has ended by itself.
pub(super) fn thread_ended(what: &str, why: &str) -> Problem {
    Problem::error("LAN002", format!("{what} has ended: {why}"))
        .why("without it something would stand still unnoticed, so everything stops in order")
        .fix("start again: the journal is replayed, and what was missed meanwhile is fetched")
        .fix("report it with the lines before this one: it is a defect of corelane")
}

pub(super) fn store(path: &Path, error: &StartError) -> Problem {
    Problem::error("DB001", format!("the database {} cannot be used: {error}", path.display()))
        .fix("close the program that holds it, or name another file: store.url = \"sqlite:FILE\"")
}

/// Refuses a directory of another number of shards before anything is made in it: directories of shards that it never
/// had would stand in the way of the reshard that is proposed. Refuses, too, to begin anew for a shard whose journal is
/// gone while others have theirs, and their cursors: a node makes those when all of its journals are open.
pub(super) fn check_shards(data_dir: &Path, shard_count: u16) -> Result<(), Problem> {
    let dir_of = |shard: u16| data_dir.join(format!("shard-{shard}"));
    let (mut missing, mut has_worked) = (None, None);
    for dir in (0..shard_count).map(dir_of) {
        let found = files::superblock(&dir).map_err(|error| disk(data_dir, &error))?;
        match found {
            SuperblockState::Found { superblock, .. } if superblock.shard_count != shard_count => {
                let (path, found) = (dir.join(persist::superblock::NAME), superblock.shard_count);
                return Err(journal(&OpenError::ShardCount { path, found, asked: shard_count }));
            }
            SuperblockState::Missing => missing = missing.or(Some(dir)),
            _ => {
                let cursors = cursor::list(&dir).map_err(|error| disk(data_dir, &error))?;
                has_worked = has_worked.or((!cursors.is_empty()).then_some(dir));
            }
        }
    }
    let (Some(missing), Some(other)) = (missing, has_worked) else { return Ok(()) };
    let path = missing.join(persist::superblock::NAME);
    let problem = journal(&OpenError::SuperblockMissing { path });
    Err(problem.why(format!("{} has worked beside it", other.display())))
}

/// Told when the database was made anew beside a cursor that has been somewhere: rows that were in the old one do not come
/// again by themselves.
pub(super) fn new_database(path: &Path, cursor: &Path, at: Position) -> Problem {
    Problem::warning(
        "DB002",
        format!(
            "the database {} is new, but {} is at seq {}",
            path.display(),
            cursor.display(),
            at.seq
        ),
    )
    .why("what was in the old database is not written again")
    .fix("bring the old database back; or stop, remove the cursor-store files, and start: what the journals still have is written again")
}

/// Makes a sink's cursor, if it has none.
pub(super) fn begin_cursor(dir: &Path, sink: &str) -> Result<(), Problem> {
    let path = cursor::path_of(dir, sink);
    Cursor::open(&path).map(drop).map_err(|error| bad_cursor(&path, &error))
}

fn bad_cursor(path: &Path, error: &CursorError) -> Problem {
    Problem::error("JRN008", format!("the cursor {} cannot be used: {error}", path.display())).fix(
        format!("remove {}: the sink gets again whatever the journal still has", path.display()),
    )
}

/// Refuses a cursor that is ahead of its journal: what comes next would be taken for old, and lost.
pub(super) fn check_cursor(
    dir: &Path,
    sink: &str,
    newest: Position,
    last_seq: u64,
) -> Result<(), Problem> {
    let path = cursor::path_of(dir, sink);
    if !path.exists() {
        return Ok(());
    }
    let at = Cursor::peek(&path).map_err(|error| bad_cursor(&path, &error))?;
    // A new sink's cursor begins with what the journal has, which may end after its last event.
    let newest = newest.max(Position::end_of(last_seq));
    if at <= newest {
        return check_recycled(dir, &path, at);
    }
    Err(Problem::error(
        "JRN008",
        format!(
            "{} is {}, but the journal ends at seq {last_seq}",
            path.display(),
            whereabouts(at)
        ),
    )
    .why("journal files were removed, or an older copy was put back: new events would be taken for old ones")
    .fix("bring the whole data directory back from one copy, or start with a new one"))
}

/// Refuses a cursor whose next events were recycled: they would be left out without a word.
fn check_recycled(dir: &Path, path: &Path, at: Position) -> Result<(), Problem> {
    if at == Position::START {
        return Ok(());
    }
    match Tail::open(dir, at) {
        Err(TailError::Recycled { first_seq, .. }) => Err(Problem::error(
            "JRN008",
            format!(
                "{} is {}, but the journal begins at seq {first_seq}",
                path.display(),
                whereabouts(at)
            ),
        )
        .why("segments behind it were recycled, as the cursor was further then: an older copy was put back")
        .fix(format!("remove {}: the sink goes on with the oldest event that is there", path.display()))),
        _ => Ok(()),
    }
}

pub(super) fn trouble(what: &str, why: &str, retry: Duration) -> Problem {
    Problem::warning("UPS005", format!("{what}: {why}"))
        .why(format!("tried again in {:.1} s", retry.as_secs_f64()))
}

/// Requests wait for the REST budget of a source.
pub(super) fn rest_waits(host: &str, said: &Said) -> Problem {
    let Said::Waits { backfills, others, wait_ms, all_ms, refused } = said else {
        return rest_goes_on(host, 0);
    };
    let seconds = |ms: &u64| ms.div_ceil(1000);
    let mut problem = Problem::warning(
        "UPS030",
        format!(
            "{host}: {backfills} back-fills and {others} other requests wait for the REST budget, \
             the next goes in {} s, the last in about {} s",
            seconds(wait_ms),
            seconds(all_ms)
        ),
    );
    if *refused {
        problem = problem.why(
            "the server answers 429: somebody else uses this address's budget, or it has another",
        );
    }
    if *all_ms > HELD_MS {
        problem = problem.why(format!(
            "fills are held for {} s at most: what comes later is told as a gap event",
            HELD_MS / 1000
        ));
    }
    problem.fix("more [[source]] tables with another local_addr, or a larger source.rest_weight_per_minute where the server allows it")
}

/// The end of [`rest_waits`].
pub(super) fn rest_goes_on(host: &str, after_ms: u64) -> Problem {
    let after_s = after_ms.div_ceil(1000);
    Problem::warning(
        "UPS030",
        format!("{host}: nothing waits for the REST budget any more, after {after_s} s"),
    )
    .why("what had waited was asked for, or was told as not fetched")
}

pub(super) fn segment(order: &SegmentOrder, error: &SegmentError, need: Option<&Need>) -> Problem {
    if !matches!(error, SegmentError::NoSpace { .. }) {
        return Problem::warning(
            "JRN007",
            format!("a journal segment cannot be prepared: {error}"),
        )
        .fix("look at the disk; it is tried again each second");
    }
    let dir = order.dir.display();
    let mut problem =
        Problem::warning("DSK001", format!("{dir}: no space for the next journal segment")).why(
            format!(
                "{error}; new accounts are refused while fewer than {SPARES_MIN} segments are ready, those that are followed \
                 go on until these are full, then their input waits"
            ),
        );
    if let Some(Need { first, by: Needed::Cursor { path, at } }) = need {
        problem = problem.why(format!(
            "segments from {first} on are held by {}, whose sink is {}; if that sink is gone for good, remove the file",
            path.display(),
            whereabouts(*at)
        ));
    }
    problem.fix("free space; it goes on by itself within a second or two")
}

/// Nothing is recycled.
pub(super) fn not_recycled(order: &SegmentOrder, why: &str) -> Problem {
    Problem::warning("JRN018", format!("{}: no segment is recycled: {why}", order.dir.display()))
        .why("it is not known what is still needed; nothing is lost, the journal grows")
        .fix("a damaged cursor: stop the node and remove the file, its sink gets everything again")
}

/// Space has come back.
pub(super) fn segment_healed(order: &SegmentOrder, after: Duration) -> Problem {
    let dir = order.dir.display();
    Problem::warning(
        "DSK002",
        format!("{dir}: segments can be prepared again, after {:.1} s", after.as_secs_f64()),
    )
    .why("nothing was lost; new accounts are taken again")
}

pub(super) fn not_watched(address: &Address) -> Problem {
    Problem::warning("DSK001", format!("{address} is not followed: no space for the journal"))
        .why("what is left is for the accounts that are followed already")
        .fix("free space; it is followed then, by itself")
}

/// Two computations of the same inputs differ.
pub(crate) fn diverged(dir: &Path, diverged: &Diverged) -> Problem {
    Problem::error("JRN011", format!("{}: {diverged}", dir.display()))
        .why(
            "the same inputs gave two states: memory or a CPU at fault, a changed program, or a defect of corelane; \
             which of the two is right is not known",
        )
        .fix(format!(
            "keep the directory; corelane replay {} --verify names the first event that differs",
            dir.display()
        ))
}

pub(super) fn snapshot(dir: &Path, why: &str, retry: Duration) -> Problem {
    Problem::warning("JRN012", format!("{}: no snapshot could be made: {why}", dir.display()))
        .why("nothing is lost; the journal is kept whole and grows until there is one")
        .fix(format!("look at the disk; it is tried again in {} s", retry.as_secs()))
}

pub(super) fn snapshot_skipped(why: &str, opened: &Opened) -> Problem {
    let instead = match opened.snapshot {
        Some(seq) => format!("the one at seq {seq} was used instead"),
        None => "the journal was replayed from its beginning instead".to_owned(),
    };
    Problem::warning("JRN010", format!("a snapshot cannot be used: {why}"))
        .why(format!("{instead}; nothing is lost"))
        .fix("look at the disk: it may be failing; the snapshot is replaced by and by")
}

pub(super) fn not_direct(dir: &Path) -> Problem {
    Problem::warning(
        "JRN013",
        format!("{}: this file system has no O_DIRECT", dir.display()),
    )
    .why("the journal is written through the page cache and synced: as safe, slower, and it takes memory")
    .fix("put node.data_dir on ext4 or XFS")
}

pub(super) fn not_locked(dir: &Path, error: &LockError) -> Problem {
    match error {
        LockError::Held { pid, since_unix_s, .. } => {
            let who =
                pid.map_or("another corelane".to_owned(), |pid| format!("corelane pid {pid}"));
            let since = since_unix_s.map_or(String::new(), |s| format!(" since {}", clock_time(s)));
            Problem::error("JRN006", format!("{} is in use by {who}{since}", dir.display()))
                .fix("stop it, or use another directory: node.data_dir")
        }
        LockError::Disk(error) => disk(dir, error),
    }
}

/// Hours and minutes, UTC.
fn clock_time(unix_s: u64) -> String {
    format!("{:02}:{:02} UTC", unix_s / 3600 % 24, unix_s / 60 % 60)
}

fn disk(dir: &Path, error: &DiskError) -> Problem {
    let code = if error.is_no_space() { "DSK001" } else { "JRN001" };
    Problem::error(code, format!("the journal in {} cannot be used: {error}", dir.display()))
        .fix("look at the disk and at the rights of the directory")
}

pub(super) fn not_opened(why: &NotOpened) -> Problem {
    match why {
        NotOpened::Broken { dir, why: Broken::Diverged(found) } => diverged(dir, found),
        NotOpened::Broken { .. } => Problem::error("JRN003", why.to_string())
            .why("the checksum is right: a later corelane wrote it")
            .fix("use the version that wrote it, or a later one"),
        NotOpened::Journal(error) => journal(error),
    }
}

/// The directory that a segment is in.
fn journal_of(segment: &Path) -> std::path::Display<'_> {
    segment.parent().unwrap_or(segment).display()
}

pub(super) fn journal(error: &OpenError) -> Problem {
    match error {
        OpenError::CorruptBeforeEnd { segment, offset, seq, batches, records } => Problem::error(
            "JRN005",
            format!(
                "{}: the batch at byte {offset} (seq {seq}) is damaged, and {batches} good batches \
                 with {records} records follow it",
                segment.display()
            ),
        )
        .why("this is not a torn tail: the disk or a person changed what had been acknowledged")
        .why(format!("look: corelane journal verify {}", journal_of(segment)))
        .fix("bring the file back from a copy; nothing was changed here")
        .fix(format!(
            "go on without what follows: corelane journal truncate {} --at-seq {seq} --dry-run",
            journal_of(segment)
        )),
        OpenError::ShardCount { path, found, asked } => Problem::error(
            "JRN002",
            format!(
                "{} holds {found} shards, the configuration asks for {asked}",
                path.parent().and_then(Path::parent).unwrap_or(path).display()
            ),
        )
        .why("an account would move to another shard and its journal would not follow")
        .fix(format!("node.shards = {found}"))
        .fix(format!(
            "corelane journal reshard {} --to {asked}   (writes a new directory)",
            path.parent().and_then(Path::parent).unwrap_or(path).display()
        )),
        OpenError::NewerFormat { path, found, known } => Problem::error(
            "JRN003",
            format!("{} has format {found}, this corelane reads up to {known}", path.display()),
        )
        .fix("use the version that wrote it, or a later one"),
        OpenError::Segment(SegmentError::NoSpace { .. }) => {
            Problem::error("DSK001", format!("no space for the journal: {error}"))
                .fix("free space, or set a smaller journal.segment_size")
        }
        OpenError::Disk(cause) if cause.is_no_space() => {
            Problem::error("DSK001", format!("no space for the journal: {error}"))
                .fix("free space, or set a smaller journal.segment_size")
        }
        OpenError::SegmentMissing { .. } => Problem::error("JRN005", error.to_string())
            .why("segments are made in order, so it was there: a person or the disk removed it")
            .fix("bring the file back from a copy; nothing was changed here"),
        OpenError::CursorAhead { .. } => Problem::error("JRN008", error.to_string())
            .why("its sink has acknowledged more than is there: the end of the journal was removed or damaged, or an older copy put back")
            .fix("bring the whole directory back from one copy, or start with a new one; nothing was changed here"),
        OpenError::NoSnapshot { .. } => Problem::error("JRN014", error.to_string())
            .why("what came before was recycled behind two snapshots; one of them is needed to begin with")
            .fix("bring the snapshot files back from a copy; nothing was changed here"),
        OpenError::SnapshotAhead { .. } => Problem::error("JRN005", error.to_string())
            .why("the inputs between were durable: the end of the journal was damaged, or an older copy put back")
            .fix("bring the whole directory back from one copy; nothing was changed here"),
        OpenError::SuperblockDamaged { .. }
        | OpenError::SuperblockMissing { .. }
        | OpenError::SegmentSize { .. }
        | OpenError::WrongShard { .. } => Problem::error("JRN005", error.to_string())
            .why("the disk or a person changed the directory")
            .fix("bring the files back from a copy; nothing was changed here"),
        other => Problem::error("JRN001", format!("the journal cannot be opened: {other}"))
            .fix("look at the disk and at the rights of the directory"),
    }
}
