//! Connections and limits (spec/monitor.md section 3) through the real binary, counted at the other end of the wire.
//!
//! | what section 3 says | test |
//! |---|---|
//! | budgets per source address | `budgets::no_budget_is_exceeded_while_connections_die_and_heal` |
//! | new connections a minute | `budgets::connections_that_die_at_once_are_made_again_within_their_budget` |
//! | messages a minute, resubscription paced | `budgets::resubscription_keeps_to_the_budget_of_messages` |
//! | REST weight a minute | `budgets::back_fills_keep_to_the_budget_of_weight` |
//! | more addresses than budgets allow | `budgets::what_cannot_be_covered_is_refused_before_anything_connects` |
//! | at once after `Expired`, otherwise backing off | `faults::an_expired_connection_is_made_again_at_once_and_others_back_off` |
//! | one dead connection never touches another | `faults::a_dead_connection_touches_no_other` |
//! | a late acknowledgement of an old unsubscribe | `faults::a_late_acknowledgement_of_an_end_ends_no_new_subscription` |
//! | error frames without echo | `faults::what_the_venue_says_unasked_ends_nothing` |
//! | frames of several MiB | `faults::frames_of_several_mebibytes_are_frames` |
//! | a frame that does not parse is counted, ends nothing | `faults::frames_that_cannot_be_read_are_counted_and_end_nothing` |
//! | watchdog: two silent intervals are death | 30 seconds: `net`'s `session::tests::pings_keep_time_and_silence_is_death`; on the wire in `monitor_soak`, when it is given a minute |

mod budgets;
#[path = "../common/mod.rs"]
mod common;
mod faults;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use common::exchange::Exchange;
use common::program::Program;

/// The `n`th account.
fn account(n: usize) -> String {
    format!("0x{:040x}", 0xabc0_0000 + n)
}

/// Limits of one source address.
#[derive(Clone, Copy)]
struct Limits {
    users: usize,
    connections: usize,
    connects: usize,
    subscriptions: usize,
    messages: usize,
    weight: usize,
}

/// More than anybody needs.
const ROOMY: Limits = Limits {
    users: 1000,
    connections: 100,
    connects: 1000,
    subscriptions: 10_000,
    messages: 10_000,
    weight: 100_000,
};

/// `[monitor]` with so many accounts, and sources of these addresses with these limits.
fn config(
    exchange: &Exchange,
    accounts: usize,
    more: &str,
    from: &[&str],
    limits: Limits,
) -> String {
    let accounts: Vec<String> = (0..accounts).map(account).collect();
    let mut text = format!("[monitor]\naddresses = {accounts:?}\n{more}\n");
    for addr in from {
        let Limits { users, connections, connects, subscriptions, messages, weight } = limits;
        write!(
            text,
            "[[source]]\nws_url = \"{}\"\ninfo_url = \"{}\"\nlocal_addr = \"{addr}\"\n\
             users_per_ip = {users}\nconnections_per_ip = {connections}\n\
             connects_per_minute = {connects}\nsubscriptions_per_ip = {subscriptions}\n\
             messages_per_minute = {messages}\nrest_weight_per_minute = {weight}\n",
            exchange.ws_url(),
            exchange.info_url()
        )
        .expect("a string takes all");
    }
    text + "[aggregation]\ntimeout = \"10m\"\nstatus_grace = \"60s\"\n"
}

/// Waits until so many different accounts have been said to be followed, from the cursor on.
#[track_caller]
fn followed(node: &Program, cursor: &mut usize, accounts: usize) {
    let mut all = BTreeSet::new();
    node.err.wait(cursor, "account that is followed", |line| {
        all.extend(line.split_once("followed address=").map(|(_, account)| account.to_owned()));
        all.len() == accounts
    });
}

/// What was used of each budget is within its limit, at each of these addresses.
#[track_caller]
fn within(exchange: &Exchange, from: &[&str], limits: Limits) {
    let most = exchange.most();
    let addrs: BTreeSet<IpAddr> = from.iter().map(|addr| addr.parse().expect("an IP")).collect();
    let connected = most.iter().filter(|(_, most)| most.connects > 0).map(|(addr, _)| *addr);
    assert_eq!(connected.collect::<BTreeSet<_>>(), addrs, "who connected");
    for (addr, most) in &most {
        let used = [
            ("users", most.users, limits.users),
            ("connections", most.connections, limits.connections),
            ("connects", most.connects, limits.connects),
            ("subscriptions", most.subscriptions, limits.subscriptions * 95 / 100),
            ("messages", most.messages, limits.messages),
            ("weight", most.weight, limits.weight),
        ];
        for (what, used, limit) in used {
            assert!(used <= limit, "{used} {what} of {limit} from {addr}: {most:?}");
        }
    }
}
