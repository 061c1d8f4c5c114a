//! The thread that prepares journal segments: writing and syncing zeros takes a while, and a core must not wait.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use persist::recycle::{self, Need};
use persist::segment::{Segment, SegmentError, SegmentOrder, prepare};
use shards::ShardId;

use super::failure;
use crate::diag::Problem;
use crate::lane::bell::Bell;
use crate::lane::channel::{Receiver, Sender, channel};
use crate::lane::executor::{self, Housekeeping};

/// Orders that may wait: two per shard are made ahead of need.
const ORDERS_MAX: usize = 1024;
/// How long to wait before a failed preparation is tried again.
const RETRY: Duration = Duration::from_secs(1);

enum Made {
    Segment(ShardId, Segment),
    /// With what is needed of the journal, if the disk is full.
    Failed(ShardId, SegmentOrder, SegmentError, Option<Need>),
    /// It is not known what is needed: nothing is recycled.
    NotRecycled(ShardId, SegmentOrder, String),
    /// What had failed was done at last, after this time.
    Healed(ShardId, SegmentOrder, Duration),
}

/// Whether there is space for the segments of a shard.
#[derive(Debug)]
pub(super) struct Space {
    /// The shard.
    pub(super) shard: ShardId,
    /// Whether there is; `None` if that has not changed.
    pub(super) is_there: Option<bool>,
    /// What a person should read.
    pub(super) problem: Problem,
}

/// The thread, seen from control.
pub(super) struct Segments {
    /// `None` while it ends.
    orders: Option<Sender<(ShardId, SegmentOrder)>>,
    thread: Option<JoinHandle<()>>,
    waiting: VecDeque<(ShardId, SegmentOrder)>,
    made: Receiver<Made>,
    news: VecDeque<Space>,
}

impl Segments {
    /// Starts the thread. It ends when this is dropped.
    pub(super) fn start(
        control: &Arc<Bell>,
        housekeeping: &Housekeeping,
    ) -> Result<Segments, Problem> {
        let bell = super::new_bell()?;
        let (orders, received) = channel(ORDERS_MAX, &bell);
        let (sender, made) = channel(ORDERS_MAX, control);
        let housekeeping = housekeeping.clone();
        let thread = std::thread::Builder::new()
            .name("segments".to_owned())
            .spawn(move || {
                housekeeping.enter();
                work(&bell, received, sender);
            })
            .map_err(|error| failure::thread("the segment thread", &error))?;
        Ok(Segments {
            orders: Some(orders),
            thread: Some(thread),
            waiting: VecDeque::new(),
            made,
            news: VecDeque::new(),
        })
    }

    /// Orders a segment.
    pub(super) fn prepare(&mut self, shard: ShardId, order: SegmentOrder) {
        self.waiting.push_back((shard, order));
    }

    /// Why the thread has ended, if it has by itself. Said once.
    pub(super) fn ended(&mut self) -> Option<String> {
        executor::ended(&mut self.thread)
    }

    /// Hands orders on, and gives finished segments to `ready`.
    pub(super) fn turn(&mut self, mut ready: impl FnMut(ShardId, Segment)) {
        while let Some(order) = self.waiting.pop_front() {
            let orders = self.orders.as_mut().expect("it has not ended");
            if let Err(order) = orders.send(order) {
                self.waiting.push_front(order);
                break;
            }
        }
        while let Some(made) = self.made.receive() {
            match made {
                Made::Segment(shard, segment) => ready(shard, segment),
                Made::Failed(shard, order, error, need) => {
                    let is_there = !is_full(&error);
                    let problem = failure::segment(&order, &error, need.as_ref());
                    self.news.push_back(Space { shard, is_there: Some(is_there), problem });
                }
                Made::NotRecycled(shard, order, why) => {
                    let problem = failure::not_recycled(&order, &why);
                    self.news.push_back(Space { shard, is_there: None, problem });
                }
                Made::Healed(shard, order, after) => {
                    let problem = failure::segment_healed(&order, after);
                    self.news.push_back(Space { shard, is_there: Some(true), problem });
                }
            }
        }
    }

    /// The next thing that went wrong, or right again.
    pub(super) fn news(&mut self) -> Option<Space> {
        self.news.pop_front()
    }

    /// Whether [`Segments::turn`] has something to take.
    pub(super) fn has_news(&self) -> bool {
        !self.made.is_empty()
    }
}

impl Drop for Segments {
    fn drop(&mut self) {
        // Whoever opens the directory next must not meet it at work there.
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// An order that is to be carried out.
struct Pending {
    shard: ShardId,
    order: SegmentOrder,
    /// When it failed first, and whether for want of space when it failed last.
    failed: Option<(Instant, bool)>,
    not_before: Instant,
}

fn is_full(error: &SegmentError) -> bool {
    matches!(error, SegmentError::NoSpace { .. })
}

fn work(bell: &Bell, mut orders: Receiver<(ShardId, SegmentOrder)>, mut made: Sender<Made>) {
    let mut pending: Vec<Pending> = Vec::new();
    // Why it is not known what is needed, by shard.
    let mut unknown: BTreeMap<ShardId, String> = BTreeMap::new();
    while !orders.is_abandoned() {
        while let Some((shard, order)) = orders.receive() {
            pending.push(Pending { shard, order, failed: None, not_before: Instant::now() });
        }
        let now = Instant::now();
        // One that fails holds up the later ones of its own journal, which get their names in order, and no others.
        let is_first = |at: usize| pending[..at].iter().all(|p| p.shard != pending[at].shard);
        let due = (0..pending.len()).find(|at| pending[*at].not_before <= now && is_first(*at));
        let Some(at) = due else {
            let next = pending.iter().map(|p| p.not_before.saturating_duration_since(now));
            let patience = next.filter(|wait| !wait.is_zero()).min().unwrap_or(RETRY).min(RETRY);
            bell.sleep(patience, || !orders.is_empty() || orders.is_abandoned());
            continue;
        };
        let Pending { shard, order, failed, not_before } = &mut pending[at];
        let need = recycle::need(&order.dir);
        match &need {
            Ok(_) => drop(unknown.remove(shard)),
            Err(error) => {
                let why = error.to_string();
                if unknown.insert(*shard, why.clone()).is_none_or(|before| before != why) {
                    let _ = made.send(Made::NotRecycled(*shard, order.clone(), why));
                }
            }
        }
        match prepare(order) {
            Ok(segment) => {
                if let Some((at, _)) = failed {
                    let _ = made.send(Made::Healed(*shard, order.clone(), at.elapsed()));
                }
                // Control takes what is made every turn; if it has gone, nobody needs it.
                let _ = made.send(Made::Segment(*shard, segment));
                pending.remove(at);
            }
            Err(error) => {
                *not_before = Instant::now() + RETRY;
                // Said once for each reason; it heals by itself when there is room again.
                let (since, before) =
                    failed.map_or((Instant::now(), None), |(at, f)| (at, Some(f)));
                let full = is_full(&error);
                *failed = Some((since, full));
                if before != Some(full) {
                    let need = need.ok().filter(|_| full);
                    let _ = made.send(Made::Failed(*shard, order.clone(), error, need));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_fails_holds_up_no_other() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let bell = crate::control::new_bell().expect("an eventfd");
        let housekeeping = Housekeeping::beside(&[], std::iter::empty());
        let mut segments = Segments::start(&bell, &housekeeping).expect("started");
        for (shard, dir) in [(0, dir.path().join("none")), (1, dir.path().to_owned())] {
            let order = SegmentOrder { dir, index: 2, segment_bytes: 4096 };
            segments.prepare(ShardId(shard), order);
        }
        let (mut ready, deadline) = (None, Instant::now() + Duration::from_secs(10));
        while ready.is_none() && Instant::now() < deadline {
            segments.turn(|shard, _| ready = Some(shard));
            bell.sleep(Duration::from_millis(100), || segments.has_news());
        }
        assert_eq!(ready, Some(ShardId(1)));
        assert!(segments.news().is_some_and(|space| space.shard == ShardId(0)), "told of");
    }
}
