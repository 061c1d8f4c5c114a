//! Limit order book and matching for one symbol: commands in, events out.
//!
//! Principles: integer ticks and lots only; no I/O, no clock, no randomness, no `unsafe`; nothing
//! that is read out depends on the order of a hash table; no allocation per command once the book
//! has the capacity it was given at the start. Commands change a book by
//! [`Book::apply`], or by its short forms for records; they run the same checks live and in replay,
//! and a refused command changes nothing.
//!
//! ```
//! use book::{Book, BookConfig, Command, Event, Lots, NewOrder, OrderId, Side, Ticks, User};
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
//! # What it can do
//!
//! * Limit orders good till cancelled, immediate-or-cancel, fill-or-kill and post-only; market
//!   orders; cancel, reduce, replace, mass cancel by user; five modes of self-trade prevention.
//! * [`Terms`]: icebergs, stops and stop-limits, expiries. Time is an input, [`Command::Expire`].
//! * [`Phase`]s: continuous, halted, auction, and an uncross at one price; [`Book::indicative`]
//!   tells what it would do.
//! * Depth: [`Book::best`], [`Book::levels`] (L2), [`Book::orders`] (L3), changes of levels as they
//!   happen ([`Events::level`]) and copies that follow them ([`mirror`]).
//! * [`Book::state_hash`], kept up to date by every command; [`Book::encode`] and [`Book::decode`].
//!
//! # How it is built
//!
//! * An order is 32 bytes in an arena (`arena.rs`), linked to its neighbours in the queue by `u32`
//!   slots. Free slots are linked through themselves; makers that a taker uses up are freed as one
//!   chain.
//! * A level is 32 bytes in an arena: price, total, count, first and last order. Queues of stops and
//!   of market orders that wait for an uncross are levels too (`level.rs`, `queues.rs`).
//! * Ids are found in an open-addressing table of four bytes an entry (`index.rs`): slot, five bits
//!   of hash, distance from home. Removal moves entries back without a look at the orders.
//! * Each side keeps its levels in a ladder (`ladder.rs`): a window by the low bits of the price for
//!   *which level is at this price*, pages of bits under a sorted directory for *which level is
//!   next*, and the best level at hand. Nothing depends on the distance between prices.
//! * Terms that few orders carry lie beside the orders (`special.rs`); a level counts them, so the
//!   paths that matter ask one question of a level they read anyway.
//!
//! `matching.rs` is the heart: entering and taking. `terms.rs`, `stop.rs`, `phase.rs`, `auction.rs`
//! and `many.rs` are what most commands never touch.
//!
//! # What a command costs, and what was tried
//!
//! Measured with `cargo run --release -p benches --bin floor` beside a bare prototype (no events, no
//! users, no hash, no checks; `benches/src/bare.rs`) in alternating passes, as machines differ and
//! the ratio hardly does; and with `scripts/instructions` under callgrind, which repeats to the
//! instruction. Instructions are per command of the `core` flow with the 17 of the loop around.
//!
//! | step | instructions | what it gave |
//! |---|---|---|
//! | the start: sorted chunks of prices, 16-byte id entries, half full | 331 | 1.24 of the prototype |
//! | sides without branches (a sell's rank is the negated price), links held in registers | 297 | a wrong guess of the side costs more than the arithmetic |
//! | id table a quarter full instead of half, hot paths inlined | 258 | the largest step, 1.24 to 0.89: each entry in the way is an unpredictable branch |
//! | window of near levels instead of a hash of the price; makers freed as a chain; hash by multiply-shift | 229 | 200,000 orders: 1.34 to 1.09 |
//! | state hash by number of arrival instead of by the neighbour's id | | two cache misses fewer a cancel in a large book |
//! | cancel of a plain order without the general event; probes without masks | 208 | |
//! | four-byte id entries, an eighth full | 211 | 200,000 orders: 1.0 to 0.85; the table of 4000 ids takes 128 KiB |
//! | window sized by the levels expected | 214 | sweeps: 1.25 to 1.03 |
//! | level a taker empties dropped without questions | 209 | p99 of thin books 101 to 91 ns |
//! | id hash with a second multiplication | 215 | ids at equal distances, which made runs of thousands of entries with some seeds, stand near home with all |
//!
//! Tried and not kept: eight-byte id entries an eighth full (sweeps lost 10 %, the table left the
//! cache); empty levels that keep their place so that adding needs no branch (thin books won 4 %,
//! wide ones lost 12 %); taking inlined into entering (nothing). The state hash costs about 14
//! instructions each time an order joins, leaves or shrinks, and no measurable time. Huge pages
//! (`MIMALLOC_ALLOW_LARGE_OS_PAGES=1`) gave 6 % with 200,000 orders and nothing with 4000. Software
//! prefetch was not tried: it needs `unsafe`, and commands would have to be known ahead.
//!
//! Not as cheap as the prototype: takers. Their p99 is 5 to 20 ns above its, for events with both
//! users, the hash, and the look at terms and stops.
//!
//! What one command can cost: a fill-or-kill looks at the levels within its limit (3 ms over 100,000
//! of them), and so does each fill-or-kill stop that a command triggers; a taker may meet 4096 slices
//! of each iceberg; a mass cancel scans the store of orders (1.3 ms with a million); an expiry or a
//! triggered stop costs 0.1 to 2 µs, the more of them there are. All else is bounded by the orders
//! and levels it touches.

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
pub mod mirror;
mod order;
mod phase;
mod queues;
pub mod record;
mod snapshot;
mod special;
mod stop;
mod terms;
pub mod units;
pub mod wide;

pub use auction::Indicative;
pub use book::{Book, BookConfig, ORDERS_MAX};
pub use check::Broken;
pub use command::{Command, NewOrder, Phase, SelfTrade, Terms, TimeInForce};
pub use depth::{LevelDepth, LiveOrder, RestingOrder};
pub use event::{Cancelled, Cut, Discard, Event, Events, Outcome, Reject, Rested, Trade, Waiting};
pub use snapshot::DecodeError;
pub use units::{LOTS_MAX, Lots, OrderId, Side, TICKS_MAX, Ticks, Time, User};
