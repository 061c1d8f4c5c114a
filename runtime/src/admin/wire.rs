//! The JSON objects of the administration port. `corelane addr` reads what the server writes, by the same types.

use serde::{Deserialize, Serialize};

use crate::diag::Problem;

/// How an account stands.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// Its subscriptions are acknowledged and its snapshot has come: nothing is missed.
    Followed,
    /// It waits for a connection or for acknowledgements.
    Subscribing,
    /// Its subscriptions are acknowledged, its snapshot is still missing.
    WaitingForSnapshot,
    /// There is no room for it on any source. It is **not** monitored.
    Uncovered,
    /// No list names it any more; it is still followed until its grace is over.
    Leaving,
    /// Nothing runs that could follow it (`corelane addr list --offline`).
    NotRunning,
}

impl AccountState {
    /// As in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            AccountState::Followed => "followed",
            AccountState::Subscribing => "subscribing",
            AccountState::WaitingForSnapshot => "waiting_for_snapshot",
            AccountState::Uncovered => "uncovered",
            AccountState::Leaving => "leaving",
            AccountState::NotRunning => "not_running",
        }
    }
}

/// One account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Account {
    /// Lower case.
    pub address: String,
    /// A name for people; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The lists that name it: configuration, file, database.
    pub origins: Vec<String>,
    /// How it stands.
    pub state: AccountState,
    /// The source that it is followed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Its shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<u16>,
    /// Unix milliseconds since when it stands so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<u64>,
    /// Unix milliseconds at which it is let go, if it leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves_at_ms: Option<u64>,
}

/// Whether everything that is wanted is done.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Health {
    /// True if there is no reason to say otherwise.
    pub ok: bool,
    /// Why not, the worst first.
    pub reasons: Vec<Reason>,
    /// Accounts that are wanted.
    pub wanted: u64,
    /// Those of them that are followed.
    pub followed: u64,
}

/// One reason not to be well.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Reason {
    /// One word, for programs.
    pub reason: String,
    /// One sentence, for people.
    pub what: String,
}

/// The counters, totals since the start unless said otherwise.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Default, Debug)]
#[allow(missing_docs, reason = "the names are those of the log's status line")]
pub struct Status {
    pub version: String,
    pub uptime_s: u64,
    pub shards: u16,
    /// Now.
    pub wanted: u64,
    /// Now.
    pub followed: u64,
    /// Now.
    pub uncovered: u64,
    /// Now.
    pub links_open: u64,
    pub links_lost: u64,
    pub frames: u64,
    /// Those of them with live fills of an account.
    pub fill_frames: u64,
    pub received_bytes: u64,
    pub fills: u64,
    pub duplicates: u64,
    pub signals: u64,
    pub gaps: u64,
    /// Histories fetched to fill gaps.
    pub backfills: u64,
    pub unreadable: u64,
    pub unsound: u64,
    /// Orders with fills that are not yet signalled, now.
    pub unsignalled: u64,
    pub flushes: u64,
    pub journal_bytes: u64,
    /// Whether every sink has acknowledged every event.
    pub caught_up: bool,
    pub sinks: Vec<SinkStatus>,
    /// Frame received to event in the publisher, microseconds.
    pub p50_us: u64,
    pub p99_us: u64,
    pub p999_us: u64,
    pub canary_ratio: u8,
}

/// One sink.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Default, Debug)]
#[allow(missing_docs, reason = "the names are those of the log's lines")]
pub struct SinkStatus {
    pub name: String,
    pub signals: u64,
    pub repeated: u64,
    pub conflicts: u64,
    pub gaps: u64,
}

/// What became of an account that was to be added.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Added {
    /// False if it was on the list already, under that name.
    pub changed: bool,
    /// How it stands.
    pub account: Account,
}

/// What became of an account that was to be removed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Removed {
    /// The account.
    pub address: String,
    /// Lists that still name it: it stays until they no longer do.
    pub still_in: Vec<String>,
    /// Unix milliseconds at which it is let go; none if it stays or has gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves_at_ms: Option<u64>,
}

/// What became of a list of accounts.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Default, Debug)]
pub struct Imported {
    /// Lines that changed the list.
    pub added: u64,
    /// Lines whose account was on the list already.
    pub known: u64,
    /// Lines that were left out.
    pub refused: u64,
    /// By line.
    pub lines: Vec<ImportedLine>,
}

/// One line of an import.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct ImportedLine {
    /// From 1; of a JSON list the element.
    pub line: usize,
    /// As it was written, in lower case if it is one.
    pub address: String,
    /// `added`, `known` or `refused`.
    pub result: String,
    /// Why it was refused.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
}

/// What became of a reload.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Reloaded {
    /// Keys that changed and are in force after a restart.
    pub needs_restart: Vec<String>,
}

/// `canary.ratio`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// Percent, 0 to 100.
    pub ratio: u8,
}

/// What is wrong with a request.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Error {
    /// For `corelane explain`.
    pub code: String,
    /// What happened.
    pub what: String,
    /// Why, as measured.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// The shortest way out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fix: String,
}

impl From<&Problem> for Error {
    fn from(problem: &Problem) -> Error {
        Error {
            code: problem.code.to_owned(),
            what: problem.what.clone(),
            why: problem.why.join(" · "),
            fix: problem.fix.join(" · "),
        }
    }
}
