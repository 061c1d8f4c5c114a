//! Row 6: rounds of crash, recovery and appending, with crashes inside recovery, at each of its
//! writes; and openings that are killed, so that the next one reads what is not durable yet.

use super::history::History;
use super::workload::{Seed, count, seeds};
use crate::model::{Damage, Seeded};

const SEEDS: u64 = 20_000;

/// Lets the power fail at every change that an opening makes, in turn. Returns how many that are.
fn crash_every_write_of_recovery(history: &History, seeded: &mut Seeded, damage: Damage) -> u64 {
    for fuse in 0.. {
        let mut cut = history.on(history.disk.fork());
        cut.disk.cut_after(fuse);
        if cut.open().is_ok() {
            return fuse;
        }
        let killed = cut.on(cut.disk.fork());
        cut.crash(seeded, damage);
        drop(cut.recover());
        // Only the process ended there. The next opening reads what it left, and is cut short too.
        killed.disk.end_process();
        let mut again = killed.on(killed.disk.fork());
        again.disk.cut_after(seeded.below(12) as u64);
        let opened = again.open();
        again.crash(seeded, damage);
        drop(opened);
        drop(again.recover());
    }
    unreachable!("an opening ends")
}

pub(super) fn rounds(seed: &Seed) {
    let mut seeded = Seeded(seed.seed);
    let flights = [1, 2, 4][seeded.below(3)];
    let mut history = History::new(4 + seeded.below(12), flights, seed);
    history.kills = true;
    for _ in 0..2 + seeded.below(7) {
        let damage = [Damage::None, Damage::Sectors, Damage::Everywhere][seeded.below(3)];
        if seeded.below(4) == 0 {
            crash_every_write_of_recovery(&history, &mut seeded, damage);
        }
        if seeded.below(3) == 0 {
            // Early fuses hit the opening, later ones the making of segments.
            history.disk.cut_after(seeded.below(60) as u64);
        }
        let steps = seeded.below(60);
        history.live(&mut seeded, steps, damage);
    }
    drop(history.recover());
}

#[test]
fn rounds_of_crash_and_recovery_keep_what_was_acked() {
    for seed in seeds(count("CORELANE_CRASH_SEEDS", SEEDS)) {
        rounds(&Seed::new(seed, "tests::rounds"));
    }
}
