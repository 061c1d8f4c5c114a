//! An exchange simulator: one listener that speaks Hyperliquid's WebSocket (`/ws`) and info (`POST
//! /info`) protocol, because the real venue cannot be reached in tests.
//!
//! Traders made from a seed, or recorded accounts, trade; a schedule of faults breaks things; and
//! the simulator knows what a perfect monitor must make of it. The venue is a state machine without
//! I/O (`venue.rs`); the server is a thin shell around it, one thread of its own.
//!
//! A provider's stream (`/provider`) and the files of a node tell of the same market.
//!
//! Beside the venue's own paths there are `GET /sim/stats`, `/sim/truth`, `/sim/starts`,
//! `/sim/addresses`, `POST /sim/start_trading` and `/sim/stop_trading`, for a simulator that is a
//! process of its own.

mod account;
mod agenda;
mod chain;
mod coins;
mod faults;
mod holdings;
mod ledger;
mod limits;
mod load;
mod node_files;
mod options;
mod order;
mod public;
mod random;
mod recorded_fill;
mod replay;
mod rest;
mod server;
mod session;
mod socket;
mod subscription;
mod tape;
mod trader;
mod truth;
mod venue;

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use shards::Address;

pub use faults::{Fault, Occasion};
pub use load::fill_frames_per_block;
pub use options::{
    FaultEvery, NodeOptions, ReplayFile, SimError, SimLimits, SimOptions, SimRates, SimStats, Speed,
};
pub use truth::{Truth, TruthGap, TruthLeg, TruthLine};

use server::{Command, serve};

/// Starts a simulator: when this returns, its listener is bound and its thread runs.
pub fn start(options: SimOptions) -> Result<Sim, SimError> {
    let (commands, inbox) = tokio::sync::mpsc::unbounded_channel();
    let (started, outcome) = mpsc::channel();
    let thread = std::thread::Builder::new()
        .name("sim".to_owned())
        .spawn(move || serve(options, inbox, &started))
        .map_err(|source| SimError::Thread { source })?;
    match outcome.recv().map_err(|_| SimError::Ended)? {
        Ok((addr, addresses)) => Ok(Sim { addr, addresses, commands, thread: Some(thread) }),
        Err(error) => {
            // It said why it ends: it has ended.
            let _ = thread.join();
            Err(error)
        }
    }
}

/// A running simulator. It ends when this is dropped.
#[derive(Debug)]
pub struct Sim {
    addr: SocketAddr,
    addresses: Vec<Address>,
    commands: tokio::sync::mpsc::UnboundedSender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl Sim {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The WebSocket's URL.
    pub fn ws_url(&self) -> String {
        format!("ws://{}/ws", self.addr)
    }

    /// The URL of `/info`.
    pub fn info_url(&self) -> String {
        format!("http://{}/info", self.addr)
    }

    /// The accounts: the recorded ones in the order of their files, then the traders.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    fn ask<T>(&self, command: impl FnOnce(mpsc::Sender<T>) -> Command) -> Result<T, SimError> {
        let (reply, answer) = mpsc::channel();
        self.commands.send(command(reply)).map_err(|_| SimError::Ended)?;
        answer.recv().map_err(|_| SimError::Ended)
    }

    /// What has happened so far.
    pub fn stats(&self) -> Result<SimStats, SimError> {
        self.ask(Command::Stats)
    }

    /// Begins the live part of every account that has not begun.
    pub fn start_trading(&self) -> Result<SimStats, SimError> {
        self.ask(Command::StartTrading)
    }

    /// Ends trading: nothing new is placed, open orders are cancelled, recordings end where they
    /// are, no more faults are made. Returns when all of it has been handed to the sockets, or
    /// after 10 seconds: then `quiet` is false in what it returns. Writes the truth file.
    pub fn stop_trading(&self) -> Result<SimStats, SimError> {
        self.ask(Command::StopTrading)?
    }

    /// What a perfect monitor, connected since the first subscription, must have emitted by now.
    pub fn truth(&self) -> Result<Truth, SimError> {
        self.ask(Command::Truth)
    }

    /// Writes the truth file and ends the simulator.
    pub fn shutdown(mut self) -> Result<(), SimError> {
        let outcome = self.ask(Command::Shutdown)?;
        self.join();
        outcome
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been printed by its hook; there is nothing to add.
            let _ = thread.join();
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        // An error means that it has ended, which is what is wanted.
        let _ = self.ask(Command::Shutdown);
        self.join();
    }
}
