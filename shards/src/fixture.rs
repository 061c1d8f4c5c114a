//! Fills for tests, from text.

use crate::decimal::Decimal;
use crate::fill::{Dir, Fill, Side};
use crate::text::{Coin, Token};

fn dec(text: &str) -> Decimal {
    text.parse().expect("a decimal in a test")
}

/// A fill of order 1 at time 1000 with trade id 1; the label is derived from side and start for perpetuals.
pub(crate) fn fill(coin: &str, side: &str, sz: &str, px: &str, start: &str) -> Fill {
    let side = if side == "B" { Side::Buy } else { Side::Sell };
    let start_position = dec(start);
    let dir = match (crate::fill::is_perp(coin), side, start_position.is_negative()) {
        (false, Side::Buy, _) => Dir::Buy,
        (false, Side::Sell, _) => Dir::Sell,
        (true, Side::Buy, false) => Dir::OpenLong,
        (true, Side::Buy, true) => Dir::CloseShort,
        (true, Side::Sell, true) => Dir::OpenShort,
        (true, Side::Sell, false) if start_position.is_zero() => Dir::OpenShort,
        (true, Side::Sell, false) => Dir::CloseLong,
    };
    Fill {
        coin: Coin::new(coin),
        px: dec(px),
        sz: dec(sz),
        side,
        time_ms: 1000,
        start_position,
        dir,
        closed_pnl: Decimal::ZERO,
        oid: 1,
        crossed: true,
        fee: dec("0.01"),
        fee_token: Token::new("USDC"),
        tid: 1,
        cloid: None,
        liquidation: None,
    }
}
