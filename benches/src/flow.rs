//! Deterministic flows of commands, in the shapes that books meet.
//!
//! A flow is a prefill, which only builds the book, and the commands to time. It is made from a
//! profile, a length and a seed. The numbers of each profile are in `flow/shape.rs`; those of
//! `core` and `wide` follow the example files of the same names: where orders are placed, how old
//! those are that get cancelled, how many cancels come too late, how large orders and takers are.

mod cliff;
pub(crate) mod draw;
mod market;
mod question;
mod shape;

use book::record::{self, RECORD_BYTES};
use book::{Book, BookConfig, Command, SelfTrade};
use clap::ValueEnum;
use market::Market;
use shape::Shape;

/// The kind of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Profile {
    /// 50 % adds near the touch, 40 % cancels, 8 % takers, 2 % replaces; 4000 orders rest.
    Core,
    /// The same with prices that are up to two milliards of ticks apart, most with one order.
    Wide,
    /// The same with 200,000 resting orders, of which any may be cancelled.
    Deep,
    /// Takers go through many orders and levels.
    Sweeps,
    /// 60 orders rest: levels come and go.
    Thin,
    /// 21 % replaces, most of it at the best levels, the price runs, bursts.
    Futures,
    /// A million resting orders.
    Million,
    /// 100,000 levels, about a thousand ticks apart.
    Levels100k,
    /// One order takes 10,000 others, after 10,000 adds.
    Sweep10k,
    /// One command cancels 10,000 orders of a user among 50,000 others, after 10,000 adds.
    Mass10k,
}

/// How order ids are given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ids {
    /// Spread over all of `u64`, as if drawn.
    Spread,
    /// Counted from 1.
    Dense,
}

/// A flow of commands.
#[derive(Clone, Debug)]
pub struct Flow {
    /// The name of its kind, at most 24 bytes.
    pub name: &'static str,
    /// What it was drawn from.
    pub seed: u64,
    /// Builds the book.
    pub prefill: Vec<Command>,
    /// To be timed.
    pub commands: Vec<Command>,
    /// Most orders that rest at a time.
    pub orders_max: usize,
}

impl Profile {
    /// The shapes of the spec's table.
    pub const TABLE: [Profile; 6] = {
        use Profile::*;
        [Core, Wide, Deep, Sweeps, Thin, Futures]
    };

    /// Shapes where other books fall off a cliff.
    pub const CLIFFS: [Profile; 4] = {
        use Profile::*;
        [Million, Levels100k, Sweep10k, Mass10k]
    };

    /// The name that the command line and the header of a file have for it.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Core => "core",
            Profile::Wide => "wide",
            Profile::Deep => "deep",
            Profile::Sweeps => "sweeps",
            Profile::Thin => "thin",
            Profile::Futures => "futures",
            Profile::Million => "million",
            Profile::Levels100k => "levels100k",
            Profile::Sweep10k => "sweep10k",
            Profile::Mass10k => "mass10k",
        }
    }

    fn shape(self) -> Shape {
        match self {
            Profile::Core => shape::CORE,
            Profile::Wide => shape::WIDE,
            Profile::Deep => shape::DEEP,
            Profile::Sweeps => shape::SWEEPS,
            Profile::Thin => shape::THIN,
            Profile::Futures => shape::FUTURES,
            Profile::Million => shape::MILLION,
            Profile::Levels100k => shape::LEVELS,
            Profile::Sweep10k => shape::CORE,
            Profile::Mass10k => Shape { resting: 50_000, ..shape::CORE },
        }
    }
}

impl Flow {
    /// Draws a flow of so many commands, prefill apart.
    pub fn new(profile: Profile, commands: usize, seed: u64, ids: Ids) -> Flow {
        let mut market = Market::new(profile.shape(), ids, seed);
        let prefill = market.prefill();
        market.out.reserve(commands);
        match profile {
            Profile::Sweep10k => cliff::sweeps(&mut market, commands),
            Profile::Mass10k => cliff::mass_cancels(&mut market, commands),
            _ => (0..commands).for_each(|_| market.step()),
        }
        market.into_flow(profile.name(), seed, prefill)
    }

    /// An empty book with room for all of it.
    pub fn book(&self) -> Book {
        Book::new(BookConfig {
            self_trade: SelfTrade::Allow,
            orders: self.orders_max + 1,
            levels: self.orders_max + 1,
            seed: self.seed,
        })
    }

    /// Prefill and commands as a command file.
    pub fn to_file(&self) -> Vec<u8> {
        let count = self.prefill.len() + self.commands.len();
        let mut file = Vec::with_capacity(64 + count * RECORD_BYTES);
        file.extend(b"MECMD01\0");
        file.extend(1u32.to_le_bytes());
        file.extend((RECORD_BYTES as u32).to_le_bytes());
        file.extend((count as u64).to_le_bytes());
        file.extend(self.seed.to_le_bytes());
        file.extend([SelfTrade::Allow as u8, 0, 0, 0]);
        file.extend((self.prefill.len() as u32).to_le_bytes());
        let mut name = [0; 24];
        name[..self.name.len()].copy_from_slice(self.name.as_bytes());
        file.extend(name);
        for command in self.prefill.iter().chain(&self.commands) {
            file.extend(record::encode(command).expect("flows hold what a record can say"));
        }
        file
    }
}

#[cfg(test)]
mod tests;
