//! What does an order cost that rests without trading? Near the touch, at prices far apart, and where
//! 200,000 others rest. One element is one add.

mod beside;

use benches::flow::{Flow, Profile};
use beside::{both, group};
use criterion::{Criterion, criterion_group, criterion_main};

/// Adds of one pass.
const ADDS: usize = 20_000;

fn book_add(criterion: &mut Criterion) {
    let mut group = group(criterion, "book_add");
    for profile in [Profile::Core, Profile::Wide, Profile::Deep] {
        both(&mut group, profile.name(), &Flow::adds(profile, ADDS, 1), ADDS);
    }
    group.finish();
}

criterion_group!(benches, book_add);
criterion_main!(benches);
