//! What is due when: accounts with a next block, connections with something to let go or to push.
//!
//! A heap, so that a simulator of a thousand accounts looks only at those whose time has come. An
//! entry may be out of date; whoever takes it knows, and puts in another.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// What a connection may have to do at a time of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Chore {
    /// Frames that were kept back are let go.
    Release,
    /// A subscription with a rhythm is due.
    Push,
    /// The connection may have been idle for too long.
    Idle,
}

/// Something with a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Item {
    /// A chore of a connection.
    Session(u64, Chore),
    /// The next block of an account, by its place.
    Account(usize),
    /// The chain: what it holds back, or an empty block.
    Chain,
}

/// All of it, the earliest first.
#[derive(Default, Debug)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Reverse<(Duration, Item)>>,
}

impl Agenda {
    /// Puts something in.
    pub(crate) fn add(&mut self, at: Duration, item: Item) {
        self.heap.push(Reverse((at, item)));
    }

    /// Takes the earliest of what is due at `now`, and when it was.
    pub(crate) fn take(&mut self, now: Duration) -> Option<(Duration, Item)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(due)| due)
    }

    /// When the next thing is due.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_in_the_order_of_time() {
        let ms = Duration::from_millis;
        let mut agenda = Agenda::default();
        agenda.add(ms(5), Item::Account(1));
        agenda.add(ms(3), Item::Session(7, Chore::Idle));
        agenda.add(ms(9), Item::Account(0));
        assert_eq!(agenda.take(ms(2)), None);
        assert_eq!(agenda.take(ms(5)), Some((ms(3), Item::Session(7, Chore::Idle))));
        assert_eq!(agenda.take(ms(5)), Some((ms(5), Item::Account(1))));
        assert_eq!((agenda.take(ms(5)), agenda.next()), (None, Some(ms(9))));
    }
}
