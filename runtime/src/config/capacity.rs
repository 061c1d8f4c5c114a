//! Which addresses the venue will let us follow: counted before anything connects.
//!
//! A venue limits accounts, connections and subscriptions per source IP. Two `[[source]]` tables
//! with different `local_addr`, or with different providers, have budgets of their own.

use super::{Config, Source};
use crate::diag::Problem;

/// Subscriptions that one account needs: fills, orders, perpetual and spot balances.
pub const SUBSCRIPTIONS_PER_USER: u32 = 4;
/// Subscriptions that each connection needs besides: all mid prices.
pub const SUBSCRIPTIONS_PER_CONNECTION: u32 = 1;
/// Percent of the subscription limit that is used; the rest is for changes while running.
pub const SUBSCRIPTIONS_PERCENT: u32 = 95;

/// How the addresses are spread over the sources.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// Addresses asked for.
    pub addresses: u32,
    /// Addresses that some source takes.
    pub live: u32,
    /// One row per source, in the order of the configuration.
    pub sources: Vec<Share>,
    /// What to say if not all of them are taken.
    pub problem: Option<Problem>,
}

impl Plan {
    /// Addresses that no source takes.
    pub fn uncovered(&self) -> u32 {
        self.addresses - self.live
    }
}

/// What one source takes, of how much.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Share {
    /// Where it connects.
    pub ws_url: String,
    /// Accounts given to it.
    pub users: u32,
    /// The most accounts that it could take.
    pub users_max: u32,
    /// Connections needed.
    pub connections: u32,
    /// Subscriptions needed.
    pub subscriptions: u32,
    /// Subscriptions that it may have, the reserve taken off.
    pub subscriptions_max: u32,
    /// The limit that is reached first.
    pub limit: Limit,
}

/// A limit of the venue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// `users_per_ip`
    Users,
    /// `subscriptions_per_ip`
    Subscriptions,
    /// `connections_per_ip`, each with at most `monitor.users_per_connection`
    Connections,
}

/// Spreads the addresses over the sources, the first source first.
pub fn plan(config: &Config) -> Plan {
    let addresses = u32::try_from(config.monitor.addresses.len()).unwrap_or(u32::MAX);
    let per_connection = config.monitor.users_per_connection;
    let mut left = addresses;
    let mut sources = Vec::with_capacity(config.sources.len());
    for source in &config.sources {
        let (users_max, limit) = room(source, per_connection);
        let users = left.min(users_max);
        left -= users;
        let connections = users.div_ceil(per_connection);
        sources.push(Share {
            ws_url: source.ws_url.clone(),
            users,
            users_max,
            connections,
            subscriptions: subscriptions(users, connections),
            subscriptions_max: subscriptions_max(source),
            limit,
        });
    }
    let live = addresses - left;
    let problem = (left > 0).then(|| too_many(config, addresses, live, &sources));
    Plan { addresses, live, sources, problem }
}

fn subscriptions(users: u32, connections: u32) -> u32 {
    let of_users = users.saturating_mul(SUBSCRIPTIONS_PER_USER);
    of_users.saturating_add(connections.saturating_mul(SUBSCRIPTIONS_PER_CONNECTION))
}

fn subscriptions_max(source: &Source) -> u32 {
    let share = u64::from(source.subscriptions_per_ip) * u64::from(SUBSCRIPTIONS_PERCENT) / 100;
    u32::try_from(share).expect("a part of a u32")
}

/// The most accounts that a source takes, and the limit that says so.
fn room(source: &Source, per_connection: u32) -> (u32, Limit) {
    let by_connections = source.connections_per_ip.saturating_mul(per_connection);
    // A full connection costs a fixed number of subscriptions; what is left holds part of one more.
    let whole = subscriptions(per_connection, 1);
    let max = subscriptions_max(source);
    let rest = (max % whole).saturating_sub(SUBSCRIPTIONS_PER_CONNECTION) / SUBSCRIPTIONS_PER_USER;
    let by_subscriptions = max / whole * per_connection + rest;
    [
        (source.users_per_ip, Limit::Users),
        (by_subscriptions, Limit::Subscriptions),
        (by_connections, Limit::Connections),
    ]
    .into_iter()
    .min_by_key(|(users, _)| *users)
    .expect("three limits")
}

fn too_many(config: &Config, addresses: u32, live: u32, shares: &[Share]) -> Problem {
    let (source, share) = (&config.sources[0], &shares[0]);
    let limit = match share.limit {
        Limit::Users => format!("{} different users per IP", source.users_per_ip),
        Limit::Subscriptions => format!(
            "{} subscriptions per IP, of which {} are used: {} users",
            source.subscriptions_per_ip, share.subscriptions_max, share.users_max
        ),
        Limit::Connections => format!(
            "{} connections per IP, each with {} users (monitor.users_per_connection)",
            source.connections_per_ip, config.monitor.users_per_connection
        ),
    };
    let what = match shares {
        [_] => format!("{addresses} addresses, but {} accepts {limit}", source.ws_url),
        _ => format!("{addresses} addresses, but the {} sources take {live}", shares.len()),
    };
    let left = addresses - live;
    let more = if share.users_max == 0 {
        "each takes none under these limits".to_owned()
    } else {
        match left.div_ceil(share.users_max) {
            1 => "1 more address of this host is needed".to_owned(),
            n => format!("{n} more addresses of this host are needed"),
        }
    };
    let mut problem = Problem::error("UPS002", what);
    if shares.len() > 1 {
        for (source, share) in config.sources.iter().zip(shares) {
            let from = source.local_addr.map_or(String::new(), |ip| format!(" from {ip}"));
            problem = problem.why(format!("{}{from}: {} live", share.ws_url, share.users));
        }
    }
    problem
        .why(format!("plan: {live} live, {left} not covered"))
        .why("choose:")
        .why(format!("  more IPs        [[source]] local_addr = \"…\"    {more}"))
        .why("  another feed    [[source]] ws_url = \"wss://…\"  users_per_ip = …")
        .why(format!("  fewer           take {left} out of monitor.addresses"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shards::Address;

    fn config(addresses: u16, change: impl Fn(&mut Config)) -> Config {
        let mut config = Config::default();
        config.monitor.addresses = (1..=addresses)
            .map(|n| {
                let mut bytes = [0; 20];
                bytes[18..].copy_from_slice(&n.to_be_bytes());
                Address(bytes)
            })
            .collect();
        change(&mut config);
        config
    }

    #[test]
    fn ten_addresses_fit_one_ip() {
        let plan = plan(&config(10, |_| {}));
        assert_eq!((plan.live, plan.uncovered(), &plan.problem), (10, 0, &None));
        let share = &plan.sources[0];
        assert_eq!((share.connections, share.subscriptions), (1, 41));
        assert_eq!((share.users_max, share.subscriptions_max), (10, 950));
    }

    #[test]
    fn too_many_are_refused_with_a_plan_and_ways_out() {
        let plan = plan(&config(140, |_| {}));
        assert_eq!(
            plan.problem.expect("does not fit").to_string(),
            "error[UPS002]: 140 addresses, but wss://api.hyperliquid.xyz/ws accepts 10 different users per IP
  plan: 10 live, 130 not covered
  choose:
    more IPs        [[source]] local_addr = \"…\"    13 more addresses of this host are needed
    another feed    [[source]] ws_url = \"wss://…\"  users_per_ip = …
    fewer           take 130 out of monitor.addresses"
        );
    }

    #[test]
    fn each_limit_can_be_the_first() {
        let many = |change: fn(&mut Config)| plan(&config(1000, change)).sources[0].clone();
        let share = many(|c| c.sources[0].users_per_ip = 500);
        // 2 full connections are 802 subscriptions; 148 left: 1 for a connection, 36 users.
        assert_eq!((share.users_max, share.limit), (236, Limit::Subscriptions));
        assert_eq!((share.subscriptions, share.connections), (947, 3));
        let share = many(|c| {
            c.sources[0].users_per_ip = 5000;
            c.sources[0].subscriptions_per_ip = 100_000;
            c.sources[0].connections_per_ip = 3;
        });
        assert_eq!((share.users_max, share.limit), (300, Limit::Connections));
    }

    #[test]
    fn two_local_addresses_have_two_budgets() {
        let two = |n| {
            plan(&config(n, |c| {
                let mut other = c.sources[0].clone();
                other.local_addr = Some([192, 0, 2, 7].into());
                c.sources.push(other);
            }))
        };
        assert_eq!(two(20).problem, None);
        let plan = two(25);
        let shares: Vec<u32> = plan.sources.iter().map(|s| s.users).collect();
        assert_eq!(shares, [10, 10]);
        let text = plan.problem.expect("does not fit").to_string();
        assert!(text.contains("25 addresses, but the 2 sources take 20\n"), "{text}");
        assert!(text.contains("from 192.0.2.7: 10 live\n  plan: 20 live, 5 not covered"), "{text}");
        assert!(text.contains("1 more address of this host is needed"), "{text}");
    }

    #[test]
    fn no_address_is_no_problem() {
        let plan = plan(&config(0, |_| {}));
        assert_eq!((plan.addresses, plan.live, plan.problem), (0, 0, None));
    }
}
