//! `corelane bench`, with counts so small that nothing can be said about the machine.
//!
//! No time is judged: only that every question is answered, that the counts add up, and that nothing
//! stays behind.

use std::path::Path;

use serde_json::Value;

use super::{Ended, corelane, directory, finish};

/// Small in everything.
const SMALL: [&str; 13] = [
    "bench",
    "journal",
    "--records",
    "40",
    "--rounds",
    "2",
    "--for",
    "40ms",
    "--per-flush",
    "1,8",
    "--segment-size",
    "256KiB",
    "--quiet",
];

#[track_caller]
fn bench(dir: &Path, flags: &[&str]) -> Ended {
    let args = [&SMALL[..], flags].concat();
    finish(corelane(dir, &args).spawn().expect("the binary starts"))
}

/// Whether this host lets us have a ring and a disk: without, it is said, and nothing is tested.
fn is_possible(ended: &Ended) -> bool {
    let possible = ended.code != Some(69);
    if !possible {
        eprintln!("SKIPPED: {}", ended.err);
    }
    possible
}

#[test]
fn every_question_is_answered_and_nothing_stays_behind() {
    let dir = directory();
    let ended = bench(dir.path(), &["--json", "result.json", "--rate", "2000"]);
    if !is_possible(&ended) {
        return;
    }
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{}", ended.out);
    for said in [
        "corelane bench journal --flush both --bytes 128 --per-flush 1,8 --in-flight 1,2,4",
        "O_DIRECT ",
        "ring, no journal",
        "durable records a second",
        "open loop",
        "the CPU of its loop",
        "recovery of 40 records",
        "\nfio",
        "\ntargets\n",
        // An unoptimised build never is fit.
        "\nUNTUNED: this build is not optimised",
    ] {
        assert!(ended.out.contains(said), "{said:?} is not in\n{}", ended.out);
    }
    let text = std::fs::read_to_string(dir.path().join("result.json")).expect("it was written");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let rows = |question: &str| json["found"][question].as_array().expect("rows").clone();
    // Two forms by three writers; two forms, three numbers in flight, two counts and natural batches.
    assert_eq!((rows("single").len(), rows("throughput").len()), (6, 18));
    assert!(rows("single").iter().all(|row| row["samples"] == 80), "{text}");
    assert_eq!((rows("open_loop").len(), rows("starvation").len()), (6, 10));
    for row in rows("open_loop") {
        let count = |name: &str| row[name].as_u64().expect("a count");
        assert_eq!(count("submitted"), 80, "{row}");
        assert!(count("submitted") >= count("accepted"), "{row}");
        assert!(count("accepted") >= count("durable"), "{row}");
        assert_eq!(count("samples"), count("submitted"), "{row}");
    }
    assert_eq!(json["found"]["recovery"]["records"], 40);
    if std::process::Command::new("fio").arg("--version").output().is_ok() {
        assert_eq!(rows("fio").len(), 2, "{text}");
    } else {
        assert!(ended.out.contains("apt-get install fio"), "{}", ended.out);
        eprintln!("SKIPPED: fio's figures, for fio is not installed");
    }
    let left: Vec<_> = std::fs::read_dir(dir.path()).expect("a directory").flatten().collect();
    assert_eq!(left.len(), 1, "only the result: {left:?}");
}

#[test]
fn one_form_and_one_number_in_flight_can_be_asked_for() {
    let dir = directory();
    let flags = ["--flush", "linked", "--in-flight", "2", "--bytes", "500", "--json", "r.json"];
    let ended = bench(dir.path(), &flags);
    if !is_possible(&ended) {
        return;
    }
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let text = std::fs::read_to_string(dir.path().join("r.json")).expect("it was written");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["found"]["single"].as_array().map(Vec::len), Some(3));
    assert_eq!(json["found"]["throughput"].as_array().map(Vec::len), Some(3));
    assert_eq!(json["found"]["open_loop"][0]["in_flight"], 2);
}

#[test]
fn a_machine_that_is_not_fit_is_refused_when_asked_for_a_fit_one() {
    let dir = directory();
    let ended = bench(dir.path(), &["--require-tuned"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{}", ended.err);
    assert!(ended.err.starts_with("error[BEN004]: this machine is not fit"), "{}", ended.err);
    assert!(ended.err.contains("found: this build is not optimised"), "{}", ended.err);
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0);
}

#[test]
fn memory_is_refused() {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    if !mounts.lines().any(|line| line.contains(" /dev/shm ") && line.contains(" - tmpfs ")) {
        eprintln!("SKIPPED: /dev/shm is no tmpfs here");
        return;
    }
    let dir = directory();
    let ended = bench(dir.path(), &["--dir", "/dev/shm"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(69), ""), "{}", ended.err);
    assert!(ended.err.starts_with("error[BEN001]: /dev/shm is in memory (tmpfs)"), "{}", ended.err);
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_written() {
    let dir = directory();
    for (flags, code, said) in [
        (&["--per-flush", "9000"][..], 2, "BEN005"),
        (&["--cpu", "99999"], 78, "TOP004"),
        (&["--dir", "nowhere"], 73, "DIR001"),
        (&["--in-flight", "5"], 2, "1..=4"),
        (&["--segment-size", "5KiB"], 2, "from 256KiB to 1GiB"),
        (&["--per-flush", "0"], 2, "1..=65536"),
        (&["--records", "1000000000", "--bytes", "65536"], 2, "BEN005"),
    ] {
        let args = [&["bench", "journal"], flags].concat();
        let ended = finish(corelane(dir.path(), &args).spawn().expect("the binary starts"));
        assert_eq!((ended.code, ended.out.as_str()), (Some(code), ""), "{flags:?}: {}", ended.err);
        assert!(ended.err.contains(said), "{flags:?}: {}", ended.err);
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0);
    }
}

#[test]
fn a_load_is_measured_and_every_leg_is_the_truth() {
    let dir = directory();
    let flags = "bench monitor --addresses 20 --rate 0,200 --for 2s --warm-up 1s --shards 2 \
                 --set journal.segment_size=4MiB --seed 5 --json r.json --quiet";
    let args: Vec<&str> = flags.split_whitespace().collect();
    let ended = finish(corelane(dir.path(), &args).spawn().expect("the binary starts"));
    if !is_possible(&ended) {
        return;
    }
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{}", ended.out);
    for said in ["corelane bench monitor --addresses 20 --rate 0,200", "\npinning    ", "PASS"] {
        assert!(ended.out.contains(said), "{said:?} is not in\n{}", ended.out);
    }
    let text = std::fs::read_to_string(dir.path().join("r.json")).expect("it was written");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let runs = json["runs"].as_array().expect("runs");
    let [idle, loaded] = &runs[..] else { panic!("two rates, two runs: {text}") };
    let truth = |run: &Value, name: &str| run["truth"][name].as_u64().expect("a count");
    assert_eq!((truth(idle, "fills_sent"), truth(idle, "signals")), (0, 0));
    for run in runs {
        assert_eq!((truth(run, "lost"), truth(run, "more")), (0, 0), "{text}");
        assert_eq!(truth(run, "fills_sent"), truth(run, "fills_seen"), "{text}");
        assert_eq!(truth(run, "signals"), truth(run, "printed"), "{text}");
        assert_eq!(run["truth"]["passed"], true, "{text}");
        assert!(
            run["cpu"]["threads"].is_object() && run["resident"]["peak_kib"].as_u64() > Some(0)
        );
    }
    assert!(truth(loaded, "fills_sent") > 100 && truth(loaded, "legs_expected") > 50, "{text}");
    let left: Vec<_> = std::fs::read_dir(dir.path()).expect("a directory").flatten().collect();
    assert_eq!(left.len(), 1, "only the result: {left:?}");
}

#[test]
fn a_load_that_cannot_be_is_refused() {
    let dir = directory();
    for (flags, code, said) in [
        ("--addresses 1 --rate 100000", 2, "BEN006"),
        ("--addresses 30 --real-limits --sources 127.0.0.2", 2, "BEN006"),
        ("--dir nowhere", 73, "DIR001"),
        ("--rate many", 2, "--rate"),
        ("--addresses 0", 2, "1..=10000"),
    ] {
        let args: Vec<&str> = ["bench", "monitor"].into_iter().chain(flags.split(' ')).collect();
        let ended = finish(corelane(dir.path(), &args).spawn().expect("the binary starts"));
        assert_eq!((ended.code, ended.out.as_str()), (Some(code), ""), "{flags:?}: {}", ended.err);
        assert!(ended.err.contains(said), "{flags:?}: {}", ended.err);
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0);
    }
}

#[test]
fn a_node_that_does_not_start_is_told_with_its_last_words() {
    let dir = directory();
    let flags = "bench monitor --addresses 5 --rate 1 --for 1s --set store.url=nonsense --quiet";
    let args: Vec<&str> = flags.split(' ').collect();
    let ended = finish(corelane(dir.path(), &args).spawn().expect("the binary starts"));
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{}", ended.err);
    assert!(ended.err.contains("BEN007") && ended.err.contains("store.url"), "{}", ended.err);
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0);
}
