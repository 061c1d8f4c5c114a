//! `corelane bench`: parts of corelane measured on this machine, beside what the bare machine does.
//!
//! | file | what is in it |
//! |---|---|
//! | `machine` | what is measured on, and what makes it unfit |
//! | `quantiles` | quantiles of a round, medians over rounds, the order of taking turns |
//! | `cpu` | CPU time, and the slack of timers |
//! | `journal` | `bench journal` |
//! | `monitor` | `bench monitor` |

mod cpu;
mod journal;
mod machine;
mod monitor;
mod quantiles;

use super::args::{BenchArgs, BenchVerb};
use crate::diag::{Exit, Problems};

/// Measures what is asked for.
pub(super) fn run(args: &BenchArgs) -> Result<Exit, Problems> {
    match &args.verb {
        BenchVerb::Journal(args) => journal::run(args),
        BenchVerb::Monitor(args) => monitor::run(args),
    }
}
