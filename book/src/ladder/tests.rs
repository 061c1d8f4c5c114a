//! The ladder against an ordered map.

use super::*;
use crate::level::Kind;
use crate::units::Side;
use std::collections::BTreeMap;

/// A ladder and its model. Levels are slots of an arena that nobody looks into.
struct Pair {
    ladder: Ladder,
    model: BTreeMap<Rank, Slot<Level>>,
    levels: Arena<Level>,
}

impl Pair {
    fn new(capacity: usize) -> Pair {
        let (model, levels) = (BTreeMap::new(), Arena::new(capacity));
        Pair { ladder: Ladder::new(capacity, 1), model, levels }
    }

    fn add(&mut self, rank: i64) {
        let rank = Rank(rank);
        match self.ladder.find(rank, &self.levels) {
            Some(level) => assert_eq!(self.model.get(&rank), Some(&level)),
            None => {
                let level = self.levels.insert(Level::new(rank, Side::Buy, Kind::Priced));
                assert_eq!(self.model.insert(rank, level), None);
                self.ladder.insert(rank, level, &self.levels);
            }
        }
    }

    fn remove(&mut self, rank: i64) {
        if let Some(level) = self.model.remove(&Rank(rank)) {
            self.ladder.remove(Rank(rank), level, &self.levels);
            self.levels.remove(level);
        }
    }

    fn check(&self) {
        assert!(self.ladder.is_sound(&self.levels));
        assert_eq!(self.ladder.len(), self.model.len());
        assert!(self.ladder.ranks().eq(self.model.keys().rev().copied()));
        for (rank, level) in &self.model {
            assert_eq!(self.ladder.level(*rank, &self.levels), *level);
        }
        assert!(self.ladder.find(Rank(i64::MAX - 5), &self.levels).is_none());
    }
}

/// A fixed sequence of numbers below `bound`.
fn numbers(seed: u64, bound: i64) -> impl Iterator<Item = i64> {
    let mut word = seed;
    std::iter::repeat_with(move || {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (word >> 33) as i64 % bound
    })
}

#[test]
fn agrees_with_a_map_dense_and_wide() {
    for (bound, stride) in [(150, 1), (1000, 1), (1000, 1 << 40), (4000, -(1 << 40))] {
        let mut pair = Pair::new(bound as usize);
        let mut draw = numbers(bound as u64, bound);
        for turn in 0..6000 {
            let rank = draw.next().expect("endless") * stride;
            // Waves of more adds and of more removals, so that chunks split and merge again.
            if draw.next().expect("endless") % 10 < if turn % 2000 < 1200 { 8 } else { 2 } {
                pair.add(rank);
            } else {
                pair.remove(rank);
            }
            if turn % 50 == 0 {
                pair.check();
            }
        }
        pair.check();
        assert_eq!(pair.ladder.growths(), 0);
    }
}

#[test]
fn rising_falling_and_emptied_from_either_end() {
    let ways: [fn(i64) -> i64; 3] = [|at| at, |at| -at, |at| at * 7919 % 10_007];
    for fill in ways {
        for drain in ways {
            let mut pair = Pair::new(1000);
            (1..1000).for_each(|at| pair.add(fill(at)));
            pair.check();
            let ranks: Vec<i64> = pair.model.keys().map(|rank| rank.0).collect();
            for at in 0..ranks.len() as i64 {
                let place = drain(at).rem_euclid(ranks.len() as i64);
                pair.remove(ranks[place as usize]);
                if at % 100 == 0 {
                    pair.check();
                }
            }
            ranks.iter().for_each(|rank| pair.remove(*rank));
            pair.check();
            assert_eq!((pair.ladder.best(), pair.ladder.pages.len()), (Rank::EMPTY, 0));
            assert_eq!(pair.ladder.growths(), 0);
        }
    }
}

#[test]
fn pages_go_with_their_last_level() {
    let mut pair = Pair::new(10_000);
    (0..10_000).for_each(|at| pair.add(at << 12));
    assert_eq!(pair.ladder.pages.len(), 10_000);
    (0..10_000).filter(|at| at % 50 != 0).for_each(|at| pair.remove(at << 12));
    pair.check();
    assert_eq!(pair.ladder.pages.len(), 200);
}

#[test]
fn growth_beyond_capacity_is_counted_and_reserve_prevents_it() {
    let mut pair = Pair::new(1);
    (0..5000).for_each(|at| pair.add(at << 12));
    pair.check();
    assert!(pair.ladder.growths() > 0);
    let mut pair = Pair::new(1);
    pair.ladder.reserve(5000, &pair.levels);
    (0..5000).for_each(|at| pair.add(at << 12));
    pair.check();
    assert_eq!(pair.ladder.growths(), 0);
}

#[test]
#[should_panic(expected = "what is stored is in the index")]
fn removing_what_is_not_there_is_noticed() {
    Ladder::new(4, 1).remove(Rank(5), Slot::new(0), &Arena::new(1));
}

#[test]
fn a_damaged_ladder_is_not_sound() {
    let damages: [fn(&mut Ladder); 6] = [
        |ladder| ladder.best = Rank(3),
        |ladder| ladder.best_level = Slot::NONE,
        |ladder| ladder.last = (77, Slot::new(0)),
        |ladder| ladder.directory.remove(4),
        |ladder| ladder.pages[Slot::new(2)].insert(Rank(4097)),
        |ladder| {
            ladder.pages.insert(Page::new(-1));
        },
    ];
    for (at, damage) in damages.into_iter().enumerate() {
        let mut pair = Pair::new(200);
        (0..200).for_each(|rank| pair.add(rank << 11));
        pair.check();
        damage(&mut pair.ladder);
        assert!(!pair.ladder.is_sound(&pair.levels), "damage {at}");
    }
}
