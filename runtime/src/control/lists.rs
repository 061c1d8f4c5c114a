//! The thread that reads the configuration and the lists of accounts again, and writes the list that is kept at run time.
//!
//! | file | what happens there |
//! |---|---|
//! | `reload` | the configuration file again: all or nothing, what is live, what needs a restart |
//! | `reader` | every list, and what of it is new |
//! | `kept` | `addresses.csv` of the data directory: its lines, and writing it whole |
//!
//! What has not changed is not handed over. A list that cannot be read is told once and stays as it was: nobody is let go
//! because a file was away. Everything here blocks; nothing here is on the way of an event.

mod kept;
mod reader;
mod reload;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use shards::Address;

use super::failure;
use crate::config::{LoadOptions, Loaded};
use crate::diag::Problem;
use crate::lane::bell::Bell;
use crate::lane::channel::{Receiver, Sender, channel};
use crate::lane::executor::{self, Housekeeping};
pub(crate) use reader::Reader;

pub use kept::{FILE, Named, add_to_file, read_file, remove_from_file};
pub use reload::Live;

/// Orders and answers that may wait.
const MESSAGES_MAX: usize = 1024;
/// How often the table of pairs is read.
const PAIRS_EVERY: Duration = Duration::from_secs(30 * 60);
/// The longest sleep.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// Where the lists are.
pub struct ListsOptions {
    /// How the configuration was loaded; `None` if it is not to be read again.
    pub load: Option<LoadOptions>,
    /// What was loaded.
    pub loaded: Loaded,
    /// The directory of `addresses.csv`.
    pub data_dir: PathBuf,
    /// The database, made and migrated by now; `None` for none.
    pub database: Option<PathBuf>,
}

/// To the thread.
#[derive(Debug)]
pub enum Order {
    /// Read everything now.
    Reload {
        /// Comes back with the answer.
        ticket: u64,
    },
    /// Keep these accounts on the list.
    Add {
        /// Comes back with the answer.
        ticket: u64,
        /// With names for people.
        accounts: Vec<Named>,
    },
    /// Take them off the list.
    Remove {
        /// Comes back with the answer.
        ticket: u64,
        /// Which.
        addresses: Vec<Address>,
    },
}

/// What is new. `None` is as before, or could not be read.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Lists {
    /// Of `monitor.addresses`.
    pub configuration: Option<Vec<Address>>,
    /// Of `monitor.addresses_file`.
    pub file: Option<Vec<Address>>,
    /// Kept at run time: the tables of the database and `addresses.csv`.
    pub database: Option<Vec<Address>>,
    /// Names for people, of that list.
    pub names: Option<BTreeMap<Address, String>>,
    /// How many lists cannot be read.
    pub unread: Option<u64>,
    /// Settings that count from now on.
    pub live: Option<Live>,
    /// Symbol and category of `pair_configs`.
    pub pairs: Option<Vec<(String, u8)>>,
}

impl Lists {
    fn is_empty(&self) -> bool {
        *self == Lists::default()
    }
}

/// From the thread.
#[derive(Debug)]
pub enum Said {
    /// Something is new. What an order changed comes before the answer to the order.
    Lists(Box<Lists>),
    /// Something is wrong; what was read last stays in force. Said once.
    Problem(Problem),
    /// An order was carried out, or not.
    Done {
        /// Of the order.
        ticket: u64,
        /// How it went.
        done: Done,
    },
}

/// How an order went.
#[derive(Debug)]
pub enum Done {
    /// Everything was read; these changed keys need a restart.
    Reloaded(Vec<String>),
    /// The list was written. For each account in its order whether that changed its row.
    Written(Vec<bool>),
    /// Nothing was taken over, or nothing was written.
    Refused(Problem),
}

/// The thread, seen from control.
pub struct Keeper {
    thread: Option<JoinHandle<()>>,
    orders: Sender<Order>,
    said: Receiver<Said>,
}

impl Keeper {
    /// Reads every list once, so that the first [`Keeper::said`] has them, and starts the thread. It ends when this is dropped.
    pub fn start(
        options: ListsOptions,
        control: &Arc<Bell>,
        housekeeping: &Housekeeping,
    ) -> Result<Keeper, Problem> {
        let bell = super::new_bell()?;
        let (orders, received) = channel(MESSAGES_MAX, &bell);
        let (sender, said) = channel(MESSAGES_MAX, control);
        let mut worker = Worker {
            reader: Reader::new(options),
            orders: received,
            said: sender,
            waiting: VecDeque::new(),
            due: Instant::now(),
            pairs_due: Instant::now(),
        };
        worker.begin();
        let housekeeping = housekeeping.clone();
        let thread = std::thread::Builder::new()
            .name("lists".to_owned())
            .spawn(move || {
                housekeeping.enter();
                worker.run(&bell);
            })
            .map_err(|error| failure::thread("the thread of the lists", &error))?;
        Ok(Keeper { thread: Some(thread), orders, said })
    }

    /// Gives an order; it comes back when too many wait.
    pub fn order(&mut self, order: Order) -> Result<(), Order> {
        self.orders.send(order)
    }

    /// The next thing it said.
    pub fn said(&mut self) -> Option<Said> {
        self.said.receive()
    }

    /// Why the thread has ended, if it has by itself. Said once.
    pub fn ended(&mut self) -> Option<String> {
        executor::ended(&mut self.thread)
    }

    /// Whether it said something.
    pub fn has_news(&self) -> bool {
        !self.said.is_empty()
    }
}

struct Worker {
    reader: Reader,
    orders: Receiver<Order>,
    said: Sender<Said>,
    /// What found no room. A list that was lost would not be handed over again.
    waiting: VecDeque<Said>,
    due: Instant,
    pairs_due: Instant,
}

impl Worker {
    fn begin(&mut self) {
        self.reader.begin();
        self.reader.read_lists();
        self.due = Instant::now() + self.reader.interval();
        self.read_pairs();
        self.hand_over();
    }

    fn run(mut self, bell: &Bell) {
        while !self.orders.is_abandoned() {
            if let Some(order) = self.orders.receive() {
                self.carry_out(order);
            } else if self.due <= Instant::now() {
                self.read();
            } else if self.pairs_due <= Instant::now() {
                self.read_pairs();
                self.hand_over();
            } else {
                self.send();
                let next = self.due.min(self.pairs_due).saturating_duration_since(Instant::now());
                let orders = &self.orders;
                bell.sleep(next.min(SLEEP_MAX), || !orders.is_empty() || orders.is_abandoned());
            }
        }
    }

    fn read(&mut self) {
        // What is wrong with it is among the problems.
        let _ = self.reader.read_configuration();
        self.reader.read_lists();
        self.due = Instant::now() + self.reader.interval();
        self.hand_over();
    }

    fn read_pairs(&mut self) {
        self.reader.read_pairs();
        self.pairs_due = Instant::now() + PAIRS_EVERY;
    }

    fn carry_out(&mut self, order: Order) {
        let (ticket, done) = match order {
            Order::Reload { ticket } => {
                let reloaded = self.reader.read_configuration();
                self.reader.read_lists();
                self.due = Instant::now() + self.reader.interval();
                self.read_pairs();
                (ticket, reloaded.map_or_else(Done::Refused, Done::Reloaded))
            }
            Order::Add { ticket, accounts } => {
                let written = self.reader.add(&accounts);
                (ticket, written.map_or_else(Done::Refused, Done::Written))
            }
            Order::Remove { ticket, addresses } => {
                let written = self.reader.remove(&addresses);
                (ticket, written.map_or_else(Done::Refused, Done::Written))
            }
        };
        self.hand_over();
        self.waiting.push_back(Said::Done { ticket, done });
        self.send();
    }

    fn hand_over(&mut self) {
        let (lists, problems) = self.reader.take();
        if !lists.is_empty() {
            self.waiting.push_back(Said::Lists(Box::new(lists)));
        }
        self.waiting.extend(problems.into_iter().map(Said::Problem));
        self.send();
    }

    fn send(&mut self) {
        while let Some(said) = self.waiting.pop_front() {
            if let Err(said) = self.said.send(said) {
                self.waiting.push_front(said);
                return;
            }
        }
    }
}

/// Whether a problem says that a whole list could not be read.
pub(super) fn is_unread(problem: &Problem) -> bool {
    problem.code == "ADR005"
}

/// What the user reads when a list cannot be read or written.
pub(crate) fn not_usable(what: &str, path: &Path, why: &str) -> Problem {
    Problem::error("ADR005", format!("{what} cannot be used: {}: {why}", path.display()))
}

#[cfg(test)]
mod tests;
