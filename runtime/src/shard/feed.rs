//! The shard's end of a feeder's ring: blocks of fills become inputs, and what is durable of them is told.
//!
//! Fills of one account in one block are one input, as they would be in a frame of the public WebSocket.

use std::collections::VecDeque;

use shards::Input;

use super::by_account::ByAccount;
use super::fed::Fed;
use super::message::Reply;
use super::station::Station;
use crate::lane::channel::Receiver;

/// Entries taken in one turn of the loop.
const ENTRIES_PER_TURN: usize = 512;

/// Fills of a block that are kept together at most; a longer block is applied in parts.
const FILLS_MAX: usize = 4096;

/// Blocks whose durability is watched at a time, at most: beyond it the newest stands for those before it.
const BLOCKS_MAX: usize = 256;

/// A feeder's ring, and what was taken from it but is not yet told to be durable.
pub(super) struct Feed {
    entries: Receiver<Fed>,
    /// Of the block at hand.
    block: ByAccount,
    applied: VecDeque<Applied>,
}

/// A block that is applied.
#[derive(Clone, Copy)]
struct Applied {
    source: u16,
    number: u64,
    time_ms: u64,
    /// Must be durable.
    seq: u64,
}

impl Feed {
    pub(super) fn new(entries: Receiver<Fed>) -> Feed {
        Feed {
            entries,
            block: ByAccount::with_capacity(FILLS_MAX),
            applied: VecDeque::with_capacity(BLOCKS_MAX),
        }
    }

    /// Whether entries wait.
    pub(super) fn has_more(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Takes what is there, as far as the journal has room, and tells what has become durable. Whether there was anything.
    pub(super) fn turn(&mut self, station: &mut Station) -> bool {
        let mut worked = false;
        for _ in 0..ENTRIES_PER_TURN {
            if station.journal.wants_room() {
                break;
            }
            let Some(entry) = self.entries.receive() else { break };
            worked = true;
            self.take(entry, station);
        }
        self.tell(station);
        worked
    }

    fn take(&mut self, entry: Fed, station: &mut Station) {
        match entry {
            Fed::Fill { address, fill } => {
                if self.block.len() == FILLS_MAX {
                    self.apply(station);
                }
                self.block.push(address, fill);
            }
            Fed::Status(status) => station.statuses(&[status], station.clock.mono_ns()),
            Fed::Block { source, number, time_ms } => {
                station.report.frames += 1;
                self.apply(station);
                if self.applied.len() == BLOCKS_MAX {
                    self.applied.pop_back();
                }
                let seq = station.journal.next_seq() - 1;
                self.applied.push_back(Applied { source, number, time_ms, seq });
            }
            Fed::Join { address, at_ms, continues, ticket } => {
                // What came before it belongs before it.
                self.apply(station);
                // The account may have been let go since, and come again: then another join is under way.
                if station.ticket(&address) == Some(ticket) {
                    station.apply(&Input::Joined { address, at_ms, continues }, 0);
                    station.follows(address);
                }
            }
        }
    }

    fn apply(&mut self, station: &mut Station) {
        let received_ns = station.clock.mono_ns();
        self.block.apply(station, received_ns);
    }

    /// Tells the newest block that is durable.
    fn tell(&mut self, station: &mut Station) {
        let durable_seq = station.journal.durable_seq();
        let mut newest = None;
        while self.applied.front().is_some_and(|applied| applied.seq <= durable_seq) {
            newest = self.applied.pop_front();
        }
        if let Some(Applied { source, number, time_ms, .. }) = newest {
            station.reply(Reply::Fed { source, number, time_ms, seq: durable_seq });
        }
    }
}
