//! Wide records: the bytes of each operation, the way there and back, and every bad byte.

use super::*;
use crate::book::BookConfig;
use crate::event::Event;
use crate::record::{self, RECORD_BYTES};

const ID: OrderId = OrderId(0x0102_0304_0506_0708);
const USER: User = User(0x1112_1314);
const PRICE: Ticks = Ticks(0x2122_2324_2526_2728);
const QTY: Lots = Lots(0x3132_3334_3536_3738);
const DISPLAY: Lots = Lots(0x4142_4344_4546_4748);
const STOP: Ticks = Ticks(-2);
const EXPIRES: Time = Time(0x6162_6364_6566_6768);

/// An order that uses every field.
fn full() -> Command {
    let new = NewOrder::limit(ID, USER, Side::Sell, PRICE, QTY);
    let terms = Terms { display: Some(DISPLAY), stop: Some(STOP), expires: Some(EXPIRES) };
    let new = new.with_tif(TimeInForce::Post).with_self_trade(SelfTrade::Decrement);
    Command::NewWith(new, terms)
}

/// One command of each operation, and each of the ways a new order can be said.
fn samples() -> Vec<Command> {
    let limit = NewOrder::limit(ID, USER, Side::Buy, PRICE, QTY);
    let market = NewOrder::market(ID, USER, Side::Sell, QTY);
    let mut commands = vec![
        full(),
        Command::New(limit),
        Command::New(market),
        market.with_stop(STOP),
        limit.with_display(DISPLAY),
        limit.with_expiry(EXPIRES),
        Command::Cancel { id: ID },
        Command::Reduce { id: ID, by: QTY },
        Command::Replace { id: ID, price: PRICE, qty: QTY, self_trade: None },
        Command::MassCancel { user: USER, side: None },
        Command::Expire { now: EXPIRES },
    ];
    commands.extend(Side::BOTH.map(|side| Command::MassCancel { user: USER, side: Some(side) }));
    for mode in SelfTrade::ALL {
        commands.push(Command::New(limit.with_self_trade(mode)));
        let self_trade = Some(mode);
        commands.push(Command::Replace { id: ID, price: PRICE, qty: QTY, self_trade });
    }
    for phase in Phase::ALL {
        commands.extend([Command::SetPhase { phase }, Command::Uncross { then: phase }]);
    }
    commands
}

/// A record as text: the fields of the table in hexadecimal, `-` for one that is zero.
fn text(record: &[u8; WIDE_BYTES]) -> String {
    let ends = [4, 8, 16, 24, 32, 40, 48, 56, 58, 64];
    let starts = [0].into_iter().chain(ends);
    let field = |(from, to)| match &record[from..to] {
        bytes if bytes.iter().all(|byte| *byte == 0) => "-".to_owned(),
        bytes => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    starts.zip(ends).map(field).collect::<Vec<_>>().join(" ")
}

#[test]
fn bytes_stand_where_the_table_says() {
    let user = "14131211";
    let id = "0807060504030201";
    let (price, qty) = ("2827262524232221", "3837363534333231");
    let (display, stop) = ("4847464544434241", "feffffffffffffff");
    let expires = "6867666564636261";
    let market = NewOrder::market(ID, USER, Side::Sell, QTY);
    let limit = NewOrder::limit(ID, USER, Side::Buy, PRICE, QTY);
    let replace = |self_trade| Command::Replace { id: ID, price: PRICE, qty: QTY, self_trade };
    let mass_cancel = |side| Command::MassCancel { user: USER, side };
    for (command, expect) in [
        (full(), format!("0101030e {user} {id} {price} {qty} {display} {stop} {expires} 0500 -")),
        (Command::New(limit), format!("01000000 {user} {id} {price} {qty} - - - - -")),
        (
            Command::New(limit.with_self_trade(SelfTrade::Allow)),
            format!("01000000 {user} {id} {price} {qty} - - - 0100 -"),
        ),
        (Command::New(market), format!("01010101 {user} {id} - {qty} - - - - -")),
        (market.with_stop(STOP), format!("01010105 {user} {id} - {qty} - {stop} - - -")),
        (Command::Cancel { id: ID }, format!("02000000 - {id} - - - - - - -")),
        (Command::Reduce { id: ID, by: QTY }, format!("03000000 - {id} - {qty} - - - - -")),
        (replace(None), format!("04000000 - {id} {price} {qty} - - - - -")),
        (
            replace(Some(SelfTrade::CancelBoth)),
            format!("04000000 - {id} {price} {qty} - - - 0400 -"),
        ),
        (mass_cancel(None), format!("05ff0000 {user} - - - - - - - -")),
        (mass_cancel(Some(Side::Buy)), format!("05000000 {user} - - - - - - - -")),
        (mass_cancel(Some(Side::Sell)), format!("05010000 {user} - - - - - - - -")),
        (Command::Expire { now: EXPIRES }, format!("06000000 - - - - - - {expires} - -")),
        (Command::SetPhase { phase: Phase::Auction }, "07000000 - - - - - - - 0002 -".into()),
        (Command::Uncross { then: Phase::Halted }, "08000000 - - - - - - - 0001 -".into()),
    ] {
        assert_eq!(text(&encode(&command)), expect, "{command:?}");
    }
}

#[test]
fn every_sample_comes_back() {
    for command in samples() {
        assert_eq!(decode(&encode(&command)), Ok(command));
    }
}

#[test]
fn no_terms_are_a_plain_order() {
    let new = NewOrder::limit(ID, USER, Side::Buy, PRICE, QTY);
    let record = encode(&Command::NewWith(new, Terms::default()));
    assert_eq!(record, encode(&Command::New(new)));
    assert_eq!(decode(&record), Ok(Command::New(new)));
}

/// Bytes of the record that `command` uses, by the table.
fn used(command: &Command) -> Vec<usize> {
    let (mut at, spans): (Vec<usize>, &[(usize, usize)]) = match command {
        Command::New(_) | Command::NewWith(..) => (vec![0, 1, 2, 3, 56], &[(4, 16), (24, 32)]),
        Command::Cancel { .. } => (vec![0], &[(8, 16)]),
        Command::Reduce { .. } => (vec![0], &[(8, 16), (24, 32)]),
        Command::Replace { .. } => (vec![0, 56], &[(8, 32)]),
        Command::MassCancel { .. } => (vec![0, 1], &[(4, 8)]),
        Command::Expire { .. } => (vec![0], &[(48, 56)]),
        Command::SetPhase { .. } | Command::Uncross { .. } => (vec![0, 57], &[]),
    };
    at.extend(spans.iter().flat_map(|(from, to)| *from..*to));
    if let Command::New(new) | Command::NewWith(new, _) = command {
        at.extend((16..24).filter(|_| new.limit.is_some()));
    }
    if let Command::NewWith(_, terms) = command {
        at.extend((32..40).filter(|_| terms.display.is_some()));
        at.extend((40..48).filter(|_| terms.stop.is_some()));
        at.extend((48..56).filter(|_| terms.expires.is_some()));
    }
    at
}

#[test]
fn every_byte_that_is_not_used_must_be_zero() {
    for command in samples() {
        let used = used(&command);
        for at in (0..WIDE_BYTES).filter(|at| !used.contains(at)) {
            for bit in 0..8 {
                let mut record = encode(&command);
                record[at] ^= 1 << bit;
                assert_eq!(decode(&record), Err(Reject::BadCommand), "{command:?}, byte {at}");
            }
        }
    }
}

#[test]
fn every_byte_that_says_nothing_is_refused() {
    type Good = fn(u8) -> bool;
    let new = Command::New(NewOrder::limit(ID, USER, Side::Buy, PRICE, QTY));
    let replace = Command::Replace { id: ID, price: PRICE, qty: QTY, self_trade: None };
    let mass_cancel = Command::MassCancel { user: USER, side: None };
    let phase = Phase::Continuous;
    let cases: [(Command, usize, Good); 9] = [
        // All else is zero, which every operation may have.
        (Command::SetPhase { phase }, 0, |op| (1..=8).contains(&op)),
        (new, 1, |side| side <= 1),
        (new, 2, |tif| tif <= 3),
        // A price is there, so the order is none at the market; a term may be given as zero.
        (new, 3, |flags| flags & 1 == 0 && flags <= 14),
        (new, 56, |mode| mode <= 5),
        (replace, 56, |mode| mode <= 5),
        (mass_cancel, 1, |side| side <= 1 || side == 255),
        (Command::SetPhase { phase }, 57, |phase| phase <= 2),
        (Command::Uncross { then: phase }, 57, |phase| phase <= 2),
    ];
    for (command, at, good) in cases {
        for byte in 0..=255 {
            let mut record = encode(&command);
            record[at] = byte;
            assert_eq!(decode(&record).is_ok(), good(byte), "{command:?}, byte {at} = {byte}");
        }
    }
}

/// What a short record can say has the same first 32 bytes in a wide one, but for the side of a
/// mass cancel.
#[test]
fn short_records_begin_wide_ones() {
    let mut common = 0;
    for command in samples() {
        let Some(short) = record::encode(&command) else { continue };
        let mut wide = encode(&command);
        if let Command::MassCancel { .. } = command {
            assert_eq!((short[1], wide[1]), (0, 255));
            wide[1] = 0;
        }
        assert_eq!(wide[..RECORD_BYTES], short, "{command:?}");
        assert_eq!(record::decode(&short), Ok(command));
        common += 1;
    }
    assert_eq!(common, 6, "limit, market, cancel, reduce, replace, mass cancel");
}

#[test]
fn a_record_is_applied_or_refused_with_an_event() {
    let mut book = Book::new(BookConfig::default());
    let new = NewOrder::limit(ID, USER, Side::Buy, Ticks(100), Lots(5));
    let mut events = Vec::new();
    assert_eq!(apply(&mut book, &encode(&Command::New(new)), &mut events).resting, Lots(5));
    assert_eq!(events.len(), 2);
    events.clear();
    let outcome = apply(&mut book, &[0; WIDE_BYTES], &mut events);
    assert_eq!(outcome.reject, Some(Reject::BadCommand));
    assert_eq!(events, [Event::Rejected { id: None, reject: Reject::BadCommand }]);
}

#[test]
fn market_and_post_only_is_left_to_the_book() {
    let new = NewOrder::market(ID, USER, Side::Buy, QTY).with_tif(TimeInForce::Post);
    let record = encode(&Command::New(new));
    assert_eq!(decode(&record), Ok(Command::New(new)));
    let short = record[..RECORD_BYTES].first_chunk().expect("it is longer");
    assert_eq!(record::decode(short), Err(Reject::BadCommand));
}

/// Commands of a seed, with numbers of all sizes.
struct Draw(u64);

impl Draw {
    /// A number below `bound`: a linear congruence (the multiplier is that of Knuth's MMIX), of
    /// which the upper bits are taken.
    fn below(&mut self, bound: usize) -> usize {
        let multiplier = 6_364_136_223_846_793_005;
        self.0 = self.0.wrapping_mul(multiplier).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % bound as u64) as usize
    }

    fn number(&mut self) -> u64 {
        let any = (self.below(1 << 31) as u64) << 33 | (self.below(1 << 31) as u64) << 2;
        [0, 1, u64::MAX, any >> self.below(64)][self.below(4)]
    }

    fn price(&mut self) -> Ticks {
        Ticks(self.number().cast_signed())
    }

    fn self_trade(&mut self) -> Option<SelfTrade> {
        SelfTrade::ALL.get(self.below(6)).copied()
    }

    fn new_order(&mut self) -> NewOrder {
        NewOrder {
            id: OrderId(self.number()),
            user: User(self.number() as u32),
            side: Side::BOTH[self.below(2)],
            limit: (self.below(3) > 0).then(|| self.price()),
            qty: Lots(self.number()),
            tif: TimeInForce::from_byte(self.below(4) as u8).expect("four are known"),
            self_trade: self.self_trade(),
        }
    }

    fn command(&mut self) -> Command {
        let id = OrderId(self.number());
        let phase = Phase::ALL[self.below(3)];
        match self.below(12) {
            0 => Command::Cancel { id },
            1 => Command::Reduce { id, by: Lots(self.number()) },
            2 => {
                let (price, qty) = (self.price(), Lots(self.number()));
                Command::Replace { id, price, qty, self_trade: self.self_trade() }
            }
            3 => {
                let side = Side::BOTH.get(self.below(3)).copied();
                Command::MassCancel { user: User(self.number() as u32), side }
            }
            4 => Command::Expire { now: Time(self.number()) },
            5 => Command::SetPhase { phase },
            6 => Command::Uncross { then: phase },
            7 => Command::New(self.new_order()),
            _ => {
                let new = self.new_order();
                let terms = Terms {
                    display: (self.below(2) > 0).then(|| Lots(self.number())),
                    stop: (self.below(2) > 0).then(|| self.price()),
                    expires: (self.below(2) > 0).then(|| Time(self.number())),
                };
                match terms == Terms::default() {
                    true => Command::New(new),
                    false => Command::NewWith(new, terms),
                }
            }
        }
    }
}

#[test]
fn every_command_comes_back_from_its_record() {
    let mut draw = Draw(1);
    for _ in 0..20_000 {
        let command = draw.command();
        assert_eq!(decode(&encode(&command)), Ok(command));
    }
}

/// Whatever the bytes: a command's only record, or no command.
#[test]
fn bytes_are_the_record_of_one_command_or_of_none() {
    let mut draw = Draw(2);
    let mut good = 0;
    for _ in 0..20_000 {
        let mut record = encode(&draw.command());
        for _ in 0..draw.below(3) {
            record[draw.below(WIDE_BYTES)] = draw.below(256) as u8;
        }
        match decode(&record) {
            Ok(command) => {
                assert_eq!(encode(&command), record);
                good += 1;
            }
            Err(reject) => assert_eq!(reject, Reject::BadCommand),
        }
    }
    assert!((8_000..18_000).contains(&good), "{good} of 20,000 were commands");
}
