//! What is measured, as the command line asks for it, and the node's configuration.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::args::BenchMonitorArgs;
use crate::cli::exchange::Place;
use crate::cli::print;
use crate::cli::signals::Stop;
use crate::config::units::format_duration;
use crate::diag::Problem;
use crate::sim::{SimLimits, fill_frames_per_block};

/// From here on memory is judged.
pub(super) const SOAK_MIN: Duration = Duration::from_secs(600);
/// Blocks a second that one account makes at most: two never share a millisecond.
const BLOCKS_PER_ACCOUNT_MAX: f64 = 1000.0;
/// The load aims this much above what was asked for: an average that a run may be a little below.
const ABOVE: f64 = 1.01;
/// Larger than any limit that is met, and allowed by every key.
const NO_LIMIT: u32 = 10_000;
/// The same for what is counted by the minute, and for subscriptions.
const NO_RATE_LIMIT: u32 = 1_000_000;
/// What a message leaves on the disk, about, of journal and database.
const DISK_BYTES_PER_MESSAGE: u64 = 3 << 10;
/// What a node has on the disk before the first message: segments of the journals.
const DISK_BYTES_PER_SHARD: u64 = 512 << 20;
/// `dedup.window` and `aggregation.status_ttl` by default.
const WINDOW: Duration = Duration::from_secs(30 * 60);
const STATUS_TTL: Duration = Duration::from_secs(10 * 60);

/// The command line, understood.
pub(super) struct Plan {
    pub(super) addresses: u32,
    pub(super) rates: Vec<u32>,
    pub(super) warm_up: Duration,
    pub(super) time: Duration,
    pub(super) dir: PathBuf,
    pub(super) seed: u64,
    pub(super) stop: Stop,
    shards: Option<u16>,
    faults: bool,
    real_limits: bool,
    sources: Vec<IpAddr>,
    sets: Vec<String>,
    frames_per_block: f64,
    quiet: bool,
}

impl Plan {
    /// Of these flags, or why it cannot be; `stop` ends it early.
    pub(super) fn new(args: &BenchMonitorArgs, stop: Stop) -> Result<Plan, Problem> {
        let mut sources = args.sources.clone();
        let users = SimLimits::default().users;
        let needed = args.addresses.div_ceil(users);
        if args.real_limits && sources.is_empty() {
            // The simulator listens on 127.0.0.1; the whole of 127.0.0.0/8 is this host.
            let first = u32::from(Ipv4Addr::new(127, 0, 0, 2));
            sources = (first..first + needed).map(|ip| Ipv4Addr::from(ip).into()).collect();
        }
        let plan = Plan {
            addresses: args.addresses,
            rates: args.rate.clone(),
            warm_up: args.warm_up,
            time: args.for_,
            dir: args.dir.clone(),
            seed: args.seed,
            stop,
            shards: args.shards,
            faults: args.faults,
            real_limits: args.real_limits,
            sources,
            sets: args.set.clone(),
            frames_per_block: fill_frames_per_block(args.seed),
            quiet: args.quiet,
        };
        if args.real_limits && (plan.sources.len() as u32) < needed {
            let (have, accounts) = (plan.sources.len(), args.addresses);
            let what = format!("--sources: {have} addresses do not cover {accounts} accounts");
            return Err(Problem::error("BEN006", what)
                .why(format!("the venue allows {users} accounts per address: {needed} are needed"))
                .fix("name more --sources, or leave them out, or follow fewer --addresses"));
        }
        if let Some(rate) = plan.rates.iter().find(|rate| plan.is_beyond(**rate)) {
            let most = f64::from(args.addresses) * BLOCKS_PER_ACCOUNT_MAX * plan.frames_per_block;
            let (most, accounts) = ((most / ABOVE) as u64, args.addresses);
            let what = format!("--rate {rate}: {accounts} accounts cannot make so many messages");
            return Err(Problem::error("BEN006", what)
                .why(format!("an account makes a block in a millisecond at most: {most} a second"))
                .fix("a lower --rate, or more --addresses"));
        }
        Ok(plan)
    }

    fn is_beyond(&self, rate: u32) -> bool {
        self.blocks_per_second(rate) > f64::from(self.addresses) * BLOCKS_PER_ACCOUNT_MAX
    }

    fn blocks_per_second(&self, rate: u32) -> f64 {
        (f64::from(rate) * ABOVE / self.frames_per_block).ceil()
    }

    /// Whether memory is judged.
    pub(super) fn is_soak(&self) -> bool {
        self.time >= SOAK_MIN
    }

    /// Bytes of the largest run, about.
    pub(super) fn disk_bytes(&self) -> u64 {
        let rate = u64::from(self.rates.iter().copied().max().unwrap_or(0));
        let messages = rate * (self.warm_up + self.time).as_secs();
        let shards = self.shards.map_or(2, u64::from);
        messages * DISK_BYTES_PER_MESSAGE + shards * DISK_BYTES_PER_SHARD
    }

    /// Tells what is under way.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet {
            print::talk(&format!("{text}\n"));
        }
    }

    /// The flags of the simulator for so many messages a second.
    pub(super) fn sim_flags(&self, rate: u32) -> Vec<String> {
        let mut flags = vec!["--quiet".to_owned()];
        let mut flag = |name: &str, value: String| flags.extend([name.to_owned(), value]);
        flag("--exit-when-idle", "120s".to_owned());
        flag("--seed", self.seed.to_string());
        flag("--traders", self.addresses.to_string());
        if rate == 0 {
            // Everyone's market ends a tenth of a second after he is followed.
            flag("--rate-total", (u64::from(self.addresses) * 10).to_string());
            flag("--blocks", "0".to_owned());
        } else {
            flag("--rate-total", format!("{:.0}", self.blocks_per_second(rate)));
        }
        if !self.real_limits {
            flag("--users-per-ip", NO_LIMIT.to_string());
            flag("--connections-per-ip", NO_LIMIT.to_string());
            flag("--connects-per-minute", NO_LIMIT.to_string());
            flag("--subscriptions-per-ip", NO_RATE_LIMIT.to_string());
            flag("--messages-per-minute", NO_RATE_LIMIT.to_string());
            flag("--rest-weight-per-minute", NO_RATE_LIMIT.to_string());
        }
        if self.faults {
            flags.push("--faults".to_owned());
        }
        flags
    }

    /// The node's configuration: the defaults but for what a simulator needs.
    pub(super) fn config_text(&self, place: &Place, admin: SocketAddr) -> String {
        let list = |texts: &mut dyn Iterator<Item = String>| {
            texts.map(|text| format!("  \"{text}\",\n")).collect::<String>()
        };
        let addresses = list(&mut place.addresses.iter().cloned());
        let shards = self.shards.map_or("\"auto\"".to_owned(), |shards| shards.to_string());
        let mut source = format!(
            "ws_url = \"{}\"\ninfo_url = \"{}\"\nlocal_addrs = [\n{}]\n",
            place.ws_url,
            place.info_url,
            list(&mut self.sources.iter().map(ToString::to_string))
        );
        if !self.real_limits {
            source.push_str(&format!(
                "users_per_ip = {NO_LIMIT}\nconnections_per_ip = {NO_LIMIT}\nconnects_per_minute = {NO_LIMIT}\n\
                 subscriptions_per_ip = {NO_RATE_LIMIT}\nmessages_per_minute = {NO_RATE_LIMIT}\n\
                 rest_weight_per_minute = {NO_RATE_LIMIT}\n"
            ));
        }
        let mut text = format!(
            "# Written by `corelane bench monitor`.\n\
             [node]\ndata_dir = \".\"\nshards = {shards}\n\n\
             [monitor]\naddresses = [\n{addresses}]\n\n\
             [[source]]\n{source}\n\
             # Orders that the exchange never ends (liquidations, dust) are signalled after this time.\n\
             [aggregation]\ntimeout = \"2s\"\nstatus_grace = \"1s\"\n"
        );
        if let Some((window, ttl)) = self.windows() {
            let (window, ttl) = (format_duration(window), format_duration(ttl));
            text.push_str(&format!("status_ttl = \"{ttl}\"\n\n[dedup]\nwindow = \"{window}\"\n"));
        }
        text.push_str(&format!("\n[admin]\nlisten = \"{admin}\"\n"));
        text
    }

    /// What is remembered for a time fills up for that time: where memory is judged, it must be full
    /// before the part that is looked at begins.
    fn windows(&self) -> Option<(Duration, Duration)> {
        let quarter = Duration::from_secs(self.time.as_secs() / 4);
        (self.is_soak() && quarter < WINDOW).then(|| (quarter, quarter.min(STATUS_TTL)))
    }

    /// Keys that are set beside the file.
    pub(super) fn sets(&self) -> &[String] {
        &self.sets
    }

    /// What of the node is not as a user has it by default.
    pub(super) fn settings(&self) -> String {
        let mut text = "aggregation.timeout 2s, status_grace 1s".to_owned();
        if let Some((window, ttl)) = self.windows() {
            let (window, ttl) = (format_duration(window), format_duration(ttl));
            text.push_str(&format!(", status_ttl {ttl}, dedup.window {window}"));
        }
        let limits = match (self.real_limits, self.sources.len()) {
            (true, count) => format!(", the venue's limits on each of {count} addresses"),
            (false, 0) => ", no limits per address".to_owned(),
            (false, count) => format!(", no limits on {count} addresses"),
        };
        text.push_str(&limits);
        self.sets.iter().for_each(|set| text.push_str(&format!(", {set}")));
        text
    }

    /// The arguments in force.
    pub(super) fn text(&self) -> String {
        let rates: Vec<String> = self.rates.iter().map(u32::to_string).collect();
        let mut text = format!(
            "--addresses {} --rate {} --for {} --warm-up {} --seed {}",
            self.addresses,
            rates.join(","),
            format_duration(self.time),
            format_duration(self.warm_up),
            self.seed
        );
        if let Some(shards) = self.shards {
            text.push_str(&format!(" --shards {shards}"));
        }
        for (given, flag) in [(self.faults, " --faults"), (self.real_limits, " --real-limits")] {
            text.push_str(if given { flag } else { "" });
        }
        text
    }
}

#[cfg(test)]
mod tests;
