//! The administration port: HTTP for health, counters and the list of accounts.
//!
//! | file | what happens there |
//! |---|---|
//! | `port` | the listening socket and the token, opened before anything else is started |
//! | `server` | the thread: connections, their limits and times |
//! | `guard` | who may ask: token, host name, web pages |
//! | `routes` | from a request to an [`Ask`], from an [`Answer`] to a response |
//! | `import` | lists of accounts in a body: CSV or JSON |
//! | `wire` | the JSON objects, for both ends |
//!
//! The thread knows nothing of the node: it asks control by a ring and waits for the answer, each for a limited time.

pub mod port;
pub mod wire;

pub(crate) mod import;

mod guard;
mod routes;
mod server;

use shards::Address;
use tokio::sync::oneshot;

use crate::control::lists::Named;
use crate::diag::Problem;

pub use import::name_fault;
pub use port::Port;
pub use server::{Admin, start};
pub use wire::{Account, AccountState, Health, Status};

/// What control is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ask {
    /// Whether everything that is wanted is done.
    Health,
    /// The counters.
    Status,
    /// Every account.
    Accounts,
    /// Put these on the list.
    Add(Vec<Named>),
    /// Take one off the list.
    Remove {
        /// Which.
        address: Address,
        /// Without its grace.
        now: bool,
    },
    /// Read the configuration and the lists again.
    Reload,
    /// How many percent of the accounts are live.
    Canary,
    /// Change that, until the configuration says another number.
    SetCanary(u8),
}

/// What control answers.
#[derive(Clone, PartialEq, Debug)]
pub enum Answer {
    /// To [`Ask::Health`].
    Health(Health),
    /// To [`Ask::Status`].
    Status(Box<Status>),
    /// To [`Ask::Accounts`].
    Accounts(Vec<Account>),
    /// To [`Ask::Add`]: by account in its order whether that changed the list, and how the account stands.
    Added(Vec<(bool, Account)>),
    /// To [`Ask::Remove`].
    Removed {
        /// Whether it was on the list.
        was_listed: bool,
        /// How it stands now; `None` if it is gone.
        account: Option<Account>,
    },
    /// To [`Ask::Reload`]: the changed keys that need a restart.
    Reloaded(Vec<String>),
    /// To [`Ask::Canary`] and [`Ask::SetCanary`].
    Canary(u8),
    /// It was not done.
    Refused(Problem),
}

/// A question with the place for its answer.
#[derive(Debug)]
pub struct Asked {
    /// The question.
    pub ask: Ask,
    /// Whoever asked may have gone away.
    pub answer: oneshot::Sender<Answer>,
}

#[cfg(test)]
mod tests;
