//! Why an account's fills wait, and when they go on.
//!
//! Fills are taken in order. They wait while it is not known what came before them: until the connection's snapshot has
//! come, while a broken chain may mend itself, while the REST interface is asked. Each wait has an end: a snapshot that
//! does not come is replaced by a question, a question that is not answered is asked again and then given up. What is
//! given up is said: a gap event, with the coin whose chain shows it, or without one when no chain shows what is missing.
//!
//! After a break of a source without snapshots every account asks, a thousand at once, and most have missed nothing; REST
//! answers some fifty a minute. So meanwhile fills of perpetuals whose chain goes on are taken ([`Hold::Owed`]). That
//! proves no more than that what is missing of this coin, if anything is, led back to where its chain stood: so it is still
//! asked for, and what the answer brings from before is taken behind the chain, if it leads back there. Nothing is said to
//! be whole before the answer has come; an account that holds nothing waits for it without end.

use super::account::{Account, AccountKey};
use super::fills::Mend;
use super::{Core, Effects};
use crate::decimal::Decimal;
use crate::event::{Event, Gap};
use crate::fill::TIME_MS_MAX;
use crate::input::{Baseline, Request};
use crate::text::Coin;

/// Most fills that are held back while a gap is filled. Beyond it the gap is said and the stream goes on.
pub(super) const HELD_FILLS_MAX: usize = 10_000;
/// With what a snapshot and an answer of the REST interface, 10,000 fills at most, bring before their last input.
pub(super) const HELD_IN_ALL_MAX: usize = 4 * HELD_FILLS_MAX;
/// How long a break in the chain may mend itself before the REST interface is asked: reordered frames arrive within
/// a few milliseconds of each other.
pub(super) const BREAK_GRACE_NS: u64 = 100_000_000;
/// How long live fills wait for the snapshot of their connection before the REST interface is asked.
pub(super) const SNAPSHOT_WAIT_NS: u64 = 30_000_000_000;
/// How long an answer may take before it is asked for again.
pub(super) const BACKFILL_RETRY_NS: u64 = 30_000_000_000;
/// How long fills are held back at most.
pub(super) const HOLD_MAX_NS: u64 = 300_000_000_000;

/// Why fills are held back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hold {
    /// The chain is broken; it may mend itself until `since` + [`BREAK_GRACE_NS`].
    Break { since_ns: u64 },
    /// No snapshot has come yet on this connection; until `since` + [`SNAPSHOT_WAIT_NS`].
    Snapshot { since_ns: u64 },
    /// A back-fill was asked for.
    Asked {
        since_ns: u64,
        asked_ns: u64,
        /// Block time from which on was asked, Unix milliseconds.
        from_ms: u64,
        /// Whether live fills came before that on the connection at hand: then its answer and they leave nothing out, and no
        /// snapshot is needed any more.
        joins: bool,
    },
    /// A back-fill was asked for because of a join: what was missed in `from_ms` or after it, if anything was, is still to
    /// come. Fills of which no chain shows that they go on are held.
    Owed {
        /// Since when fills wait; while none do, when it was asked for.
        since_ns: u64,
        asked_ns: u64,
        from_ms: u64,
    },
    /// More fills than one input takes are ready; the rest is taken with the next tick, in the same way.
    Rest { since_ns: u64, force: bool },
}

impl Hold {
    pub(super) fn deadline_ns(self) -> u64 {
        match self {
            Hold::Break { since_ns } => since_ns.saturating_add(BREAK_GRACE_NS),
            Hold::Snapshot { since_ns } => since_ns.saturating_add(SNAPSHOT_WAIT_NS),
            Hold::Asked { since_ns, asked_ns, .. } | Hold::Owed { since_ns, asked_ns, .. } => {
                asked_ns.saturating_add(BACKFILL_RETRY_NS).min(since_ns.saturating_add(HOLD_MAX_NS))
            }
            // Later than now: not in the input at hand.
            Hold::Rest { since_ns, .. } => since_ns.saturating_add(1),
        }
    }

    pub(super) fn since_ns(self) -> u64 {
        match self {
            Hold::Break { since_ns }
            | Hold::Snapshot { since_ns }
            | Hold::Asked { since_ns, .. }
            | Hold::Owed { since_ns, .. }
            | Hold::Rest { since_ns, .. } => since_ns,
        }
    }
}

impl Account {
    /// Its connection is gone: what was live is so no more.
    fn disconnect(&mut self, now_ns: u64) {
        (self.joined, self.fed) = (false, false);
        match &mut self.hold {
            Some(Hold::Asked { joins, .. }) => *joins = false,
            Some(Hold::Snapshot { since_ns }) => *since_ns = now_ns,
            Some(Hold::Break { .. } | Hold::Rest { .. } | Hold::Owed { .. }) => {}
            // The first part of a snapshot, perhaps, whose rest did not come.
            hold @ None if self.baselined && !self.held.is_empty() => {
                *hold = Some(Hold::Snapshot { since_ns: now_ns });
            }
            None => {}
        }
    }
}

impl Core {
    pub(super) fn started(&mut self) {
        for key in 0..self.accounts.len() {
            self.disconnected(key);
        }
    }

    pub(super) fn disconnected(&mut self, key: AccountKey) {
        self.accounts[key].disconnect(self.now_ns);
        self.arm_account(key);
    }

    /// Live fills came, and are held: those behind the first `waiting`.
    pub(super) fn live(&mut self, key: AccountKey, waiting: usize, effects: &mut impl Effects) {
        let account = &mut self.accounts[key];
        account.fed = true;
        match account.hold {
            None | Some(Hold::Break { .. }) if account.joined => {
                self.drain(key, Mend::Wait, effects);
            }
            None if account.held.is_empty() => {}
            None | Some(Hold::Break { .. } | Hold::Snapshot { .. }) => {
                let since_ns = account.hold.map_or(self.now_ns, Hold::since_ns);
                // The answer must have a chance before there are too many.
                if self.holds_more_than(HELD_FILLS_MAX / 2, key) {
                    self.ask(key, effects);
                } else if self.accounts[key].hold.is_none() {
                    self.accounts[key].hold = Some(Hold::Snapshot { since_ns });
                    self.arm_account(key);
                }
            }
            Some(Hold::Asked { .. }) => {
                if self.holds_more_than(HELD_FILLS_MAX, key) {
                    self.go_on(key, effects);
                }
            }
            Some(Hold::Owed { asked_ns, from_ms, .. }) => {
                if account.joined {
                    self.take_proven(key, waiting, effects);
                }
                if waiting == 0 && !self.accounts[key].held.is_empty() {
                    // The first that wait.
                    let since_ns = self.now_ns;
                    self.accounts[key].hold = Some(Hold::Owed { since_ns, asked_ns, from_ms });
                }
                if self.holds_more_than(HELD_FILLS_MAX, key) {
                    self.go_on(key, effects);
                }
            }
            Some(Hold::Rest { .. }) => {}
        }
    }

    /// Takes the fills of those coins whose chains show that they go on. Of coins that have a fill behind the first
    /// `waiting`: of the others nothing has changed.
    fn take_proven(&mut self, key: AccountKey, waiting: usize, effects: &mut impl Effects) {
        let hold = self.accounts[key].hold;
        let (mut coins, mut others) =
            (std::mem::take(&mut self.coins), std::mem::take(&mut self.others));
        let account = &mut self.accounts[key];
        for fill in account.held[waiting..].iter().filter(|fill| fill.is_perp()) {
            if account.chain.stand(&fill.coin).is_some() && !coins.contains(&fill.coin) {
                coins.push(fill.coin);
            }
        }
        for coin in &coins {
            let account = &mut self.accounts[key];
            std::mem::swap(&mut others, &mut account.held);
            account.held.extend(others.extract_if(.., |fill| fill.coin == *coin));
            self.drain(key, Mend::Wait, effects);
            let account = &mut self.accounts[key];
            others.append(&mut account.held);
            std::mem::swap(&mut others, &mut account.held);
            account.hold = hold;
        }
        coins.clear();
        (self.coins, self.others) = (coins, others);
        self.arm_account(key);
    }

    /// Whether more than `most` fills are held back, repetitions not counted: each reconnect brings a snapshot.
    fn holds_more_than(&mut self, most: usize, key: AccountKey) -> bool {
        if self.accounts[key].held.len() <= most {
            return false;
        }
        let mut held = std::mem::take(&mut self.accounts[key].held);
        self.leave_out_repeated(key, &mut held);
        let count = held.len();
        self.accounts[key].held = held;
        count > most
    }

    /// A part of a snapshot or of an answer came, and is held until the last one.
    pub(super) fn part(&mut self, key: AccountKey, effects: &mut impl Effects) {
        let is_rest = matches!(self.accounts[key].hold, Some(Hold::Rest { .. }));
        if !is_rest && self.holds_more_than(HELD_IN_ALL_MAX, key) {
            self.go_on(key, effects);
        }
    }

    pub(super) fn snapshot_end(
        &mut self,
        key: AccountKey,
        reaches: bool,
        effects: &mut impl Effects,
    ) {
        let account = &mut self.accounts[key];
        let first = !std::mem::replace(&mut account.synced, true);
        account.joined = true;
        if let Some(Hold::Owed { .. }) = account.hold {
            // It reaches back to what was taken since, not to what is missing.
            self.take_proven(key, 0, effects);
        } else if reaches || first {
            account.hold = None;
            self.drain(key, Mend::Wait, effects);
        } else {
            self.ask(key, effects);
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
            if account.held.len() >= HELD_FILLS_MAX {
                // No snapshot has what did not fit.
                let newest_held_ms = account.held.iter().map(|fill| fill.time_ms).max();
                let from_ms = newest_held_ms.unwrap_or(0).max(newest_ms);
                self.tell_unseen(key, from_ms, now_ns / 1_000_000, effects);
            }
            let nothing = Baseline { newest_ms, newest: &[], chain: &[], orders: &[] };
            self.baseline(key, &nothing, effects);
            self.accounts[key].blind = true;
            return;
        }
        let first = !std::mem::replace(&mut account.synced, true);
        account.joined = true;
        account.blind |= first;
        match account.hold {
            None | Some(Hold::Break { .. } | Hold::Snapshot { .. }) if continues || first => {
                account.hold = account.hold.filter(|hold| matches!(hold, Hold::Break { .. }));
                self.drain(key, Mend::Wait, effects);
            }
            // What was asked for before is still missing: only its answer says what it was.
            Some(Hold::Owed { .. }) if continues => self.take_proven(key, 0, effects),
            _ if continues || first => {}
            _ => {
                self.owe(key, effects);
                self.take_proven(key, 0, effects);
            }
        }
        self.settle_touched(effects);
    }

    /// Asks for the account's fills since its newest, or since where a broken chain stands if that is earlier: fills of
    /// other coins went on meanwhile. Holds what comes.
    fn ask(&mut self, key: AccountKey, effects: &mut impl Effects) {
        let account = &mut self.accounts[key];
        let since_ns = match account.hold {
            // From the first question on: an answer has its full time.
            Some(Hold::Asked { since_ns, .. }) => since_ns,
            _ => self.now_ns,
        };
        let joins = account.fed;
        let from_ms = account.missing_since_ms();
        account.hold = Some(Hold::Asked { since_ns, asked_ns: self.now_ns, from_ms, joins });
        self.request_since(key, from_ms, effects);
    }

    /// Asks for the account's fills since its newest, or since what is owed already.
    fn owe(&mut self, key: AccountKey, effects: &mut impl Effects) {
        let (account, asked_ns) = (&mut self.accounts[key], self.now_ns);
        let from_ms = match account.hold {
            Some(Hold::Owed { from_ms, .. }) => from_ms,
            _ => account.missing_since_ms(),
        };
        let since_ns = match account.hold {
            Some(Hold::Owed { since_ns, .. } | Hold::Asked { since_ns, .. })
                if !account.held.is_empty() =>
            {
                since_ns
            }
            _ => asked_ns,
        };
        account.hold = Some(Hold::Owed { since_ns, asked_ns, from_ms });
        self.request_since(key, from_ms, effects);
    }

    fn request_since(&mut self, key: AccountKey, from_ms: u64, effects: &mut impl Effects) {
        self.counts.backfills += 1;
        let address = self.accounts[key].address;
        effects.request(Request::Backfill { address, from_ms });
        self.arm_account(key);
    }

    /// All of an answer came.
    pub(super) fn answered(&mut self, key: AccountKey, effects: &mut impl Effects) {
        let asked = self.accounts[key].hold;
        let was_asked = self.end_asked(key);
        if let Some(Hold::Asked { from_ms, .. } | Hold::Owed { from_ms, .. }) = asked {
            // What the answer brought goes in first. If another chain is broken since before what was asked for, the answer
            // could not have what is missing there.
            if self.accounts[key].joined {
                self.drain(key, Mend::Wait, effects);
                // One input takes no more. A chain that is still broken behind the rest is asked for then.
                if let Some(Hold::Rest { .. }) = self.accounts[key].hold {
                    return;
                }
            }
            if self.accounts[key].broken_since_ms().is_some_and(|ms| ms < from_ms) {
                // The time that it may take counts from the first question on.
                self.accounts[key].hold = asked;
                return self.ask(key, effects);
            }
        }
        let account = &mut self.accounts[key];
        // Between the answer and the live fills of a connection that has no snapshot yet something may be missing.
        if !account.joined && (account.fed || !was_asked) {
            let since_ns = account.hold.map_or(self.now_ns, Hold::since_ns);
            account.hold.get_or_insert(Hold::Snapshot { since_ns });
            return self.arm_account(key);
        }
        account.hold = None;
        // An answer that comes late, after the hold that asked for it, cannot tell what is missing now.
        self.drain(key, if was_asked { Mend::Force } else { Mend::Recover }, effects);
    }

    /// Ends the wait for an answer; whether there was one.
    fn end_asked(&mut self, key: AccountKey) -> bool {
        let account = &mut self.accounts[key];
        match account.hold {
            Some(Hold::Asked { joins, .. }) => account.joined |= joins,
            Some(Hold::Owed { .. }) => {}
            _ => return false,
        }
        account.hold = None;
        true
    }

    /// Goes on with what is held. That something is missing is told, also where no chain shows it.
    fn go_on(&mut self, key: AccountKey, effects: &mut impl Effects) {
        let owed_ms = match self.accounts[key].hold {
            Some(Hold::Owed { from_ms, .. }) => Some(from_ms),
            _ => None,
        };
        self.end_asked(key);
        let mut held = std::mem::take(&mut self.accounts[key].held);
        self.leave_out_repeated(key, &mut held);
        let to_ms = held.first().map_or(self.now_ns / 1_000_000, |fill| fill.time_ms);
        let account = &mut self.accounts[key];
        (account.held, account.hold) = (held, None);
        let (from_ms, gaps) = (owed_ms.unwrap_or(account.last_ms), self.counts.gaps);
        self.drain(key, Mend::Force, effects);
        if self.counts.gaps == gaps {
            self.tell_unseen(key, from_ms, to_ms, effects);
        }
    }

    /// Something may be missing that no chain shows.
    fn tell_unseen(
        &mut self,
        key: AccountKey,
        from_ms: u64,
        to_ms: u64,
        effects: &mut impl Effects,
    ) {
        self.counts.gaps += 1;
        effects.event(&Event::Gap(Gap {
            address: self.accounts[key].address,
            coin: Coin::EMPTY,
            from_ms,
            to_ms,
            expected: Decimal::ZERO,
            found: Decimal::ZERO,
        }));
    }

    /// No answer will come.
    pub(super) fn give_up(&mut self, key: AccountKey, effects: &mut impl Effects) {
        if let Some(Hold::Asked { .. } | Hold::Owed { .. }) = self.accounts[key].hold {
            self.go_on(key, effects);
            self.settle_touched(effects);
        }
    }

    pub(super) fn account_due(&mut self, key: AccountKey, effects: &mut impl Effects) {
        let Some(hold) = self.accounts[key].hold else { return };
        let is_over = self.now_ns >= hold.since_ns().saturating_add(HOLD_MAX_NS);
        match hold {
            _ if hold.deadline_ns() > self.now_ns => return self.arm_account(key),
            Hold::Rest { force, .. } => {
                self.accounts[key].hold = None;
                self.drain(key, if force { Mend::Force } else { Mend::Wait }, effects);
            }
            // Nobody waits.
            Hold::Owed { .. } if self.accounts[key].held.is_empty() => {
                return self.owe(key, effects);
            }
            Hold::Asked { .. } | Hold::Owed { .. } if is_over => self.go_on(key, effects),
            Hold::Owed { .. } => return self.owe(key, effects),
            Hold::Break { .. } | Hold::Snapshot { .. } | Hold::Asked { .. } => {
                return self.ask(key, effects);
            }
        }
        self.settle_touched(effects);
    }
}
