//! Random histories through random faults: whatever is dropped, repeated, swapped or cut, each fill is taken once
//! and each leg's signals add up.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// One trader's history: fills of a few orders on two perpetuals and a spot coin, in the order they happened.
fn history(steps: &[(u8, u8, bool, u8)]) -> Vec<Fill> {
    let mut position: BTreeMap<&str, i64> = BTreeMap::new();
    let mut fills = Vec::new();
    for (n, (coin, order, is_buy, lots)) in steps.iter().enumerate() {
        let coin = ["BTC", "xyz:CL", "@7"][usize::from(coin % 3)];
        let lots = i64::from(lots % 9 + 1);
        let start = position.entry(coin).or_default();
        let side = if *is_buy { "B" } else { "A" };
        let base = fill(coin, side, &lots.to_string(), "3.5", &start.to_string());
        *start += if *is_buy { lots } else { -lots };
        // Several fills share a millisecond.
        let time_ms = 1_000 + n as u64 / 3;
        let oid = 10 + u64::from(order % 6) * 3 + u64::from(coin.len() as u8 % 3);
        fills.push(Fill { oid, tid: n as u64 + 1, time_ms, ..base });
    }
    fills
}

fn lots(fill: &Fill) -> Decimal {
    fill.sz
}

/// Sums by (oid, leg).
fn truth(fills: &[Fill]) -> BTreeMap<(u64, String), (Decimal, Decimal)> {
    let mut sums: BTreeMap<(u64, String), (Decimal, Decimal)> = BTreeMap::new();
    for f in fills {
        let start = f.start_position;
        let buys = f.side == Side::Buy;
        let against = !start.is_zero() && (start.is_negative() == buys);
        let closing = if against { f.sz.min(start.abs()) } else { Decimal::ZERO };
        let opening = f.sz.checked_sub(closing).expect("small");
        let names = match (f.is_perp(), buys) {
            (true, true) => ["Close Short", "Open Long"],
            (true, false) => ["Close Long", "Open Short"],
            (false, true) => ["Buy", "Buy"],
            (false, false) => ["Sell", "Sell"],
        };
        for (name, part) in names.iter().zip([closing, opening]) {
            if !part.is_zero() {
                let sum = sums.entry((f.oid, (*name).to_owned())).or_default();
                sum.0 = sum.0.checked_add(part).expect("small");
                sum.1 = sum.1.checked_add(part.checked_mul(f.px).expect("small")).expect("small");
            }
        }
    }
    sums
}

use crate::fill::Side;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("CORELANE_FAULT_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(400)
    ))]

    #[test]
    fn every_fill_is_signalled_once_through_any_faults(
        steps in proptest::collection::vec((any::<u8>(), any::<u8>(), any::<bool>(), any::<u8>()), 1..60),
        frames in proptest::collection::vec((1usize..6, 0u8..12), 60),
        baseline in 0usize..20,
        frame_mode: bool,
    ) {
        // Also of coins that are new in the middle of it, whose first millisecond may arrive in any order.
        let fills = history(&steps);
        let baseline = baseline.min(fills.len());
        // A baseline cut inside a millisecond is told by keys.
        let emit = if frame_mode { Emit::Frame } else { Emit::Order };
        let mut bed = Bed::new(Policy { emit, ..Policy::default() });
        bed.step(&Input::Watch { address: ME, start: StartFrom::Now });
        bed.snapshot(&fills[..baseline]);
        let mut at = baseline;
        let mut connected = true;
        for (size, fault) in frames {
            if at == fills.len() {
                break;
            }
            let end = fills.len().min(at + size);
            let frame = &fills[at..end];
            at = end;
            bed.wait(MS);
            match fault {
                0 => {
                    bed.live(frame);
                    bed.live(frame);
                }
                1 => {
                    let mut turned = frame.to_vec();
                    turned.reverse();
                    bed.live(&turned);
                }
                // The connection is lost with this frame; the next snapshot may be cut short.
                2 | 3 => {
                    bed.step(&Input::Disconnected { address: ME });
                    connected = false;
                }
                _ if !connected => {
                    connected = true;
                    let from = if fault % 2 == 0 { 0 } else { at.saturating_sub(3) };
                    bed.snapshot(&fills[from..at]);
                }
                _ => {
                    bed.live(frame);
                }
            }
            answer(&mut bed, &fills[..at]);
        }
        bed.step(&Input::Disconnected { address: ME });
        bed.snapshot(&fills);
        bed.wait(SECOND);
        answer(&mut bed, &fills);
        bed.wait(400 * SECOND);
        prop_assert_eq!(bed.core.counts().fills as usize, fills.len() - baseline);
        prop_assert_eq!(&bed.gaps, &[]);
        let mut sums: BTreeMap<(u64, String), (Decimal, Decimal)> = BTreeMap::new();
        let mut revisions: BTreeMap<(u64, String), u32> = BTreeMap::new();
        for signal in &bed.signals {
            let key = (signal.oid, signal.leg.as_str().to_owned());
            let revision = revisions.entry(key.clone()).or_default();
            *revision += 1;
            prop_assert_eq!(signal.revision, *revision);
            let sum = sums.entry(key).or_default();
            sum.0 = sum.0.checked_add(signal.size).expect("small");
            sum.1 = sum.1.checked_add(signal.notional).expect("small");
            prop_assert_eq!((signal.order_size, signal.order_notional), *sum);
        }
        prop_assert_eq!(sums, truth(&fills[baseline..]));
        let total = fills.iter().map(lots).fold(Decimal::ZERO, |a, b| a.checked_add(b).expect("small"));
        prop_assert!(!total.is_zero());
    }
}

/// The REST interface answers what was asked.
fn answer(bed: &mut Bed, happened: &[Fill]) {
    for request in std::mem::take(&mut bed.requests) {
        let Request::Backfill { from_ms, .. } = request;
        let page: Vec<Fill> =
            happened.iter().filter(|fill| fill.time_ms >= from_ms).copied().collect();
        bed.backfill(&page);
    }
}
