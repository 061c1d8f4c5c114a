//! The ladder against an ordered map.

use super::*;
use std::collections::BTreeMap;

/// A ladder and its model. Levels are slots of an arena that nobody looks into.
struct Pair {
    ladder: Ladder,
    model: BTreeMap<Rank, Slot<Level>>,
    levels: Arena<Level>,
}

impl Pair {
    fn new(capacity: usize) -> Pair {
        Pair { ladder: Ladder::new(capacity), model: BTreeMap::new(), levels: Arena::new(capacity) }
    }

    fn add(&mut self, rank: i64) {
        let rank = Rank(rank);
        match self.ladder.find(rank) {
            Ok(level) => assert_eq!(self.model.get(&rank), Some(&level)),
            Err(rung) => {
                let level = self.levels.insert(Level::new(rank));
                assert_eq!(self.model.insert(rank, level), None);
                self.ladder.insert(rung, rank, level);
            }
        }
    }

    fn remove(&mut self, rank: i64) {
        if let Some(level) = self.model.remove(&Rank(rank)) {
            self.ladder.remove(Rank(rank));
            self.levels.remove(level);
        }
    }

    fn check(&self) {
        assert!(self.ladder.is_sound());
        assert_eq!(self.ladder.len(), self.model.len());
        assert!(
            self.ladder.iter().eq(self.model.iter().rev().map(|(rank, level)| (*rank, *level)))
        );
        let mut rank = Rank(i64::MAX);
        for (expected, level) in self.model.iter().rev() {
            assert_eq!(self.ladder.below(rank), Some((*expected, *level)));
            rank = *expected;
        }
        assert_eq!(self.ladder.below(rank), None);
        assert!(self.ladder.find(Rank(i64::MAX - 5)).is_err());
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
            assert_eq!((pair.ladder.best(), pair.ladder.directory.len()), (Rank::EMPTY, 1));
            assert_eq!(pair.ladder.growths(), 0);
        }
    }
}

#[test]
fn chunks_stay_within_their_bound_when_most_levels_go() {
    let mut pair = Pair::new(10_000);
    (0..10_000).for_each(|at| pair.add(at));
    (0..10_000).filter(|at| at % 50 != 0).for_each(|at| pair.remove(at));
    pair.check();
    assert!(pair.ladder.directory.len() <= chunks_max(200), "{}", pair.ladder.directory.len());
}

#[test]
fn growth_beyond_capacity_is_counted_and_reserve_prevents_it() {
    let mut pair = Pair::new(1);
    (0..5000).for_each(|at| pair.add(at));
    pair.check();
    assert!(pair.ladder.growths() > 0);
    let mut pair = Pair::new(1);
    pair.ladder.reserve(5000);
    (0..5000).for_each(|at| pair.add(at));
    pair.check();
    assert_eq!(pair.ladder.growths(), 0);
}

#[test]
#[should_panic(expected = "not in its ladder")]
fn removing_what_is_not_there_is_noticed() {
    Ladder::new(4).remove(Rank(5));
}

#[test]
fn a_damaged_ladder_is_not_sound() {
    let damages: [fn(&mut Ladder); 8] = [
        |ladder| ladder.best = Rank(3),
        |ladder| ladder.best_level = Slot::NONE,
        |ladder| ladder.len += 1,
        |ladder| ladder.directory[0].from = Rank(0),
        |ladder| ladder.directory[1].from = Rank(199),
        |ladder| ladder.directory.swap(1, 2),
        |ladder| ladder.chunks[ladder.directory[1].chunk].ranks.swap(3, 4),
        |ladder| {
            ladder.chunks.insert(EMPTY_CHUNK);
        },
    ];
    for (at, damage) in damages.into_iter().enumerate() {
        let mut pair = Pair::new(200);
        (0..200).for_each(|rank| pair.add(rank));
        pair.check();
        damage(&mut pair.ladder);
        assert!(!pair.ladder.is_sound(), "damage {at}");
    }
}
