//! The book and the prototype on the same flows, pass by pass in turns, in one table.
//!
//! Times on a shared machine differ from minute to minute; their ratio in one run does so much less.
//! Per profile: the median of the passes of each, the median of the ratios of neighbouring passes,
//! and quantiles of single commands, which include the clock's own time (its median is printed).

use benches::bare::Bare;
use benches::flow::{Flow, Ids, Profile};
use benches::pass::{Engine, Tally, run, run_records};
use benches::stamps::Stamps;
use book::{Book, record};
use clap::Parser;
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
    /// Decode each command from its 32-byte record inside of the timed part.
    #[arg(long)]
    records: bool,
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
    let stamps = Stamps::new();
    let mut out = io::stdout().lock();
    let ids = if args.dense_ids { Ids::Dense } else { Ids::Spread };
    writeln!(
        out,
        "{} commands, {} passes of each in turns, {ids:?} ids, clock {:.0} ns in steps of {} ns; ns per command\n\
         {:<10} {:>8} {:>8} {:>7}   {:>15}   {:>15} {:>8} {:>8}",
        args.commands,
        args.passes,
        stamps.own_ns(),
        stamps.step_ns(),
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
        let row = if args.records {
            let records: Vec<_> = flow.commands.iter().filter_map(record::encode).collect();
            row(
                &flow,
                args.passes,
                &stamps,
                |e| run_records(e, &records),
                |e| run_records(e, &records),
            )
        } else {
            row(&flow, args.passes, &stamps, |e| run(e, &flow.commands), |e| run(e, &flow.commands))
        };
        writeln!(out, "{row}")?;
        out.flush()?;
    }
    Ok(())
}

/// One line of the table.
fn row(
    flow: &Flow,
    passes: usize,
    stamps: &Stamps,
    on_bare: impl Fn(&mut Bare) -> Tally,
    on_book: impl Fn(&mut Book) -> Tally,
) -> String {
    let (mut bare, mut book, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut tally = None;
    // The first of each warms up.
    for warm in (0..=passes.max(1)).map(|pass| pass > 0) {
        let (bare_ns, bare_tally) = pass(flow, stamps, &on_bare);
        let (book_ns, book_tally) = pass(flow, stamps, &on_book);
        assert_eq!(bare_tally, book_tally, "the two did not do the same");
        tally = Some(book_tally);
        if warm {
            ratios.push(book_ns / bare_ns);
            bare.push(bare_ns);
            book.push(book_ns);
        }
    }
    let singles = [single::<Bare>(flow, stamps), single::<Book>(flow, stamps)];
    let again = [single::<Bare>(flow, stamps), single::<Book>(flow, stamps)];
    let quantiles = |which: usize| {
        let [p50, p99] = [0, 1].map(|at| singles[which][at].min(again[which][at]));
        format!("{p50:.0} / {p99:.0}")
    };
    format!(
        "{:<10} {:>8.1} {:>8.1} {:>7.2}   {:>15}   {:>15} {:>8} {:>8}",
        flow.name,
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
fn pass<E: Engine>(flow: &Flow, stamps: &Stamps, on: impl Fn(&mut E) -> Tally) -> (f64, Tally) {
    let mut engine = E::prefilled(flow);
    let start = stamps.now();
    let tally = on(&mut engine);
    let spent = stamps.ns_between(start, stamps.now());
    (spent as f64 / flow.commands.len().max(1) as f64, tally)
}

/// p50 and p99 of single commands, in nanoseconds.
fn single<E: Engine>(flow: &Flow, stamps: &Stamps) -> [f64; 2] {
    let (mut engine, mut tally) = (E::prefilled(flow), Tally::default());
    let mut spent = Vec::with_capacity(flow.commands.len());
    for command in &flow.commands {
        let start = stamps.now();
        let outcome = engine.apply(command, &mut tally);
        tally.outcome(outcome);
        spent.push(stamps.now() - start);
    }
    std::hint::black_box(tally);
    stamps.quantiles(&mut spent, [500, 990])
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
