//! Writes a flow of commands as a command file, for `corelane book exec FILE --bench N`.

use benches::flow::{Flow, Ids, Profile};
use clap::Parser;
use std::path::PathBuf;

/// Write a flow of commands as a command file.
#[derive(Parser)]
struct Args {
    /// Kind of the flow.
    profile: Profile,
    /// Commands beside the prefill.
    #[arg(long, default_value_t = 1_000_000)]
    commands: usize,
    /// What it is drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Count order ids from 1, instead of spreading them over 64 bits.
    #[arg(long)]
    dense_ids: bool,
    /// The file to write.
    #[arg(short, long)]
    output: PathBuf,
}

fn main() -> std::io::Result<()> {
    let Args { profile, commands, seed, dense_ids, output } = Args::parse();
    let ids = if dense_ids { Ids::Dense } else { Ids::Spread };
    std::fs::write(output, Flow::new(profile, commands, seed, ids).to_file())
}
