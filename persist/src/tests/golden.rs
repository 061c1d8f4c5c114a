//! Row 15: files of each version, kept. They load and give exactly what was written, and the same
//! input is encoded to the same bytes.
//!
//! The files of version 1 are in `persist/tests/golden/v1`. A change of the format gets a new
//! directory beside it, and this code goes on reading the old one. `CORELANE_GOLDEN=write` writes
//! them anew: only ever for a version that nobody has used.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::kernel::Kernel;
use super::workload::{options, prepare};
use crate::batch::Record;
use crate::cursor::{self, Cursor};
use crate::disk::{Disk, DiskFile};
use crate::journal::Options;
use crate::model::{ModelDisk, Seeded};
use crate::open::{State, open_on, open_with_on, replay_on};
use crate::position::Position;
use crate::snapshot;
use crate::superblock;
use crate::tail::Tail;

const FILES: [&str; 4] = ["000001.journal", "superblock", "cursor-nats", "snapshot-4"];
const BODY: &[u8] = b"the state after seq 4, in the caller's bytes";

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1").join(name)
}

/// What the files were made of: records as text.
const RECORDS: [&str; 10] = [
    "1 kind 1 time 1700000000000000001: fill",
    "1.0 kind 10 time 1700000000000000002: signal",
    "1.1 kind 11 time 1700000000000000003: ",
    "2 kind 2 time 4: status",
    "3 kind 1 time 5: fill two",
    "3.0 kind 10 time 6: signal two",
    "4 kind 3 time 7: tick",
    "5 kind 1 time 8: after the seal",
    "5.0 kind 10 time 9: signal three",
    "6 kind 1 time 10: of the second opening",
];

fn text(record: Record<'_>) -> String {
    let Record { seq, index, is_input, kind, event_time, body } = record;
    let at = if is_input { format!("{seq}") } else { format!("{seq}.{index}") };
    format!("{at} kind {kind} time {event_time}: {}", String::from_utf8_lossy(body))
}

/// Pushes the records of `seqs`, one batch each time `ends` says so.
fn push(kernel: &mut Kernel, records: &[&str], ends: &[u64]) {
    for line in records {
        let mut words = line.splitn(2, ": ");
        let head: Vec<_> = words.next().expect("a head").split(' ').collect();
        let body = words.next().expect("a body").as_bytes();
        let kind = head[2].parse().expect("a kind");
        let time = head[4].parse().expect("a time");
        if head[0].contains('.') {
            kernel.journal.push_event(kind, time, |out| out.extend(body));
        } else {
            if ends.contains(&head[0].parse().expect("a seq")) {
                assert!(kernel.submit());
            }
            kernel.journal.push_input(kind, time, |out| out.extend(body));
        }
    }
    kernel.submit();
}

/// Writes the files: two batches in flight together, a seal, a snapshot, a third batch, and another
/// opening with a fourth.
fn written() -> (ModelDisk, Options) {
    let disk = ModelDisk::default();
    let options = Options { flights: 2, ..options(5) };
    let mut seeded = Seeded(1);
    let mut none = |_: Record<'_>| ControlFlow::Continue(());
    let opened = open_on(&disk, &options, &mut none).expect("a new journal");
    let mut kernel = Kernel::new(&disk, opened.journal, true);
    prepare(&disk, &mut kernel.journal).expect("there is space");
    push(&mut kernel, &RECORDS[..7], &[3]);
    assert_eq!(kernel.journal.flights(), 2);
    kernel.journal.seal();
    kernel.settle(&mut seeded).expect("healthy");
    let mut tail = Tail::open_on(disk.clone(), &options.dir, Position::START).expect("opened");
    assert_eq!(tail.read(4, 100, &mut |_| {}).expect("read"), 7);
    let header = snapshot::Header {
        shard: 1,
        shard_count: 4,
        mark: tail.mark().expect("the end of a batch"),
        last_event: Position::new(3, 0),
        state_hash: 0x1122_3344_5566_7788,
        body_bytes: BODY.len() as u64,
    };
    snapshot::write_on(&disk, &options.dir, &header, BODY).expect("written");
    let path = cursor::path_of(&options.dir, "nats");
    let mut cursor = Cursor::open_on(&disk, &path).expect("created");
    for position in [Position::new(1, 1), Position::new(3, 0)] {
        cursor.set(position).expect("set");
    }
    cursor.sync().expect("synced");
    push(&mut kernel, &RECORDS[7..9], &[]);
    kernel.settle(&mut seeded).expect("healthy");
    drop(kernel);
    let opened = open_on(&disk, &options, &mut none).expect("opened again");
    let mut kernel = Kernel::new(&disk, opened.journal, true);
    push(&mut kernel, &RECORDS[9..], &[]);
    kernel.settle(&mut seeded).expect("healthy");
    (disk, options)
}

/// A disk with the kept files on it.
fn kept() -> (ModelDisk, Options) {
    let (disk, options) = (ModelDisk::default(), options(5));
    disk.create_dir(&options.dir).expect("created");
    for name in FILES {
        let bytes = std::fs::read(golden(name)).expect("the file is kept in the repository");
        assert!(bytes.len() <= 20 << 10, "{name} is small");
        let file = disk.create(&options.dir.join(name)).expect("created");
        file.write_all_at(&bytes, 0).expect("written");
        file.sync().expect("synced");
    }
    disk.sync_dir(&options.dir).expect("synced");
    (disk, options)
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let (disk, options) = written();
    for name in FILES {
        let bytes = disk.image().remove(&options.dir.join(name)).expect("written");
        if std::env::var("CORELANE_GOLDEN").as_deref() == Ok("write") {
            std::fs::write(golden(name), &bytes).expect("the directory is there");
        }
        let kept = std::fs::read(golden(name)).expect("the file is kept in the repository");
        let differs = bytes.iter().zip(&kept).position(|(new, old)| new != old);
        assert_eq!((bytes.len(), differs), (kept.len(), None), "{name}");
    }
}

#[derive(Default)]
struct Seen {
    restored: Option<(snapshot::Header, Vec<u8>)>,
    records: Vec<String>,
}

impl State for Seen {
    fn restore(&mut self, header: &snapshot::Header, body: &[u8]) -> Result<(), String> {
        self.restored = Some((*header, body.to_vec()));
        Ok(())
    }

    fn record(&mut self, record: Record<'_>) -> ControlFlow<()> {
        self.records.push(text(record));
        ControlFlow::Continue(())
    }
}

#[test]
fn kept_files_load_and_give_what_was_written() {
    let (disk, options) = kept();
    let mut records = Vec::new();
    let replayed = replay_on(&disk, &options.dir, &mut |record| {
        records.push(text(record));
        ControlFlow::Continue(())
    });
    let replayed = replayed.expect("replayed");
    assert_eq!(records, RECORDS);
    // Two, a seal, one, and one of the second opening.
    assert_eq!((replayed.last_seq, replayed.torn, replayed.batches), (6, None, 5));
    assert_eq!((replayed.superblock.epoch, replayed.superblock.segment_bytes), (2, 20480));
    let loaded = superblock::load(&disk, &options.dir).expect("read").expect("there");
    assert_eq!(loaded.superblock, replayed.superblock);
    let path = cursor::path_of(&options.dir, "nats");
    assert_eq!(Cursor::open_on(&disk, &path).expect("opened").get(), Position::new(3, 0));

    let mut seen = Seen::default();
    let opened = open_with_on(&disk, &options, &mut seen).expect("opened");
    let (header, body) = seen.restored.expect("from the snapshot");
    assert_eq!((header.seq(), header.shard, header.shard_count, &body[..]), (4, 1, 4, BODY));
    assert_eq!(
        (header.last_event, header.state_hash),
        (Position::new(3, 0), 0x1122_3344_5566_7788)
    );
    assert_eq!(seen.records, RECORDS[7..]);
    assert_eq!((opened.journal.epoch(), opened.journal.next_seq()), (3, 7));
}
