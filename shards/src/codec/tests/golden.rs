//! One record of each kind, byte by byte. These bytes are in journals: a change here is a change of format.
//!
//! The hex was written by a second encoder, made from the table of the codec's documentation.

use super::*;

/// `wanted` has white space between the fields.
#[track_caller]
fn golden(kind: u16, body: &[u8], wanted: &str) {
    let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, wanted.split_whitespace().collect::<String>(), "kind {kind}");
    assert!(read(kind, body));
}

#[track_caller]
fn golden_input(kind: u16, input: &Input<'_>, wanted: &str) {
    assert_eq!(input_kind(input), kind);
    golden(kind, &input_bytes(input), wanted);
}

#[track_caller]
fn golden_event(kind: u16, event: &Event, wanted: &str) {
    assert_eq!(event_kind(event), kind);
    golden(kind, &event_bytes(event), wanted);
}

const ADDRESS: Address =
    Address([0xa0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
const ADDRESS_HEX: &str = "a00102030405060708090a0b0c0d0e0f10111213";

/// A fill with every optional part.
fn full_fill() -> Fill {
    Fill {
        time_ms: 1_791_280_942_711,
        oid: 566_617_233_807,
        tid: 300,
        cloid: Some([0xcc; 16]),
        liquidation: Some(Liquidation { user: ADDRESS, method: Token::new("market") }),
        closed_pnl: Decimal::new(-5, 1),
        ..fill("BTC", "A", "0.75", "86006", "-1.5")
    }
}

const FULL_FILL: &str = "0f 03425443 0a4f70656e2053686f7274 0455534443 ecbf0a00 960102 1d01 0901 0202 \
     f79ca8859134 8fb393e8be10 ac02 cccccccccccccccccccccccccccccccc \
     a00102030405060708090a0b0c0d0e0f10111213 066d61726b6574";

/// A fill without any, and with a label of its own.
fn plain_fill() -> Fill {
    Fill { dir: Dir::new("Merge Question"), ..fill("@107", "B", "1", "2", "0") }
}

const PLAIN_FILL: &str = "02 0440313037 0e4d65726765205175657374696f6e 0455534443 0400 0200 0000 0000 0202 \
     e807 01 01";

#[test]
fn inputs_of_settings_and_accounts() {
    let address = ADDRESS;
    golden_input(
        1,
        &Input::Policy(Policy { emit_final: true, ..Policy::default() }),
        "00 01 80f092cbdd08 80a8d6b907 80e0a596bb11 c0ee6d",
    );
    let policy = Policy { emit: Emit::Frame, ..Policy::default() };
    let mut body = Vec::new();
    put_policy(&policy, &mut body);
    assert_eq!(body[..2], [1, 0]);
    for (start, wanted) in [(StartFrom::Now, "00"), (StartFrom::Snapshot, "01")] {
        let wanted = format!("{ADDRESS_HEX} {wanted}");
        golden_input(2, &Input::Watch { address, start }, &wanted);
    }
    golden_input(3, &Input::Unwatch { address }, ADDRESS_HEX);
    golden_input(6, &Input::BackfillFailed { address }, ADDRESS_HEX);
    golden_input(10, &Input::Tick, "");
    golden_input(11, &Input::Disconnected { address }, ADDRESS_HEX);
    golden_input(12, &Input::Started, "");
    for (continues, wanted) in [(false, "00"), (true, "01")] {
        let joined = Input::Joined { address, at_ms: 1_791_280_942_711, continues };
        golden_input(14, &joined, &format!("{ADDRESS_HEX} {wanted} f79ca8859134"));
    }
    golden_input(15, &Input::Check { digest: 0x0102_0304_0506_0708 }, "0807060504030201");
}

#[test]
fn inputs_of_fills() {
    let address = ADDRESS;
    let snapshot = |last, reaches| Origin::Snapshot { last, reaches };
    for (origin, wanted) in [
        (Origin::Live, "00"),
        (snapshot(false, false), "01"),
        (snapshot(true, false), "03"),
        (snapshot(false, true), "05"),
        (snapshot(true, true), "07"),
        (Origin::Backfill { last: false }, "08"),
        (Origin::Backfill { last: true }, "0a"),
    ] {
        let wanted = format!("{ADDRESS_HEX} {wanted} 02 {FULL_FILL} {PLAIN_FILL}");
        let fills = &[full_fill(), plain_fill()];
        golden_input(5, &Input::Fills { address, origin, fills }, &wanted);
    }
}

#[test]
fn the_input_of_a_baseline() {
    let baseline = Baseline {
        newest_ms: 1_791_280_942_711,
        newest: &[full_fill()],
        chain: &[(Coin::new("xyz:CL"), Decimal::new(-15, 1))],
        orders: &[(7, Decimal::from(3)), (300, Decimal::new(1, 30))],
    };
    let wanted = format!(
        "{ADDRESS_HEX} f79ca8859134 01 {FULL_FILL} 01 0678797a3a434c 1d01 \
         02 07 0600 ac02 021e"
    );
    golden_input(4, &Input::Baseline { address: ADDRESS, baseline }, &wanted);
}

#[test]
fn inputs_of_statuses_worth_and_symbols() {
    let address = ADDRESS;
    let status = OrderStatus {
        oid: 566_617_233_807,
        status: "filled".into(),
        orig_sz: Decimal::new(15, 1),
        sz: Decimal::ZERO,
        time_ms: 300,
    };
    golden_input(7, &Input::Statuses(&[status]), "01 8fb393e8be10 0666696c6c6564 1e01 0000 ac02");
    let (account_value, spot_total) = (Some(Decimal::from(1000)), Some(Decimal::new(-1, 2)));
    for (account_value, spot_total, wanted) in [
        (None, None, "00"),
        (account_value, None, "01 d00f00"),
        (None, spot_total, "02 0102"),
        (account_value, spot_total, "03 d00f00 0102"),
    ] {
        let wanted = format!("{ADDRESS_HEX} {wanted}");
        golden_input(8, &Input::Worth { address, account_value, spot_total }, &wanted);
    }
    let entry = |coin: &str, symbol: &str, asset_type, coin_type| SymbolEntry {
        coin: coin.into(),
        symbol: symbol.into(),
        asset_type,
        coin_type,
    };
    let entries = [
        entry("BTC", "BTCUSDC", AssetType::Futures, b'A'),
        entry("@107", "HYPEUSDC", AssetType::Spot, b'D'),
    ];
    golden_input(
        9,
        &Input::Symbols(&entries),
        "02 03425443 0742544355534443 00 41 0440313037 084859504555534443 01 44",
    );
}

/// A signal without any optional part.
fn plain_signal() -> Signal {
    Signal {
        address: ADDRESS,
        asset_type: AssetType::Spot,
        coin: "@107".into(),
        symbol: "@107".into(),
        coin_type: b'D',
        direction: Direction::Other,
        side: PositionSide::Long,
        leg: Dir::new("Merge Question"),
        position_rate: None,
        close_rate: Decimal::ZERO,
        size: Decimal::ONE,
        notional: Decimal::from(2),
        price: Decimal::from(2),
        timestamp_ms: 1_000,
        last_fill_ms: 1_000,
        oid: 1,
        cloid: None,
        revision: 1,
        is_final: false,
        status: None,
        trigger: Trigger::Frame,
        fills: 1,
        order_size: Decimal::ONE,
        order_notional: Decimal::from(2),
        partial_history: false,
        reason: None,
        closed_pnl: Decimal::ZERO,
        fee: Decimal::ZERO,
        fee_token: Token::EMPTY,
    }
}

/// A signal with all of them.
fn full_signal() -> Signal {
    Signal {
        address: ADDRESS,
        asset_type: AssetType::Futures,
        coin: "BTC".into(),
        symbol: "BTCUSDC".into(),
        coin_type: b'A',
        direction: Direction::Close,
        side: PositionSide::Short,
        leg: Dir::CloseShort,
        position_rate: Some(Decimal::new(155, 1)),
        close_rate: Decimal::new(25, 2),
        size: Decimal::new(15, 1),
        notional: Decimal::from(129_009),
        price: Decimal::from(86_006),
        timestamp_ms: 1_791_280_942_711,
        last_fill_ms: 1_791_280_942_712,
        oid: 566_617_233_807,
        cloid: Some([0xcc; 16]),
        revision: 2,
        is_final: true,
        status: Some(Label::new("canceled")),
        trigger: Trigger::Timeout,
        fills: 300,
        order_size: Decimal::from(3),
        order_notional: Decimal::from(258_018),
        partial_history: true,
        reason: Some(Reason::Liquidation),
        closed_pnl: Decimal::new(-5, 1),
        fee: Decimal::new(1, 2),
        fee_token: "USDC".into(),
    }
}

#[test]
fn events() {
    golden_event(
        101,
        &Event::Signal(full_signal()),
        "1f a00102030405060708090a0b0c0d0e0f10111213 00 41 01 01 02 01 03425443 \
         0742544355534443 0b436c6f73652053686f7274 0455534443 3202 1e01 e2df0f00 ecbf0a00 \
         0600 c4bf1f00 0901 0202 f79ca8859134 f89ca8859134 8fb393e8be10 02 ac02 \
         cccccccccccccccccccccccccccccccc 0863616e63656c6564 b60201",
    );
    golden_event(
        101,
        &Event::Signal(plain_signal()),
        "00 a00102030405060708090a0b0c0d0e0f10111213 01 44 02 00 03 00 0440313037 \
         0440313037 0e4d65726765205175657374696f6e 00 0000 0200 0400 0400 0200 0400 0000 \
         0000 e807 e807 01 01 01",
    );
    let gap = Gap {
        address: ADDRESS,
        coin: "xyz:CL".into(),
        from_ms: 1_000,
        to_ms: 1_791_280_942_711,
        expected: Decimal::new(-15, 1),
        found: Decimal::ZERO,
    };
    let wanted =
        "a00102030405060708090a0b0c0d0e0f10111213 0678797a3a434c e807 f79ca8859134 1d01 0000";
    golden_event(102, &Event::Gap(gap), wanted);
}

#[test]
fn words_keep_their_bytes() {
    let base = event_bytes(&Event::Signal(plain_signal()));
    // After the flags and the address: asset, coin type, direction, side, trigger, reason.
    let check = |at: usize, byte: u8, signal: Signal| {
        let mut wanted = base.clone();
        wanted[21 + at] = byte;
        assert_eq!(event_bytes(&Event::Signal(signal)), wanted);
    };
    let plain = plain_signal();
    for (byte, asset_type) in [(0, AssetType::Futures), (1, AssetType::Spot)] {
        check(0, byte, Signal { asset_type, ..plain });
    }
    let directions = [(0, Direction::Open), (1, Direction::Close), (2, Direction::Other)];
    directions
        .into_iter()
        .for_each(|(byte, direction)| check(2, byte, Signal { direction, ..plain }));
    let sides = [(0, PositionSide::Long), (1, PositionSide::Short)];
    sides.into_iter().for_each(|(byte, side)| check(3, byte, Signal { side, ..plain }));
    for (byte, trigger) in
        [(0, Trigger::Status), (1, Trigger::Grace), (2, Trigger::Timeout), (3, Trigger::Frame)]
    {
        check(4, byte, Signal { trigger, ..plain });
    }
    for (byte, reason) in [
        (0, None),
        (1, Some(Reason::Liquidation)),
        (2, Some(Reason::AutoDeleveraging)),
        (3, Some(Reason::Settlement)),
    ] {
        check(5, byte, Signal { reason, ..plain });
    }
}
