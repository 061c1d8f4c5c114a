//! Verbs and flags of `corelane journal`, and of `corelane replay`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Examples of `corelane journal --help`.
pub(super) const EXAMPLES: &str = "\
Examples:
  corelane journal info /var/lib/corelane
  corelane journal verify /var/lib/corelane
  corelane journal dump /var/lib/corelane/shard-0 --from-seq 640100 --to-seq 640120
  corelane journal truncate /var/lib/corelane/shard-0 --at-seq 640112 --dry-run";

/// Flags of `replay`.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// Data directory, or the directory of one shard; it is read and not changed
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Stop after this input of each shard
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub to_seq: Option<u64>,
    /// Compare events, digests and snapshots with what the replay makes; name the first difference
    #[arg(long)]
    pub verify: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// No progress on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// Verbs of `journal`.
#[derive(Args, Clone, Debug)]
pub struct JournalArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: JournalVerb,
}

/// What a journal can be asked. DIR is the directory of one shard, or a data directory: then all of
/// its shards.
#[derive(Subcommand, Clone, Debug)]
pub enum JournalVerb {
    /// Say what is in a directory: segments, snapshots, cursors, the end
    #[command(after_help = "Examples:\n  corelane journal info /var/lib/corelane\n  \
        corelane journal info /var/lib/corelane/shard-0 --json\n\n\
        State of a segment:\n  live     the journal is in it\n  \
        spare    empty, made ahead of need\n  \
        stale    batches beyond the end: cut off by an earlier start, or never acknowledged\n  \
        damaged  something that was acknowledged cannot be read")]
    Info {
        /// Directory of a shard, or data directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print every record as one JSON object a line; damaged stretches are shown and stepped over
    #[command(after_help = "Examples:\n  corelane journal dump /var/lib/corelane | head\n  \
        corelane journal dump /var/lib/corelane/shard-0 --from-seq 640100 --to-seq 640120\n  \
        corelane journal dump /var/lib/corelane --follow\n  \
        corelane journal dump --format gopherex logs/BTCUSDT.ev.wal")]
    Dump(DumpArgs),
    /// Check everything that is checksummed, and that every record can be read
    #[command(after_help = "Example:\n  corelane journal verify /var/lib/corelane")]
    Verify {
        /// Directory of a shard, or data directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// No progress on standard error
        #[arg(short, long)]
        quiet: bool,
    },
    /// Find the first record in which two journals differ; one line of JSON for each shard
    #[command(after_help = "Examples:\n  \
        corelane journal diff /var/lib/corelane /backup/corelane\n  \
        corelane journal diff /backup/corelane/shard-0 /var/lib/corelane/shard-0 --prefix")]
    Diff {
        /// Directory of a shard, or data directory
        #[arg(value_name = "A")]
        a: PathBuf,
        /// Another one
        #[arg(value_name = "B")]
        b: PathBuf,
        /// Either may be longer: only what both have must be the same
        #[arg(long)]
        prefix: bool,
    },
    /// Write a data directory for another number of shards; accounts move whole, nothing is lost
    #[command(after_help = "Examples:\n  \
        corelane journal reshard /var/lib/corelane --to 8 --dry-run\n  \
        corelane journal reshard /var/lib/corelane --to 8 --into /mnt/corelane --yes")]
    Reshard {
        /// Data directory; it stays as it is
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Shards of the new one
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
        to: u16,
        /// The new directory [default: DIR.resharded]
        #[arg(long, value_name = "NEWDIR")]
        into: Option<PathBuf>,
        /// Only say what would be written
        #[arg(long, conflicts_with = "yes")]
        dry_run: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// No progress on standard error
        #[arg(short, long)]
        quiet: bool,
    },
    /// Write a shorter copy of one shard's journal, without an input and all that follows it
    #[command(after_help = "Examples:\n  \
        corelane journal truncate /var/lib/corelane/shard-0 --at-seq 640112 --dry-run\n  \
        corelane journal truncate /var/lib/corelane/shard-0 --at-seq 640112 --into /tmp/shard-0")]
    Truncate {
        /// Directory of a shard; it stays as it is
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// The first input that goes
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        at_seq: u64,
        /// The new directory [default: DIR.truncated]
        #[arg(long, value_name = "NEWDIR")]
        into: Option<PathBuf>,
        /// Only say what would stay and what would go
        #[arg(long, conflicts_with = "yes")]
        dry_run: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Flags of `journal dump`.
#[derive(Args, Clone, Debug)]
pub struct DumpArgs {
    /// Directory of a shard, or data directory; for other formats also a file
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// First input
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub from_seq: u64,
    /// Last input
    #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    pub to_seq: u64,
    /// Go on while a node writes, with what is durable; end with Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// What wrote it
    #[arg(long, value_name = "FORMAT", default_value = "corelane")]
    pub format: DumpFormat,
}

/// What wrote the files that are dumped.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum DumpFormat {
    /// corelane.
    Corelane,
    /// The Go engine gopherex: its .wal files.
    Gopherex,
}
