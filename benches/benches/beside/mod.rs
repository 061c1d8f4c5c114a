//! The book and the prototype beside each other, on the same commands, in one criterion group.

use benches::bare::Bare;
use benches::flow::Flow;
use benches::pass::{Engine, run};
use book::Book;
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput};
use std::time::Duration;

/// A group with few and short samples: a pass has thousands of commands, so each is an average.
pub(crate) fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(20);
    group.warm_up_time(Duration::from_secs(1));
    group.measurement_time(Duration::from_secs(3));
    group
}

/// Times both; one element is one of `elements` that the commands of the flow are about.
pub(crate) fn both(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    flow: &Flow,
    elements: usize,
) {
    let tallies = [
        run(&mut Bare::prefilled(flow), &flow.commands),
        run(&mut Book::prefilled(flow), &flow.commands),
    ];
    assert_eq!(tallies[0], tallies[1], "{name}: the two did not do the same");
    group.throughput(Throughput::Elements(elements as u64));
    one::<Bare>(group, &format!("bare/{name}"), flow);
    one::<Book>(group, &format!("book/{name}"), flow);
}

/// Times one; a pass begins with a book that is prefilled and in the caches as far as it fits.
pub(crate) fn one<E: Engine>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, flow: &Flow) {
    group.bench_function(name, |bencher| {
        bencher.iter_batched_ref(
            || E::prefilled(flow),
            |engine| run(engine, &flow.commands),
            BatchSize::PerIteration,
        );
    });
}
