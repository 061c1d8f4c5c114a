//! `journal diff`: the first record in which two journals differ.
//!
//! Each shard's result is one line of JSON on standard output, and a sentence on standard error.
//!
//! What the records say is compared; how they were batched, where they stand and in which epoch they were written is
//! not. A journal whose first segments were recycled is compared from where both have records.

use std::collections::VecDeque;
use std::path::Path;

use persist::Record;
use persist::inspect::{Piece, Standing, Walk};

use super::fields::{Decoder, Object};
use super::{ShardDir, disk, shard_count, shard_dirs};
use crate::cli::print::{self, talk};
use crate::diag::{Exit, Problem, Problems};

/// A record, kept.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Kept {
    seq: u64,
    index: u32,
    is_input: bool,
    kind: u16,
    event_time: u64,
    body: Vec<u8>,
}

impl Kept {
    fn record(&self) -> Record<'_> {
        Record {
            seq: self.seq,
            index: self.index,
            is_input: self.is_input,
            kind: self.kind,
            event_time: self.event_time,
            body: &self.body,
        }
    }
}

/// The records of one journal, a batch at a time.
struct Side {
    shard: ShardDir,
    walk: Walk,
    batch: VecDeque<Kept>,
}

impl Side {
    fn new(shard: &ShardDir) -> Result<Side, Problem> {
        let walk = Walk::new(&shard.dir).map_err(|error| disk(&shard.dir, &error))?;
        Ok(Side { shard: shard.clone(), walk, batch: VecDeque::new() })
    }

    /// The next record; `None` at the end.
    fn next(&mut self) -> Result<Option<Kept>, Problem> {
        self.fill()?;
        Ok(self.batch.pop_front())
    }

    /// The seq of the next record.
    fn peek(&mut self) -> Result<Option<u64>, Problem> {
        self.fill()?;
        Ok(self.batch.front().map(|kept| kept.seq))
    }

    fn fill(&mut self) -> Result<(), Problem> {
        while self.batch.is_empty() {
            match self.walk.next().map_err(|error| disk(&self.shard.dir, &error))? {
                Some(Piece::Batch(batch)) if batch.standing == Standing::Live => {
                    self.batch.extend(batch.records().map(|record| Kept {
                        seq: record.seq,
                        index: record.index,
                        is_input: record.is_input,
                        kind: record.kind,
                        event_time: record.event_time,
                        body: record.body.to_vec(),
                    }));
                }
                Some(Piece::Damaged(_) | Piece::Gone { .. }) => {
                    let dir = self.shard.dir.display();
                    let what = format!("{dir} is damaged: it cannot be compared any further");
                    return Err(Problem::error("JRN005", what)
                        .fix(format!("corelane journal verify {dir}")));
                }
                Some(Piece::Batch(_)) => {}
                Some(Piece::End(_) | Piece::Remains { .. }) | None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Goes to the first record at or behind `seq`.
    fn skip_to(&mut self, seq: u64) -> Result<(), Problem> {
        self.walk.seek(seq).map_err(|error| disk(&self.shard.dir, &error))?;
        self.batch.clear();
        while self.peek()?.is_some_and(|next| next < seq) {
            self.next()?;
        }
        Ok(())
    }
}

/// How two journals compare.
enum Compared {
    Same { records: u64 },
    Longer { records: u64, which: &'static str, more: Kept },
    Differ { records: u64, a: Kept, b: Kept },
}

/// `corelane journal diff A B`.
pub(super) fn run(a: &Path, b: &Path, prefix: bool) -> Result<Exit, Problems> {
    let (a, b) = (shard_dirs(a)?, shard_dirs(b)?);
    let (mut exit, mut text) = (Exit::Success, String::new());
    if a.len() != b.len() {
        talk(&format!("A has {}, B has {}\n", shard_count(a.len()), shard_count(b.len())));
    }
    let pairs = pairs(&a, &b);
    let is_alone = |shard: &&ShardDir| !pairs.iter().any(|(a, b)| a == shard || b == shard);
    for (name, alone) in [("A", a.iter().find(is_alone)), ("B", b.iter().find(is_alone))] {
        if let Some(shard) = alone {
            talk(&format!("shard {} is only in {name}\n", shard.shard));
            exit = Exit::Failed;
        }
    }
    for (a, b) in pairs {
        let compared = compare(a, b)?;
        talk(&said(a, &compared));
        text += &line(a, &compared);
        let is_same = match compared {
            Compared::Same { .. } => true,
            Compared::Longer { .. } => prefix,
            Compared::Differ { .. } => false,
        };
        if !is_same {
            exit = Exit::Failed;
        }
    }
    let printed = print::out(&text);
    Ok(if printed == Exit::Success { exit } else { printed })
}

/// Which are compared: the same shard of both; or, if each side is one, these two.
fn pairs<'a>(a: &'a [ShardDir], b: &'a [ShardDir]) -> Vec<(&'a ShardDir, &'a ShardDir)> {
    if let ([a], [b]) = (a, b) {
        if a.shard != b.shard {
            talk(&format!("A is shard {}, B is shard {}: different shards\n", a.shard, b.shard));
        }
        return vec![(a, b)];
    }
    let same = |a: &ShardDir| b.iter().find(|b| b.shard == a.shard);
    a.iter().filter_map(|a| Some((a, same(a)?))).collect()
}

fn compare(a: &ShardDir, b: &ShardDir) -> Result<Compared, Problem> {
    let (mut a, mut b) = (Side::new(a)?, Side::new(b)?);
    if let (Some(first_a), Some(first_b)) = (a.peek()?, b.peek()?)
        && first_a != first_b
    {
        let from = first_a.max(first_b);
        talk(&format!("A begins at seq {first_a}, B at seq {first_b}: compared from seq {from}\n"));
        a.skip_to(from)?;
        b.skip_to(from)?;
    }
    let mut records = 0;
    loop {
        return Ok(match (a.next()?, b.next()?) {
            (Some(one), Some(other)) if one == other => {
                records += 1;
                continue;
            }
            (Some(a), Some(b)) => Compared::Differ { records, a, b },
            (Some(more), None) => Compared::Longer { records, which: "A", more },
            (None, Some(more)) => Compared::Longer { records, which: "B", more },
            (None, None) => Compared::Same { records },
        });
    }
}

/// The result, for a person.
fn said(shard: &ShardDir, compared: &Compared) -> String {
    let shard = shard.shard;
    match compared {
        Compared::Same { records } => format!("shard {shard}: the same, {records} records\n"),
        Compared::Longer { records, which, more } => format!(
            "shard {shard}: the same for {records} records; {which} goes on at seq {}\n",
            more.seq
        ),
        Compared::Differ { a, b, .. } => {
            format!("shard {shard}: they differ at seq {}\n", a.seq.min(b.seq))
        }
    }
}

/// The result, as one line of JSON: how many records are the same, and the two that come next.
fn line(shard: &ShardDir, compared: &Compared) -> String {
    let (records, a, b) = match compared {
        Compared::Same { records } => (records, None, None),
        Compared::Longer { records, which: "A", more } => (records, Some(more), None),
        Compared::Longer { records, more, .. } => (records, None, Some(more)),
        Compared::Differ { records, a, b } => (records, Some(a), Some(b)),
    };
    let mut line = Vec::new();
    let mut decoder = Decoder::default();
    let mut object = Object::begin(&mut line);
    object.plain("shard", shard.shard);
    object.plain("same", matches!(compared, Compared::Same { .. }));
    object.plain("records", records);
    for (name, kept) in [("a", a), ("b", b)] {
        match kept {
            None => object.plain(name, "null"),
            Some(kept) => object.object(name, |object| {
                Decoder::head(&kept.record(), object);
                decoder.body(&kept.record(), object);
            }),
        }
    }
    object.end();
    line.push(b'\n');
    String::from_utf8(line).expect("JSON of texts is UTF-8")
}
