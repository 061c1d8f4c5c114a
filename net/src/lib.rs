//! What corelane says and hears on the network: WebSocket and TLS over our own buffers, the Hyperliquid protocol,
//! and the payload of a signal.
//!
//! Nothing here owns a socket or reads a clock. Bytes come in as slices and go out into vectors, `now` is an
//! argument; who moves the bytes is the runtime's affair. So every line of this crate is tested in memory.
//!
//! The way of a message: [`ws::Socket`] turns bytes into text, [`hyperliquid::frame::decode`] turns text into
//! fills without allocating, [`hyperliquid::session::Session`] decides what to ask for next.

pub mod backoff;
pub mod hyperliquid;
mod json;
pub mod payload;
pub mod target;
pub mod tls;
pub mod ws;

pub use target::{Target, TargetError};
