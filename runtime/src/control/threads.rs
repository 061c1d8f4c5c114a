//! The threads beside the shards: what one of them does nobody else would do, so a node without one ends, and says why.

use super::{Node, Notice, failure};
use crate::feeder::Feeder;
use crate::lane::executor;

impl Node {
    /// Tells of threads that have ended by themselves. A thread that ends drops its ring to control, which wakes it.
    pub(super) fn watch_threads(&mut self) {
        let publisher = self.publisher.as_mut().filter(|publisher| !publisher.stopped);
        let others = [
            ("a REST thread", self.rest.ended()),
            ("the segment thread", self.segments.ended()),
            ("the snapshot thread", self.snapshots.ended()),
            ("the thread of the lists", self.lists.as_mut().and_then(|lists| lists.ended())),
            ("the publisher", publisher.and_then(|own| executor::ended(&mut own.thread))),
        ];
        let feeders = self.feeders.iter_mut().flatten().filter_map(Feeder::ended);
        let feeders = feeders.map(|why| ("a thread that reads a node", why));
        let others = others.into_iter().filter_map(|(what, why)| Some((what, why?)));
        for (what, why) in feeders.chain(others) {
            self.notices.push_back(Notice::Fatal(failure::thread_ended(what, &why)));
        }
    }
}
