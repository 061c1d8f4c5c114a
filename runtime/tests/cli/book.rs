//! `corelane book exec`: its two forms, its errors, and the shared command files.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use super::{Ended, corelane, directory, finish};

/// A command file: an ask of 5 at 100, a bid of 2 at 100 that takes from it, and a record that is no
/// command.
fn command_file() -> Vec<u8> {
    let record = |op: u8, side: u8, id: u64, price: i64, qty: u64| {
        let mut record = vec![op, side, 0, 0];
        record.extend(7_u32.to_le_bytes());
        record.extend(id.to_le_bytes());
        record.extend(price.to_le_bytes());
        record.extend(qty.to_le_bytes());
        record
    };
    let records = [record(1, 1, 1, 100, 5), record(1, 0, 2, 100, 2), record(9, 0, 3, 100, 2)];
    let mut file = b"MECMD01\0".to_vec();
    file.extend(1_u32.to_le_bytes());
    file.extend(32_u32.to_le_bytes());
    file.extend((records.len() as u64).to_le_bytes());
    file.extend([0; 40]);
    file.extend(records.concat());
    file
}

#[track_caller]
fn exec(file: &[u8], flags: &[&str]) -> Ended {
    let dir = directory();
    std::fs::write(dir.path().join("orders.bin"), file).expect("a file");
    let args = [&["book", "exec", "orders.bin"], flags].concat();
    finish(corelane(dir.path(), &args).spawn().expect("the binary starts"))
}

#[track_caller]
fn json(ended: &Ended) -> Value {
    assert_eq!((ended.code, ended.out.lines().count()), (Some(0), 1), "{ended:?}");
    serde_json::from_str(&ended.out).expect("JSON")
}

#[test]
fn one_line_of_json_or_a_table() {
    let line = json(&exec(&command_file(), &["--json"]));
    for (field, value) in [
        ("cmds", 3),
        ("trades", 1),
        ("traded_qty", 2),
        ("rejects", 1),
        ("levels", 1),
        ("orders", 1),
    ] {
        assert_eq!(line[field], value, "{field} of {line}");
    }
    let table = exec(&command_file(), &[]);
    assert_eq!((table.code, table.err.as_str()), (Some(0), ""));
    assert!(table.out.starts_with("commands                         3\n"), "{}", table.out);
    let digest = line["L3"].as_str().expect("text");
    assert!(table.out.ends_with(&format!("digest L3     {digest:>20}\n")), "{}", table.out);
}

#[test]
fn times_are_added_and_change_nothing_else() {
    let plain = json(&exec(&command_file(), &["--json"]));
    let timed = json(&exec(&command_file(), &["--json", "--bench", "2"]));
    for (field, value) in plain.as_object().expect("an object") {
        assert_eq!(&timed[field], value, "{field}");
    }
    assert!(timed["ns_per_cmd_median"].is_number(), "{timed}");
    for quantile in ["p50", "p90", "p99", "p999", "max"] {
        assert!(timed["lat_ns"][quantile].is_u64(), "{timed}");
    }
}

#[test]
fn standard_input_is_a_file_too() {
    let dir = directory();
    let mut command = corelane(dir.path(), &["book", "exec", "-", "--json"]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the binary starts");
    let mut input = child.stdin.take().expect("it was piped");
    input.write_all(&command_file()).expect("it reads");
    drop(input);
    assert_eq!(json(&finish(child)), json(&exec(&command_file(), &["--json"])));
}

#[test]
fn what_cannot_be_read_or_is_no_command_file_is_said() {
    let dir = directory();
    let missing = corelane(dir.path(), &["book", "exec", "no.bin"]).spawn().expect("it starts");
    let missing = finish(missing);
    assert_eq!((missing.code, missing.out.as_str()), (Some(74), ""));
    assert_eq!(
        missing.err,
        "error[BOK001]: no.bin cannot be read: it does not exist\n\nmore: corelane explain BOK001\n"
    );
    let text = exec(
        b"buy 5 @ 100, as a text of more bytes than the header of a file has, which is 64",
        &[],
    );
    assert_eq!(text.code, Some(1));
    assert_eq!(
        text.err,
        "error[BOK002]: orders.bin cannot be run: no command file: it does not begin with MECMD01\n\n\
         more: corelane explain BOK002\n"
    );
    let mut endless = corelane(dir.path(), &["book", "exec", "/dev/zero"]);
    let endless = finish(endless.spawn().expect("it starts"));
    assert_eq!(endless.code, Some(1), "{}", endless.err);
    assert!(endless.err.contains("/dev/zero cannot be run: no command file"), "{}", endless.err);
    let file = command_file();
    let cut = exec(&file[..file.len() - 1], &["--json"]);
    assert_eq!((cut.code, cut.out.as_str()), (Some(1), ""));
    assert!(
        cut.err.contains("(byte 16) counts 3 records, 96 bytes, but 95 bytes follow it"),
        "{}",
        cut.err
    );
}

#[test]
fn a_shared_command_file_gives_its_expected_line() {
    let shared = std::env::var_os("CORELANE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let folder = shared.join("data/matching");
    let Ok(expected) = std::fs::read_to_string(folder.join("expected.jsonl")) else {
        eprintln!("skipped: no command files in {}", folder.display());
        return;
    };
    // Every file is run by a test of the book; here one shows that the verb says the same.
    let line = expected.lines().next().expect("a line");
    let mut expected: Value = serde_json::from_str(line).expect("JSON");
    let name = expected.as_object_mut().and_then(|object| object.remove("file"));
    let file = folder.join(name.as_ref().and_then(Value::as_str).expect("a name"));
    let file = file.to_str().expect("a path in UTF-8");
    let dir = directory();
    let args = ["book", "exec", file, "--json"];
    let ended = finish(corelane(dir.path(), &args).spawn().expect("the binary starts"));
    assert_eq!(json(&ended), expected);
}
