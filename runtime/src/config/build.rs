//! From checked values to the typed [`Config`], and the checks that need more than one value.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::check::Value;
use super::keys::SOURCE;
use super::layers::Slot;
use super::types::*;
use crate::diag::{Problem, Problems};

/// How many accounts the public server lets one IP follow.
const USERS_PER_IP: u32 = 10;

/// The default of `source.ws_url`.
const PUBLIC_WS_URL: &str = "wss://api.hyperliquid.xyz/ws";

/// Every value, by slot: the defaults are in it, so nothing is missing.
pub(super) struct Values(pub(super) BTreeMap<Slot, Value>);

macro_rules! getter {
    ($name:ident, $variant:ident, $type:ty) => {
        fn $name(&self, section: &'static str, name: &'static str) -> $type {
            match self.get(section, 0, name) {
                Value::$variant(value) => value.clone(),
                other => panic!("{section}.{name} is a {other:?}: the table of keys disagrees"),
            }
        }
    };
}

impl Values {
    fn get(&self, section: &'static str, index: usize, name: &'static str) -> &Value {
        self.0.get(&(section, index, name)).expect("every key has a default")
    }

    getter!(boolean, Bool, bool);
    getter!(number, Number, u64);
    getter!(auto_number, AutoNumber, Option<u64>);
    getter!(duration, Duration, Duration);
    getter!(size, Size, u64);
    getter!(text, Text, String);
    getter!(optional, Optional, Option<String>);
    getter!(path, Path, Option<PathBuf>);
    getter!(word, Word, &'static str);

    /// A count whose upper limit in the table of keys fits.
    fn count(&self, section: &'static str, name: &'static str) -> u32 {
        u32::try_from(self.number(section, name)).expect("limited by its key")
    }

    /// The configuration; `sources` is the number of `[[source]]` tables.
    pub(super) fn config(&self, sources: usize) -> Config {
        Config {
            node: self.node(),
            monitor: self.monitor(),
            sources: (0..sources).flat_map(|index| self.sources(index)).collect(),
            aggregation: Aggregation {
                emit: match self.word("aggregation", "emit") {
                    "frame" => Emit::Frame,
                    _ => Emit::Order,
                },
                emit_final: self.boolean("aggregation", "emit_final"),
                timeout: self.duration("aggregation", "timeout"),
                status_grace: self.duration("aggregation", "status_grace"),
                status_ttl: self.duration("aggregation", "status_ttl"),
            },
            dedup: Dedup { window: self.duration("dedup", "window") },
            symbols: Symbols {
                refresh: self.duration("symbols", "refresh"),
                aliases: match self.get("symbols", 0, "aliases") {
                    Value::Aliases(aliases) => aliases.clone(),
                    other => panic!("symbols.aliases is a {other:?}"),
                },
                cache_size: self.count("symbols", "cache_size").into(),
                price_cache_size: self.count("symbols", "price_cache_size").into(),
            },
            canary: Canary {
                ratio: u8::try_from(self.number("canary", "ratio")).expect("limited by its key"),
                shadow_subject: self.text("canary", "shadow_subject"),
            },
            matching: self.matching(),
            journal: Journal {
                segment_size: self.size("journal", "segment_size"),
                flush: match self.word("journal", "flush") {
                    "linked" => FlushMode::Linked,
                    "dsync" => FlushMode::Dsync,
                    _ => FlushMode::Auto,
                },
                writes_in_flight: self.number("journal", "writes_in_flight"),
                snapshot_every: self.number("journal", "snapshot_every"),
            },
            stdout: Stdout { enabled: self.boolean("stdout", "enabled") },
            nats: self.nats(),
            store: self.store(),
            admin: Admin {
                listen: match self.get("admin", 0, "listen") {
                    Value::OptionalListen(addr) => *addr,
                    other => panic!("admin.listen is a {other:?}"),
                },
                token_file: self.path("admin", "token_file"),
            },
            log: self.log(),
        }
    }

    fn node(&self) -> Node {
        let shards = self.auto_number("node", "shards");
        let cpus = match self.get("node", 0, "cpus") {
            Value::Cpus(cpus) => cpus.clone(),
            other => panic!("node.cpus is a {other:?}"),
        };
        Node {
            name: self.text("node", "name"),
            data_dir: self.path("node", "data_dir").expect("a required path"),
            shards: match shards {
                Some(n) => Shards::Count(u16::try_from(n).expect("limited by its key")),
                None => Shards::Auto,
            },
            cpus: cpus.map_or(Cpus::Auto, Cpus::List),
            publisher_cpu: self
                .auto_number("node", "publisher_cpu")
                .map(|cpu| usize::try_from(cpu).expect("limited by its key")),
            poll: if self.word("node", "poll") == "spin" { Poll::Spin } else { Poll::Park },
            spin_for: self.duration("node", "spin_for"),
            profile: match self.word("node", "profile") {
                "prod" => Profile::Prod,
                _ => Profile::Dev,
            },
        }
    }

    fn monitor(&self) -> Monitor {
        let addresses = match self.get("monitor", 0, "addresses") {
            Value::Addresses(addresses) => addresses,
            other => panic!("monitor.addresses is a {other:?}"),
        };
        Monitor {
            addresses: addresses.clone(),
            listed: addresses.clone(),
            in_file: Vec::new(),
            addresses_from_database: self.boolean("monitor", "addresses_from_database"),
            addresses_file: self.path("monitor", "addresses_file"),
            reload_interval: self.duration("monitor", "reload_interval"),
            remove_grace: self.duration("monitor", "remove_grace"),
            start_from: match self.word("monitor", "start_from") {
                "snapshot" => StartFrom::Snapshot,
                _ => StartFrom::Now,
            },
            users_per_connection: self.count("monitor", "users_per_connection"),
        }
    }

    /// The sources that one `[[source]]` table stands for: one for each address of this host.
    fn sources(&self, index: usize) -> Vec<Source> {
        let one = self.source(index);
        let from = |ip: &IpAddr| Source { local_addr: Some(*ip), ..one.clone() };
        match self.get(SOURCE, index, "local_addrs") {
            Value::Ips(ips) if ips.is_empty() => vec![one],
            Value::Ips(ips) => one.local_addr.iter().chain(ips).map(from).collect(),
            other => panic!("source.local_addrs is a {other:?}"),
        }
    }

    fn source(&self, index: usize) -> Source {
        let text = |name| match self.get(SOURCE, index, name) {
            Value::Text(text) => text.clone(),
            other => panic!("source.{name} is a {other:?}"),
        };
        let count = |name| match self.get(SOURCE, index, name) {
            Value::Number(number) => u32::try_from(*number).expect("limited by its key"),
            other => panic!("source.{name} is a {other:?}"),
        };
        let kind = match self.get(SOURCE, index, "kind") {
            Value::Word("hyperliquid-node") => SourceKind::HyperliquidNode,
            Value::Word("hyperliquid-provider") => SourceKind::HyperliquidProvider,
            _ => SourceKind::HyperliquidWs,
        };
        let ws_url = text("ws_url");
        let info_url = match self.get(SOURCE, index, "info_url") {
            Value::Optional(Some(url)) => Some(url.clone()),
            _ if kind == SourceKind::HyperliquidWs => Some(info_url(&ws_url)),
            _ => None,
        };
        let users_max = if kind == SourceKind::HyperliquidWs { USERS_PER_IP } else { u32::MAX };
        Source {
            kind,
            ws_url,
            node_dir: match self.get(SOURCE, index, "node_dir") {
                Value::Path(path) => path.clone(),
                other => panic!("source.node_dir is a {other:?}"),
            },
            info_url,
            local_addr: match self.get(SOURCE, index, "local_addr") {
                Value::Ip(ip) => *ip,
                other => panic!("source.local_addr is a {other:?}"),
            },
            users_per_ip: match self.get(SOURCE, index, "users_per_ip") {
                Value::AutoNumber(None) => users_max,
                Value::AutoNumber(Some(n)) => u32::try_from(*n).expect("limited by its key"),
                other => panic!("source.users_per_ip is a {other:?}"),
            },
            connections_per_ip: count("connections_per_ip"),
            connects_per_minute: count("connects_per_minute"),
            subscriptions_per_ip: count("subscriptions_per_ip"),
            messages_per_minute: count("messages_per_minute"),
            rest_weight_per_minute: count("rest_weight_per_minute"),
        }
    }

    fn matching(&self) -> Matching {
        let symbols = match self.get("match", 0, "symbols") {
            Value::Symbols(symbols) => symbols.clone(),
            other => panic!("match.symbols is a {other:?}"),
        };
        Matching { symbols, listen: self.listen("match") }
    }

    fn listen(&self, section: &'static str) -> std::net::SocketAddr {
        match self.get(section, 0, "listen") {
            Value::Listen(addr) => *addr,
            other => panic!("{section}.listen is a {other:?}"),
        }
    }

    fn nats(&self) -> Nats {
        Nats {
            url: self.optional("nats", "url"),
            subject: self.text("nats", "subject"),
            jetstream: self.boolean("nats", "jetstream"),
            stream: self.text("nats", "stream"),
            ack_window: self.count("nats", "ack_window"),
            creds_file: self.path("nats", "creds_file"),
        }
    }

    fn store(&self) -> Store {
        let data_dir = self.path("node", "data_dir").expect("a required path");
        Store {
            url: match self.get("store", 0, "url") {
                Value::Store(StoreUrl::Sqlite(path)) => StoreUrl::Sqlite(data_dir.join(path)),
                Value::Store(StoreUrl::None) => StoreUrl::None,
                other => panic!("store.url is a {other:?}"),
            },
            batch_size: self.count("store", "batch_size"),
            flush_interval: self.duration("store", "flush_interval"),
            retention: self.duration("store", "retention"),
        }
    }

    fn log(&self) -> Log {
        Log {
            level: match self.word("log", "level") {
                "error" => LogLevel::Error,
                "warn" => LogLevel::Warn,
                "debug" => LogLevel::Debug,
                "trace" => LogLevel::Trace,
                _ => LogLevel::Info,
            },
            format: match self.word("log", "format") {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => LogFormat::Auto,
            },
        }
    }
}

/// Makes a path that was written in the file start at the file's directory.
pub(super) fn resolve(value: Value, base: &Path) -> Value {
    match value {
        Value::Path(Some(path)) => Value::Path(Some(base.join(path))),
        other => other,
    }
}

/// The request URL that belongs to a stream URL: same host, `http` for `ws`, path `/info`.
fn info_url(ws_url: &str) -> String {
    let (scheme, rest) = ws_url.split_once("://").expect("checked to be a URL");
    let authority = rest.split(['/', '?', '#']).next().expect("a split has a first part");
    let scheme = if scheme == "wss" { "https" } else { "http" };
    format!("{scheme}://{authority}/info")
}

/// True if `url` goes without encryption to a host that is not plainly loopback or private.
///
/// Names are judged by their form only: nothing is resolved here.
fn in_the_clear(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("ws://").or_else(|| url.strip_prefix("http://")) else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().expect("a split has a first part");
    let host_port = authority.rsplit_once('@').map_or(authority, |(_, host_port)| host_port);
    let host = match host_port.strip_prefix('[') {
        Some(v6) => v6.split(']').next().expect("a split has a first part"),
        None => host_port.split(':').next().expect("a split has a first part"),
    };
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => !(ip.is_loopback() || ip.is_private() || ip.is_link_local()),
        Ok(IpAddr::V6(ip)) => {
            !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local())
        }
        Err(_) => {
            let private = [".localhost", ".local", ".internal", ".lan", ".test"];
            host.contains('.') && !private.iter().any(|ending| host.ends_with(ending))
        }
    }
}

/// What no single value can be blamed for.
pub(super) fn cross_checks(config: &Config, problems: &mut Problems) {
    let node = &config.node;
    if let (Shards::Count(shards), Cpus::List(cpus)) = (node.shards, &node.cpus)
        && usize::from(shards) > cpus.len()
    {
        let what = format!("{shards} shards, but node.cpus names {}", cpus.len());
        let fix = format!("node.shards = {}", cpus.len());
        problems.push(Problem::error("CFG010", what).fix(fix).fix("name more CPUs"));
    }
    let aggregation = &config.aggregation;
    if aggregation.status_grace > aggregation.status_ttl {
        let what = "aggregation.status_grace is longer than aggregation.status_ttl";
        let why = "the end of an order would be forgotten before its fills may be late";
        problems.push(Problem::error("CFG010", what).why(why).fix("raise aggregation.status_ttl"));
    }
    problems.extend(open_to_anyone(&config.admin));
    for (index, source) in config.sources.iter().enumerate() {
        let ws_url = Some(&source.ws_url).filter(|_| source.kind != SourceKind::HyperliquidNode);
        let urls = ws_url.into_iter().chain(&source.info_url);
        for url in urls.filter(|url| in_the_clear(url)) {
            let what = format!("{url} is not encrypted, and does not look like a private server");
            let fix = "write wss:// and https://";
            problems.push(Problem::warning("CFG012", what).fix(fix));
        }
        problems.extend(kind_checks(index, source));
        let same = |other: &Source| {
            other.kind == source.kind
                && other.ws_url == source.ws_url
                && other.node_dir == source.node_dir
                && other.local_addr == source.local_addr
        };
        if let Some(first) = config.sources[..index].iter().position(same) {
            let what = format!(
                "[[source]] {} and {} are the same: {} from {}",
                first + 1,
                index + 1,
                source.ws_url,
                source.local_addr.map_or("any address".to_owned(), |ip| ip.to_string())
            );
            let why = "the venue counts them as one, so the second adds no room";
            let fix = "give them different local_addr or ws_url, or remove one";
            problems.push(Problem::error("CFG010", what).why(why).fix(fix));
        }
    }
}

/// An administration port that others than this host's users reach, and that asks for nothing.
fn open_to_anyone(admin: &Admin) -> Option<Problem> {
    let listen = admin.listen.filter(|addr| !addr.ip().is_loopback())?;
    if admin.token_file.is_some() {
        return None;
    }
    let what = format!("admin.listen = \"{listen}\" would let anyone on the network add addresses");
    Some(Problem::error("NET002", what).fix("set admin.token_file, or listen on 127.0.0.1"))
}

/// What a kind of source needs, and what is of no use to it.
fn kind_checks(index: usize, source: &Source) -> Option<Problem> {
    let here = format!("[[source]] {}", index + 1);
    match (source.kind, &source.node_dir) {
        (SourceKind::HyperliquidNode, None) => {
            let what = format!("{here}: a node is read from its files, and node_dir is not set");
            Some(Problem::error("CFG010", what).fix("node_dir = \"/home/hl/hl/data\""))
        }
        (SourceKind::HyperliquidWs | SourceKind::HyperliquidProvider, Some(_)) => {
            let what = format!("{here}: node_dir is set, and this source is no node");
            Some(Problem::error("CFG010", what).fix("kind = \"hyperliquid-node\""))
        }
        (SourceKind::HyperliquidProvider, None) if source.ws_url == PUBLIC_WS_URL => {
            let what = format!("{here}: ws_url is the public server, which is no provider");
            Some(
                Problem::error("CFG010", what)
                    .fix("ws_url = \"wss://…\", as the provider names it"),
            )
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::in_the_clear;

    #[test]
    fn only_public_hosts_without_encryption_are_warned_about() {
        for (url, warned) in [
            ("wss://api.example.com/ws", false),
            ("ws://api.example.com/ws", true),
            ("http://u@8.8.8.8:80", true),
            ("ws://[2001:db8::1]:3001/ws", true),
            ("ws://127.0.0.1:3001/ws", false),
            ("ws://[::1]:3001/ws", false),
            ("ws://10.1.2.3/ws", false),
            ("ws://localhost:1/ws", false),
            ("http://node7:1/info", false),
            ("http://node7.internal/info", false),
        ] {
            assert_eq!(in_the_clear(url), warned, "{url}");
        }
    }
}
