//! The whole monitor for a while: accounts over several source addresses, inside the venue's own limits, with every fault
//! that the simulator can make, a restart, a `kill -9`, and accounts that come and go. At the end every leg's size and
//! notional are the truth's, on standard output and in the database.
//!
//! | variable | what it says | default |
//! |---|---|---|
//! | `CORELANE_SOAK_SECONDS` | how long the market is open | 20 |
//! | `CORELANE_SOAK_ACCOUNTS` | accounts, eight to a source address | 40 |
//! | `CORELANE_SEED` | the market | 20261121 |
//!
//! `CORELANE_SOAK_SECONDS=3600 cargo test --release -p runtime --test monitor_soak -- --nocapture` is the hour.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::exchange::Exchange;
use common::market::Market;
use common::node::{Home, follow_at};
use common::program::Program;
use common::sums::{LegSums, Signals};
use serde_json::Value;
use tempfile::TempDir;

/// Accounts at one source address: fewer than the ten that the venue allows.
const PER_ADDRESS: usize = 8;

/// Accounts that come and go.
const GUESTS: usize = 4;

/// Time-outs that a test can wait for: orders that the exchange never ends are signalled by them.
const SHORT: &str = "timeout = \"2s\"\nstatus_grace = \"1s\"";

/// A number that the one who runs the test may set.
fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// A market, a node that follows it, and what that has told.
struct Soak {
    market: Market,
    home: Home,
    /// Accounts that stay from the beginning to the end.
    stable: BTreeSet<String>,
    /// Accounts that come and go, and the file that names them while they are there.
    guests: Vec<String>,
    list: PathBuf,
    there: usize,
    _dir: TempDir,
    signals: Signals,
    /// Signals of guests.
    of_guests: usize,
}

impl Soak {
    fn begin(accounts: usize, seed: u64) -> Soak {
        let market = Market::start_limited(&[
            "--seed",
            &seed.to_string(),
            "--traders",
            &(accounts + GUESTS).to_string(),
            "--faults",
            "--users-per-ip",
            &PER_ADDRESS.to_string(),
        ]);
        let dir = tempfile::tempdir().expect("a directory");
        let list = dir.path().join("guests.csv");
        fs::write(&list, "# nobody\n").expect("written");
        let (stable, guests) = market.addresses().split_at(accounts);
        let config = config(&market, stable, &list);
        Soak {
            home: Home::new(2, &config),
            stable: stable.iter().cloned().collect(),
            guests: guests.to_vec(),
            list,
            there: 0,
            _dir: dir,
            signals: Signals::default(),
            of_guests: 0,
            market,
        }
    }

    fn take(&mut self, line: &str) {
        let signal: Value = serde_json::from_str(line).expect("a line is JSON");
        match self.stable.contains(signal["address"].as_str().expect("an address")) {
            true => self.signals.take(line),
            false => self.of_guests += 1,
        }
    }

    /// Starts the node, and waits until it follows all that stay.
    #[track_caller]
    fn run(&self) -> Program {
        let node = self.home.run();
        let mut followed = BTreeSet::new();
        node.err.wait(&mut 0, "account that is followed", |line| {
            followed.extend(
                followed_in(line)
                    .filter(|account| self.stable.contains(*account))
                    .map(str::to_owned),
            );
            followed.len() == self.stable.len()
        });
        node
    }

    /// Takes what a node says until a moment has come.
    #[track_caller]
    fn take_until(&mut self, node: &Program, cursor: &mut usize, moment: Instant) {
        node.out.wait(cursor, "signal", |line| {
            self.take(line);
            Instant::now() >= moment
        });
    }

    /// Takes what a node that has ended said to its end.
    fn take_rest(&mut self, node: &Program, cursor: usize) {
        node.out.to_end().lines().skip(cursor).for_each(|line| self.take(line));
    }

    /// Lets so many guests be there, one number after the other, until a moment.
    #[track_caller]
    fn visits(&mut self, node: &Program, cursor: &mut usize, until: Instant, counts: &[usize]) {
        let pause = until.saturating_duration_since(Instant::now()) / counts.len() as u32;
        let mut talk = node.err.count();
        for &count in counts {
            let there = std::mem::replace(&mut self.there, count);
            let names: Vec<String> =
                self.guests[..count].iter().map(|guest| guest.to_uppercase()).collect();
            let text = names.join("\n").replace("0X", "0x") + "\n# end\n";
            fs::write(&self.list, text).expect("written");
            let word = if count > there { "followed address=" } else { "followed no longer" };
            let (mut changed, guests) = (BTreeSet::new(), &self.guests);
            node.err.wait(&mut talk, word, |line| {
                changed.extend(guests.iter().filter(|g| line.contains(word) && line.contains(*g)));
                changed.len() == count.abs_diff(there)
            });
            self.take_until(node, cursor, Instant::now() + pause);
        }
    }

    /// Legs of the accounts that stay.
    fn stable_legs(&self, mut sums: LegSums) -> LegSums {
        sums.retain(|account| self.stable.contains(account));
        sums
    }

    /// Starts the node once more, ends the market, and waits until standard output has told the whole truth of those that
    /// stay; the database must tell it too.
    #[track_caller]
    fn finish(&mut self) -> LegSums {
        let mut node = self.run();
        let mut cursor = 0;
        self.take_until(&node, &mut cursor, Instant::now());
        self.market.stop_trading();
        let truth = self.stable_legs(self.market.truth());
        if self.signals.sums != truth {
            let told = node.out.try_wait(&mut cursor, |line| {
                self.take(line);
                self.signals.sums == truth
            });
            if let Err(why) = told {
                self.signals.sums.assert_equals(&truth, &why);
            }
        }
        node.ends_well();
        self.take_rest(&node, cursor);
        self.signals.sums.assert_equals(&truth, "standard output");
        let rows = self.stable_legs(LegSums::of_database(&self.home.database()));
        rows.assert_equals(&truth, "the database");
        truth
    }
}

/// Accounts at a market, over as many source addresses of this host as they and the guests need, each within the venue's
/// usual limits.
fn config(market: &Market, stable: &[String], list: &Path) -> String {
    let addresses = (stable.len() + GUESTS).div_ceil(PER_ADDRESS);
    let addrs: Vec<String> = (0..addresses).map(|n| format!("127.0.1.{}", n + 1)).collect();
    format!(
        "[monitor]\naddresses = {stable:?}\nusers_per_connection = 4\naddresses_file = \"{}\"\n\
         reload_interval = \"1s\"\nremove_grace = \"0s\"\n\n\
         [[source]]\nws_url = \"{}\"\ninfo_url = \"{}\"\nlocal_addrs = {addrs:?}\n\
         users_per_ip = {PER_ADDRESS}\n\n[aggregation]\n{SHORT}\n",
        list.display(),
        market.ws_url(),
        market.info_url(),
    )
}

/// The account that a line of the log says is followed.
fn followed_in(line: &str) -> impl Iterator<Item = &str> {
    line.split_once("followed address=").map(|(_, account)| account.trim()).into_iter()
}

/// Resident memory of a process, in KiB.
fn resident_kib(node: &Program) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.pid())).expect("procfs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line of VmRSS");
    line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number")
}

#[test]
fn every_fault_a_restart_and_a_kill_change_nothing_of_the_truth() {
    let time = Duration::from_secs(setting("CORELANE_SOAK_SECONDS", 20));
    let accounts = setting("CORELANE_SOAK_ACCOUNTS", 40) as usize;
    let mut soak = Soak::begin(accounts, setting("CORELANE_SEED", 20_261_121));
    let opened = Instant::now();
    // An orderly restart, a kill, a kill while guests are there; then the rest in one go.
    for (part, kills, guests) in [(1, false, None), (2, true, None), (3, true, Some(GUESTS))] {
        let mut node = soak.run();
        let mut cursor = 0;
        let end = opened + time * part / 6;
        match guests {
            Some(guests) => soak.visits(&node, &mut cursor, end, &[guests]),
            None => soak.take_until(&node, &mut cursor, end),
        }
        match kills {
            true => node.kill(),
            false => drop(node.ends_well()),
        }
        soak.take_rest(&node, cursor);
    }
    let mut node = soak.run();
    let mut cursor = 0;
    soak.visits(&node, &mut cursor, opened + time * 5 / 6, &[GUESTS / 2, GUESTS, 0]);
    let warm_kib = resident_kib(&node);
    soak.take_until(&node, &mut cursor, opened + time);
    let end_kib = resident_kib(&node);
    node.ends_well();
    soak.take_rest(&node, cursor);

    let truth = soak.finish();
    let (stats, signals) = (soak.market.stats(), &soak.signals);
    eprintln!(
        "{accounts} accounts, {:?}: {} fills, {} legs, {} signals, {} repeated, {} of guests, \
         {} requests refused; resident {warm_kib} KiB, then {end_kib} KiB; faults {:?}",
        opened.elapsed(),
        stats.fills,
        truth.len(),
        signals.len(),
        signals.repeated,
        soak.of_guests,
        stats.refused,
        stats.faults,
    );
    assert!(truth.len() > accounts, "{} legs are no test", truth.len());
    assert!(soak.of_guests > 0, "nobody saw the guests");
    assert_eq!(signals.gaps, [""; 0], "everything could be fetched");
    // Where another program on the address used up a budget, refusals are the fault that was asked for.
    let others = stats.faults.keys().any(|fault| fault.starts_with("others_hold"));
    assert!(others || stats.refused == 0, "a limit was met: {stats:?}");
    if time >= Duration::from_secs(600) {
        assert!(end_kib < warm_kib + warm_kib / 5, "{warm_kib} KiB became {end_kib} KiB");
    }
}

/// Half an exchange's death: the connection stays open, and nothing comes any more. The watchdog takes half a minute to
/// notice, so this runs only where a minute is given.
#[test]
fn a_connection_that_falls_silent_is_given_up_and_the_others_are_not() {
    if setting("CORELANE_SOAK_SECONDS", 20) < 60 {
        eprintln!("skipped: the watchdog takes 30 s (CORELANE_SOAK_SECONDS=60)");
        return;
    }
    let exchange = Exchange::open();
    let accounts = ["a1", "b2"].map(|end| format!("0x{}{end}", "0".repeat(38)));
    let monitor = "users_per_connection = 1";
    let home = Home::new(1, &follow_at(&accounts, &exchange.source(), monitor, SHORT));
    let mut node = home.run();
    for account in &accounts {
        node.err.wait_for(&format!("followed address={account}"));
    }
    let [silent, other] = accounts.each_ref().map(|account| exchange.line_of(account));
    exchange.mute(silent);
    let mut talk = node.err.count();
    node.err.wait(&mut talk, "watchdog", |line| line.contains("nothing received for"));
    let again = format!("followed address={}", accounts[0]);
    node.err.wait(&mut talk, &again, |line| line.contains(&again));
    assert_eq!(exchange.line_of(&accounts[1]), other, "pings were answered there");
    let said = node.ends_well();
    assert_eq!(said.matches("connection lost").count(), 1, "{said}");
}
