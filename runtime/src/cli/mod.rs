//! The verbs: what each does, and how it ends.
//!
//! Standard output is data, standard error is talk. A verb returns its exit code; problems are printed here.

pub mod args;

mod addr;
mod bench;
mod check;
mod demo;
mod exchange;
mod figures;
mod floor;
mod journal;
mod log;
mod monitor;
mod print;
mod progress;
mod replay;
mod show;
mod signals;
mod sim;
mod truth;

use std::ffi::OsString;
use std::process::ExitCode;

use args::{Asked, Verb};

use crate::diag::{Exit, Problems};

/// Reads the command line and does what it asks.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let verb = match args::parse(args) {
        Asked::Verb(verb) => verb,
        Asked::Text(text) => return print::out(&text).into(),
        Asked::Usage(text) => {
            eprint!("{text}");
            return Exit::Usage.into();
        }
    };
    let done = match *verb {
        Verb::Demo(args) => demo::run(&args),
        Verb::Run(args) => monitor::run(&args),
        Verb::Check(args) => check::run(&args),
        Verb::Sim(args) => sim::run(&args),
        Verb::Replay(args) => replay::run(&args),
        Verb::Journal(args) => journal::run(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Addr(args) => addr::run(&args),
        Verb::Book(args) => show::book(&args),
        Verb::Config(args) => show::config(&args),
        Verb::Version(args) => show::version(&args),
        Verb::Explain(args) => show::explain(&args),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(problems) => {
            let problems: Problems = problems;
            problems.print();
            problems.exit().into()
        }
    }
}
