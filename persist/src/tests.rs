//! What the whole crate promises: crashes, damage, faults, refusals. Each file says which rule it
//! guards. Rows are those of the reliability specification; 12 and 14 are of the whole node.
//!
//! All tests are made of seeds. A failure prints the seed and the command that runs it alone, of the
//! form `CORELANE_SEED=29 cargo test -p persist tests::rounds`. Counts are those of a run in CI; a
//! variable asks for more, to run for hours. Seconds are CPU time of one core of a 2.3 GHz Xeon.
//!
//! | row | test | variable | count | seconds |
//! |---|---|---|---|---|
//! | 1 | `crash::every_crash_keeps_..` | `CORELANE_CRASH_STATES` | 1 M states | 67 |
//! | 2 | `crash::damaged_sectors_..` | the same | 1 M states | 62 |
//! | 3 | `damage::every_flipped_bit_..` | all | 524,288 bits | 15 |
//! | 4 | `damage::every_byte_..`, `damage::sectors_and_blocks_..` | all | 196,608 bytes, 8,400 units | 7 |
//! | 5 | `damage::every_cut_..`, `protocols::a_superblock_cut_..` | all | 3 + 4 files | 2 |
//! | 6 | `rounds::*` | `CORELANE_CRASH_SEEDS` | 20,000 seeds | 67 |
//! | 7 | `tails::kept_seeds_..`, `tails::old_tails_..` | `CORELANE_TAIL_SEEDS` | 8 kept, 4,000 seeds | 2 |
//! | 8 | `protocols::*` | all | 367 steps, 5,160 states | 2 |
//! | 9 | `faults::after_a_failed_flush_..` | all | 64 flushes, 3 depths, 3 forms | 3 |
//! | 10 | `faults::a_short_..`, `faults::a_second_..`, `faults::a_completion_..` | all | 32,776 short, 2,880 errors | 24 |
//! | 11 | `space::*` | all | pass | 1 |
//! | 13 | `publish::*` | `CORELANE_PUBLISH_SEEDS` | 200 seeds, 150 points | 17 |
//! | 15 | `golden::*` | all | 4 files | 0 |
//! | 16 | `defences::*` | all | 9 of 9 defences, by 11 tests | 3 |
//! | 17 | `fuzz::*` | `CORELANE_FUZZ_SECONDS` | 12 s a parser, 5 parsers | 60 |

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
