//! The simulator as a process of its own: it outlives a monitor that is killed, and the next demo on the same data
//! directory finds it again.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Child;

use crate::cli::args::DemoArgs;
use crate::cli::exchange::{self, Place};
use crate::diag::{Problem, reason};

/// What a configuration that the demo wrote begins with.
pub(super) const WRITTEN_BY: &str = "# Written by `corelane demo`";
/// How long the simulator goes on without anyone connected.
const IDLE_EXIT: &str = "120s";
/// Limits that the demo does not want to meet: it follows as many accounts as asked for, and cuts connections often.
const LIMIT: u32 = 10_000;

/// The running simulator.
pub(super) struct Exchange {
    remote: exchange::Exchange,
    /// `None` when an earlier demo started it.
    child: Option<Child>,
}

impl Exchange {
    /// The simulator that an earlier demo left running for this directory, or a new one.
    pub(super) fn find_or_start(args: &DemoArgs, dir: &Path) -> Result<Exchange, Problem> {
        // Where a running simulator is: what it printed when it started.
        let file = dir.join("sim.json");
        let earlier: Option<Place> =
            std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        // Another market for a directory whose own one is gone: the old accounts' fills would come again.
        let mut seed = args.seed;
        if let Some(place) = earlier {
            seed = place.seed + 1;
            let remote = exchange::Exchange::at(place);
            if remote.stats().is_ok() {
                return Ok(Exchange { remote, child: None });
            }
        }
        let (child, place) = exchange::start(&flags(args, seed))?;
        let remote = exchange::Exchange::at(Place { seed, ..place });
        let exchange = Exchange { remote, child: Some(child) };
        let text = serde_json::to_vec(&exchange.remote.place).expect("plain fields serialize");
        std::fs::write(&file, text).map_err(|error| {
            Problem::error("DIR002", format!("cannot write {}: {}", file.display(), reason(&error)))
        })?;
        Ok(exchange)
    }

    /// Whether it was running before this demo.
    pub(super) fn is_earlier(&self) -> bool {
        self.child.is_none()
    }

    /// The simulator, to be asked.
    pub(super) fn remote(&self) -> &exchange::Exchange {
        &self.remote
    }

    /// Seed of its market.
    pub(super) fn seed(&self) -> u64 {
        self.remote.place.seed
    }

    /// Accounts that it simulates.
    pub(super) fn accounts(&self) -> usize {
        self.remote.place.addresses.len()
    }

    /// The configuration that follows its accounts.
    pub(super) fn config_text(&self, args: &DemoArgs, admin: SocketAddr) -> String {
        let addresses: Vec<String> = self
            .remote
            .place
            .addresses
            .iter()
            .map(|address| format!("  \"{address}\",\n"))
            .collect();
        format!(
            "{WRITTEN_BY}; `corelane run -c` follows the same simulator.\n\
             [node]\ndata_dir = \".\"\nshards = {shards}\n\n\
             [monitor]\naddresses = [\n{addresses}]\n\n\
             [[source]]\nws_url = \"{ws}\"\ninfo_url = \"{info}\"\nusers_per_ip = {LIMIT}\n\
             subscriptions_per_ip = {LIMIT}\nmessages_per_minute = {LIMIT}\n\
             rest_weight_per_minute = {LIMIT}\nconnects_per_minute = {LIMIT}\n\n\
             # Orders that the exchange never ends (liquidations, dust) are signalled after this time.\n\
             [aggregation]\ntimeout = \"2s\"\nstatus_grace = \"1s\"\n\n\
             [journal]\nsegment_size = \"16MiB\"\n\n\
             [admin]\nlisten = \"{admin}\"\n\n\
             [stdout]\nenabled = false\n\n\
             [store]\nurl = \"sqlite:corelane.db\"\n",
            shards = args.shards,
            addresses = addresses.concat(),
            ws = self.remote.place.ws_url,
            info = self.remote.place.info_url,
        )
    }

    /// Ends the process: its market is over.
    pub(super) fn end(mut self) {
        // Its file stays: the next demo on this directory takes another market.
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // An orderly but early end (a port taken, a fault) leaves no process behind; only a kill does.
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The flags of the demo's simulator.
fn flags(args: &DemoArgs, seed: u64) -> Vec<String> {
    let mut flags = vec!["--exit-when-idle".to_owned(), IDLE_EXIT.to_owned()];
    let mut flag = |name: &str, value: u64| flags.extend([name.to_owned(), value.to_string()]);
    flag("--seed", seed);
    flag("--traders", args.addresses.into());
    for limit in [
        "--users-per-ip",
        "--connections-per-ip",
        "--connects-per-minute",
        "--subscriptions-per-ip",
        "--messages-per-minute",
        "--rest-weight-per-minute",
    ] {
        flag(limit, LIMIT.into());
    }
    if let Some(rate) = args.rate {
        flag("--rate", rate.into());
    }
    if !args.no_faults {
        flags.push("--faults".to_owned());
    }
    flags
}
