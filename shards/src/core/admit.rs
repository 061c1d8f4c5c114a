//! What of a frame is worth an input. Nothing here changes state: what is dropped leaves no trace in the journal.

use super::Core;
use super::account::{Account, Names};
use super::arrange::Arranger;
use super::chain::Chain;
use crate::address::Address;
use crate::decimal::Decimal;
use crate::fill::{Fill, OrderStatus};
use crate::input::{Baseline, StartFrom};
use crate::text::Coin;

/// Room for what was admitted. Reused, so that admitting does not allocate after warm-up.
#[derive(Default)]
pub struct Admitted {
    /// The fills that are new, in order of arrival.
    pub fills: Vec<Fill>,
    /// Fills that were known already.
    pub known: u64,
    /// Fills whose numbers no market makes ([`Fill::is_sound`]).
    pub unsound: u64,
    /// The statuses that matter.
    pub statuses: Vec<OrderStatus>,
    baseline_newest_ms: u64,
    baseline_chain: Vec<(Coin, Decimal)>,
    baseline_orders: Vec<(u64, Decimal)>,
}

/// What to make of the fills of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// The account is not watched by this shard.
    NotWatched,
    /// Nothing new.
    Nothing,
    /// The first snapshot: [`Admitted::baseline`] has it.
    Baseline,
    /// [`Admitted::fills`] has new fills, or the end of a snapshot matters in itself. To be split into inputs of at
    /// most [`crate::input::FILLS_PER_INPUT_MAX`] fills.
    Fills {
        /// For snapshots: whether it reaches back to the newest known fill.
        reaches: bool,
    },
}

impl Admitted {
    /// The baseline, after [`Admission::Baseline`].
    pub fn baseline(&self) -> Baseline<'_> {
        Baseline {
            newest_ms: self.baseline_newest_ms,
            newest: &self.fills,
            chain: &self.baseline_chain,
            orders: &self.baseline_orders,
        }
    }

    fn set_baseline(&mut self, fills: &[Fill]) {
        let mut sorted: Vec<Fill> = fills.iter().filter(|fill| fill.is_sound()).copied().collect();
        let mut chain = Chain::default();
        Arranger::default().order(&mut sorted, &chain);
        self.baseline_orders.clear();
        for fill in &sorted {
            if let (true, Some(end)) = (fill.is_perp(), fill.end_position()) {
                chain.append(fill, end);
            }
            self.baseline_orders.push((fill.oid, fill.sz));
        }
        self.baseline_orders.sort_by_key(|(oid, _)| *oid);
        self.baseline_orders.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = kept.1.checked_add(next.1).expect("Fill::is_sound bounds the sum");
            }
            same
        });
        self.baseline_chain.clear();
        self.baseline_chain.extend(chain.ends());
        self.baseline_newest_ms = sorted.last().map_or(0, |fill| fill.time_ms);
        let newest_ms = self.baseline_newest_ms;
        self.fills.extend(sorted.into_iter().filter(|fill| fill.time_ms == newest_ms));
    }
}

impl Core {
    /// Looks at the fills of a frame, a snapshot (`snapshot`), or a REST answer.
    pub fn admit(
        &self,
        address: &Address,
        snapshot: bool,
        fills: &[Fill],
        admitted: &mut Admitted,
    ) -> Admission {
        admitted.fills.clear();
        (admitted.known, admitted.unsound) = (0, 0);
        let account = match self.by_address.get(address).map(|&key| &self.accounts[key]) {
            Some(account) if account.watched => account,
            _ => return Admission::NotWatched,
        };
        if snapshot && !account.baselined && account.start == StartFrom::Now {
            admitted.unsound = fills.iter().filter(|fill| !fill.is_sound()).count() as u64;
            admitted.set_baseline(fills);
            return Admission::Baseline;
        }
        for fill in fills {
            if !fill.is_sound() {
                admitted.unsound += 1;
            } else if account.knows(fill, &self.names) {
                admitted.known += 1;
            } else {
                admitted.fills.push(*fill);
            }
        }
        let reaches = snapshot && reaches_back(account, &self.names, fills);
        let end_matters = snapshot && (!account.joined || !reaches || account.hold.is_some());
        if admitted.fills.is_empty() && !end_matters {
            return Admission::Nothing;
        }
        Admission::Fills { reaches }
    }

    /// Keeps the statuses that end an order which has fills, or may have some that are still to come.
    pub fn admit_statuses(&self, statuses: &[OrderStatus], admitted: &mut Admitted) -> bool {
        admitted.statuses.clear();
        for status in statuses.iter().filter(|status| status.is_terminal()) {
            let unfilled = status.filled().is_some_and(Decimal::is_zero);
            let known_end = |key| self.orders_of_oid(key).all(|order| order.terminal.is_some());
            let matters = match self.by_oid.get(&status.oid) {
                Some(&key) => !known_end(key),
                None => !unfilled && !self.waiting.contains_key(&status.oid),
            };
            if matters {
                admitted.statuses.push(*status);
            }
        }
        !admitted.statuses.is_empty()
    }

    /// Whether the account's worth would change.
    pub fn admits_worth(
        &self,
        address: &Address,
        account_value: Option<Decimal>,
        spot_total: Option<Decimal>,
    ) -> bool {
        self.by_address.get(address).map(|&key| &self.accounts[key]).is_some_and(|account| {
            account.watched
                && (account_value.is_some_and(|value| account.account_value != Some(value))
                    || spot_total.is_some_and(|total| account.spot_total != Some(total)))
        })
    }

    fn orders_of_oid(&self, first: usize) -> impl Iterator<Item = &super::Order> {
        std::iter::successors(Some(&self.orders[first]), |order| {
            order.same_oid.map(|key| &self.orders[key])
        })
    }
}

/// Whether a snapshot goes back to what was taken: its oldest fill is older than the newest one taken, or is known.
fn reaches_back(account: &Account, names: &Names, fills: &[Fill]) -> bool {
    let Some(oldest) = fills.iter().min_by_key(|fill| fill.time_ms) else {
        // Nothing ever happened, on either side; or the venue keeps nothing and REST must say.
        return account.last_ms == 0;
    };
    !account.synced
        || oldest.time_ms < account.last_ms
        || fills.iter().any(|f| f.time_ms == oldest.time_ms && account.knows(f, names))
}
