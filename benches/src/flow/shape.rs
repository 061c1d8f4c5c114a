//! What tells one kind of market from another, in numbers.

/// The numbers of a market. Shares are per mille of the commands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Resting orders that the flow keeps up.
    pub(super) resting: usize,
    /// Where the first orders are.
    pub(super) middle: i64,
    pub(super) add: u32,
    pub(super) cancel: u32,
    pub(super) take: u32,
    /// What is left of 1000 after adds, cancels and takers are replaces.
    pub(super) away: Away,
    /// Share of the adds and replaces that join the touch.
    pub(super) touch: u32,
    /// Share of the adds and replaces that better the touch, or trade.
    pub(super) better: u32,
    /// Share of the cancels and replaces that mean one of the latest orders; the others mean any.
    pub(super) recent: u32,
    /// Largest order in decades of lots.
    pub(super) lots_decades: u32,
    /// Orders that a taker is large enough for; 0: as large as any order.
    pub(super) sweep: u64,
    /// How many ticks beyond the touch a taker goes at most.
    pub(super) through: u64,
    /// Commands between changes of who presses.
    pub(super) turn: u64,
    /// How much more than half, per mille, the pressing side takes and betters.
    pub(super) press: u32,
    /// How much more than half, per mille, of the adds are on the pressing side: the other thins out.
    pub(super) lean: u32,
    /// Share of the commands that begin a burst.
    pub(super) burst: u32,
}

/// How far from the touch orders are placed that neither join nor better it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Away {
    /// Half within six ticks, then with a tail that falls off as 1/distance, up to so many.
    Tail(u64),
    /// Evenly up to so many ticks.
    Even(u64),
    /// Each its own price: the distance is evenly distributed in orders of magnitude.
    Decades(u32),
}

/// Half adds near the touch, 40 % cancels, 8 % takers, 2 % replaces.
pub(super) const CORE: Shape = Shape {
    resting: 4000,
    middle: 100_000,
    add: 500,
    cancel: 400,
    take: 80,
    away: Away::Tail(400),
    touch: 400,
    better: 100,
    recent: 750,
    lots_decades: 3,
    sweep: 0,
    through: 7,
    turn: 20_000,
    press: 100,
    lean: 0,
    burst: 0,
};

/// The same with prices up to two milliards of ticks apart.
pub(super) const WIDE: Shape = Shape { middle: 1 << 36, away: Away::Decades(9), ..CORE };

/// The same with 200,000 orders, of which any may be cancelled.
pub(super) const DEEP: Shape = Shape { resting: 200_000, recent: 400, ..CORE };

/// Takers that go through many orders and levels, and more adds to make up for it.
pub(super) const SWEEPS: Shape = Shape {
    add: 720,
    cancel: 220,
    take: 40,
    away: Away::Even(40),
    touch: 150,
    sweep: 12,
    through: 64,
    ..CORE
};

/// Few orders: levels come and go.
pub(super) const THIN: Shape =
    Shape { resting: 60, away: Away::Even(40), touch: 150, better: 150, ..CORE };

/// A day of a future: 21 % replaces, most of it at the best levels, the price runs, bursts.
pub(super) const FUTURES: Shape = Shape {
    resting: 3000,
    add: 410,
    cancel: 330,
    take: 70,
    away: Away::Tail(150),
    touch: 550,
    better: 60,
    recent: 850,
    lots_decades: 1,
    turn: 10_000,
    press: 300,
    lean: 150,
    burst: 4,
    ..CORE
};

/// A million resting orders.
pub(super) const MILLION: Shape = Shape { resting: 1_000_000, recent: 300, ..CORE };

/// 100,000 prices, most of them with one order, a thousand ticks apart on average.
pub(super) const LEVELS: Shape = Shape {
    resting: 100_000,
    middle: 1 << 36,
    away: Away::Even(50_000_000),
    touch: 20,
    better: 60,
    recent: 300,
    ..CORE
};
