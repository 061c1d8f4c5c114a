//! What the whole crate promises: crashes, damage, faults, refusals. Each file says which rule it
//! guards.
//!
//! All tests are made of seeds. A failure prints the seed and the command that runs it alone, which
//! is of the form `CORELANE_SEED=7 cargo test -p persist tests::rounds::NAME`. Counts are those of a
//! run in CI; a variable asks for more, to run for hours. Seconds are of one core of a 2.3 GHz Xeon.
//!
//! | row | test | variable | count | seconds |
//! |---|---|---|---|---|
//! | 1 | `crash::every_crash_keeps_what_was_acked` | `CORELANE_CRASH_STATES` | 1 M states | 49 |
//! | 2 | `crash::damaged_sectors_in_flight_are_no_worse` | the same | 1 M states | 52 |

mod allocations;
mod crash;
mod damage;
mod defences;
mod evidence;
mod faults;
mod fuzz;
mod golden;
mod history;
mod inspect;
mod kernel;
mod life;
mod protocols;
mod publish;
mod refuse;
mod rounds;
mod space;
mod tails;
mod workload;
