//! What a simulator is asked to do, how it can fail to start, and what it counts.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shards::Address;

use super::faults::Fault;

/// How fast the virtual clock goes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Speed {
    /// So many times as fast as the real one.
    X(f64),
    /// As fast as the subscribers take it; the clock stands still while an account has none.
    Max,
}

/// A file with recorded material.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplayFile {
    /// Where it is: `{recv_ms, frame}` lines, or a JSON array of fills.
    pub path: PathBuf,
    /// Whose fills they are. `None`: the address in the frames, or for an array the first 20 bytes
    /// of the SHA-256 of what follows the last `_` in the file's stem.
    pub address: Option<Address>,
}

impl ReplayFile {
    /// Reads `FILE` or `0xADDRESS=FILE`.
    pub fn parse(text: &str) -> ReplayFile {
        if let Some((address, path)) = text.split_once('=')
            && let Ok(address) = address.parse()
        {
            return ReplayFile { path: path.into(), address: Some(address) };
        }
        ReplayFile { path: text.into(), address: None }
    }
}

/// The venue's budgets, per source address. The defaults are the documented ones of August 2026.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SimLimits {
    /// WebSocket connections open at a time.
    pub connections: u32,
    /// WebSocket connections opened in a minute.
    pub connects_per_minute: u32,
    /// Subscriptions over all connections.
    pub subscriptions: u32,
    /// Different users in the subscriptions of all connections.
    pub users: u32,
    /// Messages received in a minute over all connections.
    pub messages_per_minute: u32,
    /// Weight of the REST requests in a minute.
    pub rest_weight_per_minute: u32,
    /// Newest fills of an account that the venue remembers, and as many orders.
    pub history_fills: usize,
    /// A connection on which neither side said anything for so long is dropped.
    pub idle_ms: u64,
    /// Frames waiting for one connection, beyond which it is dropped as too slow.
    pub outbox_frames: usize,
}

impl Default for SimLimits {
    fn default() -> SimLimits {
        SimLimits {
            connections: 10,
            connects_per_minute: 30,
            subscriptions: 1000,
            users: 10,
            messages_per_minute: 2000,
            rest_weight_per_minute: 1200,
            history_fills: 10_000,
            idle_ms: 60_000,
            outbox_frames: 65_536,
        }
    }
}

impl SimLimits {
    /// No limits to speak of, for loads beyond what the venue would serve one address. Idle and
    /// slow connections are dropped all the same.
    pub fn none() -> SimLimits {
        SimLimits {
            connections: u32::MAX,
            connects_per_minute: u32::MAX,
            subscriptions: u32::MAX,
            users: u32::MAX,
            messages_per_minute: u32::MAX,
            rest_weight_per_minute: u32::MAX,
            ..SimLimits::default()
        }
    }
}

/// How busy the traders are, in virtual time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SimRates {
    /// Blocks in a second of the virtual clock. Each trader makes at most 1000: two blocks of one
    /// never share a millisecond.
    pub blocks_per_second: u32,
    /// The rate is shared by so many traders, who take turns; 1 if each makes all of it.
    pub shared_by: u32,
    /// Of a thousand blocks, how many see a trader place an order.
    pub orders_per_mille: u32,
    /// Of a thousand blocks, how many bring a trader a fill without an order of his: liquidation,
    /// deleveraging, settlement, dust, labels that nobody knows.
    pub forced_per_mille: u32,
    /// Fills of an order, at most, apart from what happens to a trader.
    pub fills_of_order_max: u32,
    /// Blocks before the first subscription, whose fills the first snapshot holds.
    pub history_blocks: u32,
}

impl SimRates {
    /// Nearly every block of a trader under load has something to tell.
    const ORDERS_PER_MILLE_OF_LOAD: u32 = 900;
    /// With `--rate-total`, fills of an order, at most: the recorded orders have 2.3 on average.
    const FILLS_OF_ORDER_MAX_OF_LOAD: u32 = 3;
    /// With `--rate-total`, blocks before the first subscription: a thousand accounts begin at once.
    const HISTORY_BLOCKS_OF_LOAD: u32 = 20;

    /// A load: so many blocks a second of all traders together, who take turns.
    pub fn load(blocks_per_second: u32, traders: u32) -> SimRates {
        SimRates {
            blocks_per_second,
            shared_by: traders.max(1),
            orders_per_mille: SimRates::ORDERS_PER_MILLE_OF_LOAD,
            fills_of_order_max: SimRates::FILLS_OF_ORDER_MAX_OF_LOAD,
            history_blocks: SimRates::HISTORY_BLOCKS_OF_LOAD,
            ..SimRates::default()
        }
    }
}

impl Default for SimRates {
    fn default() -> SimRates {
        SimRates {
            blocks_per_second: 10,
            shared_by: 1,
            orders_per_mille: 200,
            forced_per_mille: 8,
            fills_of_order_max: 55,
            history_blocks: 200,
        }
    }
}

/// One kind of fault, made by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultEvery {
    /// Which.
    pub fault: Fault,
    /// It is due every so many of its occasions, and made at the first that allows it.
    pub every: u32,
}

impl FaultEvery {
    /// Reads `NAME` or `NAME=N`; without a number it is made every 25 occasions.
    pub fn parse(text: &str) -> Result<FaultEvery, String> {
        let (name, every) = match text.split_once('=') {
            None => (text, 25),
            Some((name, number)) => {
                let every = number.parse().ok().filter(|every| *every > 0);
                (name, every.ok_or_else(|| format!("{number:?} is not a number above 0"))?)
            }
        };
        let fault = Fault::named(name).ok_or_else(|| {
            let names: Vec<&str> = Fault::all().map(Fault::name).collect();
            format!("no fault is called {name:?}; there are {}", names.join(", "))
        })?;
        Ok(FaultEvery { fault, every })
    }
}

/// The data directory of a node beside the venue, which is written while trading goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeOptions {
    /// The directory, such as `~/hl/data`.
    pub dir: PathBuf,
    /// The plain kinds of files, without blocks.
    pub plain: bool,
    /// Length of the hours in the files' names; `None` for hours.
    pub hour: Option<Duration>,
}

/// What to simulate. `SimOptions::default()` is ten traders without faults on any free port.
#[derive(Clone, PartialEq, Debug)]
pub struct SimOptions {
    /// Address to listen on; port 0 takes any.
    pub listen: SocketAddr,
    /// Names the run: traders and faults follow from it.
    pub seed: u64,
    /// Number of generated traders.
    pub traders: usize,
    /// Recorded accounts, beside the traders.
    pub replay: Vec<ReplayFile>,
    /// Speed of the virtual clock.
    pub speed: Speed,
    /// Whether faults are made.
    pub faults: bool,
    /// Only these faults are made, with or without `faults`; empty for the mix of all.
    pub only_faults: Vec<FaultEvery>,
    /// A fault is made every so many frames with fills, on average.
    pub frames_per_fault: u32,
    /// Faults that end a connection, at most so many in a minute: new connections are rationed too.
    pub cuts_per_minute: u32,
    /// Where to write what a perfect monitor must emit, when trading stops.
    pub truth: Option<PathBuf>,
    /// The venue's budgets.
    pub limits: SimLimits,
    /// How busy traders are.
    pub rates: SimRates,
    /// Each trader stops after so many live blocks; his open orders are cancelled then.
    pub blocks: Option<u64>,
    /// Whether `orderUpdates` says anything.
    pub order_updates: bool,
    /// Whether live frames of fills say when they were due (`dueUs`, Unix microseconds).
    pub due_times: bool,
    /// A node that writes its files. All accounts then begin together.
    pub node: Option<NodeOptions>,
    /// All accounts begin at once, and not when someone subscribes.
    pub starts_at_once: bool,
    /// Whether a new connection is greeted by the plain text that the venue sends.
    pub greeting: bool,
}

impl Default for SimOptions {
    fn default() -> SimOptions {
        SimOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 1,
            traders: 10,
            replay: Vec::new(),
            speed: Speed::X(1.0),
            faults: false,
            only_faults: Vec::new(),
            frames_per_fault: 25,
            cuts_per_minute: 12,
            truth: None,
            limits: SimLimits::default(),
            rates: SimRates::default(),
            blocks: None,
            order_updates: true,
            due_times: false,
            node: None,
            starts_at_once: false,
            greeting: true,
        }
    }
}

/// Why a simulator did not start, or what it could not write.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The address cannot be listened on.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// The address asked for.
        listen: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The thread or its reactor could not be made.
    #[error("cannot start the simulator's thread: {source}")]
    Thread {
        /// What the system said.
        source: io::Error,
    },
    /// A file with recorded material cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not hold what a replay needs.
    #[error("{}:{line}: {why}", path.display())]
    Replay {
        /// The file.
        path: PathBuf,
        /// Line from 1; in a JSON array the number of the fill.
        line: usize,
        /// What is wrong there.
        why: String,
    },
    /// The same account is given twice.
    #[error("{}: account {address} is replayed from another file already", path.display())]
    Twice {
        /// The second file.
        path: PathBuf,
        /// The account.
        address: Address,
    },
    /// An option has no meaning.
    #[error("{option}: {why}")]
    Option {
        /// Which one.
        option: &'static str,
        /// What it must be.
        why: &'static str,
    },
    /// The truth file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The simulator's thread has ended.
    #[error("the simulator has ended")]
    Ended,
}

impl SimOptions {
    /// Refuses what has no meaning.
    pub(crate) fn check(&self) -> Result<(), SimError> {
        let refuse = |option, why| Err(SimError::Option { option, why });
        if let Speed::X(factor) = self.speed
            && !(factor.is_finite() && factor > 0.0)
        {
            return refuse("speed", "a number above 0, or max");
        }
        let rates = &self.rates;
        if rates.fills_of_order_max == 0 {
            return refuse("fills_of_order_max", "at least 1");
        }
        if rates.shared_by == 0 {
            return refuse("shared_by", "at least 1");
        }
        let most = 1000 * u64::from(rates.shared_by);
        if !(1..=most).contains(&u64::from(rates.blocks_per_second)) {
            return refuse("blocks_per_second", "1 to 1000 of each trader");
        }
        if self.traders > 1 << 20 {
            return refuse("traders", "at most 1048576");
        }
        if self.frames_per_fault == 0 {
            return refuse("frames_per_fault", "at least 1");
        }
        if self.limits.history_fills == 0 {
            return refuse("history_fills", "at least 1");
        }
        if self.node.is_some() && self.speed == Speed::Max {
            return refuse("node", "a chain needs a clock: a speed that is a number");
        }
        if self.node.is_some() && !self.replay.is_empty() {
            return refuse("node", "generated traders only: recordings are not of one time");
        }
        Ok(())
    }
}

/// What has happened so far.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SimStats {
    /// Fills made since their account was first subscribed: what a perfect monitor must have seen.
    pub fills: u64,
    /// Blocks made.
    pub blocks: u64,
    /// Blocks made more than 10 milliseconds after they were due.
    pub late_blocks: u64,
    /// How late the latest block was, microseconds.
    pub late_us_max: u64,
    /// Live frames of fills of all subscribers, before faults lose and repeat some.
    #[serde(default)]
    pub fill_frames: u64,
    /// Fills in the live frames of all subscribers, before faults lose and repeat some.
    pub fills_sent: u64,
    /// Fills put into snapshots.
    pub snapshot_fills_sent: u64,
    /// Terminal and other order states made since the first subscription.
    pub order_updates: u64,
    /// Text frames handed to connections.
    pub frames: u64,
    /// Faults made, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub connections_open: u64,
    /// Connections, subscriptions, messages and REST requests refused by a limit.
    pub refused: u64,
    /// Messages that were no request.
    pub bad_messages: u64,
    /// REST requests answered.
    pub rest_requests: u64,
    /// Accounts whose live part has begun.
    pub accounts_started: u64,
    /// Accounts that have begun and have more to come.
    pub accounts_live: u64,
    /// Whether nothing is on its way: no account has more to come and every queue is empty.
    pub quiet: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replay_arguments_are_files_or_addresses_with_files() {
        let address = "0xed8b24ccef33fdbcef848e5beec2fd453896b590";
        let given = ReplayFile::parse(&format!("{address}=a/b_c.json"));
        assert_eq!(given.address.map(|a| a.to_string()).as_deref(), Some(address));
        assert_eq!(given.path, PathBuf::from("a/b_c.json"));
        let plain = ReplayFile::parse("x=y.json");
        assert_eq!(plain, ReplayFile { path: "x=y.json".into(), address: None });
    }

    #[test]
    fn a_fault_is_asked_for_by_name_and_number() {
        let parse = |text: &str| FaultEvery::parse(text).map(|f| (f.fault, f.every));
        assert_eq!(parse("gap_for_info"), Ok((Fault::Gap, 25)));
        assert_eq!(parse("gap_for_info=3"), Ok((Fault::Gap, 3)));
        assert!(parse("gap_for_info=0").expect_err("refused").contains("above 0"));
        assert!(parse("gap=3").expect_err("refused").contains("rest_429"));
    }

    #[test]
    fn options_without_meaning_are_refused() {
        let check = |change: fn(&mut SimOptions), option: &str| {
            let mut options = SimOptions::default();
            change(&mut options);
            let error = options.check().expect_err("refused").to_string();
            assert!(error.starts_with(option), "{error}");
        };
        check(|o| o.speed = Speed::X(0.0), "speed");
        check(|o| o.speed = Speed::X(f64::NAN), "speed");
        check(|o| o.rates.blocks_per_second = 0, "blocks_per_second");
        check(|o| o.rates.blocks_per_second = 1001, "blocks_per_second");
        check(|o| o.rates.shared_by = 0, "shared_by");
        check(|o| o.frames_per_fault = 0, "frames_per_fault");
        check(|o| o.traders = usize::MAX, "traders");
        check(|o| o.limits.history_fills = 0, "history_fills");
        let node = NodeOptions { dir: "x".into(), plain: false, hour: None };
        let mut options =
            SimOptions { node: Some(node), speed: Speed::Max, ..SimOptions::default() };
        assert!(options.check().is_err());
        options.speed = Speed::X(2.0);
        assert!(options.check().is_ok());
        options.replay = vec![ReplayFile::parse("x.json")];
        assert!(options.check().is_err());
        assert!(SimOptions::default().check().is_ok());
    }
}
