//! The whole monitor for a while: accounts over several source addresses, inside the venue's own limits, with every fault
//! that the simulator can make, a restart, a `kill -9`, and accounts that come and go. At the end every leg's size and
//! notional are the truth's, on standard output and in the database, and no limit was ever met.
//!
//! | variable | what it says | default |
//! |---|---|---|
//! | `CORELANE_SOAK_SECONDS` | how long the market is open | 20 |
//! | `CORELANE_SOAK_ACCOUNTS` | accounts, eight to a source address | 40 |
//! | `CORELANE_SEED` | the market | 20261121 |
//!
//! `CORELANE_SOAK_SECONDS=3600 cargo test --release -p runtime --test monitor_soak -- --nocapture` is the hour.

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::ending::{all_followed, finish, take_rest};
use common::market::Market;
use common::node::Home;
use common::program::Program;
use common::sums::Signals;

/// Accounts at one source address: fewer than the ten that the venue allows.
const PER_ADDRESS: usize = 8;

/// Time-outs that a test can wait for: orders that the exchange never ends are signalled by them.
const SHORT: &str = "timeout = \"2s\"\nstatus_grace = \"1s\"";

/// A number that the one who runs the test may set.
fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Accounts at a market, over as many source addresses of this host as they need, each within the venue's usual limits.
fn config(market: &Market, accounts: &[String]) -> String {
    let addresses = accounts.len().div_ceil(PER_ADDRESS);
    let addrs: Vec<String> = (0..addresses).map(|n| format!("127.0.1.{}", n + 1)).collect();
    format!(
        "[monitor]\naddresses = {accounts:?}\nusers_per_connection = 4\n\n\
         [[source]]\nws_url = \"{}\"\ninfo_url = \"{}\"\nlocal_addrs = {addrs:?}\n\
         users_per_ip = {PER_ADDRESS}\n\n[aggregation]\n{SHORT}\n",
        market.ws_url(),
        market.info_url(),
    )
}

/// Resident memory of a process, in KiB.
fn resident_kib(node: &Program) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.pid())).expect("procfs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line of VmRSS");
    line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number")
}

/// Takes what a node says until a moment has come.
#[track_caller]
fn take_until(node: &Program, cursor: &mut usize, moment: Instant, signals: &mut Signals) {
    node.out.wait(cursor, "signal", |line| {
        signals.take(line);
        Instant::now() >= moment
    });
}

#[test]
fn every_fault_a_restart_and_a_kill_change_nothing_of_the_truth() {
    let time = Duration::from_secs(setting("CORELANE_SOAK_SECONDS", 20));
    let accounts = setting("CORELANE_SOAK_ACCOUNTS", 40) as usize;
    let seed = setting("CORELANE_SEED", 20_261_121);
    let users = PER_ADDRESS.to_string();
    let market = Market::start_limited(&[
        "--seed",
        &seed.to_string(),
        "--traders",
        &accounts.to_string(),
        "--faults",
        "--users-per-ip",
        &users,
    ]);
    let home = Home::new(2, &config(&market, market.addresses()));
    let mut signals = Signals::default();
    let opened = Instant::now();

    // A quarter of the time, an orderly restart; a quarter, a kill; then the rest in one go.
    for (quarter, kills) in [(1, false), (2, true)] {
        let mut node = home.run();
        let mut cursor = 0;
        all_followed(&node, accounts);
        take_until(&node, &mut cursor, opened + time * quarter / 4, &mut signals);
        match kills {
            true => node.kill(),
            false => drop(node.ends_well()),
        }
        take_rest(&node, cursor, &mut signals);
    }
    let mut node = home.run();
    let mut cursor = 0;
    all_followed(&node, accounts);
    take_until(&node, &mut cursor, opened + time * 3 / 4, &mut signals);
    let warm_kib = resident_kib(&node);
    take_until(&node, &mut cursor, opened + time, &mut signals);
    let end_kib = resident_kib(&node);
    node.ends_well();
    take_rest(&node, cursor, &mut signals);

    let (truth, _) = finish(&home, &market, &mut signals);
    let stats = market.stats();
    eprintln!(
        "{accounts} accounts, {:?}: {} fills, {} legs, {} signals, {} repeated; resident {warm_kib} \
         KiB, then {end_kib} KiB; faults {:?}",
        opened.elapsed(),
        stats.fills,
        truth.len(),
        signals.len(),
        signals.repeated,
        stats.faults,
    );
    assert!(truth.len() > accounts, "{} legs are no test", truth.len());
    assert_eq!(signals.gaps, [""; 0], "everything could be fetched");
    assert_eq!(stats.refused, 0, "a limit was met: {stats:?}");
    if time >= Duration::from_secs(600) {
        assert!(end_kib < warm_kib + warm_kib / 5, "{warm_kib} KiB became {end_kib} KiB");
    }
}
