//! What time it is at the venue, as far as its fills tell.
//!
//! An account of a source without snapshots begins at a time: fills before it are no news. The shard's clock is no measure
//! of it: it goes on from the newest time in the journal, which may have been written under a clock that was ahead, and
//! then an hour of fills would be passed over in silence. So it is reckoned from the block times heard on the connection
//! and from how long ago that was, and is never later than this host's clock says.

/// How far a host's clock may be ahead, and how long a block may take to come, where nothing has been heard yet. What comes
/// over a connection is news in any case; only a later back-fill could bring fills from these seconds before the join.
const SLACK_MS: u64 = 5_000;

/// The newest block time heard, and when.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct VenueClock {
    heard: Option<(u64, u64)>,
}

impl VenueClock {
    /// A fill of this block time came at `now_ms` of the shard's clock.
    pub(super) fn hear(&mut self, block_ms: u64, now_ms: u64) {
        if self.heard.is_none_or(|(newest_ms, _)| newest_ms < block_ms) {
            self.heard = Some((block_ms, now_ms));
        }
    }

    /// The venue's time when the shard's clock was at `at_ms`. `host_ms` is what the host's clock says now.
    pub(super) fn at(&self, at_ms: u64, host_ms: u64) -> u64 {
        let venue_ms = match self.heard {
            Some((block_ms, heard_ms)) => block_ms.saturating_add(at_ms).saturating_sub(heard_ms),
            None => return at_ms.min(host_ms).saturating_sub(SLACK_MS),
        };
        venue_ms.min(host_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;
    const NOON: u64 = 1_790_000_000_000;

    #[test]
    fn a_shard_that_is_ahead_does_not_make_the_present_old() {
        let venue = VenueClock::default();
        assert_eq!(venue.at(NOON + HOUR, NOON), NOON - SLACK_MS);
        assert_eq!(venue.at(NOON - 10, NOON), NOON - 10 - SLACK_MS);
        assert_eq!(venue.at(3, 4), 0);
    }

    #[test]
    fn the_time_of_blocks_goes_before_that_of_any_clock_here() {
        let mut venue = VenueClock::default();
        // Both clocks are an hour ahead, and the block took 300 ms.
        venue.hear(NOON, NOON + HOUR + 300);
        venue.hear(NOON - 1, NOON + HOUR + 400);
        let host_ms = NOON + HOUR + 5_000;
        assert_eq!(venue.at(NOON + HOUR + 1_300, host_ms), NOON + 1_000, "a second later");
        assert_eq!(venue.at(NOON + HOUR + 200, host_ms), NOON - 100, "the account came before");
        // A time that no block has yet.
        venue.hear(NOON + 30 * HOUR, NOON + HOUR + 6_000);
        assert_eq!(venue.at(NOON + HOUR + 7_000, host_ms), host_ms);
    }
}
