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
    /// Whether with `weight` more the last minute stays within `limit`.
    pub(crate) fn has_room(&mut self, now: Duration, weight: u32, limit: u32) -> bool {
        while let Some((at, counted)) = self.marks.front()
            && now.saturating_sub(*at) >= MINUTE
        {
            self.sum -= counted;
            self.marks.pop_front();
        }
        self.sum + u64::from(weight) <= u64::from(limit)
    }

    /// Counts `weight` if with it the last minute stays within `limit`.
    pub(crate) fn take(&mut self, now: Duration, weight: u32, limit: u32) -> bool {
        if !self.has_room(now, weight, limit) {
            return false;
        }
        let weight = u64::from(weight);
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
    /// Until when another program on the address holds all there is, by [`Place`].
    held_until: [Duration; 4],
}

/// What another program on the same address can hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Users,
    Connections,
    Subscriptions,
    Messages,
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

    /// Lets another program hold all places of a kind for a time.
    pub(crate) fn hold(&mut self, ip: IpAddr, place: Place, until: Duration) {
        self.budget(ip).held_until[place as usize] = until;
    }

    /// Ends all holding.
    pub(crate) fn let_go(&mut self) {
        self.budgets.values_mut().for_each(|budget| budget.held_until = Default::default());
    }

    /// Whether another program holds all places of a kind.
    pub(crate) fn is_held(&self, ip: IpAddr, place: Place, now: Duration) -> bool {
        self.budgets.get(&ip).is_some_and(|budget| now < budget.held_until[place as usize])
    }

    fn answer(&mut self, allowed: bool) -> bool {
        self.refused += u64::from(!allowed);
        allowed
    }

    /// A new connection.
    pub(crate) fn connect(&mut self, ip: IpAddr, now: Duration) -> bool {
        let (open, rate) = (self.limits.connections, self.limits.connects_per_minute);
        let held = self.is_held(ip, Place::Connections, now);
        let budget = self.budget(ip);
        let allowed = !held && budget.connections < open && budget.connects.take(now, 1, rate);
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
        let held = self.is_held(ip, Place::Messages, now);
        let allowed = !held && self.budget(ip).messages.take(now, 1, limit);
        if self.answer(allowed) {
            return Ok(());
        }
        Err(self.messages_text())
    }

    /// A new subscription.
    pub(crate) fn subscribe(
        &mut self,
        ip: IpAddr,
        user: Option<Address>,
        now: Duration,
    ) -> Result<(), String> {
        let SimLimits { subscriptions, users, .. } = self.limits;
        let no_channels = self.is_held(ip, Place::Subscriptions, now);
        let no_users = self.is_held(ip, Place::Users, now);
        let budget = self.budget(ip);
        if no_channels || budget.subscriptions >= subscriptions {
            self.answer(false);
            return Err(self.subscriptions_text());
        }
        if let Some(user) = user {
            let tracked = budget.users.len();
            let none_left = no_users || tracked >= users as usize;
            if !budget.users.contains_key(&user) && none_left {
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

    /// What is said to one subscription too many.
    pub(crate) fn subscriptions_text(&self) -> String {
        format!("Cannot subscribe to more than {} channels.", self.limits.subscriptions)
    }

    /// What is said to one message too many.
    pub(crate) fn messages_text(&self) -> String {
        format!("Cannot send more than {} messages per minute.", self.limits.messages_per_minute)
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
        assert_eq!(limits.subscribe(IP, a, at(0)), Ok(()));
        assert_eq!(limits.subscribe(IP, a, at(0)), Ok(()), "a user already tracked costs nothing");
        let text = "Cannot track more than 1 total users.";
        assert_eq!(limits.subscribe(IP, b, at(0)), Err(text.into()));
        assert_eq!(limits.subscribe(IP, None, at(0)), Ok(()));
        let text = "Cannot subscribe to more than 3 channels.";
        assert_eq!(limits.subscribe(IP, a, at(0)), Err(text.into()));
        limits.unsubscribe(IP, a);
        assert!(limits.subscribe(IP, b, at(0)).is_err(), "one subscription of the user is left");
        limits.unsubscribe(IP, a);
        assert_eq!(limits.subscribe(IP, b, at(0)), Ok(()));
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

    #[test]
    fn what_another_program_holds_is_missing_for_a_time_and_only_there() {
        let mut limits = Limits::new(SimLimits::default());
        let user = Some(Address([1; 20]));
        for place in [Place::Users, Place::Connections, Place::Subscriptions, Place::Messages] {
            limits.hold(IP, place, at(5));
        }
        assert!(!limits.connect(IP, at(4)) && limits.connect(OTHER, at(4)));
        assert_eq!(limits.message(IP, at(4)), Err(limits.messages_text()));
        assert_eq!(limits.subscribe(IP, None, at(4)), Err(limits.subscriptions_text()));
        limits.hold(IP, Place::Subscriptions, at(0));
        assert_eq!(limits.subscribe(IP, user, at(4)), Err(limits.users_text()));
        assert_eq!(limits.subscribe(IP, None, at(4)), Ok(()));
        assert!(limits.connect(IP, at(5)) && limits.message(IP, at(5)).is_ok());
        assert_eq!(limits.subscribe(IP, user, at(5)), Ok(()));
    }
}
