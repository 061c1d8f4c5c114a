//! Help, exit codes, wrong words, and output that nobody reads.

use std::fs::File;

use clap::CommandFactory;
use runtime::cli::args::{Cli, DAILY};
use serde_json::Value;

use super::{ACCOUNT, corelane, directory, directory_with, finish, run};

#[test]
fn alone_it_prints_the_daily_verbs() {
    let ended = run(&[]);
    assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (Some(0), DAILY, ""));
}

#[test]
fn the_help_of_every_verb_has_an_example() {
    let command = Cli::command();
    let verbs: Vec<&str> = command.get_subcommands().map(|verb| verb.get_name()).collect();
    assert!(verbs.len() >= 9, "{verbs:?}");
    for verb in verbs {
        let ended = run(&[verb, "--help"]);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{verb}");
        assert!(ended.out.contains(&format!("\n  corelane {verb}")), "{verb}: {}", ended.out);
    }
}

#[test]
fn a_wrong_word_is_a_usage_error_on_standard_error() {
    for (args, said) in [
        (&["start"][..], "did you mean: corelane run"),
        (&["corelane.toml"], "did you mean: corelane run -c corelane.toml"),
        (&["chekc"], "'check'"),
        (&["sim", "--speed", "fast"], "1 or 10, or max"),
        (&["check", "--nonsense"], "--nonsense"),
        (&["book"], "exec"),
        (&["explain"], "<CODE>"),
    ] {
        let ended = run(args);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{args:?}");
        assert!(ended.err.contains(said), "{args:?}: {}", ended.err);
    }
}

#[test]
fn exit_codes_are_listed() {
    let ended = run(&["help", "exit-codes"]);
    assert_eq!(ended.code, Some(0));
    for line in
        ["   0  done", "  69  an upstream", "  73  a file", "  74  reading", "  78  the conf"]
    {
        assert!(ended.out.contains(line), "{}", ended.out);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure_and_a_full_disk_is_one() {
    let dir = directory();
    // The reading end is closed before the program starts: every write fails, whenever it comes.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let gone = corelane(dir.path(), &["config", "init"]).stdout(writer).spawn().expect("it starts");
    let gone = finish(gone);
    assert_eq!((gone.code, gone.err.as_str()), (Some(0), ""));

    let full = File::options().write(true).open("/dev/full").expect("Linux has it");
    let full = corelane(dir.path(), &["config", "init"]).stdout(full).spawn().expect("it starts");
    assert_eq!(finish(full).code, Some(74));
}

#[test]
fn the_initial_configuration_is_the_default_one() {
    let init = run(&["config", "init"]);
    assert_eq!((init.code, init.err.as_str()), (Some(0), ""));
    let dir = directory_with(&init.out);
    let show = corelane(dir.path(), &["config", "show", "--changed"]).spawn().expect("it starts");
    let show = finish(show);
    assert_eq!((show.code, show.out.as_str(), show.err.as_str()), (Some(0), "", ""));
}

#[test]
fn what_is_in_force_is_shown_with_its_origin() {
    let dir = directory_with("[node]\nshards = 3\n");
    let args = ["config", "show", "--changed", "--set", "log.level=debug"];
    let shown = finish(corelane(dir.path(), &args).spawn().expect("it starts"));
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    let lines: Vec<&str> = shown.out.lines().collect();
    assert_eq!(lines.len(), 2, "{}", shown.out);
    assert!(lines[0].starts_with("node.shards = 3 ") && lines[0].contains("corelane.toml:2"));
    assert!(lines[1].starts_with("log.level = \"debug\"") && lines[1].ends_with("# flag"));
    let args = [&args[..], &["--json"]].concat();
    let json = finish(corelane(dir.path(), &args).spawn().expect("it starts"));
    let rows: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(rows.as_array().map(Vec::len), Some(2), "{rows}");
}

#[test]
fn the_reference_names_every_section() {
    let reference = run(&["config", "reference"]);
    assert_eq!(reference.code, Some(0));
    assert!(reference.out.starts_with("### `[node]`"), "{}", reference.out);
}

#[test]
fn the_version_says_how_it_was_built() {
    let text = run(&["version"]);
    assert_eq!(text.code, Some(0));
    let first = format!("corelane {}\n", env!("CARGO_PKG_VERSION"));
    assert!(text.out.starts_with(&first), "{}", text.out);
    let json = run(&["version", "--json"]);
    assert_eq!(json.out.lines().count(), 1);
    let json: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    let commit = json["commit"].as_str().expect("text");
    let is_hash = commit.len() == 12 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_hash || commit == "unknown", "{commit}");
    assert!(json["rustc"].as_str().is_some_and(|rustc| rustc.starts_with("rustc 1.")), "{json}");
    let target = json["target"].as_str().expect("text");
    assert!(target.contains("linux") && target.starts_with(std::env::consts::ARCH), "{target}");
    assert!(text.out.contains(&format!("  commit   {commit}\n")), "{}", text.out);
}

#[test]
fn codes_are_explained_and_unknown_ones_named() {
    let known = run(&["explain", "hst004", "NET001"]);
    assert_eq!((known.code, known.err.as_str()), (Some(0), ""));
    assert!(known.out.starts_with("HST004: locked memory limit too low\n"), "{}", known.out);
    assert!(known.out.contains("\n\nNET001: port in use\n"), "{}", known.out);
    assert!(known.out.contains("the exit code is 69"), "{}", known.out);
    let mixed = run(&["explain", "CFG02", "UPS002"]);
    assert_eq!(mixed.code, Some(2));
    assert!(mixed.err.starts_with("error: CFG02 is not a code of corelane · did you mean CFG0"));
    assert!(mixed.out.starts_with("UPS002: more addresses than the venue takes\n"));
}

#[test]
fn a_configuration_is_found_by_name_by_flag_and_by_variable() {
    let dir = directory_with("[node]\nshards = 3\n");
    std::fs::write(dir.path().join("other.toml"), "[node]\nshards = 5\n").expect("a file");
    let shards = |args: &[&str], variable: Option<&str>| {
        let args = [&["config", "show", "--changed"], args].concat();
        let mut command = corelane(dir.path(), &args);
        command.envs(variable.map(|file| ("CORELANE_CONFIG", file)));
        finish(command.spawn().expect("it starts")).out.split(' ').nth(2).map(str::to_owned)
    };
    assert_eq!(shards(&[], None).as_deref(), Some("3"));
    assert_eq!(shards(&["-c", "other.toml"], None).as_deref(), Some("5"));
    assert_eq!(shards(&[], Some("other.toml")).as_deref(), Some("5"));
    assert_eq!(shards(&["-c", "corelane.toml"], Some("other.toml")).as_deref(), Some("3"));
    let text = format!("[monitor]\naddresses = [\"{ACCOUNT}\"]\n");
    std::fs::write(dir.path().join("third.toml"), text).expect("a file");
    assert!(shards(&["-c", "third.toml"], None).is_some_and(|value| value.contains(ACCOUNT)));
}
