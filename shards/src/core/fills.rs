//! A fill's way in: known or new, in order or held back, and into its legs.

use super::account::{AccountKey, HELD_FILLS_MAX, HOLD_MAX_NS, Hold};
use super::leg::{self, Leg, LegKey, Part};
use super::order::{Order, OrderKey, Terminal};
use super::{Core, Effects, chain};
use crate::decimal::Decimal;
use crate::event::{Event, Gap};
use crate::fill::{Fill, TIME_MS_MAX};
use crate::input::{Baseline, FILLS_PER_INPUT_MAX, Origin, Request};

/// Where a fill goes in its chain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At its end.
    End,
    /// Before its newest millisecond, which had come first.
    Before,
}

/// Most fills that one input takes. What waits beyond that goes on with the next tick: an input and its events must
/// fit a journal batch, and a loop that holds a core for long delays the others' fills.
pub(super) const TAKEN_PER_INPUT_MAX: usize = 2_048;

impl Core {
    pub(super) fn fills(
        &mut self,
        key: AccountKey,
        origin: Origin,
        fills: &[Fill],
        effects: &mut impl Effects,
    ) {
        assert!(fills.len() <= FILLS_PER_INPUT_MAX, "longer frames are split by the caller");
        let account = &mut self.accounts[key];
        if !account.watched {
            return;
        }
        // Fills that wait are checked again when they are taken; here only what is surely old is left out.
        for fill in fills.iter().filter(|fill| fill.is_sound()) {
            if !account.knows(fill, &self.names) {
                account.held.push(*fill);
            }
        }
        if !account.baselined {
            // What does not fit now is older than the snapshot that is still to come, and so no news.
            account.held.truncate(HELD_FILLS_MAX);
            return;
        }
        match origin {
            Origin::Snapshot { last: false, .. } | Origin::Backfill { last: false } => return,
            Origin::Live => self.live(key, effects),
            Origin::Snapshot { last: true, reaches } => self.snapshot_end(key, reaches, effects),
            Origin::Backfill { last: true } => {
                // An answer that comes late, after the hold that asked for it, cannot tell what is missing now.
                let hold = self.accounts[key].hold.take();
                self.drain(key, matches!(hold, Some(Hold::Asked { .. })), effects);
            }
        }
        self.settle_touched(effects);
    }

    fn live(&mut self, key: AccountKey, effects: &mut impl Effects) {
        let account = &self.accounts[key];
        match account.hold {
            None if !account.joined => {
                if self.holds_too_many(key) {
                    self.ask(key, self.now_ns, effects);
                }
            }
            None | Some(Hold::Break { .. }) => self.drain(key, false, effects),
            Some(Hold::Asked { .. }) => {
                if self.holds_too_many(key) {
                    self.accounts[key].hold = None;
                    self.drain(key, true, effects);
                }
            }
            Some(Hold::Rest { .. }) => {}
        }
    }

    /// Whether more is held back than may be, repetitions not counted: each reconnect brings a snapshot.
    fn holds_too_many(&mut self, key: AccountKey) -> bool {
        if self.accounts[key].held.len() <= HELD_FILLS_MAX {
            return false;
        }
        let mut held = std::mem::take(&mut self.accounts[key].held);
        self.leave_out_repeated(key, &mut held);
        let count = held.len();
        self.accounts[key].held = held;
        count > HELD_FILLS_MAX
    }

    /// Leaves out of `held` what was taken before and what it has twice; puts the rest in order of time.
    fn leave_out_repeated(&self, key: AccountKey, held: &mut Vec<Fill>) {
        let account = &self.accounts[key];
        held.retain(|fill| !account.knows(fill, &self.names));
        chain::order_by_time(held);
        // The fills of one time stand together: each is compared with those only.
        let (mut kept, mut run) = (0, 0);
        for at in 0..held.len() {
            if held[run].time_ms != held[at].time_ms {
                run = kept;
            }
            if held[run..kept].iter().any(|fill| fill.is_same(&held[at])) {
                continue;
            }
            if kept != at {
                held[kept] = held[at];
            }
            kept += 1;
        }
        held.truncate(kept);
    }

    fn snapshot_end(&mut self, key: AccountKey, reaches: bool, effects: &mut impl Effects) {
        let now_ns = self.now_ns;
        let account = &mut self.accounts[key];
        let first = !std::mem::replace(&mut account.synced, true);
        account.joined = true;
        if reaches || first {
            account.hold = None;
            self.drain(key, false, effects);
        } else {
            let since_ns = account.hold.map_or(now_ns, Hold::since_ns);
            self.ask(key, since_ns, effects);
        }
    }

    /// A source without snapshots feeds the account from `at_ms` on; with `continues`, nothing was missed before that.
    pub(super) fn joined(
        &mut self,
        key: AccountKey,
        at_ms: u64,
        continues: bool,
        effects: &mut impl Effects,
    ) {
        let now_ns = self.now_ns;
        let account = &mut self.accounts[key];
        if !account.watched {
            return;
        }
        if !account.baselined {
            // A time that no block has would make everything that follows look old.
            let newest_ms = if at_ms < TIME_MS_MAX { at_ms } else { now_ns / 1_000_000 };
            let nothing = Baseline { newest_ms, newest: &[], chain: &[], orders: &[] };
            return self.baseline(key, &nothing, effects);
        }
        let first = !std::mem::replace(&mut account.synced, true);
        account.joined = true;
        if continues || first {
            // What was asked for before is still missing: only its answer says what it was.
            self.live(key, effects);
            self.settle_touched(effects);
        } else {
            let since_ns = account.hold.map_or(now_ns, Hold::since_ns);
            self.ask(key, since_ns, effects);
        }
    }

    /// Asks for the account's fills since its newest.
    fn ask(&mut self, key: AccountKey, since_ns: u64, effects: &mut impl Effects) {
        let account = &mut self.accounts[key];
        account.hold = Some(Hold::Asked { since_ns, asked_ns: self.now_ns });
        self.counts.backfills += 1;
        effects.request(Request::Backfill { address: account.address, from_ms: account.last_ms });
        self.arm_account(key);
    }

    pub(super) fn give_up(&mut self, key: AccountKey, effects: &mut impl Effects) {
        if let Some(Hold::Asked { .. }) = self.accounts[key].hold {
            self.accounts[key].hold = None;
            self.drain(key, true, effects);
            self.settle_touched(effects);
        }
    }

    pub(super) fn account_due(&mut self, key: AccountKey, effects: &mut impl Effects) {
        let Some(hold) = self.accounts[key].hold else { return };
        let is_over = self.now_ns >= hold.since_ns().saturating_add(HOLD_MAX_NS);
        let force = match hold {
            _ if hold.deadline_ns() > self.now_ns => return self.arm_account(key),
            Hold::Rest { force, .. } => force,
            _ if is_over => true,
            _ => return self.ask(key, hold.since_ns(), effects),
        };
        self.accounts[key].hold = None;
        self.drain(key, force, effects);
        self.settle_touched(effects);
    }

    /// Takes what is held, in order. At a break of the chain it stops and holds the rest, unless it must go on
    /// (`force`): then it tells the gap. Of very many, the rest waits for the next tick.
    pub(super) fn drain(&mut self, key: AccountKey, force: bool, effects: &mut impl Effects) {
        let mut held = std::mem::take(&mut self.drained);
        std::mem::swap(&mut held, &mut self.accounts[key].held);
        // Before they are put in order: a position that is left twice by one fill would lead the walk astray.
        self.leave_out_repeated(key, &mut held);
        chain::order(&mut held, &self.accounts[key].chain, &mut self.ends);
        let mut taken = 0;
        self.before.clear();
        for (at, fill) in held.iter().enumerate() {
            // Not in the middle of fills that go before a millisecond: together they lead to it.
            let may_stop = self.before.last().is_none_or(|(_, ms)| *ms != fill.time_ms);
            if taken >= TAKEN_PER_INPUT_MAX && may_stop {
                break;
            }
            let chain = &mut self.accounts[key].chain;
            let mut place = Place::End;
            if self.before.contains(&(fill.coin, fill.time_ms)) {
                place = Place::Before;
            } else if !chain.accepts(fill) {
                if chain.is_preceded_by(&held[at..]) {
                    chain.prepend(&fill.coin, fill.start_position);
                    self.before.push((fill.coin, fill.time_ms));
                    place = Place::Before;
                } else if force {
                    self.tell_gap(key, fill, effects);
                } else {
                    break;
                }
            }
            self.take(key, fill, place);
            taken += 1;
        }
        held.drain(..taken);
        let account = &mut self.accounts[key];
        let rest = !held.is_empty();
        std::mem::swap(&mut held, &mut account.held);
        held.clear();
        self.drained = held;
        let since_ns = self.now_ns;
        account.hold = match rest {
            false => None,
            true if taken >= TAKEN_PER_INPUT_MAX => Some(Hold::Rest { since_ns, force }),
            true => Some(account.hold.unwrap_or(Hold::Break { since_ns })),
        };
        self.arm_account(key);
    }

    fn tell_gap(&mut self, key: AccountKey, fill: &Fill, effects: &mut impl Effects) {
        let account = &self.accounts[key];
        let expected = account.chain.get(&fill.coin).unwrap_or(Decimal::ZERO);
        self.counts.gaps += 1;
        effects.event(&Event::Gap(Gap {
            address: account.address,
            coin: fill.coin,
            from_ms: account.last_ms,
            to_ms: fill.time_ms,
            expected,
            found: fill.start_position,
        }));
    }

    /// Takes one new fill: its key, its chain, its legs.
    fn take(&mut self, key: AccountKey, fill: &Fill, place: Place) {
        self.counts.fills += 1;
        let account = &mut self.accounts[key];
        account.remember(fill, &mut self.names, self.policy.dedup_window_ms);
        if fill.is_perp() && place == Place::End {
            let end = fill.end_position().expect("Fill::is_sound bounds both numbers");
            let stand = *account.chain.append(fill, end);
            self.fold_stand(&stand);
        }
        let account = &self.accounts[key];
        let reason = leg::reason(fill, &account.address);
        let order_key = self.order_of(key, fill);
        let (first, second) = leg::parts(fill);
        for part in std::iter::once(first).chain(second) {
            let leg_key = self.leg_of(order_key, &part, fill);
            self.legs[leg_key].add(fill, &part, reason);
        }
        let order = &mut self.orders[order_key];
        order.filled =
            order.filled.checked_add(fill.sz).expect("Fill::is_sound bounds the sum of sizes");
        order.touched_ns = self.now_ns;
        order.grace_from_ns = self.now_ns;
        if order.unsignalled_ns == 0 {
            self.unsignalled += 1;
            // Zero says that there is nothing.
            order.unsignalled_ns = self.now_ns.max(1);
        }
        if order.cloid.is_none() {
            order.cloid = fill.cloid;
        }
        // Fills of an order come together: looking at the newest entries first finds it at once.
        if !self.touched.iter().rev().any(|touched| *touched == order_key) {
            self.touched.push(order_key);
        }
    }

    fn order_of(&mut self, account_key: AccountKey, fill: &Fill) -> OrderKey {
        let first = self.by_oid.get(&fill.oid).copied();
        let mut next = first;
        while let Some(key) = next {
            let order = &self.orders[key];
            if order.account == account_key {
                return key;
            }
            next = order.same_oid;
        }
        let baseline = self.accounts[account_key].baseline_filled(fill.oid);
        let terminal: Option<Terminal> = self.waiting.get(&fill.oid).map(|w| w.terminal);
        self.generation += 1;
        let key = self.orders.insert(Order {
            account: account_key,
            oid: fill.oid,
            generation: self.generation,
            coin: fill.coin,
            cloid: fill.cloid,
            same_oid: first,
            first_leg: None,
            filled: baseline.unwrap_or(Decimal::ZERO),
            partial_history: baseline.is_some(),
            terminal,
            unsignalled_ns: 0,
            grace_from_ns: self.now_ns,
            touched_ns: self.now_ns,
            armed_ns: 0,
        });
        self.by_oid.insert(fill.oid, key);
        key
    }

    fn leg_of(&mut self, order_key: OrderKey, part: &Part, fill: &Fill) -> LegKey {
        let mut last = None;
        let mut next = self.orders[order_key].first_leg;
        while let Some(key) = next {
            if self.legs[key].kind == part.kind {
                return key;
            }
            last = next;
            next = self.legs[key].next;
        }
        // The opening part of a flip begins where the closing part ended: at zero.
        let start = match part.kind.direction {
            crate::event::Direction::Open if part.size != fill.sz => Decimal::ZERO,
            _ => fill.start_position,
        };
        let key = self.legs.insert(Leg::new(part.kind, start));
        match last {
            Some(last) => self.legs[last].next = Some(key),
            None => self.orders[order_key].first_leg = Some(key),
        }
        key
    }
}
