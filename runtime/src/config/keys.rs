//! The one table of settings: name, kind, default, and what it is for.
//!
//! Everything else about configuration is driven by it: parsing, defaults, `config init`,
//! `config show`, the names of environment variables, near names, the reference. A key that is not
//! here does not exist. The defaults are TOML text and go through the same checks as a user's.

use std::time::Duration;

/// What a value looks like and which values work.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number; also accepted as text of digits.
    Count {
        /// Smallest value.
        min: u64,
        /// Largest value.
        max: u64,
    },
    /// `"auto"` or a number from 1 to `max`.
    AutoCount {
        /// Largest value.
        max: u64,
    },
    /// Text with a unit: ns, us, ms, s, m, h, d.
    Duration {
        /// Shortest that works.
        min: Duration,
        /// Longest that works.
        max: Duration,
    },
    /// Text with a unit: B, KiB, MiB, GiB, KB, MB, GB.
    Size {
        /// Smallest, in bytes.
        min: u64,
        /// Largest, in bytes.
        max: u64,
        /// The size must be a multiple of this many bytes.
        step: u64,
    },
    /// Text that is not empty.
    Text,
    /// A file or directory.
    Path,
    /// A file, or `""` for none.
    OptionalPath,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `"auto"`, `"0-3,6"` or `[0, 1]`.
    Cpus,
    /// `"auto"` or one CPU number.
    OptionalCpu,
    /// A list of account addresses.
    Addresses,
    /// An IP address and a port.
    Listen,
    /// The same, or `""` for none.
    OptionalListen,
    /// An IP address of this host, or `""` for whichever the system takes.
    OptionalIp,
    /// A list of IP addresses of this host, and of ranges of them.
    Ips,
    /// A URL with one of these schemes.
    Url(&'static [&'static str]),
    /// The same, or `""` for none.
    OptionalUrl(&'static [&'static str]),
    /// `"sqlite:FILE"`, or `""` for no database.
    StoreUrl,
    /// A table of token names.
    Aliases,
    /// A list of `{ name, tick, lot }`.
    MatchSymbols,
}

/// Whether a change needs a restart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reload {
    /// Taken over while running.
    Live,
    /// Read once, at start.
    Restart,
}

/// One setting.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Key {
    /// Table of the file.
    pub section: &'static str,
    /// Name in the table.
    pub name: &'static str,
    /// What it looks like.
    pub kind: Kind,
    /// The default as TOML.
    pub default: &'static str,
    /// Whether a change needs a restart.
    pub reload: Reload,
    /// False if the part that reads it is not in this build.
    pub in_build: bool,
    /// True if `config show` must not print the value.
    pub secret: bool,
    /// What it is for, in one sentence.
    pub doc: &'static str,
}

impl Key {
    /// `section.name`, as `--set` and error texts write it.
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// Name of the environment variable: `CORELANE_SECTION__KEY`.
    pub fn env(&self) -> String {
        format!("{ENV_PREFIX}{}__{}", self.section, self.name).to_uppercase()
    }

    const fn live(self) -> Key {
        Key { reload: Reload::Live, ..self }
    }

    const fn later(self) -> Key {
        Key { in_build: false, ..self }
    }

    const fn secret(self) -> Key {
        Key { secret: true, ..self }
    }
}

/// What the environment variables of corelane begin with.
pub const ENV_PREFIX: &str = "CORELANE_";

/// Variables with that prefix that are not settings: the file (`-c`), and the recorded data of
/// tests.
pub const OTHER_VARIABLES: &[&str] = &["CORELANE_CONFIG", "CORELANE_SHARED"];

/// The section that may stand more than once, as `[[source]]`.
pub const SOURCE: &str = "source";

/// Sections in the order of the file, and what each is about.
pub static SECTIONS: &[(&str, &str)] = &[
    ("node", "This process on this host."),
    ("monitor", "The accounts that are watched."),
    (SOURCE, "One upstream. Repeat [[source]] for more: other local addresses, other providers."),
    ("aggregation", "From fills to signals."),
    ("dedup", "Never twice."),
    ("symbols", "Names of instruments."),
    ("canary", "Moving over from another program, step by step."),
    ("match", "The matching engine."),
    ("journal", "The record of every input, one per shard."),
    ("stdout", "Signals as JSON lines on standard output."),
    ("nats", "Signals to NATS."),
    ("store", "Signals to a database."),
    ("admin", "HTTP for health, metrics and the address list."),
    ("log", "What this program says about itself, on standard error."),
];

const fn key(
    section: &'static str,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    doc: &'static str,
) -> Key {
    Key {
        section,
        name,
        kind,
        default,
        reload: Reload::Restart,
        in_build: true,
        secret: false,
        doc,
    }
}

const fn count(min: u64, max: u64) -> Kind {
    Kind::Count { min, max }
}

const fn millis(min: u64, max: u64) -> Kind {
    Kind::Duration { min: Duration::from_millis(min), max: Duration::from_millis(max) }
}

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const MIB: u64 = 1 << 20;

#[rustfmt::skip]
mod table {
    //! One setting a paragraph: kept apart from rustfmt so that it reads as a table.
    use super::*;

    /// Every setting, by section, in the order of the file.
    pub static KEYS: &[Key] = &[
        key("node", "name", Kind::Text, "\"corelane\"",
            "Name of this process in logs and metrics."),
        key("node", "data_dir", Kind::Path, "\"corelane-data\"",
            "Directory of the journals, cursors and the SQLite file; one process at a time."),
        key("node", "shards", Kind::AutoCount { max: 256 }, "\"auto\"",
            "Number of shards; fixed for the life of a data directory. auto: one per usable CPU but one."),
        key("node", "cpus", Kind::Cpus, "\"auto\"",
            "CPUs of the shards, shard 0 first: \"2-5\" or [2, 3]."),
        key("node", "publisher_cpu", Kind::OptionalCpu, "\"auto\"",
            "CPU of the publisher thread."),
        key("node", "poll", Kind::Word(&["park", "spin"]), "\"park\"",
            "What an idle core does; spin only on isolated CPUs of its own."),
        key("node", "spin_for", Kind::Duration { min: Duration::ZERO, max: Duration::from_millis(100) }, "\"50us\"",
            "How long a parking core looks for work before it sleeps."),
        key("node", "profile", Kind::Word(&["dev", "prod"]), "\"dev\"",
            "prod refuses a host on which latency cannot be kept; dev says so and goes on."),

        key("monitor", "addresses", Kind::Addresses, "[]",
            "Accounts to watch, as 0x and 40 hex digits.").live(),
        key("monitor", "addresses_file", Kind::OptionalPath, "\"\"",
            "CSV file with more of them in its first column; # starts a comment.").live(),
        key("monitor", "addresses_from_database", Kind::Bool, "true",
            "Whether the database's tables of addresses count too, and `addr add` writes there.").live(),
        key("monitor", "reload_interval", millis(SECOND, DAY), "\"1m\"",
            "How often the configuration and the lists of accounts are read again.").live(),
        key("monitor", "remove_grace", millis(0, DAY), "\"5m\"",
            "How long an address that left the lists is still watched.").live(),
        key("monitor", "start_from", Kind::Word(&["now", "snapshot"]), "\"now\"",
            "Whether the first snapshot of a new address is the baseline (now) or news (snapshot)."),
        key("monitor", "users_per_connection", count(1, 1000), "100",
            "Most accounts on one connection; fewer means that one lost connection touches fewer."),

        key(SOURCE, "kind", Kind::Word(&["hyperliquid-ws", "hyperliquid-node", "hyperliquid-provider"]),
            "\"hyperliquid-ws\"",
            "The public WebSocket, the files of an own node, or a provider's stream of many accounts."),
        key(SOURCE, "ws_url", Kind::Url(&["wss", "ws"]), "\"wss://api.hyperliquid.xyz/ws\"",
            "Where the stream is; a node has none."),
        key(SOURCE, "node_dir", Kind::OptionalPath, "\"\"",
            "Directory that an own node writes, for example /home/hl/hl/data."),
        key(SOURCE, "info_url", Kind::OptionalUrl(&["https", "http"]), "\"\"",
            "Where requests go; not set: the host of ws_url with /info; for node and provider: nowhere."),
        key(SOURCE, "local_addr", Kind::OptionalIp, "\"\"",
            "Address of this host to connect from; the venue counts its limits by it."),
        key(SOURCE, "local_addrs", Kind::Ips, "[]",
            "Several of them, or ranges (\"10.0.0.2-10.0.0.9\"): the table stands once for each."),
        key(SOURCE, "users_per_ip", Kind::AutoCount { max: 100_000 }, "\"auto\"",
            "Most accounts that the venue lets one IP follow. auto: 10; node and provider: no limit."),
        key(SOURCE, "connections_per_ip", count(1, 10_000), "10",
            "Most connections from one IP."),
        key(SOURCE, "connects_per_minute", count(1, 10_000), "30",
            "Most new connections a minute from one IP."),
        key(SOURCE, "subscriptions_per_ip", count(10, 1_000_000), "1000",
            "Most subscriptions of one IP; 5 % are kept free."),
        key(SOURCE, "messages_per_minute", count(10, 1_000_000), "2000",
            "Most messages sent a minute from one IP."),
        key(SOURCE, "rest_weight_per_minute", count(20, 1_000_000), "1200",
            "Weight of requests a minute from one IP."),

        key("aggregation", "emit", Kind::Word(&["order", "frame"]), "\"order\"",
            "When a signal goes out: at the order's end, or with each frame of fills."),
        key("aggregation", "emit_final", Kind::Bool, "false",
            "With emit = \"frame\": also send an empty last signal at the order's end."),
        key("aggregation", "timeout", millis(SECOND, DAY), "\"5m\"",
            "Without an end of the order: this long after the first fill not yet signalled."),
        key("aggregation", "status_grace", millis(0, MINUTE), "\"2s\"",
            "How long an order that ended may wait for fills that are still missing."),
        key("aggregation", "status_ttl", millis(SECOND, DAY), "\"10m\"",
            "How long the end of an order without fills is remembered."),

        key("dedup", "window", millis(MINUTE, 30 * DAY), "\"30m\"",
            "How long the key of a fill is kept, at least."),

        key("symbols", "refresh", millis(MINUTE, 7 * DAY), "\"2h\"",
            "How often the table of instruments is fetched again."),
        key("symbols", "aliases", Kind::Aliases, "{}",
            "More names for spot tokens, for example { UBTC = \"BTC\" }."),
        key("symbols", "cache_size", count(1, 1_000_000), "1000",
            "Most symbols that a shard keeps at hand; the least used go first and are asked for again."),
        key("symbols", "price_cache_size", count(1, 1_000_000), "1000",
            "Most prices that a shard keeps at hand; the least used go first and come again within a second."),

        key("canary", "ratio", count(0, 100), "100",
            "Percent of the addresses whose signals go to the live subject.").live(),
        key("canary", "shadow_subject", Kind::Text, "\"hl_address_signal_shadow\"",
            "Subject of the others."),

        key("match", "symbols", Kind::MatchSymbols, "[]",
            "Order books, for example [{ name = \"BTC\", tick = \"0.5\", lot = \"0.001\" }].").later(),
        key("match", "listen", Kind::Listen, "\"127.0.0.1:7101\"",
            "Order entry; one port per shard, counting up.").later(),

        key("journal", "segment_size",
            Kind::Size { min: 4 * MIB, max: 1024 * MIB, step: 4096 }, "\"64MiB\"",
            "Size of one journal file; written in full before use."),
        key("journal", "flush", Kind::Word(&["auto", "linked", "dsync"]), "\"auto\"",
            "How a batch is made durable: write and fdatasync in one submission, or one synced write."),
        key("journal", "writes_in_flight", count(1, 4), "2",
            "Batches that may be on their way to the disk at a time."),
        key("journal", "snapshot_every", count(1000, 1_000_000_000_000), "\"1000000\"",
            "Inputs between two snapshots."),

        key("stdout", "enabled", Kind::Bool, "true",
            "Whether `run` writes signals to standard output."),

        key("nats", "url", Kind::OptionalUrl(&["nats", "tls"]), "\"\"",
            "Server, for example nats://127.0.0.1:4222; not set: no NATS.").later(),
        key("nats", "subject", Kind::Text, "\"hl_address_signal\"",
            "Subject of the signals.").later(),
        key("nats", "jetstream", Kind::Bool, "false",
            "Whether to publish to JetStream and wait for its acknowledgement.").later(),
        key("nats", "stream", Kind::Text, "\"CORELANE\"",
            "JetStream stream.").later(),
        key("nats", "ack_window", count(1, 65_536), "1024",
            "Most messages sent and not yet acknowledged.").later(),
        key("nats", "creds_file", Kind::OptionalPath, "\"\"",
            "Credentials file.").secret().later(),

        key("store", "url", Kind::StoreUrl, "\"sqlite:corelane.db\"",
            "Database; a relative SQLite file is inside node.data_dir; \"\" for none."),
        key("store", "batch_size", count(1, 100_000), "100",
            "Rows of one transaction, at most."),
        key("store", "flush_interval", millis(1, MINUTE), "\"100ms\"",
            "How long a row may wait for its transaction to fill."),
        key("store", "retention", millis(HOUR, 3650 * DAY), "\"7d\"",
            "How long rows of signals are kept."),

        key("admin", "listen", Kind::OptionalListen, "\"127.0.0.1:8080\"",
            "Address and port; \"\" for none."),
        key("admin", "token_file", Kind::OptionalPath, "\"\"",
            "File with the token that all but /health need; required when not on loopback.").secret(),

        key("log", "level", Kind::Word(&["error", "warn", "info", "debug", "trace"]), "\"info\"",
            "What is worth a line.").live(),
        key("log", "format", Kind::Word(&["auto", "text", "json"]), "\"auto\"",
            "auto: text on a terminal, JSON elsewhere."),
    ];
}

pub use table::KEYS;

/// The key of that section and name.
pub fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.section == section && key.name == name)
}

/// True if there is such a section.
pub fn is_section(name: &str) -> bool {
    SECTIONS.iter().any(|(section, _)| *section == name)
}

/// The candidate that `word` was most probably meant to be.
///
/// A candidate is near if at most a third of its letters, and at least one, differ.
pub fn near<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .map(|name| (strsim::damerau_levenshtein(&word, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        for (index, key) in KEYS.iter().enumerate() {
            assert!(is_section(key.section), "{}", key.path());
            assert!(key.doc.ends_with('.') && key.doc.len() <= 96, "{}", key.path());
            let again = KEYS[index + 1..].iter().any(|other| other.path() == key.path());
            assert!(!again, "{} twice", key.path());
        }
        for (section, about) in SECTIONS {
            assert!(KEYS.iter().any(|key| key.section == *section), "{section} is empty");
            assert!(about.ends_with('.'), "{section}");
        }
    }

    #[test]
    fn near_names_are_near() {
        let names = || ["flush", "segment_size", "snapshot_every"].into_iter();
        assert_eq!(near("flsh", names()), Some("flush"));
        assert_eq!(near("Segment_sise", names()), Some("segment_size"));
        assert_eq!(near("flushing_time", names()), None);
        assert_eq!(near("x", names()), None);
    }

    #[test]
    fn variables_are_named_after_the_key() {
        let key = find("journal", "segment_size").expect("a key");
        assert_eq!(key.env(), "CORELANE_JOURNAL__SEGMENT_SIZE");
        assert_eq!(key.path(), "journal.segment_size");
    }
}
