//! Verbs and flags. Parsing only: what a verb does is elsewhere.
//!
//! Every verb carries an example in its help. A flag that stands for a setting becomes a
//! `section.key=value` text ([`RunArgs::sets`]), so that flags go through the same checks as the
//! file.

pub mod addr;
mod bench;
pub mod journal;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::config::units;
use crate::diag;

pub use addr::{AddrArgs, AddrVerb, NodeArgs};
pub use bench::{BenchArgs, BenchJournalArgs, BenchMonitorArgs, BenchVerb, FlushForms};
pub use journal::{JournalArgs, JournalVerb, ReplayArgs};

/// What `corelane` alone prints: the daily verbs.
pub const DAILY: &str = "\
corelane: Hyperliquid accounts in, exactly-once signals out

  corelane demo                      everything on this machine, against a simulator
  corelane config init > corelane.toml
  corelane check                     is this host and configuration fit to run?
  corelane run                       do it
  corelane addr add 0x...            follow one more account, while it runs
  corelane sim                       the simulator alone

`corelane --help` lists every verb, `corelane help VERB` explains one.
";

/// The whole command line.
#[derive(Parser, Debug)]
#[command(
    name = "corelane",
    version,
    about = "Hyperliquid accounts in, exactly-once signals out",
    disable_version_flag = true,
    subcommand_required = true,
    after_help = "Exit codes: corelane help exit-codes · codes in messages: corelane explain CODE"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What can be asked.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Run everything on this machine against a simulator, and check the result
    #[command(after_help = "Examples:\n  corelane demo\n  corelane demo --for 10s --report r.json")]
    Demo(DemoArgs),
    /// Follow the configured accounts and hand their signals on
    #[command(after_help = "Examples:\n  corelane run\n  \
        corelane run -c corelane.toml --set log.level=debug")]
    Run(RunArgs),
    /// Say whether this host and configuration are fit to run; connects nowhere
    #[command(after_help = "Examples:\n  corelane check\n  corelane check -c corelane.toml --json")]
    Check(CheckArgs),
    /// Be an exchange: a server that speaks Hyperliquid's API, with faults on demand
    #[command(after_help = "Examples:\n  \
        corelane sim --seed 7 --faults --config-out corelane.toml\n  \
        corelane sim --replay recorded.jsonl --speed max --truth truth.jsonl")]
    Sim(SimArgs),
    /// Replay journals and print the hash of the state; compare with what was journaled
    #[command(after_help = "Examples:\n  corelane replay /var/lib/corelane --json\n  \
        corelane replay /var/lib/corelane/shard-0 --to-seq 640111 --verify")]
    Replay(ReplayArgs),
    /// Look into journals, compare them, make a shorter one
    #[command(after_help = journal::EXAMPLES)]
    Journal(JournalArgs),
    /// Measure a part of corelane on this machine, beside what the bare machine does
    #[command(after_help = "Examples:\n  corelane bench journal --dir /var/lib/corelane\n  \
        corelane bench monitor --addresses 1000 --rate 1000,10000")]
    Bench(BenchArgs),
    /// Add, remove and list the accounts that are followed, while it runs
    #[command(after_help = addr::EXAMPLES)]
    Addr(AddrArgs),
    /// Work with order books
    #[command(after_help = "Examples:\n  corelane book exec orders.bin\n  \
        corelane book exec orders.bin --json --bench 9")]
    Book(BookArgs),
    /// Print a configuration file with every key, or the configuration in force
    #[command(after_help = "Examples:\n  corelane config init > corelane.toml\n  \
        corelane config show --changed")]
    Config(ConfigArgs),
    /// Print the version and how it was built
    #[command(after_help = "Example:\n  corelane version")]
    Version(VersionArgs),
    /// Explain a code such as CFG002
    #[command(after_help = "Example:\n  corelane explain CFG002 NET001")]
    Explain(ExplainArgs),
}

/// Where the configuration comes from; common to several verbs.
#[derive(Args, Clone, Debug, Default)]
pub struct ConfigSource {
    /// Configuration file [default: ./corelane.toml if it exists]
    #[arg(short = 'c', long, value_name = "FILE", env = "CORELANE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Set one key, over file and environment; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
    /// Let unknown CORELANE_ variables stand
    #[arg(long)]
    pub ignore_unknown_env: bool,
}

/// Flags of `demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// End by itself after this time
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub for_: Option<Duration>,
    /// Write the result as JSON to this file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Keep the data in this directory [default: a temporary one, removed at exit]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Seed of the simulated market
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// Accounts to watch
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub addresses: u32,
    /// Shards
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub shards: u16,
    /// Blocks a second of each simulated account
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rate: Option<u32>,
    /// Leave out the simulated faults
    #[arg(long)]
    pub no_faults: bool,
}

/// Flags of `run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub source: ConfigSource,
    /// Directory of the journals (node.data_dir)
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

impl RunArgs {
    /// The flags as settings: `--set` in its order, then the flags that have a name of their own.
    pub fn sets(&self) -> Vec<String> {
        let mut sets = self.source.set.clone();
        sets.extend(self.data.iter().map(|dir| format!("node.data_dir={}", dir.display())));
        sets
    }
}

/// Flags of `check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub source: ConfigSource,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// How fast recorded material is played.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Speed {
    /// This many times as fast as it was recorded.
    Times(f64),
    /// As fast as it can be taken.
    Max,
}

/// Flags of `sim`.
#[derive(Args, Clone, Debug)]
pub struct SimArgs {
    /// Address and port; port 0 takes a free one and prints it
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3001")]
    pub listen: SocketAddr,
    /// Seed of the simulated market
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// Simulated accounts [default: 6, and none with --replay]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_048_576))]
    pub traders: Option<u32>,
    /// Play recorded material: FILE or 0xADDRESS=FILE; may be repeated, or several behind one flag
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub replay: Vec<String>,
    /// Speed of recorded material and of the market: 1, 10, ... or max
    #[arg(long, value_name = "N|max", default_value = "1", value_parser = speed)]
    pub speed: Speed,
    /// Make faults: lost connections, duplicates, reordering, gaps and more
    #[arg(long)]
    pub faults: bool,
    /// Make only this fault, each time that N of its occasions have passed; may be repeated
    #[arg(long, value_name = "NAME[=N]", value_parser = crate::sim::FaultEvery::parse)]
    pub fault: Vec<crate::sim::FaultEvery>,
    /// Write the files of a node into this directory while the market runs
    #[arg(long, value_name = "DIR")]
    pub node_dir: Option<PathBuf>,
    /// Write the node's plain files, without blocks
    #[arg(long, requires = "node_dir")]
    pub node_plain: bool,
    /// Let the hours in the node's file names be this short
    #[arg(long, value_name = "TIME", requires = "node_dir", value_parser = duration)]
    pub node_hour: Option<Duration>,
    /// Begin with all accounts at once [default: when someone subscribes, or asks for it]
    #[arg(long)]
    pub start: bool,
    /// Limit: newest fills of an account that requests can bring
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub history_fills: Option<u32>,
    /// Write what a perfect monitor must emit to this file, at the end
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// Stop the market after this many blocks of each account
    #[arg(long, value_name = "N")]
    pub blocks: Option<u64>,
    /// Blocks a second of each simulated account [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rate: Option<u32>,
    /// Blocks a second of all simulated accounts together, who take turns
    #[arg(long, value_name = "N", conflicts_with = "rate", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate_total: Option<u32>,
    /// Say in each live frame of fills when it was due (dueUs, Unix microseconds)
    #[arg(long)]
    pub due_times: bool,
    /// Limit: accounts per source IP
    #[arg(long, value_name = "N")]
    pub users_per_ip: Option<u32>,
    /// Limit: connections per source IP
    #[arg(long, value_name = "N")]
    pub connections_per_ip: Option<u32>,
    /// Limit: new connections a minute per source IP
    #[arg(long, value_name = "N")]
    pub connects_per_minute: Option<u32>,
    /// Limit: subscriptions per source IP
    #[arg(long, value_name = "N")]
    pub subscriptions_per_ip: Option<u32>,
    /// Limit: messages sent a minute per source IP
    #[arg(long, value_name = "N")]
    pub messages_per_minute: Option<u32>,
    /// Limit: weight of requests a minute per source IP
    #[arg(long, value_name = "N")]
    pub rest_weight_per_minute: Option<u32>,
    /// Send no orderUpdates
    #[arg(long)]
    pub no_order_updates: bool,
    /// Write a corelane.toml that follows this simulator's accounts
    #[arg(long, value_name = "FILE")]
    pub config_out: Option<PathBuf>,
    /// End by itself when nobody has been connected for this time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub exit_when_idle: Option<Duration>,
    /// Say nothing on standard error while all is well
    #[arg(short, long)]
    pub quiet: bool,
}

/// Verbs of `book`.
#[derive(Args, Clone, Debug)]
pub struct BookArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: BookVerb,
}

/// What `book` can do.
#[derive(Subcommand, Clone, Debug)]
pub enum BookVerb {
    /// Apply the commands of a file to an empty book; print what came of it, with digests
    Exec {
        /// Command file (64-byte header, 32-byte records; tables in `cargo doc -p book`, module
        /// exec); `-` for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print one line of JSON
        #[arg(long)]
        json: bool,
        /// Also time it: this many runs, and one more that times single commands, each with the
        /// clock's own time; the prefill that the header names is not timed
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        bench: Option<u32>,
    },
}

/// Verbs of `config`.
#[derive(Args, Clone, Debug)]
pub struct ConfigArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: ConfigVerb,
}

/// What `config` can do.
#[derive(Subcommand, Clone, Debug)]
pub enum ConfigVerb {
    /// Print a commented file with every key at its default
    Init,
    /// Print the configuration in force and where each value comes from
    Show {
        /// Where the configuration comes from.
        #[command(flatten)]
        source: ConfigSource,
        /// Only what differs from the default
        #[arg(long)]
        changed: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the reference of all keys as Markdown
    Reference,
}

/// Flags of `version`.
#[derive(Args, Clone, Debug)]
pub struct VersionArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// Codes as they stand in messages
    #[arg(value_name = "CODE", required = true)]
    pub codes: Vec<String>,
}

/// What a command line asks for.
#[derive(Debug)]
pub enum Asked {
    /// A verb, to be done.
    Verb(Box<Verb>),
    /// A text for standard output; the exit code is 0.
    Text(String),
    /// A text for standard error; the exit code is 2.
    Usage(String),
}

/// Reads a command line, the program's name first.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Asked {
    let args: Vec<OsString> = args.into_iter().collect();
    if args.len() <= 1 {
        return Asked::Text(DAILY.to_owned());
    }
    let words: Vec<String> = args.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    match words[1..].iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["help", "exit-codes"] => return Asked::Text(diag::exit_codes()),
        ["--version" | "-V"] => {
            return Asked::Text(format!("corelane {}\n", env!("CARGO_PKG_VERSION")));
        }
        _ => {}
    }
    match Cli::try_parse_from(args) {
        Ok(cli) => Asked::Verb(Box::new(cli.verb)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Asked::Text(error.to_string()),
            _ => Asked::Usage(usage(&words[1], &error)),
        },
    }
}

/// The error text, with the verb that was probably meant where clap cannot know it.
fn usage(first: &str, error: &clap::Error) -> String {
    if error.kind() != ErrorKind::InvalidSubcommand || is_verb(first) {
        return error.to_string();
    }
    if first.ends_with(".toml") {
        return format!(
            "error: `{first}` is a file, not a verb\n\n  \
             did you mean: corelane run -c {first}\n"
        );
    }
    // What other programs call it, and the habits of services.
    let known = [("start", "run"), ("serve", "run"), ("monitor", "run"), ("simulate", "sim")];
    match known.iter().find(|(word, _)| *word == first) {
        Some((_, verb)) => format!(
            "error: unrecognized subcommand '{first}'\n\n  did you mean: corelane {verb}\n\n\
             For more information, try '--help'.\n"
        ),
        None => error.to_string(),
    }
}

fn is_verb(word: &str) -> bool {
    Cli::command().get_subcommands().any(|verb| verb.get_name() == word)
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = units::parse_duration(text).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("must be longer than 0s".to_owned()) } else { Ok(duration) }
}

fn speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    positive(text)
        .map(Speed::Times)
        .map_err(|_| "write a number such as 1 or 10, or max".to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("write a number greater than 0".to_owned()),
    }
}

#[cfg(test)]
mod tests;
