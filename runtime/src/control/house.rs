//! What the administration port sees of the node.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use shards::{Address, shard_of};

use super::accounts::Stage;
use super::asks::House;
use super::health::Vitals;
use super::lists::Order;
use super::roster::{Origins, Removal, Standing};
use super::{Node, NodeReport};
use crate::admin::wire::{AccountState, SinkStatus};
use crate::admin::{Account, Status};
use crate::placement::Seat;

/// When something was last received, as far as reports tell: bytes from a connection, or a block from a feeder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrivals {
    started: Instant,
    bytes: u64,
    last: Option<Instant>,
}

impl Arrivals {
    pub(super) fn new(now: Instant) -> Arrivals {
        Arrivals { started: now, bytes: 0, last: None }
    }

    /// A report says that so many bytes have come. The answer to a ping is something too: a quiet market is no fault.
    pub(super) fn report(&mut self, bytes: u64, now: Instant) {
        if bytes != self.bytes {
            (self.bytes, self.last) = (bytes, Some(now));
        }
    }

    /// A feeder's block has come to a shard.
    pub(super) fn fed(&mut self, now: Instant) {
        self.last = Some(now);
    }
}

impl House for Node {
    fn vitals(&self) -> Vitals {
        let report = self.report();
        let links = self.accounts.links();
        let mut vitals = Vitals {
            links_down: u64::from(links).saturating_sub(report.shards.links_open),
            quiet_for: self.arrivals.last.map(|at| at.elapsed()),
            uptime: self.arrivals.started.elapsed(),
            ..Vitals::default()
        };
        // Those who leave are followed too, but nobody waits for them.
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
        let NodeReport { shards, publisher } = self.report();
        let vitals = self.vitals();
        let latency = self.latency.total();
        let quantile = |q: f64| latency.value_at_quantile(q) / 1000;
        let sink = |sink: &crate::publisher::sink::SinkReport| SinkStatus {
            name: sink.name.to_owned(),
            signals: sink.signals,
            repeated: sink.repeated,
            conflicts: sink.conflicts,
            gaps: sink.gaps,
        };
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: vitals.uptime.as_secs(),
            shards: self.shards.len() as u16,
            wanted: vitals.wanted,
            followed: vitals.followed,
            uncovered: vitals.uncovered,
            links_open: shards.links_open,
            links_lost: shards.links_lost,
            frames: shards.frames,
            received_bytes: shards.received_bytes,
            fills: shards.counts.fills,
            duplicates: shards.duplicates,
            signals: shards.counts.signals,
            gaps: shards.counts.gaps,
            unreadable: shards.unreadable,
            unsound: shards.unsound,
            unsignalled: shards.unsignalled,
            flushes: shards.flushes,
            journal_bytes: shards.journal_bytes,
            caught_up: publisher.is_caught_up,
            sinks: publisher.sinks.iter().map(sink).collect(),
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            canary_ratio: self.live.canary_ratio,
        }
    }

    fn accounts(&self) -> Vec<Account> {
        let row = |(address, origins, standing)| self.row(address, origins, standing);
        self.roster.iter().map(row).collect()
    }

    fn account(&self, address: &Address) -> Option<Account> {
        let (origins, standing) = self.roster.get(address)?;
        Some(self.row(*address, origins, standing))
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
        self.live.canary_ratio = ratio;
        true
    }
}

impl Node {
    fn row(&self, address: Address, origins: Origins, standing: Standing) -> Account {
        let stage = self.accounts.stage(&address);
        let (state, since) = match (stage, standing) {
            (stage, Standing::Leaving { .. }) => (AccountState::Leaving, since(stage)),
            (Some(Stage::Followed(at)), _) => (AccountState::Followed, Some(at)),
            (Some(Stage::Acknowledged(at)), _) => (AccountState::WaitingForSnapshot, Some(at)),
            (Some(Stage::Subscribing(at)), _) => (AccountState::Subscribing, Some(at)),
            (Some(Stage::Uncovered(_)), _) => (AccountState::Uncovered, None),
            // It is placed with the next turn.
            (None, _) => (AccountState::Subscribing, None),
        };
        let leaves_at_ms = match standing {
            Standing::Leaving { until } => {
                Some(unix_ms() + millis(until.saturating_duration_since(Instant::now())))
            }
            Standing::Wanted => None,
        };
        let source = |seat: Seat| self.source_names[seat.source].clone();
        Account {
            address: address.to_string(),
            name: self.names.get(&address).cloned().unwrap_or_default(),
            origins: origins.iter().map(|origin| origin.name().to_owned()).collect(),
            state,
            source: self.accounts.seat(&address).map(source),
            shard: Some(shard_of(&address, self.shards.len() as u16).0),
            since_ms: since.map(|at| unix_ms().saturating_sub(millis(at.elapsed()))),
            leaves_at_ms,
        }
    }
}

fn since(stage: Option<Stage>) -> Option<Instant> {
    match stage? {
        Stage::Followed(at) | Stage::Acknowledged(at) | Stage::Subscribing(at) => Some(at),
        Stage::Uncovered(_) => None,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn unix_ms() -> u64 {
    // A clock before 1970 tells no time worth showing.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}
