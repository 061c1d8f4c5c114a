//! The provider's protocol: many addresses in a subscription, tuples of address and fill, one frame
//! for a block. No snapshot, no states of orders, no limit of users.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use shards::Address;

use super::super::agenda::Chore;
use super::super::faults::{Fault, Occasion};
use super::super::session::{Out, Session, Tuples};
use super::super::tape::Block;
use super::{Venue, error_frame};

/// Addresses in one subscription, at most.
const ADDRESSES_MAX: usize = 1000;

impl Venue {
    /// A connection comes to the provider.
    pub(crate) fn connect_provider(&mut self, ip: IpAddr, now: Duration) -> u64 {
        self.connections += 1;
        let conn = self.connections;
        let mut session = Session::new(conn, ip, Rc::clone(&self.ready), now);
        session.provider = Some(Tuples::default());
        self.sessions.insert(conn, session);
        self.arm(conn, Chore::Idle, now + self.idle());
        conn
    }

    /// A text message came from a provider's client.
    pub(super) fn provider_message(&mut self, conn: u64, text: &str, now: Duration) {
        let frame = match self.provider_answer(conn, text, now) {
            Ok(frame) => frame,
            Err(why) => {
                self.stats.bad_messages += 1;
                error_frame(&why)
            }
        };
        self.push(conn, frame);
    }

    fn provider_answer(&mut self, conn: u64, text: &str, now: Duration) -> Result<String, String> {
        let unparseable = || format!("Error parsing JSON into valid websocket request: {text}");
        let message: Value = serde_json::from_str(text).map_err(|_| unparseable())?;
        let method = message["method"].as_str().ok_or_else(unparseable)?;
        if method == "ping" {
            return Ok(r#"{"channel":"pong"}"#.to_owned());
        }
        let subscription = &message["subscription"];
        let users = addresses_of(subscription).ok_or_else(unparseable)?;
        let echo = || format!("{subscription}");
        let Some(tuples) = self.sessions.get_mut(&conn).and_then(|s| s.provider.as_mut()) else {
            return Err(unparseable());
        };
        match method {
            "subscribe" if users.is_empty() || users.len() > ADDRESSES_MAX => {
                return Err(format!("Invalid subscription {}", echo()));
            }
            "subscribe" if tuples.subscriptions.contains(&users) => {
                return Err(format!("Already subscribed: {}", echo()));
            }
            "subscribe" => {
                tuples.subscriptions.push(users.clone());
                users.iter().for_each(|user| self.follow_tuples(conn, user, now));
            }
            "unsubscribe" => {
                let place = tuples.subscriptions.iter().position(|known| *known == users);
                let place = place.ok_or_else(|| format!("Already unsubscribed: {}", echo()))?;
                tuples.subscriptions.swap_remove(place);
                self.leave_tuples(conn, &users);
            }
            _ => return Err(unparseable()),
        }
        let answer = json!({"method": method, "subscription": subscription});
        Ok(json!({"channel": "subscriptionResponse", "data": answer}).to_string())
    }

    fn follow_tuples(&mut self, conn: u64, user: &Address, now: Duration) {
        let Some(&place) = self.places.get(user) else { return };
        self.start(place, now);
        self.listen(conn, user);
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.lanes.entry(*user).or_default().fills = true;
        }
    }

    fn leave_tuples(&mut self, conn: u64, users: &[Address]) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        let Some(tuples) = &session.provider else { return };
        for user in users {
            let stays = tuples.subscriptions.iter().any(|others| others.contains(user));
            if let Some(lane) = session.lanes.get_mut(user) {
                lane.fills = stays;
            }
        }
    }

    /// Adds a block's fills to the next frame of a provider's connection.
    pub(super) fn add_tuples(&mut self, conn: u64, user: &Address, block: &Block) {
        let Some(session) = self.sessions.get_mut(&conn) else { return };
        if session.ended || session.lanes.get(user).is_none_or(|lane| !lane.fills) {
            return;
        }
        let Some(tuples) = &mut session.provider else { return };
        if tuples.next.is_empty() && !block.fills.is_empty() {
            self.tuples_wait.push(conn);
        }
        for fill in &block.fills {
            let comma = if tuples.next.is_empty() { "" } else { "," };
            tuples.next.push_str(&format!(r#"{comma}["{user}",{}]"#, fill.json));
            tuples.fills += 1;
        }
    }

    /// Sends the frames that were made in this turn.
    pub(super) fn send_tuples(&mut self, now: Duration) {
        for conn in std::mem::take(&mut self.tuples_wait) {
            let fault = self.faults.draw(Occasion::Tuples, now, |_| true);
            let Some(session) = self.sessions.get_mut(&conn) else { continue };
            let Some(tuples) = &mut session.provider else { continue };
            let fills = std::mem::take(&mut tuples.fills);
            let list = std::mem::take(&mut tuples.next);
            let frame: Rc<str> = format!(r#"{{"channel":"userFills","data":[{list}]}}"#).into();
            self.stats.fills_sent += fills;
            match fault {
                Some(Fault::ProviderCut) => session.end(Out::Drop),
                Some(Fault::ProviderDuplicate) => {
                    session.push(Rc::clone(&frame));
                    session.push(frame);
                }
                _ => session.push(frame),
            }
            if session.outbox.len() > self.limits.options().outbox_frames {
                session.outbox.clear();
                session.end(Out::Drop);
            }
            fault.into_iter().for_each(|fault| self.faults.count(fault));
        }
    }
}

fn addresses_of(subscription: &Value) -> Option<Vec<Address>> {
    if subscription["type"] != "userFills" {
        return None;
    }
    let list = subscription["addresses"].as_array()?;
    list.iter().map(|address| address.as_str()?.parse().ok()).collect()
}
