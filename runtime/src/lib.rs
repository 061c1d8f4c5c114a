//! runtime
pub mod cli;
pub mod config;
pub mod diag;
pub mod host;
