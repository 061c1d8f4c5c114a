//! What a node is made of, and how that follows from the configuration.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use persist::ring::Flush;
use shards::input::Emit;
use shards::{Address, Policy, StartFrom};

use super::lists::{ListsOptions, Live};
use crate::admin::Port;
use crate::config::{
    self, Config, Cpus, FlushMode, LoadOptions, Loaded, Poll, Shards, Source, StoreUrl,
};
use crate::diag::Problem;
use crate::host::Root;
use crate::host::cpus::CpuMap;
use crate::lane::executor::Housekeeping;
use crate::publisher::canary::Canary;
use crate::publisher::store::StoreOptions;
use crate::shard::{CacheSizes, Wait};

/// Bytes at which a journal batch is closed (DESIGN section 4.8).
pub const BATCH_BYTES_MAX: usize = 1 << 20;

/// A node, before it is started.
pub struct NodeOptions {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Number of shards.
    pub shard_count: u16,
    /// The CPU of each shard; `None` runs anywhere.
    pub cpus: Vec<Option<usize>>,
    /// The publisher's CPU.
    pub publisher_cpu: Option<usize>,
    /// How shards wait.
    pub wait: Wait,
    /// Servers.
    pub sources: Vec<Source>,
    /// Accounts on a connection before another is opened.
    pub users_per_link: u32,
    /// Settings that decide outputs.
    pub policy: Policy,
    /// Bytes of a journal segment.
    pub segment_bytes: u64,
    /// How journal batches are made durable.
    pub flush: Flush,
    /// Journal batches that may be in flight at a time.
    pub flights: usize,
    /// Inputs between two snapshots of a shard.
    pub snapshot_every: u64,
    /// Where threads run that are not on the way of an event.
    pub housekeeping: Housekeeping,
    /// The accounts, if no lists are read.
    pub addresses: Vec<Address>,
    /// Where the lists of accounts are, if they are read again while running.
    pub lists: Option<ListsOptions>,
    /// Settings that may change while running.
    pub live: Live,
    /// The administration port, open.
    pub admin: Option<Port>,
    /// How long an account that left all lists is still followed.
    pub remove_grace: Duration,
    /// Where a new account's signals begin.
    pub start_from: StartFrom,
    /// Where signals are written as JSON lines.
    pub stdout: Option<File>,
    /// Which accounts' signals are live.
    pub canary: Canary,
    /// The database.
    pub store: Option<(PathBuf, StoreOptions)>,
    /// Names of spot tokens: the venue's, and ours.
    pub aliases: Vec<(String, String)>,
    /// How often the symbol table is read.
    pub symbol_refresh: Duration,
    /// How much each shard keeps at hand.
    pub caches: CacheSizes,
}

impl NodeOptions {
    /// The node that a configuration describes, which reads its lists again while it runs.
    pub fn from_loaded(load: LoadOptions, loaded: &Loaded) -> Result<NodeOptions, Problem> {
        let mut options = NodeOptions::from_config(&loaded.config)?;
        options.lists = Some(ListsOptions {
            load: Some(load),
            loaded: loaded.clone(),
            data_dir: options.data_dir.clone(),
            database: options.store.as_ref().map(|(path, _)| path.clone()),
        });
        Ok(options)
    }

    /// The node that a configuration describes, on this host.
    pub fn from_config(config: &Config) -> Result<NodeOptions, Problem> {
        let map = CpuMap::read(&Root::system());
        let shard_count = match config.node.shards {
            Shards::Auto => map.auto_shards(),
            Shards::Count(count) => count,
        };
        let cpus = cpus(&config.node.cpus, &map, shard_count);
        let stdout = match config.stdout.enabled {
            true => Some(own_stdout()?),
            false => None,
        };
        let store = match &config.store.url {
            StoreUrl::None => None,
            StoreUrl::Sqlite(path) => Some((path.clone(), store_options(&config.store))),
        };
        Ok(NodeOptions {
            data_dir: config.node.data_dir.clone(),
            shard_count,
            cpus: cpus.clone(),
            publisher_cpu: config.node.publisher_cpu,
            wait: match config.node.poll {
                Poll::Spin => Wait::Spin,
                Poll::Park => Wait::Park { spin_for: config.node.spin_for },
            },
            sources: config.sources.clone(),
            users_per_link: config.monitor.users_per_connection,
            policy: policy(config),
            segment_bytes: config.journal.segment_size,
            flush: match config.journal.flush {
                FlushMode::Auto | FlushMode::Linked => Flush::Linked,
                FlushMode::Dsync => Flush::Dsync,
            },
            flights: config.journal.writes_in_flight as usize,
            snapshot_every: config.journal.snapshot_every,
            housekeeping: Housekeeping::beside(
                &map.allowed,
                cpus.iter().flatten().copied().chain(config.node.publisher_cpu),
            ),
            addresses: config.monitor.addresses.clone(),
            lists: None,
            admin: None,
            live: Live::of(config),
            remove_grace: config.monitor.remove_grace,
            start_from: match config.monitor.start_from {
                config::StartFrom::Now => StartFrom::Now,
                config::StartFrom::Snapshot => StartFrom::Snapshot,
            },
            stdout,
            canary: Canary::new(config.canary.ratio, &config.canary.shadow_subject),
            store,
            aliases: config.symbols.aliases.clone().into_iter().collect(),
            symbol_refresh: config.symbols.refresh,
            caches: CacheSizes {
                symbols: config.symbols.cache_size,
                prices: config.symbols.price_cache_size,
            },
        })
    }
}

fn store_options(store: &config::Store) -> StoreOptions {
    StoreOptions {
        batch_size: store.batch_size as usize,
        flush_interval: store.flush_interval,
        retention: store.retention,
    }
}

/// A shard each on the CPUs that are named, or on those that this process may use; round and round if there are fewer.
fn cpus(named: &Cpus, map: &CpuMap, shard_count: u16) -> Vec<Option<usize>> {
    let list = match named {
        Cpus::Auto => &map.allowed,
        Cpus::List(list) => list,
    };
    (0..usize::from(shard_count)).map(|at| list.get(at % list.len().max(1)).copied()).collect()
}

fn policy(config: &Config) -> Policy {
    let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    Policy {
        emit: match config.aggregation.emit {
            config::Emit::Order => Emit::Order,
            config::Emit::Frame => Emit::Frame,
        },
        emit_final: config.aggregation.emit_final,
        timeout_ns: ns(config.aggregation.timeout),
        status_grace_ns: ns(config.aggregation.status_grace),
        status_ttl_ns: ns(config.aggregation.status_ttl),
        dedup_window_ms: ns(config.dedup.window) / 1_000_000,
    }
}

/// Standard output as a file of its own, past the buffer of the standard library.
fn own_stdout() -> Result<File, Problem> {
    let fd = std::io::stdout().as_fd().try_clone_to_owned();
    fd.map(File::from).map_err(|error| super::failure::thread("standard output", &error))
}
