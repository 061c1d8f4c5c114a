//! `corelane run` on a data directory of its own, whose configuration is kept beside the data.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::market::Market;
use super::program::Program;

/// A configured node, started as often as a test likes.
pub struct Home {
    dir: TempDir,
}

impl Home {
    /// A node with this configuration. `[node]` and `[journal]` are there already.
    pub fn new(shards: u16, config: &str) -> Home {
        let home = Home { dir: tempfile::tempdir().expect("a directory") };
        home.configure(shards, config);
        home
    }

    /// A node with two shards that follows all accounts of a simulator; `aggregation` holds its settings.
    pub fn following(market: &Market, monitor: &str, aggregation: &str) -> Home {
        Home::new(2, &follow(market, monitor, aggregation))
    }

    /// Writes another configuration.
    pub fn configure(&self, shards: u16, config: &str) {
        let data = self.data();
        // Nodes of several tests run at a time: none takes the usual port.
        let admin = if config.contains("[admin]") { "" } else { "[admin]\nlisten = \"\"\n" };
        let text = format!(
            "[node]\ndata_dir = \"{}\"\nshards = {shards}\n\n{config}\n{admin}\
             [journal]\nsegment_size = \"4MiB\"\nsnapshot_every = 1000\n\n[log]\nformat = \"text\"\n",
            data.display()
        );
        fs::write(self.config(), text).expect("written");
    }

    /// Starts `corelane run`.
    #[track_caller]
    pub fn run(&self) -> Program {
        Program::start(&["run", "-c", self.config().to_str().expect("a plain path")])
    }

    /// Starts `corelane run` with an administration port, whose address is the second.
    #[track_caller]
    pub fn run_admin(&self) -> (Program, SocketAddr) {
        let config = self.config();
        let config = config.to_str().expect("a plain path");
        let program = Program::start(&["run", "-c", config, "--set", "admin.listen=127.0.0.1:0"]);
        let line = program.err.wait_for("administration port");
        let addr = line.rsplit_once("addr=").and_then(|(_, addr)| addr.trim().parse().ok());
        (program, addr.expect("the line ends with the address"))
    }

    /// Runs `corelane` with these words, this configuration and these flags behind them: exit code, output, talk.
    #[track_caller]
    pub fn ask(&self, words: &[&str], flags: &[&str]) -> (Option<i32>, String, String) {
        let config = self.config();
        let config = ["-c", config.to_str().expect("a plain path")];
        let mut program = Program::start(&[words, &config, flags].concat());
        let status = program.wait();
        (status.code(), program.out.to_end(), program.err.to_end())
    }

    /// Starts `corelane run`; the test reads its standard output.
    #[track_caller]
    pub fn run_unread(&self) -> Program {
        Program::start_unread(&["run", "-c", self.config().to_str().expect("a plain path")])
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.data().join("corelane.db")
    }

    /// The configuration.
    pub fn config(&self) -> PathBuf {
        self.dir.path().join("corelane.toml")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What went wrong is in the journals.
            self.dir.disable_cleanup(true);
            eprintln!("the node's data was kept: {}", self.dir.path().display());
        }
    }
}

/// Configuration that follows all accounts of a simulator.
pub fn follow(market: &Market, monitor: &str, aggregation: &str) -> String {
    let source = source(market.ws_url(), market.info_url());
    follow_at(market.addresses(), &source, monitor, aggregation)
}

/// Configuration that follows these accounts at this source.
pub fn follow_at(addresses: &[String], source: &str, monitor: &str, aggregation: &str) -> String {
    format!(
        "[monitor]\naddresses = {addresses:?}\n{monitor}\n\n{source}\n\
         [aggregation]\n{aggregation}\n"
    )
}

/// One upstream without limits to speak of.
pub fn source(ws_url: &str, info_url: &str) -> String {
    format!(
        "[[source]]\nws_url = \"{ws_url}\"\ninfo_url = \"{info_url}\"\nusers_per_ip = 10000\n\
         connections_per_ip = 100\nconnects_per_minute = 10000\nsubscriptions_per_ip = 100000\n\
         messages_per_minute = 100000\nrest_weight_per_minute = 100000\n"
    )
}

/// An address on which nothing listens. Its port is below those that the system hands out, so that nobody else, and no
/// connection from here, gets it by chance.
pub fn silent_addr() -> SocketAddr {
    let first = 20_000 + (std::process::id() % 10_000) as u16;
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let port = (first..32_000).find(free).expect("one of thousands is free");
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Names and contents of the files in a directory.
pub fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(dir).expect("a readable directory");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(&path).expect("a file"))).collect()
}
