//! What cancels, makes smaller or replaces.

use super::{Ledger, Order, Story};
use book::{
    Cut, Lots, OrderId, Outcome, Phase, SelfTrade, Side, Terms, Ticks, Time, TimeInForce, User,
};

impl Ledger {
    /// Takes lots off an order, all that are open at most.
    pub(super) fn reduce(&mut self, id: OrderId, by: u64, story: &mut Story<'_>) -> Outcome {
        let order = self.find(id);
        let cancelled = by.min(order.open);
        let open = order.open - cancelled;
        self.cut_down(&order, open, Cut::Asked, story);
        Outcome { resting: Lots(open), cancelled: Lots(cancelled), ..Outcome::default() }
    }

    pub(super) fn replace(
        &mut self,
        id: OrderId,
        price: Ticks,
        qty: Lots,
        self_trade: Option<SelfTrade>,
        story: &mut Story<'_>,
    ) -> Outcome {
        let order = self.find(id);
        assert_ne!(self.phase, Phase::Halted, "nothing enters a halted book");
        self.cut_down(&order, 0, Cut::Replaced, story);
        let new = Order {
            limit: Some(price),
            open: qty.0,
            shown: 0,
            tif: TimeInForce::Gtc,
            self_trade,
            ..order
        };
        if new.terms.stop.is_some() {
            return self.wait(new, story);
        }
        self.arrive(new, story)
    }

    pub(super) fn mass_cancel(
        &mut self,
        user: User,
        side: Option<Side>,
        story: &mut Story<'_>,
    ) -> Outcome {
        let is_meant =
            |order: &&Order| order.user == user && side.is_none_or(|side| side == order.side);
        let mut orders: Vec<_> = self.live().filter(is_meant).copied().collect();
        orders.sort_by_key(|order| order.id);
        self.cancel_all(&orders, Cut::Asked, story)
    }

    pub(super) fn expire(&mut self, now: Time, story: &mut Story<'_>) -> Outcome {
        self.now = self.now.max(now);
        let now = self.now;
        let has_come = |order: &&Order| order.terms.expires.is_some_and(|expires| expires <= now);
        let mut orders: Vec<_> = self.live().filter(has_come).copied().collect();
        orders.sort_by_key(|order| (order.terms.expires, order.id));
        self.cancel_all(&orders, Cut::Expired, story)
    }

    pub(super) fn cancel_all(
        &mut self,
        orders: &[Order],
        cut: Cut,
        story: &mut Story<'_>,
    ) -> Outcome {
        orders.iter().for_each(|order| self.cut_down(order, 0, cut, story));
        let cancelled = Lots(orders.iter().map(|order| order.open).sum());
        Outcome { cancelled, ..Outcome::default() }
    }

    /// Leaves `open` lots of a live order, in its place: hidden ones go first.
    pub(super) fn cut_down(&mut self, order: &Order, open: u64, cut: Cut, story: &mut Story<'_>) {
        let left = Order { open, shown: order.shown.min(open), ..*order };
        let price = order.limit.filter(|_| !order.waits());
        story.expect(left.cut(order.open - open, price, cut));
        self.write(order, left);
    }

    /// Writes what has become of a live order, which keeps its place, or leaves when nothing of it
    /// is open.
    pub(super) fn write(&mut self, order: &Order, left: Order) {
        if left.open == 0 {
            return self.take_out(order);
        }
        let list = self.list(order);
        let at = list.iter().position(|other| other.id == order.id).expect("it is live");
        list[at] = left;
    }

    /// The terms that count after a stop has been triggered.
    pub(super) fn without_stop(order: Order) -> Order {
        Order { terms: Terms { stop: None, ..order.terms }, ..order }
    }
}
