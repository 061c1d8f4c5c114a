//! Fills of many accounts, put together by account.

use shards::{Address, Fill};

use super::station::Station;

/// Fills in the order in which they came. Keeps its room.
#[derive(Default)]
pub(super) struct ByAccount {
    /// Account, place, fill.
    entries: Vec<(Address, u32, Fill)>,
    /// Of one account.
    fills: Vec<Fill>,
}

impl ByAccount {
    /// With room for so many.
    pub(super) fn with_capacity(fills: usize) -> ByAccount {
        ByAccount { entries: Vec::with_capacity(fills), fills: Vec::with_capacity(fills) }
    }

    pub(super) fn push(&mut self, address: Address, fill: Fill) {
        self.entries.push((address, self.entries.len() as u32, fill));
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Applies them as live fills, account by account, each in its order, and forgets them.
    pub(super) fn apply(&mut self, station: &mut Station, received_ns: u64) {
        self.entries.sort_unstable_by_key(|(address, place, _)| (*address, *place));
        let mut rest = &self.entries[..];
        while let Some((address, ..)) = rest.first() {
            let count = rest.partition_point(|(other, ..)| other <= address);
            let (own, after) = rest.split_at(count);
            self.fills.clear();
            self.fills.extend(own.iter().map(|(_, _, fill)| *fill));
            station.fills(*address, false, &self.fills, received_ns);
            rest = after;
        }
        self.entries.clear();
    }
}
