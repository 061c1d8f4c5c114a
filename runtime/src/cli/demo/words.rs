//! What the demo prints, after spec/first-ten-minutes.md.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use super::exchange::Exchange;
use super::verdict::{LatencyLine, Verdict};
use crate::cli::args::DemoArgs;
use crate::cli::figures::{clock, grouped, time};
use crate::cli::print;
use crate::cli::show::{COMMIT, VERSION};
use crate::control::latency::Latency;
use crate::control::options::NodeOptions;
use crate::control::{Ended, Node, Notice};
use crate::host::{self, Root};
use crate::shard::Wait;
use crate::shard::message::LinkNews;

/// Prints.
pub(super) struct Words {
    shards: u16,
    faults: bool,
    removed: bool,
    has_end: bool,
}

impl Words {
    pub(super) fn new(args: &DemoArgs, removed: bool) -> Words {
        let has_end = args.for_.is_some();
        Words { shards: args.shards, faults: !args.no_faults, removed, has_end }
    }

    /// One line, indented.
    pub(super) fn say(&self, line: &str) {
        print::out(&format!("  {line}\n"));
    }

    pub(super) fn banner(&self, dir: &Path, exchange: &Exchange, options: &NodeOptions) {
        let mut text = format!("corelane {VERSION} ({COMMIT}) · demo · seed {}\n", exchange.seed());
        let kept = if self.removed { "  (removed at exit; keep with --data DIR)" } else { "" };
        let mut line = |name: &str, value: &str| {
            writeln!(text, "  {name:<9} {value}").expect("a string takes every write");
        };
        line("data", &format!("{}{kept}", dir.display()));
        line("host", &host::describe(&Root::system(), u32::from(self.shards)));
        line("layout", &layout(options));
        let earlier =
            if exchange.is_earlier() { "  (was running: an earlier demo left it)" } else { "" };
        line(
            "simulator",
            &format!("{}  (/info /ws, Hyperliquid-compatible){earlier}", exchange.remote().url()),
        );
        if let Some(port) = &options.admin {
            let config = dir.join("corelane.toml");
            let url =
                format!("http://{}  (corelane addr list -c {})", port.addr(), config.display());
            line("admin", &url);
        }
        line("database", &dir.join("corelane.db").display().to_string());
        let faults = match self.faults {
            true => {
                "Faults on: lost connections, duplicates, reordering, half frames, gaps, refusals."
            }
            false => "Faults off.",
        };
        writeln!(text, "\n  {} traders, all watched. {faults}", exchange.accounts())
            .expect("a string takes every write");
        if !self.has_end {
            text.push_str("  Ctrl-C to stop.\n");
        }
        text.push('\n');
        print::out(&text);
    }

    /// What the journals held.
    pub(super) fn opened(&self, node: &Node) {
        for (shard, opened) in node.opened().enumerate() {
            if opened.last_seq > 0 {
                self.say(&format!(
                    "shard {shard}: {} records replayed, up to seq {}",
                    grouped(opened.records),
                    grouped(opened.last_seq)
                ));
            }
            if let Some(torn) = &opened.torn {
                self.say(&format!(
                    "shard {shard}: the journal ended inside a batch at byte {}; cut there (normal after a kill)",
                    grouped(torn.offset)
                ));
            }
        }
    }

    pub(super) fn notice(&self, notice: &Notice) {
        match notice {
            Notice::Link(shard, LinkNews::Down { why, .. }) => {
                self.say(&format!("! shard {}: connection lost: {why}", shard.0));
            }
            Notice::Link(shard, LinkNews::Up { users, away_ms, .. }) if *away_ms > 0 => {
                self.say(&format!(
                    "! shard {}: reconnected after {away_ms} ms, {users} accounts",
                    shard.0
                ));
            }
            Notice::Link(shard, LinkNews::Refused { said, .. }) => {
                self.say(&format!("! shard {}: the exchange refused: {said}", shard.0));
            }
            Notice::Warning(problem) => self.say(&format!("! {}", problem.one_line())),
            _ => {}
        }
    }

    pub(super) fn progress(&self, node: &Node, elapsed: Duration) {
        let report = node.report();
        let s = &report.shards;
        let latency = LatencyLine::new(String::new(), &node.latency().total());
        print::out(&format!(
            " {}  fills {} → signals {} (dup {} dropped, open {}) · accounts {} · fill→signal p50 {} p99 {} max {}\n",
            clock(elapsed),
            grouped(s.counts.fills),
            grouped(s.counts.signals),
            grouped(s.duplicates),
            grouped(s.unsignalled),
            s.followed,
            time(latency.p50),
            time(latency.p99),
            time(latency.max),
        ));
    }

    pub(super) fn verdict(&self, v: &Verdict, latency: &Latency, ended: &Ended) {
        let mut text = format!("  stopped cleanly in {} ms\n", ended.took.as_millis());
        if !ended.is_caught_up {
            text = format!(
                "  NOT stopped cleanly: a sink or a shard did not end in {} ms\n",
                ended.took.as_millis()
            );
        }
        let mut line = |line: &str| writeln!(text, "  {line}").expect("a string takes every write");
        if let Some(ms) = v.first_signal_ms {
            line(&format!("first signal    {ms} ms after the start"));
        }
        for l in &v.latency_ns {
            line(&format!(
                "fill→signal     shard {:<3}  p50 {} p99 {} p99.9 {} max {}  ({} signals, frame received → event in the publisher, durable)",
                l.shard,
                time(l.p50),
                time(l.p99),
                time(l.p999),
                time(l.max),
                grouped(l.count)
            ));
        }
        if let Some(floor) = &v.floor_ns {
            line(&format!(
                "floor           one 4-KiB write + fdatasync here: p50 {} p99 {}",
                time(floor.p50),
                time(floor.p99)
            ));
        }
        if let Some(path) = latency.path().filter(|_| !self.removed) {
            line(&format!("latency log     {}", path.display()));
        }
        line(&format!(
            "repairs         {} reconnects · {} back-fills · {} repeated fills dropped · {} gaps",
            grouped(v.reconnects),
            grouped(v.backfills),
            grouped(v.duplicates_dropped),
            grouped(v.gaps)
        ));
        for difference in &v.differences {
            line(&format!("  {difference}"));
        }
        line(&format!(
            "truth check   fills sent {} {} fills seen {} · legs expected {} {} seen {} · signals {} · duplicates {} · lost {}   {}",
            grouped(v.fills_sent),
            sign(v.fills_sent == v.fills_seen),
            grouped(v.fills_seen),
            grouped(v.legs_expected),
            sign(v.legs_expected == v.legs_seen),
            grouped(v.legs_seen),
            grouped(v.signals),
            grouped(v.duplicates),
            grouped(v.lost),
            word(v.truth_passed),
        ));
        let records: u64 = v.replay.iter().map(|check| check.records).sum();
        let hashes: Vec<String> = v
            .replay
            .iter()
            .map(|check| match check.state_hash == check.replayed_hash {
                true => format!("shard {} {}", check.shard, check.state_hash),
                false => format!(
                    "shard {} was {}, replayed {}",
                    check.shard, check.state_hash, check.replayed_hash
                ),
            })
            .collect();
        line(&format!(
            "replay check  {} journals, {} records → {} state hash ({})   {}",
            v.replay.len(),
            grouped(records),
            if v.replay_passed { "same" } else { "another" },
            hashes.join(", "),
            word(v.replay_passed),
        ));
        text.push_str("  next: `corelane config init > corelane.toml` then `corelane check` then `corelane run`\n");
        print::out(&text);
    }
}

fn sign(equal: bool) -> &'static str {
    if equal { "=" } else { "≠" }
}

fn word(passed: bool) -> &'static str {
    if passed { "PASS" } else { "FAIL" }
}

fn layout(options: &NodeOptions) -> String {
    let mut text = String::new();
    for (shard, cpu) in options.cpus.iter().enumerate() {
        let cpu = cpu.map_or("any cpu".to_owned(), |cpu| format!("cpu{cpu}"));
        write!(text, "shard {shard} on {cpu} · ").expect("a string takes every write");
    }
    let publisher = options.publisher_cpu.map_or("any cpu".to_owned(), |cpu| format!("cpu{cpu}"));
    let wait = match options.wait {
        Wait::Spin => "polling = spin",
        Wait::Park { .. } => "polling = park",
    };
    write!(text, "publisher, store, control on {publisher} · {wait}")
        .expect("a string takes every write");
    text
}
