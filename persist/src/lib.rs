//! persist
pub mod position;
pub use position::Position;
