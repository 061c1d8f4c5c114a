//! A simulator that another verb started: a process of its own, and the questions that it answers.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shards::Address;

use crate::diag::{Problem, reason};
use crate::sim::{SimStats, TruthLeg, TruthLine};

/// How long one request may take; stopping the market takes longest.
const REQUEST_WITHIN: Duration = Duration::from_secs(30);
/// How long the truth may take: an hour of a thousand accounts is some gigabytes of it.
const TRUTH_WITHIN: Duration = Duration::from_secs(600);

/// Where a running simulator is: the line that it prints.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub(super) struct Place {
    pub(super) ws_url: String,
    pub(super) info_url: String,
    pub(super) addresses: Vec<String>,
    #[serde(default)]
    pub(super) seed: u64,
}

/// A running simulator, to be asked.
pub(super) struct Exchange {
    pub(super) place: Place,
    agent: ureq::Agent,
}

impl Exchange {
    /// The one at `place`.
    pub(super) fn at(place: Place) -> Exchange {
        let config = ureq::Agent::config_builder().timeout_global(Some(REQUEST_WITHIN)).build();
        Exchange { place, agent: config.into() }
    }

    /// Its address for people.
    pub(super) fn url(&self) -> &str {
        self.place.info_url.trim_end_matches("/info")
    }

    /// What it has sent so far.
    pub(super) fn stats(&self) -> Result<SimStats, Problem> {
        let path = "/sim/stats";
        let read = self.agent.get(format!("{}{path}", self.url())).call();
        let body = read.and_then(|mut response| response.body_mut().read_to_string());
        let body = body.map_err(|error| self.gone(path, &error.to_string()))?;
        serde_json::from_str(&body).map_err(|error| self.gone(path, &error.to_string()))
    }

    /// Hands over what a perfect monitor must emit, leg by leg: of a long run there are millions.
    pub(super) fn each_leg(&self, f: &mut dyn FnMut(TruthLeg)) -> Result<(), Problem> {
        let path = "/sim/truth";
        let request = self.agent.get(format!("{}{path}", self.url()));
        let request = request.config().timeout_global(Some(TRUTH_WITHIN)).build();
        let response = request.call().map_err(|error| self.gone(path, &error.to_string()))?;
        let body = response.into_body().into_with_config().limit(u64::MAX).reader();
        for line in BufReader::with_capacity(1 << 16, body).lines() {
            let line = line.map_err(|error| self.gone(path, &reason(&error)))?;
            match TruthLine::parse(&line).map_err(|why| self.gone(path, &why))? {
                TruthLine::Leg(leg) => f(leg),
                // Its legs say so themselves.
                TruthLine::Gap(_) => {}
            }
        }
        Ok(())
    }

    /// Ends the market: open orders are cancelled, and what is due is delivered.
    pub(super) fn stop_trading(&self) -> Result<(), Problem> {
        let url = format!("{}/sim/stop_trading", self.url());
        let sent = self.agent.post(&url).send_empty();
        sent.map_err(|error| self.gone("/sim/stop_trading", &error.to_string()))?;
        Ok(())
    }

    fn gone(&self, path: &str, why: &str) -> Problem {
        Problem::error(
            "SIM001",
            format!("the simulator at {} does not answer {path}: {why}", self.url()),
        )
        .fix("start it again")
    }
}

/// Starts `corelane sim` with these flags beside the place that it takes, and waits until it listens.
/// Ends the process where that fails; otherwise the caller does.
pub(super) fn start(flags: &[String]) -> Result<(Child, Place), Problem> {
    let failed =
        |why: String| Problem::error("SIM001", format!("cannot start the simulator: {why}"));
    let program = std::env::current_exe().map_err(|error| failed(reason(&error)))?;
    let mut command = Command::new(program);
    command.args(["sim", "--listen", "127.0.0.1:0"]).args(flags);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    // A Ctrl-C at the terminal is for who started it, and ends the simulator when it is done.
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
