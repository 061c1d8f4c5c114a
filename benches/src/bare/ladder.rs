//! The levels of both sides: a window of ticks around the market, B-trees for what lies outside.
//!
//! Sides never cross, so one window and one bitmap serve both: what is set at or below the best bid
//! is a bid. The window is a ring (a price's place is its low bits) and begins at a whole word of
//! the bitmap, so that following the market moves only the levels that leave it or enter it.

use super::{NONE, Order};
use std::collections::BTreeMap;

/// Ticks in the window: 64 words of the bitmap, one word that sums them up.
const WINDOW: usize = 4096;
const MASK: usize = WINDOW - 1;

/// Best rank of an empty side.
pub(super) const EMPTY: i64 = i64::MIN;

/// A queue of orders and the sum of their lots.
#[derive(Clone, Copy)]
pub(super) struct Level {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) total: u64,
}

const _: () = assert!(size_of::<Level>() == 16);

/// The levels of both sides. A rank is a price as its side sees it: higher trades earlier.
pub(super) struct Ladder {
    /// The window by the low bits of the price; behind it the far levels.
    pub(super) levels: Vec<Level>,
    /// Prices of the far levels.
    far_prices: Vec<i64>,
    far_free: Vec<u32>,
    /// By side and rank.
    far: [BTreeMap<i64, u32>; 2],
    far_best: [i64; 2],
    /// Lowest price of the window, a multiple of 64.
    base: i64,
    bits: [u64; 64],
    words: u64,
    /// By side: the best rank.
    pub(super) best: [i64; 2],
}

/// Rank of a price on a side, and price of a rank.
#[inline]
pub(super) fn rank(side: usize, price: i64) -> i64 {
    if side == 0 { price } else { -price }
}

impl Ladder {
    /// No levels.
    pub(super) fn new() -> Ladder {
        Ladder {
            levels: vec![Level { first: NONE, last: NONE, total: 0 }; WINDOW],
            far_prices: Vec::new(),
            far_free: Vec::new(),
            far: [BTreeMap::new(), BTreeMap::new()],
            far_best: [EMPTY; 2],
            base: 0,
            bits: [0; 64],
            words: 0,
            best: [EMPTY; 2],
        }
    }

    /// The price of a level.
    #[inline]
    pub(super) fn price(&self, level: u32) -> i64 {
        match (level as usize).checked_sub(WINDOW) {
            None => self.base + ((i64::from(level) - self.base) & MASK as i64),
            Some(far) => self.far_prices[far],
        }
    }

    /// The level of a price that has one.
    #[inline]
    pub(super) fn at(&self, side: usize, rank_: i64) -> u32 {
        let price = rank(side, rank_);
        if self.is_near(price) { (price as usize & MASK) as u32 } else { self.far[side][&rank_] }
    }

    /// The level of a price, opened if there is none.
    #[inline]
    pub(super) fn open(&mut self, side: usize, price: i64) -> u32 {
        let rank = rank(side, price);
        self.best[side] = self.best[side].max(rank);
        if self.is_near(price) {
            let at = price as usize & MASK;
            self.set(at);
            return at as u32;
        }
        self.open_far(side, price, rank)
    }

    /// Takes an empty level out.
    #[inline]
    pub(super) fn close(&mut self, side: usize, level: u32) {
        let at = level as usize;
        let rank = rank(side, self.price(level));
        if at < WINDOW {
            self.clear(at);
        } else {
            self.close_far(side, rank, level);
        }
        if rank == self.best[side] {
            self.best[side] = self.below(side, rank);
        }
    }

    /// The best rank below `rank`.
    pub(super) fn below(&self, side: usize, rank_: i64) -> i64 {
        let near = self.near_below(side, rank_);
        if self.far_best[side] <= near {
            return near;
        }
        if self.far_best[side] < rank_ {
            return self.far_best[side];
        }
        self.far[side].range(..rank_).next_back().map_or(near, |(far, _)| near.max(*far))
    }

    /// The best rank below `rank_` in the window.
    fn near_below(&self, side: usize, rank_: i64) -> i64 {
        if side == 0 { self.set_down(rank_ - 1) } else { self.set_up(1 - rank_) }
    }

    /// The highest set price at or below `from`.
    fn set_down(&self, from: i64) -> i64 {
        let from = from.min(self.base + WINDOW as i64 - 1);
        if from < self.base {
            return EMPTY;
        }
        let at = from as usize & MASK;
        let (word, bit) = (at / 64, at % 64);
        let here = self.bits[word] << (63 - bit);
        if here != 0 {
            return from - i64::from(here.leading_zeros());
        }
        let words_left = ((from - self.base) / 64) as u32;
        let away = self.words.rotate_left(64 - word as u32).leading_zeros();
        if away >= words_left {
            return EMPTY;
        }
        let found = self.bits[(word + 63 - away as usize) & 63];
        (from | 63) - 64 * (i64::from(away) + 1) - i64::from(found.leading_zeros())
    }

    /// The rank of the lowest set price at or above `from`.
    fn set_up(&self, from: i64) -> i64 {
        let (from, top) = (from.max(self.base), self.base + WINDOW as i64 - 1);
        if from > top {
            return EMPTY;
        }
        let at = from as usize & MASK;
        let (word, bit) = (at / 64, at % 64);
        let here = self.bits[word] >> bit;
        if here != 0 {
            return -(from + i64::from(here.trailing_zeros()));
        }
        let words_left = ((top - from) / 64) as u32;
        let away = self.words.rotate_right((word as u32 + 1) & 63).trailing_zeros();
        if away >= words_left {
            return EMPTY;
        }
        let found = self.bits[(word + 1 + away as usize) & 63];
        -((from & !63) + 64 * (i64::from(away) + 1) + i64::from(found.trailing_zeros()))
    }

    /// Moves the window to the market when that has come near its edges.
    #[inline]
    pub(super) fn follow(&mut self, orders: &mut [Order]) {
        let (bid, ask) = (self.best[0], -self.best[1].max(-i64::MAX));
        let middle = match (bid == EMPTY, self.best[1] == EMPTY) {
            (false, false) => (bid + ask) / 2,
            (false, true) => bid,
            (true, false) => ask,
            (true, true) => return,
        };
        let edge = WINDOW as i64 / 4;
        if middle < self.base + edge || middle >= self.base + WINDOW as i64 - edge {
            self.recentre((middle & !63) - WINDOW as i64 / 2, orders);
        }
    }

    #[cold]
    fn recentre(&mut self, base: i64, orders: &mut [Order]) {
        let stays = base..base + WINDOW as i64;
        let mut leaving = Vec::new();
        for at in (0..WINDOW).filter(|at| self.bits[at / 64] >> (at % 64) & 1 == 1) {
            let price = self.price(at as u32);
            if !stays.contains(&price) {
                leaving.push((usize::from(price > self.best[0]), price));
            }
        }
        for (side, price) in leaving {
            let at = price as usize & MASK;
            self.clear(at);
            let far = self.open_far(side, price, rank(side, price));
            self.move_queue(at as u32, far, orders);
        }
        self.base = base;
        for side in 0..2 {
            let (low, high) = (rank(side, stays.start), rank(side, stays.end - 1));
            let entering = self.far[side].range(low.min(high)..=low.max(high));
            let entering: Vec<(i64, u32)> = entering.map(|(rank, far)| (*rank, *far)).collect();
            for (rank_, far) in entering {
                self.close_far(side, rank_, far);
                let at = rank(side, rank_) as usize & MASK;
                self.set(at);
                self.move_queue(far, at as u32, orders);
            }
        }
    }

    fn move_queue(&mut self, from: u32, to: u32, orders: &mut [Order]) {
        let empty = Level { first: NONE, last: NONE, total: 0 };
        let level = std::mem::replace(&mut self.levels[from as usize], empty);
        self.levels[to as usize] = level;
        let mut slot = level.first;
        while slot != NONE {
            orders[slot as usize].set_level(to);
            slot = orders[slot as usize].next;
        }
    }

    #[inline]
    fn is_near(&self, price: i64) -> bool {
        (price.wrapping_sub(self.base) as u64) < WINDOW as u64
    }

    #[inline]
    fn set(&mut self, at: usize) {
        self.bits[at / 64] |= 1 << (at % 64);
        self.words |= 1 << (at / 64);
    }

    #[inline]
    fn clear(&mut self, at: usize) {
        self.bits[at / 64] &= !(1 << (at % 64));
        self.words &= !(u64::from(self.bits[at / 64] == 0) << (at / 64));
    }

    fn open_far(&mut self, side: usize, price: i64, rank: i64) -> u32 {
        self.far_best[side] = self.far_best[side].max(rank);
        let (levels, prices, free) = (&mut self.levels, &mut self.far_prices, &mut self.far_free);
        *self.far[side].entry(rank).or_insert_with(|| {
            let level = free.pop().unwrap_or_else(|| {
                levels.push(Level { first: NONE, last: NONE, total: 0 });
                prices.push(0);
                levels.len() as u32 - 1
            });
            prices[level as usize - WINDOW] = price;
            level
        })
    }

    fn close_far(&mut self, side: usize, rank: i64, level: u32) {
        self.far[side].remove(&rank);
        self.far_free.push(level);
        if rank == self.far_best[side] {
            let last = self.far[side].last_key_value();
            self.far_best[side] = last.map_or(EMPTY, |(rank, _)| *rank);
        }
    }
}
