//! The command files of the shared folder give the expected lines, where the folder exists.

use book::exec;
use std::path::PathBuf;

fn folder() -> PathBuf {
    let shared = std::env::var_os("CORELANE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    shared.join("data/matching")
}

#[test]
fn every_file_gives_its_expected_line() {
    let folder = folder();
    let Ok(expected) = std::fs::read_to_string(folder.join("expected.jsonl")) else {
        eprintln!("skipped: no command files in {}", folder.display());
        return;
    };
    let mut files = 0;
    for line in expected.lines() {
        // No value of these lines has a space in it, so spaces are layout only.
        let expected = line.replace(' ', "");
        let (name, fields) = expected
            .strip_prefix("{\"file\":\"")
            .and_then(|rest| rest.split_once("\","))
            .expect("a line begins with the name of its file");
        let bytes = std::fs::read(folder.join(name)).expect("a named file is there");
        let report = exec::run(&bytes).expect("a named file is a command file");
        assert_eq!(report.to_json_line(), format!("{{{fields}"), "{name}");
        files += 1;
    }
    assert!(files > 0, "{} names no file", folder.display());
}
