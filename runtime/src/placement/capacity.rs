//! Which addresses the venue will let us follow: counted before anything connects.
//!
//! A venue limits accounts, connections and subscriptions per source IP. Two sources
//! with different `local_addr`, or with different providers, have budgets of their own. The accounts are placed as a node
//! would place them, shard by shard, so the plan is what will happen.

use shards::Address;

use super::{Limit, Placer, SUBSCRIPTIONS_PER_CONNECTION, SUBSCRIPTIONS_PER_USER};
use crate::config::show::without_secrets;
use crate::config::{Config, Source, SourceKind};
use crate::diag::Problem;

/// Uncovered addresses that are named; the rest is counted.
const NAMED_MAX: usize = 3;

/// How the addresses are spread over the sources.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// Addresses asked for.
    pub addresses: u32,
    /// Addresses that some source takes.
    pub live: u32,
    /// One row per source, in the order of the configuration.
    pub sources: Vec<Share>,
    /// Addresses that no source takes.
    pub uncovered: Vec<Address>,
    /// What to say if not all of them are taken.
    pub problem: Option<Problem>,
}

/// What one source takes, of how much.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Share {
    /// What it is called: where it connects or reads, and from which address.
    pub name: String,
    /// Accounts given to it.
    pub users: u32,
    /// The most accounts that it could take; `None` is no limit.
    pub users_max: Option<u32>,
    /// Connections needed.
    pub connections: u32,
    /// Subscriptions needed.
    pub subscriptions: u32,
    /// Subscriptions that it may have, the reserve taken off; `None` is no limit.
    pub subscriptions_max: Option<u32>,
    /// The limit that is reached first; `None` if there is none.
    pub limit: Option<Limit>,
}

/// Spreads the configured addresses over the sources.
pub fn plan(config: &Config, shard_count: u16) -> Plan {
    plan_of(config, shard_count, &config.monitor.addresses)
}

/// Spreads addresses over the sources.
pub fn plan_of(config: &Config, shard_count: u16, addresses: &[Address]) -> Plan {
    let per_connection = config.monitor.users_per_connection;
    let mut placer = Placer::new(&config.sources, shard_count, per_connection);
    let mut uncovered = Vec::new();
    let mut limits = Vec::new();
    for address in addresses {
        if let Err(limit) = placer.place(*address) {
            uncovered.push(*address);
            limits.push(limit);
        }
    }
    let share = |(at, source): (usize, &Source)| {
        let (users, connections) = placer.occupied(at);
        let (subscriptions, subscriptions_max) = placer.subscriptions(at);
        let room = room(source, per_connection);
        let has_links = source.kind != SourceKind::HyperliquidNode;
        Share {
            name: name(source),
            users,
            users_max: room.map(|(users, _)| users),
            connections,
            subscriptions: if has_links { subscriptions } else { 0 },
            subscriptions_max: Some(subscriptions_max).filter(|max| has_links && *max < u32::MAX),
            limit: room.map(|(_, limit)| limit),
        }
    };
    let sources: Vec<Share> = config.sources.iter().enumerate().map(share).collect();
    let addresses = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let live = addresses - uncovered.len() as u32;
    let limit = limits.into_iter().max();
    let mut plan = Plan { addresses, live, sources, uncovered, problem: None };
    plan.problem = limit.map(|limit| too_many(config, &plan, limit, shard_count));
    plan
}

/// What a source is called in messages: where it connects or reads, and from which address.
pub fn name(source: &Source) -> String {
    let from = source.local_addr.map_or(String::new(), |ip| format!(" from {ip}"));
    match &source.node_dir {
        Some(dir) => dir.display().to_string(),
        None => format!("{}{from}", without_secrets(&source.ws_url)),
    }
}

/// The most accounts that a source takes, and the limit that says so; `None` where there is none.
fn room(source: &Source, per_connection: u32) -> Option<(u32, Limit)> {
    let by_users = (source.users_per_ip, Limit::Users);
    let by_connections = |per_connection: u32| {
        (source.connections_per_ip.saturating_mul(per_connection), Limit::Connections)
    };
    let first = match source.kind {
        SourceKind::HyperliquidNode => by_users,
        SourceKind::HyperliquidProvider => {
            by_users.min(by_connections(super::PROVIDER_USERS_PER_CONNECTION))
        }
        SourceKind::HyperliquidWs => {
            // A full connection costs a fixed number of subscriptions; what is left holds part of one more.
            let whole = per_connection * SUBSCRIPTIONS_PER_USER + SUBSCRIPTIONS_PER_CONNECTION;
            let max =
                Placer::new(std::slice::from_ref(source), 1, per_connection).subscriptions(0).1;
            let rest =
                (max % whole).saturating_sub(SUBSCRIPTIONS_PER_CONNECTION) / SUBSCRIPTIONS_PER_USER;
            let by_subscriptions = max / whole * per_connection + rest;
            by_users
                .min((by_subscriptions, Limit::Subscriptions))
                .min(by_connections(per_connection))
        }
    };
    Some(first).filter(|(users, _)| *users < u32::MAX)
}

fn too_many(config: &Config, plan: &Plan, limit: Limit, shard_count: u16) -> Problem {
    let (source, share) = (&config.sources[0], &plan.sources[0]);
    let limit_text = match limit {
        Limit::Users => format!("{} different users per IP", source.users_per_ip),
        Limit::Subscriptions => format!(
            "{} subscriptions per IP, of which {} are used: {} users",
            source.subscriptions_per_ip,
            share.subscriptions_max.unwrap_or(u32::MAX),
            share.users_max.unwrap_or(u32::MAX)
        ),
        Limit::Connections => format!(
            "{} connections per IP, each with {} users (monitor.users_per_connection) of one of {shard_count} shards",
            source.connections_per_ip, config.monitor.users_per_connection
        ),
    };
    let (addresses, live) = (plan.addresses, plan.live);
    let what = match &plan.sources[..] {
        [_] => format!("{addresses} addresses, but {} accepts {limit_text}", share.name),
        shares => format!("{addresses} addresses, but the {} sources take {live}", shares.len()),
    };
    let left = plan.uncovered.len() as u32;
    let more = match share.users_max {
        None | Some(0) => "each takes none under these limits".to_owned(),
        Some(users_max) => match left.div_ceil(users_max) {
            1 => "1 more address of this host is needed".to_owned(),
            n => format!("{n} more addresses of this host are needed"),
        },
    };
    let mut problem = Problem::error("UPS002", what);
    if plan.sources.len() > 1 {
        problem = shares_text(&plan.sources).into_iter().fold(problem, Problem::why);
    }
    let named: Vec<String> =
        plan.uncovered.iter().take(NAMED_MAX).map(Address::to_string).collect();
    let rest = if plan.uncovered.len() > NAMED_MAX { ", …" } else { "" };
    problem = problem
        .why(format!("plan: {live} live, {left} not covered: {}{rest}", named.join(", ")))
        .why("choose:")
        .why(format!("  more IPs        [[source]] local_addrs = [\"…\"]  {more}"))
        .why("  an own node     [[source]] kind = \"hyperliquid-node\"  node_dir = \"…\"     no limit")
        .why("  another feed    [[source]] kind = \"hyperliquid-provider\"  ws_url = \"wss://…\"");
    if limit == Limit::Connections && u32::from(shard_count) > source.connections_per_ip {
        let fewer = source.connections_per_ip;
        problem = problem.why(format!(
            "  fewer shards    node.shards = {fewer}: each has connections of its own"
        ));
    }
    problem.why(format!("  fewer           take {left} out of monitor.addresses"))
}

/// A line for each source; sources of one upstream that take the same are one line.
fn shares_text(shares: &[Share]) -> Vec<String> {
    /// Lines shown.
    const LINES_MAX: usize = 8;
    let line = |share: &Share| format!("{}: {} live", share.name, share.users);
    let mut lines: Vec<String> = shares.iter().take(LINES_MAX).map(line).collect();
    if let Some(rest) = shares.get(LINES_MAX..).filter(|rest| !rest.is_empty()) {
        let users: u32 = rest.iter().map(|share| share.users).sum();
        lines.push(format!("and {} more: {users} live", rest.len()));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u16) -> Address {
        let mut bytes = [0; 20];
        bytes[18..].copy_from_slice(&n.to_be_bytes());
        Address(bytes)
    }

    fn config(addresses: u16, change: impl Fn(&mut Config)) -> Config {
        let mut config = Config::default();
        config.monitor.addresses = (1..=addresses).map(address).collect();
        change(&mut config);
        config
    }

    #[test]
    fn ten_addresses_fit_one_ip() {
        let plan = plan(&config(10, |_| {}), 1);
        assert_eq!((plan.live, &plan.uncovered[..], &plan.problem), (10, &[][..], &None));
        let share = &plan.sources[0];
        assert_eq!((share.connections, share.subscriptions), (1, 56));
        assert_eq!((share.users_max, share.subscriptions_max), (Some(10), Some(950)));
    }

    #[test]
    fn too_many_are_refused_with_a_plan_and_ways_out() {
        let plan = plan(&config(140, |_| {}), 1);
        assert_eq!(
            plan.problem.expect("does not fit").to_string(),
            "error[UPS002]: 140 addresses, but wss://api.hyperliquid.xyz/ws accepts 10 different users per IP
  plan: 10 live, 130 not covered: 0x000000000000000000000000000000000000000b, 0x000000000000000000000000000000000000000c, 0x000000000000000000000000000000000000000d, …
  choose:
    more IPs        [[source]] local_addrs = [\"…\"]  13 more addresses of this host are needed
    an own node     [[source]] kind = \"hyperliquid-node\"  node_dir = \"…\"     no limit
    another feed    [[source]] kind = \"hyperliquid-provider\"  ws_url = \"wss://…\"
    fewer           take 130 out of monitor.addresses"
        );
    }

    #[test]
    fn each_limit_can_be_the_first() {
        let many = |change: fn(&mut Config)| plan(&config(1000, change), 1).sources[0].clone();
        let share = many(|c| c.sources[0].users_per_ip = 500);
        // 2 full connections are 832 subscriptions; 118 left: 16 for a connection, 25 users.
        assert_eq!((share.users_max, share.limit), (Some(225), Some(Limit::Subscriptions)));
        assert_eq!((share.users, share.subscriptions, share.connections), (225, 948, 3));
        let share = many(|c| {
            c.sources[0].users_per_ip = 5000;
            c.sources[0].subscriptions_per_ip = 100_000;
            c.sources[0].connections_per_ip = 3;
        });
        assert_eq!((share.users_max, share.limit), (Some(300), Some(Limit::Connections)));
    }

    #[test]
    fn two_local_addresses_have_two_budgets() {
        let two = |n| {
            let config = config(n, |c| {
                let mut other = c.sources[0].clone();
                other.local_addr = Some([192, 0, 2, 7].into());
                c.sources.push(other);
            });
            plan(&config, 2)
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
    fn more_shards_than_connections_are_told_with_what_mends_it() {
        let config = config(40, |c| {
            c.sources[0].users_per_ip = 100;
            c.sources[0].connections_per_ip = 3;
        });
        let plan = plan(&config, 8);
        assert_eq!(plan.sources[0].connections, 3);
        assert!(!plan.uncovered.is_empty(), "five shards have no connection");
        let text = plan.problem.expect("does not fit").to_string();
        assert!(text.contains("fewer shards    node.shards = 3"), "{text}");
    }

    #[test]
    fn a_node_and_a_provider_take_what_they_are_given() {
        let config = config(5000, |c| {
            c.sources[0].kind = SourceKind::HyperliquidNode;
            c.sources[0].node_dir = Some("/hl".into());
            c.sources[0].users_per_ip = 2000;
            let mut provider = c.sources[0].clone();
            provider.kind = SourceKind::HyperliquidProvider;
            provider.node_dir = None;
            provider.ws_url = "wss://p/ws".to_owned();
            provider.users_per_ip = u32::MAX;
            c.sources.push(provider);
        });
        let plan = plan(&config, 4);
        assert_eq!(plan.problem, None);
        let [node, provider] = &plan.sources[..] else { panic!("two sources") };
        assert_eq!((node.users, node.connections, node.name.as_str()), (2000, 0, "/hl"));
        assert_eq!((provider.users, provider.connections), (3000, 4));
        assert_eq!((provider.users_max, provider.limit), (Some(10_000), Some(Limit::Connections)));
    }

    #[test]
    fn no_address_is_no_problem() {
        let plan = plan(&config(0, |_| {}), 2);
        assert_eq!((plan.addresses, plan.live, plan.problem), (0, 0, None));
    }
}
