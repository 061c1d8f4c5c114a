//! Faults that take more than the connection they were drawn for.

use std::rc::Rc;
use std::time::Duration;

use super::super::account::PAGE_FILLS;
use super::super::faults::Fault;
use super::super::limits::Place;
use super::super::session::Out;
use super::super::tape::TapeFill;
use super::Venue;

/// How far a clock jumps.
const SKEW_MS: u64 = 7_000;
/// Fills of one block in a series.
const BURST_FILLS: u32 = 1_500;

/// A fault that is left to be made.
#[derive(Clone, Debug)]
pub(super) struct Harm {
    pub(super) fault: Fault,
    pub(super) conn: u64,
    pub(super) place: usize,
    /// The fills of the block that the connection did not get.
    pub(super) fills: Vec<Rc<TapeFill>>,
}

impl Venue {
    /// Makes what is left to be made.
    pub(super) fn do_harm(&mut self, now: Duration) {
        for harm in std::mem::take(&mut self.harms) {
            match harm.fault {
                Fault::AllDropped => {
                    self.sessions.values_mut().for_each(|session| session.end(Out::Drop));
                }
                Fault::ClockSkew => self.accounts[harm.place].skew(SKEW_MS),
                Fault::OthersUsers => self.hold(harm.conn, Place::Users, now),
                Fault::OthersConnections => self.hold(harm.conn, Place::Connections, now),
                Fault::OthersSubscriptions => self.hold(harm.conn, Place::Subscriptions, now),
                Fault::OthersMessages => self.hold(harm.conn, Place::Messages, now),
                series => self.make_series(series, &harm, now),
            }
        }
    }

    /// Another program on the connection's address takes all there is, and soon goes away.
    fn hold(&mut self, conn: u64, place: Place, now: Duration) {
        let until = now + self.faults.a_while(1_000, 3_000);
        if let Some(session) = self.sessions.get(&conn) {
            self.limits.hold(session.ip, place, until);
        }
    }

    /// Blocks of very many fills, at once, which the ended connection does not get.
    fn make_series(&mut self, fault: Fault, harm: &Harm, now: Duration) {
        let history = self.limits.options().history_fills;
        let (blocks, fills) = match fault {
            // With what is known of the last millisecond, the first page ends in the second block.
            Fault::PageInMillisecond => (2, BURST_FILLS),
            Fault::FullMillisecond => (1, PAGE_FILLS as u32 + 100),
            _ => (history / BURST_FILLS as usize + 1, BURST_FILLS),
        };
        let mut lost: Vec<Rc<TapeFill>> = harm.fills.clone();
        // Nobody's frames of these blocks get a fault of their own.
        let was_on = self.faults.pause(true);
        for _ in 0..blocks {
            if !self.accounts[harm.place].obeys() {
                break;
            }
            let block = self.accounts[harm.place].burst(fills, &mut self.truth);
            lost.extend(block.fills.iter().map(Rc::clone));
            self.stats.blocks += 1;
            self.deliver(harm.place, &block, now, now);
        }
        self.faults.pause(was_on);
        if fault == Fault::BeyondHistory {
            let user = self.accounts[harm.place].address;
            self.truth.lose(user, lost.iter().map(|tape| &tape.fill));
        }
    }
}
