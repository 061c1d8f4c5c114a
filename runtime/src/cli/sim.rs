//! `corelane sim`: the exchange simulator as a process of its own.
//!
//! One JSON line on standard output says where it is, so that a program can start one; all else is
//! talk. A signal ends it in good order: the truth is written as of then, and trading is not
//! stopped first (`POST /sim/stop_trading` does that).

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::args::{self, SimArgs};
use super::print;
use super::show::{COMMIT, VERSION};
use super::signals::Stop;
use crate::config::keys::{self, Kind};
use crate::config::units;
use crate::diag::{Exit, Problem, Problems, reason};
use crate::host::{Root, dirs, ports};
use crate::sim::{
    self, NodeOptions, ReplayFile, Sim, SimError, SimLimits, SimOptions, SimRates, SimStats, Speed,
};

/// Traders, where nothing is replayed and no number is given.
const TRADERS: u32 = 6;
/// With `--rate-total`, newest fills that the venue remembers of an account: a thousand accounts fill
/// a gigabyte for each thousand of these.
const HISTORY_FILLS_OF_LOAD: usize = 2_000;
/// The first of the addresses to connect from, where one is not enough.
const FIRST_LOCAL_ADDR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// How long a signal may go unnoticed.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often the simulator is asked what it does.
const STATS_EVERY: Duration = Duration::from_secs(1);
/// How often that is printed.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Serves until a signal, or until nobody has been there for long enough.
pub(super) fn run(args: &SimArgs) -> Result<Exit, Problems> {
    let options = options(args);
    let limits = options.limits.clone();
    let stop = Stop::listen()?;
    let sim = sim::start(options).map_err(refused)?;
    let place = Place::of(&sim);
    if let Some(path) = &args.config_out {
        write_config(path, &place.config(&limits)).map_err(|error| not_written(path, &error))?;
    }
    if !args.quiet {
        print::talk(&place.banner(args, &limits));
    }
    if print::out(&place.json_line()) == Exit::Io {
        return Err(Problem::error("DIR002", "cannot write to standard output").into());
    }
    watch(&sim, &stop, args).map_err(refused)?;
    sim.shutdown().map_err(refused)?;
    Ok(Exit::Success)
}

/// What the command line asks for.
fn options(args: &SimArgs) -> SimOptions {
    let plain = SimOptions::default();
    let traders = args.traders.unwrap_or(if args.replay.is_empty() { TRADERS } else { 0 });
    let rates = match args.rate_total {
        Some(blocks) => SimRates::load(blocks, traders),
        None => SimRates {
            blocks_per_second: args.rate.unwrap_or(plain.rates.blocks_per_second),
            ..plain.rates.clone()
        },
    };
    SimOptions {
        listen: args.listen,
        seed: args.seed,
        traders: traders as usize,
        replay: args.replay.iter().map(|text| ReplayFile::parse(text)).collect(),
        speed: match args.speed {
            args::Speed::Times(factor) => Speed::X(factor),
            args::Speed::Max => Speed::Max,
        },
        faults: args.faults,
        only_faults: args.fault.clone(),
        node: args.node_dir.as_ref().map(|dir| NodeOptions {
            dir: dir.clone(),
            plain: args.node_plain,
            hour: args.node_hour,
        }),
        starts_at_once: args.start,
        truth: args.truth.clone(),
        limits: limits(args),
        rates,
        blocks: args.blocks,
        order_updates: !args.no_order_updates,
        due_times: args.due_times,
        ..plain
    }
}

fn limits(args: &SimArgs) -> SimLimits {
    let venue = SimLimits::default();
    SimLimits {
        connections: args.connections_per_ip.unwrap_or(venue.connections),
        connects_per_minute: args.connects_per_minute.unwrap_or(venue.connects_per_minute),
        subscriptions: args.subscriptions_per_ip.unwrap_or(venue.subscriptions),
        users: args.users_per_ip.unwrap_or(venue.users),
        messages_per_minute: args.messages_per_minute.unwrap_or(venue.messages_per_minute),
        rest_weight_per_minute: args.rest_weight_per_minute.unwrap_or(venue.rest_weight_per_minute),
        history_fills: match (args.history_fills, args.rate_total) {
            (Some(fills), _) => fills as usize,
            (None, Some(_)) => HISTORY_FILLS_OF_LOAD,
            (None, None) => venue.history_fills,
        },
        ..venue
    }
}

/// Where a simulator is, and who trades there.
struct Place {
    ws_url: String,
    info_url: String,
    addresses: Vec<String>,
}

impl Place {
    fn of(sim: &Sim) -> Place {
        let addr = reachable(sim.addr());
        Place {
            ws_url: format!("ws://{addr}/ws"),
            info_url: format!("http://{addr}/info"),
            addresses: sim.addresses().iter().map(ToString::to_string).collect(),
        }
    }

    /// The line on standard output.
    fn json_line(&self) -> String {
        let Place { ws_url, info_url, addresses } = self;
        let line = serde_json::json!({
            "ws_url": ws_url, "info_url": info_url, "addresses": addresses
        });
        format!("{line}\n")
    }

    /// A configuration that follows every account within the simulator's limits.
    fn config(&self, limits: &SimLimits) -> String {
        let addresses: String =
            self.addresses.iter().map(|address| format!("  \"{address}\",\n")).collect();
        let local_addrs = self.local_addrs(limits);
        let limits: String = [
            ("users_per_ip", limits.users),
            ("connections_per_ip", limits.connections),
            ("connects_per_minute", limits.connects_per_minute),
            ("subscriptions_per_ip", limits.subscriptions),
            ("messages_per_minute", limits.messages_per_minute),
            ("rest_weight_per_minute", limits.rest_weight_per_minute),
        ]
        .map(|(name, limit)| format!("{name} = {}\n", within_key(name, limit)))
        .concat();
        format!(
            "# Written by `corelane sim`: follows its accounts, within its limits.\n\n\
             [monitor]\naddresses = [\n{addresses}]\n\n\
             [[source]]\nws_url = \"{}\"\ninfo_url = \"{}\"\n{local_addrs}{limits}",
            self.ws_url, self.info_url
        )
    }

    /// The line with the addresses to connect from, where one has too few users. All of 127.0.0.0/8
    /// is this host; a simulator elsewhere can only be reached from the addresses that one has.
    fn local_addrs(&self, limits: &SimLimits) -> String {
        let needed = self.addresses.len().div_ceil(limits.users.max(1) as usize);
        let is_here = self.ws_url.starts_with("ws://127.");
        if needed < 2 || !is_here {
            return String::new();
        }
        let list: Vec<String> = (0..needed as u32)
            .map(|n| format!("\"{}\"", Ipv4Addr::from(FIRST_LOCAL_ADDR.to_bits() + n)))
            .collect();
        format!("local_addrs = [{}]\n", list.join(", "))
    }

    /// What is said at the start.
    fn banner(&self, args: &SimArgs, limits: &SimLimits) -> String {
        let speed = match args.speed {
            args::Speed::Times(factor) => format!("{factor} x"),
            args::Speed::Max => "max".to_owned(),
        };
        let asked: Vec<&str> = args.fault.iter().map(|asked| asked.fault.name()).collect();
        let faults = match (asked.is_empty(), args.faults) {
            (false, _) => asked.join(", "),
            (true, true) => "on".to_owned(),
            (true, false) => "off".to_owned(),
        };
        let accounts = self.addresses.len();
        let mut out = format!(
            "corelane {VERSION} ({COMMIT}) · sim · seed {}\n\
             \x20 stream    {}\n  requests  {}   (and /sim/stats, /sim/truth, /sim/stop_trading)\n\
             \x20 accounts  {accounts}, {} of them recorded · speed {speed} · faults {faults}\n",
            args.seed,
            self.ws_url,
            self.info_url,
            args.replay.len(),
        );
        for (label, path) in
            [("config", &args.config_out), ("truth", &args.truth), ("node", &args.node_dir)]
        {
            let path = path.as_ref().map(|path| format!("  {label:<10}{}\n", path.display()));
            out.push_str(&path.unwrap_or_default());
        }
        if accounts > limits.users as usize {
            out.push_str(&format!(
                "  note      {} users per IP are fewer than {accounts} accounts, as at the venue; \
                 to follow all: {} source addresses (--config-out writes them) or --users-per-ip {accounts}\n",
                limits.users,
                accounts.div_ceil(limits.users.max(1) as usize)
            ));
        }
        out.push_str("Ctrl-C to stop.\n");
        out
    }
}

/// An address that can be connected to: listening on all of them is no destination.
fn reachable(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, v6.port()).into(),
        addr => addr,
    }
}

/// A limit as the configuration takes it; beyond the most that a key takes there is no need.
fn within_key(name: &str, limit: u32) -> u64 {
    let kind = keys::find(keys::SOURCE, name).map(|key| key.kind);
    let Some(Kind::Count { max, .. } | Kind::AutoCount { max }) = kind else {
        unreachable!("{name} is a count of [[source]]")
    };
    u64::from(limit).min(max)
}

/// Writes the whole file or nothing: a monitor may be started on it at any moment.
fn write_config(path: &Path, text: &str) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".corelane-config-")
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Waits, saying now and then what goes on, until a signal or the end of idleness.
fn watch(sim: &Sim, stop: &Stop, args: &SimArgs) -> Result<(), SimError> {
    let started = Instant::now();
    let (mut asked_at, mut said_at, mut in_use_at) = (started, started, started);
    let mut said = SimStats::default();
    while !stop.is_asked() {
        std::thread::park_timeout(LOOK_EVERY);
        if asked_at.elapsed() < STATS_EVERY {
            continue;
        }
        asked_at = Instant::now();
        let stats = sim.stats()?;
        if stats.connections_open > 0 {
            in_use_at = asked_at;
        }
        if args.exit_when_idle.is_some_and(|time| in_use_at.elapsed() >= time) {
            if !args.quiet {
                let idle = units::format_duration(args.exit_when_idle.unwrap_or_default());
                print::talk(&format!("nobody connected for {idle}\n"));
            }
            return Ok(());
        }
        if said_at.elapsed() >= SAY_EVERY {
            said_at = asked_at;
            if !args.quiet && stats != said {
                print::talk(&stats_line(started.elapsed(), &stats));
                said = stats;
            }
        }
    }
    Ok(())
}

fn stats_line(running: Duration, stats: &SimStats) -> String {
    let seconds = running.as_secs();
    format!(
        " {:02}:{:02}  fills {} · frames {} · connections {} ({} so far) · requests {} · faults {} · \
         refused {}\n",
        seconds / 60,
        seconds % 60,
        stats.fills,
        stats.frames,
        stats.connections_open,
        stats.connections,
        stats.rest_requests,
        stats.faults.values().sum::<u64>(),
        stats.refused,
    )
}

/// What the user reads when the simulator cannot do it.
fn refused(error: SimError) -> Problem {
    match &error {
        SimError::Listen { listen, source } => {
            ports::refused(&Root::system(), *listen, "--listen", source)
        }
        SimError::Thread { source } => {
            let what = format!("cannot start the simulator's thread: {}", reason(source));
            Problem::error("SYS001", what).fix("close programs, or raise ulimit -n and ulimit -u")
        }
        SimError::Read { path, source } => {
            let what = format!("{} cannot be read: {}", path.display(), reason(source));
            Problem::error("SIM002", what).fix("name recorded material: --replay FILE")
        }
        SimError::Replay { .. } => Problem::error("SIM003", error.to_string()).fix(
            "{\"recv_ms\":..,\"frame\":{..}} lines, or a JSON array of fills as /info gives them",
        ),
        SimError::Twice { .. } => {
            Problem::error("SIM003", error.to_string()).fix("name each account's material once")
        }
        SimError::Option { .. } => Problem::error("SIM003", error.to_string()),
        SimError::Write { path, source } => not_written(path, source),
        SimError::Ended => Problem::error("SIM001", error.to_string())
            .fix("see what it said above, and start it again"),
    }
}

/// A file that the command line names cannot be written.
fn not_written(path: &Path, error: &io::Error) -> Problem {
    let what = format!("{} cannot be written: {}", path.display(), reason(error));
    let code = dirs::refused(path, "", error).code;
    Problem::error(code, what).fix("name a file in a directory that this user may write to")
}

#[cfg(test)]
mod tests;
