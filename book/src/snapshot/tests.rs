//! Books and their bytes.

use super::*;
use crate::command::Command;

/// A book with something in every group: resting orders, icebergs, expiries, stops of all kinds, and
/// market orders that wait.
fn full() -> Book {
    let mut book = Book::new(BookConfig { self_trade: SelfTrade::Decrement, ..Default::default() });
    let limit = |id: u64, side, price, lots| {
        NewOrder::limit(OrderId(id), User(id as u32 % 3), side, Ticks(price), Lots(lots))
    };
    let terms = |display: u64, stop: i64, expires: u64| Terms {
        display: (display > 0).then_some(Lots(display)),
        stop: (stop > 0).then_some(Ticks(stop)),
        expires: (expires > 0).then_some(Time(expires)),
    };
    let market = NewOrder::market(OrderId(20), User(1), Side::Buy, Lots(3));
    let commands = [
        Command::New(limit(1, Side::Sell, 105, 4)),
        Command::New(limit(2, Side::Buy, 105, 1)),
        Command::New(limit(3, Side::Buy, 100, 7)),
        Command::New(limit(u64::MAX, Side::Buy, 100, 8)),
        Command::New(limit(5, Side::Buy, 1, 9)),
        Command::NewWith(limit(6, Side::Sell, 106, 50), terms(4, 0, 0)),
        Command::NewWith(limit(7, Side::Sell, 106, 5), terms(9, 0, 77)),
        Command::NewWith(limit(8, Side::Sell, 1 << 52, 5), terms(0, 0, 1)),
        Command::NewWith(limit(9, Side::Buy, 120, 5), terms(2, 119, 90)),
        Command::NewWith(market, terms(0, 119, 0)),
        Command::NewWith(
            limit(10, Side::Sell, 90, 5)
                .with_tif(TimeInForce::Fok)
                .with_self_trade(SelfTrade::CancelBoth),
            terms(0, 95, 0),
        ),
        Command::Expire { now: Time(0) },
        Command::SetPhase { phase: Phase::Auction },
        Command::New(limit(11, Side::Buy, 107, 2)),
        Command::New(NewOrder { id: OrderId(21), ..market }),
        Command::New(NewOrder { id: OrderId(22), side: Side::Sell, ..market }),
    ];
    for command in commands {
        assert_eq!(book.apply(&command, &mut Discard).code(), 0, "{command:?}");
    }
    assert_eq!(book.check(), Ok(()));
    book
}

fn bytes(book: &Book) -> Vec<u8> {
    let mut bytes = Vec::new();
    book.encode(&mut bytes);
    bytes
}

fn decode(bytes: &[u8]) -> Result<Book, DecodeError> {
    Book::decode(bytes, BookConfig { orders: 1, levels: 1, seed: 9, ..Default::default() })
}

#[test]
fn a_book_comes_back_whatever_it_holds() {
    let mut halted = full();
    halted.apply(&Command::Uncross { then: Phase::Halted }, &mut Discard);
    assert!(halted.reach.is_some(), "the range of the uncross is part of the state");
    for book in [Book::new(BookConfig::default()), full(), halted] {
        let bytes = bytes(&book);
        let copy = decode(&bytes).expect("it was written by encode");
        assert_eq!(self::bytes(&copy), bytes);
        assert_eq!(copy.state_hash(), book.state_hash());
        assert_eq!((copy.phase(), copy.now()), (book.phase(), book.now()));
        assert_eq!((copy.last_trade(), copy.reach), (book.last_trade(), book.reach));
        for side in Side::BOTH {
            assert!(copy.orders(side).eq(book.orders(side)));
            assert!(copy.waiting(side).eq(book.waiting(side)));
        }
        for order in [3, 6, 7, 8, 9, 10, 20] {
            assert_eq!(copy.order(OrderId(order)), book.order(OrderId(order)), "{order}");
        }
    }
}

#[test]
fn a_restored_book_goes_on_as_the_old_one() {
    let (mut old, mut new) = (full(), decode(&bytes(&full())).expect("it was written by encode"));
    let (mut expected, mut told) = (Vec::new(), Vec::new());
    let commands = [
        Command::Uncross { then: Phase::Continuous },
        Command::MassCancel { user: User(1), side: None },
        Command::New(NewOrder::market(OrderId(40), User(9), Side::Buy, Lots(60))),
        Command::Expire { now: Time(80) },
        Command::Expire { now: Time(u64::MAX) },
    ];
    for command in commands {
        let outcome = old.apply(&command, &mut expected);
        assert_eq!(new.apply(&command, &mut told), outcome);
        assert_eq!(told, expected, "{command:?}");
        assert_eq!(new.state_hash(), old.state_hash());
    }
    assert!(told.len() > 20, "something happened: {}", told.len());
}

#[test]
fn every_bit_counts() {
    let bytes = bytes(&full());
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let error = decode(&damaged).err();
        assert!(error.is_some(), "bit {} of byte {} does not count", bit % 8, bit / 8);
        assert!(!error.map(|error| error.to_string()).unwrap_or_default().is_empty());
    }
}

#[test]
fn every_cut_and_every_tail_is_refused() {
    let bytes = bytes(&full());
    for end in 0..bytes.len() {
        assert!(decode(&bytes[..end]).is_err(), "cut at {end}");
    }
    let long: Vec<u8> = bytes.iter().copied().chain([0]).collect();
    let end = bytes.len();
    assert_eq!(decode(&long).err(), Some(DecodeError::Trailing { end, bytes: 1 }));
}

/// Bytes of a book with one bid, changed; what decoding says.
#[track_caller]
fn refuses(change: impl FnOnce(&mut Vec<u8>), error: DecodeError) {
    let mut book = Book::new(BookConfig::default());
    let new = NewOrder::limit(OrderId(1), User(2), Side::Buy, Ticks(100), Lots(5));
    book.apply(&new.with_display(Lots(2)), &mut Discard);
    let mut bytes = bytes(&book);
    change(&mut bytes);
    assert_eq!(decode(&bytes).err(), Some(error));
}

#[test]
fn orders_that_changed_places_are_noticed() {
    let mut book = Book::new(BookConfig::default());
    for id in [1, 2] {
        let new = NewOrder::limit(OrderId(id), User(1), Side::Buy, Ticks(100), Lots(5));
        book.apply(&Command::New(new), &mut Discard);
    }
    let mut bytes = bytes(&book);
    let (first, second) = bytes[88..88 + 64].split_at_mut(32);
    first.swap_with_slice(second);
    assert!(matches!(decode(&bytes), Err(DecodeError::Checksum { .. })));
}

#[test]
fn what_is_wrong_is_named() {
    let order = |field| DecodeError::Order { at: 88, field };
    refuses(|bytes| bytes[0] = b'c', DecodeError::Magic);
    refuses(|bytes| bytes[8] = 2, DecodeError::Version { version: 2 });
    refuses(|bytes| bytes[12] = 5, DecodeError::Header { at: 12, field: "self-trade mode" });
    refuses(|bytes| bytes[13] = 3, DecodeError::Header { at: 13, field: "phase" });
    refuses(|bytes| bytes[15] = 1, DecodeError::Header { at: 14, field: "padding" });
    refuses(|bytes| bytes[23] = 128, DecodeError::Header { at: 16, field: "last trade" });
    refuses(|bytes| bytes[24] = 1, DecodeError::Header { at: 24, field: "range of prices" });
    refuses(|bytes| bytes[48 + 3] = 1, DecodeError::Header { at: 48, field: "number of orders" });
    refuses(|bytes| bytes[48] = 9, DecodeError::Short { bytes: 160, within: "the orders" });
    refuses(|bytes| bytes.truncate(20), DecodeError::Short { bytes: 20, within: "the header" });
    refuses(|bytes| bytes[48] = 0, DecodeError::Trailing { end: 96, bytes: 64 });
    refuses(|bytes| bytes[88 + 16..88 + 24].fill(0), order("quantity"));
    refuses(|bytes| bytes[88 + 15] = 128, order("price"));
    refuses(|bytes| bytes[88 + 31] = 1, order("padding"));
    refuses(|bytes| bytes[88 + 28] = 1, order("set of flags"));
    refuses(|bytes| bytes[88 + 28] = 5, order("value without its flag"));
    refuses(|bytes| bytes[88 + 28] |= 8, order("flag of a stop"));
    refuses(|bytes| bytes[88 + 29] = 1, order("time in force"));
    refuses(|bytes| bytes[88 + 56] = 1, order("limit"));
    refuses(|bytes| bytes[88 + 39] = 1, order("quantity"));
    let iceberg = Broken::Terms { id: OrderId(1) };
    refuses(|bytes| bytes[88 + 40] = 1, DecodeError::Unsound(iceberg));
    let mut book = Book::new(BookConfig::default());
    let new = NewOrder::limit(OrderId(1), User(2), Side::Buy, Ticks(100), Lots(5));
    book.apply(&Command::New(new), &mut Discard);
    let mut bytes = bytes(&book);
    bytes[88 + 24] ^= 1;
    assert!(matches!(decode(&bytes), Err(DecodeError::Hash { .. })));
    let twice = [&bytes[..bytes.len() - 8], &bytes[88..]].concat();
    let mut twice_counted = twice.clone();
    twice_counted[48] = 2;
    let error = DecodeError::Order { at: 120, field: "id: it is there twice" };
    assert_eq!(decode(&twice_counted).err(), Some(error));
}
