//! The whole symbol table: read by the REST thread, kept by control, told to the shards.
//!
//! Shards keep a bounded part at hand. So that what they have is what the table says, they are told all of it once, and
//! then every change; what they have no room for they ask for again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use net::hyperliquid::symbols::ALIASES;
use net::hyperliquid::{DecodeError, SymbolTable, Tokens, rest};
use shards::{Coin, ShardId, SymbolEntry};

use super::coin_types::{self, CoinTypes};
use super::{Node, Notice};
use crate::shard::message::{Command, LinkNews};

/// How soon the table is read again for a coin that it does not have.
const UNKNOWN_COIN_REFRESH: Duration = Duration::from_secs(5);

/// Most coins that are remembered as told of. A stranger's names must not fill the memory, nor the log.
const TOLD_MAX: usize = 1000;

/// Most dexes besides the venue's own whose prices are followed. They come out of the twentieth of the subscriptions that
/// accounts leave free; no worth is made of them, so that accounts have theirs matters more.
const OTHER_DEXS_MAX: usize = 16;

/// What the answers of the REST interface say.
#[derive(Clone, Debug)]
pub struct Table {
    /// All instruments, without types.
    entries: Vec<SymbolEntry>,
    /// What tokens are worth.
    tokens: Tokens,
    /// Coins whose symbol another one has, and that symbol.
    clashes: Vec<(Coin, String)>,
}

impl Table {
    /// All instruments, without types.
    #[cfg(test)]
    pub(super) fn entries(&self) -> &[SymbolEntry] {
        &self.entries
    }
}

/// Asks with `post` (body in, answer out) and builds the table.
pub(super) fn read(
    aliases: &[(String, String)],
    mut post: impl FnMut(&str) -> Result<Vec<u8>, String>,
) -> Result<Table, String> {
    // The configured ones come last: they win.
    let pairs = aliases.iter().map(|(venue, ours)| (venue.as_str(), ours.as_str()));
    let mut table = SymbolTable::new(ALIASES.into_iter().chain(pairs));
    let unreadable = |what: &str, error: DecodeError| format!("{what}: {error}");
    let spot = post(rest::spot_meta())?;
    table.read_spot_meta(&spot).map_err(|error| unreadable("spotMeta", error))?;
    // One request for every dex; where a server does not know it, one each.
    match post(rest::all_perp_metas()).map(|body| table.read_all_perp_metas(&body)) {
        Ok(Ok(())) => {}
        _ => {
            let dexs = post(rest::perp_dexs())?;
            let dexs = rest::parse_perp_dexs(&dexs).map_err(|e| unreadable("perpDexs", e))?;
            // The venue's own is among them, or not.
            let dexs: BTreeSet<String> = std::iter::once(String::new()).chain(dexs).collect();
            for dex in dexs {
                let meta = post(&rest::meta(&dex))?;
                table.read_meta(&meta).map_err(|error| unreadable("meta", error))?;
            }
        }
    }
    let entries = table.entries().into_iter().map(|entry| SymbolEntry {
        coin: entry.coin,
        symbol: entry.symbol,
        asset_type: entry.asset_type,
        coin_type: coin_types::NONE,
    });
    Ok(Table { entries: entries.collect(), tokens: table.tokens(), clashes: table.clashes() })
}

/// What a table that was read changes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// New and changed entries, by coin.
    pub(super) entries: Vec<SymbolEntry>,
    /// What tokens are worth, if that changed.
    pub(super) tokens: Option<Tokens>,
    /// New clashes.
    pub(super) clashes: Vec<(Coin, String)>,
}

/// What is known of a coin that a shard asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Known {
    /// This.
    Yes(SymbolEntry),
    /// The table does not have it. `first` the first time that this is said of the coin.
    No { first: bool },
    /// There is no table yet: when there is, all shards are told all of it.
    NotYet,
}

/// The table as control keeps it.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    entries: BTreeMap<Coin, SymbolEntry>,
    tokens: Tokens,
    types: CoinTypes,
    clashes: Vec<(Coin, String)>,
    /// Coins that were told of as unknown.
    told: BTreeSet<Coin>,
}

impl Symbols {
    /// Takes a table that was read. An instrument that it no longer has keeps its name: its last fills may still come.
    pub(super) fn take(&mut self, mut table: Table) -> Changes {
        self.types.apply(&mut table.entries);
        let mut changes = Changes::default();
        for entry in table.entries {
            self.told.remove(&entry.coin);
            if self.entries.insert(entry.coin, entry) != Some(entry) {
                changes.entries.push(entry);
            }
        }
        if self.tokens != table.tokens {
            self.tokens = table.tokens.clone();
            changes.tokens = Some(table.tokens);
        }
        changes.clashes = table.clashes.clone();
        changes.clashes.retain(|clash| !self.clashes.contains(clash));
        self.clashes = table.clashes;
        changes
    }

    /// Takes the rows of `pair_configs`, symbol and category; none when there is no such table. The entries that it
    /// changes. Types that come before the table wait for it.
    pub(super) fn take_types(&mut self, rows: Vec<(String, u8)>) -> Vec<SymbolEntry> {
        self.types = CoinTypes::new(rows);
        let before: Vec<u8> = self.entries.values().map(|entry| entry.coin_type).collect();
        self.types.apply(self.entries.values_mut());
        let both = self.entries.values().zip(before);
        both.filter(|(entry, before)| entry.coin_type != *before).map(|(entry, _)| *entry).collect()
    }

    /// What a coin is called.
    pub(super) fn of(&mut self, coin: &Coin) -> Known {
        match self.entries.get(coin) {
            Some(entry) => Known::Yes(*entry),
            None if self.entries.is_empty() => Known::NotYet,
            None => {
                let first = self.told.len() < TOLD_MAX && self.told.insert(*coin);
                Known::No { first }
            }
        }
    }

    /// The dexes whose prices one of so many shards follows. The prices of spot come with the venue's own, and every shard
    /// values its accounts' spot; those of the others are followed once.
    pub(super) fn price_dexs(&self, shard: usize, shards: usize) -> Vec<Coin> {
        let others =
            self.tokens.dexs().filter(|dex| !dex.is_empty()).take(OTHER_DEXS_MAX).enumerate();
        let mine = others.filter(|(at, _)| at % shards == shard).map(|(_, dex)| dex);
        std::iter::once(Coin::EMPTY).chain(mine).collect()
    }
}

impl Node {
    /// A symbol table was read: the shards hear what changed, before they are told to watch anything.
    pub(super) fn take_table(&mut self, table: Table) {
        let changes = self.symbols.take(table);
        self.tell_symbols(&changes.entries);
        if let Some(tokens) = changes.tokens {
            let shards = self.shards.len();
            for at in 0..shards {
                let (id, dexs) = (ShardId(at as u16), self.symbols.price_dexs(at, shards));
                self.command(id, Command::Tokens(Box::new(tokens.clone())));
                self.command(id, Command::Prices(dexs));
            }
        }
        for (coin, symbol) in changes.clashes {
            self.notices.push_back(Notice::Clash { coin, symbol });
        }
    }

    /// The rows of `pair_configs` were read: symbol and category; none where there is no such table. What they change goes
    /// out with the next signals.
    pub fn take_coin_types(&mut self, rows: Vec<(String, u8)>) {
        let changed = self.symbols.take_types(rows);
        self.tell_symbols(&changed);
    }

    fn tell_symbols(&mut self, entries: &[SymbolEntry]) {
        if entries.is_empty() {
            return;
        }
        for at in 0..self.shards.len() {
            self.command(ShardId(at as u16), Command::Symbols(entries.to_vec()));
        }
    }

    /// A shard has no symbol at hand for a coin that is traded.
    pub(super) fn symbol_wanted(&mut self, shard: ShardId, coin: Coin) {
        match self.symbols.of(&coin) {
            Known::Yes(entry) => self.command(shard, Command::Symbols(vec![entry])),
            Known::No { first: true } => {
                let soon = Instant::now() + UNKNOWN_COIN_REFRESH;
                self.symbols_due = self.symbols_due.map(|due| due.min(soon));
                self.notices.push_back(Notice::Link(shard, LinkNews::UnknownCoin { coin }));
            }
            Known::No { first: false } | Known::NotYet => {}
        }
    }
}

#[cfg(test)]
mod tests;
