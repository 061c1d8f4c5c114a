//! One rate: a simulator and a node are started, everyone is followed, the load warms up, a window is
//! measured, the market stops, the node catches up and ends, and what it left is compared with the
//! truth.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant, SystemTime};

use hdrhistogram::Histogram;
use serde::Serialize;
use tempfile::TempDir;

use super::hlog::{Latencies, LatencyLog, histogram};
use super::memory::Slope;
use super::node::{NodeEnd, NodeProcess};
use super::plan::Plan;
use super::vitals::{CpuShare, Resident, Usage};
use crate::admin::Status;
use crate::cli::exchange::{self, Exchange};
use crate::cli::figures::{clock, grouped, time};
use crate::cli::truth::Comparison;
use crate::cli::{floor, truth};
use crate::diag::{Problem, reason};
use crate::host::{Root, dirs};
use crate::sim::SimStats;

/// How often the window is looked at.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// How often a line is said.
const SAY_EVERY: Duration = Duration::from_secs(60);
/// How often a signal, or what is waited for, is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long all accounts may take to be followed: this, and a part of it for each.
const FOLLOW_WITHIN: Duration = Duration::from_secs(60);
const FOLLOW_EACH_WITHIN: Duration = Duration::from_millis(100);
/// How long a busy node may take for its counters.
const COUNTERS_WITHIN: Duration = Duration::from_secs(30);
/// After the market has stopped: how long the node may go without any progress.
const PROGRESS_WITHIN: Duration = Duration::from_secs(30);
/// Behind by no more than what comes in this time is keeping up.
const KEEPS_UP_S: f64 = 1.0;

/// What one rate gave. Rates are over the window; the check is over everything.
#[derive(Clone, Serialize, Debug)]
pub(super) struct Run {
    /// What was asked for: live `userFills` frames a second.
    pub(super) rate: u32,
    pub(super) addresses: u32,
    pub(super) seconds: f64,
    /// A signal ended the window before its time.
    pub(super) ended_early: bool,
    /// Live `userFills` frames that the simulator made a second.
    pub(super) messages_per_s: f64,
    /// Those that the node read a second.
    pub(super) messages_read_per_s: f64,
    /// Frames of all kinds that the node read a second.
    pub(super) frames_read_per_s: f64,
    pub(super) bytes_read_per_s: f64,
    /// Fills that the simulator made a second.
    pub(super) fills_per_s: f64,
    pub(super) signals_per_s: f64,
    /// Fills that were made and not yet taken: the most that a look each second found, and at the end.
    pub(super) behind_max: u64,
    pub(super) behind_at_end: u64,
    /// Nothing lost, and at the end behind by less than a second's fills.
    pub(super) is_sustained: bool,
    /// Blocks that the simulator made, those more than 10 ms late, and the latest since its start.
    pub(super) blocks: u64,
    pub(super) late_blocks: u64,
    pub(super) late_us_max: u64,
    /// Frame received to event in the publisher, durable; of whole seconds of the window.
    pub(super) latency: Option<Latencies>,
    /// One 4-KiB write and fdatasync in the same directory, right after the node has ended.
    pub(super) floor: Option<Latencies>,
    pub(super) cpu: CpuShare,
    /// CPUs that a thread of the node may use, by its name.
    pub(super) pinning: BTreeMap<String, String>,
    pub(super) resident: Resident,
    /// `None` where too little was seen.
    pub(super) memory: Option<Slope>,
    /// In the window.
    pub(super) links_lost: u64,
    pub(super) backfills: u64,
    pub(super) faults: u64,
    pub(super) minutes: Vec<Minute>,
    pub(super) truth: TruthCheck,
}

/// One minute of a window.
#[derive(Clone, Copy, PartialEq, Serialize, Debug)]
pub(super) struct Minute {
    pub(super) at_s: u64,
    pub(super) messages_read_per_s: f64,
    pub(super) resident_kib: u64,
    pub(super) p99_ns: Option<u64>,
    /// Since the window began.
    pub(super) links_lost: u64,
    pub(super) backfills: u64,
    /// Fills that were made and not yet taken.
    pub(super) behind: u64,
}

/// The check of everything that the node left behind.
#[derive(Clone, PartialEq, Eq, Serialize, Default, Debug)]
pub(super) struct TruthCheck {
    pub(super) passed: bool,
    pub(super) fills_sent: u64,
    pub(super) fills_seen: u64,
    pub(super) gaps: u64,
    /// Signals on standard output, beside those in the database.
    pub(super) printed: u64,
    #[serde(flatten)]
    pub(super) compared: Comparison,
    /// What else is wrong.
    pub(super) wrong: Vec<String>,
    /// Where the node's directory was kept, if the check failed.
    pub(super) kept: Option<PathBuf>,
}

impl TruthCheck {
    fn judge(compared: Comparison, sent: u64, last: &Status, end: &NodeEnd) -> TruthCheck {
        let mut wrong = Vec::new();
        if compared.beyond_recovery == 0 && last.fills != sent {
            wrong.push(format!("{} fills were made, the node took {}", sent, last.fills));
        }
        // A gap is an event, too.
        let (printed, signals) = (end.lines.saturating_sub(last.gaps), compared.signals);
        if printed != signals {
            wrong.push(format!("{printed} signals were printed, {signals} are in the database"));
        }
        if !end.status.success() {
            wrong.push(format!("the node ended with {}", end.status));
        }
        let conflicts: u64 = last.sinks.iter().map(|sink| sink.conflicts).sum();
        if conflicts > 0 {
            wrong.push(format!("{conflicts} signals came twice with different content"));
        }
        TruthCheck {
            passed: compared.lost == 0 && compared.more == 0 && wrong.is_empty(),
            fills_sent: sent,
            fills_seen: last.fills,
            gaps: last.gaps,
            printed,
            compared,
            wrong,
            kept: None,
        }
    }
}

impl Run {
    /// The CPU that the first shard is pinned to.
    pub(super) fn shard_cpu(&self) -> Option<usize> {
        let (_, cpus) = self.pinning.iter().find(|(name, _)| name.starts_with("shard"))?;
        cpus.parse().ok()
    }

    /// What the user reads when the check failed.
    pub(super) fn not_passed(&self) -> Problem {
        let TruthCheck { compared, wrong, kept, .. } = &self.truth;
        let what = format!(
            "--rate {}: the signals are not the truth: {} legs lost fills, {} have too many",
            self.rate, compared.lost, compared.more
        );
        let whys = wrong.iter().chain(compared.differences.iter().take(5));
        let problem = whys.fold(Problem::error("BEN008", what), |p, line| p.why(line.clone()));
        match kept {
            Some(dir) => {
                problem.fix(format!("look at {}: node.log, journals, database", dir.display()))
            }
            None => problem,
        }
    }
}

/// Ends the simulator with the run.
struct SimChild(Child);

impl Drop for SimChild {
    fn drop(&mut self) {
        // Its market is over; it may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Simulator and node, running.
struct Bed<'a> {
    plan: &'a Plan,
    rate: u32,
    root: Root,
    dir: TempDir,
    exchange: Exchange,
    node: NodeProcess,
    ticks_per_s: u64,
    _sim: SimChild,
}

/// Measures one rate.
pub(super) fn measure(plan: &Plan, rate: u32) -> Result<Run, Problem> {
    let mut bed = Bed::start(plan, rate)?;
    bed.follow()?;
    bed.wait(plan.warm_up, "the warm-up")?;
    let window = bed.window()?;
    bed.finish(window)
}

/// What both sides had counted at one moment.
struct Moment {
    sim_at: Instant,
    sim: SimStats,
    node_at: Instant,
    node: Status,
    usage: Usage,
}

/// What the window gave.
struct Window {
    began: Moment,
    ended: Moment,
    ended_early: bool,
    behind_max: u64,
    latency: Histogram<u64>,
    resident: Resident,
    samples: Vec<(Duration, u64)>,
    minutes: Vec<Minute>,
}

impl<'a> Bed<'a> {
    fn start(plan: &'a Plan, rate: u32) -> Result<Bed<'a>, Problem> {
        let dir = tempfile::Builder::new()
            .prefix(".corelane-bench-")
            .tempdir_in(&plan.dir)
            .map_err(|error| dirs::refused(&plan.dir, "--dir", &error))?;
        plan.say(&format!("{} messages/s: starting simulator and node", grouped(rate.into())));
        let (child, place) = exchange::start(&plan.sim_flags(rate))?;
        let sim = SimChild(child);
        let config = |admin| plan.config_text(&place, admin);
        let node = NodeProcess::start(dir.path(), plan.sets(), config)?;
        Ok(Bed {
            plan,
            rate,
            root: Root::system(),
            dir,
            exchange: Exchange::at(place),
            node,
            ticks_per_s: rustix::param::clock_ticks_per_second(),
            _sim: sim,
        })
    }

    /// Waits until every account is followed.
    fn follow(&mut self) -> Result<(), Problem> {
        let accounts = u64::from(self.plan.addresses);
        let started = Instant::now();
        let within = FOLLOW_WITHIN + FOLLOW_EACH_WITHIN * self.plan.addresses;
        let mut followed = 0;
        while followed < accounts {
            if started.elapsed() > within {
                let seconds = within.as_secs();
                let what =
                    format!("{followed} of {accounts} accounts are followed after {seconds} s");
                return Err(self.node.failed(&what));
            }
            self.wait(LOOK_EVERY, "the start")?;
            followed = self.node.status()?.map_or(0, |status| status.followed);
        }
        let (accounts, ms) = (grouped(accounts), started.elapsed().as_millis());
        self.plan.say(&format!("{accounts} accounts followed after {ms} ms; warming up"));
        Ok(())
    }

    /// Sleeps, unless a signal comes.
    fn wait(&self, time: Duration, what: &str) -> Result<(), Problem> {
        let until = Instant::now() + time;
        loop {
            if self.plan.stop.is_asked() {
                let what = format!("stopped by a signal in {what}: nothing was measured");
                return Err(Problem::error("BEN002", what));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::park_timeout(left.min(LOOK_EVERY));
        }
    }

    /// The node's counters; it may be busy.
    fn counters(&mut self) -> Result<(Instant, Status), Problem> {
        let deadline = Instant::now() + COUNTERS_WITHIN;
        loop {
            if let Some(status) = self.node.status()? {
                return Ok((Instant::now(), status));
            }
            if Instant::now() > deadline {
                let seconds = COUNTERS_WITHIN.as_secs();
                return Err(self
                    .node
                    .failed(&format!("no counters from the node for {seconds} s")));
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
    }

    fn moment(&mut self) -> Result<Moment, Problem> {
        let (sim_at, sim) = (Instant::now(), self.exchange.stats()?);
        let (node_at, node) = self.counters()?;
        let usage = Usage::read(&self.root, self.node.pid(), self.ticks_per_s);
        let usage =
            usage.map_err(|error| self.node.failed(&format!("/proc: {}", reason(&error))))?;
        Ok(Moment { sim_at, sim, node_at, node, usage })
    }

    /// Measures for the time asked, or until a signal.
    fn window(&mut self) -> Result<Window, Problem> {
        let mut log = LatencyLog::at(self.dir.path().join("latency.hlog"));
        let (began, from) = (self.moment()?, unix_now());
        let forever = from + Duration::from_secs(1 << 32);
        // What lies before the window.
        log.read_new(forever, forever);
        let mut window = Window {
            ended: Moment {
                sim: began.sim.clone(),
                node: began.node.clone(),
                usage: began.usage.clone(),
                ..began
            },
            began,
            ended_early: false,
            behind_max: 0,
            latency: histogram(),
            resident: Resident::default(),
            samples: Vec::new(),
            minutes: Vec::new(),
        };
        let mut sampled = window.began.node_at;
        let mut said = (window.began.node_at, window.began.node.fill_frames);
        loop {
            let elapsed = window.began.node_at.elapsed();
            let left = self.plan.time.saturating_sub(elapsed);
            window.ended_early = self.plan.stop.is_asked() && !left.is_zero();
            if left.is_zero() || window.ended_early {
                break;
            }
            std::thread::park_timeout(left.min(LOOK_EVERY));
            if sampled.elapsed() < SAMPLE_EVERY {
                continue;
            }
            sampled = Instant::now();
            let (sim, (node_at, node)) = (self.exchange.stats()?, self.counters()?);
            let behind = sim.fills.saturating_sub(node.fills);
            window.behind_max = window.behind_max.max(behind);
            window.resident = self.resident()?;
            window.samples.push((elapsed, window.resident.now_kib));
            if said.0.elapsed() >= SAY_EVERY {
                let latency = log.read_new(from, forever);
                window.latency.add(&latency).expect("an auto-resizing histogram takes any value");
                let minute = Minute {
                    at_s: elapsed.as_secs(),
                    messages_read_per_s: per_s(node.fill_frames - said.1, node_at - said.0),
                    resident_kib: window.resident.now_kib,
                    p99_ns: Latencies::of(&latency).map(|latency| latency.p99_ns),
                    links_lost: node.links_lost - window.began.node.links_lost,
                    backfills: node.backfills - window.began.node.backfills,
                    behind,
                };
                self.plan.say(&minute.line());
                window.minutes.push(minute);
                said = (node_at, node.fill_frames);
            }
        }
        window.ended = self.moment()?;
        window.resident = self.resident()?;
        let behind = window.behind_at_end();
        window.behind_max = window.behind_max.max(behind);
        // The log's line of the last second is written when that is over.
        self.settle_log(&mut log, &mut window, from)?;
        Ok(window)
    }

    fn settle_log(
        &mut self,
        log: &mut LatencyLog,
        window: &mut Window,
        from: Duration,
    ) -> Result<(), Problem> {
        let to = unix_now();
        let until = Instant::now() + SAMPLE_EVERY;
        while Instant::now() < until && !self.plan.stop.is_asked() {
            std::thread::park_timeout(LOOK_EVERY);
        }
        let rest = log.read_new(from, to);
        window.latency.add(&rest).expect("an auto-resizing histogram takes any value");
        Ok(())
    }

    fn resident(&self) -> Result<Resident, Problem> {
        let resident = Resident::read(&self.root, self.node.pid());
        resident.map_err(|error| self.node.failed(&format!("/proc: {}", reason(&error))))
    }

    /// Stops the market, lets the node take and signal what is left, ends it, and compares.
    fn finish(mut self, window: Window) -> Result<Run, Problem> {
        self.plan.say("stopping the market, waiting for the last signals");
        self.exchange.stop_trading()?;
        let (sent, last) = self.settle()?;
        let end = self.node.end()?;
        self.plan.say("comparing every leg with the simulator's truth");
        let compared = truth::compare(&self.exchange, &self.dir.path().join("corelane.db"))?;
        let mut truth = TruthCheck::judge(compared, sent, &last, &end);
        let floor = floor::measure(self.dir.path()).ok();
        let rate = self.rate;
        truth.kept = close(self.dir, truth.passed);
        Ok(window.run(self.plan, rate, floor.as_ref().and_then(Latencies::of), truth))
    }

    /// Waits while the node has anything left and goes on. Fills that were made, and its last counters.
    fn settle(&mut self) -> Result<(u64, Status), Problem> {
        let mut progress = (Instant::now(), (0, 0, 0));
        loop {
            let sent = self.exchange.stats()?.fills;
            let (_, node) = self.counters()?;
            if node.fills >= sent && node.unsignalled == 0 && node.caught_up {
                return Ok((sent, node));
            }
            let sunk: u64 = node.sinks.iter().map(|sink| sink.signals).sum();
            let now = (node.fills, node.signals, sunk);
            if now != progress.1 {
                progress = (Instant::now(), now);
            }
            if progress.0.elapsed() > PROGRESS_WITHIN {
                // What is missing is what the check will tell.
                return Ok((sent, node));
            }
            std::thread::park_timeout(LOOK_EVERY * 4);
        }
    }
}

impl Window {
    fn behind_at_end(&self) -> u64 {
        self.ended.sim.fills.saturating_sub(self.ended.node.fills)
    }

    fn run(self, plan: &Plan, rate: u32, floor: Option<Latencies>, truth: TruthCheck) -> Run {
        let (began, ended) = (&self.began, &self.ended);
        let (sim_time, node_time) = (ended.sim_at - began.sim_at, ended.node_at - began.node_at);
        let sim = |of: fn(&SimStats) -> u64| per_s(of(&ended.sim) - of(&began.sim), sim_time);
        let node = |of: fn(&Status) -> u64| per_s(of(&ended.node) - of(&began.node), node_time);
        let fills_per_s = sim(|sim| sim.fills);
        let behind_at_end = self.behind_at_end();
        let faults = |sim: &SimStats| sim.faults.values().sum::<u64>();
        Run {
            rate,
            addresses: plan.addresses,
            seconds: node_time.as_secs_f64(),
            ended_early: self.ended_early,
            messages_per_s: sim(|sim| sim.fill_frames),
            messages_read_per_s: node(|node| node.fill_frames),
            frames_read_per_s: node(|node| node.frames),
            bytes_read_per_s: node(|node| node.received_bytes),
            fills_per_s,
            signals_per_s: node(|node| node.signals),
            behind_max: self.behind_max,
            behind_at_end,
            is_sustained: truth.passed && behind_at_end as f64 <= fills_per_s * KEEPS_UP_S,
            blocks: ended.sim.blocks - began.sim.blocks,
            late_blocks: ended.sim.late_blocks - began.sim.late_blocks,
            late_us_max: ended.sim.late_us_max,
            latency: Latencies::of(&self.latency),
            floor,
            cpu: ended.usage.since(&began.usage, node_time),
            pinning: ended.usage.pinning.clone(),
            resident: self.resident,
            memory: plan.is_soak().then(|| Slope::of(&self.samples)).flatten(),
            links_lost: ended.node.links_lost - began.node.links_lost,
            backfills: ended.node.backfills - began.node.backfills,
            faults: faults(&ended.sim) - faults(&began.sim),
            minutes: self.minutes,
            truth,
        }
    }
}

impl Minute {
    /// The line of the minute.
    fn line(&self) -> String {
        format!(
            " {}  messages {}/s · behind {} fills · RSS {:.1} MiB · p99 {} · links lost {} · back-fills {}",
            clock(Duration::from_secs(self.at_s)),
            grouped(self.messages_read_per_s as u64),
            grouped(self.behind),
            self.resident_kib as f64 / 1024.0,
            self.p99_ns.map_or("-".to_owned(), time),
            grouped(self.links_lost),
            grouped(self.backfills),
        )
    }
}

/// Removes the directory, or keeps it for who wants to know what went wrong.
fn close(dir: TempDir, passed: bool) -> Option<PathBuf> {
    if !passed {
        let path: &Path = &dir.keep();
        return Some(path.to_owned());
    }
    // What cannot be removed is a hidden directory that says whose it is; the figures stand.
    let _ = dir.close();
    None
}

fn per_s(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

fn unix_now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests;
