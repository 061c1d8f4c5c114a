//! The cursor: on real files, and through power cuts on the model.

use std::path::Path;

use super::{Cursor, CursorError, path_of};
use crate::block::BLOCK_BYTES;
use crate::model::{Damage, ModelDisk, Seeded};
use crate::position::Position;

#[test]
fn the_last_position_is_found_again() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = path_of(dir.path(), "nats");
    assert!(path.ends_with("cursor-nats"));
    let mut cursor = Cursor::open(&path).expect("created");
    assert_eq!(cursor.get(), Position::START);
    for seq in 1..10 {
        let position = Position::new(seq, u32::try_from(seq).expect("small") * 3);
        cursor.set(position).expect("set");
        assert_eq!(cursor.get(), position);
        assert_eq!(Cursor::open(&path).expect("opened").get(), position);
    }
    cursor.sync().expect("synced");
    let error = Cursor::open(&dir.path().join("none").join("cursor")).expect_err("no directory");
    assert!(error.to_string().contains("cannot create"), "{error}");
}

#[test]
fn a_power_cut_repeats_but_never_skips_nor_invents() {
    let path = Path::new("/data/cursor-nats");
    for seed in 0..2000 {
        let mut seeded = Seeded(seed);
        let disk = ModelDisk::default();
        let mut cursor = Cursor::open_on(&disk, path).expect("created");
        let (mut set, mut synced) = (vec![Position::START], 0);
        for _ in 0..seeded.below(8) {
            let position = Position::new(set.len() as u64, 7);
            cursor.set(position).expect("set");
            set.push(position);
            if seeded.below(4) == 0 {
                cursor.sync().expect("synced");
                synced = set.len() - 1;
            }
        }
        let crashed = disk.crash(Damage::None, &mut |outcomes| seeded.below(outcomes));
        let found = Cursor::open_on(&crashed, path).expect("one slot is whole").get();
        let at = set.iter().position(|position| *position == found);
        assert!(at.expect("a position that was set") >= synced, "seed {seed}");

        // Torn within a sector: the same, or it is noticed.
        let torn = disk.crash(Damage::Sectors, &mut |outcomes| seeded.below(outcomes));
        match Cursor::open_on(&torn, path) {
            Ok(cursor) => assert!(set.contains(&cursor.get()), "seed {seed}"),
            Err(error) => assert!(matches!(error, CursorError::Damaged { .. }), "{error}"),
        }
    }
}

#[test]
fn every_flipped_bit_falls_back_to_the_position_before() {
    let path = Path::new("/data/cursor-nats");
    let disk = ModelDisk::default();
    let mut cursor = Cursor::open_on(&disk, path).expect("created");
    cursor.set(Position::new(5, 1)).expect("set");
    cursor.set(Position::new(6, 2)).expect("set");
    cursor.sync().expect("synced");
    // The second position is in slot 0, the first in slot 1.
    for (slot, expected) in [(0, Position::new(5, 1)), (1, Position::new(6, 2))] {
        for bit in 0..super::SLOT_BYTES * 8 {
            let at = slot * BLOCK_BYTES + bit / 8;
            disk.edit(path, |bytes| bytes[at] ^= 1 << (bit % 8));
            assert_eq!(Cursor::open_on(&disk, path).expect("opened").get(), expected);
            disk.edit(path, |bytes| bytes[at] ^= 1 << (bit % 8));
        }
    }
    disk.edit(path, |bytes| {
        bytes[9] ^= 1;
        bytes[BLOCK_BYTES + 9] ^= 1;
    });
    let error = Cursor::open_on(&disk, path).expect_err("both are damaged");
    assert!(matches!(error, CursorError::Damaged { .. }), "{error}");
}
