//! Row 8: the protocols of several steps - opening a new journal, raising the epoch, rolling over to
//! a prepared segment, recycling one, writing a snapshot and dropping the third - crashed at every
//! step, with the names and sectors that were not durable lost or kept.

use super::life::Life;
use super::workload::Sampled;
use crate::disk::Disk;
use crate::model::{Choice, Damage, ModelDisk};
use crate::open::OpenError;
use crate::segment;
use crate::snapshot;

/// Long enough that segments are recycled several times over.
const INPUTS: u64 = 40;
const EXHAUSTIVE: usize = 64;
const SAMPLES: u64 = 24;

/// The disks that can come out of a crash here: all, or some.
fn crashes(disk: &ModelDisk, step: u64) -> Vec<ModelDisk> {
    let mut outcomes = Vec::new();
    let mut all_lost = |choice: Choice| {
        outcomes.push(choice.outcomes);
        0
    };
    let mut after = vec![disk.crash_by(Damage::None, &mut all_lost)];
    let product = outcomes.iter().try_fold(1usize, |all, one| all.checked_mul(*one));
    if let Some(product) = product.filter(|product| *product <= EXHAUSTIVE) {
        after.extend((1..product).map(|mut number| {
            disk.crash_by(Damage::None, &mut |choice| {
                let outcome = number % choice.outcomes;
                number /= choice.outcomes;
                outcome
            })
        }));
    } else {
        after.extend((0..SAMPLES).map(|sample| {
            let mut sampled = Sampled::new(step * SAMPLES + sample);
            let damage = [Damage::None, Damage::Sectors][sample as usize % 2];
            disk.crash_by(damage, &mut |choice| sampled.choose(choice))
        }));
    }
    after
}

/// Crashes a life at every step; each time a new life goes on from there.
pub(super) fn crash_every_step(step_by: usize) -> (u64, u64) {
    let mut states = 0;
    for step in (0..).step_by(step_by) {
        let mut life = Life::new();
        life.disk.cut_after(step);
        if life.live(INPUTS).is_ok() {
            return (step, states);
        }
        for (nth, disk) in crashes(&life.disk, step).into_iter().enumerate() {
            let mut next = life.on(disk);
            let lived = next.live(if nth == 0 { 16 } else { 2 });
            lived.unwrap_or_else(|error| panic!("step {step}, crash {nth}: {error}"));
            states += 1;
        }
        // The process is killed there, and the next one meets a power cut.
        let killed = life.on(life.disk.fork());
        killed.disk.end_process();
        let mut next = killed.on(killed.disk.fork());
        next.disk.cut_after(step % 29);
        if next.live(8).is_err() {
            for disk in crashes(&next.disk, step).into_iter().take(8) {
                let lived = next.on(disk).live(2);
                lived.unwrap_or_else(|error| panic!("step {step}, killed before: {error}"));
                states += 1;
            }
        }
    }
    unreachable!("a life ends")
}

#[test]
fn every_step_of_every_protocol_can_be_crashed() {
    let (steps, states) = crash_every_step(1);
    eprintln!("{steps} steps, {states} states");
    assert!(steps > 300, "{steps} steps: it recycled");
}

#[test]
fn a_life_recycles_and_keeps_two_snapshots() {
    let mut life = Life::new();
    life.live(INPUTS).expect("a healthy disk");
    let dir = &life.options.dir;
    assert_eq!(snapshot::list_on(&life.disk, dir).expect("listed"), [36, 39]);
    let segments = segment::list(&life.disk, dir).expect("listed").segments;
    assert!(segments[0] > 6, "segments before {} were used again", segments[0]);
    assert!(segments.windows(2).all(|pair| pair[1] == pair[0] + 1), "{segments:?}");
}

/// Damages a byte in the middle of a file.
fn damage(life: &Life, name: &str) {
    life.disk.edit(&life.options.dir.join(name), |bytes| {
        let at = bytes.len() / 2;
        bytes[at] ^= 0x40;
    });
}

#[test]
fn a_damaged_snapshot_falls_back_to_the_older_and_two_are_refused_or_not_needed() {
    for inputs in 1..INPUTS {
        let mut life = Life::new();
        life.live(inputs).expect("a healthy disk");
        let disk = life.disk.crash(Damage::None, &mut |outcomes| outcomes - 1);
        let snapshots = snapshot::list_on(&disk, &life.options.dir).expect("listed");
        let mut left: Vec<u64> = snapshots.clone();
        let mut life = life.on(disk);
        for seq in snapshots.iter().rev() {
            damage(&life, &format!("snapshot-{seq}"));
            left.pop();
            let begins = segment::list(&life.disk, &life.options.dir).expect("listed").segments[0];
            match life.open() {
                Ok(opened) => {
                    assert_eq!(opened.snapshot, left.last().copied());
                    assert_eq!(opened.skipped.len(), snapshots.len() - left.len());
                    assert!(!left.is_empty() || begins == 1, "from a snapshot, or from the first");
                }
                Err(OpenError::NoSnapshot { skipped, .. }) => {
                    assert!(left.is_empty() && begins > 1, "{skipped:?}");
                    assert_eq!(skipped.len(), 2);
                }
                Err(error) => panic!("{inputs} inputs: {error}"),
            }
        }
    }
}

#[test]
fn a_superblock_cut_or_extended_is_survived_or_refused() {
    let mut life = Life::new();
    life.live(6).expect("a healthy disk");
    let disk = life.disk.crash(Damage::None, &mut |outcomes| outcomes - 1);
    for name in ["superblock", "snapshot-3", "snapshot-6", "cursor-sink"] {
        let path = life.options.dir.join(name);
        let length = disk.edit(&path, |bytes| bytes.len());
        for cut in (0..length).chain(length + 1..length + 4097) {
            let damaged = life.on(disk.fork());
            damaged.disk.edit(&path, |bytes| bytes.resize(cut, 0xA5));
            // The comparison is in there.
            let mut damaged = damaged;
            match damaged.open() {
                Ok(_) => assert_eq!(damaged.acked, 6),
                Err(OpenError::SuperblockDamaged { .. }) => assert!(name == "superblock"),
                Err(error) => panic!("{name} of {cut} bytes: {error}"),
            }
        }
    }
    disk.remove(&life.options.dir.join("snapshot-6")).expect("removed");
    life.on(disk).open().expect("from the older");
}
