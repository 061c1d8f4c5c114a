//! The runtime of corelane: cores and their rings, the shard loop, the publisher, control, and what the user sees.
//!
//! | module | what is in it |
//! |---|---|
//! | `lane` | the pieces of one core: thread, ring, bell, clock, the rings between threads |
//! | `shard` | one core's loop: connections, inputs, journal, events |
//! | `publisher` | events to the sinks, cursors, catching up from the journals |
//! | `control` | the housekeeping thread: start and stop, REST, segments, latency log |
//! | `feeder` | a node's files, tailed and handed to the shards |
//! | `config` | the configuration: keys, layers, checks |
//! | `placement` | which account goes over which connection, inside the budgets; the capacity plan |
//! | `host` | what the host allows: io_uring, locked memory, CPUs, ports, directories |
//! | `diag` | what the user reads when something is wrong |
//! | `sim` | the exchange simulator |
//! | `admin` | the administration port: HTTP for health, counters, the list of accounts |
//! | `cli` | the verbs |

pub mod admin;
pub mod cli;
pub mod config;
pub mod control;
pub mod diag;
pub mod feeder;
pub mod host;
pub mod lane;
pub mod placement;
pub mod publisher;
pub mod shard;
pub mod sim;
