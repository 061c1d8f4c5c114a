//! The rule by which one batch continues another, and the place where the next one goes.
//!
//! Writer, recovery and tail reader keep the same [`Chain`], so they cannot disagree about what
//! comes next.

use crate::batch::{Header, Place};
use crate::defence::{self, Defence};

/// What is known of a journal up to some batch: all that the next batch must fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Chain {
    /// Whose journal this is.
    pub(crate) shard: u32,
    /// Where the next batch begins, unless it does not fit there: then at the start of the next
    /// segment.
    pub(crate) place: Place,
    /// Where the last batch stands; `None` before the first.
    pub(crate) last: Option<Place>,
    /// Seq of the next input.
    pub(crate) next_seq: u64,
    /// Checksum of the last batch; 0 before the first.
    pub(crate) crc: u32,
    /// Epoch of the last batch; 0 before the first.
    pub(crate) epoch: u64,
    /// Whether the last batch is a seal. A journal without batches has nothing to seal.
    pub(crate) sealed: bool,
}

impl Chain {
    /// Before the first batch of a journal that begins in segment 1.
    pub(crate) fn start(shard: u16) -> Chain {
        let place = Place { segment: 1, offset: 0 };
        Chain {
            shard: shard.into(),
            place,
            last: None,
            next_seq: 1,
            crc: 0,
            epoch: 0,
            sealed: true,
        }
    }

    /// Whether `header` belongs to the batch that comes next.
    ///
    /// The epoch alone would let a batch pass whose forerunner is another than ours; the checksum
    /// of the forerunner alone would let an old tail pass when, after a recovery, the same bytes
    /// were written again.
    pub(crate) fn admits(&self, header: &Header) -> bool {
        header.shard == self.shard
            && header.first_seq == self.next_seq
            && (header.parent_crc == self.crc || !defence::stands(Defence::Chain))
            && (header.epoch >= self.epoch || !defence::stands(Defence::Epoch))
    }

    /// Goes past a batch that stands at `place`, after which inputs count from `next_seq`.
    pub(crate) fn advance(&mut self, header: &Header, crc: u32, place: Place, next_seq: u64) {
        assert!(next_seq >= self.next_seq, "seqs do not go back");
        assert!(
            place == self.place || place == self.place.next_segment(),
            "batches follow one another"
        );
        *self = Chain {
            place: Place { offset: place.offset + header.padded_bytes() as u64, ..place },
            last: Some(place),
            next_seq,
            crc,
            epoch: header.epoch,
            sealed: header.is_seal(),
            ..*self
        };
    }
}

impl Place {
    /// The start of the next segment.
    pub(crate) fn next_segment(self) -> Place {
        Place { segment: self.segment + 1, offset: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::Chain;
    use crate::batch::{Header, Place};

    #[test]
    fn each_field_of_the_next_batch_must_fit() {
        let place = Place { segment: 1, offset: 4096 };
        let chain = Chain { place, next_seq: 7, crc: 11, epoch: 3, ..Chain::start(2) };
        let next = Header {
            shard: 2,
            epoch: 3,
            first_seq: 7,
            durable_seq: 6,
            settled: true,
            count: 0,
            len: 0,
            parent_crc: 11,
        };
        assert!(chain.admits(&next) && chain.admits(&Header { epoch: 4, ..next }));
        for other in [
            Header { shard: 1, ..next },
            Header { epoch: 2, ..next },
            Header { first_seq: 6, ..next },
            Header { first_seq: 8, ..next },
            Header { parent_crc: 0, ..next },
        ] {
            assert!(!chain.admits(&other), "{other:?}");
        }
    }
}
