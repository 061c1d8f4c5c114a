//! What the venue tells about an account: fills and order statuses.

use crate::address::Address;
use crate::decimal::Decimal;
use crate::text::{Coin, Label, Token};

/// Side of an order or a fill, seen from the watched account.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    /// `B` on the wire.
    Buy,
    /// `A` on the wire.
    Sell,
}

impl Side {
    /// `size` with the sign that this side gives a position.
    pub fn signed(self, size: Decimal) -> Decimal {
        match self {
            Side::Buy => size,
            Side::Sell => size.neg(),
        }
    }
}

/// The venue's label of a fill. The set is open: an unknown one is kept as it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "the names are the venue's words")]
pub enum Dir {
    OpenLong,
    OpenShort,
    CloseLong,
    CloseShort,
    LongToShort,
    ShortToLong,
    Buy,
    Sell,
    LiquidatedCrossLong,
    LiquidatedCrossShort,
    LiquidatedIsolatedLong,
    LiquidatedIsolatedShort,
    AutoDeleveraging,
    BackstopBorrowLiquidation,
    PartialBorrowLiquidation,
    Settlement,
    /// Any other label: `Spot Dust Conversion`, `Net Child Vaults`, `Split Outcome`, or one not yet known.
    Other(Label),
}

/// The labels with a name of their own, and what the wire calls them.
const DIR_NAMES: [(Dir, &str); 16] = [
    (Dir::OpenLong, "Open Long"),
    (Dir::OpenShort, "Open Short"),
    (Dir::CloseLong, "Close Long"),
    (Dir::CloseShort, "Close Short"),
    (Dir::LongToShort, "Long > Short"),
    (Dir::ShortToLong, "Short > Long"),
    (Dir::Buy, "Buy"),
    (Dir::Sell, "Sell"),
    (Dir::LiquidatedCrossLong, "Liquidated Cross Long"),
    (Dir::LiquidatedCrossShort, "Liquidated Cross Short"),
    (Dir::LiquidatedIsolatedLong, "Liquidated Isolated Long"),
    (Dir::LiquidatedIsolatedShort, "Liquidated Isolated Short"),
    (Dir::AutoDeleveraging, "Auto-Deleveraging"),
    (Dir::BackstopBorrowLiquidation, "Backstop Borrow Liquidation"),
    (Dir::PartialBorrowLiquidation, "Partial Borrow Liquidation"),
    (Dir::Settlement, "Settlement"),
];

impl Dir {
    /// The label of this text.
    pub fn new(text: &str) -> Dir {
        DIR_NAMES
            .iter()
            .find(|(_, name)| *name == text)
            .map_or_else(|| Dir::Other(Label::new(text)), |(dir, _)| *dir)
    }

    /// The number of a label with a name of its own, from 1; 0 for any other. It is in digests: never change one.
    pub(crate) const fn number(&self) -> u8 {
        match self {
            Dir::Other(_) => 0,
            Dir::OpenLong => 1,
            Dir::OpenShort => 2,
            Dir::CloseLong => 3,
            Dir::CloseShort => 4,
            Dir::LongToShort => 5,
            Dir::ShortToLong => 6,
            Dir::Buy => 7,
            Dir::Sell => 8,
            Dir::LiquidatedCrossLong => 9,
            Dir::LiquidatedCrossShort => 10,
            Dir::LiquidatedIsolatedLong => 11,
            Dir::LiquidatedIsolatedShort => 12,
            Dir::AutoDeleveraging => 13,
            Dir::BackstopBorrowLiquidation => 14,
            Dir::PartialBorrowLiquidation => 15,
            Dir::Settlement => 16,
        }
    }

    /// The venue's text.
    pub fn as_str(&self) -> &str {
        match self {
            Dir::Other(label) => label.as_str(),
            known => DIR_NAMES
                .iter()
                .find(|(dir, _)| dir == known)
                .map(|(_, name)| *name)
                .expect("every variant but Other is in DIR_NAMES"),
        }
    }
}

/// The liquidation that a fill was part of. It stands on the counterparty's fill too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Liquidation {
    /// Who was liquidated: the watched account only if this is its address.
    pub user: Address,
    /// `market` or `backstop`.
    pub method: Token,
}

/// A client order id: 128 bits.
pub type Cloid = [u8; 16];

/// One execution of one account, as `userFills` has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fill {
    /// Coin as the wire names it.
    pub coin: Coin,
    /// Price.
    pub px: Decimal,
    /// Size, above zero.
    pub sz: Decimal,
    /// Side of the account.
    pub side: Side,
    /// Block time, Unix milliseconds.
    pub time_ms: u64,
    /// Signed position (spot: balance) before the fill.
    pub start_position: Decimal,
    /// The venue's label.
    pub dir: Dir,
    /// Realised profit, without fee.
    pub closed_pnl: Decimal,
    /// Order id, unique on the venue.
    pub oid: u64,
    /// Whether the account took liquidity.
    pub crossed: bool,
    /// Fee; negative is a rebate.
    pub fee: Decimal,
    /// Token that the fee is paid in.
    pub fee_token: Token,
    /// Trade id, shared by both sides; 0 for dust conversions.
    pub tid: u64,
    /// Client order id.
    pub cloid: Option<Cloid>,
    /// The liquidation that the fill was part of.
    pub liquidation: Option<Liquidation>,
}

/// No fill has this time or a later one. Above all values in milliseconds for two centuries, below those of today in
/// microseconds: such a time would make everything that follows look old.
pub(crate) const TIME_MS_MAX: u64 = 1 << 43;

impl Fill {
    /// Whether the coin is a perpetual, whose `startPosition` chain has no holes. Spot balances also move by
    /// transfers and fees; outcome coins settle.
    pub fn is_perp(&self) -> bool {
        is_perp(self.coin.as_str())
    }

    /// Whether the numbers are ones that a market can make: a size above zero, at most 10 digits after the point in
    /// price, size and a perpetual's position (the venue has 8), a notional below 10^12, other amounts below 10^14 with
    /// at most 18 digits, a time before the year 2248. Inside these bounds a million fills add up exactly in 128 bits;
    /// what is outside is refused, not rounded.
    pub fn is_sound(&self) -> bool {
        const AMOUNT_MAX: Decimal = Decimal::new(100_000_000_000_000, 0);
        const NOTIONAL_MAX: Decimal = Decimal::new(1_000_000_000_000, 0);
        let small = |number: Decimal| number.abs() < AMOUNT_MAX && number.scale() <= 18;
        !self.sz.is_zero()
            && !self.sz.is_negative()
            && !self.px.is_negative()
            && self.px.scale() <= 10
            && self.sz.scale() <= 10
            && (self.start_position.scale() <= 10 || !self.is_perp())
            && self.time_ms < TIME_MS_MAX
            && [self.px, self.sz, self.start_position, self.closed_pnl, self.fee]
                .into_iter()
                .all(small)
            && self.px.checked_mul(self.sz).is_some_and(|notional| notional < NOTIONAL_MAX)
    }

    /// Whether `other` is the same fill of the same account: (coin, time, tid), and for tid 0 (coin, time, oid, dir).
    /// Never the hash, which is zero on 12 % of real fills.
    pub fn is_same(&self, other: &Fill) -> bool {
        (self.tid, self.time_ms, self.coin) == (other.tid, other.time_ms, other.coin)
            && (self.tid != 0 || (self.oid, self.dir) == (other.oid, other.dir))
    }

    /// The position after the fill, or `None` when the numbers do not fit.
    pub fn end_position(&self) -> Option<Decimal> {
        self.start_position.checked_add(self.side.signed(self.sz))
    }
}

/// Whether a coin name is a perpetual's: not spot (`@107`, `PURR/USDC`), not an outcome (`#14880`).
pub fn is_perp(coin: &str) -> bool {
    !(coin.starts_with(['@', '#', '+']) || coin.contains('/'))
}

/// The state of an order, from `orderUpdates` or `orderStatus`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrderStatus {
    /// Order id.
    pub oid: u64,
    /// The venue's word: `open`, `filled`, `canceled`, ...
    pub status: Label,
    /// Size when the order was placed.
    pub orig_sz: Decimal,
    /// Size that remains: what was cut, for a cancelled order.
    pub sz: Decimal,
    /// When the status was taken, Unix milliseconds.
    pub time_ms: u64,
}

impl OrderStatus {
    /// Whether nothing can follow: every status but `open`, `triggered` and `accepted`. The set is open; words
    /// that are not known end an order when they end like the known ones do.
    pub fn is_terminal(&self) -> bool {
        let status = self.status.as_str();
        match status {
            "open" | "triggered" | "accepted" => false,
            "filled" | "canceled" | "rejected" | "scheduledCancel" | "internalCancel" => true,
            _ => ["Canceled", "Cancelled", "Rejected", "Cancel"]
                .iter()
                .any(|end| status.ends_with(end)),
        }
    }

    /// Size that was filled before this status, or `None` when the numbers make no sense.
    pub fn filled(&self) -> Option<Decimal> {
        self.orig_sz.checked_sub(self.sz).filter(|filled| !filled.is_negative())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_round_trip_and_unknown_ones_are_kept() {
        for (dir, name) in DIR_NAMES {
            assert_eq!(Dir::new(name), dir);
            assert_eq!(dir.as_str(), name);
        }
        let numbers = DIR_NAMES.map(|(dir, _)| dir.number());
        assert!((1..).zip(numbers).all(|(wanted, number)| number == wanted));
        assert_eq!(Dir::new("Merge Question").as_str(), "Merge Question");
    }

    #[test]
    fn only_sound_numbers_are_taken() {
        let good = crate::fixture::fill("BTC", "B", "1.5", "50000.1", "0");
        assert!(good.is_sound());
        let number = |text: &str| text.parse::<Decimal>().expect("a decimal");
        for bad in [
            Fill { sz: Decimal::ZERO, ..good },
            Fill { sz: number("-1"), ..good },
            Fill { px: number("-1"), ..good },
            Fill { px: number("0.00000000001"), ..good },
            Fill { sz: number("100000000"), ..good },
            Fill { start_position: number("100000000000000"), ..good },
            Fill { fee: number("0.0000000000000000001"), ..good },
        ] {
            assert!(!bad.is_sound(), "{bad:?}");
        }
    }

    #[test]
    fn perps_are_told_from_spot_and_outcomes() {
        for (coin, perp) in [
            ("BTC", true),
            ("xyz:CL", true),
            ("kBONK", true),
            ("@107", false),
            ("PURR/USDC", false),
            ("#12", false),
        ] {
            assert_eq!(is_perp(coin), perp, "{coin}");
        }
    }

    #[test]
    fn statuses_end_an_order_by_name_or_suffix() {
        let status = |name: &str| OrderStatus {
            oid: 1,
            status: Label::new(name),
            orig_sz: Decimal::ONE,
            sz: Decimal::ZERO,
            time_ms: 0,
        };
        for open in ["open", "triggered", "accepted", "somethingNew"] {
            assert!(!status(open).is_terminal(), "{open}");
        }
        for end in [
            "filled",
            "canceled",
            "marginCanceled",
            "scheduledCancel",
            "iocCancelRejected",
            "newRuleRejected",
        ] {
            assert!(status(end).is_terminal(), "{end}");
        }
    }
}
