//! The command line: what can be asked, and what is said when the question is not understood.

pub mod args;
