//! `corelane run`: the node that the configuration describes, until a signal ends it.

use std::time::{Duration, Instant};

use tracing::{debug, error, info, warn};

use super::args::RunArgs;
use super::check;
use super::log::{self, Level};
use super::signals::{Reload, Stop};
use crate::admin::Port;
use crate::config::{Config, LoadOptions, Loaded};
use crate::control::latency::Latency;
use crate::control::lists::Done;
use crate::control::options::NodeOptions;
use crate::control::{Ended, Node, Notice};
use crate::diag::{Exit, Problem, Problems};
use crate::host::{Root, dirs, pages};
use crate::shard::message::LinkNews;

/// How often a line of counters is logged.
const STATUS_EVERY: Duration = Duration::from_secs(60);

pub(super) fn run(args: &RunArgs) -> Result<Exit, Problems> {
    let source = &args.source;
    let mut load = LoadOptions::from_process(source.config.clone(), args.sets());
    load.ignore_unknown_env = source.ignore_unknown_env;
    let loaded = Config::load(load.clone())?;
    let level = log::start(&loaded.config);
    if let Err(error) = pages::small_only() {
        debug!("huge pages stay on: {error}");
    }
    loaded.warnings.print();
    say_settings(&loaded);
    let mut options = fit(load, &loaded)?;
    options.admin = Port::open(&loaded.config.admin)?;
    let (stop, reload) = (Stop::listen()?, Reload::listen()?);
    if let Some(port) = &options.admin {
        info!(addr = %port.addr(), "administration port");
    }
    let (accounts, shards) = (options.addresses.len(), options.shard_count);
    let mut node = Node::start(options)?;
    for (shard, opened) in node.opened().enumerate() {
        let (last_seq, records) = (opened.last_seq, opened.records);
        info!(shard, last_seq, records, ring = ?opened.ring, direct = opened.direct, "journal open");
        if let Some(torn) = &opened.torn {
            warn!(
                code = "JRN004",
                "{} ended inside a batch at byte {}; cut there, last good seq {}; normal after a power loss or a kill",
                torn.segment.display(),
                torn.offset,
                torn.last_seq,
            );
        }
    }
    info!(accounts, shards, "running");
    let fatal = work(&mut node, &stop, &reload, &level);
    info!("stopping: no more input, journals sealed, sinks drained");
    let (ended, mut latency) = node.stop();
    if let Err(error) = latency.finish() {
        warn!("the latency log is incomplete: {error}");
    }
    say_end(&ended, &latency);
    match fatal {
        Some(problem) => Err(problem.into()),
        None if ended.is_caught_up => Ok(Exit::Success),
        None => Ok(Exit::Failed),
    }
}

/// Checks that this host and configuration go together, all problems at once.
fn fit(load: LoadOptions, loaded: &Loaded) -> Result<NodeOptions, Problems> {
    let options = NodeOptions::from_loaded(load, loaded)?;
    let mut problems = check::fit(&loaded.config, options.shard_count, &Root::system());
    if let Err(problem) = dirs::prepare(&options.data_dir, "node.data_dir") {
        // The check of the directory has said it, if it could.
        if !problems.has_errors() {
            problems.push(problem);
        }
    }
    if problems.has_errors() {
        return Err(problems);
    }
    problems.print();
    Ok(options)
}

fn say_settings(loaded: &Loaded) {
    let file = loaded.file.as_ref().map_or("none".to_owned(), |file| file.display().to_string());
    info!(version = env!("CARGO_PKG_VERSION"), file, "configuration");
    for setting in loaded.settings.iter().filter(|setting| setting.changed) {
        let value = if setting.key.secret { "***" } else { &setting.value };
        info!("  {} = {value}  ({})", setting.key.path(), setting.origin);
    }
}

/// Runs until a signal, a fault, or the end of who reads standard output.
fn work(node: &mut Node, stop: &Stop, reload: &Reload, level: &Level) -> Option<Problem> {
    let mut status_at = Instant::now();
    while !stop.is_asked() {
        if reload.is_asked() {
            info!("SIGHUP: configuration and lists are read again");
            node.reload();
        }
        node.turn();
        while let Some(notice) = node.notice() {
            match notice {
                Notice::Link(shard, news) => say_link(shard.0, &news),
                Notice::Uncovered(address, limit) => {
                    warn!(code = "UPS002", %address, "not followed: {limit} leaves no room; corelane check prints the plan");
                }
                Notice::Settings(live) => {
                    level.set(live.log_level);
                    info!(?live, "settings that count from now on");
                }
                Notice::Reloaded(done) => say_reloaded(&done),
                Notice::Covered(address) => info!(%address, "there is room for it now"),
                Notice::Released(address) => info!(%address, "followed no longer"),
                Notice::Followed(address) => info!(%address, "followed"),
                Notice::Snapshot(shard, taken, took) => info!(
                    shard = shard.0,
                    seq = taken.seq,
                    bytes = taken.bytes,
                    records = taken.records,
                    took_ms = took.as_millis() as u64,
                    state_hash = super::replay::hash_text(taken.state_hash),
                    "snapshot"
                ),
                // The built-in aliases make one on the main network; nothing is wrong with that.
                Notice::Clash { coin, symbol } => {
                    info!(code = "UPS040", %coin, "another spot pair has the symbol {symbol}: signals of this one carry the coin");
                }
                Notice::Warning(problem) => {
                    let line = problem.one_line();
                    // The level and the code are fields of the log line.
                    let text = line.split_once(": ").map_or(line.as_str(), |(_, text)| text);
                    warn!(code = problem.code, "{text}");
                }
                Notice::Fatal(problem) => return Some(problem),
                Notice::ReaderGone => {
                    info!("standard output was closed by its reader");
                    return None;
                }
            }
        }
        if status_at.elapsed() >= STATUS_EVERY {
            status_at = Instant::now();
            say_status(node);
        }
        node.sleep(Duration::from_millis(200));
    }
    None
}

fn say_reloaded(done: &Done) {
    match done {
        Done::Reloaded(names) if names.is_empty() => info!("reloaded"),
        Done::Reloaded(names) => {
            let names = names.join(", ");
            warn!(code = "CFG014", "reloaded; changed, and in force after a restart: {names}");
        }
        Done::Refused(problem) => {
            warn!(
                code = problem.code,
                "not reloaded, old values stay: {}",
                problem.why.join(" · ")
            );
        }
        Done::Written(_) => {}
    }
}

fn say_link(shard: u16, news: &LinkNews) {
    match news {
        LinkNews::Up { link, users, away_ms } => {
            info!(shard, link, users, away_ms, "connection open");
        }
        LinkNews::Down { link, users, why, retry_ms, .. } => {
            warn!(code = "UPS007", shard, link, users, retry_ms, "connection lost: {why}");
        }
        LinkNews::Left { link } => info!(shard, link, "connection closed: no account needs it"),
        LinkNews::Paced { link, users, wait_ms } => {
            info!(
                shard,
                link, users, wait_ms, "connects when the budget of new connections allows"
            );
        }
        LinkNews::Refused { subscription, said, retry_ms } => {
            let what = subscription.map_or("a request".to_owned(), |s| s.to_string());
            warn!(code = "UPS003", shard, retry_ms, "the server refused {what}: {said}");
        }
        LinkNews::TimedOut { subscription } => {
            warn!(code = "UPS003", shard, "no answer to {subscription}; asked again");
        }
        LinkNews::Missed { link, after_seq, next_seq } => {
            warn!(
                code = "UPS031",
                shard,
                link,
                after_seq,
                next_seq,
                "the provider's frames between did not come; its accounts' fills are fetched"
            );
        }
        LinkNews::Unreadable { why } => {
            warn!(code = "UPS008", shard, "a frame cannot be read: {why}");
        }
        LinkNews::Unsound { address, fill, count } => {
            warn!(code = "UPS008", shard, %address, count, "a fill with impossible numbers is left out: {fill}");
        }
        LinkNews::UnknownCoin { coin } => {
            warn!(code = "UPS041", shard, %coin, "not in the symbol table: signals carry the coin; the table is read again");
        }
        LinkNews::Gap(gap) if gap.coin.is_empty() => warn!(
            code = "UPS009",
            shard,
            address = %gap.address,
            from_ms = gap.from_ms,
            to_ms = gap.to_ms,
            "fills may be missing for good: the REST interface did not tell what happened in between"
        ),
        LinkNews::Gap(gap) => warn!(
            code = "UPS009",
            shard,
            address = %gap.address,
            coin = %gap.coin,
            from_ms = gap.from_ms,
            to_ms = gap.to_ms,
            "fills are missing for good: the position was {}, the next fill begins at {}",
            gap.expected,
            gap.found
        ),
    }
}

fn say_status(node: &Node) {
    let report = node.report();
    let latency = node.latency().total();
    let (shards, publisher) = (&report.shards, &report.publisher);
    let (wanted, uncovered) = node.wanted();
    info!(
        wanted,
        followed = node.followed(),
        uncovered,
        links = shards.links_open,
        frames = shards.frames,
        fills = shards.counts.fills,
        duplicates = shards.duplicates,
        signals = shards.counts.signals,
        gaps = shards.counts.gaps,
        unreadable = shards.unreadable,
        unsound = shards.unsound,
        open = shards.unsignalled,
        symbol_hits = shards.symbols.hits,
        symbol_misses = shards.symbols.misses,
        symbol_evictions = shards.symbols.evictions,
        price_hits = shards.prices.hits,
        price_misses = shards.prices.misses,
        price_evictions = shards.prices.evictions,
        positions = shards.positions.entries,
        caught_up = publisher.is_caught_up,
        p50_us = latency.value_at_quantile(0.5) / 1000,
        p99_us = latency.value_at_quantile(0.99) / 1000,
        "status"
    );
}

fn say_end(ended: &Ended, latency: &Latency) {
    for (shard, stopped) in ended.shards.iter().enumerate() {
        match stopped {
            Some(stopped) => {
                let hash = super::replay::hash_text(stopped.state_hash);
                info!(shard, last_seq = stopped.last_seq, state_hash = hash, "journal sealed");
            }
            None => {
                error!(shard, "did not end in time; its journal is recovered at the next start")
            }
        }
    }
    for (shard, total) in latency.totals().enumerate().filter(|(_, total)| !total.is_empty()) {
        info!(
            shard,
            signals = total.len(),
            p50_us = total.value_at_quantile(0.5) / 1000,
            p99_us = total.value_at_quantile(0.99) / 1000,
            p999_us = total.value_at_quantile(0.999) / 1000,
            max_us = total.max() / 1000,
            "latency, frame received to event in the publisher"
        );
    }
    for sink in &ended.report.publisher.sinks {
        info!(sink = sink.name, signals = sink.signals, repeated = sink.repeated, "sink");
    }
    if !ended.is_caught_up {
        warn!("not every sink has acknowledged everything; the rest goes out at the next start");
    }
    info!(took_ms = ended.took.as_millis() as u64, "stopped");
}
