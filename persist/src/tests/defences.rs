//! Row 16, the checker checked: with one defence taken away the test that guards it fails, and with
//! all of them it passes.

use super::crash::crash_logs;
use super::damage::flip_bits;
use super::evidence;
use super::protocols::crash_every_step;
use super::rounds::rounds;
use super::tails;
use super::workload::{Seed, fails};
use crate::defence::{Defence, without};
use crate::model::Damage;

/// Which test guards which defence: a smaller run of it, where it is large.
const GUARDS: [(Defence, &str, fn()); 11] = [
    (Defence::FlushWait, "crash (row 1)", || crash_logs(&[Damage::None], 5_000, "row 16")),
    (Defence::FlushWait, "crash (row 2)", || crash_logs(&[Damage::Sectors], 5_000, "row 16")),
    (Defence::Epoch, "tails (row 7)", || {
        tails::tails(&Seed::new(tails::EPOCH[0], "row 16"), false)
    }),
    (Defence::Chain, "tails (row 7)", || tails::tails(&Seed::new(tails::CHAIN[0], "row 16"), true)),
    (Defence::Place, "damage (row 4)", evidence::a_batch_elsewhere_is_not_valid),
    (Defence::Seal, "damage (row 3)", || flip_bits(97)),
    (Defence::DirSync, "protocols (row 8)", || _ = crash_every_step(1)),
    (Defence::DirSync, "rounds (row 6)", many_rounds),
    (Defence::Settled, "evidence", evidence::damage_to_a_seal_does_not_make_what_follows_look_torn),
    (
        Defence::DurableSeq,
        "evidence",
        evidence::a_later_batch_that_knew_of_the_missing_one_is_proof,
    ),
    (
        Defence::RememberedEnd,
        "evidence",
        evidence::what_an_opening_has_seen_is_durable_sealed_or_not,
    ),
];

fn many_rounds() {
    (1..400).for_each(|seed| rounds(&Seed::new(seed, "tests::rounds")));
}

#[test]
fn without_any_one_defence_its_test_fails() {
    let mut useless = Vec::new();
    for (defence, name, test) in GUARDS {
        assert!(!fails(test), "{name} passes with all defences");
        if !fails(|| without(defence, test)) {
            useless.push((defence, name));
        }
    }
    assert!(useless.is_empty(), "these tests do not need these defences: {useless:?}");
}
