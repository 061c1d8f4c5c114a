//! `corelane demo`: simulator, monitor and database on this machine, and the proof that nothing was lost.
//!
//! | file | what happens there |
//! |---|---|
//! | `exchange` | the simulator, as a process of its own |
//! | `verdict` | the truth check and the replay check |
//! | `words` | what is printed |

mod exchange;
mod verdict;
mod words;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use persist::lock::DirLock;
use tempfile::TempDir;

use super::args::DemoArgs;
use super::signals::Stop;
use crate::admin::Port;
use crate::config::{Config, LoadOptions};
use crate::control::options::NodeOptions;
use crate::control::{self, Node, Notice};
use crate::diag::{Exit, Problem, Problems};
use crate::host::{self, Root, dirs};
use exchange::Exchange;
use verdict::Verdict;
use words::Words;

/// The configuration file in the data directory.
const CONFIG: &str = "corelane.toml";
/// How often a line of progress is printed.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// How long the monitor may take to signal the last fills: connections come back within a second, time-outs are 2 s.
const SETTLE_WITHIN: Duration = Duration::from_secs(30);

/// Where the demo keeps its data.
enum DataDir {
    Kept(PathBuf),
    Removed(TempDir),
}

impl DataDir {
    fn new(args: &DemoArgs) -> Result<DataDir, Problem> {
        match &args.data {
            Some(dir) => {
                dirs::prepare(dir, "--data")?;
                Ok(DataDir::Kept(dir.clone()))
            }
            None => match tempfile::Builder::new().prefix("corelane-demo-").tempdir() {
                Ok(dir) => Ok(DataDir::Removed(dir)),
                Err(error) => Err(dirs::refused(&std::env::temp_dir(), "TMPDIR", &error)),
            },
        }
    }

    fn path(&self) -> &Path {
        match self {
            DataDir::Kept(path) => path,
            DataDir::Removed(dir) => dir.path(),
        }
    }
}

pub(super) fn run(args: &DemoArgs) -> Result<Exit, Problems> {
    let stop = Stop::listen()?;
    let problems = host::check(&Root::system(), u32::from(args.shards));
    if problems.has_errors() {
        return Err(problems);
    }
    problems.print();
    let data = DataDir::new(args)?;
    // Nothing is written where another corelane is at work, or where this is not the demo's to write.
    let lock =
        DirLock::acquire(data.path()).map_err(|error| control::not_locked(data.path(), &error))?;
    check_config(&data.path().join(CONFIG))?;
    let exchange = Exchange::find_or_start(args, data.path())?;
    let options = options(args, data.path(), &exchange)?;
    let words = Words::new(args, matches!(data, DataDir::Removed(_)));
    words.banner(data.path(), &exchange, &options);
    let started = Instant::now();
    // The node takes it for itself, and is refused if another one was faster.
    drop(lock);
    let mut node = Node::start(options)?;
    words.opened(&node);
    let first_signal = work(&mut node, args, &stop, &words, started)?;
    words.say("stopping the market, waiting for the last signals");
    exchange.remote().stop_trading()?;
    settle(&mut node, &exchange, &words)?;
    let (ended, mut latency) = node.stop();
    if let Err(error) = latency.finish() {
        words.say(&format!("the latency log is incomplete: {error}"));
    }
    let verdict = Verdict::reach(args, data.path(), &exchange, &ended, &latency, first_signal)?;
    words.verdict(&verdict, &latency, &ended);
    if let Some(path) = &args.report {
        verdict.write(path)?;
    }
    exchange.end();
    Ok(if verdict.passed() { Exit::Success } else { Exit::Failed })
}

/// Refuses to overwrite a configuration that the demo did not write.
fn check_config(file: &Path) -> Result<(), Problem> {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(dirs::refused(file, "--data", &error)),
    };
    if text.starts_with(exchange::WRITTEN_BY.as_bytes()) {
        return Ok(());
    }
    let what = format!("{} was not written by the demo, and would be overwritten", file.display());
    Err(Problem::error("DIR001", what).fix("choose another directory with --data"))
}

/// The node that follows the simulator's accounts: a configuration file in the data directory says how, so that
/// `corelane run -c` does the same.
fn options(args: &DemoArgs, dir: &Path, exchange: &Exchange) -> Result<NodeOptions, Problems> {
    let file = dir.join(CONFIG);
    // Any free one: a demo beside a node in earnest disturbs nobody.
    let admin = Port::free()?;
    let text = exchange.config_text(args, admin.addr());
    std::fs::write(&file, text).map_err(|error| dirs::refused(&file, "--data", &error))?;
    // Only this file counts: the demo shows the same on every machine.
    let load = LoadOptions {
        file: Some(file),
        env: Vec::new(),
        sets: Vec::new(),
        ignore_unknown_env: true,
    };
    let loaded = Config::load(load.clone())?;
    let mut options = NodeOptions::from_loaded(load, &loaded)?;
    options.admin = Some(admin);
    Ok(options)
}

/// Runs until the time is over or a signal comes. When the first signal was seen.
fn work(
    node: &mut Node,
    args: &DemoArgs,
    stop: &Stop,
    words: &Words,
    started: Instant,
) -> Result<Option<Duration>, Problems> {
    let mut next = PROGRESS_EVERY;
    let mut first_signal = None;
    loop {
        pump(node, words)?;
        let elapsed = started.elapsed();
        let events = node.report().publisher.events;
        if first_signal.is_none() && (events > 0 || !node.latency().total().is_empty()) {
            first_signal = Some(elapsed);
        }
        if elapsed >= next {
            words.progress(node, elapsed);
            next += PROGRESS_EVERY;
        }
        if stop.is_asked() || args.for_.is_some_and(|time| elapsed >= time) {
            return Ok(first_signal);
        }
        node.sleep(Duration::from_millis(50));
    }
}

/// Takes what the node has to say.
fn pump(node: &mut Node, words: &Words) -> Result<(), Problems> {
    node.turn();
    while let Some(notice) = node.notice() {
        match notice {
            Notice::Fatal(problem) => return Err(problem.into()),
            notice => words.notice(&notice),
        }
    }
    Ok(())
}

/// Waits until the monitor has seen every fill and signalled it, or the time is over: the verdict says what is missing.
fn settle(node: &mut Node, exchange: &Exchange, words: &Words) -> Result<(), Problems> {
    let deadline = Instant::now() + SETTLE_WITHIN;
    let mut asked = Instant::now();
    let mut sent = exchange.remote().stats()?.fills;
    while Instant::now() < deadline {
        pump(node, words)?;
        let report = node.report();
        if report.shards.counts.fills >= sent
            && report.shards.unsignalled == 0
            && report.publisher.is_caught_up
        {
            return Ok(());
        }
        if asked.elapsed() >= Duration::from_secs(1) {
            sent = exchange.remote().stats()?.fills;
            asked = Instant::now();
        }
        node.sleep(Duration::from_millis(50));
    }
    Ok(())
}
