//! The journal's bytes: frozen, one form for each record, and safe to read whatever they are.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::address::Address;
use crate::event::{Gap, Signal};
use crate::fill::{Dir, Liquidation, Side};
use crate::fixture::fill;
use crate::input::{Baseline, FILLS_PER_INPUT_MAX, Origin, Policy};
use crate::text::{Label, Text, Token};

/// Kinds of records that there are, and some that there are not.
const KINDS: [u16; 20] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 101, 102, 103];

/// What inputs borrow, owned.
#[derive(Debug)]
struct Owned {
    address: Address,
    time: u64,
    fills: Vec<Fill>,
    statuses: Vec<OrderStatus>,
    symbols: Vec<SymbolEntry>,
    chain: Vec<(Coin, Decimal)>,
    orders: Vec<(u64, Decimal)>,
    policy: Policy,
    worth: (Option<Decimal>, Option<Decimal>),
    flags: (bool, bool),
}

impl Owned {
    /// One input of each kind, and each origin of fills.
    fn inputs(&self) -> Vec<Input<'_>> {
        let (address, fills) = (self.address, &self.fills[..]);
        let (last, reaches) = self.flags;
        let start = if last { StartFrom::Snapshot } else { StartFrom::Now };
        let (account_value, spot_total) = self.worth;
        let baseline = Baseline {
            newest_ms: self.time,
            newest: fills,
            chain: &self.chain,
            orders: &self.orders,
        };
        vec![
            Input::Policy(self.policy),
            Input::Watch { address, start },
            Input::Unwatch { address },
            Input::Baseline { address, baseline },
            Input::Fills { address, origin: Origin::Live, fills },
            Input::Fills { address, origin: Origin::Snapshot { last, reaches }, fills },
            Input::Fills { address, origin: Origin::Backfill { last }, fills },
            Input::BackfillFailed { address },
            Input::Statuses(&self.statuses),
            Input::Worth { address, account_value, spot_total },
            Input::Symbols(&self.symbols),
            Input::Tick,
            Input::Disconnected { address },
            Input::Started,
            Input::Check { digest: self.time },
            Input::Joined { address, at_ms: self.time, continues: last },
        ]
    }
}

fn decimals() -> impl Strategy<Value = Decimal> {
    let mantissa = prop_oneof![any::<i64>().prop_map(i128::from), -i128::MAX..=i128::MAX];
    (mantissa, 0..=crate::decimal::SCALE_MAX).prop_map(|(m, scale)| Decimal::new(m, scale))
}

fn texts<const N: usize>() -> impl Strategy<Value = Text<N>> {
    vec(any::<char>(), 0..=N).prop_map(|chars| Text::new(&chars.into_iter().collect::<String>()))
}

fn dirs() -> impl Strategy<Value = Dir> {
    let known = proptest::sample::select(vec!["Open Long", "Long > Short", "Buy", "Settlement"]);
    prop_oneof![known.prop_map(Dir::new), texts::<47>().prop_map(|text| Dir::new(text.as_str()))]
}

fn addresses() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address)
}

fn fills() -> impl Strategy<Value = Fill> {
    let liquidation = option::of((addresses(), texts::<15>()));
    let numbers = [(); 5].map(|()| decimals());
    (
        (texts::<31>(), dirs(), texts::<15>(), any::<[u64; 3]>()),
        (numbers, any::<[bool; 2]>(), option::of(any::<[u8; 16]>()), liquidation),
    )
        .prop_map(|((coin, dir, fee_token, ids), (numbers, flags, cloid, liquidation))| {
            let [px, sz, start_position, closed_pnl, fee] = numbers;
            Fill {
                coin,
                px,
                sz,
                side: if flags[0] { Side::Buy } else { Side::Sell },
                time_ms: ids[0],
                start_position,
                dir,
                closed_pnl,
                oid: ids[1],
                crossed: flags[1],
                fee,
                fee_token,
                tid: ids[2],
                cloid,
                liquidation: liquidation.map(|(user, method)| Liquidation { user, method }),
            }
        })
}

fn statuses() -> impl Strategy<Value = OrderStatus> {
    (any::<[u64; 2]>(), texts::<47>(), decimals(), decimals()).prop_map(
        |([oid, time_ms], status, orig_sz, sz)| OrderStatus { oid, status, orig_sz, sz, time_ms },
    )
}

fn symbols() -> impl Strategy<Value = SymbolEntry> {
    (texts::<31>(), texts::<47>(), any::<bool>(), any::<u8>()).prop_map(
        |(coin, symbol, spot, coin_type)| SymbolEntry {
            coin,
            symbol,
            asset_type: if spot { AssetType::Spot } else { AssetType::Futures },
            coin_type,
        },
    )
}

fn policies() -> impl Strategy<Value = Policy> {
    (any::<[bool; 2]>(), any::<[u64; 4]>()).prop_map(|([frame, emit_final], times)| Policy {
        emit: if frame { Emit::Frame } else { Emit::Order },
        emit_final,
        timeout_ns: times[0],
        status_grace_ns: times[1],
        status_ttl_ns: times[2],
        dedup_window_ms: times[3],
    })
}

fn owned() -> impl Strategy<Value = Owned> {
    (
        (addresses(), any::<u64>(), vec(fills(), 0..4), vec(statuses(), 0..4)),
        (vec(symbols(), 0..4), vec((texts::<31>(), decimals()), 0..4)),
        (vec((any::<u64>(), decimals()), 0..4), policies(), any::<(bool, bool)>()),
        (option::of(decimals()), option::of(decimals())),
    )
        .prop_map(|(first, (symbols, chain), (orders, policy, flags), worth)| {
            let (address, time, fills, statuses) = first;
            Owned { address, time, fills, statuses, symbols, chain, orders, policy, worth, flags }
        })
}

fn signals() -> impl Strategy<Value = Signal> {
    let numbers = [(); 8].map(|()| decimals());
    let words = (0..2usize, 0..3usize, 0..2usize, 0..4usize, 0..4usize);
    let options =
        (option::of(any::<[u8; 16]>()), option::of(texts::<47>()), option::of(decimals()));
    (
        (addresses(), texts::<31>(), texts::<47>(), dirs(), texts::<15>(), any::<u8>()),
        (numbers, any::<[u64; 3]>(), any::<[u32; 2]>(), any::<[bool; 2]>()),
        words,
        options,
    )
        .prop_map(|(names, (numbers, times, counts, flags), words, options)| {
            let (address, coin, symbol, leg, fee_token, coin_type) = names;
            let (asset, direction, side, trigger, reason) = words;
            let (cloid, status, position_rate) = options;
            let [close_rate, size, notional, price, order_size, order_notional, closed_pnl, fee] =
                numbers;
            Signal {
                address,
                asset_type: ASSETS[asset],
                coin,
                symbol,
                coin_type,
                direction: DIRECTIONS[direction],
                side: SIDES[side],
                leg,
                position_rate,
                close_rate,
                size,
                notional,
                price,
                timestamp_ms: times[0],
                last_fill_ms: times[1],
                oid: times[2],
                cloid,
                revision: counts[0],
                is_final: flags[0],
                status,
                trigger: TRIGGERS[trigger],
                fills: counts[1],
                order_size,
                order_notional,
                partial_history: flags[1],
                reason: REASONS[reason],
                closed_pnl,
                fee,
                fee_token,
            }
        })
}

fn events() -> impl Strategy<Value = Event> {
    let gap = (addresses(), texts::<31>(), any::<[u64; 2]>(), decimals(), decimals()).prop_map(
        |(address, coin, [from_ms, to_ms], expected, found)| {
            Event::Gap(Gap { address, coin, from_ms, to_ms, expected, found })
        },
    );
    prop_oneof![signals().prop_map(Event::Signal), gap]
}

fn input_bytes(input: &Input<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    encode_input(input, &mut body);
    body
}

fn event_bytes(event: &Event) -> Vec<u8> {
    let mut body = Vec::new();
    encode_event(event, &mut body);
    body
}

/// Reads `body` as `kind`: it must not panic, not take room that its size does not explain, and what it accepts must
/// be the one form of that record.
fn read(kind: u16, body: &[u8]) -> bool {
    let mut scratch = Scratch::default();
    let read = match decode_input(kind, body, &mut scratch) {
        Ok(input) => {
            assert_eq!((input_kind(&input), input_bytes(&input)), (kind, body.to_vec()));
            true
        }
        Err(_) => false,
    };
    // The shortest fill has 17 bytes, a status 7, a symbol 4, a position 3, an order 3; vectors double.
    let rooms = [
        (scratch.fills.capacity(), 17),
        (scratch.statuses.capacity(), 7),
        (scratch.symbols.capacity(), 4),
        (scratch.chain.capacity(), 3),
        (scratch.orders.capacity(), 3),
    ];
    for (room, item_bytes) in rooms {
        assert!(room <= 2 * (body.len() / item_bytes).max(4), "{room} for {} bytes", body.len());
    }
    match decode_event(kind, body) {
        Ok(event) => {
            assert_eq!((event_kind(&event), event_bytes(&event)), (kind, body.to_vec()));
            true
        }
        Err(_) => read,
    }
}

proptest! {
    #[test]
    fn every_input_round_trips(owned in owned()) {
        let mut scratch = Scratch::default();
        for input in owned.inputs() {
            let body = input_bytes(&input);
            prop_assert_eq!(decode_input(input_kind(&input), &body, &mut scratch), Ok(input));
        }
    }

    #[test]
    fn every_event_round_trips(event in events()) {
        let body = event_bytes(&event);
        prop_assert_eq!(decode_event(event_kind(&event), &body), Ok(event));
    }

    #[test]
    fn what_is_cut_or_continued_is_refused(owned in owned(), event in events()) {
        let mut records: Vec<(u16, Vec<u8>)> =
            owned.inputs().iter().map(|input| (input_kind(input), input_bytes(input))).collect();
        records.push((event_kind(&event), event_bytes(&event)));
        for (kind, mut body) in records {
            for len in 0..body.len() {
                prop_assert!(!read(kind, &body[..len]), "kind {} cut at {}", kind, len);
            }
            body.push(0);
            prop_assert!(!read(kind, &body), "kind {} with a byte more", kind);
        }
    }

    #[test]
    fn what_is_changed_is_refused_or_the_one_form_of_something_else(
        owned in owned(),
        event in events(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut records: Vec<(u16, Vec<u8>)> =
            owned.inputs().iter().map(|input| (input_kind(input), input_bytes(input))).collect();
        records.push((event_kind(&event), event_bytes(&event)));
        for (_, body) in &mut records {
            for (at, byte) in changes.iter().filter(|_| !body.is_empty()).collect::<Vec<_>>() {
                let at = at.index(body.len());
                body[at] = *byte;
            }
            KINDS.iter().for_each(|&kind| { read(kind, body); });
        }
    }

    #[test]
    fn noise_is_read_without_harm(body in vec(any::<u8>(), 0..300)) {
        KINDS.iter().for_each(|&kind| { read(kind, &body); });
    }
}

#[test]
fn a_count_that_lies_costs_nothing() {
    let owner = [7; 20];
    // 2^60 items are claimed; a few bytes follow.
    let mut count = Vec::new();
    put_varint(1 << 60, &mut count);
    let with = |head: &[u8]| [head, &count, &[0; 40]].concat();
    let fills = [&owner[..], &[0]].concat();
    let baseline = [&owner[..], &[0]].concat();
    let chain = [&owner[..], &[0, 0]].concat();
    let orders = [&owner[..], &[0, 0, 0]].concat();
    for (kind, head) in
        [(5, &fills[..]), (4, &baseline), (4, &chain), (4, &orders), (7, &[][..]), (9, &[])]
    {
        assert!(!read(kind, &with(head)), "kind {kind}");
    }
}

#[track_caller]
fn refused(kind: u16, body: &[u8], wanted: &str) {
    let mut scratch = Scratch::default();
    let error = match kind {
        101.. => decode_event(kind, body).expect_err("not a record"),
        _ => decode_input(kind, body, &mut scratch).expect_err("not a record"),
    };
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn what_no_writer_makes_is_refused_by_name() {
    refused(13, &[0; 8], "record kind 13 is not known");
    refused(16, &[], "record kind 16 is not known");
    refused(103, &[], "record kind 103 is not known");
    refused(3, &[1; 19], "the record ends early, at byte 0");
    refused(10, &[0], "byte 0 of the record is not a valid end of the record");
    refused(2, &[2; 21], "byte 20 of the record is not a valid start");
    refused(1, &[2], "byte 0 of the record is not a valid emit mode");
    refused(1, &[0, 2], "byte 1 of the record is not a valid emit_final");
    refused(14, &[2; 22], "byte 20 of the record is not a valid continues");
    refused(8, &[4; 21], "byte 20 of the record is not a valid presence");
    refused(5, &[16; 22], "byte 20 of the record is not a valid origin");
    refused(
        5,
        &[&[0; 21][..], &[1, 16]].concat(),
        "byte 22 of the record is not a valid fill flags",
    );
    refused(101, &[32], "byte 0 of the record is not a valid signal flags");
    // A status of order 1: 48 bytes of text, no UTF-8, a scale of 31, an unreduced decimal.
    refused(7, &[1, 1, 48], "byte 2 of the record is not a valid text length");
    refused(7, &[1, 1, 1, 0xff], "byte 3 of the record is not a valid UTF-8 text");
    refused(7, &[1, 1, 0, 2, 31], "byte 4 of the record is not a valid scale");
    let unreduced = "byte 4 of the record is not a valid decimal without trailing zeros";
    refused(7, &[1, 1, 0, 20, 1], unreduced);
    refused(7, &[1, 1, 0, 0, 1], unreduced);
    // Numbers: too long, beyond 64 bits, with a padding byte.
    refused(7, &[&[1][..], &[0xff; 19]].concat(), "byte 19 of the record is not a valid number");
    refused(
        7,
        &[&[1][..], &[0xff; 9], &[2]].concat(),
        "byte 10 of the record is not a valid 64-bit number",
    );
    refused(7, &[0x80, 0], "byte 1 of the record is not a valid number");
}

#[test]
fn more_fills_than_the_state_machine_takes_are_refused() {
    let address = Address([1; 20]);
    for (count, accepted) in [(FILLS_PER_INPUT_MAX, true), (FILLS_PER_INPUT_MAX + 1, false)] {
        let fills = vec![fill("BTC", "B", "1", "1", "0"); count];
        let body = input_bytes(&Input::Fills { address, origin: Origin::Live, fills: &fills });
        assert_eq!(read(5, &body), accepted, "{count}");
    }
}

mod golden;
