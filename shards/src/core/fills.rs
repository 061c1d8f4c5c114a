//! A fill's way in: known or new, in order or held back, and into its legs.

use super::account::AccountKey;
use super::arrange::Found;
use super::hold::{HELD_FILLS_MAX, Hold};
use super::leg::{self, Leg, LegKey, Part};
use super::order::{LEGS_MAX, Order, OrderKey, Terminal};
use super::{Core, Effects};
use crate::decimal::Decimal;
use crate::event::{Event, Gap};
use crate::fill::Fill;
use crate::input::{FILLS_PER_INPUT_MAX, Origin};
use crate::text::Coin;

/// Where a fill goes in its chain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At its end.
    End,
    /// Before its newest millisecond, which had come first.
    Before,
    /// Further back: the chain was found to go on without it.
    Past,
}

/// What to do where a chain breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mend {
    /// Stop there: what is missing may still come.
    Wait,
    /// Go on, and tell the gap.
    Force,
    /// Stop there; but what is past is taken: an answer that nobody waited for any more brings what was told as missing.
    Recover,
}

/// Past fills of one coin. Together they must lead back to where they began: the chain went on without them.
struct Walk {
    coin: Coin,
    from_ms: u64,
    to_ms: u64,
    start: Decimal,
    end: Decimal,
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
        account.forget_baseline_orders(self.now_ns);
        let waiting = account.held.len();
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
            Origin::Snapshot { last: false, .. } | Origin::Backfill { last: false } => {
                self.part(key, effects);
            }
            Origin::Live => self.live(key, waiting, effects),
            Origin::Snapshot { last: true, reaches } => self.snapshot_end(key, reaches, effects),
            Origin::Backfill { last: true } => self.answered(key, effects),
        }
        self.settle_touched(effects);
    }

    /// Leaves out of `held` what was taken before and what it has twice; puts the rest in order of time.
    pub(super) fn leave_out_repeated(&mut self, key: AccountKey, held: &mut Vec<Fill>) {
        let account = &self.accounts[key];
        held.retain(|fill| !account.knows(fill, &self.names));
        self.arranger.leave_out_repeated(held);
    }

    /// Takes what is held, in order. At a break of the chain it stops and holds the rest, unless it must go on: then it
    /// tells the gap. Of very many, the rest waits for the next tick.
    pub(super) fn drain(&mut self, key: AccountKey, mend: Mend, effects: &mut impl Effects) {
        let force = mend == Mend::Force;
        let mut walks = Vec::new();
        let mut held = std::mem::take(&mut self.drained);
        std::mem::swap(&mut held, &mut self.accounts[key].held);
        // Before they are put in order: a position that is left twice by one fill would lead the walk astray.
        self.leave_out_repeated(key, &mut held);
        self.arranger.order(&mut held, &self.accounts[key].chain);
        let (mut taken, mut mark, mut is_full) = (0, 0, false);
        while let Some(fill) = held.get(taken) {
            let marked = self.arranger.marks.get(mark).filter(|(at, _)| *at as usize == taken);
            let detour = marked.map(|(_, number)| *number as usize);
            mark += usize::from(detour.is_some());
            is_full = taken >= TAKEN_PER_INPUT_MAX || self.is_too_long(detour, taken);
            if is_full {
                break;
            }
            let mut place = self.place_of(key, detour);
            if place == Place::End && mend != Mend::Wait && self.accounts[key].chain.is_past(fill) {
                place = Place::Past;
                if let Some(broken) = follow(&mut walks, fill).filter(|_| force) {
                    self.tell_broken(key, &broken, effects);
                }
            }
            if place == Place::End && !self.accounts[key].chain.accepts(fill) {
                if !force {
                    break;
                }
                self.tell_gap(key, fill, effects);
            }
            self.take(key, fill, place);
            taken += 1;
        }
        for walk in walks.iter().filter(|walk| force && walk.start != walk.end) {
            self.tell_broken(key, walk, effects);
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
            true if is_full => Some(Hold::Rest { since_ns, force }),
            true => Some(account.hold.unwrap_or(Hold::Break { since_ns })),
        };
        self.arm_account(key);
    }

    /// Whether a detour that begins at the place `taken` waits for the next input. Its fills lead to where the chain's
    /// newest millisecond begins together, so it must be that one input takes all of them.
    fn is_too_long(&self, detour: Option<usize>, taken: usize) -> bool {
        let detours = &self.arranger.detours;
        let under_way = |found: &Found| found.goes_before == Some(true) && found.last >= taken;
        detour.is_some_and(|number| {
            let found = &detours[number];
            let is_new = found.goes_before.is_none();
            is_new
                && taken > 0
                && found.last >= TAKEN_PER_INPUT_MAX
                && !detours.iter().any(under_way)
        })
    }

    /// Where a fill goes that is part of a detour, or of none. The first of a detour's fills decides for all.
    fn place_of(&mut self, key: AccountKey, detour: Option<usize>) -> Place {
        let Some(number) = detour else { return Place::End };
        let chain = &mut self.accounts[key].chain;
        let found = &mut self.arranger.detours[number];
        if found.goes_before.is_none() {
            let fits = found.last < TAKEN_PER_INPUT_MAX;
            let goes_before = fits && chain.is_preceded_by(&found.detour);
            if goes_before {
                chain.prepend(&found.detour);
            }
            found.goes_before = Some(goes_before);
        }
        if found.goes_before == Some(true) { Place::Before } else { Place::End }
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

    /// Past fills that do not lead back to where they began: others are missing beside them.
    fn tell_broken(&mut self, key: AccountKey, walk: &Walk, effects: &mut impl Effects) {
        self.counts.gaps += 1;
        effects.event(&Event::Gap(Gap {
            address: self.accounts[key].address,
            coin: walk.coin,
            from_ms: walk.from_ms,
            to_ms: walk.to_ms,
            expected: walk.start,
            found: walk.end,
        }));
    }

    /// Takes one new fill: its key, its chain, its legs.
    fn take(&mut self, key: AccountKey, fill: &Fill, place: Place) {
        self.counts.fills += 1;
        let account = &mut self.accounts[key];
        account.remember(fill, &mut self.names, self.policy.dedup_window_ms);
        if fill.is_perp() {
            let end = fill.end_position().expect("Fill::is_sound bounds both numbers");
            match place {
                Place::End => {
                    let stand = *account.chain.append(fill, end);
                    self.fold_stand(&stand);
                }
                Place::Before => account.chain.pass_before(fill, end),
                Place::Past => {}
            }
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
        if !std::mem::replace(&mut order.is_touched, true) {
            self.touched.push(order_key);
        }
    }

    /// The order of an account with this id.
    pub(super) fn order_with(&self, account_key: AccountKey, oid: u64) -> Option<OrderKey> {
        let mut next = self.by_oid.get(&oid).copied();
        while let Some(key) = next {
            let order = &self.orders[key];
            if order.account == account_key {
                return Some(key);
            }
            next = order.same_oid;
        }
        None
    }

    fn order_of(&mut self, account_key: AccountKey, fill: &Fill) -> OrderKey {
        if let Some(key) = self.order_with(account_key, fill.oid) {
            return key;
        }
        let first = self.by_oid.get(&fill.oid).copied();
        let baseline = self.accounts[account_key].take_baseline_order(fill.oid);
        let waiting: Option<Terminal> = self.waiting.get(&fill.oid).map(|w| w.terminal);
        // What is known of the end of an order id is known for all accounts that have it.
        let terminal = waiting.or_else(|| self.orders[first?].terminal);
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
            is_touched: false,
        });
        self.by_oid.insert(fill.oid, key);
        key
    }

    fn leg_of(&mut self, order_key: OrderKey, part: &Part, fill: &Fill) -> LegKey {
        let (mut last, mut count) = (None, 0);
        let mut next = self.orders[order_key].first_leg;
        while let Some(key) = next {
            count += 1;
            if self.legs[key].kind == part.kind || count == LEGS_MAX {
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

/// Goes on with the walk of the fill's coin. Where the fill does not follow, a walk begins anew; the one before is given
/// if it did not lead back.
fn follow(walks: &mut Vec<Walk>, fill: &Fill) -> Option<Walk> {
    let (coin, from_ms, to_ms, start) =
        (fill.coin, fill.time_ms, fill.time_ms, fill.start_position);
    let end = fill.end_position().expect("Fill::is_sound bounds both numbers");
    let new = Walk { coin, from_ms, to_ms, start, end };
    let Some(walk) = walks.iter_mut().find(|walk| walk.coin == coin) else {
        walks.push(new);
        return None;
    };
    if walk.end == start {
        (walk.end, walk.to_ms) = (end, to_ms);
        return None;
    }
    let before = std::mem::replace(walk, new);
    (before.start != before.end).then_some(before)
}
