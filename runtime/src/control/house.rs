//! What the administration port sees of a node, and what it may change.
//!
//! While its questions are answered the node has none: they are taken out of it, and put back.

use std::time::{Duration, Instant};

use shards::{Address, shard_of};

use super::accounts::Stage;
use super::asks::House;
use super::health::Vitals;
use super::lists::{Done, Order};
use super::roster::{Origins, Removal, Standing};
use super::{Node, Notice};
use crate::admin::wire::SinkStatus;
use crate::admin::{Account, AccountState, Status};
use crate::lane::clock::wall_now_ns;
use crate::shard::message::Report;

/// What is remembered for the administration port alone.
pub(super) struct Pulse {
    started: Instant,
    /// What the sources are called.
    sources: Vec<String>,
    /// When something was last received from an upstream.
    heard: Option<Instant>,
}

impl Pulse {
    pub(super) fn new(sources: Vec<String>) -> Pulse {
        Pulse { started: Instant::now(), sources, heard: None }
    }

    /// A feeder's block came to a shard.
    pub(super) fn fed(&mut self) {
        self.heard = Some(Instant::now());
    }

    /// A shard tells its counters.
    pub(super) fn counted(&mut self, before: &Report, after: &Report) {
        if after.received_bytes != before.received_bytes {
            self.heard = Some(Instant::now());
        }
    }
}

impl Node {
    /// Answers what the administration port asks.
    pub(super) fn turn_asks(&mut self) {
        let mut asks = std::mem::take(&mut self.asks);
        asks.turn(self);
        self.asks = asks;
    }

    /// An order to the thread of the lists was carried out, and what it changed was taken over.
    pub(super) fn done(&mut self, ticket: u64, done: Done) {
        // Who was added gets a seat, if there is one: the answer says which.
        self.turn_accounts();
        let mut asks = std::mem::take(&mut self.asks);
        let by_signal = asks.done(ticket, done, self);
        self.asks = asks;
        if let Some(done) = by_signal {
            self.notices.push_back(Notice::Reloaded(done));
        }
    }

    /// Has everything read again, because of a signal: the configuration and the lists. [`Notice::Reloaded`] says how it went.
    pub fn reload(&mut self) {
        let mut asks = std::mem::take(&mut self.asks);
        asks.reload_by_signal(self);
        self.asks = asks;
    }

    fn describe(&self, address: &Address, origins: Origins, standing: Standing) -> Account {
        let now = Instant::now();
        let wall_ms = wall_now_ns() / 1_000_000;
        let stage = self.accounts.stage(address);
        let state = match (standing, stage) {
            (Standing::Leaving { .. }, _) => AccountState::Leaving,
            (_, Some(Stage::Uncovered(_))) => AccountState::Uncovered,
            (_, Some(Stage::Followed(_))) => AccountState::Followed,
            (_, Some(Stage::Acknowledged(_))) => AccountState::WaitingForSnapshot,
            (_, Some(Stage::Subscribing(_)) | None) => AccountState::Subscribing,
        };
        let since = match stage {
            Some(Stage::Subscribing(at) | Stage::Acknowledged(at) | Stage::Followed(at)) => {
                Some(wall_ms.saturating_sub(millis(now.saturating_duration_since(at))))
            }
            Some(Stage::Uncovered(_)) | None => None,
        };
        let leaves_at_ms = match standing {
            Standing::Wanted => None,
            Standing::Leaving { until } => {
                Some(wall_ms + millis(until.saturating_duration_since(now)))
            }
        };
        let seat = self.accounts.seat(address);
        let shard_count = u16::try_from(self.shards.len()).expect("shards are counted in 16 bits");
        Account {
            address: address.to_string(),
            name: self.names.get(address).cloned().unwrap_or_default(),
            origins: origins.iter().map(|origin| origin.name().to_owned()).collect(),
            state,
            source: seat.and_then(|seat| self.pulse.sources.get(seat.source).cloned()),
            shard: Some(shard_of(address, shard_count).0),
            since_ms: since,
            leaves_at_ms,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl House for Node {
    fn vitals(&self) -> Vitals {
        let open = self.report().shards.links_open;
        let mut vitals = Vitals {
            nodes_silent: self.feeds.unwell() as u64,
            lists_unread: self.lists_unread,
            links_down: u64::from(self.accounts.links()).saturating_sub(open),
            quiet_for: self.pulse.heard.map(|at| at.elapsed()),
            uptime: self.pulse.started.elapsed(),
            ..Vitals::default()
        };
        let wanted = self.roster.iter().filter(|(.., standing)| *standing == Standing::Wanted);
        for (address, ..) in wanted {
            vitals.wanted += 1;
            match self.accounts.stage(&address) {
                Some(Stage::Followed(_)) => vitals.followed += 1,
                Some(Stage::Uncovered(_)) => vitals.uncovered += 1,
                _ => {}
            }
        }
        vitals
    }

    fn status(&self) -> Status {
        let report = self.report();
        let (shards, publisher) = (&report.shards, &report.publisher);
        let vitals = self.vitals();
        let latency = self.latency.total();
        let quantile_us = |quantile| latency.value_at_quantile(quantile) / 1000;
        let sinks = publisher.sinks.iter().map(|sink| SinkStatus {
            name: sink.name.to_owned(),
            signals: sink.signals,
            repeated: sink.repeated,
            conflicts: sink.conflicts,
            gaps: sink.gaps,
        });
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: vitals.uptime.as_secs(),
            shards: u16::try_from(self.shards.len()).expect("shards are counted in 16 bits"),
            wanted: vitals.wanted,
            followed: vitals.followed,
            uncovered: vitals.uncovered,
            links_open: shards.links_open,
            links_lost: shards.links_lost,
            frames: shards.frames,
            fill_frames: shards.fill_frames,
            received_bytes: shards.received_bytes,
            fills: shards.counts.fills,
            duplicates: shards.duplicates,
            signals: shards.counts.signals,
            gaps: shards.counts.gaps,
            backfills: shards.counts.backfills,
            unreadable: shards.unreadable,
            unsound: shards.unsound,
            unsignalled: shards.unsignalled,
            flushes: shards.flushes,
            journal_bytes: shards.journal_bytes,
            caught_up: publisher.is_caught_up,
            sinks: sinks.collect(),
            p50_us: quantile_us(0.5),
            p99_us: quantile_us(0.99),
            p999_us: quantile_us(0.999),
            canary_ratio: self.live.canary_ratio,
        }
    }

    fn accounts(&self) -> Vec<Account> {
        let accounts = self.roster.iter();
        accounts
            .map(|(address, origins, standing)| self.describe(&address, origins, standing))
            .collect()
    }

    fn account(&self, address: &Address) -> Option<Account> {
        let (origins, standing) = self.roster.get(address)?;
        Some(self.describe(address, origins, standing))
    }

    fn order(&mut self, order: Order) -> Result<(), Order> {
        match &mut self.lists {
            Some(lists) => lists.order(order),
            None => Err(order),
        }
    }

    fn remove_now(&mut self, address: &Address) -> Removal {
        self.roster.remove_now(address)
    }

    fn canary_ratio(&self) -> u8 {
        self.live.canary_ratio
    }

    fn set_canary_ratio(&mut self, ratio: u8) -> bool {
        // The publisher is told with the next turn.
        self.live.canary_ratio = ratio;
        true
    }
}
