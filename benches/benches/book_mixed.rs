//! What does one command cost in the mixes of real markets? See `benches::flow` for what they are. One
//! element is one command.

mod beside;

use benches::flow::{Flow, Ids, Profile};
use beside::{both, group};
use criterion::{Criterion, criterion_group, criterion_main};

/// Commands of one pass.
const COMMANDS: usize = 200_000;

fn book_mixed(criterion: &mut Criterion) {
    let mut group = group(criterion, "book_mixed");
    use Profile::*;
    for profile in [Core, Wide, Deep, Sweeps, Thin, Futures] {
        let flow = Flow::new(profile, COMMANDS, 1, Ids::Spread);
        both(&mut group, profile.name(), &flow, COMMANDS);
    }
    let flow = Flow::new(Core, COMMANDS, 1, Ids::Dense);
    both(&mut group, "core with dense ids", &flow, COMMANDS);
    group.finish();
}

criterion_group!(benches, book_mixed);
criterion_main!(benches);
