//! The cache beside a model that looks at everything each time.

use super::*;
use proptest::prelude::*;

/// The rule of the module, with a list and a search.
struct Model {
    weight_max: u64,
    /// Key, value, weight, uses, worth, number.
    entries: Vec<(u8, u32, u64, u64, u64, u64)>,
    numbers: u64,
    counts: CacheCounts,
}

impl Model {
    fn get(&mut self, key: u8) -> Option<u32> {
        let (age, weight_max) = (self.counts.evictions, self.weight_max);
        match self.entries.iter_mut().find(|entry| entry.0 == key) {
            Some(entry) => {
                self.counts.hits += 1;
                entry.3 = (entry.3 + 1).min(USES_MAX);
                entry.4 = age + entry.3 * (weight_max / entry.2);
                Some(entry.1)
            }
            None => {
                self.counts.misses += 1;
                None
            }
        }
    }

    fn remove(&mut self, key: u8) -> Option<(u32, u64)> {
        let at = self.entries.iter().position(|entry| entry.0 == key)?;
        let entry = self.entries.remove(at);
        Some((entry.1, entry.3))
    }

    fn insert(&mut self, key: u8, value: u32, weight: u64) -> bool {
        let uses = self.remove(key).map_or(1, |(_, uses)| uses);
        if weight > self.weight_max {
            return false;
        }
        while self.weight() + weight > self.weight_max {
            let least = self.entries.iter().min_by_key(|entry| (entry.4, entry.5)).expect("some");
            let key = least.0;
            self.remove(key);
            self.counts.evictions += 1;
        }
        let worth = self.counts.evictions + uses * (self.weight_max / weight);
        self.entries.push((key, value, weight, uses, worth, self.numbers));
        self.numbers += 1;
        true
    }

    fn weight(&self) -> u64 {
        self.entries.iter().map(|entry| entry.2).sum()
    }

    fn counts(&self) -> CacheCounts {
        CacheCounts { entries: self.entries.len() as u64, weight: self.weight(), ..self.counts }
    }
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Get(u8),
    Insert(u8, u32, u64),
    Set(u8, u32),
    Remove(u8),
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let key = 0..40_u8;
    let call = prop_oneof![
        4 => key.clone().prop_map(Call::Get),
        4 => (key.clone(), any::<u32>(), 1..12_u64).prop_map(|(k, v, w)| Call::Insert(k, v, w)),
        1 => (key.clone(), any::<u32>()).prop_map(|(k, v)| Call::Set(k, v)),
        1 => key.prop_map(Call::Remove),
    ];
    prop::collection::vec(call, 0..400)
}

/// Whatever the seed of the index is, the same goes and the same stays.
fn check(weight_max: u64, calls: &[Call]) {
    let mut cache: Cache<u8, u32> = Cache::new(weight_max);
    let counts = CacheCounts::default();
    let mut model = Model { weight_max, entries: Vec::new(), numbers: 0, counts };
    for call in calls {
        match *call {
            Call::Get(key) => assert_eq!(cache.get(&key).copied(), model.get(key)),
            Call::Insert(key, value, weight) => {
                let taken = cache.insert(key, value, weight);
                assert_eq!(taken, model.insert(key, value, weight));
            }
            Call::Set(key, value) => {
                let entry = model.entries.iter_mut().find(|entry| entry.0 == key);
                let known = cache.peek_mut(&key);
                assert_eq!(known.is_some(), entry.is_some());
                if let (Some(known), Some(entry)) = (known, entry) {
                    (*known, entry.1) = (value, value);
                }
            }
            Call::Remove(key) => {
                assert_eq!(cache.remove(&key), model.remove(key).map(|(value, _)| value));
            }
        }
        assert_eq!(cache.counts(), model.counts(), "after {call:?}");
        assert!(cache.counts().weight <= weight_max);
        for key in 0..40 {
            let entry = model.entries.iter().find(|entry| entry.0 == key);
            assert_eq!(cache.peek(&key), entry.map(|entry| &entry.1), "after {call:?}");
        }
    }
}

proptest! {
    #[test]
    fn the_cache_does_what_the_rule_says(weight_max in 0..60_u64, calls in calls()) {
        check(weight_max, &calls);
    }
}

#[test]
fn what_is_heavier_than_the_whole_is_refused() {
    let mut cache = Cache::new(10);
    assert!(cache.insert("a", 1, 10));
    assert!(!cache.insert("b", 2, 11));
    assert_eq!(cache.get(&"a"), Some(&1), "nothing had to go for it");
    // Nor is what stood there before still true.
    assert!(!cache.insert("a", 3, 11));
    assert_eq!(cache.peek(&"a"), None);
    assert!(!Cache::new(0).insert("a", 1, 1));
}

#[test]
fn a_scan_of_cold_keys_leaves_the_hot_ones() {
    let mut cache: Cache<u32, ()> = Cache::new(100);
    for key in 0..100 {
        cache.insert(key, (), 1);
    }
    for _ in 0..4 {
        (0..80).for_each(|key| assert!(cache.get(&key).is_some()));
    }
    for key in 1000..1300 {
        cache.insert(key, (), 1);
    }
    assert_eq!((0..80).filter(|key| cache.peek(key).is_some()).count(), 80);
    // Even a cache that has no room for anything cold gives up one only.
    for key in (0..80).chain(1280..1300) {
        (0..9).for_each(|_| assert!(cache.get(&key).is_some()));
    }
    for key in 2000..2600 {
        cache.insert(key, (), 1);
    }
    let hot = (0..80).chain(1280..1300);
    assert_eq!(hot.filter(|key| cache.peek(key).is_some()).count(), 99);
}

#[test]
fn what_was_hot_once_goes_in_the_end() {
    let mut cache: Cache<u32, ()> = Cache::new(10);
    cache.insert(0, (), 1);
    (0..1000).for_each(|_| assert!(cache.get(&0).is_some()));
    let stayed = (1..1000).take_while(|key| {
        cache.insert(*key, (), 1);
        cache.peek(&0).is_some()
    });
    let (stayed, most) = (stayed.count() as u64, USES_MAX * 10);
    assert!((7 * 10..=most + 10).contains(&stayed), "{stayed} inserts");
}

#[test]
fn light_entries_are_worth_more_than_heavy_ones() {
    let mut cache = Cache::new(100);
    cache.insert("light", (), 1);
    cache.insert("heavy", (), 60);
    for _ in 0..3 {
        assert!(cache.get(&"heavy").is_some());
    }
    cache.insert("new", (), 50);
    assert!(cache.peek(&"light").is_some() && cache.peek(&"heavy").is_none());
}
