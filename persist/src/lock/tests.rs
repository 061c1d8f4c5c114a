//! The lock: within one process, and against another one.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::{env, fs, process};

use super::{DirLock, LockError, NAME};

#[test]
fn a_directory_is_locked_once_until_the_lock_is_dropped() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let data_dir = dir.path().join("a").join("b");
    let lock = DirLock::acquire(&data_dir).expect("created and locked");
    match DirLock::acquire(&data_dir).expect_err("it is held") {
        LockError::Held { data_dir: named, pid, since_unix_s } => {
            assert_eq!((named, pid), (data_dir.clone(), Some(process::id())));
            assert!(since_unix_s.is_some_and(|since| since > 1_700_000_000));
        }
        error => panic!("{error}"),
    }
    drop(lock);
    DirLock::acquire(&data_dir).expect("free again");
    fs::write(data_dir.join(NAME), "99999999999 x").expect("written");
    let _lock = DirLock::acquire(&data_dir).expect("the content locks nothing");
    fs::write(data_dir.join(NAME), b"\xFF\xFE").expect("written");
    let error = DirLock::acquire(&data_dir).expect_err("it is held");
    assert!(matches!(error, LockError::Held { pid: None, since_unix_s: None, .. }), "{error}");
}

#[test]
fn a_path_that_cannot_be_a_directory_is_an_error_of_creation() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("file");
    fs::write(&file, "").expect("written");
    let error = DirLock::acquire(&file.join("data")).expect_err("a file is in the way");
    assert!(matches!(error, LockError::Disk(ref error) if error.op.creates()), "{error}");
}

const CHILD_DIR: &str = "CORELANE_TEST_LOCK_DIR";

/// Not a test by itself: holds the lock for the test below, in a process of its own.
#[test]
fn child_holds_the_lock_until_its_input_ends() {
    let Ok(dir) = env::var(CHILD_DIR) else { return };
    let _lock = DirLock::acquire(dir.as_ref()).expect("locked by the child");
    let mut out = std::io::stdout();
    out.write_all(b"\nlocked\n").and_then(|()| out.flush()).expect("said so");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("waited for the end");
}

#[test]
fn another_process_is_named_and_its_death_frees_the_lock() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut child = Command::new(env::current_exe().expect("this test's program"))
        .args(["--exact", "lock::tests::child_holds_the_lock_until_its_input_ends", "--nocapture"])
        .env(CHILD_DIR, dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line.ends_with("locked"))), "it never locked");
    match DirLock::acquire(dir.path()).expect_err("the child holds it") {
        LockError::Held { pid, .. } => assert_eq!(pid, Some(child.id())),
        error => panic!("{error}"),
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    DirLock::acquire(dir.path()).expect("the kernel let go of it");
}
