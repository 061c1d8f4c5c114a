//! The target `file`: command files, whole or damaged.

use crate::commands::judge;
use crate::marks::Marks;
use crate::trial::{Step, Trial};
use book::exec::{self, CommandFile, HEADER_BYTES};
use book::record::RECORD_BYTES;
use book::{BookConfig, Side};

/// Runs the target.
pub fn run(bytes: &[u8]) -> Marks {
    let mut marks = Marks::default();
    let report = match exec::run(bytes) {
        Ok(report) => report,
        Err(error) => {
            marks.note(&[error.to_string().len() as u64, variant(&error)]);
            assert!(CommandFile::parse(bytes).is_err(), "reading and running agree");
            return marks;
        }
    };
    let file = CommandFile::parse(bytes).expect("it was run");
    let (records, rest) = bytes[HEADER_BYTES..].as_chunks::<RECORD_BYTES>();
    assert!(rest.is_empty(), "a file ends with a whole record");
    assert_eq!((file.len(), file.is_empty()), (records.len(), records.is_empty()));
    assert_eq!(report.cmds, records.len() as u64);
    assert!(file.prefill <= records.len(), "prefill is part of the file");

    let config = BookConfig { self_trade: file.self_trade, orders: 0, levels: 0, seed: 1 };
    let mut trial = Trial::new(config, false);
    assert_eq!(file.records(), records, "a file is its records");
    for (command, record) in file.commands().zip(records) {
        let step = Step::Short(*record);
        assert_eq!(command, step.command(), "a file is the commands of its records");
        judge(&step);
        trial.apply(&step);
    }
    let (trades, traded, rejects) = trial.sums();
    assert_eq!((report.trades, report.traded_qty, report.rejects), (trades, traded, rejects));
    let book = trial.book();
    assert_eq!(report.l2, exec::digest_l2(book), "levels at the end");
    assert_eq!(report.l3, exec::digest_l3(book), "orders at the end");
    let levels: usize = Side::BOTH.map(|side| book.levels(side).count()).iter().sum();
    assert_eq!((report.levels, report.orders), (levels as u64, book.order_count() as u64));
    assert!(report.to_json_line().ends_with('}'), "a report is one object");
    marks.add(&trial.end());
    marks
}

fn variant(error: &exec::ExecError) -> u64 {
    match error {
        exec::ExecError::NoHeader { .. } => 0,
        exec::ExecError::Magic => 1,
        exec::ExecError::Version { .. } => 2,
        exec::ExecError::RecordSize { .. } => 3,
        exec::ExecError::SelfTradeMode { .. } => 4,
        exec::ExecError::Length { .. } => 5,
        exec::ExecError::Prefill { .. } => 6,
    }
}
