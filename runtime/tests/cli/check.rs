//! `corelane check` in real conditions: bad files, venue limits, refused facilities of the host.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use runtime::host::{self, Root};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::Value;

use super::{ACCOUNT, Ended, corelane, directory, directory_with, finish};

#[track_caller]
fn check_in(dir: &Path, args: &[&str]) -> Ended {
    let args = [&["check"], args].concat();
    finish(corelane(dir, &args).spawn().expect("the binary starts"))
}

/// One account on one shard, and more keys of `[node]`.
fn config(node: &str) -> String {
    format!(
        "[node]\nshards = 1\n{node}\n[monitor]\naddresses = [\"{ACCOUNT}\"]\n\
         [journal]\nsegment_size = \"4MiB\"\n"
    )
}

/// Whether corelane can run here at all; says so if not.
fn host_is_fit() -> bool {
    let problems = host::check(&Root::system(), 1);
    if problems.has_errors() {
        eprintln!("skipped: this host cannot run corelane:\n{problems}");
    }
    !problems.has_errors()
}

#[test]
fn a_fit_host_and_configuration_pass_and_nothing_is_left_behind() {
    if !host_is_fit() {
        return;
    }
    let dir = directory_with(&config(""));
    let ended = check_in(dir.path(), &[]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert!(ended.out.ends_with("\nfit to run\n"), "{}", ended.out);
    let row = "  wss://api.hyperliquid.xyz/ws          1 of 10            1        20 of 950  users_per_ip\n";
    assert!(ended.out.contains(row), "{}", ended.out);
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 1);
}

#[test]
fn the_same_as_json_is_one_object() {
    if !host_is_fit() {
        return;
    }
    let dir = directory_with(&config(""));
    let ended = check_in(dir.path(), &["--json", "--set", "match.listen=127.0.0.1:1"]);
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.out.lines().count(), 1);
    let object: Value = serde_json::from_str(&ended.out).expect("JSON");
    assert_eq!(object["ok"], true);
    assert_eq!((&object["shards"], &object["plan"]["live"]), (&1.into(), &1.into()));
    assert_eq!(object["plan"]["sources"][0]["subscriptions_max"], 950);
    let problems = object["problems"].as_array().expect("an array");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(
        (&problems[0]["code"], &problems[0]["severity"]),
        (&"CFG008".into(), &"warning".into())
    );
    // People read the warning too.
    assert!(ended.err.starts_with("warn[CFG008]: match.listen has no effect\n"), "{}", ended.err);
}

#[test]
fn a_bad_file_is_answered_with_every_mistake_in_it() {
    let dir = directory_with(
        "[journal]\nsnapshot_evry = 1000000\nsegment_size = 64\n\n[monitor]\naddresses = [\"0x12\"]\n",
    );
    let ended = check_in(dir.path(), &["-c", "corelane.toml"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(78), ""));
    let expect = "error[CFG002]: unknown key
   ╭─[corelane.toml:2:1]
 2 │ snapshot_evry = 1000000
   · ──────┬────── not a key of [journal]
  help: did you mean `snapshot_every`?

error[CFG004]: journal.segment_size needs a unit
   ╭─[corelane.toml:3:16]
 3 │ segment_size = 64
   ·                ─┬ a number; write \"64MiB\" (or \"64B\" if bytes were meant)

error[ADR001]: not an address
   ╭─[corelane.toml:6:14]
 6 │ addresses = [\"0x12\"]
   ·              ───┬── 0x and 2 hex digits; 40 are needed
";
    assert!(ended.err.starts_with(expect), "{}", ended.err);
    let json = check_in(dir.path(), &["--json"]);
    let object: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!((json.code, &object["ok"]), (Some(78), &false.into()));
    assert_eq!(object["problems"][0]["code"], "CFG002");
}

#[test]
fn a_file_that_is_not_there_can_be_made() {
    let dir = directory();
    let ended = check_in(dir.path(), &["-c", "no.toml"]);
    assert_eq!(ended.code, Some(78));
    let expect = "error[CFG009]: no.toml cannot be read: it does not exist
  fix: corelane config init > no.toml
";
    assert!(ended.err.starts_with(expect), "{}", ended.err);
}

#[test]
fn nobody_to_follow_is_an_error() {
    let dir = directory();
    let later = check_in(dir.path(), &["--set", "node.shards=1"]);
    assert_eq!(later.code, Some(0), "they can be added while it runs: {}", later.err);
    assert!(
        later.err.contains("warn[CFG013]: no addresses to follow in the conf"),
        "{}",
        later.err
    );
    let ended = check_in(dir.path(), &["--set", "admin.listen=", "--set", "store.url="]);
    assert_eq!(ended.code, Some(78));
    assert!(ended.err.starts_with("error[CFG013]: no addresses to follow\n"), "{}", ended.err);
    assert!(ended.out.contains("  file      none, all defaults\n"), "{}", ended.out);
    assert!(ended.out.contains("\nnot fit to run: errors "), "{}", ended.out);
}

/// As many different accounts.
fn accounts(count: u32) -> String {
    let list: Vec<String> = (1..=count).map(|n| format!("\"0x{n:040x}\"")).collect();
    format!("[node]\nshards = 2\n[monitor]\naddresses = [{}]\n", list.join(", "))
}

#[test]
fn more_accounts_than_the_venue_takes_are_refused_before_any_connection() {
    let dir = directory_with(&accounts(140));
    let ended = check_in(dir.path(), &[]);
    assert_eq!(ended.code, Some(78));
    let expect = "error[UPS002]: 140 addresses, but wss://api.hyperliquid.xyz/ws accepts 10 different users per IP
  plan: 10 live, 130 not covered: 0x";
    assert!(ended.err.starts_with(expect), "{}", ended.err);
    let ways = "  choose:
    more IPs        [[source]] local_addrs = [\"…\"]  13 more addresses of this host are needed
";
    assert!(ended.err.contains(ways), "{}", ended.err);
    assert!(ended.out.contains("10 of 10"), "the plan is printed all the same: {}", ended.out);
}

#[test]
fn more_shards_than_connections_are_refused() {
    let config = accounts(10) + "[[source]]\nconnections_per_ip = 1\n";
    let dir = directory_with(&config);
    let ended = check_in(dir.path(), &[]);
    assert_eq!(ended.code, Some(78));
    let expect =
        "error[UPS002]: 10 addresses, but wss://api.hyperliquid.xyz/ws accepts 1 connections per IP, each with \
                  100 users (monitor.users_per_connection) of one of 2 shards
";
    assert!(ended.err.starts_with(expect), "{}", ended.err);
    let way = "    fewer shards    node.shards = 1: each has connections of its own\n";
    assert!(ended.err.contains(way), "{}", ended.err);
}

#[test]
fn a_server_in_the_clear_on_the_internet_is_refused() {
    let dir = directory_with(&(config("") + "[[source]]\nws_url = \"ws://203.0.113.7/ws\"\n"));
    let ended = check_in(dir.path(), &[]);
    assert_eq!(ended.code, Some(78));
    assert!(
        ended.err.starts_with("error[UPS001]: source.ws_url cannot be connected to: ws:// is not")
    );
}

#[test]
fn a_data_directory_that_cannot_be_is_said_before_anything_starts() {
    let dir = directory_with(&config("data_dir = \"taken/data\""));
    std::fs::write(dir.path().join("taken"), "").expect("a file in the way");
    let ended = check_in(dir.path(), &["-c", "corelane.toml"]);
    assert_eq!(ended.code, Some(73));
    let expect = "error[DIR001]: taken/data cannot be created or written: a part of the path is a file, \
                  not a directory\n";
    assert!(ended.err.starts_with(expect), "{}", ended.err);
}

#[test]
fn a_directory_of_somebody_else_is_refused_in_words() {
    const NOBODY: u32 = 65534;
    let dir = directory_with(&config("data_dir = \"closed/data\""));
    let closed = dir.path().join("closed");
    std::fs::create_dir(&closed).expect("a directory");
    let mode = |path: &Path, mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, permissions).expect("it is ours");
    };
    mode(&closed, 0o555);
    mode(dir.path(), 0o755);
    let mut command = corelane(dir.path(), &["check", "-c", "corelane.toml"]);
    if rustix::process::getuid().is_root() {
        // Root may write anywhere: somebody else must ask.
        command.uid(NOBODY).gid(NOBODY);
    }
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("skipped: the binary cannot be run by another user: {error}");
            return;
        }
    };
    let ended = finish(child);
    assert_eq!(ended.code, Some(73), "{}", ended.err);
    assert!(
        ended.err.starts_with(
            "error[DIR001]: closed/data cannot be created or written: permission denied for this user\n"
        ),
        "{}",
        ended.err
    );
}

#[test]
fn too_little_locked_memory_is_said_in_bytes() {
    if !host_is_fit() {
        return;
    }
    let dir = directory_with(&config(""));
    let mut command = corelane(dir.path(), &["check"]);
    let limit = Rlimit { current: Some(64 << 10), maximum: Some(64 << 10) };
    // SAFETY: the closure runs between fork and exec and makes one system call; it neither allocates
    // nor takes a lock.
    unsafe { command.pre_exec(move || Ok(setrlimit(Resource::Memlock, limit)?)) };
    let ended = finish(command.spawn().expect("the binary starts"));
    assert_eq!(ended.code, Some(69));
    let expect = "error[HST004]: locked memory: 64 KiB allowed, 1 core needs 512 KiB\n";
    assert!(ended.err.starts_with(expect), "{}", ended.err);
    assert!(ended.err.contains("shell: ulimit -l unlimited"), "{}", ended.err);
}

/// Lets the program fail with EPERM when it asks for a ring, as a container runtime's filter does.
fn forbid_io_uring(command: &mut Command) {
    let step = |code: u32, jt, jf, k| {
        let code = u16::try_from(code).expect("codes of BPF have 16 bits");
        libc::sock_filter { code, jt, jf, k }
    };
    let first = u32::try_from(libc::SYS_io_uring_setup).expect("a small number");
    let deny = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
    let mut filter = [
        // The number of the call is the first field of `seccomp_data`.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 2, first),
        step(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, 1, 0, first + 2),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, deny),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let install = move || {
        let len = u16::try_from(filter.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let program = libc::sock_fprog { len, filter: filter.as_mut_ptr() };
        // SAFETY: the call has no memory arguments.
        let no_more_rights = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        // SAFETY: `program` points at `filter`, whose length it states and which the closure owns; the
        // kernel copies both before the call returns.
        let filtered =
            unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) };
        if no_more_rights != 0 || filtered != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    };
    // SAFETY: the closure runs between fork and exec; it makes two system calls and neither allocates
    // nor takes a lock.
    unsafe { command.pre_exec(install) };
}

#[test]
fn a_filter_on_io_uring_is_told_from_an_old_kernel() {
    if !host_is_fit() {
        return;
    }
    let dir = directory_with(&config(""));
    let mut command = corelane(dir.path(), &["check"]);
    forbid_io_uring(&mut command);
    let ended = finish(command.spawn().expect("the binary starts"));
    assert_eq!(ended.code, Some(69));
    let expect = "error[HST001]: this process may not use io_uring: a seccomp filter blocks io_uring_setup (EPERM)
  found: kernel.io_uring_disabled = ";
    assert!(ended.err.starts_with(expect), "{}", ended.err);
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
}
