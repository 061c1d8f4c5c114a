//! What can be asked for, and what simulator and node are told.

use super::*;
use crate::cli::args::{self, Asked, BenchVerb, Verb};
use crate::config::{Config, LoadOptions};
use crate::placement::capacity;

fn plan(flags: &str) -> Result<Plan, Problem> {
    let words = format!("corelane bench monitor {flags}");
    let asked = args::parse(words.split_whitespace().map(Into::into));
    let Asked::Verb(verb) = asked else { panic!("{asked:?}") };
    let Verb::Bench(args) = *verb else { panic!("another verb") };
    let BenchVerb::Monitor(args) = args.verb else { panic!("another measurement") };
    Plan::new(&args, Stop::listen().expect("signals"))
}

fn good(flags: &str) -> Plan {
    plan(flags).unwrap_or_else(|problem| panic!("{flags}: {problem:?}"))
}

#[test]
fn rates_are_a_list_and_each_has_its_simulator() {
    let plan = good("--addresses 100 --rate 0,1000 --faults");
    assert_eq!(plan.rates, [0, 1000]);
    let flags = plan.sim_flags(0).join(" ");
    assert!(
        flags.contains("--rate-total 1000 --blocks 0") && flags.contains("--faults"),
        "{flags}"
    );
    let flags = plan.sim_flags(1000);
    let at = flags.iter().position(|flag| flag == "--rate-total").expect("a rate");
    let blocks: f64 = flags[at + 1].parse().expect("a number");
    // Enough blocks for the messages that were asked for, and not many more.
    let frames = blocks * plan.frames_per_block;
    assert!((1000.0..1030.0).contains(&frames), "{frames}");
    assert!(plan.text().starts_with("--addresses 100 --rate 0,1000 --for 30s --warm-up 5s"));
}

#[test]
fn what_cannot_be_is_refused_with_the_numbers() {
    for (flags, whats) in [
        ("--addresses 2 --rate 100,5000", ["--rate 5000", "2 accounts"]),
        (
            "--addresses 21 --real-limits --sources 127.0.0.2,127.0.0.3",
            ["2 addresses", "21 accounts"],
        ),
    ] {
        let problem = plan(flags).err().expect(flags);
        assert_eq!(problem.code, "BEN006");
        assert!(whats.iter().all(|what| problem.what.contains(what)), "{problem:?}");
    }
}

/// The node's configuration is one that a node takes.
#[track_caller]
fn config(plan: &Plan) -> Config {
    let place = Place {
        ws_url: "ws://127.0.0.1:3001/ws".to_owned(),
        info_url: "http://127.0.0.1:3001/info".to_owned(),
        addresses: (0..plan.addresses).map(|n| format!("0x{:040x}", n + 1)).collect(),
        seed: 1,
    };
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("corelane.toml");
    let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    std::fs::write(&file, plan.config_text(&place, admin)).expect("written");
    let load = LoadOptions {
        file: Some(file),
        env: Vec::new(),
        sets: plan.sets().to_vec(),
        ignore_unknown_env: true,
    };
    let loaded = Config::load(load).unwrap_or_else(|problems| panic!("{problems:?}"));
    // Nobody is left out, however unevenly accounts fall to shards.
    let capacity = capacity::plan(&loaded.config, 2);
    assert_eq!((capacity.live, capacity.problem), (plan.addresses, None));
    loaded.config
}

#[test]
fn without_limits_there_is_one_source_and_room_for_all() {
    let plan = good("--shards 2 --set journal.segment_size=16MiB");
    let config = config(&plan);
    assert_eq!(config.sources.len(), 1);
    assert!(config.sources[0].users_per_ip >= 10_000);
    assert_eq!(config.journal.segment_size, 16 << 20);
    assert!(plan.settings().contains("no limits per address, journal.segment_size=16MiB"));
}

#[test]
fn with_the_venues_limits_there_is_an_address_for_ten_accounts() {
    let plan = good("--addresses 25 --real-limits");
    let config = config(&plan);
    let locals: Vec<String> = config
        .sources
        .iter()
        .filter_map(|source| source.local_addr.map(|ip| ip.to_string()))
        .collect();
    assert_eq!(locals, ["127.0.0.2", "127.0.0.3", "127.0.0.4"]);
    assert!(config.sources.iter().all(|source| source.users_per_ip == 10));
    assert!(!plan.sim_flags(1).join(" ").contains("per-ip"));
    assert_eq!(good("--addresses 5000 --rate 1 --real-limits").sources.len(), 500);
}

#[test]
fn a_soak_forgets_in_a_quarter_of_its_time() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    assert_eq!(good("--for 9m").windows(), None);
    assert_eq!(good("--for 1h").windows(), Some((minutes(15), minutes(10))));
    assert_eq!(good("--for 20m").windows(), Some((minutes(5), minutes(5))));
    assert_eq!(good("--for 3h").windows(), None, "the defaults are shorter than a third");
    let plan = good("--for 1h");
    assert_eq!(config(&plan).dedup.window, minutes(15));
    assert!(plan.settings().contains("dedup.window 15m"));
}
