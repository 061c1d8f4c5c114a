//! A generated trader: what he does in each block follows from the seed and his number alone.
//!
//! Most orders are filled in the block that placed them (78 of 100, as in the recorded accounts),
//! the others over many blocks; some are cut, some never filled. Positions flip, are liquidated,
//! deleveraged, settled.

use sha2::{Digest, Sha256};
use shards::fill::{Cloid, Liquidation};
use shards::{Address, Dir, Side};

use super::coins::{COINS, PERPS};
use super::ledger::{Execution, Ledger};
use super::options::SimRates;
use super::order::{Order, Plan};
use super::random::Random;
use super::tape::{Block, ZERO_HASH};

/// Time of block 0, Unix milliseconds: fixed, so that a seed names its frames.
pub(crate) const GENESIS_MS: u64 = 1_790_000_000_000;
/// The coin of orders with thousands of fills: it has small lots.
const BURST_COIN: usize = 4;
/// Orders a trader has open at a time, at most.
const ORDERS_OPEN_MAX: usize = 24;

/// A trader.
#[derive(Debug)]
pub(crate) struct Trader {
    random: Random,
    rates: SimRates,
    number: u64,
    address: Address,
    block: u64,
    /// The price of each coin as this trader meets it.
    ticks: [i64; COINS.len()],
    ledger: Ledger,
    orders: Vec<Order>,
    closed: bool,
    /// How far the clock has jumped ahead.
    skew_ms: u64,
}

/// The address of trader `number` of the run `seed`.
pub(crate) fn address_of(seed: u64, number: u64) -> Address {
    let digest = Sha256::digest(format!("corelane sim {seed} {number}"));
    let mut address = Address::default();
    address.0.copy_from_slice(&digest[..20]);
    address
}

fn opposite(side: Side) -> Side {
    match side {
        Side::Buy => Side::Sell,
        Side::Sell => Side::Buy,
    }
}

impl Trader {
    pub(crate) fn new(seed: u64, number: u64, rates: SimRates) -> Trader {
        Trader {
            random: Random::new(seed, number),
            rates,
            number,
            address: address_of(seed, number),
            block: 0,
            ticks: COINS.map(|coin| coin.start_ticks),
            ledger: Ledger::new(number),
            orders: Vec::new(),
            closed: false,
            skew_ms: 0,
        }
    }

    /// Lets the times of all blocks to come jump ahead.
    pub(crate) fn skew(&mut self, ms: u64) {
        self.skew_ms += ms;
    }

    /// How far the times of blocks have jumped ahead of the trader's clock.
    pub(crate) fn skew_ms(&self) -> u64 {
        self.skew_ms
    }

    /// The next block, with so many fills of one order beside what it would have brought.
    pub(crate) fn burst(&mut self, fills: u32) -> Block {
        let mut block = self.next_block();
        let plan = Plan { slices: fills, per_block: fills, ..Plan::default() };
        let lots = COINS[BURST_COIN].usual_lots;
        let side = if self.ledger.lots(BURST_COIN) > 0 { Side::Sell } else { Side::Buy };
        assert!(lots >= i64::from(fills), "each fill has a lot");
        self.open_order(BURST_COIN, side, lots, plan, &mut block);
        block
    }

    /// Time of the block that [`Trader::next_block`] gives next, or `None` when there is no more.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        (!self.closed).then(|| self.time_of(self.block))
    }

    fn time_of(&self, block: u64) -> u64 {
        let SimRates { blocks_per_second, shared_by, .. } = self.rates;
        GENESIS_MS
            + self.skew_ms
            + block * 1000 * u64::from(shared_by) / u64::from(blocks_per_second)
    }

    /// The blocks before anyone subscribes. The last one leaves an order partly filled.
    pub(crate) fn history(&mut self) -> Vec<Block> {
        let mut blocks: Vec<Block> =
            (0..self.rates.history_blocks).map(|_| self.next_block()).collect();
        if let Some(last) = blocks.last_mut() {
            let lots = COINS[0].usual_lots;
            let plan = Plan { slices: 6, per_block: 1, gap_blocks: 4, ..Plan::default() };
            self.open_order(0, Side::Buy, lots, plan, last);
        }
        blocks
    }

    /// What the next block brings.
    pub(crate) fn next_block(&mut self) -> Block {
        assert!(!self.closed, "next_ms says when there is no more");
        let mut block = Block { time_ms: self.time_of(self.block), ..Block::default() };
        self.block += 1;
        self.walk_a_price();
        self.step_orders(&mut block);
        if self.random.chance(self.rates.orders_per_mille.into()) {
            self.place(&mut block);
        }
        if self.random.chance(self.rates.forced_per_mille.into()) {
            self.be_forced(&mut block);
        }
        block
    }

    /// The last block: every open order is cancelled.
    pub(crate) fn close(&mut self) -> Block {
        let mut block = Block { time_ms: self.time_of(self.block), ..Block::default() };
        for order in self.orders.drain(..) {
            block.updates.push(order.face().update("canceled", block.time_ms));
        }
        self.closed = true;
        block
    }

    fn walk_a_price(&mut self) {
        let coin = self.random.below(COINS.len() as u64) as usize;
        let start = COINS[coin].start_ticks;
        let step = start / 2000 + 1;
        let ticks = self.ticks[coin] + self.random.between(-step, step);
        self.ticks[coin] = ticks.clamp(start / 2, start * 2);
    }

    fn step_orders(&mut self, block: &mut Block) {
        let mut open = std::mem::take(&mut self.orders);
        open.retain_mut(|order| self.step_order(order, block));
        // A replacement was opened meanwhile.
        open.append(&mut self.orders);
        self.orders = open;
    }

    /// Fills what the plan has for this block. Returns whether the order stays open.
    fn step_order(&mut self, order: &mut Order, block: &mut Block) -> bool {
        if order.wait_blocks > 0 {
            order.wait_blocks -= 1;
            return self.rest_or_replace(order, block);
        }
        let hash = self.hash();
        for i in 0..order.plan.per_block.min(order.slices_left) {
            let lots = order.slice(&mut self.random).min(self.room(order));
            if lots <= 0 {
                block.updates.push(order.face().update(order.no_room_status(), block.time_ms));
                return false;
            }
            let away = i64::from(i / 2);
            let ticks = match order.side {
                Side::Buy => self.ticks[order.coin] + away,
                Side::Sell => (self.ticks[order.coin] - away).max(1),
            };
            order.left -= lots;
            order.slices_left -= 1;
            let execution = self.execution_of(order, lots, ticks, block.time_ms, &hash);
            block.fills.push(self.ledger.execute(execution));
        }
        order.wait_blocks = order.plan.gap_blocks;
        if order.slices_left == 0 {
            block.updates.push(order.face().update(order.end_status(), block.time_ms));
            return false;
        }
        // Whether the venue tells of a part fill is not known: half the traders see it, half do
        // not.
        if self.number % 2 == 1 {
            block.updates.push(order.face().update("open", block.time_ms));
        }
        true
    }

    /// Now and then an order that waits is modified: cancelled, and placed anew with the same
    /// client id.
    fn rest_or_replace(&mut self, order: &mut Order, block: &mut Block) -> bool {
        if order.cloid.is_none() || !self.random.chance(15) {
            return true;
        }
        block.updates.push(order.face().update("canceled", block.time_ms));
        let mut replacement = order.clone();
        replacement.oid = self.ledger.next_oid();
        replacement.orig = order.left;
        replacement.placed_ms = block.time_ms;
        block.updates.push(replacement.face().update("open", block.time_ms));
        self.orders.push(replacement);
        false
    }

    /// How many lots may be filled: a reduce-only order ends at no position, a spot seller sells
    /// what he has.
    fn room(&self, order: &Order) -> i64 {
        let position = self.ledger.lots(order.coin);
        match (order.coin < PERPS, order.side) {
            (true, _) if !order.plan.reduce_only => i64::MAX,
            (true, Side::Buy) => -position,
            (true, Side::Sell) | (false, Side::Sell) => position,
            (false, Side::Buy) => i64::MAX,
        }
    }

    fn execution_of(
        &mut self,
        order: &Order,
        lots: i64,
        ticks: i64,
        time_ms: u64,
        hash: &str,
    ) -> Execution {
        let crossed = order.plan.crossed;
        // The counterparty of a liquidation or of a TWAP is always the maker.
        let liquidated = (!crossed && order.coin < PERPS && self.random.chance(20)).then(|| {
            let user = address_of(self.random.next(), self.number);
            Liquidation { user, method: "market".into() }
        });
        let zero_hash = !crossed && order.plan.twap_id.is_none() && self.random.chance(300);
        Execution {
            coin: order.coin,
            side: order.side,
            lots,
            ticks,
            oid: order.oid,
            time_ms,
            crossed,
            cloid: order.cloid,
            liquidation: liquidated,
            twap_id: order.plan.twap_id,
            builder: order.plan.builder,
            hash: if zero_hash { ZERO_HASH.into() } else { hash.to_owned() },
            label: None,
            dust: false,
        }
    }

    fn hash(&mut self) -> String {
        let words: [u64; 4] = std::array::from_fn(|_| self.random.next());
        format!("0x{:016x}{:016x}{:016x}{:016x}", words[0], words[1], words[2], words[3])
    }

    /// Decides for an order and places it.
    fn place(&mut self, block: &mut Block) {
        if self.orders.len() >= ORDERS_OPEN_MAX {
            return;
        }
        let spot = self.random.chance(150);
        let coin = if spot {
            PERPS + self.random.below((COINS.len() - PERPS) as u64) as usize
        } else {
            self.random.below(PERPS as u64) as usize
        };
        let usual = COINS[coin].usual_lots;
        let mut lots = self.random.between(usual / 10 + 1, usual * 2);
        let position = self.ledger.lots(coin);
        let mut side = *self.random.pick(&[Side::Buy, Side::Sell]);
        let mut plan = Plan::drawn(&mut self.random);
        plan.slices = plan.slices.min(self.rates.fills_of_order_max);
        plan.per_block = plan.per_block.min(plan.slices);
        if spot {
            side = if position > usual { Side::Sell } else { Side::Buy };
        } else if position != 0 {
            let close = if position > 0 { Side::Sell } else { Side::Buy };
            match self.random.below(100) {
                0..30 => side = opposite(close),
                30..75 => {
                    let part = *self.random.pick(&[1, 1, 2, 4]);
                    (side, lots, plan.reduce_only) = (close, (position.abs() / part).max(1), true);
                }
                _ => (side, lots) = (close, position.abs() + lots),
            }
        }
        self.open_order(coin, side, lots, plan, block);
    }

    fn open_order(&mut self, coin: usize, side: Side, lots: i64, plan: Plan, block: &mut Block) {
        let cloid: Option<Cloid> = self.random.chance(350).then(|| {
            let word = self.random.next();
            (u128::from(self.number + 1) << 64 | u128::from(word)).to_be_bytes()
        });
        let oid = self.ledger.next_oid();
        let limit = match side {
            Side::Buy => self.ticks[coin] + COINS[coin].start_ticks / 100,
            Side::Sell => (self.ticks[coin] - COINS[coin].start_ticks / 100).max(1),
        };
        let mut order = Order::new(oid, (coin, side, lots, limit), plan, cloid, block.time_ms);
        if let Some(status) = order.plan.never_filled {
            block.updates.push(order.face().update(status, block.time_ms));
            return;
        }
        block.updates.push(order.face().update("open", block.time_ms));
        if order.plan.trigger {
            block.updates.push(order.face().update("triggered", block.time_ms));
        }
        if self.step_order(&mut order, block) {
            self.orders.push(order);
        }
    }

    /// Something happens to the trader that he did not ask for.
    fn be_forced(&mut self, block: &mut Block) {
        match self.random.below(6) {
            0 | 1 => self.be_liquidated(block),
            2 => self.lose_position("Auto-Deleveraging", 2, block),
            3 => self.lose_position("Settlement", 1, block),
            4 => self.convert_dust(block),
            _ => self.meet_a_stranger(block),
        }
    }

    fn a_position(&mut self) -> Option<(usize, i64)> {
        let held: Vec<(usize, i64)> = (0..PERPS)
            .map(|coin| (coin, self.ledger.lots(coin)))
            .filter(|(_, lots)| *lots != 0)
            .collect();
        (!held.is_empty()).then(|| *self.random.pick(&held))
    }

    fn be_liquidated(&mut self, block: &mut Block) {
        let Some((coin, position)) = self.a_position() else { return };
        for order in self.orders.extract_if(.., |order| order.coin == coin) {
            block.updates.push(order.face().update("liquidatedCanceled", block.time_ms));
        }
        let side = if position > 0 { Side::Sell } else { Side::Buy };
        let lots = position.abs();
        let slices = self.random.between(1, lots.min(5)) as u32;
        let plan = Plan { slices, per_block: slices, reduce_only: true, ..Plan::default() };
        let oid = self.ledger.next_oid();
        let limit = self.ticks[coin];
        let mut order = Order::new(oid, (coin, side, lots, limit), plan, None, block.time_ms);
        let method = if self.random.chance(200) { "backstop" } else { "market" };
        let user = self.address;
        let hash = self.hash();
        let labels = if position > 0 {
            ["Liquidated Cross Long", "Liquidated Isolated Long"]
        } else {
            ["Liquidated Cross Short", "Liquidated Isolated Short"]
        };
        // A market liquidation may also look like an ordinary close.
        let label = *self.random.pick(&[None, Some(labels[0]), Some(labels[1])]);
        while order.slices_left > 0 {
            let lots = order.slice(&mut self.random);
            order.left -= lots;
            order.slices_left -= 1;
            let mut execution = self.execution_of(&order, lots, limit, block.time_ms, &hash);
            execution.liquidation = Some(Liquidation { user, method: method.into() });
            execution.label = label.map(Dir::new);
            block.fills.push(self.ledger.execute(execution));
        }
        block.updates.push(order.face().update("filled", block.time_ms));
    }

    /// One fill by the venue that takes a part of a position; such a fill has no order states.
    fn lose_position(&mut self, label: &str, part: i64, block: &mut Block) {
        let Some((coin, position)) = self.a_position() else { return };
        let side = if position > 0 { Side::Sell } else { Side::Buy };
        self.fill_by_venue(coin, side, (position.abs() / part).max(1), label, block);
    }

    /// A fill whose label says neither open nor close.
    fn meet_a_stranger(&mut self, block: &mut Block) {
        let coin = self.random.below(PERPS as u64) as usize;
        let lots = self.random.between(1, COINS[coin].usual_lots);
        let label = *self.random.pick(&["Net Child Vaults", "Vault Rebalance"]);
        let side = *self.random.pick(&[Side::Buy, Side::Sell]);
        self.fill_by_venue(coin, side, lots, label, block);
    }

    fn convert_dust(&mut self, block: &mut Block) {
        let held: Vec<usize> =
            (PERPS..COINS.len()).filter(|&coin| self.ledger.lots(coin) > 0).collect();
        if held.is_empty() {
            return;
        }
        let coin = *self.random.pick(&held);
        let lots = self.ledger.lots(coin).min(3);
        self.fill_by_venue(coin, Side::Sell, lots, "Spot Dust Conversion", block);
    }

    fn fill_by_venue(
        &mut self,
        coin: usize,
        side: Side,
        lots: i64,
        label: &str,
        block: &mut Block,
    ) {
        let execution = Execution {
            coin,
            side,
            lots,
            ticks: self.ticks[coin],
            oid: self.ledger.next_oid(),
            time_ms: block.time_ms,
            crossed: false,
            cloid: None,
            liquidation: None,
            twap_id: None,
            builder: false,
            hash: ZERO_HASH.into(),
            label: Some(Dir::new(label)),
            dust: coin >= PERPS,
        };
        block.fills.push(self.ledger.execute(execution));
    }
}

#[cfg(test)]
mod tests;
