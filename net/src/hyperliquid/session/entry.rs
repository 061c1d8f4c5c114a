//! One subscription of a session: how many want it, and what of it is on the wire.

use crate::backoff::Backoff;
use crate::hyperliquid::subscription::Subscription;

/// What of a subscription is on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wire {
    /// Nothing; to be asked for at `due_ms` if it is wanted.
    Idle { due_ms: u64 },
    /// Asked for.
    Asked { at_ms: u64 },
    /// Acknowledged.
    InForce { since_ms: u64 },
    /// In force, to be ended as soon as the budget allows.
    Ending,
    /// Asked to end.
    EndAsked { at_ms: u64 },
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) subscription: Subscription,
    /// How many want it. The wire subscription ends with the last.
    pub(super) wanted: u32,
    pub(super) wire: Wire,
    /// Whether the snapshot of this subscription has come.
    pub(super) snapshot: bool,
    pub(super) backoff: Backoff,
}

/// Whether a subscription begins with a snapshot that must come.
pub(super) fn needs_snapshot(subscription: &Subscription) -> bool {
    matches!(subscription, Subscription::UserFills { .. })
}

impl Entry {
    pub(super) fn is_asked(&self) -> bool {
        matches!(self.wire, Wire::Asked { .. } | Wire::EndAsked { .. })
    }

    /// Whether the entry is wanted, or something of it is still on the wire.
    pub(super) fn has_a_future(&self) -> bool {
        self.wanted > 0 || !matches!(self.wire, Wire::Idle { .. })
    }

    /// When the answer that this entry waits for is overdue.
    pub(super) fn answer_deadline(&self, ack_ms_max: u64) -> Option<u64> {
        match self.wire {
            Wire::Asked { at_ms } | Wire::EndAsked { at_ms } => Some(at_ms + ack_ms_max),
            Wire::InForce { since_ms } if needs_snapshot(&self.subscription) && !self.snapshot => {
                Some(since_ms + ack_ms_max)
            }
            _ => None,
        }
    }

    /// Back to the beginning, after a pause.
    pub(super) fn retry(&mut self, now_ms: u64) -> u64 {
        let due_ms = now_ms + self.backoff.next_ms();
        self.wire = Wire::Idle { due_ms };
        self.snapshot = false;
        due_ms
    }
}
