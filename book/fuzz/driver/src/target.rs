//! The targets by name, and the inputs that each begins with.

use crate::dense::{self, DENSE_BYTES};
use crate::marks::Marks;
use crate::rng::Rng;
use crate::{commands, file, snapshot};
use book::exec::HEADER_BYTES;
use book::{Book, BookConfig, Command, Discard, record, wide};

/// Most commands of an input to begin with.
const COMMANDS_MAX: usize = 48;

/// What is fuzzed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// Commands, in one of three forms.
    Commands,
    /// Snapshots.
    Snapshot,
    /// Command files.
    File,
}

impl Target {
    /// All of them.
    pub const ALL: [Target; 3] = [Target::Commands, Target::Snapshot, Target::File];

    /// Its name, as cargo-fuzz has it too.
    pub fn name(self) -> &'static str {
        match self {
            Target::Commands => "commands",
            Target::Snapshot => "snapshot",
            Target::File => "file",
        }
    }

    /// How many of eight mutations keep the length of an input: a header that counts what follows
    /// makes all others dull.
    pub fn eighths_in_place(self) -> usize {
        match self {
            Target::Commands => 0,
            Target::Snapshot | Target::File => 7,
        }
    }

    /// Runs it. Panics when something does not hold.
    pub fn run(self, bytes: &[u8]) -> Marks {
        match self {
            Target::Commands => commands::run(bytes),
            Target::Snapshot => snapshot::run(bytes),
            Target::File => file::run(bytes),
        }
    }

    /// What an input means, for who reads a report.
    pub fn explain(self, bytes: &[u8]) -> String {
        match self {
            Target::Commands => commands::explain(bytes),
            Target::Snapshot => format!("{} bytes of a snapshot\n", bytes.len()),
            Target::File => format!("{} bytes of a command file\n", bytes.len()),
        }
    }

    /// An input that means something, to be mutated.
    pub fn first(self, rng: &mut Rng) -> Vec<u8> {
        match self {
            Target::Commands => first_commands(rng),
            Target::Snapshot => first_snapshot(rng),
            Target::File => first_file(rng),
        }
    }
}

/// Random commands.
fn draw_commands(rng: &mut Rng) -> Vec<Command> {
    let count = rng.below(COMMANDS_MAX) + 1;
    let draw = |_| {
        let mut bytes = [0; DENSE_BYTES];
        rng.fill(&mut bytes);
        dense::decode(&bytes)
    };
    (0..count).map(draw).collect()
}

fn first_commands(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = vec![0; commands::HEADER_BYTES];
    rng.fill(&mut bytes);
    let drawn = draw_commands(rng);
    match commands::Form::of(bytes[0]) {
        commands::Form::Wide => bytes.extend(drawn.iter().flat_map(wide::encode)),
        commands::Form::Short => bytes.extend(drawn.iter().filter_map(record::encode).flatten()),
        commands::Form::Dense => {
            let at = bytes.len();
            bytes.resize(at + drawn.len() * DENSE_BYTES, 0);
            rng.fill(&mut bytes[at..]);
        }
    }
    bytes
}

fn first_snapshot(rng: &mut Rng) -> Vec<u8> {
    let mut book = Book::new(BookConfig { orders: 0, levels: 0, ..BookConfig::default() });
    for command in draw_commands(rng) {
        book.apply(&command, &mut Discard);
    }
    let mut bytes = Vec::new();
    book.encode(&mut bytes);
    bytes
}

fn first_file(rng: &mut Rng) -> Vec<u8> {
    let records: Vec<_> = draw_commands(rng).iter().filter_map(record::encode).collect();
    let mut bytes = b"MECMD01\0".to_vec();
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(32_u32.to_le_bytes());
    bytes.extend((records.len() as u64).to_le_bytes());
    bytes.extend(rng.draw().to_le_bytes());
    bytes.extend([rng.below(5) as u8, 0, 0, 0]);
    bytes.extend((rng.below(records.len() + 1) as u32).to_le_bytes());
    bytes.resize(HEADER_BYTES, 0);
    bytes.extend(records.concat());
    bytes
}
