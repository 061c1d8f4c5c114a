//! Which value wins, where it came from, and what is printed about it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runtime::config::keys::{KEYS, SECTIONS};
use runtime::config::{
    Config, Cpus, Emit, FlushMode, LoadOptions, Loaded, LogFormat, LogLevel, Poll, Profile, Shards,
    StartFrom, StoreUrl, show,
};

const A: &str = "0x162cc7c861ebd0c06b3d72319201150482518185";
const B: &str = "0x87f9cd15f5050a9283b8896300f7c8cf69ece2cf";

fn load(file: Option<&Path>, env: &[(&str, &str)], sets: &[&str]) -> Loaded {
    let options = LoadOptions {
        file: file.map(Path::to_path_buf),
        env: env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        sets: sets.iter().map(|set| (*set).to_owned()).collect(),
        ignore_unknown_env: false,
    };
    Config::load(options).unwrap_or_else(|problems| panic!("{problems}"))
}

fn with_file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("corelane.toml");
    fs::write(&file, text).expect("a file");
    (dir, file)
}

#[test]
fn later_layers_win() {
    // Each row: set in the file, in the environment, by a flag; the value in force and its source.
    let env = [("CORELANE_LOG__LEVEL", "debug")];
    for (in_file, in_env, flag, level, origin) in [
        (false, false, false, "\"info\"", "default"),
        (true, false, false, "\"warn\"", "corelane.toml:3"),
        (false, true, false, "\"debug\"", "CORELANE_LOG__LEVEL"),
        (true, true, false, "\"debug\"", "CORELANE_LOG__LEVEL"),
        (false, false, true, "\"trace\"", "flag"),
        (true, false, true, "\"trace\"", "flag"),
        (false, true, true, "\"trace\"", "flag"),
        (true, true, true, "\"trace\"", "flag"),
    ] {
        let (dir, file) = with_file("\n[log]\nlevel = \"warn\"\n");
        let sets: &[&str] = if flag { &["log.level=error", "log.level=trace"] } else { &[] };
        let loaded = load(in_file.then_some(file.as_path()), if in_env { &env } else { &[] }, sets);
        let setting =
            loaded.settings.iter().find(|s| s.key.path() == "log.level").expect("a setting");
        assert_eq!(setting.value, level);
        let shown = setting.origin.to_string().replace(&format!("{}/", dir.path().display()), "");
        assert_eq!(shown, origin);
        assert_eq!(setting.changed, level != "\"info\"");
        assert_eq!(format!("\"{}\"", loaded.config.log.level.name()), level);
    }
}

#[test]
fn the_printed_file_is_the_default_configuration() {
    let init = show::init();
    // Uncommenting every setting must change nothing; explanations have no ` = ` at that place.
    let is_setting = |line: &str| {
        let name = line.strip_prefix("# ").and_then(|rest| rest.split_once(" = ")).map(|(n, _)| n);
        name.is_some_and(|name| KEYS.iter().any(|key| key.name == name))
    };
    let text: String = init
        .lines()
        .map(|line| if is_setting(line) { line[2..].to_owned() } else { line.to_owned() } + "\n")
        .collect();
    let uncommented = text.lines().filter(|line| !line.starts_with('#') && line.contains(" = "));
    assert_eq!(uncommented.count(), KEYS.len());
    let (dir, file) = with_file(&text);
    let loaded = load(Some(&file), &[], &[]);
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert!(loaded.settings.iter().all(|setting| !setting.changed));
    let mut expect = Config::default();
    expect.node.data_dir = dir.path().join("corelane-data");
    expect.store.url = StoreUrl::Sqlite(dir.path().join("corelane-data/corelane.db"));
    assert_eq!(loaded.config, expect);
    // As printed, everything is commented out: the same.
    fs::write(&file, init).expect("a file");
    assert_eq!(load(Some(&file), &[], &[]).config, expect);
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let config = Config::default();
    assert_eq!(config.node.data_dir, Path::new("corelane-data"));
    assert_eq!((config.node.shards, &config.node.cpus), (Shards::Auto, &Cpus::Auto));
    assert_eq!((config.node.poll, config.node.profile), (Poll::Park, Profile::Dev));
    assert_eq!(config.node.spin_for, Duration::from_micros(50));
    assert_eq!(config.monitor.start_from, StartFrom::Now);
    let source = &config.sources[0];
    assert_eq!(source.ws_url, "wss://api.hyperliquid.xyz/ws");
    assert_eq!(source.info_url.as_deref(), Some("https://api.hyperliquid.xyz/info"));
    assert_eq!((source.users_per_ip, source.connections_per_ip), (10, 10));
    assert_eq!((source.subscriptions_per_ip, source.rest_weight_per_minute), (1000, 1200));
    assert_eq!((source.connects_per_minute, source.messages_per_minute), (30, 2000));
    assert_eq!((config.aggregation.emit, config.aggregation.emit_final), (Emit::Order, false));
    assert_eq!(config.aggregation.timeout, Duration::from_secs(300));
    assert_eq!(config.aggregation.status_grace, Duration::from_secs(2));
    assert_eq!(config.aggregation.status_ttl, Duration::from_secs(600));
    assert_eq!(config.dedup.window, Duration::from_secs(1800));
    assert_eq!((config.journal.segment_size, config.journal.flush), (64 << 20, FlushMode::Auto));
    assert_eq!(config.journal.snapshot_every, 1_000_000);
    assert!(config.stdout.enabled);
    let db = Path::new("corelane-data/corelane.db");
    assert_eq!(config.store.url, StoreUrl::Sqlite(db.to_path_buf()));
    assert_eq!(config.store.retention, Duration::from_secs(7 * 86_400));
    assert_eq!((config.log.level, config.log.format), (LogLevel::Info, LogFormat::Auto));
    assert_eq!((config.nats.url.as_deref(), config.nats.ack_window), (None, 1024));
    assert_eq!(config.admin.listen, "127.0.0.1:8080".parse().ok());
}

#[test]
fn every_word_of_the_file_reaches_the_program() {
    let (dir, file) = with_file(&format!(
        "[node]\nname = \"a\"\ndata_dir = \"d\"\nshards = 2\ncpus = \"1-2\"\npublisher_cpu = 3\npoll = \"spin\"\n\
         spin_for = \"1ms\"\nprofile = \"prod\"\n\
         [monitor]\naddresses = [\"{A}\"]\nstart_from = \"snapshot\"\nusers_per_connection = 5\n\
         [[source]]\nws_url = \"ws://127.0.0.1:9/x/ws?k=v\"\nusers_per_ip = 1000\n\
         [[source]]\nlocal_addr = \"192.0.2.7\"\ninfo_url = \"http://h/i\"\n\
         [aggregation]\nemit = \"frame\"\nemit_final = true\n\
         [symbols]\naliases = {{ UBTC = \"BTC\" }}\n\
         [match]\nsymbols = [{{ name = \"BTC\", tick = \"0.5\", lot = \"0.001\" }}]\n\
         [journal]\nflush = \"dsync\"\nsnapshot_every = 5000\n\
         [stdout]\nenabled = false\n\
         [store]\nurl = \"sqlite:///var/x.db\"\n\
         [log]\nlevel = \"error\"\nformat = \"json\"\n"
    ));
    let Config { node, monitor, sources, aggregation, symbols, matching, journal, .. } =
        load(Some(&file), &[], &[]).config;
    assert_eq!((node.name.as_str(), node.data_dir), ("a", dir.path().join("d")));
    assert_eq!((node.shards, node.cpus), (Shards::Count(2), Cpus::List(vec![1, 2])));
    assert_eq!((node.publisher_cpu, node.poll), (Some(3), Poll::Spin));
    assert_eq!((node.spin_for, node.profile), (Duration::from_millis(1), Profile::Prod));
    assert_eq!(monitor.addresses, [A.parse().expect("an address")]);
    assert_eq!((monitor.start_from, monitor.users_per_connection), (StartFrom::Snapshot, 5));
    assert_eq!(sources[0].info_url.as_deref(), Some("http://127.0.0.1:9/info"));
    assert_eq!((sources[0].users_per_ip, sources[0].local_addr), (1000, None));
    assert_eq!(sources[1].local_addr, Some([192, 0, 2, 7].into()));
    assert_eq!(sources[1].info_url.as_deref(), Some("http://h/i"));
    assert_eq!((aggregation.emit, aggregation.emit_final), (Emit::Frame, true));
    assert_eq!(symbols.aliases["UBTC"], "BTC");
    assert_eq!(matching.symbols[0].tick.to_string(), "0.5");
    assert_eq!((journal.flush, journal.snapshot_every), (FlushMode::Dsync, 5000));
    let loaded = load(Some(&file), &[], &["log.format=text", "journal.flush=linked"]);
    assert!(!loaded.config.stdout.enabled);
    assert_eq!(loaded.config.store.url, StoreUrl::Sqlite("/var/x.db".into()));
    assert_eq!(loaded.config.log.level, LogLevel::Error);
    assert_eq!(loaded.config.log.format, LogFormat::Text);
    assert_eq!(loaded.config.journal.flush, FlushMode::Linked);
    let warned: Vec<_> = loaded.warnings.iter().map(|w| w.what.as_str()).collect();
    assert_eq!(warned, ["match.symbols has no effect"]);
}

#[test]
fn paths_of_the_file_start_at_the_file_and_others_where_the_user_is() {
    let (dir, file) = with_file("[node]\ndata_dir = \"data\"\n[store]\nurl = \"sqlite:s.db\"\n");
    let loaded = load(Some(&file), &[], &[]);
    assert_eq!(loaded.config.node.data_dir, dir.path().join("data"));
    assert_eq!(loaded.config.store.url, StoreUrl::Sqlite(dir.path().join("data/s.db")));
    assert_eq!(loaded.file.as_deref(), Some(file.as_path()));
    let loaded = load(Some(&file), &[], &["node.data_dir=elsewhere"]);
    assert_eq!(loaded.config.node.data_dir, Path::new("elsewhere"));
    let loaded = load(Some(&file), &[("CORELANE_STORE__URL", "")], &[]);
    assert_eq!(loaded.config.store.url, StoreUrl::None);
}

#[test]
fn lists_and_tables_can_come_from_the_environment_and_flags() {
    let both = format!("{A}, {B}");
    let loaded = load(
        None,
        &[
            ("CORELANE_MONITOR__ADDRESSES", both.as_str()),
            ("CORELANE_NODE__CPUS", "0,2-3"),
            ("CORELANE_CONFIG", "other.toml"),
            ("CORELANE_SHARED", "/x"),
            ("HOME", "/root"),
        ],
        &["symbols.aliases={ X = \"Y\" }", "source.ws_url=ws://[::1]:7/ws", "node.shards=auto"],
    );
    assert_eq!(loaded.config.monitor.addresses.len(), 2);
    assert_eq!(loaded.config.node.cpus, Cpus::List(vec![0, 2, 3]));
    assert_eq!(loaded.config.symbols.aliases["X"], "Y");
    assert_eq!(loaded.config.sources[0].info_url.as_deref(), Some("http://[::1]:7/info"));
    let quoted = format!("monitor.addresses=[\"{A}\"]");
    let loaded = load(None, &[("CORELANE_MONITOR__ADDRESSES", &both)], &[&quoted]);
    assert_eq!(loaded.config.monitor.addresses, [A.parse().expect("an address")]);
}

#[test]
fn unknown_variables_can_be_let_stand() {
    let options = LoadOptions {
        env: vec![("CORELANE_FOO".into(), "1".into())],
        ignore_unknown_env: true,
        ..Default::default()
    };
    assert!(Config::load(options).is_ok());
}

#[test]
fn a_process_brings_its_environment_and_no_file_that_is_not_there() {
    let options = LoadOptions::from_process(None, vec!["node.shards=2".into()]);
    let path = std::env::var("PATH").expect("tests run with a PATH");
    assert!(options.env.contains(&("PATH".to_owned(), path)));
    assert_eq!((options.file, options.sets.len()), (None, 1));
    let named = LoadOptions::from_process(Some("x.toml".into()), Vec::new());
    assert_eq!(named.file, Some(PathBuf::from("x.toml")));
}

#[test]
fn addresses_of_list_and_file_are_each_there_once() {
    let (dir, file) =
        with_file(&format!("[monitor]\naddresses = [\"{A}\"]\naddresses_file = \"lists/a.csv\"\n"));
    fs::create_dir(dir.path().join("lists")).expect("a directory");
    let csv = format!("address,name\n{},x\nbad\n{B}\n", A.to_uppercase().replace("0X", "0x"));
    fs::write(dir.path().join("lists/a.csv"), csv).expect("a file");
    let loaded = load(Some(&file), &[], &[]);
    let expect: Vec<shards::Address> =
        [A, B].iter().map(|text| text.parse().expect("an address")).collect();
    assert_eq!(loaded.config.monitor.addresses, expect);
    let codes: Vec<_> = loaded.warnings.iter().map(|w| w.code).collect();
    assert_eq!(codes, ["CSV001"]);
}

#[test]
fn show_prints_values_with_their_source_and_no_secret() {
    let (dir, file) = with_file(
        "[admin]\ntoken_file = \"/etc/token\"\n[nats]\nurl = \"nats://u:secret@h\"\n[journal]\nsegment_size = \"4096KiB\"\n",
    );
    let loaded = load(Some(&file), &[("CORELANE_NODE__NAME", "a \"b\"")], &["node.shards=2"]);
    let changed = show::show(&loaded, true).replace(&format!("{}/", dir.path().display()), "");
    assert_eq!(
        changed,
        "node.name = 'a \"b\"'            # CORELANE_NODE__NAME
node.shards = 2                # flag
journal.segment_size = \"4MiB\"  # corelane.toml:6
nats.url = \"nats://u:***@h\"    # corelane.toml:4
admin.token_file = \"***\"       # corelane.toml:2
"
    );
    let all = show::show(&loaded, false);
    assert_eq!(all.lines().count(), KEYS.len());
    assert!(!all.contains("secret") && !all.contains("/etc/token"));
    let json: serde_json::Value =
        serde_json::from_str(&show::show_json(&loaded, true)).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(5));
    assert_eq!(json[1]["key"], "node.shards");
    assert_eq!(json[1]["value"], "2");
    assert_eq!(json[1]["source"], "flag");
}

#[test]
fn several_sources_are_shown_by_number() {
    let (_dir, file) = with_file("[[source]]\n[[source]]\nlocal_addr = \"192.0.2.7\"\n");
    let shown = show::show(&load(Some(&file), &[], &[]), true);
    assert!(shown.starts_with("source[1].local_addr = \"192.0.2.7\""), "{shown}");
}

#[test]
fn every_value_that_is_shown_can_be_written_into_a_file() {
    let (_dir, file) = with_file(&format!(
        "[node]\ncpus = [3, 1]\nshards = 2\n[monitor]\naddresses = [\"{A}\"]\n\
         [symbols]\naliases = {{ \"a b\" = \"c\" }}\n\
         [match]\nsymbols = [{{ name = \"B\\\"\", tick = \"0.50\", lot = \"1\" }}]\n[store]\nurl = \"sqlite:/x y.db\"\n"
    ));
    let first = load(Some(&file), &[], &[]);
    let mut text = String::new();
    for (section, _) in SECTIONS {
        let bracket =
            if *section == "source" { format!("[[{section}]]") } else { format!("[{section}]") };
        text += &format!("{bracket}\n");
        for setting in first.settings.iter().filter(|s| s.key.section == *section) {
            text += &format!("{} = {}\n", setting.key.name, setting.value);
        }
    }
    fs::write(&file, &text).expect("a file");
    let second = load(Some(&file), &[], &[]);
    assert_eq!(first.config, second.config, "{text}");
}
