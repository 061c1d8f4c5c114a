//! Accounts that come and go while the node runs (spec/monitor.md section 5), seen from the other end of the wire: who is
//! named late is followed, who goes has a grace, who cannot be followed is said by name, and nobody else notices.

mod common;

use std::fs;
use std::path::PathBuf;

use common::exchange::Exchange;
use common::exchange::words::{brief, fill, status};
use common::node::Home;
use common::program::Program;
use serde_json::Value;
use tempfile::TempDir;

/// The `n`th account.
fn account(n: usize) -> String {
    format!("0x{:040x}", 0xd00d_0000 + n)
}

/// A node that reads a list each second.
struct Scene {
    exchange: Exchange,
    list: PathBuf,
    home: Home,
    _dir: TempDir,
}

impl Scene {
    /// Accounts 0 and up to `fixed` are in the configuration; a source address takes `users`.
    fn new(fixed: usize, users: usize, grace: &str, list: &[usize]) -> Scene {
        let exchange = Exchange::open();
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("addresses.csv");
        let accounts: Vec<String> = (0..fixed).map(account).collect();
        let config = format!(
            "[monitor]\naddresses = {accounts:?}\naddresses_file = \"{}\"\n\
             reload_interval = \"1s\"\nremove_grace = \"{grace}\"\n\n\
             [[source]]\nws_url = \"{}\"\ninfo_url = \"{}\"\nusers_per_ip = {users}\n\n\
             [aggregation]\ntimeout = \"10m\"\nstatus_grace = \"60s\"\n",
            path.display(),
            exchange.ws_url(),
            exchange.info_url()
        );
        let scene = Scene { exchange, list: path, home: Home::new(1, &config), _dir: dir };
        scene.write(list);
        scene
    }

    fn write(&self, list: &[usize]) {
        let lines: String = list.iter().map(|n| account(*n) + ",somebody\n").collect();
        fs::write(&self.list, format!("# accounts\n{lines}")).expect("written");
    }

    /// Accounts whose fills are subscribed, by the exchange.
    fn subscribed(&self) -> Vec<usize> {
        self.exchange.look(|state| {
            let open = state.lines.iter().filter(|line| line.is_open);
            let all = open.flat_map(|line| &line.subscriptions);
            let users = all.filter(|s| s["type"] == "userFills").map(|s| s["user"].clone());
            let number = |user: Value| (0..200).find(|n| user == account(*n).as_str());
            let mut found: Vec<usize> = users.filter_map(number).collect();
            found.sort_unstable();
            found
        })
    }

    /// An order of an account, and its signal.
    #[track_caller]
    fn trades(&self, node: &Program, cursor: &mut usize, n: usize, oid: u64) {
        self.exchange.fills(&account(n), &[fill(oid, oid, "@188 B 1.0 2.0 0.0 Buy")]);
        self.exchange.statuses(&account(n), &status(oid, "filled", "0.0", "1.0"));
        let mut told = String::new();
        node.out.wait(cursor, "signal", |line| {
            told = brief(line);
            true
        });
        assert!(told.ends_with(&format!(" {oid} Buy-1 1@2 final status")), "{told}");
    }
}

/// Waits until the log says this, from the cursor on.
#[track_caller]
fn said(node: &Program, talk: &mut usize, what: &str) -> String {
    let mut found = String::new();
    node.err.wait(talk, what, |line| {
        found = line.to_owned();
        line.contains(what)
    });
    found
}

#[test]
fn who_is_named_late_is_followed_and_who_goes_is_not() {
    let scene = Scene::new(2, 10, "0s", &[2]);
    let mut node = scene.home.run();
    let (mut talk, mut cursor) = (0, 0);
    for n in 0..3 {
        node.err.wait_for(&format!("followed address={}", account(n)));
    }
    talk = talk.max(node.err.count());
    scene.write(&[2, 3, 4]);
    for _ in 0..2 {
        said(&node, &mut talk, "followed address=");
    }
    assert_eq!(scene.subscribed(), [0, 1, 2, 3, 4]);
    scene.trades(&node, &mut cursor, 4, 1);
    scene.write(&[4]);
    for _ in 0..2 {
        said(&node, &mut talk, "followed no longer");
    }
    scene.exchange.wait("ends", |state| state.count("userFills") == 3);
    assert_eq!(scene.subscribed(), [0, 1, 4]);
    assert_eq!(scene.exchange.connects(), 1, "and the connection is the first one");
    for n in [0, 1, 4] {
        scene.trades(&node, &mut cursor, n, 10 + n as u64);
    }
    node.ends_well();
    // It was a list, not an order: the next node reads it too, and knows who was there.
    let mut node = scene.home.run();
    for n in [0, 1, 4] {
        node.err.wait_for(&format!("followed address={}", account(n)));
    }
    assert_eq!(scene.subscribed(), [0, 1, 4]);
    node.ends_well();
}

#[test]
fn who_comes_back_within_the_grace_was_never_away() {
    let scene = Scene::new(1, 10, "10m", &[1]);
    let mut node = scene.home.run();
    for n in 0..2 {
        node.err.wait_for(&format!("followed address={}", account(n)));
    }
    // Each list is known to have been read by an account that it alone names.
    let mut talk = node.err.count();
    for (newcomer, list) in [(2, &[2][..]), (3, &[1, 3]), (4, &[4]), (5, &[1, 5])] {
        scene.write(list);
        said(&node, &mut talk, &format!("followed address={}", account(newcomer)));
    }
    assert_eq!(scene.subscribed(), [0, 1, 2, 3, 4, 5], "all are in their grace, or wanted");
    let mut cursor = 0;
    scene.trades(&node, &mut cursor, 1, 7);
    let all = node.ends_well();
    assert_eq!(all.matches("followed no longer").count(), 0, "{all}");
    assert_eq!(all.matches(&format!("followed address={}", account(1))).count(), 1, "{all}");
}

#[test]
fn who_cannot_be_followed_is_said_by_name_and_takes_the_next_free_place() {
    let scene = Scene::new(2, 3, "0s", &[]);
    let mut node = scene.home.run();
    for n in 0..2 {
        node.err.wait_for(&format!("followed address={}", account(n)));
    }
    let mut talk = node.err.count();
    scene.write(&[2]);
    said(&node, &mut talk, &format!("followed address={}", account(2)));
    scene.write(&[2, 3]);
    let refused = said(&node, &mut talk, &account(3));
    assert!(refused.contains("UPS"), "{refused}");
    assert_eq!(scene.subscribed(), [0, 1, 2]);
    scene.write(&[3]);
    said(&node, &mut talk, &format!("followed address={}", account(3)));
    assert_eq!(scene.subscribed(), [0, 1, 3]);
    let mut cursor = 0;
    scene.trades(&node, &mut cursor, 3, 7);
    node.ends_well();
}

#[test]
fn a_bad_line_is_said_and_stops_nobody() {
    let scene = Scene::new(1, 10, "0s", &[1]);
    let mut node = scene.home.run();
    for n in 0..2 {
        node.err.wait_for(&format!("followed address={}", account(n)));
    }
    let mut talk = node.err.count();
    let text = format!("{}\nwhale,0x12\n{},x\n", account(1), account(2).to_uppercase());
    fs::write(&scene.list, text.replace("0X", "0x")).expect("written");
    let (mut bad, mut good) = (String::new(), false);
    node.err.wait(&mut talk, "account that is followed, and a line that is not", |line| {
        if line.contains("whale") {
            bad = line.to_owned();
        }
        good |= line.contains(&format!("followed address={}", account(2)));
        good && !bad.is_empty()
    });
    assert!(bad.contains(&scene.list.display().to_string()) && bad.contains('2'), "{bad}");
    // A list that is gone lets nobody go.
    fs::remove_file(&scene.list).expect("removed");
    said(&node, &mut talk, "addresses.csv");
    assert_eq!(scene.subscribed(), [0, 1, 2]);
    let all = node.ends_well();
    assert_eq!(all.matches("followed no longer").count(), 0, "{all}");
}
