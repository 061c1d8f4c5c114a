//! An order of a generated trader: how it will be filled is decided when it is placed.

use shards::fill::Cloid;
use shards::{Decimal, Side};

use super::coins::COINS;
use super::random::Random;
use super::tape::{OrderFace, cloid_text};

/// The most fills an order gets: the recorded accounts' largest has 55.
const SLICES_MAX: i64 = 55;

/// How an order goes.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Number of fills.
    pub(crate) slices: u32,
    /// Fills in a block.
    pub(crate) per_block: u32,
    /// Blocks without a fill between two with fills.
    pub(crate) gap_blocks: u32,
    /// Of a thousand lots, so many are never filled, and `cut_status` ends the order.
    pub(crate) cut_per_mille: i64,
    pub(crate) cut_status: &'static str,
    /// Ends the order before any fill.
    pub(crate) never_filled: Option<&'static str>,
    pub(crate) reduce_only: bool,
    pub(crate) crossed: bool,
    /// Whether a trigger set it off.
    pub(crate) trigger: bool,
    pub(crate) twap_id: Option<u64>,
    pub(crate) builder: bool,
}

impl Default for Plan {
    /// A taker filled at once.
    fn default() -> Plan {
        Plan {
            slices: 1,
            per_block: 1,
            gap_blocks: 0,
            cut_per_mille: 0,
            cut_status: "canceled",
            never_filled: None,
            reduce_only: false,
            crossed: true,
            trigger: false,
            twap_id: None,
            builder: false,
        }
    }
}

impl Plan {
    /// A plan by chance. Of the orders with fills, 78 of 100 are done in one block.
    pub(crate) fn drawn(random: &mut Random) -> Plan {
        let slices = match random.below(100) {
            0..50 => 1,
            50..80 => random.between(2, 5),
            80..97 => random.between(6, 20),
            _ => random.between(21, SLICES_MAX),
        } as u32;
        let mut plan = Plan { slices, per_block: slices, ..Plan::default() };
        plan.crossed = random.chance(600);
        plan.trigger = random.chance(40);
        plan.builder = random.chance(100);
        if random.chance(220) {
            plan.slices = slices.max(2);
            plan.per_block = random.between(1, i64::from(plan.slices.div_ceil(2))) as u32;
            plan.gap_blocks = random.between(0, 12) as u32;
            plan.twap_id = random.chance(150).then(|| 2_000_000 + random.below(1_000_000));
        }
        if random.chance(200) {
            plan.cut_per_mille = random.between(50, 900);
            plan.cut_status = if plan.crossed && plan.per_block == plan.slices {
                "iocCancelRejected"
            } else {
                *random.pick(&["canceled", "canceled", "marginCanceled", "scheduledCancel"])
            };
        }
        if random.chance(40) {
            plan.never_filled =
                Some(*random.pick(&["badAloPxRejected", "perpMarginRejected", "canceled"]));
        }
        plan
    }
}

/// An order.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) oid: u64,
    /// Place in [`COINS`].
    pub(crate) coin: usize,
    pub(crate) side: Side,
    limit_ticks: i64,
    /// Lots when it was placed.
    pub(crate) orig: i64,
    /// Lots that remain.
    pub(crate) left: i64,
    /// Lots of `left` that are never filled.
    cut: i64,
    pub(crate) slices_left: u32,
    pub(crate) wait_blocks: u32,
    pub(crate) plan: Plan,
    pub(crate) cloid: Option<Cloid>,
    cloid_text: Option<String>,
    pub(crate) placed_ms: u64,
}

impl Order {
    /// An order of (coin, side, lots, limit in ticks). A plan with more fills than lots is cut
    /// down.
    pub(crate) fn new(
        oid: u64,
        (coin, side, lots, limit_ticks): (usize, Side, i64, i64),
        plan: Plan,
        cloid: Option<Cloid>,
        placed_ms: u64,
    ) -> Order {
        assert!(lots > 0, "an order has a size");
        let cut = (lots * plan.cut_per_mille / 1000).min(lots - 1);
        let slices_left = plan.slices.min(u32::try_from(lots - cut).unwrap_or(u32::MAX));
        Order {
            oid,
            coin,
            side,
            limit_ticks,
            orig: lots,
            left: lots,
            cut,
            slices_left,
            wait_blocks: 0,
            cloid_text: cloid.as_ref().map(cloid_text),
            plan,
            cloid,
            placed_ms,
        }
    }

    /// Lots of the next fill: about equal parts, each at least one lot, the last one all that is to
    /// be filled.
    pub(crate) fn slice(&self, random: &mut Random) -> i64 {
        let rest = self.left - self.cut;
        let after = i64::from(self.slices_left) - 1;
        assert!(rest > after && after >= 0, "each remaining fill has a lot");
        if after == 0 {
            return rest;
        }
        let even = rest / (after + 1);
        random.between((even / 2).max(1), even + even / 2).min(rest - after)
    }

    /// How the order ends after its last fill.
    pub(crate) fn end_status(&self) -> &'static str {
        match self.left {
            0 => "filled",
            left if left > self.cut => self.no_room_status(),
            _ => self.plan.cut_status,
        }
    }

    /// How the order ends when the position or the balance is used up.
    pub(crate) fn no_room_status(&self) -> &'static str {
        if self.plan.reduce_only { "reduceOnlyCanceled" } else { "canceled" }
    }

    /// The order as its states show it.
    pub(crate) fn face(&self) -> OrderFace<'_> {
        let coin = &COINS[self.coin];
        let size = |lots: i64| Decimal::new(lots.into(), coin.sz_decimals);
        OrderFace {
            coin: coin.name,
            side: self.side,
            limit_px: Decimal::new(self.limit_ticks.into(), coin.px_decimals),
            left: size(self.left),
            orig: size(self.orig),
            oid: self.oid,
            placed_ms: self.placed_ms,
            cloid: self.cloid_text.as_deref(),
            reduce_only: self.plan.reduce_only,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_add_up_and_none_is_empty() {
        let mut random = Random::new(5, 5);
        for lots in [1, 2, 7, 55, 56, 1000, 145_123] {
            for cut_per_mille in [0, 300, 999] {
                let plan = Plan { slices: 55, cut_per_mille, ..Plan::default() };
                let mut order = Order::new(1, (0, Side::Buy, lots, 1), plan, None, 0);
                let wanted = lots - order.cut;
                let mut filled = 0;
                while order.slices_left > 0 {
                    let slice = order.slice(&mut random);
                    assert!(slice > 0);
                    filled += slice;
                    order.left -= slice;
                    order.slices_left -= 1;
                }
                assert_eq!(filled, wanted);
                assert_eq!(order.left, order.cut);
                assert_eq!(order.end_status() == "filled", order.cut == 0);
            }
        }
    }

    #[test]
    fn plans_are_mostly_one_block_and_at_most_55_fills() {
        let mut random = Random::new(9, 9);
        let plans: Vec<Plan> = (0..4000).map(|_| Plan::drawn(&mut random)).collect();
        let one_block = plans.iter().filter(|p| p.per_block == p.slices).count();
        assert!((2900..3300).contains(&one_block), "{one_block}");
        assert!(plans.iter().all(|p| p.slices <= 55 && p.per_block >= 1));
        assert!(plans.iter().any(|p| p.slices > 40));
        assert!(plans.iter().any(|p| p.twap_id.is_some()));
        assert!(plans.iter().any(|p| p.cut_status == "iocCancelRejected"));
        assert!(plans.iter().any(|p| p.never_filled.is_some()));
    }
}
