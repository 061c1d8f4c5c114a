//! The verbs through the real binary: what they print, where, and how they end.
//!
//! One test binary, so that it is linked once. Every process is started in a directory of its own,
//! without the caller's `CORELANE_` variables, and ends before a deadline.

mod bench;
mod book;
mod check;
mod journal;
mod sim;
mod usage;

#[path = "../common/mod.rs"]
mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Longer than any of this takes, shorter than a test run's patience.
const DEADLINE: Duration = Duration::from_secs(60);

/// An account, for configurations that need one.
const ACCOUNT: &str = "0x162cc7c861ebd0c06b3d72319201150482518185";

/// A process that has ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

/// `corelane` with these arguments, to be run in `dir`.
fn corelane(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CORELANE_") {
            command.env_remove(name);
        }
    }
    command.args(args).current_dir(dir);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs `corelane` in a directory of its own.
#[track_caller]
fn run(args: &[&str]) -> Ended {
    let dir = directory();
    finish(corelane(dir.path(), args).spawn().expect("the binary starts"))
}

/// Waits for the end of a process, which must come before the deadline.
#[track_caller]
fn finish(child: Child) -> Ended {
    let pid = pid(&child);
    let (ended, end) = mpsc::channel();
    let waiter = std::thread::spawn(move || ended.send(child.wait_with_output()));
    let Ok(output) = end.recv_timeout(DEADLINE) else {
        kill_process(pid, Signal::KILL).expect("it runs and is ours");
        panic!("corelane did not end in time");
    };
    waiter.join().expect("the waiting thread ends").expect("somebody takes its word");
    let output = output.expect("its output can be read");
    let text = |bytes| String::from_utf8(bytes).expect("it prints UTF-8");
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// A directory with a `corelane.toml` in it.
fn directory_with(config: &str) -> TempDir {
    let dir = directory();
    std::fs::write(dir.path().join("corelane.toml"), config).expect("a file");
    dir
}
