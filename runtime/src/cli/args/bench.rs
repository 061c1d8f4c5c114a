//! The verb `bench` and its flags.

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
}

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
