//! Symbols at hand: a bounded cache in front of the table that control has.
//!
//! The core knows the symbols of what it has seen traded; that is state, and comes by inputs. What is here is not: it says
//! what to tell the core when a fill of a coin is about to be applied. Control sends the whole table once, which warms
//! this cache, and then every change. So what is here is what the table says, and a coin that is not here is asked
//! for, once: when the table does not have it either, control answers as soon as it does.

use foldhash::HashSet;
use shards::{Cache, CacheCounts, Coin, SymbolEntry};

/// Most coins that are asked for and not answered. What is traded beyond them goes out under its coin.
const WANTED_MAX: usize = 1000;

/// All entries are of one size.
const WEIGHT: u64 = 1;

/// What is known of a coin's symbol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Name {
    /// This.
    Known(SymbolEntry),
    /// It is not at hand: control is to be asked.
    Ask,
    /// It was asked for, or has no symbol.
    None,
}

/// The symbols at hand of one shard.
pub(super) struct Names {
    cache: Cache<Coin, SymbolEntry>,
    wanted: HashSet<Coin>,
}

impl Names {
    /// None yet, at most `size`.
    pub(super) fn new(size: u64) -> Names {
        Names { cache: Cache::new(size), wanted: HashSet::default() }
    }

    /// What a coin is called. [`Name::Ask`] is said once.
    pub(super) fn of(&mut self, coin: &Coin) -> Name {
        // An outcome is called by its coin: no table has it.
        if coin.as_str().starts_with('#') {
            return Name::None;
        }
        if let Some(entry) = self.cache.get(coin) {
            return Name::Known(*entry);
        }
        let asks = self.wanted.len() < WANTED_MAX && self.wanted.insert(*coin);
        if asks { Name::Ask } else { Name::None }
    }

    /// Takes what the table says. Whether it was waited for: then fills of the coin have been applied without it.
    pub(super) fn take(&mut self, entry: &SymbolEntry) -> bool {
        let was_wanted = self.wanted.remove(&entry.coin);
        if let Some(known) = self.cache.peek_mut(&entry.coin) {
            *known = *entry;
        } else if was_wanted || self.cache.has_room(WEIGHT) {
            self.cache.insert(entry.coin, *entry, WEIGHT);
        }
        was_wanted
    }

    /// What the cache did.
    pub(super) fn counts(&self) -> CacheCounts {
        self.cache.counts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shards::event::AssetType;

    fn entry(coin: &str) -> SymbolEntry {
        SymbolEntry {
            coin: coin.into(),
            symbol: format!("{coin}USDC").as_str().into(),
            asset_type: AssetType::Futures,
            coin_type: b'D',
        }
    }

    #[test]
    fn what_is_not_at_hand_is_asked_for_once() {
        let mut names = Names::new(2);
        for coin in ["A", "B", "C"] {
            assert!(!names.take(&entry(coin)), "nobody waited");
        }
        assert_eq!(names.of(&"A".into()), Name::Known(entry("A")));
        assert_eq!(names.of(&"C".into()), Name::Ask, "the warm-up stops when it is full");
        assert_eq!(names.of(&"C".into()), Name::None);
        assert!(names.take(&entry("C")));
        assert_eq!(names.of(&"C".into()), Name::Known(entry("C")));
        // It took the place of the one that was not used, which is asked for again.
        assert_eq!(names.of(&"A".into()), Name::Known(entry("A")));
        assert_eq!(names.of(&"B".into()), Name::Ask);
        let counts = names.counts();
        assert_eq!((counts.hits, counts.misses, counts.evictions), (3, 3, 1));
    }

    #[test]
    fn outcomes_are_called_by_their_coins() {
        let mut names = Names::new(2);
        assert_eq!(names.of(&"#14880".into()), Name::None);
        assert_eq!(names.counts().misses, 0);
    }

    #[test]
    fn a_flood_of_unknown_coins_stays_bounded() {
        let mut names = Names::new(2);
        let asked = (0..5_000).filter(|n| names.of(&format!("X{n}").as_str().into()) == Name::Ask);
        assert_eq!(asked.count(), WANTED_MAX);
        assert!(names.take(&entry("X7")));
        assert_eq!(names.of(&"X4999".into()), Name::Ask, "an answer makes room for another");
    }
}
