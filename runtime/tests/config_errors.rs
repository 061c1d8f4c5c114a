//! Bad configurations and the exact text that answers each.

use std::path::{Path, PathBuf};

use runtime::config::{Config, LoadOptions, Loaded};
use runtime::diag::{Exit, Problems};

const A: &str = "0x162cc7c861ebd0c06b3d72319201150482518185";
const B: &str = "0x87f9cd15f5050a9283b8896300f7c8cf69ece2cf";

/// Loads `text` as a file called `corelane.toml`.
fn load(text: &[u8], env: &[(&str, &str)], sets: &[&str]) -> (Result<Loaded, Problems>, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("corelane.toml");
    std::fs::write(&file, text).expect("a file");
    let options = LoadOptions {
        file: Some(file),
        env: env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        sets: sets.iter().map(|set| (*set).to_owned()).collect(),
        ignore_unknown_env: false,
    };
    (Config::load(options), dir.path().to_owned())
}

/// The problems as text, without the directory and without the last line.
fn text(problems: &Problems, dir: &Path) -> String {
    let text = problems.render(false).replace(&format!("{}/", dir.display()), "");
    let end = text.rfind("\n\nmore: ").expect("the last line");
    text[..end].to_owned()
}

#[track_caller]
fn check_all(input: &str, env: &[(&str, &str)], sets: &[&str], expect: &str) {
    let (result, dir) = load(input.as_bytes(), env, sets);
    let problems = result.expect_err("must be refused");
    assert_eq!(text(&problems, &dir), expect);
    assert_eq!(problems.exit(), Exit::Config);
}

#[track_caller]
fn check(input: &str, expect: &str) {
    check_all(input, &[], &[], expect);
}

#[track_caller]
fn check_warning(input: &str, expect: &str) {
    let (result, dir) = load(input.as_bytes(), &[], &[]);
    assert_eq!(text(&result.expect("loads").warnings, &dir), expect);
}

#[test]
fn an_unclosed_table() {
    check(
        "[node\n",
        "error[CFG001]: corelane.toml is not TOML
   ╭─[corelane.toml:1:6]
 1 │ [node
   ·      ▲ unclosed table, expected `]`",
    );
}

#[test]
fn a_key_twice() {
    check(
        "[node]\nname = \"a\"\nname = \"b\"\n",
        "error[CFG001]: corelane.toml is not TOML
   ╭─[corelane.toml:3:1]
 3 │ name = \"b\"
   · ──┬─ duplicate key",
    );
}

#[test]
fn a_value_without_quotes() {
    check(
        "[node]\npoll = spin\n",
        "error[CFG001]: corelane.toml is not TOML
   ╭─[corelane.toml:2:8]
 2 │ poll = spin
   ·        ──┬─ string values must be quoted, expected literal string",
    );
}

#[test]
fn an_unknown_key_with_a_near_name() {
    check(
        "[store]\nflush_intervall = \"1ms\"\n",
        "error[CFG002]: unknown key
   ╭─[corelane.toml:2:1]
 2 │ flush_intervall = \"1ms\"
   · ───────┬─────── not a key of [store]
  help: did you mean `flush_interval`?",
    );
}

#[test]
fn a_key_of_another_section() {
    check(
        "[journal]\nflush_interval = \"1ms\"\n",
        "error[CFG002]: unknown key
   ╭─[corelane.toml:2:1]
 2 │ flush_interval = \"1ms\"
   · ───────┬────── not a key of [journal]
  help: did you mean `store.flush_interval`?",
    );
}

#[test]
fn a_key_that_is_near_nothing() {
    check(
        "[journal]\ncompression = \"zstd\"\n",
        "error[CFG002]: unknown key
   ╭─[corelane.toml:2:1]
 2 │ compression = \"zstd\"
   · ─────┬───── not a key of [journal]
  help: `corelane config init` prints every key",
    );
}

#[test]
fn a_key_outside_of_a_table() {
    check(
        "data_dir = \"/d\"\n",
        "error[CFG002]: unknown key
   ╭─[corelane.toml:1:1]
 1 │ data_dir = \"/d\"
   · ────┬─── every key stands in a table, for example [node]
  help: did you mean `node.data_dir`?",
    );
}

#[test]
fn an_unknown_section() {
    check(
        "[jurnal]\nflush = \"auto\"\n",
        "error[CFG002]: unknown section
   ╭─[corelane.toml:1:2]
 1 │ [jurnal]
   ·  ───┬── not a section
  help: did you mean `journal`?",
    );
}

#[test]
fn a_size_without_a_unit() {
    check(
        "[journal]\nsegment_size = 64\n",
        "error[CFG004]: journal.segment_size needs a unit
   ╭─[corelane.toml:2:16]
 2 │ segment_size = 64
   ·                ─┬ a number; write \"64MiB\" (or \"64B\" if bytes were meant)",
    );
}

#[test]
fn a_duration_without_a_unit() {
    check(
        "[aggregation]\ntimeout = \"300\"\n",
        "error[CFG004]: aggregation.timeout needs a unit
   ╭─[corelane.toml:2:11]
 2 │ timeout = \"300\"
   ·           ──┬── a number; write \"300s\" (or \"300ms\" if milliseconds were meant)",
    );
}

#[test]
fn a_unit_that_is_none() {
    check(
        "[dedup]\nwindow = \"30 min\"\n",
        "error[CFG004]: dedup.window is not understood
   ╭─[corelane.toml:2:10]
 2 │ window = \"30 min\"
   ·          ────┬─── `min` is not a unit; use ns, us, ms, s, m, h or d",
    );
}

#[test]
fn a_duration_and_a_size_out_of_range() {
    check(
        "[aggregation]\ntimeout = \"1ms\"\n[journal]\nsegment_size = \"2GiB\"\n",
        "error[CFG006]: aggregation.timeout does not work
   ╭─[corelane.toml:2:11]
 2 │ timeout = \"1ms\"
   ·           ──┬── out of range: 1s to 1d

error[CFG006]: journal.segment_size does not work
   ╭─[corelane.toml:4:16]
 4 │ segment_size = \"2GiB\"
   ·                ───┬── out of range: 4MiB to 1GiB",
    );
}

#[test]
fn a_segment_that_is_not_whole_blocks() {
    check(
        "[journal]\nsegment_size = \"5MB\"\n",
        "error[CFG006]: journal.segment_size does not work
   ╭─[corelane.toml:2:16]
 2 │ segment_size = \"5MB\"
   ·                ──┬── not a multiple of 4KiB",
    );
}

#[test]
fn wrong_types() {
    check(
        "[node]\nshards = 1.5\nname = 7\n[stdout]\nenabled = \"yes\"\n",
        "error[CFG004]: node.shards has the wrong type
   ╭─[corelane.toml:2:10]
 2 │ shards = 1.5
   ·          ─┬─ a number with a fraction; write \"auto\" or a number from 1 to 256

error[CFG004]: node.name has the wrong type
   ╭─[corelane.toml:3:8]
 3 │ name = 7
   ·        ▲ a number; write it as text, in quotes

error[CFG004]: stdout.enabled has the wrong type
   ╭─[corelane.toml:5:11]
 5 │ enabled = \"yes\"
   ·           ──┬── text; write true or false",
    );
}

#[test]
fn a_count_out_of_range() {
    check(
        "[node]\nshards = 0\n[canary]\nratio = 101\n[store]\nbatch_size = -1\n",
        "error[CFG006]: node.shards does not work
   ╭─[corelane.toml:2:10]
 2 │ shards = 0
   ·          ▲ out of range: 1 to 256

error[CFG006]: canary.ratio does not work
   ╭─[corelane.toml:4:9]
 4 │ ratio = 101
   ·         ─┬─ out of range: 0 to 100

error[CFG006]: store.batch_size does not work
   ╭─[corelane.toml:6:14]
 6 │ batch_size = -1
   ·              ─┬ out of range: 1 to 100000",
    );
}

#[test]
fn a_word_that_is_not_known() {
    check(
        "[node]\npoll = \"sping\"\n[log]\nformat = \"xml\"\n",
        "error[CFG006]: node.poll does not work
   ╭─[corelane.toml:2:8]
 2 │ poll = \"sping\"
   ·        ───┬─── not one of \"park\", \"spin\"
  help: did you mean \"spin\"?

error[CFG006]: log.format does not work
   ╭─[corelane.toml:4:10]
 4 │ format = \"xml\"
   ·          ──┬── not one of \"auto\", \"text\", \"json\"",
    );
}

#[test]
fn a_short_address() {
    check(
        "[monitor]\naddresses = [\n  # ours\n  \"0x162cc7c861ebd0c06b3d7231920115048251818\",\n]\n",
        "error[ADR001]: not an address
   ╭─[corelane.toml:4:3]
 4 │   \"0x162cc7c861ebd0c06b3d7231920115048251818\",
   ·   ─────────────────────┬───────────────────── 0x and 39 hex digits; 40 are needed",
    );
}

#[test]
fn every_bad_address_of_a_list_is_named() {
    let upper = format!("0x{}", A[2..].to_uppercase());
    check(
        &format!(
            "[monitor]\naddresses = [\n\"{A}\",\n\"vitalik.eth\",\n\"{B}\",\n\"{upper}\",\n\
             \"0x0000000000000000000000000000000000000000\",\n7,\n\"0x87g9cd15f5050a9283b8896300f7c8cf69ece2cf\",\n]\n"
        ),
        "error[ADR001]: not an address
   ╭─[corelane.toml:4:1]
 4 │ \"vitalik.eth\",
   · ──────┬────── a name; names are not resolved, write the address that it stands for

error[ADR002]: the same address twice
   ╭─[corelane.toml:3:1]
 3 │ \"0x162cc7c861ebd0c06b3d72319201150482518185\",
   · ──────────────────────┬───────────────────── first here
 6 │ \"0x162CC7C861EBD0C06B3D72319201150482518185\",
   · ──────────────────────┬───────────────────── and again here
  help: take one of them out

error[ADR003]: the zero address
   ╭─[corelane.toml:7:1]
 7 │ \"0x0000000000000000000000000000000000000000\",
   · ──────────────────────┬───────────────────── belongs to nobody

error[ADR001]: not an address
   ╭─[corelane.toml:8:1]
 8 │ 7,
   · ▲ a number; write \"0x…\" in quotes

error[ADR001]: not an address
   ╭─[corelane.toml:9:1]
 9 │ \"0x87g9cd15f5050a9283b8896300f7c8cf69ece2cf\",
   · ──────────────────────┬───────────────────── character 5 is not a hex digit",
    );
}

#[test]
fn addresses_that_are_no_list() {
    check(
        "[monitor]\naddresses = \"all\"\n",
        "error[CFG004]: monitor.addresses has the wrong type
   ╭─[corelane.toml:2:13]
 2 │ addresses = \"all\"
   ·             ──┬── text; write a list: [\"0x…\", \"0x…\"]",
    );
}

#[test]
fn a_source_as_one_table_and_a_section_as_several() {
    check(
        "[source]\nws_url = \"ws://h/ws\"\n[[node]]\nname = \"a\"\n",
        "error[CFG004]: source has the wrong type
   ╭─[corelane.toml:1:2]
 1 │ [source]
   ·  ───┬── a table; write [[source]], with two brackets

error[CFG004]: node has the wrong type
   ╭─[corelane.toml:3:3]
 3 │ [[node]]
   ·   ──┬─ a list; write one table: [node]",
    );
}

#[test]
fn bad_sources() {
    check(
        "[[source]]\nkind = \"node-files\"\nws_url = \"https://h\"\n[[source]]\nws_url = \"wss://h:0/ws\"\n\
         local_addr = \"eth0\"\n[[source]]\nws_url = \"wss:///ws\"\ninfo_url = \"http://a b\"\nurl = \"wss://h\"\n",
        "error[CFG006]: source.kind does not work
   ╭─[corelane.toml:2:8]
 2 │ kind = \"node-files\"
   ·        ──────┬───── not one of \"hyperliquid-ws\", \"hyperliquid-node\", \"hyperliquid-provider\"

error[CFG006]: source.ws_url does not work
   ╭─[corelane.toml:3:10]
 3 │ ws_url = \"https://h\"
   ·          ─────┬───── must begin with wss:// or ws://

error[CFG006]: source.ws_url does not work
   ╭─[corelane.toml:5:10]
 5 │ ws_url = \"wss://h:0/ws\"
   ·          ───────┬────── the port must be a number from 1 to 65535

error[CFG006]: source.local_addr does not work
   ╭─[corelane.toml:6:14]
 6 │ local_addr = \"eth0\"
   ·              ───┬── not an IP address, for example \"192.0.2.7\"

error[CFG006]: source.ws_url does not work
   ╭─[corelane.toml:8:10]
 8 │ ws_url = \"wss:///ws\"
   ·          ─────┬───── has no host

error[CFG006]: source.info_url does not work
   ╭─[corelane.toml:9:12]
 9 │ info_url = \"http://a b\"
   ·            ──────┬───── contains a blank

error[CFG002]: unknown key
    ╭─[corelane.toml:10:1]
 10 │ url = \"wss://h\"
    · ─┬─ not a key of [source]
  help: did you mean `nats.url`?",
    );
}

#[test]
fn the_same_source_twice() {
    check(
        "[[source]]\n[[source]]\nusers_per_ip = 20\n",
        "error[CFG010]: [[source]] 1 and 2 are the same: wss://api.hyperliquid.xyz/ws from any address
  the venue counts them as one, so the second adds no room
  fix: give them different local_addr or ws_url, or remove one",
    );
}

#[test]
fn cpus_that_are_none() {
    check(
        "[node]\ncpus = \"2-1\"\n",
        "error[CFG006]: node.cpus is not a list of CPUs
   ╭─[corelane.toml:2:8]
 2 │ cpus = \"2-1\"
   ·        ──┬── write \"auto\", \"0-3,6\" or [0, 1]",
    );
    check(
        "[node]\ncpus = [1, 2, 1]\npublisher_cpu = \"0-1\"\n",
        "error[CFG006]: node.cpus is not a list of CPUs
   ╭─[corelane.toml:2:8]
 2 │ cpus = [1, 2, 1]
   ·        ────┬──── CPU 1 is named twice

error[CFG004]: node.publisher_cpu has the wrong type
   ╭─[corelane.toml:3:17]
 3 │ publisher_cpu = \"0-1\"
   ·                 ──┬── text; write \"auto\" or a number from 0 to 4095",
    );
}

#[test]
fn settings_that_contradict_each_other() {
    check(
        "[node]\nshards = 3\ncpus = [0, 1]\n[aggregation]\nstatus_grace = \"20s\"\nstatus_ttl = \"10s\"\n",
        "error[CFG010]: 3 shards, but node.cpus names 2
  fix: node.shards = 2
   or: name more CPUs

error[CFG010]: aggregation.status_grace is longer than aggregation.status_ttl
  the end of an order would be forgotten before its fills may be late
  fix: raise aggregation.status_ttl",
    );
}

#[test]
fn a_database_that_is_not_in_this_build() {
    check(
        "[store]\nurl = \"postgres://u:pass@h/db\"\n",
        "error[CFG007]: store.url: postgres is not in this build
   ╭─[corelane.toml:2:7]
 2 │ url = \"postgres://u:****@h/db\"
   ·       ────────────┬─────────── this build writes SQLite
  help: store.url = \"sqlite:corelane.db\"
    or: store.url = \"\" for no database",
    );
    check(
        "[store]\nurl = \"corelane.db\"\n",
        "error[CFG006]: store.url does not work
   ╭─[corelane.toml:2:7]
 2 │ url = \"corelane.db\"
   ·       ──────┬────── write \"sqlite:FILE\", or \"\" for no database",
    );
    check(
        "[store]\nurl = \"sqlite:\"\n",
        "error[CFG006]: store.url does not work
   ╭─[corelane.toml:2:7]
 2 │ url = \"sqlite:\"
   ·       ────┬──── no file name; write \"sqlite:corelane.db\"",
    );
}

#[test]
fn bad_listen_addresses_and_empty_texts() {
    check(
        "[admin]\nlisten = \"localhost:8080\"\n[node]\nname = \"\"\ndata_dir = \"a\\u0000b\"\n",
        "error[CFG006]: admin.listen does not work
   ╭─[corelane.toml:2:10]
 2 │ listen = \"localhost:8080\"
   ·          ────────┬─────── write an IP address and a port, for example \"127.0.0.1:8080\"

error[CFG006]: node.name does not work
   ╭─[corelane.toml:4:8]
 4 │ name = \"\"
   ·        ─┬ empty

error[CFG006]: node.data_dir does not work
   ╭─[corelane.toml:5:12]
 5 │ data_dir = \"a\\u0000b\"
   ·            ─────┬──── contains a zero byte",
    );
}

#[test]
fn bad_order_books_and_aliases() {
    check(
        "[match]\nsymbols = [\n{ name = \"BTC\", tick = \"0.5\", lot = \"1\" },\n{ name = \"ETH\", tick = \"0\", lot = \"1\" },\n\
         { name = \"BTC\", tick = \"1\", lot = \"1\" },\n]\n[symbols]\naliases = { UBTC = 1 }\n",
        "error[CFG004]: not an order book
   ╭─[corelane.toml:4:1]
 4 │ { name = \"ETH\", tick = \"0\", lot = \"1\" },
   · ───────────────────┬─────────────────── write { name = \"BTC\", tick = \"0.5\", lot = \"0.001\" }

error[CFG010]: the same symbol twice
   ╭─[corelane.toml:5:1]
 5 │ { name = \"BTC\", tick = \"1\", lot = \"1\" },
   · ───────────────────┬─────────────────── BTC has a book already

error[CFG004]: not a token name
   ╭─[corelane.toml:8:20]
 8 │ aliases = { UBTC = 1 }
   ·                    ▲ write the name that UBTC stands for, in quotes",
    );
}

#[test]
fn three_errors_of_three_layers_at_once() {
    check_all(
        "[journal]\nflush = \"never\"\n",
        &[("CORELANE_JURNAL__FLUSH", "auto"), ("CORELANE_DEDUP__WINDOW", "30"), ("PATH", "/bin")],
        &["node.shard=2", "nod.shards=2"],
        "error[CFG006]: journal.flush does not work
   ╭─[corelane.toml:2:9]
 2 │ flush = \"never\"
   ·         ───┬─── not one of \"auto\", \"linked\", \"dsync\"

error[CFG005]: CORELANE_JURNAL__FLUSH is not a setting
  fix: did you mean CORELANE_JOURNAL__FLUSH?
   or: unset it, or start with --ignore-unknown-env

error[CFG002]: unknown key
   ╭─[command line]
   │ --set node.shard=2
   ·       ─────┬──── not a key of [node]
  help: did you mean `shards`?

error[CFG002]: unknown key
   ╭─[command line]
   │ --set nod.shards=2
   ·       ─────┬──── not a setting
  help: did you mean `node.shards`?

error[CFG004]: dedup.window needs a unit
   ╭─[environment]
   │ CORELANE_DEDUP__WINDOW=30
   ·                        ─┬ a number; write \"30s\" (or \"30ms\" if milliseconds were meant)",
    );
}

#[test]
fn a_flag_that_is_not_a_setting_is_a_usage_error() {
    let (result, dir) = load(b"", &[], &["node.shards"]);
    let problems = result.expect_err("no value");
    assert_eq!(problems.exit(), Exit::Usage);
    assert_eq!(
        text(&problems, &dir),
        "error[CFG011]: not a setting
   ╭─[command line]
   │ --set node.shards
   ·       ─────┬───── no `=`
  help: write --set section.key=value"
    );
}

#[test]
fn a_flag_whose_value_is_not_toml() {
    check_all(
        "",
        &[],
        &["node.cpus=[0, 1"],
        "error[CFG004]: node.cpus is not a TOML value
   ╭─[command line]
   │ --set node.cpus=[0, 1
   ·                      ▲ unclosed array, expected `]`",
    );
}

#[test]
fn a_source_key_without_saying_which() {
    check_all(
        "[[source]]\n[[source]]\nlocal_addr = \"192.0.2.7\"\n",
        &[],
        &["source.users_per_ip=20"],
        "error[CFG010]: source.users_per_ip: which of them?
   ╭─[command line]
   │ --set source.users_per_ip=20
   · ──────────────┬───────────── there are 2 [[source]] tables
  help: write it into the file",
    );
}

#[test]
fn a_file_that_is_not_there_or_not_text() {
    let options = LoadOptions { file: Some("/nonexistent/c.toml".into()), ..Default::default() };
    let problems = Config::load(options).expect_err("no file");
    assert_eq!(
        problems.to_string(),
        "error[CFG009]: /nonexistent/c.toml cannot be read: it does not exist
  fix: corelane config init > /nonexistent/c.toml

more: corelane explain CFG009"
    );
    let (result, dir) = load(b"[node]\nname = \"\xff\"\n", &[], &[]);
    assert_eq!(
        text(&result.expect_err("not UTF-8"), &dir),
        "error[CFG009]: corelane.toml is not UTF-8 text: line 2
  fix: save the file as UTF-8"
    );
}

#[test]
fn an_address_file_that_is_not_there() {
    let (result, dir) = load(b"[monitor]\naddresses_file = \"a.csv\"\n", &[], &[]);
    assert_eq!(
        text(&result.expect_err("no file"), &dir),
        "error[CFG009]: a.csv cannot be read: it does not exist
  fix: correct monitor.addresses_file, or set it to \"\""
    );
}

#[test]
fn settings_of_parts_that_are_not_in_this_build_are_a_warning() {
    check_warning(
        "[nats]\nurl = \"nats://127.0.0.1:4222\"\nack_window = 1024\n[canary]\nratio = 50\n[match]\nlisten = \"[::1]:7102\"\n",
        "warn[CFG008]: nats.url has no effect
   ╭─[corelane.toml:2:7]
 2 │ url = \"nats://127.0.0.1:4222\"
   ·       ───────────┬─────────── this build does not have the part that reads it

warn[CFG008]: match.listen has no effect
   ╭─[corelane.toml:7:10]
 7 │ listen = \"[::1]:7102\"
   ·          ──────┬───── this build does not have the part that reads it",
    );
}

#[test]
fn a_public_server_without_encryption_is_a_warning() {
    check_warning(
        "[[source]]\nws_url = \"ws://api.hyperliquid.xyz/ws\"\ninfo_url = \"http://127.0.0.1/info\"\n",
        "warn[CFG012]: ws://api.hyperliquid.xyz/ws is not encrypted, and does not look like a private server
  fix: write wss:// and https://",
    );
}

#[test]
fn errors_come_before_warnings() {
    let (result, _) = load(b"[nats]\nurl = \"nats://h\"\n[node]\npoll = 1\n", &[], &[]);
    let codes: Vec<_> = result.expect_err("poll").iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["CFG004", "CFG008"]);
}
