//! The book and the prototype on the same flows, pass by pass in turns, in one table.
//!
//! Times on a shared machine differ from minute to minute; their ratio in one run does so much less.
//! Per profile: the median of the passes of each, the median of the ratios of neighbouring passes,
//! and quantiles of single commands, which include the clock's own time (its median is printed).

use benches::bare::Bare;
use benches::flow::{Flow, Ids, Profile};
use benches::pass::{Engine, Tally, run};
use book::Book;
use clap::Parser;
use quanta::Clock;
use std::io::{self, Write};

/// Time the book beside the bare prototype.
#[derive(Parser)]
struct Args {
    /// Kinds of flows; the six of the spec's table when none is given.
    profiles: Vec<Profile>,
    /// The four cliffs too.
    #[arg(long)]
    cliffs: bool,
    /// Commands of a pass, prefill apart.
    #[arg(long, default_value_t = 300_000)]
    commands: usize,
    /// Timed passes of each.
    #[arg(long, default_value_t = 7)]
    passes: usize,
    /// What the flows are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Count order ids from 1, instead of spreading them over 64 bits.
    #[arg(long)]
    dense_ids: bool,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let mut profiles = args.profiles.clone();
    if profiles.is_empty() {
        profiles.extend(Profile::TABLE);
    }
    if args.cliffs {
        profiles.extend(Profile::CLIFFS);
    }
    let clock = Clock::new();
    let mut out = io::stdout().lock();
    let ids = if args.dense_ids { Ids::Dense } else { Ids::Spread };
    writeln!(
        out,
        "{} commands, {} passes of each in turns, {ids:?} ids, clock {} ns; ns per command\n\
         {:<10} {:>8} {:>8} {:>7}   {:>15}   {:>15} {:>8} {:>8}",
        args.commands,
        args.passes,
        clock_ns(&clock),
        "profile",
        "bare",
        "book",
        "ratio",
        "bare p50/p99",
        "book p50/p99",
        "resting",
        "trades"
    )?;
    for profile in profiles {
        let flow = Flow::new(profile, args.commands, args.seed, ids);
        writeln!(out, "{}", row(&flow, args.passes.max(1), &clock))?;
        out.flush()?;
    }
    Ok(())
}

/// One line of the table.
fn row(flow: &Flow, passes: usize, clock: &Clock) -> String {
    let (mut bare, mut book, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut tally = None;
    for _ in 0..passes {
        let (bare_ns, bare_tally) = pass::<Bare>(flow, clock);
        let (book_ns, book_tally) = pass::<Book>(flow, clock);
        assert_eq!(bare_tally, book_tally, "the two did not do the same");
        tally = Some(book_tally);
        ratios.push(book_ns / bare_ns);
        (bare.push(bare_ns), book.push(book_ns));
    }
    let singles = [single::<Bare>(flow, clock), single::<Book>(flow, clock)];
    let again = [single::<Bare>(flow, clock), single::<Book>(flow, clock)];
    let quantiles = |which: usize| {
        let [p50, p99] = [0, 1].map(|at| singles[which][at].min(again[which][at]));
        format!("{p50}/{p99}")
    };
    format!(
        "{:<10} {:>8.1} {:>8.1} {:>7.2}   {:>15}   {:>15} {:>8} {:>8}",
        flow.profile.name(),
        median(bare),
        median(book),
        median(ratios),
        quantiles(0),
        quantiles(1),
        flow.orders_max,
        tally.map_or(0, |tally| tally.trades),
    )
}

/// Nanoseconds per command of one pass on a fresh engine.
fn pass<E: Engine>(flow: &Flow, clock: &Clock) -> (f64, Tally) {
    let mut engine = E::prefilled(flow);
    let start = clock.raw();
    let tally = run(&mut engine, &flow.commands);
    let spent = clock.delta_as_nanos(start, clock.raw());
    (spent as f64 / flow.commands.len().max(1) as f64, tally)
}

/// p50 and p99 of single commands, in nanoseconds.
fn single<E: Engine>(flow: &Flow, clock: &Clock) -> [u64; 2] {
    let (mut engine, mut tally) = (E::prefilled(flow), Tally::default());
    let mut spent = Vec::with_capacity(flow.commands.len());
    for command in &flow.commands {
        let start = clock.raw();
        engine.apply(command, &mut tally);
        spent.push(clock.raw() - start);
    }
    std::hint::black_box(tally);
    spent.sort_unstable();
    let at = |per_cent: usize| spent.get(spent.len() * per_cent / 100).copied().unwrap_or(0);
    [50, 99].map(|per_cent| clock.delta_as_nanos(0, at(per_cent)))
}

/// What reading the clock twice takes.
fn clock_ns(clock: &Clock) -> u64 {
    let mut spent: Vec<u64> = (0..1001)
        .map(|_| {
            let start = clock.raw();
            clock.raw() - start
        })
        .collect();
    spent.sort_unstable();
    clock.delta_as_nanos(0, spent[spent.len() / 2])
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
