//! The thread that prepares journal segments: writing and syncing zeros takes a while, and a core must not wait.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use persist::segment::{Segment, SegmentError, SegmentOrder, prepare};
use shards::ShardId;

use super::failure;
use crate::diag::Problem;
use crate::lane::bell::Bell;
use crate::lane::channel::{Receiver, Sender, channel};
use crate::lane::executor::Housekeeping;

/// Orders that may wait: two per shard are made ahead of need.
const ORDERS_MAX: usize = 1024;
/// How long to wait before a failed preparation is tried again.
const RETRY: Duration = Duration::from_secs(1);

enum Made {
    Segment(ShardId, Segment),
    Failed(ShardId, SegmentOrder, SegmentError),
    /// What had failed was done at last, after this time.
    Healed(ShardId, SegmentOrder, Duration),
}

/// Whether there is space for the segments of a shard.
#[derive(Debug)]
pub(super) struct Space {
    /// The shard.
    pub(super) shard: ShardId,
    /// Whether there is.
    pub(super) is_there: bool,
    /// What a person should read.
    pub(super) problem: Problem,
}

/// The thread, seen from control.
pub(super) struct Segments {
    orders: Sender<(ShardId, SegmentOrder)>,
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
        std::thread::Builder::new()
            .name("segments".to_owned())
            .spawn(move || {
                housekeeping.enter();
                work(&bell, received, sender);
            })
            .map_err(|error| failure::thread("the segment thread", &error))?;
        Ok(Segments { orders, waiting: VecDeque::new(), made, news: VecDeque::new() })
    }

    /// Orders a segment.
    pub(super) fn prepare(&mut self, shard: ShardId, order: SegmentOrder) {
        self.waiting.push_back((shard, order));
    }

    /// Hands orders on, and gives finished segments to `ready`.
    pub(super) fn turn(&mut self, mut ready: impl FnMut(ShardId, Segment)) {
        while let Some(order) = self.waiting.pop_front() {
            if let Err(order) = self.orders.send(order) {
                self.waiting.push_front(order);
                break;
            }
        }
        while let Some(made) = self.made.receive() {
            match made {
                Made::Segment(shard, segment) => ready(shard, segment),
                Made::Failed(shard, order, error) => {
                    let full = matches!(error, SegmentError::NoSpace { .. });
                    let problem = failure::segment(&order, &error, full);
                    self.news.push_back(Space { shard, is_there: !full, problem });
                }
                Made::Healed(shard, order, after) => {
                    let problem = failure::segment_healed(&order, after);
                    self.news.push_back(Space { shard, is_there: true, problem });
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

fn work(bell: &Bell, mut orders: Receiver<(ShardId, SegmentOrder)>, mut made: Sender<Made>) {
    while !orders.is_abandoned() {
        let Some((shard, order)) = orders.receive() else {
            bell.sleep(Duration::from_secs(1), || !orders.is_empty() || orders.is_abandoned());
            continue;
        };
        let mut failed_at: Option<Instant> = None;
        while !orders.is_abandoned() {
            match prepare(&order) {
                Ok(segment) => {
                    if let Some(at) = failed_at {
                        let _ = made.send(Made::Healed(shard, order.clone(), at.elapsed()));
                    }
                    // Control takes what is made every turn; if it has gone, nobody needs it.
                    let _ = made.send(Made::Segment(shard, segment));
                    break;
                }
                Err(error) => {
                    // Said once; it heals by itself when there is room again.
                    if failed_at.is_none() {
                        failed_at = Some(Instant::now());
                        let _ = made.send(Made::Failed(shard, order.clone(), error));
                    }
                    bell.sleep(RETRY, || orders.is_abandoned());
                }
            }
        }
    }
}
