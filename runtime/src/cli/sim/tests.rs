//! What the command line turns into, and what is written and said.

use std::ffi::OsString;
use std::path::PathBuf;

use super::super::args::{Asked, Verb, parse};
use super::*;
use crate::config::{Config, LoadOptions};
use crate::placement::capacity;

fn asked(line: &str) -> SimArgs {
    let words = std::iter::once("corelane").chain(line.split_whitespace()).map(OsString::from);
    match parse(words) {
        Asked::Verb(verb) => match *verb {
            Verb::Sim(args) => args,
            other => panic!("{line}: {other:?}"),
        },
        other => panic!("{line}: {other:?}"),
    }
}

fn place(accounts: u8) -> Place {
    Place {
        ws_url: "ws://127.0.0.1:3001/ws".to_owned(),
        info_url: "http://127.0.0.1:3001/info".to_owned(),
        addresses: (1..=accounts).map(|n| format!("0x{n:040x}")).collect(),
    }
}

#[test]
fn flags_become_options() {
    let plain = options(&asked("sim"));
    assert_eq!((plain.traders, plain.seed, plain.speed), (6, 42, Speed::X(1.0)));
    assert_eq!(plain.limits, SimLimits::default());
    assert!(plain.order_updates && !plain.faults);

    let line = "sim --replay a.jsonl 0x00000000000000000000000000000000000000aa=b.json --speed max \
                --faults --rate 50 --blocks 7 --truth t --no-order-updates --users-per-ip 1 \
                --connections-per-ip 2 --connects-per-minute 3 --subscriptions-per-ip 4 \
                --messages-per-minute 5 --rest-weight-per-minute 6";
    let all = options(&asked(line));
    assert_eq!((all.traders, all.speed, all.blocks), (0, Speed::Max, Some(7)));
    assert_eq!(all.replay[0], ReplayFile { path: "a.jsonl".into(), address: None });
    assert_eq!(all.replay[1].path, PathBuf::from("b.json"));
    assert!(all.replay[1].address.is_some() && all.faults && !all.order_updates);
    assert_eq!((all.rates.blocks_per_second, all.truth), (50, Some("t".into())));
    let limits = all.limits;
    let counts = [
        limits.users,
        limits.connections,
        limits.connects_per_minute,
        limits.subscriptions,
        limits.messages_per_minute,
        limits.rest_weight_per_minute,
    ];
    assert_eq!(counts, [1, 2, 3, 4, 5, 6]);
    assert_eq!(options(&asked("sim --replay a --traders 3")).traders, 3);
}

#[test]
fn the_configuration_it_writes_loads_and_has_room_for_every_account() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("corelane.toml");
    for (accounts, limits) in [(10, SimLimits::default()), (100, SimLimits::none())] {
        // The second write replaces the first.
        write_config(&path, &place(accounts).config(&limits)).expect("written");
        let options = LoadOptions { file: Some(path.clone()), ..LoadOptions::default() };
        let loaded = Config::load(options).expect("it loads");
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
        let plan = capacity::plan(&loaded.config, 2);
        assert_eq!((plan.live, plan.problem), (u32::from(accounts), None));
        let source = &loaded.config.sources[0];
        assert_eq!(source.ws_url, "ws://127.0.0.1:3001/ws");
        assert_eq!(source.info_url.as_deref(), Some("http://127.0.0.1:3001/info"));
        net::Target::parse(&source.ws_url).expect("it can be connected to");
    }
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 1);
}

#[test]
fn more_accounts_than_users_come_from_more_addresses() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("corelane.toml");
    let text = place(25).config(&SimLimits::default());
    let wanted = "local_addrs = [\"127.0.0.2\", \"127.0.0.3\", \"127.0.0.4\"]\n";
    assert!(text.contains(wanted), "{text}");
    write_config(&path, &text).expect("written");
    let options = LoadOptions { file: Some(path), ..LoadOptions::default() };
    let loaded = Config::load(options).expect("it loads");
    let plan = capacity::plan(&loaded.config, 2);
    assert_eq!((plan.live, plan.problem), (25, None));
    let far = Place { ws_url: "ws://10.0.0.7:3001/ws".to_owned(), ..place(25) };
    assert!(!far.config(&SimLimits::default()).contains("local_addrs"));
}

#[test]
fn faults_a_node_and_a_load_are_asked_for() {
    let line = "sim --fault rest_429=3 --fault gap_for_info --node-dir n --node-plain \
                --node-hour 5s --start --history-fills 9 --rate-total 500 --traders 100 --due-times";
    let all = options(&asked(line));
    let faults: Vec<(&str, u32)> =
        all.only_faults.iter().map(|asked| (asked.fault.name(), asked.every)).collect();
    assert_eq!(faults, [("rest_429", 3), ("gap_for_info", 25)]);
    let node = all.node.expect("a node");
    assert_eq!((node.plain, node.hour), (true, Some(Duration::from_secs(5))));
    assert!(all.starts_at_once && all.due_times && all.limits.history_fills == 9);
    assert_eq!((all.rates.blocks_per_second, all.rates.shared_by), (500, 100));
}

#[test]
fn listening_everywhere_is_reached_over_loopback() {
    for (listen, reach) in [
        ("0.0.0.0:3001", "127.0.0.1:3001"),
        ("[::]:3001", "[::1]:3001"),
        ("10.0.0.7:1", "10.0.0.7:1"),
    ] {
        let addr = listen.parse().expect("an address");
        assert_eq!(reachable(addr).to_string(), reach);
    }
}

#[test]
fn the_banner_says_when_the_limits_are_too_low_for_a_monitor() {
    let args = asked("sim --faults --config-out c.toml");
    let banner = place(12).banner(&args, &SimLimits::default());
    assert!(
        banner.contains("accounts  12, 0 of them recorded · speed 1 x · faults on"),
        "{banner}"
    );
    assert!(banner.contains("  config    c.toml\n"), "{banner}");
    let ways =
        "to follow all: 2 source addresses (--config-out writes them) or --users-per-ip 12\n";
    assert!(banner.contains(ways), "{banner}");
    assert!(!place(10).banner(&args, &SimLimits::default()).contains("note"));
}

#[test]
fn what_goes_wrong_has_a_code_and_an_exit() {
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    let listen = "192.0.2.1:9".parse().expect("an address");
    let check = |error: SimError, code: &str, exit: Exit| {
        let problem = refused(error);
        assert_eq!((problem.code, problem.exit()), (code, exit), "{problem}");
    };
    check(SimError::Listen { listen, source: gone() }, "NET003", Exit::Unavailable);
    check(SimError::Thread { source: gone() }, "SYS001", Exit::Unavailable);
    check(SimError::Read { path: "x".into(), source: gone() }, "SIM002", Exit::Io);
    let why = "no fill".to_owned();
    check(SimError::Replay { path: "x".into(), line: 3, why }, "SIM003", Exit::Usage);
    check(SimError::Option { option: "speed", why: "more" }, "SIM003", Exit::Usage);
    let full = || io::Error::from(io::ErrorKind::StorageFull);
    check(SimError::Write { path: "x".into(), source: gone() }, "DIR001", Exit::CannotCreate);
    check(SimError::Write { path: "x".into(), source: full() }, "DSK001", Exit::Io);
    check(SimError::Ended, "SIM001", Exit::Unavailable);
}

#[test]
fn the_line_of_counters_adds_the_faults_up() {
    let mut stats =
        SimStats { fills: 7, connections: 3, connections_open: 1, ..SimStats::default() };
    stats.faults.insert("cut".to_owned(), 2);
    stats.faults.insert("delay".to_owned(), 3);
    let line = stats_line(Duration::from_secs(75), &stats);
    assert_eq!(
        line,
        " 01:15  fills 7 · frames 0 · connections 1 (3 so far) · requests 0 · faults 5 · refused 0\n"
    );
}
