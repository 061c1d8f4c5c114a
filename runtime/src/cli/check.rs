//! `corelane check`: whether this host and configuration are fit to run.
//!
//! Connects nowhere, creates nothing that stays, and looks at everything before it answers, so that
//! all that is wrong is seen at once. The plan goes to standard output, problems to standard error.

use std::fmt::Write as _;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};

use net::Target;
use persist::journal::SPARES_WANTED;
use serde_json::{Value, json};

use super::args::CheckArgs;
use super::{print, show};
use crate::config::lists::format_cpu_list;
use crate::config::units::approximate_size;
use crate::config::{Config, Cpus, Poll, Shards, Source, SourceKind, StoreUrl};
use crate::diag::{Exit, Problem, Problems, Severity, reason};
use crate::host::{self, Root, cpus::CpuMap, dirs};
use crate::placement::capacity::{self, Plan};

/// Looks, prints, and ends as the first problem says.
pub(super) fn run(args: &CheckArgs) -> Result<Exit, Problems> {
    let root = Root::system();
    let (findings, mut problems) = match show::load(&args.source, args.source.set.clone()) {
        Ok(loaded) => {
            let findings = Findings::of(&loaded.config, loaded.file, &root);
            let mut problems = loaded.warnings;
            problems.extend(fit(&loaded.config, findings.shards, &root));
            (Some(findings), problems)
        }
        // Without a configuration the host can still be asked, for one shard.
        Err(mut problems) => {
            problems.extend(host::check(&root, 1));
            (None, problems)
        }
    };
    problems.errors_first();
    let text = if args.json {
        json_line(findings.as_ref(), &problems)
    } else {
        findings.as_ref().map_or(String::new(), |findings| table(findings, &problems))
    };
    let printed = print::out(&text);
    if problems.has_errors() {
        return Err(problems);
    }
    if !problems.is_empty() {
        problems.print();
    }
    Ok(printed)
}

/// Everything in which configuration and host do not go together.
pub(super) fn fit(config: &Config, shards: u16, root: &Root) -> Problems {
    let mut problems = Problems::new();
    problems.extend(nobody(config));
    let connected = |source: &&Source| source.kind != SourceKind::HyperliquidNode;
    problems.extend(config.sources.iter().filter(connected).filter_map(|source| {
        let error = Target::parse(&source.ws_url).err()?;
        let what = format!("source.ws_url cannot be connected to: {error}");
        Some(Problem::error("UPS001", what).fix("write source.ws_url = \"wss://host/ws\""))
    }));
    problems.extend(capacity::plan(config, shards).problem);
    problems.extend(config.sources.iter().filter_map(not_here));
    problems.extend(CpuMap::read(root).check(&config.node));
    problems.extend(host::check(root, u32::from(shards)));
    problems.extend(directories(config, shards));
    problems
}

/// No accounts in the configuration. They may be on the list that is kept at run time, or be put there; if there is no such
/// way either, there is nothing to run for.
fn nobody(config: &Config) -> Option<Problem> {
    const FIX: &str =
        "monitor.addresses = [\"0x...\"]   or   monitor.addresses_file = \"addresses.csv\"";
    let monitor = &config.monitor;
    if !monitor.addresses.is_empty() {
        return None;
    }
    let has_database = monitor.addresses_from_database && config.store.url != StoreUrl::None;
    if config.admin.listen.is_none() && !has_database {
        return Some(Problem::error("CFG013", "no addresses to follow").fix(FIX));
    }
    let what = "no addresses to follow in the configuration";
    let why = "those kept at run time are read when it runs: corelane addr list --offline";
    Some(Problem::warning("CFG013", what).why(why).fix("corelane addr add 0x...").fix(FIX))
}

/// A source that cannot be used from this host.
fn not_here(source: &Source) -> Option<Problem> {
    if let Some(dir) = source.node_dir.as_ref().filter(|dir| !dir.is_dir()) {
        let what = format!("source.node_dir = \"{}\" is no directory", dir.display());
        let why = "it is looked for every second; its accounts are not followed until it is there";
        return Some(Problem::warning("UPS020", what).why(why));
    }
    let ip = source.local_addr?;
    let error = UdpSocket::bind((ip, 0)).err()?;
    let what = format!("source.local_addr {ip} cannot be connected from: {}", reason(&error));
    let fix = "write an address that `ip -brief address` lists, or add it to an interface";
    Some(Problem::error("UPS032", what).fix(fix))
}

/// The data directory and the database's: can be written, and hold what is written at the start.
fn directories(config: &Config, shards: u16) -> Vec<Problem> {
    let dir = &config.node.data_dir;
    let mut problems = Vec::new();
    match dirs::check(dir, "node.data_dir") {
        Ok(()) => problems.extend(no_room(config, shards)),
        Err(problem) => problems.push(problem),
    }
    if let StoreUrl::Sqlite(file) = &config.store.url {
        let parent = file.parent().unwrap_or(dir);
        if parent != dir {
            problems.extend(dirs::check(parent, "store.url").err());
        }
    }
    problems
}

/// Too little space for the segments that are written before the first input.
fn no_room(config: &Config, shards: u16) -> Option<Problem> {
    let dir = &config.node.data_dir;
    // A file system that does not tell its space is found out about when it is written to.
    let space = dirs::space(dir).ok()?;
    let segments = 1 + SPARES_WANTED as u64;
    let whole = config.journal.segment_size.saturating_mul(segments);
    let missing = (0..shards)
        .map(|shard| whole.saturating_sub(journal_bytes(dir, shard)))
        .fold(0, u64::saturating_add);
    let size = approximate_size(config.journal.segment_size);
    let what_for = format!("{segments} segments of {size} for each of {shards} shards");
    dirs::check_space(dir, space, missing, &what_for)
}

/// Bytes of the segments that a shard has already.
fn journal_bytes(data_dir: &Path, shard: u16) -> u64 {
    let Ok(files) = std::fs::read_dir(data_dir.join(format!("shard-{shard}"))) else { return 0 };
    let is_segment = |path: &Path| path.extension().is_some_and(|end| end == "journal");
    let segments = files.flatten().filter(|file| is_segment(&file.path()));
    segments.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

/// What was found, apart from problems.
struct Findings {
    file: Option<PathBuf>,
    host: String,
    shards: u16,
    layout: String,
    data_dir: PathBuf,
    free_bytes: Option<u64>,
    plan: Plan,
}

impl Findings {
    fn of(config: &Config, file: Option<PathBuf>, root: &Root) -> Findings {
        let map = CpuMap::read(root);
        let shards = match config.node.shards {
            Shards::Auto => map.auto_shards(),
            Shards::Count(count) => count,
        };
        let cpus = match &config.node.cpus {
            Cpus::Auto => format_cpu_list(&map.allowed),
            Cpus::List(cpus) => format_cpu_list(cpus),
        };
        let publisher = config.node.publisher_cpu;
        let publisher = publisher.map_or("any CPU".to_owned(), |cpu| format!("CPU {cpu}"));
        let poll = match config.node.poll {
            Poll::Park => "park",
            Poll::Spin => "spin",
        };
        let plural = if shards == 1 { "shard" } else { "shards" };
        Findings {
            file,
            host: host::describe(root, u32::from(shards)),
            shards,
            layout: format!(
                "{shards} {plural} on CPU {cpus} · publisher on {publisher} · poll {poll}"
            ),
            data_dir: config.node.data_dir.clone(),
            free_bytes: dirs::space(&config.node.data_dir).ok().map(|space| space.free),
            plan: capacity::plan(config, shards),
        }
    }
}

fn table(findings: &Findings, problems: &Problems) -> String {
    let mut out = String::new();
    let file = findings.file.as_ref();
    let file = file.map_or("none, all defaults".to_owned(), |file| file.display().to_string());
    let free = findings.free_bytes.map_or("?".to_owned(), approximate_size);
    let _ = write!(
        out,
        "  file      {file}\n  host      {}\n  layout    {}\n  data      {} · {free} free\n\n",
        findings.host,
        findings.layout,
        findings.data_dir.display(),
    );
    let sources = &findings.plan.sources;
    let width = sources.iter().map(|share| share.name.len()).max().unwrap_or(0).max(6);
    let of = |used: u32, max: Option<u32>| match max {
        Some(max) => format!("{used} of {max}"),
        None => used.to_string(),
    };
    let _ = writeln!(
        out,
        "  {:<width$}  {:>15}  {:>11}  {:>15}  first limit",
        "source", "users", "connections", "subscriptions"
    );
    for share in sources {
        let _ = writeln!(
            out,
            "  {:<width$}  {:>15}  {:>11}  {:>15}  {}",
            share.name,
            of(share.users, share.users_max),
            share.connections,
            of(share.subscriptions, share.subscriptions_max),
            share.limit.map_or("none".to_owned(), |limit| limit.to_string()),
        );
    }
    let count = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
    let _ = match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) => writeln!(out, "\nfit to run"),
        (0, warnings) => writeln!(out, "\nfit to run, warnings: {warnings}"),
        (errors, warnings) => {
            writeln!(out, "\nnot fit to run: errors {errors}, warnings {warnings}")
        }
    };
    out
}

fn json_line(findings: Option<&Findings>, problems: &Problems) -> String {
    let mut object = serde_json::Map::new();
    object.insert("ok".to_owned(), json!(!problems.has_errors()));
    if let Some(findings) = findings {
        let plan = &findings.plan;
        let sources: Vec<Value> = plan
            .sources
            .iter()
            .map(|share| {
                json!({
                    "name": share.name, "users": share.users, "users_max": share.users_max,
                    "connections": share.connections, "subscriptions": share.subscriptions,
                    "subscriptions_max": share.subscriptions_max, "limit": share.limit.map(|limit| limit.to_string()),
                })
            })
            .collect();
        object.insert("file".to_owned(), json!(findings.file));
        object.insert("host".to_owned(), json!(findings.host));
        object.insert("shards".to_owned(), json!(findings.shards));
        object.insert("data_dir".to_owned(), json!(findings.data_dir));
        object.insert("free_bytes".to_owned(), json!(findings.free_bytes));
        let plan = json!({ "addresses": plan.addresses, "live": plan.live, "sources": sources });
        object.insert("plan".to_owned(), plan);
    }
    let problems: Vec<Value> = problems
        .iter()
        .map(|problem| {
            let severity = match problem.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            json!({
                "code": problem.code, "severity": severity, "what": problem.what,
                "why": problem.why, "fix": problem.fix, "text": problem.one_line(),
            })
        })
        .collect();
    object.insert("problems".to_owned(), json!(problems));
    format!("{}\n", Value::Object(object))
}
