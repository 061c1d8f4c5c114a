//! The book against a naive model, over all commands and self-trade modes.
//!
//! After every command the outcome, the events, the levels and the queues are those of the model, a
//! follower of the events alone has the same book, and all invariants hold. Runs 100,000 commands;
//! CORELANE_BOOK_COMMANDS asks for another number.

mod follower;
mod naive;

use book::{
    Book, BookConfig, Command, LOTS_MAX, LevelDepth, Lots, NewOrder, OrderId, RestingOrder,
    SelfTrade, Side, TICKS_MAX, Ticks, TimeInForce, User,
};
use follower::Follower;
use naive::Naive;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

/// Commands of one case: enough for a book to fill and turn over, few enough to shrink.
const CASE_COMMANDS: usize = 1000;

/// What is drawn for a case besides the commands.
#[derive(Clone, Copy, Debug)]
struct Market {
    ids: u64,
    /// Prices are `base + stride * 0..width`.
    base: i64,
    width: i64,
    stride: i64,
    /// One order in so many is priced without regard to its side, so that it may take.
    eager: u8,
}

/// Few prices and ids, so that everything collides.
const TIGHT: Market = Market { ids: 40, base: 96, width: 9, stride: 1, eager: 3 };
/// Many levels near each other.
const BROAD: Market = Market { ids: 400, base: 1, width: 300, stride: 1, eager: 20 };
/// Many levels as far from each other as prices go.
const FAR: Market = Market { ids: 400, base: 1, width: 500, stride: (1 << 52) / 500, eager: 20 };

fn side() -> impl Strategy<Value = Side> {
    select(&Side::BOTH)
}

fn mode() -> impl Strategy<Value = SelfTrade> {
    select(&SelfTrade::ALL)
}

fn user() -> impl Strategy<Value = User> {
    (0..4u32).prop_map(User)
}

fn id(market: Market) -> impl Strategy<Value = OrderId> {
    prop_oneof![
        30 => 0..market.ids,
        1 => Just(u64::MAX),
    ]
    .prop_map(OrderId)
}

fn price(market: Market) -> impl Strategy<Value = Ticks> {
    let Market { base, width, stride, .. } = market;
    prop_oneof![
        60 => (0..width).prop_map(move |at| base + at * stride),
        1 => select(&[i64::MIN, -5, 0, 1, TICKS_MAX.0, TICKS_MAX.0 + 1, i64::MAX]),
    ]
    .prop_map(Ticks)
}

fn qty() -> impl Strategy<Value = Lots> {
    prop_oneof![
        200 => 1..10u64,
        1 => select(&[0, LOTS_MAX.0, LOTS_MAX.0 + 1, u64::MAX]),
    ]
    .prop_map(Lots)
}

fn new_order(market: Market) -> impl Strategy<Value = Command> {
    use TimeInForce::{Fok, Gtc, Ioc, Post};
    let tif = prop_oneof![6 => Just(Gtc), 1 => Just(Ioc), 1 => Just(Fok), 1 => Just(Post)];
    let limit = prop_oneof![1 => Just(None), 30 => price(market).prop_map(Some)];
    let own_mode = option::weighted(0.2, mode());
    let order = (id(market), user(), side(), limit, qty(), tif, own_mode, 0..market.eager);
    order.prop_map(move |(id, user, side, limit, qty, tif, self_trade, eager)| {
        let limit =
            limit.map(|price| if eager == 0 { price } else { on_side(market, side, price) });
        Command::New(NewOrder { id, user, side, limit, qty, tif, self_trade })
    })
}

/// The price mirrored to its side's half of the market: bids low, asks high.
fn on_side(market: Market, side: Side, price: Ticks) -> Ticks {
    let Market { base, width, stride, .. } = market;
    let (last, middle) = (base + (width - 1) * stride, base + width / 2 * stride);
    let strays = match side {
        Side::Buy => price.0 > middle,
        Side::Sell => price.0 < middle,
    };
    if strays && (base..=last).contains(&price.0) { Ticks(base + last - price.0) } else { price }
}

fn command(market: Market) -> impl Strategy<Value = Command> {
    let cancel = id(market).prop_map(|id| Command::Cancel { id });
    let reduce = (id(market), qty()).prop_map(|(id, by)| Command::Reduce { id, by });
    let replace = (id(market), price(market), qty(), option::weighted(0.2, mode()));
    let replace = replace.prop_map(|(id, price, qty, self_trade)| Command::Replace {
        id,
        price,
        qty,
        self_trade,
    });
    let mass = (user(), option::of(side()));
    let mass = mass.prop_map(|(user, side)| Command::MassCancel { user, side });
    prop_oneof![
        200 => new_order(market),
        40 => cancel,
        20 => reduce,
        30 => replace,
        1 => mass,
    ]
}

fn case() -> impl Strategy<Value = (SelfTrade, u64, Vec<Command>)> {
    let commands =
        select(&[TIGHT, BROAD, FAR]).prop_flat_map(|market| vec(command(market), CASE_COMMANDS));
    (mode(), any::<u64>(), commands)
}

fn levels(queue: &[RestingOrder]) -> Vec<LevelDepth> {
    let same_price = |a: &RestingOrder, b: &RestingOrder| a.price == b.price;
    let sum = |level: &[RestingOrder]| LevelDepth {
        side: level[0].side,
        price: level[0].price,
        qty: Lots(level.iter().map(|order| order.qty.0).sum()),
        orders: level.len() as u32,
    };
    queue.chunk_by(same_price).map(sum).collect()
}

/// What a run reached, so that a test can tell that it tested something.
#[derive(Default, Debug)]
struct Reached {
    trades: usize,
    codes: [usize; 9],
    most_levels: usize,
}

fn agree(self_trade: SelfTrade, seed: u64, commands: &[Command], reached: &mut Reached) {
    let mut book = Book::new(BookConfig { self_trade, orders: 8, levels: 8, seed });
    let mut model = Naive { resting: Vec::new(), self_trade };
    let mut follower = Follower::default();
    let (mut told, mut expected) = (Vec::new(), Vec::new());
    for command in commands {
        told.clear();
        expected.clear();
        let outcome = book.apply(command, &mut told);
        assert_eq!(outcome, model.apply(command, &mut expected), "{command:?}");
        assert_eq!(told, expected, "{command:?}");
        assert_eq!(book.check(), Ok(()), "{command:?}");
        told.iter().for_each(|event| follower.follow(event));
        for side in Side::BOTH {
            let queue: Vec<_> = book.orders(side).collect();
            assert_eq!(queue, model.queue(side), "{command:?}");
            assert_eq!(queue, follower.queue(side), "{command:?}");
            let depth: Vec<_> = book.levels(side).collect();
            assert_eq!(depth, levels(&queue), "{command:?}");
            assert_eq!(book.best(side), depth.first().copied());
            assert!(queue.iter().all(|order| book.order(order.id) == Some(*order)));
        }
        assert_eq!(book.order_count(), model.resting.len());
        let trade = |event: &&book::Event| matches!(event, book::Event::Traded(_));
        reached.trades += told.iter().filter(trade).count();
        reached.codes[usize::from(outcome.code())] += 1;
        reached.most_levels = reached.most_levels.max(book.level_count());
    }
}

#[test]
fn the_book_is_the_model() {
    let asked = std::env::var("CORELANE_BOOK_COMMANDS").ok();
    let total: usize = asked.map_or(100_000, |text| text.parse().expect("a number of commands"));
    let cases = u32::try_from(total.div_ceil(CASE_COMMANDS)).expect("fewer cases than 2^32");
    // A failing case is printed, and becomes a test of its own, rather than a file of seeds.
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let reached = std::cell::RefCell::new(Reached::default());
    TestRunner::new(config)
        .run(&case(), |(self_trade, seed, commands)| {
            agree(self_trade, seed, &commands, &mut reached.borrow_mut());
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    let Reached { trades, codes, most_levels } = reached.into_inner();
    eprintln!("{total} commands: {trades} trades, codes {codes:?}, up to {most_levels} levels");
    if total >= 100_000 {
        assert!(trades > total / 20, "{trades} trades are too few to prove anything");
        assert!(codes[..8].iter().all(|count| *count > 100), "codes reached: {codes:?}");
        assert!(most_levels > 130, "{most_levels} levels are too few to split chunks twice");
    }
}
