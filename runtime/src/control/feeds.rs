//! Whether what feeders read is of now: a node that is dead, behind or without files says nothing of itself.
//!
//! Pure: judged by the blocks that the shards have made durable, wherever on the way it is that nothing comes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A node writes a block about every 70 ms: after this without one nothing is followed over it.
const SILENT: Duration = Duration::from_secs(30);
/// A newest block that is older than this is not of now, and one that is younger than [`CURRENT_MS`] is again.
const BEHIND_MS: u64 = 60_000;
const CURRENT_MS: u64 = 10_000;

struct Feed {
    /// When the last block came; at first, when it began.
    heard: Instant,
    /// Time of the newest block; 0 before the first.
    newest_ms: u64,
    is_well: bool,
}

/// The sources that have a feeder.
pub(super) struct Feeds {
    feeds: BTreeMap<usize, Feed>,
}

impl Feeds {
    /// They begin now.
    pub(super) fn new(sources: &[usize], now: Instant) -> Feeds {
        let feed = |source: &usize| (*source, Feed { heard: now, newest_ms: 0, is_well: true });
        Feeds { feeds: sources.iter().map(feed).collect() }
    }

    /// A block of this time is durable on a shard.
    pub(super) fn heard(&mut self, source: usize, time_ms: u64, now: Instant) {
        if let Some(feed) = self.feeds.get_mut(&source) {
            feed.heard = now;
            feed.newest_ms = feed.newest_ms.max(time_ms);
        }
    }

    /// The next source that is well since, or no longer.
    pub(super) fn change(&mut self, now: Instant, unix_ms: u64) -> Option<(usize, bool)> {
        let changed = self.feeds.iter_mut().find_map(|(source, feed)| {
            let is_silent = now.saturating_duration_since(feed.heard) >= SILENT;
            let behind_ms = match feed.newest_ms {
                0 => 0,
                newest_ms => unix_ms.saturating_sub(newest_ms),
            };
            let behind_max = if feed.is_well { BEHIND_MS } else { CURRENT_MS };
            let is_well = !is_silent && behind_ms < behind_max;
            (is_well != feed.is_well).then_some((source, feed, is_well))
        });
        let (source, feed, is_well) = changed?;
        feed.is_well = is_well;
        Some((*source, is_well))
    }

    /// How many are not well.
    pub(super) fn unwell(&self) -> usize {
        self.feeds.values().filter(|feed| !feed.is_well).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_well_while_blocks_come_that_are_of_now() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut feeds = Feeds::new(&[1, 4], start);
        feeds.heard(0, 1, at(1));
        assert_eq!(feeds.change(at(29), 29_000), None);
        // Nothing ever came of the first.
        feeds.heard(4, 29_000, at(29));
        assert_eq!(feeds.change(at(31), 31_000), Some((1, false)));
        assert_eq!((feeds.change(at(31), 31_000), feeds.unwell()), (None, 1));
        // Of the other much comes, and all of it is old.
        feeds.heard(4, 29_500, at(80));
        assert_eq!(feeds.change(at(80), 29_500 + BEHIND_MS), Some((4, false)));
        feeds.heard(4, 89_000, at(90));
        assert_eq!(feeds.change(at(90), 89_000 + CURRENT_MS), None, "not yet");
        feeds.heard(1, 98_000, at(91));
        assert_eq!(feeds.change(at(91), 98_000), Some((1, true)));
        assert_eq!(feeds.change(at(91), 98_000), Some((4, true)));
        assert_eq!((feeds.change(at(91), 98_000), feeds.unwell()), (None, 0));
    }
}
