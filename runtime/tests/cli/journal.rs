//! `corelane journal` and `corelane replay`, on journals that are whole, damaged, foreign and alive.

use std::fs::{self, OpenOptions};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use persist::cursor::{self, Cursor};
use persist::snapshot::{self, Header};
use persist::tail::Tail;
use persist::{Journal, Options, Position, segment};
use rustix::process::Signal;
use serde_json::Value;
use shards::codec::{encode_event, encode_input, event_kind, input_kind};
use shards::fill::Dir;
use shards::input::Emit;
use shards::{
    Address, Core, Decimal, Effects, Event, Fill, Input, Origin, Policy, Request, Side, StartFrom,
};
use tempfile::TempDir;

use super::common::market::Market;
use super::common::node::{Home, follow};
use super::{Ended, corelane, directory, finish, pid};

const BLOCK: u64 = 4096;
/// Inputs of the sample: three a batch.
const INPUTS: u64 = 60;
/// Large enough for the sample and small enough to roll over.
const SEGMENT_BYTES: u64 = 16 * BLOCK;

/// Runs `corelane ARGS`.
#[track_caller]
fn run(args: &[&str]) -> Ended {
    let dir = directory();
    finish(corelane(dir.path(), args).spawn().expect("the binary starts"))
}

/// A path as an argument.
fn arg(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// A shard that journals what it does.
struct Writer {
    core: Core,
    journal: Journal,
    seq: u64,
    /// The digest to be journaled is another one at this seq, an event at that one.
    false_check: u64,
    false_event: u64,
}

#[derive(Default)]
struct Made(Vec<Event>);

impl Effects for Made {
    fn event(&mut self, event: &Event) {
        self.0.push(*event);
    }

    fn request(&mut self, _: Request) {}
}

impl Writer {
    fn open(dir: &Path, shard: u16, shard_count: u16) -> Writer {
        let options = Options {
            dir: dir.to_owned(),
            shard,
            shard_count,
            segment_bytes: SEGMENT_BYTES,
            batch_bytes_max: 1 << 16,
            flights: 1,
        };
        let opened = persist::open::open(&options, &mut |_| ControlFlow::Continue(()));
        let journal = opened.expect("a directory of our own").journal;
        Writer { core: Core::new(), journal, seq: 0, false_check: 0, false_event: 0 }
    }

    fn apply(&mut self, input: &Input<'_>) {
        self.seq += 1;
        let time = 1_790_000_000_000_000_000 + self.seq;
        let mut made = Made::default();
        self.core.step(time, input, &mut made);
        let seq = self.journal.push_input(input_kind(input), time, |out| encode_input(input, out));
        assert_eq!(seq, self.seq);
        for mut event in made.0 {
            if let Event::Signal(signal) = &mut event
                && self.false_event == seq
            {
                signal.oid += 1;
            }
            let body = |out: &mut Vec<u8>| encode_event(&event, out);
            self.journal.push_event(event_kind(&event), time, body);
        }
    }

    /// One input: settings, an account, then fills, each of which is a signal, ticks and digests.
    fn next(&mut self) {
        let address = Address([7; 20]);
        let seq = self.seq + 1;
        match seq {
            1 => self.apply(&Input::Policy(Policy { emit: Emit::Frame, ..Policy::default() })),
            2 => self.apply(&Input::Watch { address, start: StartFrom::Snapshot }),
            3 => {
                let origin = Origin::Snapshot { last: true, reaches: true };
                self.apply(&Input::Fills { address, origin, fills: &[] });
            }
            _ if seq % 10 == 0 => {
                let lie = u64::from(self.false_check == seq);
                self.apply(&Input::Check { digest: self.core.digest() ^ lie });
            }
            _ if seq % 2 == 0 => self.apply(&Input::Tick),
            _ => self.apply(&Input::Fills { address, origin: Origin::Live, fills: &[fill(seq)] }),
        }
    }

    fn write(&mut self, inputs: u64) {
        for _ in 0..inputs {
            self.next();
            if self.seq.is_multiple_of(3) {
                self.flush();
            }
        }
        self.flush();
        self.journal.seal();
        self.flush();
    }

    fn flush(&mut self) {
        while let Some(order) = self.journal.segment_wanted() {
            self.journal.segment_ready(segment::prepare(&order).expect("space"));
        }
        self.journal.flush_blocking().expect("flushed");
    }
}

fn fill(seq: u64) -> Fill {
    Fill {
        coin: "BTC".into(),
        px: Decimal::new(50_000, 0),
        sz: Decimal::new(15, 1),
        side: Side::Buy,
        time_ms: 1_790_000_000_000 + seq,
        start_position: Decimal::new(15 * i128::from((seq - 5) / 2), 1),
        dir: Dir::OpenLong,
        closed_pnl: Decimal::ZERO,
        oid: 100 + seq,
        crossed: true,
        fee: Decimal::ZERO,
        fee_token: "USDC".into(),
        tid: seq,
        cloid: None,
        liquidation: None,
    }
}

/// A data directory with one shard.
struct Data {
    home: TempDir,
}

impl Data {
    fn sample() -> Data {
        Data::with(|writer| writer.write(INPUTS))
    }

    fn with(write: impl FnOnce(&mut Writer)) -> Data {
        let data = Data { home: directory() };
        write(&mut Writer::open(&data.shard(), 0, 1));
        // What a node leaves behind.
        fs::write(data.path().join("lock"), "").expect("written");
        data
    }

    fn path(&self) -> &Path {
        self.home.path()
    }

    fn shard(&self) -> PathBuf {
        self.path().join("shard-0")
    }

    fn segment(&self, index: u64) -> PathBuf {
        segment::path_of(&self.shard(), index)
    }

    /// Changes bytes of a segment.
    fn change(&self, segment: u64, offset: u64, change: impl FnOnce(&mut [u8])) {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(self.segment(segment)).expect("a segment");
        let mut block = vec![0; BLOCK as usize];
        file.read_exact_at(&mut block, offset).expect("a block");
        change(&mut block);
        file.write_all_at(&block, offset).expect("written");
    }

    #[track_caller]
    fn ask(&self, verb: &[&str], more: &[&str]) -> Ended {
        let shard = self.shard();
        run(&[verb, &[arg(&shard)], more].concat())
    }

    #[track_caller]
    fn journal(&self, verb: &str, more: &[&str]) -> Ended {
        self.ask(&["journal", verb], more)
    }
}

/// The lines of a dump.
#[track_caller]
fn lines(dump: &Ended) -> Vec<Value> {
    let line = |line: &str| serde_json::from_str(line).expect("each line is JSON");
    dump.out.lines().map(line).collect()
}

/// The segment and offset of the batch that begins with `seq`.
fn place_of(data: &Data, seq: u64) -> (u64, u64) {
    let dump = data.journal("dump", &[]);
    let line = lines(&dump).into_iter().find(|line| line["seq"] == seq).expect("it is there");
    (line["segment"].as_u64().expect("a number"), line["off"].as_u64().expect("a number"))
}

#[track_caller]
fn says(ended: &Ended, code: i32, parts: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}\n{}", ended.out, ended.err);
    for part in parts {
        assert!(ended.err.contains(part), "{part}: {}", ended.err);
    }
}

#[test]
fn a_whole_journal_is_whole_to_every_verb() {
    let data = Data::sample();
    let verify = data.journal("verify", &[]);
    says(&verify, 0, &[]);
    let whole = format!("shard 0: whole · seq 1 to {INPUTS} · ");
    assert!(verify.out.starts_with(&whole) && verify.err.is_empty(), "{}", verify.out);

    let info = data.journal("info", &["--json"]);
    let info: Value = serde_json::from_str(&info.out).expect("JSON");
    let shard = &info["shards"][0];
    assert_eq!((&shard["superblock"]["epoch"], &shard["end"]["last_seq"]), (&1.into(), &60.into()));
    let rows = shard["segments"].as_array().expect("rows");
    assert!(rows.len() >= 2 && rows[1]["state"] == "live", "it rolled over: {rows:?}");
    assert_eq!(shard["end"]["state"], "sealed");

    let dump = data.journal("dump", &[]);
    says(&dump, 0, &[]);
    let records = lines(&dump);
    let inputs = records.iter().filter(|line| line["index"].is_null()).count();
    assert_eq!((inputs as u64, &records[0]["type"]), (INPUTS, &"policy".into()));
    let signal = records.iter().find(|line| line["type"] == "signal").expect("signals");
    assert_eq!((&signal["size"], &signal["crc_ok"]), (&"1.5".into(), &true.into()));
    assert_eq!(signal["seq"].as_u64().zip(signal["index"].as_u64()), Some((5, 0)));

    let part = data.journal("dump", &["--from-seq", "40", "--to-seq", "41"]);
    let seqs: Vec<_> = lines(&part).iter().map(|line| line["seq"].as_u64()).collect();
    assert_eq!(seqs, [Some(40), Some(41), Some(41)]);

    let both = run(&["journal", "diff", arg(data.path()), arg(&data.shard())]);
    says(&both, 0, &["shard 0: the same"]);
    let replay = data.ask(&["replay"], &["--verify", "--json"]);
    let replay: Value = serde_json::from_str(&replay.out).expect("JSON");
    let shard = &replay["shards"][0];
    assert_eq!((&shard["last_seq"], &shard["states_compared"]), (&60.into(), &6.into()));
    assert_eq!(shard["events_compared"].as_u64(), Some(records.len() as u64 - INPUTS));
}

#[test]
fn a_reader_that_goes_away_ends_a_dump_without_a_word() {
    let data = Data::sample();
    for format in ["corelane", "gopherex"] {
        let file = data.path().join("long.wal");
        let record = |n: u32| [&frame(format!("{{\"n\":{n}}}").as_bytes())[..]].concat();
        fs::write(&file, (0..20_000).flat_map(record).collect::<Vec<_>>()).expect("written");
        let shard = data.shard();
        let path = if format == "corelane" { arg(&shard) } else { arg(&file) };
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let args = ["journal", "dump", path, "--format", format];
        let dump = corelane(data.path(), &args).stdout(writer).spawn().expect("it starts");
        let ended = finish(dump);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{format}");
    }
}

#[test]
fn a_flipped_bit_is_told_with_what_follows_and_what_to_do_and_that_works() {
    let data = Data::sample();
    let before = data.ask(&["replay"], &["--to-seq", "24", "--json"]);
    let (segment, offset) = place_of(&data, 25);
    data.change(segment, offset, |block| block[100] ^= 0x10);
    let verify = data.journal("verify", &[]);
    let path = data.segment(segment).display().to_string();
    let cut = format!("corelane journal truncate {} --at-seq 25 --dry-run", data.shard().display());
    let byte = format!("{path}: byte {offset} (seq 25) is damaged: wrong checksum; ");
    says(&verify, 1, &["JRN005", &byte, "good batches with", &cut, "(would drop 36 inputs)"]);
    assert!(verify.out.starts_with("shard 0: NOT WHOLE"), "{}", verify.out);
    let replay = data.ask(&["replay"], &[]);
    says(&replay, 74, &["JRN005", &path, &cut, "corelane journal verify"]);
    assert!(data.journal("info", &[]).out.contains("DAMAGED"));
    says(&run(&["journal", "diff", arg(data.path()), arg(data.path())]), 74, &["JRN005"]);

    let dump = data.journal("dump", &[]);
    says(&dump, 1, &["1 damaged stretch (4096 bytes) stepped over"]);
    assert_eq!(dump.err.lines().count(), 1, "{}", dump.err);
    let lines = lines(&dump);
    let damaged: Vec<_> = lines.iter().filter(|line| line["crc_ok"] == false).collect();
    assert_eq!(damaged.len(), 1);
    assert_eq!((&damaged[0]["seq"], &damaged[0]["next_seq"]), (&25.into(), &28.into()));
    assert_eq!((&damaged[0]["off"], &damaged[0]["bytes"]), (&offset.into(), &BLOCK.into()));
    assert_eq!(lines.last().map(|line| &line["seq"]), Some(&INPUTS.into()));

    // What the message says to do, done.
    says(&data.journal("truncate", &["--at-seq", "25", "--dry-run"]), 0, &["24 inputs"]);
    says(&data.journal("truncate", &["--at-seq", "26", "--yes"]), 1, &["JRN015", "--at-seq 25"]);
    says(&data.journal("truncate", &["--at-seq", "25"]), 2, &["JRN009", "--yes"]);
    let written = data.journal("truncate", &["--at-seq", "25", "--yes"]);
    says(&written, 0, &["stays as it is", "use it:   mv ", "undo:"]);
    let new = data.path().join("shard-0.truncated");
    assert_eq!(written.out, format!("{}\n", new.display()));
    let after = run(&["replay", arg(&new), "--verify", "--json"]);
    let hash = |ended: &Ended| {
        let replay: Value = serde_json::from_str(&ended.out).expect("JSON");
        replay["shards"][0]["state_hash"].clone()
    };
    assert_eq!(hash(&after), hash(&before));
    says(&data.journal("truncate", &["--at-seq", "25", "--yes"]), 73, &["DIR001", "--into"]);
    says(&run(&["journal", "verify", arg(&new)]), 0, &[]);
    says(&data.journal("verify", &[]), 1, &["JRN005"]);
}

#[test]
fn a_zeroed_block_a_cut_file_and_a_huge_length_are_damage() {
    type Harm = fn(&Data, u64, u64);
    let harms: [(Harm, &str); 3] = [
        (|data, segment, offset| data.change(segment, offset, |block| block.fill(0)), "zeros"),
        (
            |data, segment, offset| {
                data.change(segment, offset, |block| block[44..48].fill(0xFF));
            },
            "a length of 4294967295 does not fit",
        ),
        (
            |data, segment, offset| {
                let file = OpenOptions::new().write(true).open(data.segment(segment));
                file.expect("a segment").set_len(offset).expect("cut");
            },
            "it was made with 65536",
        ),
    ];
    for (harm, why) in harms {
        let data = Data::sample();
        let (segment, offset) = place_of(&data, 25);
        harm(&data, segment, offset);
        says(&data.journal("verify", &[]), 1, &["JRN005", why]);
        let dump = data.journal("dump", &[]);
        assert_eq!(dump.code, Some(1), "{why}: {}", dump.err);
        let damaged = lines(&dump).into_iter().any(|line| line["crc_ok"] == false);
        assert!(damaged, "{why}: {}", dump.out);
        assert_eq!(data.journal("info", &[]).code, Some(0));
        assert!(matches!(data.ask(&["replay"], &[]).code, Some(74)));
    }
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        let fold = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82F6_3B78 } else { crc >> 1 };
        (0..8).fold(crc ^ u32::from(*byte), fold)
    })
}

#[test]
fn a_later_format_is_left_alone() {
    let data = Data::sample();
    // A batch of format 2, intact: the checksum is over place, magic and the rest.
    let (segment, offset) = place_of(&data, 25);
    data.change(segment, offset, |block| {
        block[8] = 2;
        let mut head = [&segment.to_le_bytes()[..], &offset.to_le_bytes()].concat();
        head.extend(&block[..4]);
        head.extend([0; 4]);
        head.extend(&block[8..]);
        block[4..8].copy_from_slice(&crc32c(&head).to_le_bytes());
    });
    says(&data.journal("verify", &[]), 78, &["JRN003", "format 2", "reads up to 1"]);
    says(&data.journal("dump", &[]), 78, &["JRN003"]);
    says(&data.ask(&["replay"], &[]), 78, &["JRN003"]);

    let data = Data::sample();
    let path = data.shard().join("superblock");
    let mut bytes = fs::read(&path).expect("a superblock");
    for (slot, block) in bytes.chunks_mut(BLOCK as usize).enumerate() {
        block[8] = 9;
        let mut head = (slot as u64).to_le_bytes().to_vec();
        head.extend(&block[..4]);
        head.extend([0; 4]);
        head.extend(&block[8..]);
        block[4..8].copy_from_slice(&crc32c(&head).to_le_bytes());
    }
    fs::write(&path, bytes).expect("written");
    says(&data.journal("verify", &[]), 78, &["JRN003", "format 9"]);
    says(&data.ask(&["replay"], &[]), 78, &["JRN003", "format 9"]);
    assert!(data.journal("info", &[]).out.contains("superblock  format 9"));
}

#[test]
fn what_is_no_journal_is_said_to_be_none() {
    let empty = directory();
    let file = empty.path().join("file");
    fs::write(&file, "x").expect("written");
    let nowhere = empty.path().join("nowhere");
    for verb in
        [&["replay"][..], &["journal", "info"], &["journal", "dump"], &["journal", "verify"]]
    {
        for path in [empty.path(), &file, &nowhere] {
            let ended = run(&[verb, &[arg(path)]].concat());
            says(&ended, 74, &["JRN001", arg(path)]);
            assert_eq!(ended.out, "");
        }
    }
}

#[test]
fn a_directory_of_another_user_is_refused_with_the_reason() {
    let data = Data::sample();
    fs::set_permissions(data.shard(), fs::Permissions::from_mode(0o700)).expect("it is ours");
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let shard = data.shard();
    let mut verify = corelane(Path::new("/"), &["journal", "verify", arg(&shard)]);
    if rustix::process::getuid().is_root() {
        // Nobody, who may not read it.
        verify.uid(65_534).gid(65_534);
    } else {
        fs::set_permissions(data.shard(), fs::Permissions::from_mode(0)).expect("it is ours");
    }
    let ended = finish(verify.spawn().expect("the binary starts"));
    says(&ended, 74, &["JRN001", "permission denied", "sudo"]);
    fs::set_permissions(data.shard(), fs::Permissions::from_mode(0o700)).expect("it is ours");
}

/// Makes a snapshot of a journal at its end.
fn make_snapshot(data: &Data, core: &Core) {
    let shard = data.shard();
    let mut tail = Tail::open(&shard, Position::START).expect("a journal");
    let mut last_event = Position::START;
    tail.read(INPUTS, usize::MAX, &mut |record| {
        if !record.is_input {
            last_event = Position::new(record.seq, record.index);
        }
    })
    .expect("it is whole");
    let mut body = Vec::new();
    core.encode(&mut body);
    let header = Header {
        shard: 0,
        shard_count: 1,
        mark: tail.mark().expect("the end of a batch"),
        last_event,
        state_hash: core.state_hash(),
        body_bytes: body.len() as u64,
    };
    snapshot::write(&shard, &header, &body).expect("written");
}

#[test]
fn snapshots_and_cursors_are_judged_too() {
    let data = Data { home: directory() };
    let mut writer = Writer::open(&data.shard(), 0, 1);
    writer.write(INPUTS);
    make_snapshot(&data, &writer.core);
    let at = |sink: &str, seq| {
        let path = cursor::path_of(&data.shard(), sink);
        let mut cursor = Cursor::open(&path).expect("a cursor");
        cursor.set(Position::new(seq, 0)).expect("written");
        path
    };
    at("store", 25);
    says(&data.journal("verify", &[]), 0, &[]);
    let info = data.journal("info", &[]);
    assert!(info.out.contains("store at event 25.0 · "), "{}", info.out);
    assert!(info.out.contains(" · intact · state "), "{}", info.out);
    // The state at the snapshot's seq is compared, besides the digests.
    let replay = data.ask(&["replay"], &["--verify"]);
    assert!(replay.out.contains("and 7 states"), "{}\n{}", replay.out, replay.err);

    let ahead = at("bus", INPUTS + 1);
    says(&data.journal("verify", &[]), 1, &["JRN008", "cursor-bus is at event 61.0"]);
    fs::write(&ahead, [1; 8192]).expect("written");
    says(&data.journal("verify", &[]), 1, &["JRN008", "cursor-bus is damaged"]);
    fs::remove_file(ahead).expect("removed");

    let path = snapshot::path_of(&data.shard(), INPUTS);
    let mut bytes = fs::read(&path).expect("a snapshot");
    bytes[BLOCK as usize + 9] ^= 1;
    fs::write(&path, &bytes).expect("written");
    says(&data.journal("verify", &[]), 1, &["JRN010", "wrong checksum"]);
    assert!(data.journal("info", &[]).out.contains("snapshot-60 is damaged: wrong checksum"));
    // Nothing is lost: the journal is whole from its beginning.
    says(&data.ask(&["replay"], &["--verify"]), 0, &[]);
}

#[test]
fn a_journal_without_its_beginning_is_replayed_from_its_snapshot() {
    let data = Data { home: directory() };
    let mut writer = Writer::open(&data.shard(), 0, 1);
    writer.write(INPUTS);
    make_snapshot(&data, &writer.core);
    let whole = data.ask(&["replay"], &["--json"]);
    fs::remove_file(data.segment(1)).expect("removed");
    says(&data.journal("verify", &[]), 0, &[]);
    let replay = data.ask(&["replay"], &["--json", "--verify"]);
    let hash = |ended: &Ended| {
        let replay: Value = serde_json::from_str(&ended.out).expect("JSON");
        replay["shards"][0]["state_hash"].clone()
    };
    assert_eq!(hash(&replay), hash(&whole), "{}", replay.err);
    says(&data.ask(&["replay"], &["--to-seq", "5"]), 74, &["JRN014", "before seq 5"]);
    says(&data.journal("dump", &["--to-seq", "5"]), 0, &[]);
    fs::remove_file(snapshot::path_of(&data.shard(), INPUTS)).expect("removed");
    says(&data.journal("verify", &[]), 1, &["JRN014"]);
    says(&data.ask(&["replay"], &[]), 74, &["JRN014"]);
}

#[test]
fn the_first_difference_of_a_replay_is_named_with_both_sides() {
    let data = Data::with(|writer| {
        writer.false_event = 25;
        writer.write(INPUTS);
    });
    let replay = data.ask(&["replay"], &["--verify"]);
    says(&replay, 1, &["JRN011", "seq 25, event 0", "\"oid\":126", "\"oid\":125"]);
    says(&data.ask(&["replay"], &[]), 0, &[]);
    let data = Data::with(|writer| {
        writer.false_check = 30;
        writer.write(INPUTS);
    });
    says(&data.ask(&["replay"], &[]), 1, &["JRN011", "seq 30", "digest"]);
    says(&data.ask(&["replay"], &["--to-seq", "29", "--verify"]), 0, &[]);
    says(&data.ask(&["replay"], &["--to-seq", "99"]), 1, &["JRN011"]);
    says(&Data::sample().ask(&["replay"], &["--to-seq", "99"]), 1, &["JRN015", "--to-seq 60"]);
}

#[test]
fn two_journals_are_compared_by_what_they_say() {
    let (one, other) = (Data::sample(), Data::with(|writer| writer.write(20)));
    let (a, b) = (one.shard(), other.shard());
    let longer = run(&["journal", "diff", arg(&a), arg(&b)]);
    says(&longer, 1, &["A goes on at seq 21"]);
    let line: Value = serde_json::from_str(&longer.out).expect("one line of JSON");
    assert_eq!((&line["a"]["seq"], &line["b"]), (&21.into(), &Value::Null));
    let prefix = run(&["journal", "diff", arg(&b), arg(&a), "--prefix"]);
    says(&prefix, 0, &["B goes on at seq 21"]);
    let lying = Data::with(|writer| {
        writer.false_event = 25;
        writer.write(INPUTS);
    });
    let differ = run(&["journal", "diff", arg(&a), arg(&lying.shard())]);
    says(&differ, 1, &["they differ at seq 25"]);
    let line: Value = serde_json::from_str(&differ.out).expect("one line of JSON");
    assert_eq!((&line["a"]["oid"], &line["b"]["oid"]), (&125.into(), &126.into()));
}

/// A record of the Go engine.
fn frame(payload: &[u8]) -> Vec<u8> {
    let crc = !payload.iter().fold(!0_u32, |crc, byte| {
        let fold = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        (0..8).fold(crc ^ u32::from(*byte), fold)
    });
    [&(payload.len() as u32).to_le_bytes()[..], &crc.to_le_bytes(), payload].concat()
}

#[test]
fn files_of_gopherex_are_read() {
    let dir = directory();
    let mut event = vec![1, 5];
    event.extend(7_u64.to_le_bytes());
    event.extend(2_u16.to_le_bytes());
    for field in [11, 12, 13, 14, 15_u64] {
        event.extend(field.to_le_bytes());
    }
    event.extend((-100_i64).to_le_bytes());
    event.extend(3_i64.to_le_bytes());
    assert_eq!(event.len(), 68);
    let mut command = vec![1, 2];
    for field in [8, 21, 22, 23, 24_u64] {
        command.extend(field.to_le_bytes());
    }
    command.push(2);
    for field in [50, 60, 70_u64] {
        command.extend(field.to_le_bytes());
    }
    assert_eq!(command.len(), 67);
    let good = [frame(b"{\"v\":1,\n\"seq\":9}"), frame(&event), frame(&command)].concat();
    let path = dir.path().join("BTCUSDT.ev.wal");
    let dump = |bytes: &[u8], path: &Path| {
        fs::write(dir.path().join("BTCUSDT.ev.wal"), bytes).expect("written");
        run(&["journal", "dump", "--format", "gopherex", arg(path)])
    };
    for (cut, torn) in [(0, ""), (5, "ends inside a record at byte")] {
        let ended = dump(&[&good[..], &frame(b"[]")[..cut]].concat(), &path);
        says(&ended, 0, &[torn]);
        let lines = lines(&ended);
        assert_eq!(lines.len(), 3);
        assert_eq!((&lines[0]["json"]["seq"], &lines[0]["off"]), (&9.into(), &0.into()));
        let event = &lines[1]["event"];
        assert_eq!(
            (&event["type"], &event["seq"], &event["idx"]),
            (&"trade".into(), &7.into(), &2.into())
        );
        assert_eq!(
            (&event["maker"], &event["px"], &event["qty"]),
            (&14.into(), &(-100).into(), &3.into())
        );
        let command = &lines[2]["command"];
        assert_eq!((&command["type"], &command["side"]), (&"cancel".into(), &"sell".into()));
        assert_eq!((&command["px"], &command["cancel_order_id"]), (&50.into(), &70.into()));
    }
    let mut bad = good.clone();
    bad[30] ^= 1;
    let ended = dump(&bad, dir.path());
    says(&ended, 1, &["JRN016", "1 records have a wrong checksum"]);
    assert_eq!(lines(&ended)[1]["crc_ok"], false);
    let huge = [&good[..], &[0xFF; 40]].concat();
    says(&dump(&huge, &path), 1, &["JRN016", &format!("at byte {}", good.len())]);
    let strange = [&good[..], &frame(b"\x07abc")].concat();
    says(&dump(&strange, &path), 1, &["JRN016", "4 bytes that is neither JSON nor known"]);
    says(&run(&["journal", "dump", "--format", "gopherex", "/nowhere"]), 74, &["JRN001"]);
}

#[test]
fn a_journal_at_work_is_followed_verified_and_not_cut() {
    let market = Market::start(&["--seed", "33", "--traders", "10"]);
    let home = Home::new(1, &follow(&market, "", "timeout = \"2s\"\nstatus_grace = \"1s\""));
    let mut node = home.run();
    node.out.wait(&mut 0, "first signal", |_| true);
    let shard = home.data().join("shard-0");
    let args = ["journal", "dump", arg(&shard), "--follow"];
    let mut child = corelane(&home.data(), &args).spawn().expect("the binary starts");
    let mut out = child.stdout.take().expect("it was piped");
    // The node goes on: signals that come from now on are seen.
    let mut seen = node.out.count();
    node.out.wait(&mut seen, "signal", |_| true);
    let mut text = Vec::new();
    let signals = |text: &[u8]| String::from_utf8_lossy(text).matches("\"signal\"").count();
    while signals(&text) < 3 {
        let mut some = [0; 4096];
        let read = std::io::Read::read(&mut out, &mut some).expect("it goes on");
        assert!(read > 0, "it ended: {}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&some[..read]);
    }
    says(&run(&["journal", "verify", arg(&home.data())]), 0, &[]);
    let cut = ["journal", "truncate", arg(&shard), "--at-seq", "3", "--yes"];
    says(&run(&cut), 73, &["JRN006", &format!("pid {} ", node.pid())]);
    drop(out);
    rustix::process::kill_process(pid(&child), Signal::INT).expect("it runs and is ours");
    assert_eq!(finish(child).code, Some(0));
    node.ends_well();
    says(&run(&["replay", arg(&home.data()), "--verify"]), 0, &[]);
}

#[test]
fn a_data_directory_is_written_for_another_number_of_shards() {
    let home = directory();
    let data = home.path().join("data");
    for shard in 0..2 {
        let dir = data.join(format!("shard-{shard}"));
        let mut writer = Writer::open(&dir, shard, 2);
        // Each account is in one shard only.
        if shard == shards::shard_of(&Address([7; 20]), 2).0 {
            writer.write(INPUTS);
        } else {
            writer.apply(&Input::Policy(Policy { emit: Emit::Frame, ..Policy::default() }));
            writer.flush();
        }
    }
    fs::write(data.join("corelane.db"), "signals").expect("written");
    let old = run(&["replay", arg(&data), "--json"]);
    let reshard = |more: &[&str]| run(&[&["journal", "reshard", arg(&data)], more].concat());
    says(&reshard(&["--to", "2", "--dry-run"]), 1, &["JRN017", "has 2 shards already"]);
    says(&reshard(&["--to", "3"]), 2, &["JRN009", "--yes"]);
    // A sink that has not taken all keeps the events from being left behind.
    let busy = data.join(format!("shard-{}", shards::shard_of(&Address([7; 20]), 2).0));
    let mut cursor = Cursor::open(&cursor::path_of(&busy, "store")).expect("a cursor");
    cursor.set(Position::new(25, 0)).expect("written");
    says(&reshard(&["--to", "3", "--yes"]), 1, &["JRN017", "sink store is at event 25.0"]);
    cursor.set(Position::new(59, 0)).expect("written");
    says(&reshard(&["--to", "3", "--dry-run"]), 0, &["2 shards to 3: 1 accounts", "seq 61"]);
    let written = reshard(&["--to", "3", "--yes"]);
    let new = home.path().join("data.resharded");
    says(&written, 0, &["node.shards = 3", "undo:"]);
    assert_eq!(written.out, format!("{}\n", new.display()));
    says(&run(&["journal", "verify", arg(&new)]), 0, &[]);
    assert_eq!(fs::read_to_string(new.join("corelane.db")).expect("copied"), "signals");
    let totals = |ended: &Ended| {
        let replay: Value = serde_json::from_str(&ended.out).expect("JSON");
        let shards = replay["shards"].as_array().expect("shards");
        let fills: u64 = shards.iter().filter_map(|shard| shard["fills"].as_u64()).sum();
        (shards.len(), fills)
    };
    let replay = run(&["replay", arg(&new), "--json"]);
    assert_eq!((totals(&old).0, totals(&replay)), (2, (3, totals(&old).1)));
    let info = run(&["journal", "info", arg(&new)]);
    assert!(info.out.contains("shard 2 of 3"), "{}", info.out);
    says(&reshard(&["--to", "3", "--yes"]), 73, &["DIR001"]);
}
