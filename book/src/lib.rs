//! Limit order book and matching for one symbol: commands in, events out.
//!
//! Principles: integer ticks and lots only; no I/O, no clock, no randomness, no `unsafe`; nothing
//! that is read out depends on the order of a hash table; no allocation per command once the book
//! has the capacity it was given at the start. One function, [`Book::apply`], changes a book; it
//! runs the same checks live and in replay, and a refused command changes nothing.
//!
//! ```
//! use book::{Book, BookConfig, Command, Event, Lots, NewOrder, OrderId, Side, Ticks, Time, User};
//!
//! let mut book = Book::new(BookConfig::default());
//! let mut events = Vec::new();
//! let sell = NewOrder::limit(OrderId(1), User(7), Side::Sell, Ticks(100), Lots(5));
//! book.apply(&Command::New(sell), &mut events);
//! let buy = NewOrder::market(OrderId(2), User(8), Side::Buy, Lots(2));
//! let outcome = book.apply(&Command::New(buy), &mut events);
//! assert_eq!(outcome.filled, Lots(2));
//! assert!(events.iter().any(|event| matches!(event, Event::Traded(t) if t.price == Ticks(100))));
//! ```
//!
//! # How it is built
//!
//! * An order is 32 bytes in an arena, linked to its neighbours in the queue by `u32` slots.
//! * A level is 32 bytes in an arena: price, total, count, first and last order.
//! * Each side keeps its levels in a ladder: sorted chunks of 64 prices under one sorted directory,
//!   the best last, so that work near the touch moves a few words. The best level is cached.
//! * Ids are found in an open-addressing table with a seeded multiplicative hash and back-shift
//!   deletion.
//!
//! # Why this ladder, and what may replace it
//!
//! An array indexed by price fails on a far price, and a window of ticks has to be moved when the
//! market moves, which is a pause. A tree from the standard library allocates. Chunks cost memory
//! by the number of levels and not by their distance, never allocate below capacity, and find a far
//! price in two binary searches, with 100,000 levels as with ten. What they do not give is the
//! level of a price near the touch without a search: pages of 64 ticks with a bitmap, keyed by the
//! same chunks, are the candidate that the benches have to judge. Only `ladder.rs` would change.
//!
//! A mass cancel walks the book, best price first on each side: the order of its events follows
//! from the state alone, but its cost is that of all resting orders, not of the user's.
//!
//! Not here yet: icebergs, stops, expiry, auctions, state hash and snapshots.

#![forbid(unsafe_code)]

mod arena;
mod auction;
mod book;
mod check;
pub mod command;
mod depth;
pub mod digest;
pub mod event;
pub mod exec;
mod hash;
mod index;
mod ladder;
mod level;
mod many;
mod matching;
mod order;
mod phase;
mod queues;
pub mod record;
mod snapshot;
mod special;
mod stop;
mod terms;
pub mod units;

pub use auction::Indicative;
pub use book::{Book, BookConfig, ORDERS_MAX};
pub use check::Broken;
pub use command::{Command, NewOrder, Phase, SelfTrade, Terms, TimeInForce};
pub use depth::{LevelDepth, LiveOrder, RestingOrder};
pub use event::{Cancelled, Cut, Discard, Event, Events, Outcome, Reject, Rested, Trade, Waiting};
pub use snapshot::DecodeError;
pub use units::{LOTS_MAX, Lots, OrderId, Side, TICKS_MAX, Ticks, Time, User};
