//! The prototype gives the digests of the book on every flow.

use crate::digests::Digests;
use crate::flow::Flow;
use crate::flow::draw::Draw;
use book::{Command, Lots, NewOrder, OrderId, Side, Ticks, TimeInForce, User};

/// Every kind of order and command, few ids and users, prices within `spread` ticks of a middle that
/// jumps as far as `jump` now and then.
fn any(commands: usize, spread: u64, jump: u64, seed: u64) -> Flow {
    let mut draw = Draw::new(seed);
    let mut middle = 1 << 30;
    let mut flow = Flow { name: "any", seed, prefill: vec![], commands: vec![], orders_max: 500 };
    for _ in 0..commands {
        if draw.per_mille(2) {
            middle += draw.below(2 * jump + 1) as i64 - jump as i64;
        }
        let id = OrderId(draw.below(500).wrapping_mul(0x1_0000_0001));
        let price = Ticks(middle + draw.below(2 * spread) as i64 - spread as i64);
        let (qty, user) = (Lots(1 + draw.below(50)), User(draw.below(5) as u32));
        let side = Side::BOTH[draw.below(2) as usize];
        flow.commands.push(match draw.below(100) {
            0..3 => Command::New(NewOrder::market(id, user, side, qty)),
            3..5 => Command::New(NewOrder::market(id, user, side, qty).with_tif(TimeInForce::Fok)),
            5..60 => {
                let tifs =
                    [TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok, TimeInForce::Post];
                let tif = tifs[draw.below(6).min(3) as usize % 4];
                let tif = if draw.per_mille(600) { TimeInForce::Gtc } else { tif };
                Command::New(NewOrder::limit(id, user, side, price, qty).with_tif(tif))
            }
            60..80 => Command::Cancel { id },
            80..88 => Command::Reduce { id, by: qty },
            88..99 => Command::Replace { id, price, qty, self_trade: None },
            _ => {
                let side = draw.per_mille(500).then_some(side);
                Command::MassCancel { user, side }
            }
        });
    }
    flow
}

#[test]
fn every_kind_of_command_does_what_it_does_in_the_book() {
    for (spread, jump) in [(5, 20), (300, 500), (3000, 5000), (50_000, 1_000_000)] {
        for seed in 0..8 {
            let flow = any(20_000, spread, jump, seed);
            let digests = Digests::of_book(&flow);
            assert_eq!(digests, Digests::of_bare(&flow), "spread {spread}, seed {seed}");
            assert!(digests.trades > 500, "{digests:?}");
        }
    }
}
