//! The thread that tails a node's files and hands fills and order statuses to the shards.
//!
//! | file | what is in it |
//! |---|---|
//! | `reader` | one pass: lines to entries, joins, losses; no thread |
//! | `stream` | the files of a kind as one stream of lines, hour after hour |
//! | `tail`, `hours` | one growing file; the names of the files |
//! | `continuity` | whether block numbers follow one another |
//! | `outlet`, `marks` | the rings; what all shards have acknowledged |
//! | `position`, `place` | how far was read, on the disk |
//! | `watch` | sleeping until a file changes |
//! | `said` | what the user reads |
//!
//! The file is the buffer: when a shard's ring is full, reading waits. Nothing here decides what is news: an account's
//! fills may be given again, and the core knows them by their keys. What must not happen is that one is passed over
//! without a [`Fed::Join`] that says so.

mod continuity;
mod hours;
mod marks;
mod outlet;
mod place;
mod position;
mod reader;
mod said;
mod stream;
mod tail;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use shards::{Address, ShardId};

use crate::diag::{Problem, reason};
use crate::lane::bell::Bell;
use crate::lane::channel::{Receiver, Sender, channel};
use crate::lane::executor::{self, Housekeeping};
use crate::shard::fed::Fed;
use watch::{Watch, Woken};

pub use reader::{Now, Progress, Reader, ReaderOptions};

/// Orders that may wait in the ring; more wait at the sender.
const ORDERS_MAX: usize = 4096;
/// Things to say that may wait.
const SAID_MAX: usize = 1024;
/// How long to wait for a shard that does not take.
const FULL: Duration = Duration::from_millis(1);

/// What control tells the thread.
#[derive(Clone, Copy, Debug)]
enum Order {
    Follow { shard: ShardId, address: Address, ticket: u64 },
    Unfollow { address: Address },
    Journal { shard: ShardId, seq: u64 },
    Fed { shard: ShardId, number: u64, seq: u64 },
    Begin,
}

/// The thread, seen from control. It ends when this is dropped, and has written its position then.
pub struct Feeder {
    /// `None` while it ends.
    orders: Option<Sender<Order>>,
    waiting: VecDeque<Order>,
    said: Receiver<Problem>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the thread that reads a node for all shards: `rings` has one for each, in their order. It reads nothing before
/// [`Feeder::begin`].
pub fn start(
    options: ReaderOptions,
    rings: Vec<Sender<Fed>>,
    control: &Arc<Bell>,
    housekeeping: &Housekeeping,
) -> Result<Feeder, Problem> {
    let failed = |error: std::io::Error| {
        let what = format!("cannot start the thread that reads a node: {}", reason(&error));
        Problem::error("SYS001", what).fix(
            "close programs, or raise the limits of open files and of processes (ulimit -n, ulimit -u)",
        )
    };
    let bell = Arc::new(Bell::new().map_err(failed)?);
    let (orders, received) = channel(ORDERS_MAX, &bell);
    let (sender, said) = channel(SAID_MAX, control);
    let name = format!("node-{}", options.source);
    let housekeeping = housekeeping.clone();
    let thread = std::thread::Builder::new()
        .name(name)
        .spawn(move || {
            housekeeping.enter();
            work(&bell, received, sender, Reader::new(options, rings));
        })
        .map_err(failed)?;
    Ok(Feeder { orders: Some(orders), waiting: VecDeque::new(), said, thread: Some(thread) })
}

impl Feeder {
    /// Follows an account for a shard; the ticket is the watch's.
    pub fn follow(&mut self, shard: ShardId, address: Address, ticket: u64) {
        self.order(Order::Follow { shard, address, ticket });
    }

    /// Lets go of an account.
    pub fn unfollow(&mut self, address: Address) {
        self.order(Order::Unfollow { address });
    }

    /// All accounts of the start have been given: reading may begin. Who comes later has missed something.
    pub fn begin(&mut self) {
        self.order(Order::Begin);
    }

    /// How far a shard's journal reached at the start. To be told of each before [`Feeder::begin`].
    pub fn journal(&mut self, shard: ShardId, seq: u64) {
        self.order(Order::Journal { shard, seq });
    }

    /// Everything up to this block is durable on a shard, whose journal is up to `seq`.
    pub fn fed(&mut self, shard: ShardId, number: u64, seq: u64) {
        self.order(Order::Fed { shard, number, seq });
    }

    /// Hands on what did not fit before. To be called in every turn of control.
    pub fn turn(&mut self) {
        while let (Some(order), Some(orders)) = (self.waiting.pop_front(), &mut self.orders) {
            if let Err(order) = orders.send(order) {
                self.waiting.push_front(order);
                break;
            }
        }
    }

    /// The next thing that a person should read.
    pub fn said(&mut self) -> Option<Problem> {
        self.said.receive()
    }

    /// Whether [`Feeder::said`] has something.
    pub fn has_news(&self) -> bool {
        !self.said.is_empty()
    }

    /// Why the thread has ended, if it has by itself. Said once.
    pub fn ended(&mut self) -> Option<String> {
        executor::ended(&mut self.thread)
    }

    fn order(&mut self, order: Order) {
        self.waiting.push_back(order);
        self.turn();
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.turn();
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(bell: &Bell, mut orders: Receiver<Order>, mut said: Sender<Problem>, mut reader: Reader) {
    let mut watch = Watch::new();
    let mut woken = Woken { by_files: false, hint: false };
    let mut unsaid = None;
    loop {
        // In this order: what was ordered before the end is still taken.
        let is_end = orders.is_abandoned();
        while let Some(order) = orders.receive() {
            match order {
                Order::Follow { shard, address, ticket } => {
                    reader.follow(usize::from(shard.0), address, ticket);
                }
                Order::Unfollow { address } => reader.unfollow(&address),
                Order::Journal { shard, seq } => reader.journal(usize::from(shard.0), seq),
                Order::Fed { shard, number, seq } => {
                    reader.acknowledge(usize::from(shard.0), number, seq);
                }
                Order::Begin => reader.begin(),
            }
        }
        if is_end {
            break;
        }
        if woken.hint {
            reader.hint();
        }
        let read_before = reader.lines();
        let progress = reader.turn(now());
        if reader.lines() > read_before {
            watch.read_after(woken);
        }
        while let Some(problem) = unsaid.take().or_else(|| reader.said()) {
            if let Err(problem) = said.send(problem) {
                unsaid = Some(problem);
                break;
            }
        }
        let ready = || !orders.is_empty() || orders.is_abandoned();
        woken = match progress {
            Progress::Busy => Woken { by_files: true, hint: false },
            Progress::Full => {
                bell.sleep(FULL, ready);
                Woken { by_files: true, hint: false }
            }
            Progress::Idle if watch.set(&reader.dirs()) => Woken { by_files: true, hint: true },
            Progress::Idle => watch.sleep(bell, ready),
        };
    }
    reader.save();
}

fn now() -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { unix_ms: unix.as_millis() as u64, instant: Instant::now() }
}
