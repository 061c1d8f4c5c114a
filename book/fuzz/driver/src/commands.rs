//! The target `commands`: bytes are a header, which chooses books, and records to apply to them.
//!
//! | at | header | |
//! |---|---|---|
//! | 0 | form | modulo 3: 0 [dense] commands of 8 bytes, 1 wide records, 2 short ones |
//! | 1 | self-trade mode of the book | modulo 5 |
//! | 2 | room of the book | modulo 4: for 0, 1, 16, 256 orders and levels; from 128 on, arrivals are counted from zero soon |
//! | 3 | seed of the id table | |
//!
//! Bytes at the end that are no whole record are left out.

use crate::dense::{self, DENSE_BYTES};
use crate::marks::Marks;
use crate::trial::{Step, Trial};
use book::record::{self, RECORD_BYTES};
use book::wide::{self, WIDE_BYTES};
use book::{BookConfig, Reject, SelfTrade};
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
    let Some((config, steps)) = read(bytes) else { return Marks::default() };
    let mut trial = Trial::new(config, is_late(bytes));
    for step in &steps {
        judge(step);
        trial.apply(step);
    }
    trial.end()
}

/// The commands of an input, one a line.
pub fn explain(bytes: &[u8]) -> String {
    let Some((config, steps)) = read(bytes) else { return "no header\n".to_owned() };
    let late = if is_late(bytes) { ", arrivals about to start from zero" } else { "" };
    let mut text = format!("{config:?}{late}\n");
    for step in steps {
        match step.command() {
            Ok(command) => writeln!(text, "{command:?}"),
            Err(reject) => writeln!(text, "no command: {reject}"),
        }
        .expect("a string takes all");
    }
    text
}

/// Whether the books begin near the end of the numbers of arrivals.
fn is_late(bytes: &[u8]) -> bool {
    bytes.get(2).is_some_and(|room| *room >= 128)
}

/// The books and the records of an input.
fn read(bytes: &[u8]) -> Option<(BookConfig, Vec<Step>)> {
    let (header, body) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let [form, mode, room, seed] = *header;
    let room = [0, 1, 16, 256][usize::from(room % 4)];
    let self_trade = SelfTrade::ALL[usize::from(mode % 5)];
    let config = BookConfig { self_trade, orders: room, levels: room, seed: u64::from(seed) };
    let steps = match Form::of(form) {
        Form::Dense => {
            let records = body.as_chunks::<DENSE_BYTES>().0.iter();
            records.map(|bytes| Step::Command(dense::decode(bytes))).collect()
        }
        Form::Wide => {
            body.as_chunks::<WIDE_BYTES>().0.iter().map(|record| Step::Wide(*record)).collect()
        }
        Form::Short => {
            body.as_chunks::<RECORD_BYTES>().0.iter().map(|record| Step::Short(*record)).collect()
        }
    };
    Some((config, steps))
}

/// Holds a record against what its command is written as.
pub(crate) fn judge(step: &Step) {
    let command = match step.command() {
        Ok(command) => command,
        Err(reject) => return assert_eq!(reject, Reject::BadCommand, "records are refused as"),
    };
    let wide = wide::encode(&command);
    assert_eq!(wide::decode(&wide), Ok(command), "a wide record means what it is written as");
    match step {
        Step::Command(_) => {}
        Step::Wide(record) => assert_eq!(wide, *record, "a command has one wide record"),
        Step::Short(_) => {
            let short = record::encode(&command).expect("a short record holds what one said");
            assert_eq!(record::decode(&short), Ok(command), "so does a short one");
        }
    }
}
