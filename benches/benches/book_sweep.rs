//! What does each order cost that a sweep takes? By one taker and by a thousand, from one level, a hundred
//! and 10,000. One element is one order taken, so that large sweeps stand beside small ones.

mod beside;

use benches::flow::Flow;
use beside::{both, group};
use criterion::{Criterion, criterion_group, criterion_main};

/// Orders taken in one pass.
const ORDERS: usize = 10_000;

fn book_sweep(criterion: &mut Criterion) {
    let mut group = group(criterion, "book_sweep");
    for levels in [1, 100, 10_000] {
        for each in [10, ORDERS] {
            let name = format!("{each} orders at a time from {levels} levels");
            both(&mut group, &name, &Flow::sweeps(levels, ORDERS, each, 1), ORDERS);
        }
    }
    group.finish();
}

criterion_group!(benches, book_sweep);
criterion_main!(benches);
