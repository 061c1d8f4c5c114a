//! Live frames of fills, and the faults that are made with them.

use std::rc::Rc;
use std::time::Duration;

use shards::Address;

use super::super::session::{Channel, GREETING, Out, Session};
use super::super::tape::{Block, TapeFill, fills_frame};
use super::{Fault, Faults, Occasion};
use crate::sim::random::Random;

/// Bytes that a huge frame has beside its fills.
const HUGE_BYTES: usize = 3 << 20;

/// What the venue says about limits and requests, without saying which request it means.
const ERROR_TEXTS: [&str; 8] = [
    "Cannot track more than 10 total users.",
    "Cannot track more than 15 total users.",
    "Cannot subscribe to more than 1000 channels.",
    "Cannot send more than 2000 messages per minute.",
    "too many pending post requests id=1234",
    "Error parsing JSON into valid websocket request: {}",
    "Invalid subscription {}",
    "Already unsubscribed: {\"type\":\"allMids\"}",
];

/// A block on its way to one connection.
#[derive(Clone, Copy)]
pub(crate) struct Delivery<'a> {
    pub(crate) user: Address,
    pub(crate) block: &'a Block,
    pub(crate) fills: &'a Rc<str>,
    pub(crate) updates: Option<&'a Rc<str>>,
    /// Whether the account does what a fault asks of it: it is no recording.
    pub(crate) obeys: bool,
    /// Whether its clock may jump.
    pub(crate) may_skew: bool,
}

/// What is left to do after a delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Made {
    /// Nothing.
    Done,
    /// This fault, which takes more than one connection; the block has gone out, or is lost with
    /// the connection.
    Left(Fault),
}

impl Faults {
    /// Sends a block with fills, whole or with a fault.
    pub(crate) fn deliver(&mut self, session: &mut Session, d: &Delivery, now: Duration) -> Made {
        let lane = session.lanes.get(&d.user);
        let calm = lane.is_none_or(|lane| lane.withheld.is_some()) || !self.is_on();
        let fault = if calm { None } else { self.draw_for(session, d, now) };
        let made = match fault {
            None => {
                plain(session, d);
                Made::Done
            }
            Some(fault) => self.make(fault, session, d, now),
        };
        self.end_of_withholding(session, d);
        made
    }

    fn draw_for(&mut self, session: &Session, d: &Delivery, now: Duration) -> Option<Fault> {
        let lane = session.lanes.get(&d.user)?;
        let has_status = lane.updates && !d.block.updates.is_empty();
        let possible = |fault| match fault {
            Fault::ReorderFills | Fault::SwapFrames => d.block.fills.len() > 1,
            Fault::StatusFirst | Fault::StatusLate | Fault::NoStatus => has_status,
            Fault::ClockSkew => d.may_skew,
            Fault::PageInMillisecond | Fault::FullMillisecond | Fault::BeyondHistory => d.obeys,
            _ => true,
        };
        let cut = self.draw(Occasion::Cut, now, possible);
        let frame = self.draw(Occasion::Frame, now, possible);
        // One fault at a time: the rarer occasion goes first, and the other's turn is lost.
        cut.or(frame)
    }

    fn make(&mut self, fault: Fault, session: &mut Session, d: &Delivery, now: Duration) -> Made {
        let until = now + self.a_while(20, 250);
        match fault {
            Fault::Duplicate => duplicate(session, d),
            Fault::ReorderFills => reorder_fills(session, d, &mut self.random),
            Fault::SwapFrames => swap_frames(session, d),
            Fault::StatusFirst => hold(session, d, &[Channel::Fills], until),
            Fault::StatusLate => hold(session, d, &[Channel::Updates], until),
            Fault::Delay => hold(session, d, &[Channel::Fills, Channel::Updates], until),
            Fault::NoStatus => plain(session, &Delivery { updates: None, ..*d }),
            Fault::PlainText => beside(session, d, GREETING),
            Fault::UnknownChannel => {
                beside(session, d, r#"{"channel":"weather","data":{"sky":["blue",1,null]}}"#);
            }
            Fault::NoData => {
                session.push(r#"{"channel":"orderUpdates"}"#);
                beside(session, d, r#"{"channel":"userFills"}"#);
            }
            Fault::UnknownFields => unknown_fields(session, d),
            Fault::HugeFrame => huge(session, d),
            Fault::BrokenFrame => broken(session, d),
            Fault::ErrorText => {
                let text = ERROR_TEXTS[self.turn % ERROR_TEXTS.len()];
                self.turn += 1;
                beside(session, d, &super::super::venue::error_frame(text));
            }
            Fault::ClockSkew => {
                plain(session, d);
                self.count(fault);
                return Made::Left(fault);
            }
            Fault::HalfFrame => session.end(Out::Half(Rc::clone(d.fills))),
            Fault::Expire => session.end(Out::Expire),
            Fault::Silent => session.mute(),
            Fault::Gap => {
                session.withhold(&d.user, now);
                plain(session, d);
            }
            other => return self.cut(other, session, d),
        }
        // The others are made, and counted, when what they wait for comes.
        if !fault.waits() {
            self.count(fault);
        }
        Made::Done
    }

    /// Ends the connection, so that what comes next meets the fault.
    fn cut(&mut self, fault: Fault, session: &mut Session, d: &Delivery) -> Made {
        session.end(Out::Drop);
        match fault {
            Fault::Drop => self.count(fault),
            Fault::SilentStart => self.arm_silence(session.ip),
            Fault::PageInMillisecond | Fault::FullMillisecond | Fault::BeyondHistory => {
                self.arm(d.user, fault);
                return Made::Left(fault);
            }
            Fault::AllDropped
            | Fault::OthersUsers
            | Fault::OthersConnections
            | Fault::OthersSubscriptions
            | Fault::OthersMessages => {
                self.count(fault);
                return Made::Left(fault);
            }
            waits => self.arm(d.user, waits),
        }
        Made::Done
    }

    /// Ends a connection once enough was withheld: two blocks at least, of which the next snapshot
    /// shows one.
    fn end_of_withholding(&mut self, session: &mut Session, d: &Delivery) {
        let Some(lane) = session.lanes.get_mut(&d.user) else { return };
        let Some(withheld) = &mut lane.withheld else { return };
        withheld.fills += d.block.fills.len();
        withheld.blocks += 1;
        let enough = withheld.blocks >= 2 && withheld.fills >= 3;
        if self.is_on() && enough {
            self.arm(d.user, Fault::Gap);
            session.end(Out::Drop);
        }
    }
}

/// No fault: fills, then states.
fn plain(session: &mut Session, d: &Delivery) {
    session.send(&d.user, Channel::Fills, d.fills);
    if let Some(updates) = d.updates {
        session.send(&d.user, Channel::Updates, updates);
    }
}

/// Another frame, then what was to be sent.
fn beside(session: &mut Session, d: &Delivery, frame: &str) {
    session.push(frame);
    plain(session, d);
}

fn duplicate(session: &mut Session, d: &Delivery) {
    session.send(&d.user, Channel::Fills, d.fills);
    plain(session, d);
}

/// The fills of one block in another order.
fn reorder_fills(session: &mut Session, d: &Delivery, random: &mut Random) {
    let mut fills: Vec<&Rc<TapeFill>> = d.block.fills.iter().collect();
    random.shuffle(&mut fills);
    if fills.iter().zip(&d.block.fills).all(|(a, b)| Rc::ptr_eq(a, b)) {
        fills.reverse();
    }
    let frame = fills_frame(&d.user, false, fills.into_iter());
    plain(session, &Delivery { fills: &frame.into(), ..*d });
}

/// A block in two frames, the second one first.
fn swap_frames(session: &mut Session, d: &Delivery) {
    let (first, second) = d.block.fills.split_at(d.block.fills.len() / 2);
    let second = fills_frame(&d.user, false, second.iter());
    session.send(&d.user, Channel::Fills, &second.into());
    let first = fills_frame(&d.user, false, first.iter());
    plain(session, &Delivery { fills: &first.into(), ..*d });
}

/// Some channels wait, with all that follows in them.
fn hold(session: &mut Session, d: &Delivery, channels: &[Channel], until: Duration) {
    channels.iter().for_each(|channel| session.shut(&d.user, *channel, until));
    plain(session, d);
}

/// Fields that nobody knows, on every level, and a state that nobody knows, of an order that nobody
/// has.
fn unknown_fields(session: &mut Session, d: &Delivery) {
    let fills: Vec<String> = d
        .block
        .fills
        .iter()
        .map(|fill| {
            let known = fill.json.strip_suffix('}').expect("an object");
            format!(r#"{{"novelty":[1,{{"x":null}}],{},"after":"\"}}\u00e9"}}"#, &known[1..])
        })
        .collect();
    let frame = format!(
        r#"{{"version":2,"channel":"userFills","data":{{"epoch":{{"n":7}},"user":"{}","fills":[{}],"more":[]}},"sent":true}}"#,
        d.user,
        fills.join(",")
    );
    if d.updates.is_some() {
        session.push(
            r#"{"channel":"orderUpdates","data":[{"order":{"coin":"BTC","side":"B","limitPx":"1.0","sz":"1.0","oid":1,"timestamp":1,"origSz":"1.0"},"status":"hibernating","statusTimestamp":1,"mood":"good"}]}"#,
        );
    }
    plain(session, &Delivery { fills: &frame.into(), ..*d });
}

/// The fills in a frame of several MiB.
fn huge(session: &mut Session, d: &Delivery) {
    let known = d.fills.strip_suffix('}').expect("an object");
    let frame = format!(r#"{known},"padding":"{}"}}"#, "x".repeat(HUGE_BYTES));
    plain(session, &Delivery { fills: &frame.into(), ..*d });
}

/// A frame that ends too early, then the whole one.
fn broken(session: &mut Session, d: &Delivery) {
    let half = (0..d.fills.len() / 2).rev().find(|at| d.fills.is_char_boundary(*at));
    beside(session, d, &d.fills[..half.unwrap_or_default()]);
}
