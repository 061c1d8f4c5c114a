//! One command at a time: what the journal adds to the bare write and flush.
//!
//! One record, one flush, wait for it, next. The floors take turns with the journal in blocks of a
//! hundred, so that what else goes on on the machine hits all of them.

use std::time::Instant;

use persist::ring::Flush;
use serde::Serialize;

use super::Bed;
use super::driver::Wait;
use super::failure::BenchError;
use super::plan::{Plan, form_name};
use crate::cli::bench::cpu::CpuTime;
use crate::cli::bench::quantiles::{Quantiles, median, turns};

/// Flushes of each subject in a round.
const FLUSHES: u64 = 2000;
/// Flushes of one subject before it is the next one's turn.
const BLOCK: u64 = 100;

/// Who writes.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "snake_case")]
pub(super) enum Writer {
    /// Plain system calls.
    Calls,
    /// Ring entries without a journal.
    Ring,
    /// The journal.
    Journal,
}

/// What one subject took.
#[derive(Clone, Serialize, Debug)]
pub(super) struct SingleRow {
    pub(super) writer: Writer,
    pub(super) flush: &'static str,
    #[serde(flatten)]
    pub(super) times: Quantiles,
    /// CPU time of a flush, of the thread and of the whole process.
    pub(super) cpu_thread_us: f64,
    pub(super) cpu_process_us: f64,
    /// The medians of each round's ratio to the ring without a journal.
    pub(super) ratio_p50: f64,
    pub(super) ratio_p99: f64,
    /// The same to plain system calls.
    pub(super) calls_ratio_p50: f64,
    pub(super) calls_ratio_p99: f64,
}

struct Subject {
    writer: Writer,
    form: Flush,
    samples: Vec<u64>,
    rounds: Vec<Quantiles>,
    cpu: Vec<[f64; 2]>,
}

/// Measures all subjects.
pub(super) fn measure(plan: &Plan, bed: &mut Bed) -> Result<Vec<SingleRow>, BenchError> {
    let subject = |writer, form| Subject {
        writer,
        form,
        samples: Vec::with_capacity(FLUSHES as usize),
        rounds: Vec::new(),
        cpu: Vec::new(),
    };
    let mut subjects: Vec<Subject> = plan
        .forms
        .iter()
        .flat_map(|form| {
            [Writer::Calls, Writer::Ring, Writer::Journal].map(|writer| subject(writer, *form))
        })
        .collect();
    let flushes = FLUSHES.min(plan.records);
    // The first ones fault memory in and make the kernel's workers.
    for subject in &mut subjects {
        block(subject, bed, BLOCK.min(flushes))?;
        subject.samples.clear();
    }
    for round in 0..plan.rounds {
        plan.say(&format!("single command: round {} of {}", round + 1, plan.rounds));
        bed.single().stock()?;
        subjects.iter_mut().for_each(|subject| subject.cpu.push([0.0; 2]));
        let mut done = 0;
        for turn in 0.. {
            plan.go_on()?;
            let now = BLOCK.min(flushes - done);
            if now == 0 {
                break;
            }
            for index in turns(subjects.len(), turn) {
                block(&mut subjects[index], bed, now)?;
            }
            done += now;
        }
        for subject in &mut subjects {
            let times = Quantiles::of(&mut subject.samples).ok_or(BenchError::Nothing)?;
            subject.samples.clear();
            subject.rounds.push(times);
        }
    }
    subjects.iter().map(|subject| row(subject, &subjects, flushes)).collect()
}

fn block(subject: &mut Subject, bed: &mut Bed, flushes: u64) -> Result<(), BenchError> {
    match subject.writer {
        Writer::Calls => {}
        Writer::Ring => bed.bare.set_flush(subject.form),
        Writer::Journal => bed.single().set_flush(subject.form),
    }
    let before = CpuTime::now();
    for _ in 0..flushes {
        let started = Instant::now();
        flush(subject, bed)?;
        subject.samples.push(started.elapsed().as_nanos() as u64);
    }
    let used = CpuTime::now() - before;
    if let Some([thread, process]) = subject.cpu.last_mut() {
        *thread += used.thread.as_secs_f64() * 1e6;
        *process += used.process.as_secs_f64() * 1e6;
    }
    Ok(())
}

fn flush(subject: &Subject, bed: &mut Bed) -> Result<(), BenchError> {
    match subject.writer {
        Writer::Calls => bed.calls.write(subject.form),
        Writer::Ring => {
            bed.bare.submit(1)?;
            bed.bare.settle()
        }
        Writer::Journal => {
            let driver = bed.single();
            let seq = driver.push();
            if !driver.submit()? {
                return Err(BenchError::NoRoom);
            }
            while driver.durable_seq() < seq {
                driver.turn(Wait::FOR_COMPLETION)?;
            }
            Ok(())
        }
    }
}

fn row(subject: &Subject, all: &[Subject], flushes: u64) -> Result<SingleRow, BenchError> {
    let floor = |writer| {
        let mut same = all.iter().filter(|other| other.form == subject.form);
        &same.find(|other| other.writer == writer).expect("each form has all writers").rounds
    };
    let ratio = |writer, of: fn(&Quantiles) -> u64| {
        let pairs = subject.rounds.iter().zip(floor(writer));
        median(pairs.map(|(round, floor)| of(round) as f64 / of(floor).max(1) as f64))
    };
    let (p50, p99) = (|times: &Quantiles| times.p50_ns, |times: &Quantiles| times.p99_ns);
    let cpu = |which: usize| median(subject.cpu.iter().map(|cpu| cpu[which] / flushes as f64));
    Ok(SingleRow {
        writer: subject.writer,
        flush: form_name(subject.form),
        times: Quantiles::over(&subject.rounds).ok_or(BenchError::Nothing)?,
        cpu_thread_us: cpu(0),
        cpu_process_us: cpu(1),
        ratio_p50: ratio(Writer::Ring, p50),
        ratio_p99: ratio(Writer::Ring, p99),
        calls_ratio_p50: ratio(Writer::Calls, p50),
        calls_ratio_p99: ratio(Writer::Calls, p99),
    })
}
