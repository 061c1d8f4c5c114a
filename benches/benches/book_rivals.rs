//! How does the book stand beside orderbook-rs, the best known order book of the registry? On the
//! commands of `core`, prefill apart. One element is one command.
//!
//! Its trades are counted by its listener, the way it hands them out; the counts must be equal. It
//! has no replace that keeps an order's name and enters it anew, so that is a cancel and an add.

mod beside;

use benches::flow::{Flow, Ids, Profile};
use benches::pass::{Engine, Tally, run};
use beside::{both, group, one};
use book::{Book, Command, Lots, NewOrder, OrderId, Outcome, Reject};
use criterion::{Criterion, criterion_group, criterion_main};
use orderbook_rs::{Id, OrderBook, Side, TimeInForce, TradeResult};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Commands of one pass.
const COMMANDS: usize = 50_000;

/// orderbook-rs behind our commands.
struct Rival {
    book: OrderBook<()>,
    trades: Arc<AtomicU64>,
}

impl Rival {
    fn add(&self, order: &NewOrder) -> bool {
        let tif = match order.tif {
            book::TimeInForce::Ioc => TimeInForce::Ioc,
            book::TimeInForce::Fok => TimeInForce::Fok,
            _ => TimeInForce::Gtc,
        };
        let side = if order.side == book::Side::Buy { Side::Buy } else { Side::Sell };
        let price = order.limit.expect("flows have limits").0 as u128;
        self.book.add_limit_order(name(order.id), price, order.qty.0, side, tif, None).is_ok()
    }

    /// The side of the order that was cancelled, if there was one.
    fn cancel(&self, id: OrderId) -> Option<book::Side> {
        let gone = self.book.cancel_order(name(id)).ok().flatten()?;
        Some(if gone.side() == Side::Buy { book::Side::Buy } else { book::Side::Sell })
    }
}

impl Engine for Rival {
    fn for_flow(_: &Flow) -> Rival {
        let trades = Arc::new(AtomicU64::new(0));
        let count = trades.clone();
        let listener = move |result: &TradeResult| {
            let trades = result.match_result.trades().len() as u64;
            count.fetch_add(trades, Ordering::Relaxed);
        };
        Rival { book: OrderBook::with_trade_listener("CORE", Arc::new(listener)), trades }
    }

    fn apply(&mut self, command: &Command, tally: &mut Tally) -> Outcome {
        let before = self.trades.load(Ordering::Relaxed);
        let done = match command {
            Command::New(new) => self.add(new),
            Command::Cancel { id } => self.cancel(*id).is_some(),
            Command::Replace { id, price, qty, .. } => self.cancel(*id).is_some_and(|side| {
                self.add(&NewOrder::limit(*id, book::User(0), side, *price, Lots(qty.0)))
            }),
            other => panic!("core has no such command: {other:?}"),
        };
        tally.trades += self.trades.load(Ordering::Relaxed) - before;
        Outcome { reject: (!done).then_some(Reject::UnknownId), ..Outcome::default() }
    }
}

fn name(id: OrderId) -> Id {
    Id::Sequential(id.0)
}

fn book_rivals(criterion: &mut Criterion) {
    let flow = Flow::new(Profile::Core, COMMANDS, 1, Ids::Spread);
    let ours = run(&mut Book::prefilled(&flow), &flow.commands);
    let theirs = run(&mut Rival::prefilled(&flow), &flow.commands);
    assert_eq!(theirs.trades, ours.trades, "orderbook-rs trades otherwise");
    let mut group = group(criterion, "book_rivals");
    both(&mut group, "core", &flow, COMMANDS);
    one::<Rival>(&mut group, "orderbook-rs/core", &flow);
    group.finish();
}

criterion_group!(benches, book_rivals);
criterion_main!(benches);
