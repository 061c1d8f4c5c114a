//! How time goes on: blocks, deliveries, the end of trading.

use std::rc::Rc;
use std::time::Duration;

use shards::Address;

use super::super::account::Account;
use super::super::agenda::{Chore, Item};
use super::super::faults::{Delivery, Made};
use super::super::options::Speed;
use super::super::public::trade_frame;
use super::super::session::{Channel, Out};
use super::super::tape::{Block, fills_frame, updates_frame};
use super::Venue;
use super::harm::Harm;

/// At full speed an account goes on while each of its subscribers has fewer frames waiting.
pub(super) const FRAMES_AHEAD: usize = 64;
/// Blocks that are made in one turn, so that sockets are served in between.
const BLOCKS_PER_TURN: usize = 256;
/// A block made later than this is counted as late: clocks wake up a little late, always.
const LATE: Duration = Duration::from_millis(10);

impl Venue {
    /// Does what is due. Says when the next thing is; `None` if only a message or a sent frame can
    /// bring one.
    pub(crate) fn tick(&mut self, now: Duration) -> Option<Duration> {
        let mut blocks = 0;
        while blocks < BLOCKS_PER_TURN
            && let Some((at, item)) = self.agenda.take(now)
        {
            match item {
                Item::Session(conn, chore) => self.do_chore(conn, chore, at, now),
                Item::Account(place) => blocks += usize::from(self.advance(place, now)),
                Item::Chain => self.release_chain(Some(now)),
            }
        }
        let mut goes_on = self.run_ahead(now);
        self.send_tuples(now);
        let next = self.agenda.next();
        goes_on |= next.is_some_and(|next| next <= now);
        if !goes_on {
            // Nothing of the chain's block can come any more.
            self.seal(now);
        }
        if goes_on { Some(now) } else { self.agenda.next() }
    }

    /// Puts a chore on the agenda, unless it is there as early.
    pub(super) fn arm(&mut self, conn: u64, chore: Chore, at: Duration) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        if session.arm(chore, at) {
            self.agenda.add(at, Item::Session(conn, chore));
        }
    }

    fn do_chore(&mut self, conn: u64, chore: Chore, at: Duration, now: Duration) {
        let idle = self.idle();
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        if session.ended || session.muted || !session.fire(chore, at) {
            return;
        }
        match chore {
            Chore::Release => {
                session.release(Some(now));
                self.arm_release(conn);
            }
            Chore::Push => self.push_states(conn, now),
            Chore::Idle => match session.last_traffic + idle {
                until if until <= now => session.end(Out::Drop),
                until => self.arm(conn, Chore::Idle, until),
            },
        }
    }

    pub(super) fn arm_release(&mut self, conn: u64) {
        if let Some(at) = self.sessions.get(&conn).and_then(|session| session.release_at()) {
            self.arm(conn, Chore::Release, at);
        }
    }

    /// How long a connection may be idle.
    pub(super) fn idle(&self) -> Duration {
        Duration::from_millis(self.limits.options().idle_ms)
    }

    /// Begins an account's live part, if it has not begun; with a chain those of all.
    pub(super) fn start(&mut self, place: usize, now: Duration) {
        if self.chain.is_some() && !self.accounts[place].has_started() {
            self.start_all(now);
        } else {
            self.start_one(place, now);
        }
    }

    pub(super) fn start_one(&mut self, place: usize, now: Duration) {
        let account = &mut self.accounts[place];
        if account.has_started() {
            return;
        }
        self.stats.accounts_started += 1;
        account.start(now, &mut self.truth);
        match self.options.speed {
            Speed::Max => self.runners.push(place),
            speed => {
                let due = self.accounts[place].due(speed);
                due.into_iter().for_each(|at| self.agenda.add(at, Item::Account(place)));
            }
        }
    }

    /// Makes the account's next block, if it is due. Whether it was.
    fn advance(&mut self, place: usize, now: Duration) -> bool {
        let speed = self.options.speed;
        let Some(due) = self.accounts[place].due(speed) else { return false };
        if due > now {
            self.agenda.add(due, Item::Account(place));
            return false;
        }
        let late = now - due;
        self.stats.blocks += 1;
        self.stats.late_blocks += u64::from(late >= LATE);
        self.stats.late_us_max = self.stats.late_us_max.max(late.as_micros() as u64);
        let block = self.accounts[place].advance(&mut self.truth);
        self.deliver(place, &block, due, now);
        self.do_harm(now);
        let next = self.accounts[place].due(speed);
        next.into_iter().for_each(|at| self.agenda.add(at, Item::Account(place)));
        true
    }

    /// At full speed: moves every account on while there is room for its frames. Whether one was
    /// stopped only by the length of the turn.
    fn run_ahead(&mut self, now: Duration) -> bool {
        let mut goes_on = false;
        let mut at = 0;
        while let Some(&place) = self.runners.get(at) {
            let mut moved = 0;
            while moved < BLOCKS_PER_TURN && self.accounts[place].is_live() && self.has_room(place)
            {
                let block = self.accounts[place].advance(&mut self.truth);
                self.stats.blocks += 1;
                self.deliver(place, &block, now, now);
                self.do_harm(now);
                moved += 1;
            }
            goes_on |= moved == BLOCKS_PER_TURN;
            if self.accounts[place].is_live() {
                at += 1;
            } else {
                self.runners.swap_remove(at);
            }
        }
        goes_on
    }

    /// Whether someone listens to the account, and nobody is far behind.
    fn has_room(&self, place: usize) -> bool {
        let user = self.accounts[place].address;
        let mut listeners = 0;
        for conn in &self.listeners[place] {
            let session = &self.sessions[conn];
            if let Some(lane) = session.lanes.get(&user).filter(|lane| lane.fills) {
                if session.outbox.len() + lane.waiting() >= FRAMES_AHEAD {
                    return false;
                }
                listeners += 1;
            }
        }
        listeners > 0
    }

    /// Hands a block that was due at `due` to everyone who listens.
    pub(super) fn deliver(&mut self, place: usize, block: &Block, due: Duration, now: Duration) {
        if block.fills.is_empty() && block.updates.is_empty() {
            return;
        }
        let user = self.accounts[place].address;
        self.stats.fills += block.fills.len() as u64;
        if self.options.order_updates {
            self.stats.order_updates += block.updates.len() as u64;
        }
        if self.chain.as_ref().is_some_and(|chain| chain.ends_before(block)) {
            self.seal(now);
        }
        if let Some(chain) = &mut self.chain {
            chain.take_in(&user, block);
        }
        if !self.listeners[place].is_empty() {
            let says_updates = self.options.order_updates
                && !block.updates.is_empty()
                && self.listeners[place].iter().any(|conn| self.wants_updates(*conn, &user));
            let mut fills = fills_frame(&user, false, block.fills.iter());
            if self.options.due_times {
                mark_due(&mut fills, self.epoch_us + due.as_micros() as u64);
            }
            let fills: Rc<str> = fills.into();
            let updates: Option<Rc<str>> =
                says_updates.then(|| updates_frame(&block.updates).into());
            let obeys = self.accounts[place].obeys();
            // The blocks of a chain have one clock.
            let may_skew = obeys && self.chain.is_none();
            let updates = updates.as_ref();
            let d = Delivery { user, block, fills: &fills, updates, obeys, may_skew };
            for i in 0..self.listeners[place].len() {
                let conn = self.listeners[place][i];
                if let Made::Left(fault) = self.deliver_to(conn, &d, now) {
                    let fills = block.fills.clone();
                    self.harms.push(Harm { fault, conn, place, fills });
                }
            }
        }
        self.publish(&user, block);
    }

    fn wants_updates(&self, conn: u64, user: &Address) -> bool {
        self.sessions.get(&conn).and_then(|s| s.lanes.get(user)).is_some_and(|lane| lane.updates)
    }

    fn deliver_to(&mut self, conn: u64, d: &Delivery, now: Duration) -> Made {
        let outbox_frames = self.limits.options().outbox_frames;
        let Some(session) = self.sessions.get_mut(&conn).filter(|session| !session.ended) else {
            return Made::Done;
        };
        if session.provider.is_some() {
            self.add_tuples(conn, &d.user, d.block);
            return Made::Done;
        }
        let Some(lane) = session.lanes.get(&d.user) else { return Made::Done };
        let updates = d.updates.filter(|_| lane.updates);
        let mut made = Made::Done;
        if lane.fills && !d.block.fills.is_empty() {
            self.stats.fill_frames += 1;
            self.stats.fills_sent += d.block.fills.len() as u64;
            made = self.faults.deliver(session, &Delivery { updates, ..*d }, now);
        } else if let Some(updates) = updates {
            session.send(&d.user, Channel::Updates, updates);
        }
        if session.outbox.len() > outbox_frames {
            session.outbox.clear();
            session.end(Out::Drop);
        }
        self.arm_release(conn);
        made
    }

    fn publish(&mut self, user: &Address, block: &Block) {
        for fill in &block.fills {
            if !self.public.apply(user, fill) {
                continue;
            }
            let Some(listeners) = self.trade_listeners.get(fill.fill.coin.as_str()) else {
                continue;
            };
            if listeners.is_empty() {
                continue;
            }
            let frame: Rc<str> = trade_frame(user, fill).into();
            for conn in listeners {
                if let Some(session) = self.sessions.get_mut(conn) {
                    session.push(Rc::clone(&frame));
                }
            }
        }
    }

    /// Ends trading: no new fault, nothing is kept back, every open order is cancelled.
    pub(crate) fn stop(&mut self, now: Duration) {
        self.stopping = true;
        self.faults.stop();
        self.limits.let_go();
        for session in self.sessions.values_mut() {
            session.release(None);
        }
        for place in 0..self.accounts.len() {
            if self.accounts[place].is_live() {
                self.close(place, now);
            }
        }
        self.send_tuples(now);
        self.seal(now);
        self.release_chain(None);
    }

    pub(super) fn close(&mut self, place: usize, now: Duration) {
        let block = self.accounts[place].close(&mut self.truth);
        self.deliver(place, &block, now, now);
    }

    pub(super) fn has_ended(&self) -> bool {
        !self.accounts.iter().any(Account::is_live)
    }
}

/// Adds to a frame when it was due; readers that do not know the field pass over it.
fn mark_due(frame: &mut String, due_us: u64) {
    let end = frame.pop();
    assert_eq!(end, Some('}'), "a frame is an object");
    frame.push_str(&format!(r#","dueUs":{due_us}}}"#));
}
