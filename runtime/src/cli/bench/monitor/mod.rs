//! `corelane bench monitor`: what load the whole monitor takes, without losing a fill.
//!
//! | file | what is in it |
//! |---|---|
//! | `plan` | the command line, understood; the node's configuration |
//! | `node` | `corelane run` as a process of its own |
//! | `vitals` | CPU time, memory and pinning of a process, from /proc |
//! | `hlog` | the node's latency log, read while it is written |
//! | `run` | one rate: start, warm up, measure, stop, compare |
//! | `memory` | whether memory is flat |
//! | `goals` | the goals of the program that corelane replaces |
//! | `report` | what is printed |
//!
//! The loop is open: the simulator makes blocks when they are due, whatever the node does, and says
//! how late it was itself. What is measured is the node's process alone, under its own clock and the
//! kernel's counters. The check is the demo's: exact sums per leg against the simulator's own truth.

mod goals;
mod hlog;
mod memory;
mod node;
mod plan;
mod report;
mod run;
mod vitals;

use std::path::Path;

use self::plan::Plan;
use self::report::Report;
use super::machine::{Machine, Steal};
use crate::cli::args::BenchMonitorArgs;
use crate::cli::print;
use crate::cli::signals::Stop;
use crate::diag::{Exit, Problem, Problems, reason};
use crate::host::{Root, dirs};

/// Measures each rate, prints, and removes what it wrote.
pub(super) fn run(args: &BenchMonitorArgs) -> Result<Exit, Problems> {
    let root = Root::system();
    let plan = Plan::new(args, Stop::listen()?)?;
    check_disk(&plan, &args.dir)?;
    let mut machine = Machine::read(&root, &args.dir, None);
    let steal = Steal::read(&root);
    let mut runs = Vec::new();
    for rate in &plan.rates {
        runs.push(run::measure(&plan, *rate)?);
        if plan.stop.is_asked() {
            break;
        }
    }
    machine.pinned = runs.first().and_then(|run| run.shard_cpu());
    let mut untuned = machine.untuned();
    untuned.extend(Steal::read(&root).since(steal));
    let goals = goals::judge(&runs);
    let (arguments, settings) = (plan.text(), plan.settings());
    let report = Report { arguments, settings, machine, untuned, goals, runs };
    if let Some(path) = &args.json {
        let json = serde_json::to_string_pretty(&report).expect("plain fields serialize");
        std::fs::write(path, json + "\n").map_err(|error| not_written(path, &error))?;
    }
    let exit = print::out(&report.text());
    match report.runs.iter().find(|run| !run.truth.passed) {
        Some(run) => Err(run.not_passed().into()),
        None => Ok(exit),
    }
}

/// Refuses a directory that cannot be used, or a disk without room.
fn check_disk(plan: &Plan, dir: &Path) -> Result<(), Problem> {
    dirs::check(dir, "--dir")?;
    let space = dirs::space(dir).map_err(|error| dirs::refused(dir, "--dir", &error))?;
    match dirs::check_space(dir, space, plan.disk_bytes(), "this measurement") {
        Some(problem) => Err(problem.fix("a lower --rate, or a shorter --for")),
        None => Ok(()),
    }
}

fn not_written(path: &Path, error: &std::io::Error) -> Problem {
    Problem::error("DIR002", format!("cannot write {}: {}", path.display(), reason(error)))
        .fix("free space, or give this user the right to write there")
}
