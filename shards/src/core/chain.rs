//! Where an account's chains of positions stand, and what breaks them.
//!
//! Per account and perpetual, `startPosition` plus the signed size is the next `startPosition`. The venue gives no
//! sequence number; this chain is its only proof that nothing is missing (spec/monitor.md section 2).
//!
//! A coin that was new begins with a millisecond of which it is not known where it began. If its fills lead back to where
//! they started (bought and sold again), each position that they passed may be the last one: their order cannot be told
//! from its rotations, and they have been seen in reverse. Which it was, the next fill says. So the positions passed are
//! kept until it comes, [`PASSED_MAX`] of them; with more, a gap may be told that is none.

use crate::decimal::Decimal;
use crate::fill::Fill;
use crate::text::Coin;

/// Positions that are kept of one coin's first millisecond. Real blocks have at most 55 fills of an order.
pub(super) const PASSED_MAX: usize = 64;

/// Where the chain of one perpetual stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stand {
    pub(super) coin: Coin,
    /// The position after the newest fill.
    pub(super) end: Decimal,
    /// Block time of the newest fill; 0 at a baseline.
    pub(super) run_ms: u64,
    /// The position before the first fill of that time.
    pub(super) run_start: Decimal,
    /// Whether the chain led to `run_start`; otherwise the coin was new, and earlier fills of `run_ms` may still come.
    pub(super) run_known: bool,
}

/// Fills of one millisecond that lead from `start` to `end`, and not on from where their chain stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Detour {
    pub(super) coin: Coin,
    pub(super) time_ms: u64,
    pub(super) start: Decimal,
    pub(super) end: Decimal,
}

/// The chains of one account. Few entries: sorted lists.
#[derive(Default)]
pub(super) struct Chain {
    stands: Vec<Stand>,
    /// Positions passed in the newest millisecond of coins of which it is the first, ascending.
    passed: Vec<(Coin, Decimal)>,
}

impl Chain {
    fn find(&self, coin: &Coin) -> Result<usize, usize> {
        self.stands.binary_search_by(|stand| stand.coin.cmp(coin))
    }

    pub(super) fn stand(&self, coin: &Coin) -> Option<&Stand> {
        self.find(coin).ok().map(|at| &self.stands[at])
    }

    pub(super) fn get(&self, coin: &Coin) -> Option<Decimal> {
        self.stand(coin).map(|stand| stand.end)
    }

    /// Block time of the newest fill of a coin; `None` while it stands at a baseline.
    pub(super) fn newest_ms(&self, coin: &Coin) -> Option<u64> {
        self.stand(coin).map(|stand| stand.run_ms).filter(|ms| *ms > 0)
    }

    /// The chain stands here: a baseline. Said again of the same coin: it may stand here, too.
    pub(super) fn set(&mut self, coin: Coin, end: Decimal) {
        match self.find(&coin) {
            Ok(at) => {
                self.stands[at].run_known = false;
                let first = self.stands[at].end;
                self.pass(coin, first);
                self.pass(coin, end);
            }
            Err(at) => {
                let stand = Stand { coin, end, run_ms: 0, run_start: end, run_known: true };
                self.stands.insert(at, stand);
            }
        }
    }

    /// The chain goes on with a fill, which ends at `end`. Gives where it stands then.
    pub(super) fn append(&mut self, fill: &Fill, end: Decimal) -> &Stand {
        let coin = fill.coin;
        let (run_ms, run_start) = (fill.time_ms, fill.start_position);
        let at = match self.find(&coin) {
            Ok(at) if self.stands[at].run_ms == run_ms => {
                let may_turn = self.may_turn(at, run_start);
                let stand = &mut self.stands[at];
                let goes_on = stand.end == run_start;
                stand.end = end;
                if !stand.run_known && !goes_on {
                    // They are taken to have led here, or, behind a gap, begin here.
                    stand.run_start = run_start;
                    if !may_turn {
                        self.forget_passed(&coin);
                    }
                }
                at
            }
            Ok(at) => {
                if !self.stands[at].run_known {
                    self.forget_passed(&coin);
                }
                self.stands[at] = Stand { coin, end, run_ms, run_start, run_known: true };
                at
            }
            Err(at) => {
                self.stands.insert(at, Stand { coin, end, run_ms, run_start, run_known: false });
                at
            }
        };
        if !self.stands[at].run_known {
            self.pass(coin, run_start);
            self.pass(coin, end);
        }
        &self.stands[at]
    }

    /// Puts back a stand that comes after all others; whether it does.
    pub(super) fn restore(&mut self, stand: Stand) -> bool {
        let follows = self.stands.last().is_none_or(|last| last.coin < stand.coin);
        self.stands.push(stand);
        follows
    }

    /// Puts back a passed position that comes after all others; whether it does, and is of a coin that has such.
    pub(super) fn restore_passed(&mut self, coin: Coin, position: Decimal) -> bool {
        let follows = self.passed.last().is_none_or(|last| *last < (coin, position));
        self.passed.push((coin, position));
        let of_coin = self.passed.iter().rev().take_while(|(c, _)| *c == coin).count();
        let has_such = self.stand(&coin).is_some_and(|stand| !stand.run_known);
        follows && has_such && of_coin <= PASSED_MAX
    }

    fn pass(&mut self, coin: Coin, position: Decimal) {
        let Err(at) = self.passed.binary_search(&(coin, position)) else { return };
        let from = self.passed.partition_point(|(c, _)| *c < coin);
        let of_coin = self.passed[from..].iter().take_while(|(c, _)| *c == coin).count();
        if of_coin < PASSED_MAX {
            self.passed.insert(at, (coin, position));
        }
    }

    fn forget_passed(&mut self, coin: &Coin) {
        self.passed.retain(|(c, _)| c != coin);
    }

    /// Whether the first fills of a coin, which led back to where they started, may as well have ended at `position`.
    fn may_turn(&self, at: usize, position: Decimal) -> bool {
        let stand = &self.stands[at];
        !stand.run_known
            && stand.run_start == stand.end
            && self.passed.binary_search(&(stand.coin, position)).is_ok()
    }

    /// Whether `detour` happened before the newest millisecond's fills that are taken, and came after them: two halves of
    /// one block in swapped frames.
    pub(super) fn is_preceded_by(&self, detour: &Detour) -> bool {
        let Ok(at) = self.find(&detour.coin) else { return false };
        let stand = &self.stands[at];
        let leads_here = detour.end == stand.run_start;
        stand.run_ms == detour.time_ms
            && match stand.run_known {
                true => leads_here && detour.start == detour.end,
                false => leads_here || self.may_turn(at, detour.end),
            }
    }

    /// The fills that [precede](Chain::is_preceded_by) the newest millisecond are taken: it begins where they do.
    pub(super) fn prepend(&mut self, detour: &Detour) {
        let at = self.find(&detour.coin).expect("the caller asked is_preceded_by");
        let stand = &mut self.stands[at];
        if detour.end != stand.run_start {
            stand.end = detour.end;
        }
        stand.run_start = detour.start;
    }

    /// A fill of a detour passes these.
    pub(super) fn pass_before(&mut self, fill: &Fill, end: Decimal) {
        if self.stand(&fill.coin).is_some_and(|stand| !stand.run_known) {
            self.pass(fill.coin, fill.start_position);
            self.pass(fill.coin, end);
        }
    }

    pub(super) fn clear(&mut self) {
        self.stands.clear();
        self.passed.clear();
    }

    pub(super) fn stands(&self) -> &[Stand] {
        &self.stands
    }

    pub(super) fn passed(&self) -> &[(Coin, Decimal)] {
        &self.passed
    }

    /// Where each chain stands, and behind it where it may stand as well: what [`Chain::set`] takes.
    pub(super) fn ends(&self) -> impl Iterator<Item = (Coin, Decimal)> + '_ {
        self.stands.iter().enumerate().flat_map(move |(at, stand)| {
            let others = self.passed.iter().filter(move |(coin, position)| {
                *coin == stand.coin && *position != stand.end && self.may_turn(at, *position)
            });
            std::iter::once((stand.coin, stand.end)).chain(others.copied())
        })
    }

    /// Whether a fill of `coin` may begin at `position`: where the chain ends, or may have ended.
    pub(super) fn leads_to(&self, coin: &Coin, position: Decimal) -> bool {
        match self.find(coin) {
            Ok(at) => self.stands[at].end == position || self.may_turn(at, position),
            Err(_) => true,
        }
    }

    /// Whether `fill` begins where the chain may stand, or where its newest millisecond, which is the fill's, began.
    pub(super) fn may_begin(&self, fill: &Fill) -> bool {
        let begins =
            |stand: &Stand| stand.run_ms == fill.time_ms && stand.run_start == fill.start_position;
        self.leads_to(&fill.coin, fill.start_position) || self.stand(&fill.coin).is_some_and(begins)
    }

    /// Whether `fill` happened before the newest millisecond that is taken.
    pub(super) fn is_past(&self, fill: &Fill) -> bool {
        fill.is_perp() && self.stand(&fill.coin).is_some_and(|stand| fill.time_ms < stand.run_ms)
    }

    /// Whether `fill` begins where the chain ends. Coins without a chain, and spot, always do.
    pub(super) fn accepts(&self, fill: &Fill) -> bool {
        !fill.is_perp() || self.leads_to(&fill.coin, fill.start_position)
    }
}
