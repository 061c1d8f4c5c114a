//! The thread that prepares journal segments: writing and syncing zeros takes a while, and a core must not wait.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use persist::segment::{Segment, SegmentError, SegmentOrder, prepare};
use shards::ShardId;

use super::failure;
use crate::diag::Problem;
use crate::lane::bell::Bell;
use crate::lane::channel::{Receiver, Sender, channel};

/// Orders that may wait: two per shard are made ahead of need.
const ORDERS_MAX: usize = 1024;
/// How long to wait before a failed preparation is tried again.
const RETRY: Duration = Duration::from_secs(1);

enum Made {
    Segment(ShardId, Segment),
    Failed(Problem),
}

/// The thread, seen from control.
pub(super) struct Segments {
    orders: Sender<(ShardId, SegmentOrder)>,
    waiting: VecDeque<(ShardId, SegmentOrder)>,
    made: Receiver<Made>,
    problems: VecDeque<Problem>,
}

impl Segments {
    /// Starts the thread. It ends when this is dropped.
    pub(super) fn start(control: &Arc<Bell>) -> Result<Segments, Problem> {
        let bell = super::new_bell()?;
        let (orders, received) = channel(ORDERS_MAX, &bell);
        let (sender, made) = channel(ORDERS_MAX, control);
        std::thread::Builder::new()
            .name("segments".to_owned())
            .spawn(move || work(&bell, received, sender))
            .map_err(|error| failure::thread("the segment thread", &error))?;
        Ok(Segments { orders, waiting: VecDeque::new(), made, problems: VecDeque::new() })
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
                Made::Failed(problem) => self.problems.push_back(problem),
            }
        }
    }

    /// The next thing that went wrong.
    pub(super) fn problem(&mut self) -> Option<Problem> {
        self.problems.pop_front()
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
        let mut told = false;
        while !orders.is_abandoned() {
            match prepare(&order) {
                Ok(segment) => {
                    // Control takes what is made every turn; if it has gone, nobody needs it.
                    let _ = made.send(Made::Segment(shard, segment));
                    break;
                }
                Err(error) => {
                    // Said once; it heals by itself when there is room again.
                    if !std::mem::replace(&mut told, true) {
                        let full = matches!(error, SegmentError::NoSpace { .. });
                        let problem = failure::segment(&order, &error, full);
                        let _ = made.send(Made::Failed(problem));
                    }
                    bell.sleep(RETRY, || orders.is_abandoned());
                }
            }
        }
    }
}
