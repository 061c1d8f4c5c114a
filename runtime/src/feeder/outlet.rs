//! The way to one shard: its ring, and what did not fit.
//!
//! The reader goes on to the next line only when nothing waits here, so what waits is at most what one line brings and
//! the joins of all accounts: the file is the buffer.

use std::collections::VecDeque;

use crate::lane::channel::Sender;
use crate::shard::fed::Fed;

/// One shard's ring.
pub(super) struct Outlet {
    ring: Sender<Fed>,
    waiting: VecDeque<Fed>,
    /// Whether something was put since the last bell.
    is_put: bool,
    /// Whether something of a block was given that is not yet closed by a [`Fed::Block`].
    is_open: bool,
    /// Number of the last block that was given.
    number: u64,
}

impl Outlet {
    pub(super) fn new(ring: Sender<Fed>) -> Outlet {
        Outlet { ring, waiting: VecDeque::new(), is_put: false, is_open: false, number: 0 }
    }

    /// Gives an entry, in order.
    pub(super) fn give(&mut self, fed: Fed) {
        match fed {
            Fed::Block { number, .. } => (self.number, self.is_open) = (number, false),
            Fed::Fill { .. } => self.is_open = true,
            Fed::Status(_) | Fed::Join { .. } => {}
        }
        self.waiting.push_back(fed);
        self.drain();
    }

    /// Puts what waits into the ring; whether all of it went in.
    pub(super) fn drain(&mut self) -> bool {
        while let Some(fed) = self.waiting.pop_front() {
            if let Err(fed) = self.ring.put(fed) {
                self.waiting.push_front(fed);
                return false;
            }
            self.is_put = true;
        }
        true
    }

    /// Wakes the shard if there is something new for it.
    pub(super) fn ring_bell(&mut self) {
        if std::mem::take(&mut self.is_put) {
            self.ring.wake();
        }
    }

    /// Whether something of a block was given that is not yet closed.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Number of the last block that was given.
    pub(super) fn number(&self) -> u64 {
        self.number
    }
}
