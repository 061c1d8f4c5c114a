//! Hyperliquid's protocol as an address monitor needs it.

pub(crate) mod account;
pub(crate) mod fill;
pub mod frame;
pub mod node;
pub mod pages;
pub mod provider;
pub mod rest;
mod scan;
pub mod session;
pub mod subscription;
pub mod symbols;
pub mod weight;
pub(crate) mod wire;

pub use account::{AccountState, Balance, DexState};
pub use frame::{DecodeError, Frame, Scratch, decode};
pub use session::{Action, Policy, Session};
pub use subscription::Subscription;
pub use symbols::{SymbolEntry, SymbolTable, Tokens};
