//! What does a mass cancel cost for each order it takes out? 10, 1000 and 10,000 orders of a user, alone
//! and among 50,000 of others. One element is one order cancelled. The prototype looks at every
//! order of the book, so it is no floor for few among many.

mod beside;

use benches::flow::Flow;
use beside::{both, group};
use criterion::{Criterion, criterion_group, criterion_main};

fn book_mass_cancel(criterion: &mut Criterion) {
    let mut group = group(criterion, "book_mass_cancel");
    for others in [0, 50_000] {
        for orders in [10, 1000, 10_000] {
            let name = format!("{orders} among {others}");
            both(&mut group, &name, &Flow::mass_cancel(orders, others, 1), orders);
        }
    }
    group.finish();
}

criterion_group!(benches, book_mass_cancel);
criterion_main!(benches);
