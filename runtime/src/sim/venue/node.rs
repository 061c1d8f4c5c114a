//! The chain that a node writes: all accounts begin together, and their blocks become its blocks.

use std::time::Duration;

use super::super::agenda::Item;
use super::super::chain::{Chain, Mishap, NodeOp};
use super::super::faults::{Fault, Occasion};
use super::super::options::Speed;
use super::Venue;

impl Venue {
    /// Begins the chain, if one is asked for. Its first blocks are empty: trading has not begun.
    pub(super) fn begin_chain(&mut self) {
        let Some(node) = &self.options.node else { return };
        // Histories end before the chain begins, so that nobody takes them for news.
        self.accounts.iter_mut().for_each(|account| account.wake());
        let begin_ms = self.accounts.iter().filter_map(|account| account.next_ms()).min();
        let begin_ms = begin_ms.unwrap_or_default().saturating_sub(1);
        let chain = Chain::new(self.options.seed, node.plain, node.hour, begin_ms);
        self.agenda.add(chain.beat_at(), Item::Chain);
        self.chain = Some(chain);
    }

    /// Begins the live part of all accounts.
    pub(crate) fn start_all(&mut self, now: Duration) {
        for place in 0..self.accounts.len() {
            self.start_one(place, now);
        }
    }

    /// Unix milliseconds on the chain's clock.
    fn chain_ms(&self, now: Duration) -> u64 {
        let started = match (self.options.speed, self.accounts.first()) {
            (Speed::X(factor), Some(account)) => account.started(factor).map(|s| (s, factor)),
            _ => None,
        };
        started.map_or(0, |((at, begin_ms), factor)| {
            begin_ms + (now.saturating_sub(at).as_secs_f64() * 1000.0 * factor) as u64
        })
    }

    /// Ends the chain's block if a later one comes now, or if nothing of it can come any more.
    pub(super) fn seal(&mut self, now: Duration) {
        let clock_ms = self.chain_ms(now);
        let Some(chain) = &mut self.chain else { return };
        if !chain.is_due(now) {
            return;
        }
        let fault = if chain.has_fills() && !chain.is_held() {
            self.faults.draw(Occasion::NodeBlock, now, |_| true)
        } else {
            None
        };
        let mishap = fault.map(|fault| {
            self.faults.count(fault);
            match fault {
                Fault::NodeSkip => Mishap::Skip,
                Fault::NodePart => Mishap::Part(self.faults.a_while(30, 300)),
                Fault::NodeLag => Mishap::Lag(self.faults.a_while(200, 1_500)),
                _ => Mishap::Replace,
            }
        });
        chain.seal(clock_ms, now, mishap);
        let next = [Some(chain.beat_at()), chain.held_until()];
        next.into_iter().flatten().for_each(|at| self.agenda.add(at, Item::Chain));
    }

    /// Lets go what the writer held back for long enough.
    pub(super) fn release_chain(&mut self, now: Option<Duration>) {
        if let Some(chain) = &mut self.chain {
            chain.release(now);
        }
    }

    /// What is to be done to the node's files.
    pub(crate) fn take_node_ops(&mut self) -> Vec<NodeOp> {
        self.chain.as_mut().map(Chain::take_ops).unwrap_or_default()
    }

    /// When the simulator's clock began, Unix microseconds.
    pub(crate) fn set_epoch(&mut self, epoch_us: u64) {
        self.epoch_us = epoch_us;
        if let Some(chain) = &mut self.chain {
            chain.epoch_us = epoch_us;
        }
    }
}
