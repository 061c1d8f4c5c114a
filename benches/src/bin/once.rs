//! One engine over one flow, once: what callgrind, perf and a debugger look at.
//!
//! The commands run inside `benches::pass::run`; drawing and prefill stay outside of it.

use benches::bare::Bare;
use benches::flow::{Flow, Ids, Profile};
use benches::pass::{Engine, Idle, run};
use book::Book;
use clap::{Parser, ValueEnum};
use std::io::{self, Write};

/// Run one engine over one flow.
#[derive(Parser)]
struct Args {
    /// Which one.
    engine: Which,
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
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    Book,
    Bare,
    /// Neither: the loop by itself.
    Idle,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let ids = if args.dense_ids { Ids::Dense } else { Ids::Spread };
    let flow = Flow::new(args.profile, args.commands, args.seed, ids);
    let tally = match args.engine {
        Which::Book => run(&mut Book::prefilled(&flow), &flow.commands),
        Which::Bare => run(&mut Bare::prefilled(&flow), &flow.commands),
        Which::Idle => run(&mut Idle::prefilled(&flow), &flow.commands),
    };
    writeln!(io::stdout(), "{} commands, {tally:?}", flow.commands.len())
}
