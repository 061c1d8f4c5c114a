//! The venue's budgets: per source address, over all its connections.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use shards::Address;

use super::options::SimLimits;

const MINUTE: Duration = Duration::from_secs(60);
/// Events this close together share a mark, so that a window has at most 600 of them.
const MARK: Duration = Duration::from_millis(100);

/// Counts what happened in the last minute.
#[derive(Default, Debug)]
pub(crate) struct Window {
    marks: VecDeque<(Duration, u64)>,
    sum: u64,
}

impl Window {
    /// Counts `weight` if with it the last minute stays within `limit`.
    pub(crate) fn take(&mut self, now: Duration, weight: u32, limit: u32) -> bool {
        while let Some((at, counted)) = self.marks.front()
            && now.saturating_sub(*at) >= MINUTE
        {
            self.sum -= counted;
            self.marks.pop_front();
        }
        let weight = u64::from(weight);
        if self.sum + weight > u64::from(limit) {
            return false;
        }
        self.sum += weight;
        match self.marks.back_mut() {
            Some((at, counted)) if now.saturating_sub(*at) < MARK => *counted += weight,
            _ => self.marks.push_back((now, weight)),
        }
        true
    }
}

#[derive(Default, Debug)]
struct Budget {
    connections: u32,
    subscriptions: u32,
    /// Subscriptions of each user.
    users: BTreeMap<Address, u32>,
    connects: Window,
    messages: Window,
    rest: Window,
}

/// The budgets of all source addresses.
#[derive(Debug)]
pub(crate) struct Limits {
    limits: SimLimits,
    budgets: BTreeMap<IpAddr, Budget>,
    /// What was refused so far.
    pub(crate) refused: u64,
}

impl Limits {
    pub(crate) fn new(limits: SimLimits) -> Limits {
        Limits { limits, budgets: BTreeMap::new(), refused: 0 }
    }

    pub(crate) fn options(&self) -> &SimLimits {
        &self.limits
    }

    fn budget(&mut self, ip: IpAddr) -> &mut Budget {
        self.budgets.entry(ip).or_default()
    }

    fn answer(&mut self, allowed: bool) -> bool {
        self.refused += u64::from(!allowed);
        allowed
    }

    /// A new connection.
    pub(crate) fn connect(&mut self, ip: IpAddr, now: Duration) -> bool {
        let (open, rate) = (self.limits.connections, self.limits.connects_per_minute);
        let budget = self.budget(ip);
        let allowed = budget.connections < open && budget.connects.take(now, 1, rate);
        budget.connections += u32::from(allowed);
        self.answer(allowed)
    }

    /// A connection is gone, with its subscriptions to these users (`None`: of no user).
    pub(crate) fn disconnect(
        &mut self,
        ip: IpAddr,
        subscriptions: impl Iterator<Item = Option<Address>>,
    ) {
        self.budget(ip).connections -= 1;
        for user in subscriptions {
            self.unsubscribe(ip, user);
        }
    }

    /// A message has come.
    pub(crate) fn message(&mut self, ip: IpAddr, now: Duration) -> Result<(), String> {
        let limit = self.limits.messages_per_minute;
        let allowed = self.budget(ip).messages.take(now, 1, limit);
        if self.answer(allowed) {
            return Ok(());
        }
        Err(format!("Cannot send more than {limit} messages per minute."))
    }

    /// A new subscription.
    pub(crate) fn subscribe(&mut self, ip: IpAddr, user: Option<Address>) -> Result<(), String> {
        let SimLimits { subscriptions, users, .. } = self.limits;
        let budget = self.budget(ip);
        if budget.subscriptions >= subscriptions {
            self.answer(false);
            return Err(format!("Cannot subscribe to more than {subscriptions} channels."));
        }
        if let Some(user) = user {
            let tracked = budget.users.len();
            if !budget.users.contains_key(&user) && tracked >= users as usize {
                self.answer(false);
                return Err(self.users_text());
            }
            *budget.users.entry(user).or_default() += 1;
        }
        budget.subscriptions += 1;
        Ok(())
    }

    /// What is said to one user too many.
    pub(crate) fn users_text(&self) -> String {
        format!("Cannot track more than {} total users.", self.limits.users)
    }

    /// A subscription has ended.
    pub(crate) fn unsubscribe(&mut self, ip: IpAddr, user: Option<Address>) {
        let budget = self.budget(ip);
        budget.subscriptions -= 1;
        if let Some(user) = user {
            let count = budget.users.get_mut(&user).expect("subscribe counted the user");
            *count -= 1;
            if *count == 0 {
                budget.users.remove(&user);
            }
        }
    }

    /// A REST request of this weight.
    pub(crate) fn request(&mut self, ip: IpAddr, weight: u32, now: Duration) -> bool {
        let limit = self.limits.rest_weight_per_minute;
        let allowed = self.budget(ip).rest.take(now, weight, limit);
        self.answer(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const IP: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_window_forgets_after_a_minute() {
        let mut window = Window::default();
        assert!(window.take(at(0), 3, 5) && window.take(at(30), 2, 5));
        assert!(!window.take(at(59), 1, 5));
        assert!(window.take(at(60), 3, 5));
        assert!(!window.take(at(89), 1, 5) && window.take(at(90), 2, 5));
    }

    #[test]
    fn connections_are_limited_at_a_time_and_in_a_minute_and_by_source() {
        let options = SimLimits { connections: 2, connects_per_minute: 3, ..SimLimits::default() };
        let mut limits = Limits::new(options);
        assert!(limits.connect(IP, at(0)) && limits.connect(IP, at(0)));
        assert!(!limits.connect(IP, at(0)) && limits.connect(OTHER, at(0)));
        limits.disconnect(IP, [].into_iter());
        assert!(limits.connect(IP, at(1)));
        limits.disconnect(IP, [].into_iter());
        assert!(!limits.connect(IP, at(2)), "the fourth in a minute");
        assert!(limits.connect(IP, at(60)));
        assert_eq!(limits.refused, 2);
    }

    #[test]
    fn users_and_subscriptions_are_counted_over_all_connections_and_freed() {
        let options = SimLimits { users: 1, subscriptions: 3, ..SimLimits::default() };
        let mut limits = Limits::new(options);
        let (a, b) = (Some(Address([1; 20])), Some(Address([2; 20])));
        assert_eq!(limits.subscribe(IP, a), Ok(()));
        assert_eq!(limits.subscribe(IP, a), Ok(()), "a user already tracked costs nothing");
        let text = "Cannot track more than 1 total users.";
        assert_eq!(limits.subscribe(IP, b), Err(text.into()));
        assert_eq!(limits.subscribe(IP, None), Ok(()));
        let text = "Cannot subscribe to more than 3 channels.";
        assert_eq!(limits.subscribe(IP, a), Err(text.into()));
        limits.unsubscribe(IP, a);
        assert!(limits.subscribe(IP, b).is_err(), "one subscription of the user is left");
        limits.unsubscribe(IP, a);
        assert_eq!(limits.subscribe(IP, b), Ok(()));
    }

    #[test]
    fn messages_and_requests_have_their_texts_and_weights() {
        let options = SimLimits {
            messages_per_minute: 1,
            rest_weight_per_minute: 40,
            ..SimLimits::default()
        };
        let mut limits = Limits::new(options);
        assert_eq!(limits.message(IP, at(0)), Ok(()));
        let text = "Cannot send more than 1 messages per minute.";
        assert_eq!(limits.message(IP, at(1)), Err(text.into()));
        assert_eq!(limits.message(IP, at(61)), Ok(()));
        assert!(limits.request(IP, 38, at(0)) && limits.request(IP, 2, at(0)));
        assert!(!limits.request(IP, 2, at(0)));
    }
}
