//! `corelane journal` and `corelane replay`: what the tests share, and a journal that is whole.

mod compare;
mod damage;
mod gopherex;
mod node;
mod outside;

use std::fs::{self, OpenOptions};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use persist::{Journal, Options, segment};
use serde_json::Value;
use shards::codec::{encode_event, encode_input, event_kind, input_kind};
use shards::fill::Dir;
use shards::input::Emit;
use shards::{
    Address, Core, Decimal, Effects, Event, Fill, Input, Origin, Policy, Request, Side, StartFrom,
};
use tempfile::TempDir;

use super::{Ended, corelane, directory, finish};

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
            _ if seq.is_multiple_of(10) => {
                let lie = u64::from(self.false_check == seq);
                self.apply(&Input::Check { digest: self.core.digest() ^ lie });
            }
            _ if seq.is_multiple_of(2) => self.apply(&Input::Tick),
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
struct Sample {
    home: TempDir,
}

impl Sample {
    fn whole() -> Sample {
        Sample::with(|writer| writer.write(INPUTS))
    }

    fn with(write: impl FnOnce(&mut Writer)) -> Sample {
        let data = Sample { home: directory() };
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
fn place_of(data: &Sample, seq: u64) -> (u64, u64) {
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
    let data = Sample::whole();
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
fn every_verb_of_journal_has_an_example() {
    for verb in ["info", "dump", "verify", "diff", "truncate", "reshard"] {
        let help = run(&["journal", verb, "--help"]);
        says(&help, 0, &[]);
        let example = format!("\n  corelane journal {verb} /");
        assert!(help.out.contains(&example), "{verb}: {}", help.out);
    }
    says(&run(&["journal"]), 2, &["verify"]);
    says(&run(&["journal", "truncate", "/x"]), 2, &["--at-seq"]);
}
