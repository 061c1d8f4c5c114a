//! A node that is killed, and what the next one finds in its data directory: nothing is lost, nothing is told in two
//! ways, and what cannot be right is refused before anything is changed.

mod common;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use common::ending::{all_followed, finish, take_rest};
use common::market::Market;
use common::node::{Home, contents, follow, follow_at, silent_addr, source};
use common::sums::Signals;

/// Bytes of a journal block: every batch begins on one and fills whole ones.
const BLOCK_BYTES: usize = 4096;

/// Time-outs that a test can wait for: orders that the exchange never ends are signalled by them.
const SHORT: &str = "timeout = \"2s\"\nstatus_grace = \"1s\"";

/// When a node is killed.
#[derive(Debug)]
enum Moment {
    /// After so many lines of talk: in its start, while it opens journals, connects and subscribes.
    Talk(u64),
    /// After so many signals of its own.
    Signals(u64),
}

/// The next moment of a seed (splitmix64): one time in three, unless `is_late`, before the first signals.
fn moment(seed: &mut u64, is_late: bool) -> Moment {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let draw = (mixed ^ (mixed >> 31)) >> 8;
    match draw % 3 {
        0 if !is_late => Moment::Talk(1 + draw / 3 % 40),
        _ => Moment::Signals(1 + draw / 3 % 60),
    }
}

#[test]
fn kill_9_at_any_moment_loses_nothing_and_tells_nothing_in_two_ways() {
    let kills = std::env::var("CORELANE_KILLS").ok().and_then(|text| text.parse().ok());
    let seed = std::env::var("CORELANE_SEED").ok().and_then(|text| text.parse().ok());
    let (kills, mut seed): (u32, u64) = (kills.unwrap_or(20), seed.unwrap_or(20_261_117));
    let market_seed = seed.to_string();
    let market = Market::start(&["--seed", &market_seed, "--traders", "20", "--faults"]);
    let home = Home::following(&market, "", SHORT);
    let mut signals = Signals::default();
    for kill in 0..kills {
        let mut node = home.run();
        if kill == 0 {
            // An account's signals begin where its first snapshot was journaled. The simulator counts from the first
            // one that it sent, so the first kill must come after both.
            all_followed(&node, market.addresses().len());
        }
        let (moment, mut seen) = (moment(&mut seed, kill == 0), 0);
        eprintln!("kill at {moment:?}");
        let (stream, mut cursor, wanted) = match moment {
            Moment::Talk(lines) => (&node.err, 0, lines),
            Moment::Signals(lines) => (&node.out, node.out.count(), lines),
        };
        stream.wait(&mut cursor, "moment to kill", |_| {
            seen += 1;
            seen == wanted
        });
        node.kill();
        take_rest(&node, 0, &mut signals);
    }
    let truth = finish(&home, &market, &mut signals).0;
    assert!(truth.len() > 20, "{} legs are no test", truth.len());
    eprintln!("{} signals of {} legs, {} repeated", signals.len(), truth.len(), signals.repeated);
    assert_eq!(signals.gaps, [""; 0], "everything could be fetched");
}

/// Follows an account at a server that is not there: such a node runs, and says nothing.
fn lonely() -> String {
    let addr = silent_addr();
    let source = source(&format!("ws://{addr}/ws"), &format!("http://{addr}/info"));
    follow_at(&["0x00000000000000000000000000000000000000aa".to_owned()], &source, "", SHORT)
}

#[test]
fn a_second_node_on_the_same_data_is_refused_and_told_by_whom() {
    let home = Home::new(2, &lonely());
    let mut first = home.run();
    first.err.wait_for("running");
    let said = home.run().ends_with(73);
    assert!(said.contains("JRN006") && said.contains(&format!("pid {} ", first.pid())), "{said}");
    // Neither the refusal nor a kill leaves the directory locked.
    first.kill();
    let mut third = home.run();
    third.err.wait_for("running");
    third.ends_well();
}

#[test]
fn another_number_of_shards_is_refused_and_the_right_one_named() {
    let home = Home::new(2, &lonely());
    let mut node = home.run();
    node.err.wait_for("running");
    node.ends_well();
    let before = ["shard-0", "shard-1"].map(|shard| contents(&home.data().join(shard)));
    home.configure(3, &lonely());
    let said = home.run().ends_with(78);
    assert!(said.contains("JRN002") && said.contains("node.shards = 2"), "{said}");
    let after = ["shard-0", "shard-1"].map(|shard| contents(&home.data().join(shard)));
    assert!(before == after, "a refusal changes no journal");
    assert!(!home.data().join("shard-2").exists(), "and makes none: a reshard is what comes next");
    home.configure(2, &lonely());
    let mut node = home.run();
    node.err.wait_for("running");
    node.ends_well();
}

#[test]
fn a_shard_whose_journal_is_gone_is_not_begun_anew() {
    let home = Home::new(2, &lonely());
    let mut node = home.run();
    node.err.wait_for("running");
    node.ends_well();
    // A mount that is missing, a copy that was not brought back whole.
    let (gone, aside) = (home.data().join("shard-1"), home.data().join("aside"));
    fs::rename(&gone, &aside).expect("renamed");
    for _ in 0..2 {
        let said = home.run().ends_with(74);
        assert!(
            said.contains("JRN005") && said.contains("shard-1/superblock is missing"),
            "{said}"
        );
    }
    fs::rename(&aside, &gone).expect("renamed");
    let mut node = home.run();
    node.err.wait_for("running");
    node.ends_well();
}

/// A node with one shard that has followed a market for a while and was stopped in good order.
fn journaled(market: &Market) -> (Home, Signals) {
    let home = Home::new(1, &follow(market, "", SHORT));
    let mut node = home.run();
    let (mut signals, mut cursor) = (Signals::default(), 0);
    node.out.wait(&mut cursor, "tenth signal", |line| {
        signals.take(line);
        signals.len() == 10
    });
    node.ends_well();
    take_rest(&node, cursor, &mut signals);
    (home, signals)
}

/// Where a batch stands: its segment, and its offset there.
struct Place {
    segment: PathBuf,
    offset: u64,
}

impl Place {
    /// Writes over some bytes of the batch.
    fn write(&self, at: u64, bytes: &[u8]) {
        let file = OpenOptions::new().write(true).open(&self.segment).expect("a segment");
        file.write_all_at(bytes, self.offset + at).expect("written");
    }

    /// Its bytes.
    fn read(&self) -> Vec<u8> {
        let file = fs::File::open(&self.segment).expect("a segment");
        let mut bytes = vec![0; BLOCK_BYTES];
        file.read_exact_at(&mut bytes, self.offset).expect("a whole block");
        bytes
    }
}

/// The batches of a journal, in order: every block that begins like one.
fn batches(shard: &Path) -> Vec<Place> {
    let mut found = Vec::new();
    for (segment, bytes) in contents(shard) {
        if segment.extension().is_none_or(|extension| extension != "journal") {
            continue;
        }
        for (at, block) in bytes.chunks(BLOCK_BYTES).enumerate() {
            if block.starts_with(b"CLJB") {
                let offset = (at * BLOCK_BYTES) as u64;
                found.push(Place { segment: segment.clone(), offset });
            }
        }
    }
    found
}

#[test]
fn a_flipped_byte_before_acknowledged_batches_is_refused_and_nothing_is_changed() {
    let market = Market::start(&["--seed", "31", "--traders", "10"]);
    let (home, mut signals) = journaled(&market);
    let shard = home.data().join("shard-0");
    let batches = batches(&shard);
    assert!(batches.len() > 8, "{} batches", batches.len());
    let damaged = &batches[batches.len() / 2];
    let byte = damaged.read()[100];
    damaged.write(100, &[byte ^ 0x10]);
    let before = contents(&shard);
    let said = home.run().ends_with(74);
    let place = format!("byte {}", damaged.offset);
    let segment = damaged.segment.display().to_string();
    for part in ["JRN005", &place, &segment, "nothing was changed"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(contents(&shard) == before, "the journal was changed");
    // With the byte as it was, it goes on as if nothing had been.
    damaged.write(100, &[byte]);
    finish(&home, &market, &mut signals);
}

#[test]
fn a_tail_that_is_cut_off_is_said_and_it_goes_on() {
    let market = Market::start(&["--seed", "32", "--traders", "10"]);
    let (home, mut signals) = journaled(&market);
    let batches = batches(&home.data().join("shard-0"));
    let last = batches.last().expect("there are batches");
    // The write of the last batch got as far as the middle of its header.
    last.write(16, &[0; BLOCK_BYTES - 16]);
    let said = finish(&home, &market, &mut signals).1;
    let place = format!("{} ended inside a batch at byte {}", last.segment.display(), last.offset);
    assert!(said.contains("JRN004") && said.contains(&place), "{place}: {said}");
}

#[test]
fn a_stop_before_the_first_connection_is_an_end() {
    let market = Market::start(&["--seed", "35", "--traders", "10"]);
    for _ in 0..5 {
        let home = Home::following(&market, "", SHORT);
        let mut node = home.run();
        node.err.wait_for("running");
        // Accounts are about to be followed: none may be, now.
        node.ends_well();
    }
}

#[test]
fn a_refused_start_leaves_every_shard_as_it_was() {
    let market = Market::start(&["--seed", "34", "--traders", "10"]);
    let home = Home::new(3, &follow(&market, "", SHORT));
    let mut node = home.run();
    let mut cursor = 0;
    (0..20).for_each(|_| node.out.wait(&mut cursor, "signal", |_| true));
    node.ends_well();
    let shards = [0, 1, 2].map(|shard| home.data().join(format!("shard-{shard}")));
    let all = || shards.iter().map(|shard| contents(shard)).collect::<Vec<_>>();
    // One shard's journal loses its end: its sinks have acknowledged more than is left.
    let damaged = shards.iter().max_by_key(|shard| batches(shard).len()).expect("three");
    let good = contents(damaged);
    for batch in &batches(damaged)[4..] {
        batch.write(0, &[0; BLOCK_BYTES]);
    }
    let before = all();
    for _ in 0..3 {
        let said = home.run().ends_with(74);
        assert!(said.contains("JRN00"), "{said}");
        assert!(all() == before, "a refusal changes nothing, in no shard: {said}");
    }
    // Put back, bit for bit, it is whole.
    for (path, bytes) in &good {
        fs::write(path, bytes).expect("written");
    }
    let mut node = home.run();
    node.err.wait_for("running");
    node.ends_well();
    // A cursor that cannot be read is found before anything is opened, too.
    let cursor = damaged.join("cursor-store");
    fs::write(&cursor, [7; 8192]).expect("written");
    let before = all();
    let said = home.run().ends_with(74);
    assert!(said.contains("JRN008") && all() == before, "{said}");
    fs::remove_file(&cursor).expect("removed");
    // And a segment from the middle.
    let hole = damaged.join("000002.journal");
    fs::remove_file(&hole).expect("removed");
    let before = all();
    let said = home.run().ends_with(74);
    assert!(said.contains("JRN005") && said.contains("000003.journal is there"), "{said}");
    assert!(all() == before, "{said}");
}
