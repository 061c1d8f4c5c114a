//! runtime
pub mod config;
pub mod diag;
