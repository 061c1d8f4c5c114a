//! What does depth cost? Cancels anywhere in one queue of a thousand, 100,000 and a million orders, and
//! the usual mix with 4000 and a million orders resting. One element is one command.

mod beside;

use benches::flow::{Flow, Ids, Profile};
use beside::{both, group};
use criterion::{Criterion, criterion_group, criterion_main};

/// Cancels of one pass.
const CANCELS: usize = 1000;
/// Commands of one pass of the mix.
const COMMANDS: usize = 50_000;

fn book_deep(criterion: &mut Criterion) {
    let mut group = group(criterion, "book_deep");
    for orders in [1000, 100_000, 1_000_000] {
        let name = format!("cancels in a queue of {orders}");
        both(&mut group, &name, &Flow::queue(orders, CANCELS, 1), CANCELS);
    }
    for (name, profile) in [
        ("mix with 4000 resting", Profile::Core),
        ("mix with 200,000 resting", Profile::Deep),
        ("mix with a million resting", Profile::Million),
        ("mix with 100,000 levels", Profile::Levels100k),
    ] {
        both(&mut group, name, &Flow::new(profile, COMMANDS, 1, Ids::Spread), COMMANDS);
    }
    group.finish();
}

criterion_group!(benches, book_deep);
criterion_main!(benches);
