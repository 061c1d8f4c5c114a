//! What an account holds, worked out from its fills: for `clearinghouseState` and its relatives.
//!
//! These figures are for show: a monitor uses them for rates, never for sums. Where an exact result
//! would not fit, zero is shown.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shards::fill::is_perp;
use shards::{Decimal, Fill, Side};

use super::coins::{base_token, dex_of, dexes};
use super::tape::wire;

/// What each account begins with, in the perpetuals' account and again in spot.
const CASH: Decimal = Decimal::new(1_000_000, 0);
/// Everything is held at this leverage.
const LEVERAGE: u32 = 20;

#[derive(Clone, Copy, Default, Debug)]
struct Holding {
    size: Decimal,
    entry_px: Decimal,
    mark_px: Decimal,
}

/// Positions by coin, spot balances by coin, and what trading has brought.
#[derive(Default, Debug)]
pub(crate) struct Holdings {
    perps: BTreeMap<String, Holding>,
    spots: BTreeMap<String, Holding>,
    perp_gain: Decimal,
    spot_gain: Decimal,
}

fn plus(a: Decimal, b: Decimal) -> Decimal {
    a.checked_add(b).unwrap_or(Decimal::ZERO)
}

fn times(a: Decimal, b: Decimal) -> Decimal {
    a.checked_mul(b).unwrap_or(Decimal::ZERO)
}

impl Holdings {
    /// Takes in a fill.
    pub(crate) fn apply(&mut self, fill: &Fill) {
        let end = fill.end_position().unwrap_or(Decimal::ZERO);
        let perp = is_perp(fill.coin.as_str());
        let map = if perp { &mut self.perps } else { &mut self.spots };
        let holding = map.entry(fill.coin.as_str().to_owned()).or_default();
        let start = fill.start_position;
        let grows = end.abs() > start.abs() && start.is_negative() == end.is_negative();
        if grows && !start.is_zero() && !holding.entry_px.is_zero() {
            let paid = times(start.abs(), holding.entry_px);
            let paid = plus(paid, times(fill.sz, fill.px));
            holding.entry_px = paid.ratio(end.abs()).unwrap_or(fill.px);
        } else if grows || start.is_negative() != end.is_negative() || holding.entry_px.is_zero() {
            holding.entry_px = fill.px;
        }
        holding.mark_px = fill.px;
        holding.size = end;
        let paid_in_cash = fill.fee_token.as_str() == "USDC";
        let fee = if paid_in_cash { fill.fee.neg() } else { Decimal::ZERO };
        if perp {
            self.perp_gain = plus(self.perp_gain, plus(fill.closed_pnl, fee));
        } else {
            if !paid_in_cash && fill.side == Side::Buy {
                holding.size = plus(end, fill.fee.neg());
            }
            let cost = fill.side.signed(times(fill.sz, fill.px));
            self.spot_gain = plus(self.spot_gain, plus(cost.neg(), fee));
        }
    }

    /// `clearinghouseState` of one dex.
    pub(crate) fn clearinghouse(&self, dex: &str, time_ms: u64) -> Value {
        let mut notional = Decimal::ZERO;
        let mut unrealized = Decimal::ZERO;
        let mut signed = Decimal::ZERO;
        let mut positions = Vec::new();
        let held = self.perps.iter().filter(|(coin, h)| dex_of(coin) == dex && !h.size.is_zero());
        for (coin, h) in held {
            let value = times(h.size.abs(), h.mark_px);
            let moved = plus(h.mark_px, h.entry_px.neg());
            let pnl = times(h.size, moved);
            notional = plus(notional, value);
            unrealized = plus(unrealized, pnl);
            signed = plus(signed, times(h.size, h.mark_px));
            positions.push(position(coin, h, value, pnl));
        }
        let own = dex.is_empty();
        let gain = plus(self.perp_gain, unrealized);
        let account = if own { plus(CASH, gain) } else { Decimal::ZERO };
        let used = margin(notional);
        let summary = json!({
            "accountValue": wire(account), "totalNtlPos": wire(notional),
            "totalRawUsd": wire(plus(account, signed.neg())), "totalMarginUsed": wire(used),
        });
        json!({
            "marginSummary": summary, "crossMarginSummary": summary,
            "crossMaintenanceMarginUsed": wire(margin(used)),
            "withdrawable": wire(plus(account, used.neg())),
            "assetPositions": positions, "time": time_ms,
        })
    }

    /// The list inside `allDexsClearinghouseState`.
    pub(crate) fn all_clearinghouses(&self, time_ms: u64) -> Value {
        dexes().map(|dex| json!([dex, self.clearinghouse(dex, time_ms)])).collect()
    }

    /// `spotClearinghouseState`.
    pub(crate) fn spot(&self) -> Value {
        let cash = wire(plus(CASH, self.spot_gain));
        let mut balances = vec![
            json!({"coin": "USDC", "token": 0, "total": cash, "hold": "0.0", "entryNtl": "0.0"}),
        ];
        for (coin, h) in self.spots.iter().filter(|(_, h)| !h.size.is_zero()) {
            let (token, number) = base_token(coin).unwrap_or((coin, 0));
            balances.push(json!({
                "coin": token, "token": number, "total": wire(h.size), "hold": "0.0",
                "entryNtl": wire(times(h.size, h.entry_px)),
            }));
        }
        json!({"balances": balances})
    }
}

/// A twentieth.
fn margin(value: Decimal) -> Decimal {
    times(value, Decimal::new(5, 2))
}

fn position(coin: &str, h: &Holding, value: Decimal, pnl: Decimal) -> Value {
    let equity = pnl.ratio(margin(value)).unwrap_or(Decimal::ZERO);
    json!({
        "type": "oneWay",
        "position": {
            "coin": coin, "szi": wire(h.size),
            "leverage": {"type": "cross", "value": LEVERAGE},
            "entryPx": wire(h.entry_px), "positionValue": wire(value),
            "unrealizedPnl": wire(pnl), "returnOnEquity": wire(equity),
            "liquidationPx": null, "marginUsed": wire(margin(value)), "maxLeverage": LEVERAGE,
            "cumFunding": {"allTime": "0.0", "sinceOpen": "0.0", "sinceChange": "0.0"},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shards::Dir;

    fn dec(text: &str) -> Decimal {
        text.parse().expect("a decimal in a test")
    }

    fn fill(coin: &str, side: Side, start: &str, sz: &str, px: &str) -> Fill {
        Fill {
            coin: coin.into(),
            px: dec(px),
            sz: dec(sz),
            side,
            time_ms: 1,
            start_position: dec(start),
            dir: Dir::Buy,
            closed_pnl: Decimal::ZERO,
            oid: 7,
            crossed: true,
            fee: dec("0.5"),
            fee_token: "USDC".into(),
            tid: 1,
            cloid: None,
            liquidation: None,
        }
    }

    #[test]
    fn positions_have_their_average_entry_and_their_dex() {
        let mut holdings = Holdings::default();
        holdings.apply(&fill("SOL", Side::Buy, "0", "1", "100"));
        holdings.apply(&fill("SOL", Side::Buy, "1", "1", "110"));
        holdings.apply(&fill("xyz:CL", Side::Sell, "0", "2", "60"));
        let state = holdings.clearinghouse("", 5);
        let positions = state["assetPositions"].as_array().expect("an array");
        assert_eq!(positions.len(), 1);
        let position = &positions[0]["position"];
        assert_eq!((&position["szi"], &position["entryPx"]), (&json!("2.0"), &json!("105.0")));
        assert_eq!(position["unrealizedPnl"], "10.0");
        assert_eq!(state["marginSummary"]["accountValue"], "1000008.5");
        assert_eq!(state["marginSummary"]["totalNtlPos"], "220.0");
        // Shrinking keeps the entry, a flip begins anew, nothing left shows nothing.
        holdings.apply(&fill("SOL", Side::Sell, "2", "1", "120"));
        let entry = |h: &Holdings| {
            h.clearinghouse("", 5)["assetPositions"][0]["position"]["entryPx"].clone()
        };
        assert_eq!(entry(&holdings), "105.0");
        holdings.apply(&fill("SOL", Side::Sell, "1", "3", "90"));
        assert_eq!(entry(&holdings), "90.0");
        holdings.apply(&fill("SOL", Side::Buy, "-2", "2", "90"));
        assert!(entry(&holdings).is_null());
        let all = holdings.all_clearinghouses(5);
        assert_eq!((&all[0][0], &all[1][0]), (&json!(""), &json!("xyz")));
        assert_eq!(all[1][1]["assetPositions"][0]["position"]["szi"], "-2.0");
    }

    #[test]
    fn spot_balances_pay_their_fees() {
        let mut holdings = Holdings::default();
        let fee = Fill {
            fee: dec("0.01"),
            fee_token: "HYPE".into(),
            ..fill("@107", Side::Buy, "0", "2", "40")
        };
        holdings.apply(&fee);
        let spot = holdings.spot();
        assert_eq!(spot["balances"][0]["total"], "999920.0");
        let hype = &spot["balances"][1];
        assert_eq!((&hype["coin"], &hype["total"]), (&json!("HYPE"), &json!("1.99")));
        assert_eq!(hype["token"], 150);
    }
}
