//! What of a result is printed, and what is written as JSON.

use serde_json::Value;

use super::*;
use crate::cli::bench::machine::Disk;

fn quantiles(p50_us: u64) -> Quantiles {
    let ns = p50_us * 1000;
    Quantiles { samples: 10, p50_ns: ns, p99_ns: 2 * ns, p999_ns: 3 * ns, max_ns: 4 * ns }
}

fn single(writer: Writer, ratio_p99: f64) -> SingleRow {
    SingleRow {
        writer,
        flush: "linked",
        times: quantiles(100),
        cpu_thread_us: 20.0,
        cpu_process_us: 40.0,
        ratio_p50: 1.0,
        ratio_p99,
        calls_ratio_p50: 1.1,
        calls_ratio_p99: 1.2,
    }
}

fn throughput(per_flush: Option<usize>, in_flight: usize, records_per_s: f64) -> ThroughputRow {
    ThroughputRow {
        flush: "dsync",
        in_flight,
        per_flush,
        records_per_s,
        bytes_per_s: 5e7,
        flushes_per_s: 6000.0,
        records_per_flush: 64.0,
        bare_bytes_per_s: 6e7,
        ratio: 0.83,
        cpu_thread_ns_per_record: 300.0,
        cpu_process_ns_per_record: 500.0,
    }
}

fn found() -> Found {
    Found {
        single: vec![single(Writer::Ring, 1.0), single(Writer::Journal, 1.4)],
        throughput: vec![
            throughput(Some(1), 1, 9000.0),
            throughput(Some(64), 1, 390_000.0),
            throughput(Some(64), 2, 500_000.0),
            throughput(None, 2, 3_000_000.0),
        ],
        open_loop: vec![OpenLoopRow {
            flush: "dsync",
            in_flight: 2,
            submitted: 50_000,
            accepted: 49_990,
            durable: 49_980,
            times: quantiles(120),
            records_per_flush: 1.5,
            cpu_thread_us_per_record: 20.0,
            cpu_process_us_per_record: 30.0,
        }],
        starvation: [Waits::Asleep, Waits::Polling, Waits::PollingLongSlice, Waits::AsShard]
            .map(|waits| StarvedRow {
                flush: "linked",
                waits,
                worker_kept: true,
                cpu: 1,
                times: quantiles(if waits == Waits::Polling { 4000 } else { 110 }),
                over_1ms: if waits == Waits::Asleep { 7 } else { 6 },
                first_ns: 90_000_000,
            })
            .to_vec(),
        recovery: Recovery {
            records: 1000,
            batches: 2,
            bytes: 144_000,
            cold_records_per_s: 1e6,
            records_per_s: 2.5e6,
            total_ns_per_record: 400.0,
            read_ns_per_record: 100.0,
            checksum_ns_per_record: 200.0,
            walks_ns_per_record: f64::NAN,
            rest_ns_per_record: 100.0,
            limit: "the checksum",
        },
        fio: Fio::Absent("fio is not installed: apt-get install fio".to_owned()),
    }
}

fn report() -> Report {
    let found = found();
    Report {
        arguments: "--bytes 128".to_owned(),
        machine: Machine {
            cpu: "A CPU".to_owned(),
            cpus: "0-1 of 2".to_owned(),
            isolated: String::new(),
            kernel: "6.18.0".to_owned(),
            hypervisor: "KVM guest".to_owned(),
            governor: "none".to_owned(),
            huge_pages: "madvise".to_owned(),
            load: 0.1,
            commit: "0123456789ab".to_owned(),
            optimised: true,
            disk: Disk { direct: Some(true), ..Disk::default() },
            pinned: None,
        },
        untuned: vec!["KVM guest: others may use it".to_owned()],
        registered: true,
        targets: found.targets(128),
        found,
    }
}

#[test]
fn each_combination_is_judged_by_its_slowest_batch_size() {
    let targets = report().targets;
    let reached: Vec<bool> = targets.iter().map(|target| target.reached).collect();
    assert_eq!(reached, [false, true, false, true, true, true], "{targets:#?}");
    assert_eq!((targets[0].measured, targets[0].wanted), (1.4, 1.3));
    assert!(targets[1].what.ends_with("bare system calls"), "{}", targets[1].what);
    assert!(targets[2].what.starts_with("dsync, 1 in flight"), "{}", targets[2].what);
    // The natural batches of two in flight are faster than 64 a flush: the slower counts.
    assert_eq!((targets[2].measured, targets[3].measured), (390_000.0, 500_000.0));
    let mut starved = found();
    starved.starvation[3].over_1ms = 8;
    let last = starved.targets(128).pop().expect("starvation is judged last");
    assert!(!last.reached, "more than when the loop sleeps: {last:?}");
    assert_eq!((last.measured, last.wanted), (8.0, 7.0));
}

#[test]
fn the_tables_say_what_was_measured_and_on_what() {
    let text = report().text();
    for said in [
        "corelane bench journal --bytes 128\n",
        "UNTUNED    the reasons are at the end\n",
        "Linux 6.18.0 · KVM guest · load 0.10",
        "  linked  ring, no journal         100.0     200.0     300.0      400.0",
        "  dsync           2       64      500000",
        "      50000     49990     49980     120.0",
        "  linked  polling                 4000.0    8000.0   12000.0    16000.0           6      10    90000.0",
        "most is the checksum",
        "fio: nothing (fio is not installed: apt-get install fio)",
        "  MISSED         1.40  of      1.30  linked",
        "UNTUNED: KVM guest: others may use it\n",
    ] {
        assert!(text.contains(said), "{said:?} is not in\n{text}");
    }
    let tuned = Report { untuned: Vec::new(), ..report() };
    assert!(!tuned.text().contains("UNTUNED"));
}

#[test]
fn json_has_every_figure_under_its_name() {
    let json = serde_json::to_string(&report()).expect("plain fields serialize");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let found = &json["found"];
    assert_eq!(found["single"][1]["writer"], "journal");
    assert_eq!(found["single"][1]["p99_ns"], 200_000);
    assert_eq!(found["throughput"][3]["per_flush"], Value::Null);
    assert_eq!(found["open_loop"][0]["durable"], 49_980);
    assert_eq!(found["starvation"][2]["waits"], "polling_long_slice");
    assert_eq!(found["recovery"]["limit"], "the checksum");
    assert_eq!(found["recovery"]["walks_ns_per_record"], Value::Null, "not a number");
    assert_eq!(found["fio"], "fio is not installed: apt-get install fio");
    assert_eq!(json["machine"]["disk"]["direct"], true);
    assert_eq!(json["targets"][0]["reached"], false);
}
