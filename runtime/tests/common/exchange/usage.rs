//! What a source address uses of the venue's budgets, counted where the venue counts: at its end of the wire.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The venue counts messages and new connections by the minute.
const MINUTE: Duration = Duration::from_secs(60);

/// The most that was used at any moment, or in any minute.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Most {
    /// Connections.
    pub connections: usize,
    /// New connections in a minute.
    pub connects: usize,
    /// Subscriptions over all connections.
    pub subscriptions: usize,
    /// Different users.
    pub users: usize,
    /// Messages received in a minute.
    pub messages: usize,
    /// Weight of requests in a minute.
    pub weight: usize,
}

/// Of one address.
#[derive(Default)]
pub struct Usage {
    connections: usize,
    connects: VecDeque<Instant>,
    subscriptions: usize,
    users: BTreeMap<String, usize>,
    messages: VecDeque<Instant>,
    weights: VecDeque<(Instant, usize)>,
    most: Most,
}

/// Adds a moment to those of the last minute; how many there are.
fn count(moments: &mut VecDeque<Instant>) -> usize {
    let now = Instant::now();
    moments.push_back(now);
    while moments.front().is_some_and(|first| now - *first >= MINUTE) {
        moments.pop_front();
    }
    moments.len()
}

impl Usage {
    /// A connection was accepted.
    pub(super) fn opened(&mut self) {
        self.connections += 1;
        self.most.connections = self.most.connections.max(self.connections);
        self.most.connects = self.most.connects.max(count(&mut self.connects));
    }

    /// A message was received.
    pub(super) fn heard(&mut self) {
        self.most.messages = self.most.messages.max(count(&mut self.messages));
    }

    /// A request was answered with so many items: what the venue's documentation says that it weighs.
    pub(super) fn requested(&mut self, kind: &str, items: usize) {
        let weight = match kind {
            "orderStatus" => 2,
            "userFillsByTime" => 20 + items / 20,
            _ => 20,
        };
        let now = Instant::now();
        self.weights.push_back((now, weight));
        self.weights.retain(|(at, _)| now - *at < MINUTE);
        let sum = self.weights.iter().map(|(_, weight)| weight).sum();
        self.most.weight = self.most.weight.max(sum);
    }

    /// A subscription was acknowledged.
    pub(super) fn subscribed(&mut self, subscription: &Value) {
        self.subscriptions += 1;
        if let Some(user) = subscription["user"].as_str() {
            *self.users.entry(user.to_owned()).or_default() += 1;
        }
        self.most.subscriptions = self.most.subscriptions.max(self.subscriptions);
        self.most.users = self.most.users.max(self.users.len());
    }

    /// A subscription has ended.
    pub(super) fn unsubscribed(&mut self, subscription: &Value) {
        self.subscriptions -= 1;
        let Some(user) = subscription["user"].as_str() else { return };
        if let Some(count) = self.users.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                self.users.remove(user);
            }
        }
    }

    /// A connection with these subscriptions has ended.
    pub(super) fn closed(&mut self, subscriptions: &[Value]) {
        self.connections -= 1;
        subscriptions.iter().for_each(|subscription| self.unsubscribed(subscription));
    }

    pub(super) fn most(&self) -> Most {
        self.most
    }
}
