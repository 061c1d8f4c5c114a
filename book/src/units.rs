//! The numbers of a book: prices in ticks, quantities in lots, ids of orders and users, moments, and
//! the two sides.
//!
//! The newtypes keep a price from being passed for a quantity. They do not restrict the value: a
//! command carries what its sender wrote, and [`Book::apply`](crate::Book::apply) refuses what is
//! out of range.

use std::fmt;

/// Highest price, in ticks. Leaves the sum and the negation of two prices inside an `i64`.
pub const TICKS_MAX: Ticks = Ticks(1 << 52);

/// Largest quantity of one order, in lots.
pub const LOTS_MAX: Lots = Lots(1 << 40);

/// A price, counted in the symbol's tick.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticks(pub i64);

/// A quantity, counted in the symbol's lot; of one order, or a sum over orders.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Lots(pub u64);

/// Name of an order, chosen by whoever sends it. Unique among the live orders of a book; all of
/// `u64`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OrderId(pub u64);

/// Owner of an order. User 0 stands for nobody in particular and is exempt from self-trade
/// prevention.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct User(pub u32);

/// A moment, in the unit and from the start that the owner of the book chose: the book only
/// compares. It moves by [`Command::Expire`](crate::Command::Expire) and by nothing else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Time(pub u64);

/// The side of the book an order is on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Side {
    /// A bid.
    Buy = 0,
    /// An ask.
    Sell = 1,
}

impl Ticks {
    /// Whether an order may carry this price: 1 to [`TICKS_MAX`].
    #[inline]
    pub fn in_range(self) -> bool {
        (1..=TICKS_MAX.0).contains(&self.0)
    }
}

impl Lots {
    /// No lots.
    pub const ZERO: Lots = Lots(0);

    /// Whether an order may carry this quantity: 1 to [`LOTS_MAX`].
    #[inline]
    pub fn in_range(self) -> bool {
        (1..=LOTS_MAX.0).contains(&self.0)
    }
}

impl Side {
    /// Both sides, bids first: the order in which a book is read out.
    pub const BOTH: [Side; 2] = [Side::Buy, Side::Sell];

    /// The side that an order of this one trades against.
    #[inline]
    pub fn opposite(self) -> Side {
        match self {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }
}

impl fmt::Display for Ticks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ticks", self.0)
    }
}

impl fmt::Display for Lots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lots", self.0)
    }
}

/// How good a price is on its side, as one number: a higher rank trades earlier.
///
/// Bids rank by price and asks by its negation, so matching is the same code for both sides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Rank(pub(crate) i64);

impl Rank {
    /// Below every price: the best rank of an empty side.
    pub(crate) const EMPTY: Rank = Rank(i64::MIN);
    /// The limit of a market order: met by every price, and by no empty side.
    pub(crate) const ANY: Rank = Rank(i64::MIN + 1);

    /// Rank of `price` among the orders of `side`. `price` must be in range.
    #[inline]
    pub(crate) fn new(side: Side, price: Ticks) -> Rank {
        Rank(flip_if_sell(side, price.0))
    }

    /// The price that has this rank on `side`.
    #[inline]
    pub(crate) fn price(self, side: Side) -> Ticks {
        Ticks(flip_if_sell(side, self.0))
    }

    /// The rank of the same price on the other side.
    #[inline]
    pub(crate) fn across(self) -> Rank {
        Rank(self.0.wrapping_neg())
    }
}

/// Negates a number for sells, without a branch: the side of the next order can't be predicted, and
/// a wrong guess costs more than all that is done here.
#[inline]
fn flip_if_sell(side: Side, number: i64) -> i64 {
    let mask = -(side as i64);
    (number ^ mask).wrapping_sub(mask)
}

const _: () = assert!(TICKS_MAX.0 < i64::MAX / 2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_where_they_say() {
        for (price, good) in [(0, false), (1, true), (TICKS_MAX.0, true), (TICKS_MAX.0 + 1, false)]
        {
            assert_eq!(Ticks(price).in_range(), good, "{price}");
        }
        assert!(!Ticks(i64::MIN).in_range() && !Ticks(i64::MAX).in_range());
        for (qty, good) in [(0, false), (1, true), (LOTS_MAX.0, true), (LOTS_MAX.0 + 1, false)] {
            assert_eq!(Lots(qty).in_range(), good, "{qty}");
        }
    }

    #[test]
    fn rank_orders_better_prices_higher_and_comes_back() {
        for side in Side::BOTH {
            let (low, high) = (Rank::new(side, Ticks(1)), Rank::new(side, TICKS_MAX));
            assert_eq!(low < high, side == Side::Buy);
            assert!(Rank::EMPTY < Rank::ANY && Rank::ANY < low && Rank::ANY < high);
            assert_eq!(high.price(side), TICKS_MAX);
            assert_eq!(high.across(), Rank::new(side.opposite(), TICKS_MAX));
            assert_eq!(side.opposite().opposite(), side);
        }
    }

    #[test]
    fn units_print_with_their_name() {
        assert_eq!(format!("{} of {}", Lots(3), Ticks(-5)), "3 lots of -5 ticks");
    }
}
