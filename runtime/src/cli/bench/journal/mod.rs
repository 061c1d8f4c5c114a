//! `corelane bench journal`: what a durable command costs, and how many are durable a second, each
//! beside what the bare disk takes, in the same run.
//!
//! | file | question |
//! |---|---|
//! | `single` | one command at a time: what does the journal add? |
//! | `throughput` | how many records a second are durable? |
//! | `open_loop` | how long after it was due is a record durable, at a given rate? |
//! | `starved` | does a loop that polls keep the kernel's worker from its flush? |
//! | `recovery` | how fast is a journal read back, and what limits that? |
//! | `fio` | what does fio say of the same pattern? |
//!
//! What is compared takes turns: in every round each subject is measured once, beginning with another
//! one each time, and medians over the rounds are what is printed. The journal is the node's, on the
//! node's ring (`driver`); the floor is the same bytes without it (`bare`).

mod bare;
mod driver;
mod failure;
mod fio;
mod open_loop;
mod plan;
mod recovery;
mod report;
mod single;
mod starved;
mod throughput;

use std::path::Path;

use self::bare::{Bare, Calls};
use self::driver::Driver;
use self::failure::BenchError;
use self::plan::Plan;
use self::report::{Found, Report};
use super::cpu;
use super::machine::{Machine, Steal};
use crate::cli::args::BenchJournalArgs;
use crate::cli::print;
use crate::cli::signals::Stop;
use crate::diag::{Exit, Problem, Problems, reason};
use crate::host::cpus::CpuMap;
use crate::host::{Root, dirs};
use crate::lane::slice;

/// Segments of each journal: the current one, those ahead, and those between two removals.
const SEGMENTS: u64 = 8;

/// Measures, prints, and removes what it wrote.
pub(super) fn run(args: &BenchJournalArgs) -> Result<Exit, Problems> {
    let root = Root::system();
    let plan = Plan::new(args, Stop::listen()?);
    let cpus = CpuMap::read(&root).allowed;
    check(&plan, &cpus)?;
    let mut machine = Machine::read(&root, &args.dir, plan.cpu);
    check_disk(&plan, &machine, &args.dir)?;
    let dir = tempfile::Builder::new()
        .prefix(".corelane-bench-")
        .tempdir_in(&args.dir)
        .map_err(|error| dirs::refused(&args.dir, "--dir", &error))?;
    let steal = Steal::read(&root);
    if args.require_tuned {
        machine.disk.direct =
            Some(Calls::create(dir.path(), 1 << 20).map_err(|e| e.problem(&args.dir))?.is_direct());
        tuned(&machine)?;
    }
    let measured = measure(&plan, dir.path(), &cpus);
    let (found, registered, direct) = measured.map_err(|error| error.problem(&args.dir))?;
    machine.disk.direct = Some(direct);
    dir.close().map_err(|error| dirs::refused(&args.dir, "--dir", &error))?;
    let mut untuned = machine.untuned();
    untuned.extend(Steal::read(&root).since(steal));
    let report = Report {
        arguments: plan.text(),
        machine,
        untuned,
        registered,
        targets: found.targets(plan.body_bytes),
        found,
    };
    if let Some(path) = &args.json {
        let json = serde_json::to_string_pretty(&report).expect("plain fields serialize");
        std::fs::write(path, json + "\n").map_err(|error| not_written(path, &error))?;
    }
    let exit = print::out(&report.text());
    if args.require_tuned && !report.untuned.is_empty() && exit == Exit::Success {
        return Err(not_fit(&report.untuned).into());
    }
    Ok(exit)
}

/// Refuses what the arguments alone show to be impossible.
fn check(plan: &Plan, cpus: &[usize]) -> Result<(), Problem> {
    if let Some(cpu) = plan.cpu.filter(|cpu| !cpus.contains(cpu)) {
        let allowed = crate::config::lists::format_cpu_list(cpus);
        return Err(Problem::error(
            "TOP004",
            format!("--cpu: CPU {cpu} may not be used by this process"),
        )
        .why(format!("found: it may use CPU {allowed}"))
        .fix(format!("choose from {allowed}")));
    }
    let (asked, max) = (plan.per_flush.iter().copied().max().unwrap_or(1), plan.per_flush_max());
    if asked > max {
        let bytes = plan.body_bytes;
        return Err(Problem::error(
            "BEN005",
            format!("--per-flush: {asked} records of {bytes} bytes do not fit into a batch"),
        )
        .why(format!("a batch is closed at {} bytes: it has room for {max}", plan.batch_bytes_max))
        .fix("fewer records, fewer --bytes, or a larger --segment-size (a batch has an eighth of it)"));
    }
    Ok(())
}

/// Refuses a disk that is none, or that has no room.
fn check_disk(plan: &Plan, machine: &Machine, dir: &Path) -> Result<(), Problem> {
    if machine.disk.is_memory() {
        let what = format!("{} is in memory ({})", dir.display(), machine.disk.file_system);
        return Err(Problem::error("BEN001", what)
            .why("nothing there survives a power cut, so a flush does nothing and its time says nothing")
            .fix("name a directory on the disk that will hold the journals: --dir /var/lib/corelane"));
    }
    let journals = plan.in_flight.len() as u64 + 3;
    let record = (plan.body_bytes + persist::batch::RECORD_HEADER_BYTES) as u64;
    // A batch of one large record may leave most of its last block empty.
    let recovery = plan.records.saturating_mul(record).saturating_mul(2);
    let needed = (journals * SEGMENTS * plan.segment_bytes).saturating_add(recovery);
    match dirs::space(dir) {
        Ok(space) => match dirs::check_space(dir, space, needed, "this measurement") {
            Some(problem) => Err(problem.fix("fewer --records, or a smaller --segment-size")),
            None => Ok(()),
        },
        Err(error) => Err(dirs::refused(dir, "--dir", &error)),
    }
}

fn tuned(machine: &Machine) -> Result<(), Problem> {
    match machine.untuned() {
        why if why.is_empty() => Ok(()),
        why => Err(not_fit(&why)),
    }
}

fn not_fit(why: &[String]) -> Problem {
    let problem = Problem::error("BEN004", "this machine is not fit to measure (--require-tuned)");
    let problem = why.iter().fold(problem, |problem, line| problem.why(format!("found: {line}")));
    problem.fix("leave out --require-tuned: the figures are then marked UNTUNED")
}

fn not_written(path: &Path, error: &std::io::Error) -> Problem {
    Problem::error("DIR002", format!("cannot write {}: {}", path.display(), reason(error)))
        .fix("free space, or give this user the right to write there")
}

/// Everything that is compared by turns, made before the first time is taken.
struct Bed {
    calls: Calls,
    bare: Bare,
    /// A journal for each number of writes in flight; one has one.
    drivers: Vec<(usize, Driver)>,
}

impl Bed {
    fn create(plan: &Plan, dir: &Path) -> Result<Bed, BenchError> {
        let flush_bytes_max = plan.batch_bytes_max + persist::block::BLOCK_BYTES;
        let mut drivers = Vec::new();
        let mut in_flight = plan.in_flight.clone();
        if !in_flight.contains(&1) {
            in_flight.push(1);
        }
        for flights in in_flight {
            let dir = dir.join(format!("in-flight-{flights}"));
            drivers.push((flights, Driver::create(&dir, plan, plan.segment_bytes, flights)?));
        }
        Ok(Bed {
            calls: Calls::create(&dir.join("calls"), plan.segment_bytes)?,
            bare: Bare::create(&dir.join("bare"), plan.segment_bytes, flush_bytes_max)?,
            drivers,
        })
    }

    /// The journal with so many writes in flight.
    fn driver(&mut self, in_flight: usize) -> &mut Driver {
        let mut drivers = self.drivers.iter_mut();
        let (_, driver) = drivers.find(|(flights, _)| *flights == in_flight).expect("each has one");
        driver
    }

    /// The journal with one write in flight.
    fn single(&mut self) -> &mut Driver {
        self.driver(1)
    }
}

type Measured = (Found, bool, bool);

/// Asks all questions. Also says whether buffers were registered, and whether the page cache was left
/// out.
fn measure(plan: &Plan, dir: &Path, cpus: &[usize]) -> Result<Measured, BenchError> {
    plan.say("preparing segments");
    // A thread of its own: its slice and its CPU must not be handed on to the threads of `starved`.
    let by_turns = std::thread::scope(|scope| {
        let thread = scope.spawn(|| by_turns(plan, dir));
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    let (single, throughput, open_loop, registered, direct) = by_turns;
    let cpu = plan.cpu.or(cpus.last().copied()).unwrap_or(0);
    let found = Found {
        single,
        throughput,
        open_loop,
        starvation: starved::measure(plan, dir, cpu)?,
        recovery: recovery::measure(plan, &dir.join("recovery"))?,
        fio: fio::measure(plan, dir)?,
    };
    Ok((found, registered, direct))
}

type ByTurns = (
    Vec<single::SingleRow>,
    Vec<throughput::ThroughputRow>,
    Vec<open_loop::OpenLoopRow>,
    bool,
    bool,
);

/// The questions that are asked on a thread as a shard's is: with a long slice, and pinned if asked.
fn by_turns(plan: &Plan, dir: &Path) -> Result<ByTurns, BenchError> {
    let mut bed = Bed::create(plan, dir)?;
    // After the journals have started their segment threads: those stay as they are.
    if let Some(id) = plan.cpu {
        core_affinity::set_for_current(core_affinity::CoreId { id });
    }
    slice::lengthen();
    cpu::sharpen_timers();
    let (registered, direct) = (bed.single().is_registered(), bed.single().is_direct());
    let single = single::measure(plan, &mut bed)?;
    let throughput = throughput::measure(plan, &mut bed)?;
    let open_loop = open_loop::measure(plan, &mut bed)?;
    Ok((single, throughput, open_loop, registered, direct))
}
