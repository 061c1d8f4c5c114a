//! What does a cancel cost? Of recent orders mostly in `core` and `wide`, of any among 200,000 mostly in
//! `deep`. One element is one cancel.

mod beside;

use benches::flow::{Flow, Profile};
use beside::{both, group};
use criterion::{Criterion, criterion_group, criterion_main};

/// Cancels of one pass.
const CANCELS: usize = 20_000;

fn book_cancel(criterion: &mut Criterion) {
    let mut group = group(criterion, "book_cancel");
    for profile in [Profile::Core, Profile::Wide, Profile::Deep] {
        both(&mut group, profile.name(), &Flow::cancels(profile, CANCELS, 1), CANCELS);
    }
    group.finish();
}

criterion_group!(benches, book_cancel);
criterion_main!(benches);
