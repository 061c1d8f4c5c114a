//! A small state, byte by byte. These bytes are in snapshots, and the digest is in journals: a change here is a change
//! of format.
//!
//! The hex was written by a second encoder, made from the table in `snapshot.rs`; the digest was taken over from the
//! first run.

use super::state::bytes_of;
use super::*;
use crate::input::Baseline;

const OTHER: Address = Address([9; 20]);

/// What each part of the table is made of.
fn inputs(core: &mut Core) {
    let mut now_ns = 1_000 * SECOND;
    let mut step = |input: &Input<'_>| {
        now_ns += MS;
        core.step(now_ns, input, &mut ());
    };
    step(&Input::Policy(Policy { emit_final: true, ..Policy::default() }));
    step(&Input::Symbols(&[SymbolEntry {
        coin: "BTC".into(),
        symbol: "BTCUSDC".into(),
        asset_type: AssetType::Futures,
        coin_type: b'A',
    }]));
    step(&Input::Watch { address: OTHER, start: StartFrom::Snapshot });
    step(&Input::Unwatch { address: OTHER });
    step(&Input::Watch { address: ME, start: StartFrom::Now });
    let newest = &[nth(8, 0, fill("BTC", "B", "0.5", "100", "0"))];
    let baseline = Baseline {
        newest_ms: 1_000,
        newest,
        chain: &[
            ("BTC".into(), Decimal::new(5, 1)),
            ("ETH".into(), Decimal::ONE),
            ("ETH".into(), Decimal::from(2)),
        ],
        orders: &[(7, Decimal::ONE), (8, Decimal::new(5, 1))],
    };
    step(&Input::Baseline { address: ME, baseline });
    let account_value = Some(Decimal::from(10_000));
    step(&Input::Worth { address: ME, account_value, spot_total: None });
    step(&Input::Statuses(&[
        order_status(9, "canceled", "3", "1"),
        order_status(1, "filled", "3", "0"),
    ]));
    // A flip of order 1, of which more must come; dust; and an order of the baseline, which is signalled by its end.
    let flip = Fill {
        cloid: Some([0xcc; 16]),
        closed_pnl: Decimal::new(-5, 1),
        ..nth(1, 1, fill("BTC", "A", "2", "100", "0.5"))
    };
    let dust = Fill {
        tid: 0,
        dir: Dir::new("Spot Dust Conversion"),
        ..nth(2, 2, fill("@7", "A", "1", "3", "9"))
    };
    let rest = nth(8, 2, fill("BTC", "B", "1", "100", "-1.5"));
    step(&Input::Fills { address: ME, origin: Origin::Live, fills: &[flip, dust, rest] });
    step(&Input::Statuses(&[order_status(8, "filled", "1.5", "0")]));
    // A fill is missing before this one.
    let late = &[nth(2, 9, fill("BTC", "B", "1", "100", "7"))];
    step(&Input::Fills { address: ME, origin: Origin::Live, fills: late });
    step(&Input::Check { digest: 1 });
}

/// Head, names, symbols, waiting, accounts (the other one; ours with its keys), orders and their legs.
const STATE: &str = "02 80d6f0aa8d1d 03 7fb7f5e957ca0be0 03 01 00 00 000180f092cbdd0880a8d6b90780e0a596bb11c0ee6d \
     03 03425443 024037 1453706f74204475737420436f6e76657273696f6e \
     01 03425443 0742544355534443 00 41 \
     02 0980c4fca88d1d80c4fca88d1d010863616e63656c65640400 \
     0180c4fca88d1d80c4fca88d1d010666696c6c65640600 \
     02 \
     0909090909090909090909090909090909090909 02 00 00 00 00 00 00 00 00 00 00 \
     0707070707070707070707070707070707070707 bd e807 ea07 c0938bda8d1d 80bb82a88d1d 01c0d1b3aa8d1d a09c0100 \
     02 03425443 0901 ea07 1d01 01 03455448 0200 00 0200 00 \
     02 03455448 0200 03455448 0400 \
     01 07 0200 \
     01 02 03425443 094f70656e204c6f6e67 0455534443 \
     c80100 0200 0e00 0000 0202 f107 02 d90f \
     04 e807807d00 01ad6d00 01cd0f0302 00807d00 \
     03 \
     01 01 01 06 03425443 0400 c0c8b9a98d1d c0c8b9a98d1d c0c8b9a98d1d c0f08fe3941d \
     cccccccccccccccccccccccccccccccc 010666696c6c65640600 02 \
     0a436c6f7365204c6f6e67 01000000 0a01 0a01 6400 e907 00 01 00 0a01 6400 0901 3204 0455534443 \
     e907 \
     0a4f70656e2053686f7274 00010000 0000 1e01 ac0200 e907 00 01 00 1e01 ac0200 0000 960104 \
     0455534443 e907 \
     01 01 02 00 024037 0200 c0c8b9a98d1d c0c8b9a98d1d c0c8b9a98d1d c0b8ccf4ea25 01 \
     1453706f74204475737420436f6e76657273696f6e 02010100 1200 0200 0600 ea07 00 01 00 0200 0600 \
     0000 0202 0455534443 ea07 \
     01 01 08 05 03425443 1e01 00 80cdf6a98d1d 80cdf6a98d1d 8095a6cab21d 010666696c6c65641e01 01 \
     0b436c6f73652053686f7274 01010001 1d01 0200 c80100 ea07 01 00";

#[test]
fn the_state_of_version_2() {
    let mut core = Core::new();
    inputs(&mut core);
    let hex: String = bytes_of(&core).iter().map(|byte| format!("{byte:02x}")).collect();
    let wanted: String = STATE.split_whitespace().collect();
    assert_eq!(hex, wanted);
    let bytes: Vec<u8> = (0..wanted.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&wanted[at..at + 2], 16).expect("hex"))
        .collect();
    let copy = Core::decode(&bytes).expect("a state of version 2");
    assert_eq!(copy.state_hash(), core.state_hash());
}

#[test]
fn another_version_is_refused_by_its_number() {
    let mut bytes = bytes_of(&Core::new());
    bytes[0] = 1;
    let error = Core::decode(&bytes).err().expect("another version");
    assert_eq!(error.to_string(), "the state has format 1; this program reads format 2");
}
