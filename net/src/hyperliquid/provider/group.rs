//! A group of addresses: the unit that is asked for and ended.

use super::ADDRESSES_MAX;
use crate::backoff::Backoff;
use shards::Address;
use std::fmt::Write;

/// What of a group is on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wire {
    /// Nothing; to be asked for at `due_ms`.
    Idle { due_ms: u64 },
    /// Asked for.
    Asked { at_ms: u64 },
    /// Acknowledged.
    InForce,
    /// Asked to end.
    EndAsked { at_ms: u64 },
}

/// Addresses that were asked for by one request.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// In order; never empty, not changed while on the wire: the request that ends it is the one that began it.
    pub(super) addresses: Vec<Address>,
    /// How many of them are not wanted any more.
    pub(super) dead: usize,
    pub(super) wire: Wire,
    pub(super) backoff: Backoff,
}

impl Group {
    /// A group to be asked for at once.
    pub(super) fn new(addresses: Vec<Address>, seed: u64) -> Group {
        assert!(!addresses.is_empty() && addresses.len() <= ADDRESSES_MAX, "a group has its size");
        debug_assert!(addresses.is_sorted(), "a group is in order");
        Group { addresses, dead: 0, wire: Wire::Idle { due_ms: 0 }, backoff: Backoff::new(seed) }
    }

    /// Whether it holds an address.
    pub(super) fn holds(&self, address: &Address) -> bool {
        self.addresses.binary_search(address).is_ok()
    }

    /// Since when an answer is awaited.
    pub(super) fn asked_ms(&self) -> Option<u64> {
        match self.wire {
            Wire::Asked { at_ms } | Wire::EndAsked { at_ms } => Some(at_ms),
            Wire::Idle { .. } | Wire::InForce => None,
        }
    }

    /// Writes the request that begins or ends it.
    pub(super) fn write_request(&self, begins: bool, into: &mut String) {
        let method = if begins { "subscribe" } else { "unsubscribe" };
        write!(
            into,
            "{{\"method\":\"{method}\",\"subscription\":{{\"type\":\"userFills\",\"addresses\":["
        )
        .expect(TAKES);
        for (at, address) in self.addresses.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(into, "{comma}\"{address}\"").expect(TAKES);
        }
        into.push_str("]}}");
    }

    /// For messages.
    pub(super) fn describe(&self) -> String {
        match self.addresses.as_slice() {
            [one] => one.to_string(),
            many => format!("{} addresses from {}", many.len(), many[0]),
        }
    }
}

/// Why writing cannot fail.
const TAKES: &str = "a string takes every write";
