//! What connections subscribe, what they are sent at once, and what in a rhythm.

use std::time::Duration;

use shards::Address;

use super::super::account::Account;
use super::super::agenda::Chore;
use super::super::faults::{Fault, Occasion};
use super::super::public::Public;
use super::super::subscription::Subscription;
use super::super::tape::fills_frame;
use super::super::trader::GENESIS_MS;
use super::{Venue, error_frame};

/// Between two pushes of middle prices.
const MIDS_EVERY: Duration = Duration::from_secs(1);
/// Between two pushes of an account's state.
const STATE_EVERY: Duration = Duration::from_secs(5);

/// Fills that come again after a snapshot.
const OVERLAP_FILLS: usize = 4;
/// An acknowledgement is held back for longer than a patient client waits for it.
const LATE_MAX: Duration = Duration::from_secs(12);

/// Faults that the request meets.
const MET_BY_REQUEST: [Fault; 5] = [
    Fault::RefuseSubscription,
    Fault::RefuseInOtherWords,
    Fault::AlreadySubscribed,
    Fault::NoAck,
    Fault::NoSnapshot,
];
/// Faults that the snapshot meets.
const MET_BY_SNAPSHOT: [Fault; 7] = [
    Fault::OverlapSnapshot,
    Fault::EmptySnapshot,
    Fault::ShortSnapshot,
    Fault::Gap,
    Fault::PageInMillisecond,
    Fault::FullMillisecond,
    Fault::BeyondHistory,
];

impl Venue {
    pub(super) fn subscribe(&mut self, conn: u64, wanted: Subscription, now: Duration) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        if session.ended {
            return;
        }
        let canonical = wanted.canonical();
        if session.subscriptions.contains_key(&wanted) {
            return session.push(error_frame(&format!("Already subscribed: {canonical}")));
        }
        let fills_of = match &wanted {
            Subscription::UserFills(user) => Some(*user),
            _ => None,
        };
        let met = fills_of.and_then(|user| self.faults.meets(&user, &MET_BY_REQUEST));
        match met {
            Some(Fault::RefuseSubscription) => {
                return session.push(error_frame(&self.limits.users_text()));
            }
            Some(Fault::RefuseInOtherWords) => {
                let texts = [self.limits.subscriptions_text(), self.limits.messages_text()];
                self.faults.turn += 1;
                return session.push(error_frame(&texts[self.faults.turn % texts.len()]));
            }
            Some(Fault::NoAck) => return,
            _ => {}
        }
        if let Err(text) = self.limits.subscribe(session.ip, wanted.user(), now) {
            return session.push(error_frame(&text));
        }
        session.push(match met {
            Some(Fault::AlreadySubscribed) => {
                error_frame(&format!("Already subscribed: {canonical}"))
            }
            _ => format!(
                r#"{{"channel":"subscriptionResponse","data":{{"method":"subscribe","subscription":{canonical}}}}}"#
            ),
        });
        let due = match wanted {
            Subscription::UserFills(_)
            | Subscription::OrderUpdates(_)
            | Subscription::Trades(_) => None,
            _ => Some(now),
        };
        session.subscriptions.insert(wanted.clone(), due);
        match wanted.clone() {
            Subscription::UserFills(_) if met == Some(Fault::NoSnapshot) => {}
            Subscription::UserFills(user) => self.begin_fills(conn, user, now),
            Subscription::OrderUpdates(user) => {
                session.lanes.entry(user).or_default().updates = true;
                self.listen(conn, &user);
            }
            Subscription::Trades(coin) => {
                session.push(self.public.last_trades_frame(&coin));
                self.trade_listeners.entry(coin).or_default().push(conn);
            }
            _ => self.push_states(conn, now),
        }
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        if session.say_kept(&wanted) {
            self.faults.count(Fault::LateUnsubscribed);
        }
    }

    /// The snapshot; from here on the user's fills go to this connection too.
    fn begin_fills(&mut self, conn: u64, user: Address, now: Duration) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        let Some(&place) = self.places.get(&user) else {
            return session.push(fills_frame(&user, true, [].iter()));
        };
        self.start(place, now);
        self.listen(conn, &user);
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        let account = &self.accounts[place];
        let met = self.faults.meets(&user, &MET_BY_SNAPSHOT);
        let limit = match met {
            Some(Fault::EmptySnapshot) => 0,
            Some(Fault::ShortSnapshot) => 3,
            None | Some(Fault::OverlapSnapshot) => usize::MAX,
            Some(_gap) => 1,
        };
        let fills = account.newest(limit);
        session.lanes.entry(user).or_default().fills = true;
        let fills: Vec<_> = fills.collect();
        self.stats.snapshot_fills_sent += fills.len() as u64;
        session.push(fills_frame(&user, true, fills.iter().copied()));
        if met == Some(Fault::OverlapSnapshot) {
            let from = fills.len().saturating_sub(OVERLAP_FILLS);
            self.stats.fills_sent += (fills.len() - from) as u64;
            session.push(fills_frame(&user, false, fills[from..].iter().copied()));
        }
        if self.stopping && account.is_live() {
            self.close(place, now);
        }
    }

    /// The account's blocks go to this connection, too.
    pub(super) fn listen(&mut self, conn: u64, user: &Address) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        let Some(&place) = self.places.get(user) else { return };
        if !session.listens.contains(&place) {
            session.listens.push(place);
            self.listeners[place].push(conn);
        }
    }

    /// The coin's trades go to this connection no more.
    pub(super) fn leave_trades(&mut self, conn: u64, coin: &str) {
        if let Some(listeners) = self.trade_listeners.get_mut(coin) {
            listeners.retain(|listener| *listener != conn);
        }
    }

    pub(super) fn unsubscribe(&mut self, conn: u64, subscription: &Subscription, now: Duration) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        let canonical = subscription.canonical();
        if session.subscriptions.remove(subscription).is_none() {
            return session.push(error_frame(&format!("Already unsubscribed: {canonical}")));
        }
        self.limits.unsubscribe(session.ip, subscription.user());
        match subscription {
            Subscription::UserFills(user) => {
                session.lanes.entry(*user).or_default().fills = false;
            }
            Subscription::OrderUpdates(user) => {
                session.lanes.entry(*user).or_default().updates = false;
            }
            _ => {}
        }
        if let Subscription::Trades(coin) = subscription {
            self.leave_trades(conn, coin);
        }
        let text = format!(
            r#"{{"channel":"subscriptionResponse","data":{{"method":"unsubscribe","subscription":{canonical}}}}}"#
        );
        let is_late = self.faults.draw(Occasion::Unsubscribe, now, |_| true).is_some();
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        if is_late {
            session.say_later(now + LATE_MAX, subscription.clone(), text);
            self.arm_release(conn);
        } else {
            session.push(text);
        }
    }

    /// Pushes a connection's prices and account states whose time has come.
    pub(super) fn push_states(&mut self, conn: u64, now: Duration) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        if session.ended {
            return;
        }
        let mut frames = Vec::new();
        for (subscription, due) in &mut session.subscriptions {
            let Some(due) = due.as_mut().filter(|due| **due <= now) else { continue };
            let every = match subscription {
                Subscription::AllMids(_) => MIDS_EVERY,
                _ => STATE_EVERY,
            };
            *due = now + every;
            let account = subscription.user().and_then(|user| self.places.get(&user));
            let account = account.map(|place| &mut self.accounts[*place]);
            frames.extend(state_frame(subscription, account, &self.public));
        }
        frames.into_iter().for_each(|frame| session.push(frame));
        if let Some(next) = session.subscriptions.values().flatten().min().copied() {
            self.arm(conn, Chore::Push, next);
        }
    }
}

/// The frame of a subscription with a rhythm.
fn state_frame(
    subscription: &Subscription,
    account: Option<&mut Account>,
    public: &Public,
) -> Option<String> {
    let time_ms = account.as_ref().map_or(GENESIS_MS, |account| account.newest_ms());
    let empty = super::super::holdings::Holdings::default();
    let holdings = account.map_or(&empty, |account| {
        account.wake();
        &account.holdings
    });
    Some(match subscription {
        Subscription::AllMids(dex) => public.mids_frame(dex),
        Subscription::SpotState(user) => {
            let state = holdings.spot();
            format!(r#"{{"channel":"spotState","data":{{"user":"{user}","spotState":{state}}}}}"#)
        }
        Subscription::ClearinghouseState(user, dex) => {
            let state = holdings.clearinghouse(dex, time_ms);
            format!(
                r#"{{"channel":"clearinghouseState","data":{{"dex":"{dex}","user":"{user}","clearinghouseState":{state}}}}}"#
            )
        }
        Subscription::AllDexsClearinghouseState(user) => {
            let states = holdings.all_clearinghouses(time_ms);
            format!(
                r#"{{"channel":"allDexsClearinghouseState","data":{{"user":"{user}","clearinghouseStates":{states}}}}}"#
            )
        }
        Subscription::UserFills(_) | Subscription::OrderUpdates(_) | Subscription::Trades(_) => {
            return None;
        }
    })
}
