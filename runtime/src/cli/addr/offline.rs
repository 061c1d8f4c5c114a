//! The list itself, with `--offline`: for a node that does not run. What is written counts at the next start; a node that
//! runs on the same database reads it with its next reload.

use std::path::PathBuf;

use persist::lock::DirLock;
use persist::store::Sqlite;
use shards::Address;

use crate::admin::import;
use crate::admin::wire::{Account, AccountState, Added, Imported, Removed};
use crate::cli::args::NodeArgs;
use crate::cli::show;
use crate::config::StoreUrl;
use crate::control::lists::{ListsOptions, Named, Reader};
use crate::control::roster::Origin;
use crate::control::{self};
use crate::diag::{Problem, Problems};
use crate::host::dirs;

/// All lists, and where the one is that can be written.
pub(super) struct Offline {
    reader: Reader,
    lists: crate::control::lists::Lists,
    /// The file has one writer; the database knows how to have several.
    _lock: Option<DirLock>,
}

impl Offline {
    /// Opens what the configuration names; makes what is missing.
    pub(super) fn open(node: &NodeArgs) -> Result<Offline, Problems> {
        let loaded = show::load(&node.source, node.source.set.clone())?;
        let config = &loaded.config;
        let data_dir = config.node.data_dir.clone();
        dirs::prepare(&data_dir, "node.data_dir")?;
        let from_database = config.monitor.addresses_from_database;
        let database: Option<PathBuf> = match &config.store.url {
            StoreUrl::Sqlite(path) if from_database => Some(path.clone()),
            _ => None,
        };
        let lock = match &database {
            Some(path) => {
                // Makes it, with its tables, if it is not there.
                Sqlite::open(path).map_err(|error| {
                    Problem::error("ADR005", error.to_string()).fix("store.url names the database")
                })?;
                None
            }
            None => Some(
                DirLock::acquire(&data_dir)
                    .map_err(|error| control::not_locked(&data_dir, &error))?,
            ),
        };
        let options = ListsOptions { load: None, loaded, data_dir, database };
        let mut reader = Reader::new(options);
        reader.begin();
        reader.read_lists();
        let mut offline = Offline { reader, lists: Default::default(), _lock: lock };
        let problems = offline.take();
        if problems.has_errors() || !problems.is_empty() {
            problems.print();
        }
        Ok(offline)
    }

    /// Takes over what was read; what is wrong with it.
    fn take(&mut self) -> Problems {
        let (news, told) = self.reader.take();
        let lists = &mut self.lists;
        lists.configuration = news.configuration.or(lists.configuration.take());
        lists.file = news.file.or(lists.file.take());
        lists.database = news.database.or(lists.database.take());
        lists.names = news.names.or(lists.names.take());
        let mut problems = Problems::new();
        problems.extend(told);
        problems
    }

    fn list(&self, origin: Origin) -> &[Address] {
        let list = match origin {
            Origin::Configuration => &self.lists.configuration,
            Origin::File => &self.lists.file,
            Origin::Database => &self.lists.database,
        };
        list.as_deref().unwrap_or(&[])
    }

    fn origins(&self, address: &Address) -> Vec<String> {
        let named = Origin::ALL.into_iter().filter(|origin| self.list(*origin).contains(address));
        named.map(|origin| origin.name().to_owned()).collect()
    }

    fn account(&self, address: &Address) -> Account {
        let names = self.lists.names.as_ref();
        Account {
            address: address.to_string(),
            name: names.and_then(|names| names.get(address)).cloned().unwrap_or_default(),
            origins: self.origins(address),
            state: AccountState::NotRunning,
            source: None,
            shard: None,
            since_ms: None,
            leaves_at_ms: None,
        }
    }

    pub(super) fn accounts(&mut self) -> Result<Vec<Account>, Problem> {
        let mut addresses: Vec<Address> =
            Origin::ALL.into_iter().flat_map(|origin| self.list(origin)).copied().collect();
        addresses.sort();
        addresses.dedup();
        Ok(addresses.iter().map(|address| self.account(address)).collect())
    }

    pub(super) fn add(&mut self, named: &Named) -> Result<Added, Problem> {
        let changed = self.reader.add(std::slice::from_ref(named))?;
        self.take();
        let changed = changed.first() == Some(&true);
        Ok(Added { changed, account: self.account(&named.address) })
    }

    pub(super) fn remove(&mut self, address: &Address) -> Result<Removed, Problem> {
        let found = self.reader.remove(std::slice::from_ref(address))?;
        self.take();
        let still_in = self.origins(address);
        if found.first() != Some(&true) {
            let what = format!("{address} is not on the list kept at run time");
            let problem = Problem::error("ADM007", what);
            return Err(match still_in.is_empty() {
                true => problem.why("nor on any other list"),
                false => problem
                    .why(format!("it is watched because of: {}", still_in.join(", ")))
                    .fix("take it out there"),
            });
        }
        Ok(Removed { address: address.to_string(), still_in, leaves_at_ms: None })
    }

    pub(super) fn import(&mut self, csv: &[u8]) -> Result<Imported, Problem> {
        let (lines, accounts) = import::read(csv)?;
        let changed = match accounts.is_empty() {
            true => Vec::new(),
            false => self.reader.add(&accounts)?,
        };
        self.take();
        Ok(import::imported(lines, &changed))
    }
}
