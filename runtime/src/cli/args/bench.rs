//! The verb `bench` and its flags.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::duration;
use crate::config::units;

/// Verbs of `bench`.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// What to measure.
    #[command(subcommand)]
    pub verb: BenchVerb,
}

/// What can be measured.
#[derive(Subcommand, Clone, Debug)]
pub enum BenchVerb {
    /// What a durable command costs beside the bare disk, and how many are durable a second
    #[command(after_help = "Example:\n  \
        corelane bench journal --dir /var/lib/corelane --json journal.json")]
    Journal(BenchJournalArgs),
    /// What load the whole monitor takes: against a simulator, both as processes of their own
    #[command(after_help = MONITOR_EXAMPLES)]
    Monitor(BenchMonitorArgs),
}

const MONITOR_EXAMPLES: &str = "\
Examples:
  corelane bench monitor --dir /var/lib/corelane --rate 0,1000,10000
  corelane bench monitor --rate 1000 --faults --for 1h --json soak.json

A message is one live userFills frame of one account. Each rate is a run of its own: a new
simulator, a new node, a new data directory. Exit code 1 if a fill was lost or taken twice.";

/// Which forms of a flush are measured.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlushForms {
    /// Write, then fdatasync, in one submission.
    Linked,
    /// One write with RWF_DSYNC.
    Dsync,
    /// Each of the two, in turn.
    Both,
}

/// Flags of `bench journal`.
#[derive(Args, Clone, Debug)]
pub struct BenchJournalArgs {
    /// Directory on the disk to be measured; all that is written there is removed at the end
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Records that recovery reads; no other single measurement takes more
    #[arg(long, value_name = "N", default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub records: u64,
    /// Bytes of a record, without the 16 that the journal adds
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub bytes: u32,
    /// Records of a flush, where batches are closed by count
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_value = "1,64,256,1024", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub per_flush: Vec<u32>,
    /// Form of a flush
    #[arg(long, value_enum, default_value_t = FlushForms::Both)]
    pub flush: FlushForms,
    /// Writes in flight
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_value = "1,2,4", value_parser = clap::value_parser!(u8).range(1..=4))]
    pub in_flight: Vec<u8>,
    /// Records a second of the open loop
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: u32,
    /// Time of each open loop, over all rounds; a measurement of throughput takes a fifth of it
    #[arg(long = "for", value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub for_: Duration,
    /// Rounds: what is compared is measured in turn in each
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub rounds: u32,
    /// Size of a journal file, as journal.segment_size
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = segment_size)]
    pub segment_size: u64,
    /// Pin the measuring thread to this CPU
    #[arg(long, value_name = "N")]
    pub cpu: Option<usize>,
    /// Also write the result as JSON to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Exit 1 where this machine is not fit to measure
    #[arg(long)]
    pub require_tuned: bool,
    /// Say nothing on standard error while all is well
    #[arg(short, long)]
    pub quiet: bool,
}

/// A size of whole blocks that holds a few batches.
fn segment_size(text: &str) -> Result<u64, String> {
    let bytes = units::parse_size(text).map_err(|error| error.to_string())?;
    match bytes {
        0x4_0000..=0x4000_0000 if bytes.is_multiple_of(4096) => Ok(bytes),
        _ => Err("from 256KiB to 1GiB, in steps of 4KiB".to_owned()),
    }
}

/// Flags of `bench monitor`.
#[derive(Args, Clone, Debug)]
pub struct BenchMonitorArgs {
    /// Accounts that are followed
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub addresses: u32,
    /// Messages a second of all accounts together; each rate is measured by itself. 0: everyone
    /// followed, nothing traded
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_value = "1000")]
    pub rate: Vec<u32>,
    /// How long each rate is measured; from 10m on memory is judged, too
    #[arg(long = "for", value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub for_: Duration,
    /// How long the load runs before it is measured
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub warm_up: Duration,
    /// Shards [default: auto, as node.shards]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub shards: Option<u16>,
    /// Directory on the disk that the node is to use; what is written there is removed at the end,
    /// unless the check fails
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Let the simulator make its faults
    #[arg(long)]
    pub faults: bool,
    /// Let the simulator have the venue's limits: ten accounts per address of this host
    #[arg(long)]
    pub real_limits: bool,
    /// Connect from these addresses of this host [default with --real-limits: 127.0.0.2 and up]
    #[arg(long, value_name = "IP,..", value_delimiter = ',')]
    pub sources: Vec<IpAddr>,
    /// Seed of the simulated market
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// Set one more key of the node's configuration; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
    /// Also write the result as JSON to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Say nothing on standard error while all is well
    #[arg(short, long)]
    pub quiet: bool,
}
