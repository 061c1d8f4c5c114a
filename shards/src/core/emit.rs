//! When a leg is emitted, and what its signal says.

use super::leg::{Leg, LegKey, Open};
use super::order::{ORDERS_ROOM, Order, OrderKey};
use super::timers::Owner;
use super::{Core, Effects};
use crate::decimal::Decimal;
use crate::event::{AssetType, Direction, Event, Signal, Trigger};
use crate::input::{Emit, SymbolEntry};

/// In a flip the closing leg goes first, then the opening one; labels of their own come last.
const EMISSION_ORDER: [Direction; 3] = [Direction::Close, Direction::Open, Direction::Other];

impl Core {
    /// Settles each order that the input touched, in the order of their first fills.
    pub(super) fn settle_touched(&mut self, effects: &mut impl Effects) {
        let mut touched = std::mem::take(&mut self.touched);
        for &key in &touched {
            self.orders[key].is_touched = false;
            self.settle(key, effects);
        }
        touched.clear();
        self.touched = touched;
    }

    /// Emits what is due of an order after its fills or its status changed, and sets its timer.
    pub(super) fn settle(&mut self, key: OrderKey, effects: &mut impl Effects) {
        let order = &self.orders[key];
        let complete = order.is_complete();
        match (self.policy.emit, complete) {
            (_, true) => {
                let trigger =
                    if self.policy.emit == Emit::Frame && order.unsignalled_ns == self.now_ns {
                        Trigger::Frame
                    } else {
                        Trigger::Status
                    };
                self.emit(key, trigger, true, effects);
            }
            (Emit::Frame, false) => self.emit(key, Trigger::Frame, false, effects),
            (Emit::Order, false) => {}
        }
        self.arm_order(key);
        self.fold_order(key);
    }

    pub(super) fn order_due(&mut self, key: OrderKey, effects: &mut impl Effects) {
        let order = &self.orders[key];
        if order.unsignalled_ns == 0 && self.may_forget(key) {
            self.fold_order(key);
            self.forget_order(key);
            return;
        }
        if self.order_deadline_ns(key) <= self.now_ns {
            let ended = self.orders[key].terminal.is_some();
            let trigger = if ended { Trigger::Grace } else { Trigger::Timeout };
            self.emit(key, trigger, false, effects);
        }
        self.arm_order(key);
        self.fold_order(key);
    }

    fn order_deadline_ns(&self, key: OrderKey) -> u64 {
        let order = &self.orders[key];
        let deadline_ns = match (order.unsignalled_ns, order.terminal) {
            // Looked at each time another `least_ns` has gone.
            (0, _) => {
                let least_ns = order.keep().least_ns;
                let times = (self.now_ns - order.touched_ns) / least_ns + 1;
                order.touched_ns.saturating_add(times.saturating_mul(least_ns))
            }
            (since_ns, None) => since_ns.saturating_add(self.policy.timeout_ns),
            // However many fills go on coming after the end, none waits for longer than without one.
            (since_ns, Some(_)) => {
                let grace_ns = order.grace_from_ns.saturating_add(self.policy.status_grace_ns);
                grace_ns.min(since_ns.saturating_add(self.policy.timeout_ns))
            }
        };
        // Zero says that no timer is set.
        deadline_ns.max(1)
    }

    fn may_forget(&self, key: OrderKey) -> bool {
        let order = &self.orders[key];
        let (age_ns, keep) = (self.now_ns - order.touched_ns, order.keep());
        age_ns >= keep.most_ns || (age_ns >= keep.least_ns && self.orders.len() > ORDERS_ROOM)
    }

    fn arm_order(&mut self, key: OrderKey) {
        let deadline_ns = self.order_deadline_ns(key);
        let order = &mut self.orders[key];
        if order.armed_ns == 0 || deadline_ns < order.armed_ns {
            order.armed_ns = deadline_ns;
            let owner = Owner::Order { generation: order.generation, key };
            self.set_timer(deadline_ns, owner);
        }
    }

    fn forget_order(&mut self, key: OrderKey) {
        let order = self.orders.remove(key);
        let mut next = order.first_leg;
        while let Some(leg) = next {
            next = self.legs.remove(leg).next;
        }
        // Take it out of the list of orders that share its oid.
        if self.by_oid.get(&order.oid) == Some(&key) {
            match order.same_oid {
                Some(other) => self.by_oid.insert(order.oid, other),
                None => self.by_oid.remove(&order.oid),
            };
            return;
        }
        let mut at = self.by_oid[&order.oid];
        while self.orders[at].same_oid != Some(key) {
            at = self.orders[at].same_oid.expect("a forgotten order is in the list of its oid");
        }
        self.orders[at].same_oid = order.same_oid;
    }

    /// Emits every leg with something unsignalled; with `is_final`, marks the others final too.
    fn emit(
        &mut self,
        key: OrderKey,
        trigger: Trigger,
        is_final: bool,
        effects: &mut impl Effects,
    ) {
        for direction in EMISSION_ORDER {
            let mut next = self.orders[key].first_leg;
            while let Some(leg_key) = next {
                let leg = &self.legs[leg_key];
                next = leg.next;
                let closing_word = self.policy.emit_final && is_final && !leg.is_final;
                if leg.kind.direction == direction && (leg.open.fills > 0 || closing_word) {
                    self.emit_leg(key, leg_key, trigger, is_final, effects);
                }
            }
        }
        if std::mem::take(&mut self.orders[key].unsignalled_ns) != 0 {
            self.unsignalled -= 1;
        }
    }

    fn emit_leg(
        &mut self,
        key: OrderKey,
        leg_key: LegKey,
        trigger: Trigger,
        is_final: bool,
        effects: &mut impl Effects,
    ) {
        let leg = &mut self.legs[leg_key];
        leg.revision += 1;
        leg.is_final = is_final;
        let leg = *leg;
        let symbol = self.symbol_of(&self.orders[key].coin, leg.kind.asset_type);
        self.fold_symbol(&symbol);
        let signal = self.signal(key, &leg, &symbol, trigger);
        self.legs[leg_key].open = Open::default();
        self.counts.signals += 1;
        effects.event(&Event::Signal(signal));
    }

    /// Whether more was filled of an order than has come, of an account that began without a snapshot: then it was filled
    /// before that, as far as anybody can tell. If the rest comes after all, it lacks nothing.
    fn lacks_beginning(&self, order: &Order) -> bool {
        let end = order.terminal.and_then(|terminal| terminal.filled);
        self.accounts[order.account].blind && end.is_some_and(|filled| order.filled < filled)
    }

    fn signal(&self, key: OrderKey, leg: &Leg, symbol: &SymbolEntry, trigger: Trigger) -> Signal {
        let order = &self.orders[key];
        let account = &self.accounts[order.account];
        let open = &leg.open;
        let worth = match leg.kind.asset_type {
            AssetType::Futures => account.account_value,
            AssetType::Spot => account.spot_total,
        };
        let hundred = Decimal::from(100);
        let position_rate = worth
            .filter(|worth| !worth.is_zero() && !worth.is_negative())
            .and_then(|worth| open.notional.checked_mul(hundred)?.ratio(worth));
        Signal {
            address: account.address,
            asset_type: leg.kind.asset_type,
            coin: order.coin,
            symbol: symbol.symbol,
            coin_type: symbol.coin_type,
            direction: leg.kind.direction,
            side: leg.kind.side,
            leg: leg.kind.name,
            position_rate,
            close_rate: leg.close_rate(),
            size: open.size,
            notional: open.notional,
            price: open.notional.ratio(open.size).unwrap_or(Decimal::ZERO),
            // An empty final has no fill of its own; it speaks of the moment it was emitted.
            timestamp_ms: if open.fills > 0 { open.first_ms } else { self.now_ns / 1_000_000 },
            last_fill_ms: leg.last_ms,
            oid: order.oid,
            cloid: order.cloid,
            revision: leg.revision,
            is_final: leg.is_final,
            status: order.terminal.map(|terminal| terminal.status),
            trigger,
            fills: open.fills,
            order_size: leg.size,
            order_notional: leg.notional,
            partial_history: order.partial_history || self.lacks_beginning(order),
            reason: open.reason,
            closed_pnl: open.closed_pnl,
            fee: open.fee,
            fee_token: open.fee_token,
        }
    }
}
