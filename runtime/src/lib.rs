//! runtime
pub mod diag;
