//! A node whose accounts and settings change while it runs: by `corelane addr`, by the administration port, by its files and
//! a signal. Real processes, real sockets, a real database.

mod common;

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::ending::{all_followed, finish, take_rest};
use common::market::Market;
use common::node::{Home, follow_at, source};
use common::program::{PATIENCE, Program};
use common::sums::Signals;
use common::{get, post};
use serde_json::{Value, json};

/// Time-outs that a test can wait for.
const SHORT: &str = "timeout = \"2s\"\nstatus_grace = \"1s\"";
/// An account that trades nowhere.
const STRANGER: &str = "0x162cc7c861ebd0c06b3d72319201150482518185";

fn url(addr: SocketAddr) -> String {
    format!("http://{addr}")
}

fn status(addr: SocketAddr) -> Value {
    let (code, text) = get(addr, "/v1/status");
    assert_eq!(code, 200, "{text}");
    serde_json::from_str(&text).expect("counters")
}

/// Asks until the answer is as it should be.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A node that follows the first accounts of a market, and those that it is told to.
fn following(market: &Market, accounts: usize, monitor: &str) -> Home {
    let source = source(market.ws_url(), market.info_url());
    Home::new(2, &follow_at(&market.addresses()[..accounts], &source, monitor, SHORT))
}

fn lines(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn accounts_come_and_go_while_it_runs_and_a_kill_changes_nothing_of_that() {
    let market = Market::start(&["--traders", "6"]);
    let all = market.addresses();
    let home = following(&market, 4, "");
    let (mut node, addr) = home.run_admin();
    let admin = ["--admin", &url(addr)];
    all_followed(&node, 4);

    let (code, out, err) = home.ask(&["addr", "add", &all[4], "--name", "anna"], &admin);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with(&format!("added  {}  ", all[4])), "{out}");
    let file = home.config().with_file_name("more.csv");
    fs::write(&file, format!("address,name\n{},bert\n0x12,bad\n", all[5])).expect("written");
    let (code, out, err) = home.ask(&["addr", "import", file.to_str().expect("plain")], &admin);
    assert_eq!((code, out.as_str()), (Some(1), "added 1, known 0, left out 1"));
    assert!(err.contains("more.csv:3 is left out: not an address"), "{err}");
    all_followed(&node, 6);
    until("it is well", || get(addr, "/health").0 == 200);

    let (_, out, _) = home.ask(&["addr", "list", "--json"], &admin);
    let listed = lines(&out);
    assert_eq!(listed.len(), 6);
    assert!(listed.iter().all(|account| account["state"] == json!("followed")), "{out}");
    let anna = listed.iter().find(|account| account["address"] == json!(all[4])).expect("listed");
    assert_eq!((&anna["name"], &anna["origins"]), (&json!("anna"), &json!(["database"])));
    assert!(anna["source"].as_str().is_some_and(|source| source.starts_with("ws://")), "{anna}");
    let (code, out, _) = home.ask(&["addr", "list"], &admin);
    assert_eq!((code, out.lines().count()), (Some(0), 7));

    let (code, out, err) = home.ask(&["addr", "rm", &all[4], "--now"], &admin);
    assert_eq!((code, out), (Some(0), format!("removed  {}", all[4])), "{err}");
    node.err.wait_for("followed no longer");
    let (code, _, err) = home.ask(&["addr", "rm", &all[0]], &admin);
    assert_eq!(code, Some(1));
    assert!(err.contains("error[ADM007]") && err.contains("because of: configuration"), "{err}");

    node.kill();
    let mut node = home.run();
    all_followed(&node, 5);
    node.ends_well();
    let (code, _, err) = home.ask(&["addr", "list"], &admin);
    assert_eq!(code, Some(69));
    assert!(err.contains("error[ADM005]: no corelane answers at"), "{err}");
    let (_, out, _) = home.ask(&["addr", "list", "--json", "--offline"], &[]);
    assert_eq!(lines(&out).len(), 5, "{out}");
}

#[test]
fn a_thousand_accounts_come_and_go_and_disturb_no_other() {
    let market = Market::start(&["--traders", "10"]);
    let home = following(&market, 10, "addresses_file = \"more.csv\"\nremove_grace = \"0s\"");
    let file = home.config().with_file_name("more.csv");
    fs::write(&file, "").expect("written");
    let (mut node, addr) = home.run_admin();
    all_followed(&node, 10);
    let accounts: String = (1..=1000).map(|n| format!("0x77{n:038x}\n")).collect();
    fs::write(&file, accounts).expect("written");
    node.hang_up();
    until("all are followed", || status(addr)["followed"] == json!(1010));
    fs::write(&file, "").expect("written");
    node.hang_up();
    until("they are gone", || status(addr)["wanted"] == json!(10));
    let after = status(addr);
    assert_eq!((&after["links_lost"], &after["followed"]), (&json!(0), &json!(10)), "{after}");
    let cursor = node.out.count();
    node.out.wait(&mut cursor.clone(), "signal after it", |_| true);
    node.ends_well();
    let mut signals = Signals::default();
    take_rest(&node, 0, &mut signals);
    finish(&home, &market, &mut signals);
}

#[test]
fn settings_change_while_it_runs_and_a_bad_file_changes_nothing() {
    let market = Market::start(&["--traders", "4"]);
    let home = following(&market, 4, "reload_interval = \"1h\"");
    let (mut node, addr) = home.run_admin();
    let shadowed = |line: &str| line.ends_with(",\"subject\":\"hl_address_signal_shadow\"}");
    node.out.wait(&mut 0, "signal", |line| line.contains("\"signal_id\"") && !shadowed(line));
    let put = |path: &str, body: &Value| {
        let agent = ureq::Agent::new_with_defaults();
        let mut answer =
            agent.put(format!("{}{path}", url(addr))).send(body.to_string()).expect("an answer");
        answer.body_mut().read_to_string().expect("text")
    };
    assert_eq!(put("/v1/canary", &json!({"ratio": 0})).trim(), "{\"ratio\":0}");
    let mut cursor = node.out.count();
    node.out.wait(&mut cursor, "shadowed signal", |line| shadowed(line));

    let good = fs::read_to_string(home.config()).expect("the file");
    let fixed = "[canary]\nratio = 100\nshadow_subject = \"other\"\n";
    fs::write(home.config(), format!("{good}{fixed}")).expect("written");
    node.hang_up();
    node.err.wait_for("in force after a restart: canary.shadow_subject");
    // The file says what it said at the start: what was set by hand stays.
    assert_eq!(status(addr)["canary_ratio"], json!(0));
    fs::write(home.config(), format!("{good}[canary]\nratio = 55\n")).expect("written");
    let (code, answer) = post(addr, "/v1/reload", &json!(null));
    assert_eq!((code, answer), (200, json!({"needs_restart": []})));
    assert_eq!(status(addr)["canary_ratio"], json!(55));
    assert_eq!(status(addr)["wanted"], json!(4));

    fs::write(home.config(), "[monitor]\naddresses = []\n[canary]\nratio = 101\n").expect("bad");
    let (code, answer) = post(addr, "/v1/reload", &json!(null));
    assert_eq!((code, &answer["code"]), (422, &json!("CFG015")), "{answer}");
    node.hang_up();
    node.err.wait_for("not reloaded, old values stay");
    let after = status(addr);
    assert_eq!((&after["wanted"], &after["canary_ratio"]), (&json!(4), &json!(55)));
    let quiet = good.replace("[log]\n", "[log]\nlevel = \"error\"\n");
    fs::write(home.config(), quiet).expect("written");
    assert_eq!(post(addr, "/v1/reload", &json!(null)).0, 200);
    let said = node.ends_well();
    assert!(!said.contains("stopping: no more input"), "the log has another level: {said}");
}

#[test]
fn what_is_kept_without_a_node_is_followed_by_the_next() {
    let market = Market::start(&["--traders", "2"]);
    let all = market.addresses();
    for store in ["", "[store]\nurl = \"\"\n"] {
        let source = source(market.ws_url(), market.info_url());
        let config = follow_at(&all[..1], &source, "", SHORT);
        let home = Home::new(1, &format!("{config}{store}"));
        let (code, out, err) = home.ask(&["addr", "add", &all[1]], &["--offline"]);
        assert_eq!(code, Some(0), "{err}");
        assert_eq!(out, format!("added  {}  not_running", all[1]));
        let mut node = home.run();
        all_followed(&node, 2);
        let is_file = !store.is_empty();
        assert_eq!(home.data().join("addresses.csv").exists(), is_file);
        let (code, _, err) = home.ask(&["addr", "rm", &all[1]], &["--offline"]);
        // The database has many users; the file has one.
        assert_eq!(code, Some(if is_file { 73 } else { 0 }), "{err}");
        node.ends_well();
        let (_, out, _) = home.ask(&["addr", "list", "--json"], &["--offline"]);
        assert_eq!(lines(&out).len(), if is_file { 2 } else { 1 }, "{out}");
    }
}

#[test]
fn a_token_is_asked_for_and_a_taken_port_is_told() {
    let market = Market::start(&["--traders", "1"]);
    let home = following(&market, 1, "");
    let token = home.config().with_file_name("token");
    fs::write(&token, "0123456789abcdef0123\n").expect("written");
    let text = fs::read_to_string(home.config()).expect("the file");
    let text = text.replace("[admin]\n", "[admin]\ntoken_file = \"token\"\n");
    fs::write(home.config(), text).expect("written");
    let (mut node, addr) = home.run_admin();
    let admin = ["--admin", &url(addr)];
    let (code, _, err) = home.ask(&["addr", "list"], &admin);
    assert_eq!(code, Some(69));
    assert!(err.contains("error[ADM001]: no token"), "{err}");
    let with = [&admin[..], &["--token-file", token.to_str().expect("plain")]].concat();
    assert_eq!(home.ask(&["addr", "list"], &with).0, Some(0));

    let other = following(&market, 1, "");
    let listen = format!("admin.listen={addr}");
    let (code, _, err) = other.ask(&["run"], &["--set", &listen]);
    assert_eq!(code, Some(69));
    let expect = format!("error[NET001]: {addr} is in use by `corelane` (pid {}", node.pid());
    assert!(err.contains(&expect), "{err}");
    assert!(!other.data().join("shard-0").exists(), "nothing was begun");
    let (code, _, err) = other.ask(&["check"], &["--set", "admin.listen=0.0.0.0:8080"]);
    assert_eq!(code, Some(78));
    let expect = "error[NET002]: admin.listen = \"0.0.0.0:8080\" would let anyone on the network \
                  add addresses\n  fix: set admin.token_file, or listen on 127.0.0.1";
    assert!(err.contains(expect), "{err}");
    node.ends_well();
}

#[test]
fn a_mistyped_address_is_a_mistake_in_the_command_line() {
    let mut wrong = STRANGER.replace("185", "18");
    for (text, expect) in [
        (wrong.as_str(), "0x and 39 hex digits; 40 are needed"),
        ("vitalik.eth", "names are not resolved"),
        ("0x0000000000000000000000000000000000000000", "error[ADR003]: the zero address"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed", "did you mean 0x5aAeb6053F3E94C9b9A09"),
    ] {
        let mut program = Program::start(&["addr", "add", text]);
        let err = program.ends_with(2);
        assert!(err.contains(expect), "{err}");
    }
    wrong = STRANGER.to_owned();
    let args = ["addr", "add", &wrong, "--set", "admin.listen=127.0.0.1:1"];
    let err = Program::start(&args).ends_with(69);
    assert!(err.contains("error[ADM005]") && err.contains("--offline"), "{err}");
}

#[test]
fn a_ratio_that_was_set_by_hand_stays_when_another_setting_changes() {
    let market = Market::start(&["--traders", "2"]);
    let home = following(&market, 2, "reload_interval = \"1h\"");
    let (mut node, addr) = home.run_admin();
    all_followed(&node, 2);
    let agent = ureq::Agent::new_with_defaults();
    let put = agent.put(format!("{}/v1/canary", url(addr))).send(json!({"ratio": 0}).to_string());
    assert!(put.is_ok());
    assert_eq!(status(addr)["canary_ratio"], json!(0));
    // Somebody wants more to read in the log.
    let good = fs::read_to_string(home.config()).expect("the file");
    let more = good.replace("[log]\n", "[log]\nlevel = \"debug\"\n");
    assert_ne!(more, good);
    fs::write(home.config(), more).expect("written");
    let (code, answer) = post(addr, "/v1/reload", &json!(null));
    assert_eq!((code, answer), (200, json!({"needs_restart": []})));
    assert_eq!(status(addr)["canary_ratio"], json!(0), "every account is live again");
    node.ends_well();
}

/// Waits until health has this reason, and is bad.
fn is_bad_for(addr: SocketAddr, reason: &str, within: Duration) {
    let until = Instant::now() + within;
    loop {
        let (code, text) = get(addr, "/health");
        if code == 503 && text.contains(reason) {
            return;
        }
        assert!(Instant::now() < until, "{reason} is not said: {code} {text}");
        std::thread::park_timeout(Duration::from_millis(200));
    }
}

#[test]
fn health_is_bad_while_a_list_of_accounts_cannot_be_read() {
    let market = Market::start(&["--traders", "2"]);
    let source = source(market.ws_url(), market.info_url());
    let config = follow_at(&market.addresses()[..1], &source, "", SHORT);
    let home = Home::new(1, &format!("{config}[store]\nurl = \"\"\n"));
    // The list that is kept at run time cannot be read: nobody knows who is on it.
    let list = home.data().join("addresses.csv");
    fs::create_dir_all(&list).expect("a directory");
    let (mut node, addr) = home.run_admin();
    all_followed(&node, 1);
    node.err.wait_for("ADR005");
    is_bad_for(addr, "list_unread", Duration::from_secs(10));
    fs::remove_dir(&list).expect("removed");
    let (code, _) = post(addr, "/v1/reload", &json!(null));
    assert_eq!(code, 200);
    let (_, text) = get(addr, "/health");
    assert!(!text.contains("list_unread"), "{text}");
    node.ends_well();
}

#[test]
fn health_is_bad_while_a_node_writes_nothing() {
    let market = Market::start(&["--traders", "2"]);
    let all = market.addresses();
    let hl = tempfile::tempdir().expect("a directory");
    let hour = hl.path().join("node_fills_by_block/hourly/20251125");
    fs::create_dir_all(&hour).expect("created");
    let time = "2025-11-25T08:33:18.111517886";
    let line = format!(
        "{{\"local_time\":\"{time}\",\"block_time\":\"{time}\",\"block_number\":7,\"events\":[]}}\n"
    );
    fs::write(hour.join("8"), line).expect("written");
    // One account over the public WebSocket, the other from a node's files.
    let ws = source(market.ws_url(), market.info_url())
        .replace("users_per_ip = 10000", "users_per_ip = 1");
    let node = format!(
        "[[source]]\nkind = \"hyperliquid-node\"\nnode_dir = \"{}\"\ninfo_url = \"\"\n",
        hl.path().display()
    );
    let home = Home::new(1, &follow_at(&all[..2], &format!("{ws}{node}"), "", SHORT));
    let (mut node, addr) = home.run_admin();
    all_followed(&node, 2);
    fs::remove_dir_all(hl.path()).expect("removed");
    // Longer than control is patient; the other source says something all the time.
    is_bad_for(addr, "node_silent", Duration::from_secs(60));
    let (_, text) = get(addr, "/health");
    assert!(text.contains("not_followed"), "half of the accounts are monitored by nothing: {text}");
    node.ends_well();
}
