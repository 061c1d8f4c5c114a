//! Every list, what of it is new since it was handed over, and what is wrong with it, said once.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use persist::store::StoreError;
use persist::store::lists::{self as tables, ListedAddress};
use shards::Address;

use super::kept::{self, Named};
use super::reload::{Live, Reloader, needs_restart};
use super::{Lists, ListsOptions, not_usable};
use crate::config::addresses::read_file;
use crate::config::{Config, Monitor, address_fault};
use crate::diag::{Problem, Problems};

/// Bad rows beyond this are counted, not shown.
const SHOWN_MAX: usize = 10;

/// Reads; holds what was handed over last.
pub(crate) struct Reader {
    reloader: Reloader,
    kept: PathBuf,
    database: Option<PathBuf>,
    monitor: Monitor,
    live: Live,
    /// What was handed over: `None` before the first time.
    last: Lists,
    news: Lists,
    problems: Vec<Problem>,
    /// What was said, by the thing that it was said of.
    said: BTreeMap<&'static str, Vec<Problem>>,
}

impl Reader {
    pub(crate) fn new(options: ListsOptions) -> Reader {
        let ListsOptions { load, loaded, data_dir, database } = options;
        Reader {
            reloader: Reloader::new(load, &loaded),
            kept: data_dir.join(kept::FILE),
            database,
            live: Live::of(&loaded.config),
            monitor: loaded.config.monitor,
            // Nothing is to be said while all can be read.
            last: Lists { unread: Some(0), ..Lists::default() },
            news: Lists::default(),
            problems: Vec::new(),
            said: BTreeMap::new(),
        }
    }

    pub(crate) fn interval(&self) -> Duration {
        self.live.reload_interval
    }

    /// What the start has read counts as read: the configuration, and the file with what is wrong in it.
    pub(crate) fn begin(&mut self) {
        offer(&self.monitor.listed, &mut self.last.configuration, &mut self.news.configuration);
        if let Some(path) = &self.monitor.addresses_file
            && let Ok((_, problems)) = read_file(path)
        {
            self.said.insert("file rows", problems.into_iter().collect());
        }
    }

    /// What is new, and what is wrong, since the last time.
    pub(crate) fn take(&mut self) -> (Lists, Vec<Problem>) {
        let lists = ["file", "database", "kept"];
        let unread = lists.into_iter().filter(|list| self.said.contains_key(list)).count() as u64;
        if self.last.unread != Some(unread) {
            self.last.unread = Some(unread);
            self.news.unread = Some(unread);
        }
        (std::mem::take(&mut self.news), std::mem::take(&mut self.problems))
    }

    /// Says what is wrong with a thing, unless that was the last that was said of it.
    fn say(&mut self, thing: &'static str, problems: Vec<Problem>) {
        if problems.is_empty() {
            self.said.remove(thing);
        } else if self.said.get(thing) != Some(&problems) {
            self.problems.extend(problems.iter().cloned());
            self.said.insert(thing, problems);
        }
    }

    /// Reads the configuration again; the names of changed keys that need a restart.
    pub(crate) fn read_configuration(&mut self) -> Result<Vec<String>, Problem> {
        let read = self.reloader.read();
        self.say("configuration", read.as_ref().err().cloned().into_iter().collect());
        let Some((config, restart)) = read? else { return Ok(Vec::new()) };
        let waits = Some(needs_restart(&restart)).filter(|_| !restart.is_empty());
        self.say("restart", waits.into_iter().collect());
        self.take_over(&config);
        Ok(restart)
    }

    fn take_over(&mut self, config: &Config) {
        self.monitor = config.monitor.clone();
        offer(&self.monitor.listed, &mut self.last.configuration, &mut self.news.configuration);
        let live = Live::of(config);
        if live != self.live {
            self.live = live;
            self.news.live = Some(live);
        }
    }

    /// Reads the file of addresses and the list that is kept at run time.
    pub(crate) fn read_lists(&mut self) {
        self.read_address_file();
        self.read_kept();
    }

    fn read_address_file(&mut self) {
        let read = match &self.monitor.addresses_file {
            Some(path) => read_file(path),
            None => Ok((Vec::new(), Problems::new())),
        };
        match read {
            Ok((addresses, rows)) => {
                self.say("file", Vec::new());
                self.say("file rows", rows.into_iter().collect());
                offer(&addresses, &mut self.last.file, &mut self.news.file);
            }
            Err(mut problem) => {
                problem.severity = crate::diag::Severity::Warning;
                self.say("file", vec![problem.why("the list that was read last stays in force")]);
            }
        }
    }

    /// The tables and `addresses.csv` are one list: with only one of them read, nothing is handed over.
    fn read_kept(&mut self) {
        let read = self.read_tables();
        self.say("database", read.as_ref().err().cloned().into_iter().collect());
        let kept = kept::read_file(&self.kept);
        self.say("kept", kept.as_ref().err().cloned().into_iter().collect());
        let (Ok(rows), Ok((in_file, file_problems))) = (read, kept) else { return };
        self.say("kept rows", file_problems.into_iter().collect());
        let (mut named, bad) = sound(rows);
        self.say("database rows", bad);
        named.extend(in_file);
        let mut seen = HashSet::new();
        let mut names = BTreeMap::new();
        let mut addresses = Vec::new();
        for Named { address, name } in named {
            if seen.insert(address) {
                addresses.push(address);
            }
            if !name.is_empty() {
                names.entry(address).or_insert(name);
            }
        }
        offer(&addresses, &mut self.last.database, &mut self.news.database);
        if self.last.names.as_ref() != Some(&names) {
            self.last.names = Some(names.clone());
            self.news.names = Some(names);
        }
    }

    fn database(&self) -> Option<&PathBuf> {
        self.database.as_ref().filter(|_| self.monitor.addresses_from_database)
    }

    fn read_tables(&self) -> Result<Vec<ListedAddress>, Problem> {
        let Some(path) = self.database() else { return Ok(Vec::new()) };
        let read = || -> Result<Vec<ListedAddress>, StoreError> {
            let lists = tables::Lists::open(path)?;
            let mut rows = lists.addresses(tables::WATCHED)?.unwrap_or_default();
            rows.extend(lists.addresses(tables::ACTIVE)?.unwrap_or_default());
            Ok(rows)
        };
        read().map_err(|error| unreadable(path, &error))
    }

    /// Reads the table of pairs. A table that is not there leaves what was read before.
    pub(crate) fn read_pairs(&mut self) {
        let Some(path) = &self.database else { return };
        let rows = match tables::Lists::open(path).and_then(|lists| lists.pairs()) {
            Ok(Some(rows)) => rows,
            Ok(None) => return,
            Err(error) => {
                let problem = Problem::warning("CFG016", format!("pairs: {error}"))
                    .why("coin types stay as they are");
                return self.say("pairs", vec![problem]);
            }
        };
        let mut pairs = Vec::new();
        let mut bad = Vec::new();
        for row in rows {
            match row.category {
                Ok(category) => pairs.push((row.symbol, category)),
                Err(category) => bad.push(Problem::warning(
                    "CFG016",
                    format!(
                        "{} row {}: the category of {} is {category:?}; the row is left out",
                        tables::PAIRS,
                        row.id,
                        row.symbol
                    ),
                )),
            }
        }
        self.say("pairs", shown(bad, "CFG016"));
        if self.last.pairs.as_ref() != Some(&pairs) {
            self.last.pairs = Some(pairs.clone());
            self.news.pairs = Some(pairs);
        }
    }

    /// Puts accounts on the list that is kept, and reads it.
    pub(crate) fn add(&mut self, accounts: &[Named]) -> Result<Vec<bool>, Problem> {
        let added = match self.database() {
            None => kept::add_to_file(&self.kept, accounts)?,
            Some(path) => {
                let rows: Vec<(String, String)> = accounts
                    .iter()
                    .map(|account| (account.address.to_string(), account.name.clone()))
                    .collect();
                tables::Lists::open(path)
                    .and_then(|mut lists| lists.add(&rows))
                    .map_err(|error| unreadable(path, &error))?
            }
        };
        self.read_kept();
        Ok(added)
    }

    /// Takes accounts off the list that is kept, wherever in it they are, and reads it.
    pub(crate) fn remove(&mut self, addresses: &[Address]) -> Result<Vec<bool>, Problem> {
        let mut found = kept::remove_from_file(&self.kept, addresses)?;
        if let Some(path) = self.database() {
            let texts: Vec<String> = addresses.iter().map(Address::to_string).collect();
            let rows = tables::Lists::open(path)
                .and_then(|mut lists| lists.remove(&texts))
                .map_err(|error| unreadable(path, &error))?;
            found.iter_mut().zip(rows).for_each(|(found, row)| *found |= row);
        }
        self.read_kept();
        Ok(found)
    }
}

/// Hands a list over if it is another than the last.
fn offer(list: &[Address], last: &mut Option<Vec<Address>>, news: &mut Option<Vec<Address>>) {
    if last.as_deref() != Some(list) {
        *last = Some(list.to_vec());
        *news = Some(list.to_vec());
    }
}

/// Rows that hold an address, and what is wrong with the others.
fn sound(rows: Vec<ListedAddress>) -> (Vec<Named>, Vec<Problem>) {
    let mut named = Vec::new();
    let mut bad = Vec::new();
    for row in rows {
        match address_fault(row.address.trim()) {
            Ok(address) => named.push(Named { address, name: row.nickname }),
            Err((_, what, label)) => {
                let ListedAddress { table, id, address, .. } = row;
                let what = format!("{table} row {id} is left out: {what}: {address:?}");
                bad.push(Problem::warning("ADR004", what).why(label));
            }
        }
    }
    (named, shown(bad, "ADR004"))
}

/// The first ones, and how many more there are.
fn shown(mut problems: Vec<Problem>, code: &'static str) -> Vec<Problem> {
    if problems.len() > SHOWN_MAX {
        let more = problems.len() - SHOWN_MAX;
        problems.truncate(SHOWN_MAX);
        problems.push(Problem::warning(code, format!("{more} more rows are left out")));
    }
    problems
}

fn unreadable(path: &std::path::Path, error: &StoreError) -> Problem {
    let why = match path.exists() {
        true => error.to_string(),
        false => "it does not exist".to_owned(),
    };
    let mut problem = not_usable("the database of addresses", path, &why)
        .why("the list that was read last stays in force");
    problem.severity = crate::diag::Severity::Warning;
    problem
}
