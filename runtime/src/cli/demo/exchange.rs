//! The simulator as a process of its own: it outlives a monitor that is killed, and the next demo on the same data
//! directory finds it again.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shards::Address;

use crate::cli::args::DemoArgs;
use crate::diag::{Problem, reason};
use crate::sim::{SimStats, Truth};

/// What a configuration that the demo wrote begins with.
pub(super) const WRITTEN_BY: &str = "# Written by `corelane demo`";
/// How long the simulator goes on without anyone connected.
const IDLE_EXIT: &str = "120s";
/// How long one request may take; stopping the market takes longest.
const REQUEST_WITHIN: Duration = Duration::from_secs(30);
/// Limits that the demo does not want to meet: it follows as many accounts as asked for, and cuts connections often.
const LIMIT: u32 = 10_000;

/// Where a running simulator is. The file `sim.json` of the data directory.
#[derive(Clone, Serialize, Deserialize, Debug)]
struct Place {
    ws_url: String,
    info_url: String,
    addresses: Vec<String>,
    #[serde(default)]
    seed: u64,
}

/// The running simulator.
pub(super) struct Exchange {
    place: Place,
    /// `None` when an earlier demo started it.
    child: Option<Child>,
    agent: ureq::Agent,
    file: PathBuf,
}

impl Exchange {
    /// The simulator that an earlier demo left running for this directory, or a new one.
    pub(super) fn find_or_start(args: &DemoArgs, dir: &Path) -> Result<Exchange, Problem> {
        let file = dir.join("sim.json");
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_global(Some(REQUEST_WITHIN)).build().into();
        let earlier: Option<Place> =
            std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        // Another market for a directory whose own one is gone: the old accounts' fills would come again.
        let mut seed = args.seed;
        if let Some(place) = earlier {
            seed = place.seed + 1;
            let exchange =
                Exchange { place, child: None, agent: agent.clone(), file: file.clone() };
            if exchange.stats().is_ok() {
                return Ok(exchange);
            }
        }
        let (child, place) = start(args, seed)?;
        let exchange = Exchange { place: Place { seed, ..place }, child: Some(child), agent, file };
        let text = serde_json::to_vec(&exchange.place).expect("plain fields serialize");
        std::fs::write(&exchange.file, text).map_err(|error| {
            Problem::error(
                "DIR002",
                format!("cannot write {}: {}", exchange.file.display(), reason(&error)),
            )
        })?;
        Ok(exchange)
    }

    /// Whether it was running before this demo.
    pub(super) fn is_earlier(&self) -> bool {
        self.child.is_none()
    }

    /// Its address for people.
    pub(super) fn url(&self) -> &str {
        self.place.info_url.trim_end_matches("/info")
    }

    /// Seed of its market.
    pub(super) fn seed(&self) -> u64 {
        self.place.seed
    }

    /// Accounts that it simulates.
    pub(super) fn accounts(&self) -> usize {
        self.place.addresses.len()
    }

    /// The configuration that follows its accounts.
    pub(super) fn config_text(&self, args: &DemoArgs, admin: SocketAddr) -> String {
        let addresses: Vec<String> =
            self.place.addresses.iter().map(|address| format!("  \"{address}\",\n")).collect();
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
            ws = self.place.ws_url,
            info = self.place.info_url,
        )
    }

    /// What it has sent so far.
    pub(super) fn stats(&self) -> Result<SimStats, Problem> {
        let body = self.get("/sim/stats")?;
        serde_json::from_str(&body).map_err(|error| self.gone("/sim/stats", &error.to_string()))
    }

    /// What a perfect monitor must emit.
    pub(super) fn truth(&self) -> Result<Truth, Problem> {
        let body = self.get("/sim/truth")?;
        Truth::from_json_lines(&body).map_err(|why| self.gone("/sim/truth", &why))
    }

    /// Ends the market: open orders are cancelled, and what is due is delivered.
    pub(super) fn stop_trading(&self) -> Result<(), Problem> {
        let url = format!("{}/sim/stop_trading", self.url());
        let sent = self.agent.post(&url).send_empty();
        sent.map_err(|error| self.gone("/sim/stop_trading", &error.to_string()))?;
        Ok(())
    }

    fn get(&self, path: &str) -> Result<String, Problem> {
        let url = format!("{}{path}", self.url());
        let read = self.agent.get(&url).call().and_then(|mut response| {
            response.body_mut().with_config().limit(1 << 30).read_to_string()
        });
        read.map_err(|error| self.gone(path, &error.to_string()))
    }

    fn gone(&self, path: &str, why: &str) -> Problem {
        Problem::error(
            "SIM001",
            format!("the simulator at {} does not answer {path}: {why}", self.url()),
        )
        .fix("start the demo again")
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

fn start(args: &DemoArgs, seed: u64) -> Result<(Child, Place), Problem> {
    let failed =
        |why: String| Problem::error("SIM001", format!("cannot start the simulator: {why}"));
    let program = std::env::current_exe().map_err(|error| failed(reason(&error)))?;
    let mut command = Command::new(program);
    command.args(["sim", "--listen", "127.0.0.1:0", "--exit-when-idle", IDLE_EXIT]);
    command.args(["--seed", &seed.to_string(), "--traders", &args.addresses.to_string()]);
    for limit in [
        "--users-per-ip",
        "--connections-per-ip",
        "--connects-per-minute",
        "--subscriptions-per-ip",
        "--messages-per-minute",
        "--rest-weight-per-minute",
    ] {
        command.args([limit, &LIMIT.to_string()]);
    }
    if let Some(rate) = args.rate {
        command.args(["--rate", &rate.to_string()]);
    }
    if !args.no_faults {
        command.arg("--faults");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    // A Ctrl-C at the terminal is for the demo, which ends the simulator when it no longer needs it.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().map_err(|error| failed(reason(&error)))?;
    let mut line = String::new();
    let out = child.stdout.take().expect("it was piped");
    let read = BufReader::new(out).read_line(&mut line);
    match (read, serde_json::from_str::<Place>(&line)) {
        (Ok(_), Ok(place)) if place.addresses.iter().all(|a| a.parse::<Address>().is_ok()) => {
            Ok((child, place))
        }
        _ => {
            let _ = child.kill();
            let status = child.wait().map_or(String::new(), |status| format!(" ({status})"));
            Err(failed(format!("it said nothing that can be read{status}")))
        }
    }
}
