//! What does a taker cost that trades once? With the whole of the best order, which then leaves, and
//! with one lot of it. One element is one taker.

mod beside;

use benches::flow::{Flow, Profile};
use beside::{both, group};
use criterion::{Criterion, criterion_group, criterion_main};

/// Takers of one pass.
const TAKERS: usize = 10_000;

fn book_take(criterion: &mut Criterion) {
    let mut group = group(criterion, "book_take");
    for (name, whole) in [("an order", true), ("a lot", false)] {
        for profile in [Profile::Core, Profile::Wide] {
            let name = format!("{}/{name}", profile.name());
            both(&mut group, &name, &Flow::takes(profile, TAKERS, whole, 1), TAKERS);
        }
    }
    group.finish();
}

criterion_group!(benches, book_take);
criterion_main!(benches);
