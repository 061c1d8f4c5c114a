//! Which legs a fill belongs to, and what is known of a leg.

use crate::address::Address;
use crate::decimal::Decimal;
use crate::event::{AssetType, Direction, PositionSide, Reason};
use crate::fill::{Dir, Fill, Side};
use crate::text::Token;

/// Slab key of a leg.
pub(super) type LegKey = usize;

/// What a leg is: its name and what consumers read of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LegKind {
    pub(super) name: Dir,
    pub(super) direction: Direction,
    pub(super) side: PositionSide,
    pub(super) asset_type: AssetType,
}

/// The part of a fill that belongs to one leg.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) kind: LegKind,
    pub(super) size: Decimal,
    pub(super) notional: Decimal,
    pub(super) closed_pnl: Decimal,
    pub(super) fee: Decimal,
}

/// A leg: one direction of one order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leg {
    pub(super) kind: LegKind,
    /// The order's next leg.
    pub(super) next: Option<LegKey>,
    /// Position before the leg's first fill.
    pub(super) first_start: Decimal,
    /// Totals, signalled or not.
    pub(super) size: Decimal,
    pub(super) notional: Decimal,
    /// Block time of the newest fill.
    pub(super) last_ms: u64,
    /// Revisions emitted.
    pub(super) revision: u32,
    /// Whether the last revision was final.
    pub(super) is_final: bool,
    /// What is not yet signalled.
    pub(super) open: Open,
}

/// The part of a leg that is not yet signalled.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Open {
    pub(super) fills: u32,
    pub(super) size: Decimal,
    pub(super) notional: Decimal,
    pub(super) first_ms: u64,
    pub(super) closed_pnl: Decimal,
    pub(super) fee: Decimal,
    pub(super) fee_token: Token,
    pub(super) reason: Option<Reason>,
}

const SUM: &str = "Fill::is_sound bounds a fill so that a million of them add up in 128 bits";

/// Whether `sum` leaves half of the room of 128 bits: as many fills can be added as the promise of [`Fill::is_sound`]
/// speaks of. What a stranger's bytes call a sum must be one, or the next fill would not add up.
pub(super) fn is_sum(sum: Decimal) -> bool {
    /// Digits after the point of a notional, the longest sum.
    const SCALE_MAX: u8 = 20;
    /// Half of the largest 128-bit number, with that many digits after the point.
    const SUM_MAX: Decimal = Decimal::new(i128::MAX / 2 / 10i128.pow(SCALE_MAX as u32), 0);
    sum.scale() <= SCALE_MAX && sum.abs() < SUM_MAX
}

impl Leg {
    pub(super) fn new(kind: LegKind, first_start: Decimal) -> Leg {
        Leg {
            kind,
            next: None,
            first_start,
            size: Decimal::ZERO,
            notional: Decimal::ZERO,
            last_ms: 0,
            revision: 0,
            is_final: false,
            open: Open::default(),
        }
    }

    pub(super) fn add(&mut self, fill: &Fill, part: &Part, reason: Option<Reason>) {
        let open = &mut self.open;
        if open.fills == 0 {
            open.first_ms = fill.time_ms;
            open.fee_token = fill.fee_token;
        }
        open.fills += 1;
        open.size = open.size.checked_add(part.size).expect(SUM);
        open.notional = open.notional.checked_add(part.notional).expect(SUM);
        open.closed_pnl = open.closed_pnl.checked_add(part.closed_pnl).expect(SUM);
        // Fees in two tokens cannot be added: those of the first fill's token are what `fee` says.
        if open.fee_token == fill.fee_token {
            open.fee = open.fee.checked_add(part.fee).expect(SUM);
        }
        open.reason = open.reason.or(reason);
        self.size = self.size.checked_add(part.size).expect(SUM);
        self.notional = self.notional.checked_add(part.notional).expect(SUM);
        self.last_ms = self.last_ms.max(fill.time_ms);
        self.is_final = false;
    }

    /// Size / |start of the first fill|, at most 1, of a closing leg.
    pub(super) fn close_rate(&self) -> Decimal {
        if self.kind.direction != Direction::Close {
            return Decimal::ZERO;
        }
        // With no position to compare with (a spot sale of what the snapshot did not show) all of it is closed.
        let rate = self.open.size.ratio(self.first_start.abs()).unwrap_or(Decimal::ONE);
        rate.min(Decimal::ONE)
    }
}

/// What forced a fill of `account`.
pub(super) fn reason(fill: &Fill, account: &Address) -> Option<Reason> {
    match fill.dir {
        Dir::LiquidatedCrossLong
        | Dir::LiquidatedCrossShort
        | Dir::LiquidatedIsolatedLong
        | Dir::LiquidatedIsolatedShort
        | Dir::BackstopBorrowLiquidation
        | Dir::PartialBorrowLiquidation => Some(Reason::Liquidation),
        Dir::AutoDeleveraging => Some(Reason::AutoDeleveraging),
        Dir::Settlement => Some(Reason::Settlement),
        // The object stands on the counterparty's fill too.
        _ => fill
            .liquidation
            .filter(|liquidation| liquidation.user == *account)
            .map(|_| Reason::Liquidation),
    }
}

/// The legs of a fill: one, or two when it crosses zero, the closing one first.
pub(super) fn parts(fill: &Fill) -> (Part, Option<Part>) {
    let whole = |kind| Part {
        kind,
        size: fill.sz,
        notional: fill.px.checked_mul(fill.sz).expect("Fill::is_sound multiplied them"),
        closed_pnl: fill.closed_pnl,
        fee: fill.fee,
    };
    if let Dir::Other(_) = fill.dir {
        return (whole(other(fill)), None);
    }
    if !fill.is_perp() {
        return (whole(spot(fill.side)), None);
    }
    let start = fill.start_position;
    let grows = start.is_zero() || start.is_negative() == (fill.side == Side::Sell);
    if grows {
        return (whole(opens(fill.side)), None);
    }
    if fill.sz <= start.abs() {
        return (whole(closes(fill.side)), None);
    }
    let (close, open) = split(fill, start.abs());
    (close, Some(open))
}

/// A flip: `closing` of the size closes, the rest opens the other way. The parts add up exactly.
fn split(fill: &Fill, closing: Decimal) -> (Part, Part) {
    const FITS: &str = "a part of a sound fill is sound";
    let opening = fill.sz.checked_sub(closing).expect(FITS);
    // The realised profit is the closing part's; the fee is shared by size.
    let fee_closing = fill
        .fee
        .checked_mul(closing)
        .and_then(|product| product.ratio(fill.sz))
        .map_or(fill.fee, |share| share.truncated(18));
    let fee_opening = fill.fee.checked_sub(fee_closing);
    let (fee_closing, fee_opening) = match fee_opening {
        Some(rest) => (fee_closing, rest),
        None => (fill.fee, Decimal::ZERO),
    };
    let part = |kind, size: Decimal, closed_pnl, fee| Part {
        kind,
        size,
        notional: fill.px.checked_mul(size).expect(FITS),
        closed_pnl,
        fee,
    };
    (
        part(closes(fill.side), closing, fill.closed_pnl, fee_closing),
        part(opens(fill.side), opening, Decimal::ZERO, fee_opening),
    )
}

fn opens(side: Side) -> LegKind {
    let (name, side) = match side {
        Side::Buy => (Dir::OpenLong, PositionSide::Long),
        Side::Sell => (Dir::OpenShort, PositionSide::Short),
    };
    LegKind { name, direction: Direction::Open, side, asset_type: AssetType::Futures }
}

fn closes(side: Side) -> LegKind {
    let (name, side) = match side {
        Side::Buy => (Dir::CloseShort, PositionSide::Short),
        Side::Sell => (Dir::CloseLong, PositionSide::Long),
    };
    LegKind { name, direction: Direction::Close, side, asset_type: AssetType::Futures }
}

fn spot(side: Side) -> LegKind {
    let (name, direction) = match side {
        Side::Buy => (Dir::Buy, Direction::Open),
        Side::Sell => (Dir::Sell, Direction::Close),
    };
    LegKind { name, direction, side: PositionSide::Long, asset_type: AssetType::Spot }
}

fn other(fill: &Fill) -> LegKind {
    LegKind {
        name: fill.dir,
        direction: Direction::Other,
        side: match fill.side {
            Side::Buy => PositionSide::Long,
            Side::Sell => PositionSide::Short,
        },
        asset_type: if fill.is_perp() { AssetType::Futures } else { AssetType::Spot },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fill::Liquidation;
    use crate::fixture::fill;
    use crate::text::Label;

    #[track_caller]
    fn check(fill: &Fill, wanted: &str) {
        let (first, second) = parts(fill);
        let text: Vec<String> = std::iter::once(first)
            .chain(second)
            .map(|p| {
                format!(
                    "{} {} {} {}",
                    p.kind.name.as_str(),
                    p.kind.direction.as_str(),
                    p.kind.side.as_str(),
                    p.size
                )
            })
            .collect();
        assert_eq!(text.join("; "), wanted);
        let sum = |f: fn(&Part) -> Decimal| {
            second.iter().fold(f(&first), |a, p| a.checked_add(f(p)).expect("small"))
        };
        assert_eq!(sum(|p| p.size), fill.sz);
        assert_eq!(Some(sum(|p| p.notional)), fill.px.checked_mul(fill.sz));
        assert_eq!(sum(|p| p.fee), fill.fee);
        assert_eq!(sum(|p| p.closed_pnl), fill.closed_pnl);
    }

    #[test]
    fn direction_comes_from_position_side_and_size() {
        check(&fill("BTC", "B", "2", "10", "0"), "Open Long open LONG 2");
        check(&fill("BTC", "B", "2", "10", "5"), "Open Long open LONG 2");
        check(&fill("BTC", "A", "2", "10", "-5"), "Open Short open SHORT 2");
        check(&fill("BTC", "A", "5", "10", "5"), "Close Long close LONG 5");
        check(&fill("BTC", "B", "2", "10", "-5"), "Close Short close SHORT 2");
        check(&fill("@107", "B", "2", "10", "0"), "Buy open LONG 2");
        check(&fill("PURR/USDC", "A", "2", "10", "9"), "Sell close LONG 2");
    }

    #[test]
    fn a_flip_closes_first_and_adds_up() {
        let flip = Fill {
            fee: "0.1".parse().expect("a decimal"),
            closed_pnl: "7".parse().expect("a decimal"),
            ..fill("BTC", "B", "187.3", "3.7", "-174.9")
        };
        check(&flip, "Close Short close SHORT 174.9; Open Long open LONG 12.4");
        check(&fill("BTC", "A", "3", "7", "1"), "Close Long close LONG 1; Open Short open SHORT 2");
    }

    #[test]
    fn forced_fills_are_the_close_that_they_are() {
        let me = Address([1; 20]);
        for (dir, wanted) in [
            ("Liquidated Cross Long", Some(Reason::Liquidation)),
            ("Auto-Deleveraging", Some(Reason::AutoDeleveraging)),
            ("Settlement", Some(Reason::Settlement)),
            ("Close Long", None),
        ] {
            let forced = Fill { dir: Dir::new(dir), ..fill("BTC", "A", "2", "10", "5") };
            check(&forced, "Close Long close LONG 2");
            assert_eq!(reason(&forced, &me), wanted, "{dir}");
        }
        let mut counterparty = fill("BTC", "A", "2", "10", "5");
        let liquidation = |user| Some(Liquidation { user, method: Token::new("market") });
        counterparty.liquidation = liquidation(Address([2; 20]));
        assert_eq!(reason(&counterparty, &me), None);
        counterparty.liquidation = liquidation(me);
        assert_eq!(reason(&counterparty, &me), Some(Reason::Liquidation));
    }

    #[test]
    fn an_unknown_label_is_a_leg_of_its_own() {
        let odd = Fill {
            dir: Dir::Other(Label::new("Merge Question")),
            ..fill("#12", "A", "2", "10", "5")
        };
        check(&odd, "Merge Question other SHORT 2");
    }
}
