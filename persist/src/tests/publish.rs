//! Row 13: from the journal to a consumer, with a crash at every point between the journal, the
//! publisher, the broker's acknowledgement and the cursor. A consumer that keeps the highest id it
//! has seen gets each event exactly once, in order.

use super::kernel::{Kernel, Step};
use super::workload::{Input, Sampled, Seed, count, open, options, prepare, seeds};
use crate::cursor::{self, Cursor, CursorError};
use crate::disk::Disk;
use crate::journal::Options;
use crate::model::{Damage, ModelDisk, ModelFile, Seeded};
use crate::position::Position;
use crate::tail::Tail;

/// An event as it is published: its id and its body.
type Event = (Position, Vec<u8>);

struct Line {
    disk: ModelDisk,
    options: Options,
    pushed: Vec<Input>,
    acked: u64,
    /// What the consumer has taken; those with an id that is not higher than the last are dropped.
    consumed: Vec<Event>,
    repeats: u64,
}

/// What a process keeps in memory.
struct Running {
    kernel: Kernel,
    tail: Tail<ModelDisk>,
    cursor: Cursor<ModelFile>,
    /// Sent and not acknowledged, oldest first; and how many of them the broker has.
    window: Vec<Event>,
    delivered: usize,
    /// Acknowledged, not yet in the cursor.
    done: Position,
}

impl Line {
    fn new(flights: usize) -> Line {
        Line {
            disk: ModelDisk::default(),
            options: Options { flights, ..options(4) },
            pushed: Vec::new(),
            acked: 0,
            consumed: Vec::new(),
            repeats: 0,
        }
    }

    fn start(&mut self, seed: u64) -> Running {
        let (opened, found) = open(&self.disk, &self.options, &self.pushed)
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(found as u64 >= self.acked);
        self.pushed.truncate(found);
        let path = cursor::path_of(&self.options.dir, "broker");
        let cursor = match Cursor::open_on(&self.disk, &path) {
            // As the message says: removing the file sends everything again.
            Err(CursorError::Damaged { .. }) => {
                self.disk.remove(&path).expect("removed");
                Cursor::open_on(&self.disk, &path).expect("created")
            }
            cursor => cursor.expect("opened"),
        };
        let dir = &self.options.dir;
        let done = cursor.get();
        let tail = Tail::open_on(self.disk.clone(), dir, done).expect("opened");
        let kernel = Kernel::new(&self.disk, opened.journal, true);
        Running { kernel, tail, cursor, window: Vec::new(), delivered: 0, done }
    }

    fn consume(&mut self, event: Event) {
        match self.consumed.last() {
            Some((last, _)) if event.0 <= *last => self.repeats += 1,
            _ => self.consumed.push(event),
        }
    }

    /// One step of the process, or of the broker.
    fn step(&mut self, running: &mut Running, seeded: &mut Seeded) {
        let Running { kernel, tail, cursor, window, delivered, done } = running;
        match seeded.below(10) {
            0 | 1 => {
                prepare(&self.disk, &mut kernel.journal).expect("there is space");
                let salt = seeded.next();
                let body_bytes = [30, 700, 5000][seeded.below(3)];
                let input = Input { salt, body_bytes, events: seeded.below(4) };
                input.push(&mut kernel.journal);
                self.pushed.push(input);
            }
            2 => _ = kernel.submit(),
            3 if seeded.below(4) == 0 => kernel.journal.seal(),
            3 | 4 => _ = kernel.complete(seeded).expect("healthy"),
            5 => publish(tail, kernel.acked, 1 + seeded.below(4), window),
            6 if *delivered < window.len() => {
                *delivered += 1;
                self.consume(window[*delivered - 1].clone());
            }
            7 if *delivered > 0 => {
                *done = window.remove(0).0;
                *delivered -= 1;
            }
            8 => cursor.set(*done).expect("set"),
            9 if seeded.below(3) == 0 => cursor.sync().expect("synced"),
            // The connection is lost: what is not acknowledged is sent again.
            9 if seeded.below(8) == 0 => {
                window.clear();
                *delivered = 0;
                tail.seek(*done).expect("sought");
            }
            _ => {}
        }
        self.acked = kernel.acked;
    }

    /// The power is cut.
    fn crash(&mut self, mut running: Running, seeded: &mut Seeded) {
        // What was sent may yet arrive, in order.
        for at in 0..seeded.below(running.window.len() + 1 - running.delivered) {
            self.consume(running.window[running.delivered + at].clone());
        }
        let damage = [Damage::None, Damage::None, Damage::Sectors][seeded.below(3)];
        let mut sampled = Sampled::new(seeded.next());
        self.disk = self.disk.crash_by(damage, &mut |choice| sampled.choose(choice));
        while running.kernel.complete(seeded).expect("healthy") != Step::Idle {}
    }

    /// Writes, publishes and acknowledges all that is left, and compares what the consumer has.
    fn finish(&mut self, mut running: Running, seeded: &mut Seeded) {
        while !running.kernel.journal.is_idle() {
            prepare(&self.disk, &mut running.kernel.journal).expect("there is space");
            running.kernel.settle(seeded).expect("healthy");
        }
        publish(&mut running.tail, running.kernel.acked, usize::MAX, &mut running.window);
        running.window.drain(..running.delivered);
        running.window.drain(..).for_each(|event| self.consume(event));
        let events = self.pushed.iter().zip(1..).flat_map(|(input, seq)| {
            let body = input.salt.to_be_bytes().to_vec();
            (0..input.events).map(move |index| (Position::new(seq, index as u32), body.clone()))
        });
        assert!(events.eq(self.consumed.iter().cloned()), "each event once, in order");
    }
}

fn publish(tail: &mut Tail<ModelDisk>, durable_seq: u64, budget: usize, window: &mut Vec<Event>) {
    let read = tail.read(durable_seq, budget, &mut |record| {
        if !record.is_input {
            window.push((Position::new(record.seq, record.index), record.body.to_vec()));
        }
    });
    read.expect("what is durable can be read");
}

/// Steps of a process's life.
const STEPS: usize = 150;

/// Crashes a line at one step, then at another, then lets it finish. How many events were repeated.
fn crash_at(seed: u64, step: usize) -> u64 {
    let mut seeded = Seeded(seed);
    let mut line = Line::new([1, 2, 4][seeded.below(3)]);
    for life in 0..3 {
        let mut running = line.start(seed);
        let steps = if life == 0 { step } else { seeded.below(STEPS) };
        (0..steps).for_each(|_| line.step(&mut running, &mut seeded));
        if life == 2 {
            line.finish(running, &mut seeded);
        } else {
            line.crash(running, &mut seeded);
        }
    }
    line.repeats
}

#[test]
fn each_event_arrives_once_and_in_order_whatever_crashes() {
    let mut repeats = 0;
    for number in seeds(count("CORELANE_PUBLISH_SEEDS", 200)) {
        let seed = Seed::new(number, "tests::publish");
        repeats += (0..STEPS).map(|step| crash_at(seed.seed, step)).sum::<u64>();
    }
    eprintln!("{repeats} events were repeated, and filtered");
}
