//! What a command line is taken for.

use super::*;

fn asked(line: &str) -> Asked {
    parse(std::iter::once("corelane").chain(line.split_whitespace()).map(OsString::from))
}

fn verb(line: &str) -> Verb {
    match asked(line) {
        Asked::Verb(verb) => *verb,
        other => panic!("{line}: {other:?}"),
    }
}

fn text(line: &str) -> String {
    match asked(line) {
        Asked::Text(text) => text,
        other => panic!("{line}: {other:?}"),
    }
}

fn usage(line: &str) -> String {
    match asked(line) {
        Asked::Usage(text) => text,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn alone_it_prints_the_daily_verbs() {
    let daily = text("");
    for verb in ["demo", "config init", "check", "run", "sim"] {
        assert!(daily.contains(&format!("corelane {verb}")), "{verb}");
    }
    assert!(daily.lines().count() <= 10);
}

#[test]
fn every_verb_has_an_example_that_parses() {
    for verb in Cli::command().get_subcommands().filter(|verb| verb.get_name() != "help") {
        let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples: Vec<&str> =
            help.lines().filter_map(|line| line.trim().strip_prefix("corelane ")).collect();
        assert!(!examples.is_empty(), "{} has no example", verb.get_name());
        for example in examples {
            let line = example.split(" > ").next().expect("a first part");
            assert!(matches!(asked(line), Asked::Verb(_)), "{example}");
        }
    }
}

#[test]
fn help_goes_to_standard_output_and_mistakes_to_standard_error() {
    assert!(text("--help").contains("Exit codes: corelane help exit-codes"));
    assert!(text("run --help").contains("corelane run -c corelane.toml"));
    assert!(text("help sim").contains("--config-out"));
    assert!(text("help exit-codes").contains("78  the configuration is wrong"));
    assert!(text("--version").starts_with("corelane 0."));
    assert!(usage("run --nonsense").contains("--nonsense"));
    assert!(usage("demo --for 10").contains("a number; write \"10s\""));
    assert!(usage("demo --for 0s").contains("must be longer"));
    assert!(usage("sim --speed fast").contains("1 or 10, or max"));
    assert!(usage("sim --rate=0").contains("1..=1000"));
    assert!(usage("sim --speed 0").contains("1 or 10, or max"));
    assert!(usage("book exec f --bench 0").contains("1..=1000000"));
}

#[test]
fn wrong_habits_are_answered_with_the_right_verb() {
    assert!(usage("start").contains("did you mean: corelane run"));
    assert!(usage("corelane.toml").contains("did you mean: corelane run -c corelane.toml"));
    assert!(usage("chekc").contains("'check'"), "{}", usage("chekc"));
    assert!(usage("zzz").contains("unrecognized subcommand 'zzz'"));
    assert!(usage("config start").contains("unrecognized subcommand 'start'"));
}

#[test]
fn demo_has_its_defaults() {
    let Verb::Demo(args) = verb("demo") else { panic!("demo") };
    assert_eq!((args.seed, args.addresses, args.shards, args.no_faults), (42, 6, 2, false));
    assert_eq!((args.for_, args.report, args.data), (None, None, None));
    let line =
        "demo --for 1m30s --report r.json --data d --seed 7 --addresses 3 --shards 4 --no-faults";
    let Verb::Demo(args) = verb(line) else { panic!("demo") };
    assert_eq!(args.for_, Some(Duration::from_secs(90)));
    assert_eq!((args.seed, args.addresses, args.shards, args.no_faults), (7, 3, 4, true));
    assert!(usage("demo --addresses 0").contains("1..=1000"));
}

#[test]
fn flags_of_run_become_settings_after_those_of_set() {
    let line =
        "run -c a.toml --set node.data_dir=x --set node.shards=2 --data /d --ignore-unknown-env";
    let Verb::Run(args) = verb(line) else { panic!("run") };
    assert_eq!(args.source.config, Some(PathBuf::from("a.toml")));
    assert!(args.source.ignore_unknown_env);
    assert_eq!(args.sets(), ["node.data_dir=x", "node.shards=2", "node.data_dir=/d"]);
}

#[test]
fn sim_takes_several_files_and_all_limits() {
    let line = "sim --replay a.jsonl b.json --replay c.json --speed max --faults --listen [::1]:0 \
                --users-per-ip 1000 --connections-per-ip 11 --connects-per-minute 12 \
                --subscriptions-per-ip 13 --messages-per-minute 14 --rest-weight-per-minute 15 \
                --truth t --blocks 9 --rate 25 --no-order-updates --config-out o.toml";
    let Verb::Sim(args) = verb(line) else { panic!("sim") };
    assert_eq!(args.replay.len(), 3);
    assert_eq!((args.speed, args.rate, args.blocks), (Speed::Max, Some(25), Some(9)));
    assert_eq!(args.users_per_ip, Some(1000));
    assert!(args.listen.is_ipv6() && args.faults && args.no_order_updates);
    let Verb::Sim(args) = verb("sim --speed 10") else { panic!("sim") };
    assert_eq!((args.speed, args.users_per_ip), (Speed::Times(10.0), None));
    assert_eq!(args.listen, SocketAddr::from(([127, 0, 0, 1], 3001)));
}
