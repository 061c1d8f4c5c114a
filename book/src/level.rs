//! A level: a queue of orders with one price, or one trigger, and their sums.
//!
//! Besides the levels that trade there are the queues of stops, one for each trigger price, and of
//! the market orders that wait for an uncross, one a side. They are kept the same way, so that an
//! order leaves its queue in the same few steps wherever it is.

use crate::arena::{Slot, Stored};
use crate::order::Order;
use crate::units::{Lots, Rank, Side, TICKS_MAX, Ticks};

/// What the orders of a level do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Kind {
    /// They rest at a price and trade.
    Priced = 0,
    /// They wait for a trade at a price.
    Stop = 1,
    /// They wait for an uncross, without a price.
    Market = 2,
}

/// The orders of one side at one price.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(crate) struct Level {
    /// Where it stands in its ladder.
    pub(crate) rank: Rank,
    /// Lots that its orders show.
    pub(crate) total: Lots,
    pub(crate) first: Slot<Order>,
    pub(crate) last: Slot<Order>,
    pub(crate) count: u32,
    /// Bit 0: side. Bits 1 and 2: kind. Above: how many of its orders have a
    /// [`Special`](crate::special::Special). So a level of which nothing special has to be thought
    /// is a number below 2.
    marks: u32,
}

const ONE_SPECIAL: u32 = 8;

impl Level {
    /// A level without orders.
    pub(crate) fn new(rank: Rank, side: Side, kind: Kind) -> Level {
        let (first, last) = (Slot::NONE, Slot::NONE);
        let marks = side as u32 | (kind as u32) << 1;
        Level { rank, total: Lots::ZERO, first, last, count: 0, marks }
    }

    /// The side of its orders.
    #[inline]
    pub(crate) fn side(&self) -> Side {
        if self.marks & 1 == 0 { Side::Buy } else { Side::Sell }
    }

    /// What its orders do.
    pub(crate) fn kind(&self) -> Kind {
        match self.marks >> 1 & 3 {
            0 => Kind::Priced,
            1 => Kind::Stop,
            _ => Kind::Market,
        }
    }

    /// Whether its orders have a price and none of them has special terms.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.marks < 2
    }

    /// How many of its orders have special terms.
    pub(crate) fn specials(&self) -> u32 {
        self.marks / ONE_SPECIAL
    }

    /// Notes that an order with special terms has come.
    pub(crate) fn add_special(&mut self) {
        self.marks += ONE_SPECIAL;
    }

    /// Notes that an order with special terms has left, or has none any more.
    pub(crate) fn drop_special(&mut self) {
        self.marks -= ONE_SPECIAL;
    }

    /// The price of its orders, or the trigger of its stops.
    #[inline]
    pub(crate) fn price(&self) -> Ticks {
        match self.marks >> 1 & 3 {
            0 => Ticks(self.rank.0.wrapping_abs()),
            _ => self.unpriced(),
        }
    }

    #[cold]
    fn unpriced(&self) -> Ticks {
        match self.kind() {
            Kind::Stop => stop_of(self.side(), self.rank),
            Kind::Priced | Kind::Market => Ticks(0),
        }
    }
}

/// The rank of the queue of a trigger price: buys are triggered by rising prices, so the lowest
/// comes first; sells by falling ones. No other kind of queue has these ranks.
pub(crate) fn stop_rank(side: Side, stop: Ticks) -> Rank {
    Rank(STOP_RANKS[side as usize].0 + Rank::new(side.opposite(), stop).0)
}

/// The trigger price of a queue of stops.
fn stop_of(side: Side, rank: Rank) -> Ticks {
    Rank(rank.0 - STOP_RANKS[side as usize].0).price(side.opposite())
}

/// The rank of the market orders of a side that wait.
pub(crate) fn market_rank(side: Side) -> Rank {
    MARKET_RANKS[side as usize]
}

/// Where the ranks of stops lie: beyond all ranks of prices.
const STOP_RANKS: [Rank; 2] = [Rank(1 << 54), Rank(1 << 55)];
const MARKET_RANKS: [Rank; 2] = [Rank(1 << 57), Rank(1 << 58)];

const _: () = assert!(TICKS_MAX.0 < 1 << 53, "prices, stops of buys and stops of sells lie apart");

impl Stored for Level {
    #[inline]
    fn free(&mut self, next: Slot<Level>) {
        self.first = Slot::new(next.number());
    }

    #[inline]
    fn next_free(&self) -> Slot<Level> {
        Slot::new(self.first.number())
    }
}

const _: () = assert!(size_of::<Level>() == 32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_tell_side_kind_and_specials_apart() {
        for side in Side::BOTH {
            for (kind, rank, price) in [
                (Kind::Priced, Rank::new(side, Ticks(7)), 7),
                (Kind::Priced, Rank::new(side, TICKS_MAX), TICKS_MAX.0),
                (Kind::Stop, stop_rank(side, Ticks(7)), 7),
                (Kind::Stop, stop_rank(side, TICKS_MAX), TICKS_MAX.0),
                (Kind::Market, market_rank(side), 0),
            ] {
                let mut level = Level::new(rank, side, kind);
                for specials in 0..3 {
                    assert_eq!((level.side(), level.kind()), (side, kind));
                    assert_eq!((level.specials(), level.price()), (specials, Ticks(price)));
                    assert_eq!(level.is_plain(), kind == Kind::Priced && specials == 0);
                    level.add_special();
                }
                level.drop_special();
                assert_eq!(level.specials(), 2);
            }
        }
    }

    #[test]
    fn ranks_of_different_queues_differ() {
        let mut ranks: Vec<Rank> = Vec::new();
        for side in Side::BOTH {
            ranks.push(market_rank(side));
            for price in [Ticks(1), Ticks(2), TICKS_MAX] {
                ranks.extend([Rank::new(side, price), stop_rank(side, price)]);
            }
        }
        ranks.sort();
        assert!(ranks.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(stop_rank(Side::Buy, Ticks(1)) > stop_rank(Side::Buy, Ticks(2)));
        assert!(stop_rank(Side::Sell, Ticks(1)) < stop_rank(Side::Sell, Ticks(2)));
    }
}
