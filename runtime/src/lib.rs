//! runtime
pub mod sim;
