//! `corelane sim` as a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout};

use rustix::process::{Signal, kill_process};
use serde_json::Value;

use super::{DEADLINE, Ended, corelane, directory, finish, pid};

/// A simulator that has said where it is.
struct Running {
    child: Child,
    /// Kept, so that it never writes into nothing.
    _out: BufReader<ChildStdout>,
    place: Value,
}

impl Running {
    #[track_caller]
    fn start(dir: &Path, flags: &[&str]) -> Running {
        let args = [&["sim", "--listen", "127.0.0.1:0"], flags].concat();
        let mut child = corelane(dir, &args).spawn().expect("the binary starts");
        let mut out = BufReader::new(child.stdout.take().expect("it was piped"));
        let mut line = String::new();
        out.read_line(&mut line).expect("it prints UTF-8");
        match serde_json::from_str(&line) {
            Ok(place) => Running { child, _out: out, place },
            Err(error) => panic!("{line:?} is no JSON ({error}): {:?}", finish(child)),
        }
    }

    /// The body of an answer to GET.
    fn get(&self, path: &str) -> Value {
        let url = self.place["info_url"].as_str().expect("text");
        let addr = url.trim_start_matches("http://").trim_end_matches("/info");
        let mut stream = TcpStream::connect(addr).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("an option");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let body = answer.split_once("\r\n\r\n").expect("a head and a body").1;
        serde_json::from_str(body).expect("JSON")
    }

    fn end(self, signal: Signal) -> Ended {
        kill_process(pid(&self.child), signal).expect("it runs and is ours");
        finish(self.child)
    }
}

#[test]
fn it_says_where_it_is_and_a_signal_ends_it_in_good_order() {
    let dir = directory();
    let flags = ["--traders", "3", "--truth", "truth.jsonl", "--config-out", "corelane.toml"];
    let sim = Running::start(dir.path(), &flags);
    let addresses = sim.place["addresses"].as_array().expect("a list").clone();
    assert_eq!(addresses.len(), 3);
    assert!(sim.place["ws_url"].as_str().is_some_and(|url| url.starts_with("ws://127.0.0.1:")));
    assert_eq!(sim.get("/sim/stats")["connections"], 0);
    assert_eq!(sim.get("/sim/addresses"), Value::Array(addresses.clone()));

    // The file that it wrote follows these accounts, there, and no host is asked for to read it.
    let args = ["config", "show", "--changed", "--json"];
    let shown = finish(corelane(dir.path(), &args).spawn().expect("the binary starts"));
    assert_eq!((shown.code, shown.err.as_str()), (Some(0), ""));
    let rows: Value = serde_json::from_str(&shown.out).expect("JSON");
    let value = |key: &str| {
        let mut rows = rows.as_array().expect("rows").iter();
        let row = rows.find(|row| row["key"].as_str().is_some_and(|name| name.ends_with(key)));
        row.map(|row| row["value"].as_str().expect("TOML text").to_owned())
    };
    assert_eq!(value("ws_url"), Some(sim.place["ws_url"].to_string()));
    for address in &addresses {
        let text = address.as_str().expect("text");
        assert!(value("monitor.addresses").is_some_and(|list| list.contains(text)), "{rows}");
    }

    assert!(!dir.path().join("truth.jsonl").exists());
    let ws_url = sim.place["ws_url"].clone();
    let ended = sim.end(Signal::TERM);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(dir.path().join("truth.jsonl").exists());
    assert!(ended.err.contains(ws_url.as_str().expect("text")), "{}", ended.err);
    assert!(ended.err.ends_with("Ctrl-C to stop.\n"), "{}", ended.err);
}

#[test]
fn quiet_is_quiet_and_an_interrupt_ends_it_too() {
    let dir = directory();
    let ended = Running::start(dir.path(), &["--quiet"]).end(Signal::INT);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
}

#[test]
fn it_ends_by_itself_when_nobody_comes() {
    let dir = directory();
    let sim = Running::start(dir.path(), &["--exit-when-idle", "1s", "--truth", "truth.jsonl"]);
    let ended = finish(sim.child);
    assert_eq!(ended.code, Some(0));
    assert!(ended.err.ends_with("nobody connected for 1s\n"), "{}", ended.err);
    assert!(dir.path().join("truth.jsonl").exists());
}

#[track_caller]
fn refused(dir: &Path, flags: &[&str], code: i32, said: &str) {
    let args = [&["sim"], flags].concat();
    let ended = finish(corelane(dir, &args).spawn().expect("the binary starts"));
    assert_eq!((ended.code, ended.out.as_str()), (Some(code), ""), "{}", ended.err);
    assert!(ended.err.starts_with(said), "{}", ended.err);
}

#[test]
fn a_port_in_use_is_ours_by_name_and_number() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = listener.local_addr().expect("an address").to_string();
    let dir = directory();
    let args = ["sim", "--listen", &taken];
    let ended = finish(corelane(dir.path(), &args).spawn().expect("the binary starts"));
    assert_eq!((ended.code, ended.out.as_str()), (Some(69), ""));
    assert!(
        ended.err.starts_with(&format!("error[NET001]: {taken} is in use by `")),
        "{}",
        ended.err
    );
    assert!(ended.err.contains(&format!("(pid {}, user ", std::process::id())), "{}", ended.err);
    assert!(ended.err.contains("\n  fix: stop it, or set --listen 127.0.0.1:"), "{}", ended.err);
}

#[test]
fn material_that_cannot_be_played_is_named() {
    let dir = directory();
    let any = ["--listen", "127.0.0.1:0"];
    let missing = [&any[..], &["--replay", "no_acc1.jsonl"]].concat();
    let text = "error[SIM002]: no_acc1.jsonl cannot be read: it does not exist\n";
    refused(dir.path(), &missing, 74, text);
    std::fs::write(dir.path().join("bad_acc1.json"), "{\"not\": \"fills\"").expect("a file");
    let bad = [&any[..], &["--replay", "bad_acc1.json"]].concat();
    refused(dir.path(), &bad, 2, "error[SIM003]: bad_acc1.json:");
    let nowhere = [&any[..], &["--config-out", "no/corelane.toml"]].concat();
    let text = "error[DIR001]: no/corelane.toml cannot be written: it does not exist\n";
    refused(dir.path(), &nowhere, 73, text);
}
