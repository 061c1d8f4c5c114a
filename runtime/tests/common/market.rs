//! The simulator as a process of its own: a monitor that is killed does not take it along.

use std::net::SocketAddr;

use runtime::sim::{SimStats, Truth};
use serde::Deserialize;
use serde_json::json;

use super::program::Program;
use super::sums::LegSums;

/// Limits that a test of something else does not want to meet.
const NO_LIMITS: [&str; 12] = [
    "--users-per-ip",
    "10000",
    "--connections-per-ip",
    "10000",
    "--connects-per-minute",
    "10000",
    "--subscriptions-per-ip",
    "10000",
    "--messages-per-minute",
    "100000",
    "--rest-weight-per-minute",
    "100000",
];

/// A running `corelane sim`.
pub struct Market {
    program: Program,
    place: Place,
}

/// The line that it says first.
#[derive(Deserialize)]
struct Place {
    ws_url: String,
    info_url: String,
    addresses: Vec<String>,
}

impl Market {
    /// Starts a simulator with these flags, on a free port unless one is named.
    #[track_caller]
    pub fn start(flags: &[&str]) -> Market {
        Market::start_limited(&[&NO_LIMITS[..], flags].concat())
    }

    /// The same with the venue's limits, unless flags say others.
    #[track_caller]
    pub fn start_limited(flags: &[&str]) -> Market {
        // A test that is itself killed must not leave it behind for ever.
        let mut args = vec!["sim", "--quiet", "--exit-when-idle", "120s"];
        if !flags.contains(&"--listen") {
            args.extend(["--listen", "127.0.0.1:0"]);
        }
        args.extend(flags);
        let program = Program::start(&args);
        let line = program.out.wait_for("ws_url");
        let place = serde_json::from_str(&line).expect("the line is JSON");
        Market { program, place }
    }

    /// Its stream.
    pub fn ws_url(&self) -> &str {
        &self.place.ws_url
    }

    /// Its requests.
    pub fn info_url(&self) -> &str {
        &self.place.info_url
    }

    /// Who trades there.
    pub fn addresses(&self) -> &[String] {
        &self.place.addresses
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        let host = self.place.info_url.trim_start_matches("http://").trim_end_matches("/info");
        host.parse().expect("it listens on an IP address")
    }

    /// Ends the market: open orders are cancelled, everything is on its way.
    pub fn stop_trading(&self) {
        let (status, stats) = super::post(self.addr(), "/sim/stop_trading", &json!({}));
        assert_eq!((status, &stats["quiet"]), (200, &json!(true)), "{stats}");
    }

    /// What it has done.
    pub fn stats(&self) -> SimStats {
        let (status, text) = super::get(self.addr(), "/sim/stats");
        assert_eq!(status, 200);
        serde_json::from_str(&text).expect("counters")
    }

    /// What a perfect monitor has emitted.
    pub fn truth(&self) -> LegSums {
        let (status, text) = super::get(self.addr(), "/sim/truth");
        assert_eq!(status, 200);
        LegSums::of_truth(&Truth::from_json_lines(&text).expect("the truth can be read"))
    }

    /// Ends it at once.
    pub fn kill(mut self) {
        self.program.kill();
    }
}
