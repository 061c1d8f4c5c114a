//! The target `commands`: bytes are a header, which chooses books, and records to apply to them.
//!
//! | at | header | |
//! |---|---|---|
//! | 0 | form | modulo 3: 0 [dense] commands of 8 bytes, 1 wide records, 2 short ones |
//! | 1 | self-trade mode of the book | modulo 5 |
//! | 2 | room of the book | modulo 4: for 0, 1, 16, 256 orders and levels |
//! | 3 | seed of the id table | |
//!
//! Bytes at the end that are no whole record are left out.

use crate::dense::{self, DENSE_BYTES};
use crate::marks::Marks;
use crate::trial::Trial;
use book::record::{self, RECORD_BYTES};
use book::wide::{self, WIDE_BYTES};
use book::{BookConfig, Command, Reject, SelfTrade};
use std::fmt::Write as _;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 4;

/// How commands are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// 8 bytes, all of which mean something.
    Dense,
    /// Records of 64 bytes.
    Wide,
    /// Records of 32 bytes.
    Short,
}

impl Form {
    /// The form that a byte of the header chooses.
    pub fn of(byte: u8) -> Form {
        [Form::Dense, Form::Wide, Form::Short][usize::from(byte % 3)]
    }
}

/// Runs the target.
pub fn run(bytes: &[u8]) -> Marks {
    let Some((config, commands)) = read(bytes) else { return Marks::default() };
    let mut trial = Trial::new(config);
    for command in &commands {
        trial.apply(command);
    }
    trial.end()
}

/// The commands of an input, one a line.
pub fn explain(bytes: &[u8]) -> String {
    let Some((config, commands)) = read(bytes) else { return "no header\n".to_owned() };
    let mut text = format!("{config:?}\n");
    for command in commands {
        match command {
            Ok(command) => writeln!(text, "{command:?}"),
            Err(reject) => writeln!(text, "no command: {reject}"),
        }
        .expect("a string takes all");
    }
    text
}

/// A record that was read: a command, or none.
type Read = Result<Command, Reject>;

fn read(bytes: &[u8]) -> Option<(BookConfig, Vec<Read>)> {
    let (header, body) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let [form, mode, room, seed] = *header;
    let room = [0, 1, 16, 256][usize::from(room % 4)];
    let self_trade = SelfTrade::ALL[usize::from(mode % 5)];
    let config = BookConfig { self_trade, orders: room, levels: room, seed: u64::from(seed) };
    let commands = match Form::of(form) {
        Form::Dense => {
            body.as_chunks::<DENSE_BYTES>().0.iter().map(|bytes| Ok(dense::decode(bytes))).collect()
        }
        Form::Wide => body.as_chunks::<WIDE_BYTES>().0.iter().map(read_wide).collect(),
        Form::Short => body.as_chunks::<RECORD_BYTES>().0.iter().map(read_short).collect(),
    };
    Some((config, commands))
}

/// Reads a wide record, and holds it against what it is written as.
fn read_wide(bytes: &[u8; WIDE_BYTES]) -> Read {
    let read = wide::decode(bytes);
    match &read {
        Ok(command) => assert_eq!(wide::encode(command), *bytes, "a command has one wide record"),
        Err(reject) => assert_eq!(*reject, Reject::BadCommand, "what a record may be refused as"),
    }
    read
}

/// Reads a short record, and takes it through both ways of writing it.
pub(crate) fn read_short(bytes: &[u8; RECORD_BYTES]) -> Read {
    let read = record::decode(bytes);
    match &read {
        Ok(command) => {
            let again = record::encode(command).expect("a short record holds what one said");
            assert_eq!(record::decode(&again), read, "a short record means what it is written as");
            assert_eq!(wide::decode(&wide::encode(command)), read, "so does a wide one");
        }
        Err(reject) => assert_eq!(*reject, Reject::BadCommand, "what a record may be refused as"),
    }
    read
}
