//! Row 7: old tails stay dead. A crash can lose the first of several batches in flight and keep the
//! second; after recovery, the same inputs are written again in the same places, and the old second
//! batch stands where it would be next.

use super::history::History;
use super::workload::{Seed, count, fails, seeds};
use crate::defence::{Defence, without};
use crate::model::{Damage, Seeded};

/// A history of batches that begin again where lost ones did. With `restores`, the superblock is put
/// back now and then from an old copy, so that epochs are used twice, over inputs that are not.
pub(super) fn tails(seed: &Seed, restores: bool) {
    let mut seeded = Seeded(seed.seed);
    let flights = if restores { 2 + seeded.below(3) } else { 1 };
    let mut history = History::new(16, flights, seed);
    history.sizes = if restores { &[100] } else { &[30, 900, 2500] };
    history.again_of_4 = 0;
    history.by_sector = !restores;
    let mut old = None;
    for _ in 0..3 + seeded.below(9) {
        if restores && seeded.below(2) == 0 {
            match old.take() {
                Some(old) => history.put_superblock_back(old),
                None => old = history.superblock(),
            }
        }
        let steps = 2 + seeded.below(if restores { 10 } else { 5 });
        history.live(&mut seeded, steps, Damage::None);
    }
    drop(history.recover());
}

/// Histories that bring dead records back when batches of an older epoch are believed.
pub(super) const EPOCH: [u64; 5] = [529, 3029, 3269, 4064, 4128];
/// Histories, with superblocks put back, that do so when a batch does not name its forerunner. (There
/// are others that do so in any case: two seals of the same epoch in the same place are the same.)
pub(super) const CHAIN: [u64; 3] = [748, 1342, 1724];

#[test]
fn old_tails_stay_dead() {
    for seed in seeds(count("CORELANE_TAIL_SEEDS", 4000)) {
        tails(&Seed::new(seed, "tests::tails::old_tails"), false);
    }
}

#[test]
fn kept_seeds_need_the_epoch_and_the_chain() {
    let needed = [(Defence::Epoch, false, &EPOCH[..]), (Defence::Chain, true, &CHAIN[..])];
    for (defence, restores, kept) in needed {
        for &seed in kept {
            let seed = Seed::new(seed, "tests::tails::kept");
            tails(&seed, restores);
            let dead = fails(|| without(defence, || tails(&seed, restores)));
            assert!(dead, "seed {}: {defence:?} was not needed", seed.seed);
        }
    }
}
