//! Runs a target without libFuzzer: makes inputs, keeps the interesting ones, stops at a failure.

use crate::marks::Marks;
use crate::mutate::mutate;
use crate::rng::Rng;
use crate::shrink::shrink;
use crate::target::Target;
use std::panic::{self, AssertUnwindSafe};

/// Most inputs that are kept; beyond, a new one takes the place of an old one.
const CORPUS_MAX: usize = 512;

/// One of so many inputs is a new one instead of a mutation.
const NEW_ONE_IN: usize = 16;

/// A target, the inputs kept so far, and what they showed.
pub struct Drive {
    target: Target,
    rng: Rng,
    corpus: Vec<Vec<u8>>,
    marks: Marks,
    runs: u64,
    input: Vec<u8>,
}

/// An input that fails.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The input, made short.
    pub input: Vec<u8>,
    /// What did not hold.
    pub message: String,
}

impl Drive {
    /// A run of a target, which this seed determines.
    pub fn new(target: Target, seed: u64) -> Drive {
        let (rng, marks) = (Rng::new(seed), Marks::default());
        Drive { target, rng, corpus: Vec::new(), marks, runs: 0, input: Vec::new() }
    }

    /// Runs one input more.
    pub fn step(&mut self) -> Result<(), Failure> {
        let rng = &mut self.rng;
        if self.corpus.is_empty() || rng.below(NEW_ONE_IN) == 0 {
            self.input = self.target.first(rng);
        } else {
            let [from, other] = [(); 2].map(|()| rng.below(self.corpus.len()));
            self.input.clone_from(&self.corpus[from]);
            let in_place = rng.below(8) < self.target.eighths_in_place();
            mutate(&mut self.input, &self.corpus[other], in_place, rng);
        }
        self.runs += 1;
        let marks = run(self.target, &self.input)?;
        if self.marks.add(&marks) || self.corpus.is_empty() {
            if self.corpus.len() < CORPUS_MAX {
                self.corpus.push(self.input.clone());
            } else {
                let at = self.rng.below(CORPUS_MAX);
                self.corpus[at].clone_from(&self.input);
            }
        }
        Ok(())
    }

    /// Inputs run.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// Inputs kept, and marks that all inputs showed.
    pub fn kept(&self) -> (usize, u32) {
        (self.corpus.len(), self.marks.count())
    }
}

/// Runs a target on an input. An input that fails comes back short.
pub fn run(target: Target, input: &[u8]) -> Result<Marks, Failure> {
    let message = match caught(target, input) {
        Ok(marks) => return Ok(marks),
        Err(message) => message,
    };
    let input = shrink(input, |candidate| caught(target, candidate).is_err());
    let message = caught(target, &input).err().unwrap_or(message);
    Err(Failure { input, message })
}

/// Runs a target; a panic is an error with its message.
fn caught(target: Target, input: &[u8]) -> Result<Marks, String> {
    panic::catch_unwind(AssertUnwindSafe(|| target.run(input))).map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        text.or(payload.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
    })
}
