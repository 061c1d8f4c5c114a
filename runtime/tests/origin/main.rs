//! What the program that corelane replaces gets wrong (spec/monitor.md section 7), each through the real binary against
//! an exchange that the test directs. Where the state machine answers for a line alone, its test is in
//! `shards/src/core/tests/origin.rs` too.
//!
//! | line of section 7 | test |
//! |---|---|
//! | status before fill is dropped, signal 5 minutes late | `orders::a_status_before_its_fills_is_kept_for_them` |
//! | fills after the first flush are discarded | `orders::fills_after_the_first_signal_are_its_next_revision` |
//! | first fill of an order counted twice on replay | `orders::a_restart_and_a_replay_count_nothing_twice` |
//! | early flush on the first fill of several | `orders::an_order_of_several_frames_is_one_signal` |
//! | flip legs in random order | `orders::a_flip_closes_before_it_opens` |
//! | close_rate always 0 for shorts | `orders::a_short_that_is_closed_has_a_close_rate` |
//! | stale position used for close_rate | `orders::close_rate_is_of_the_legs_own_beginning` |
//! | `xyz:COIN` merged with `COIN`, perp `PUMP` renamed | `orders::instruments_with_like_names_keep_their_own` |
//! | unknown directions leak for ever | `orders::an_unknown_direction_is_told_and_ends`; that it is forgotten: `shards/src/core/tests/bounds.rs` |
//! | liquidation directions break a whole database batch | `orders::no_direction_breaks_a_batch_of_rows` |
//! | 30 minutes of old fills of a new address sent as news | `accounts::the_past_of_a_new_address_is_no_news` |
//! | refused subscriptions counted as monitored | `accounts::a_refused_subscription_is_not_followed_until_it_is_taken` |
//! | connections beyond the first 150 subscriptions never repaired | `repairs::every_connection_is_repaired` |
//! | second disconnect during a repair ignored | `repairs::a_second_loss_during_a_repair_is_repaired` |
//! | subscribe on a dead connection reports success | `repairs::a_subscription_on_a_dead_connection_is_no_success` |
//! | unsubscribing one address wipes all others' order ids | `accounts::an_address_that_goes_while_running_leaves_the_orders_of_others`, `accounts::an_address_that_goes_leaves_the_orders_of_others` (over a restart) |
//! | mixed-case addresses never match | `accounts::an_address_is_the_same_in_any_case` |
//! | publish while NATS is down counted as sent | with the NATS sink (issue 6); for the sinks of this build: `rows::a_batch_that_fails_is_written_later` |
//! | crash between publish and database row sends twice | `rows::a_crash_between_publish_and_row_leaves_one_row_and_one_id` |
//! | shutdown loses queue, open orders and the last rows | `rows::a_shutdown_loses_nothing` |
//! | a failed database batch is thrown away | `rows::a_batch_that_fails_is_written_later` |
//! | a full queue breaks the order | `rows::a_full_queue_keeps_the_order_and_stalls_no_socket` |
//! | one slow callback stalls the socket | the same |
//! | no back-fill after 30 minutes | `repairs::hours_of_absence_are_fetched` |
//! | a missing table kills a fresh install | `rows::a_fresh_install_needs_no_tables` |
//! | health says ok while nothing arrives | `health::health_is_bad_while_nothing_arrives`; a silence of a minute: `control::health` |

mod accounts;
#[path = "../common/mod.rs"]
mod common;
mod health;
mod orders;
mod repairs;
mod rows;

use common::exchange::Exchange;
use common::exchange::words::{brief, fill, status};
use common::node::{Home, follow_at};
use common::program::Program;
use serde_json::Value;

/// Two accounts of one shard.
const A: &str = "0xabcdef00000000000000000000000000000000a1";
const B: &str = "0x00000000000000000000000000000000000000b2";

/// Nothing here waits for a time-out.
const LONG: &str = "timeout = \"10m\"\nstatus_grace = \"60s\"";

/// An exchange, and a node that follows accounts there.
struct Scene {
    exchange: Exchange,
    home: Home,
    node: Program,
    /// Lines of standard output that were looked at.
    cursor: usize,
    /// Orders that [`Scene::fence`] made.
    fences: u64,
}

impl Scene {
    /// A node with one shard that follows these accounts.
    #[track_caller]
    fn of(accounts: &[&str], aggregation: &str) -> Scene {
        Scene::at(Exchange::open(), accounts, aggregation)
    }

    /// The same at an exchange that has a past.
    #[track_caller]
    fn at(exchange: Exchange, accounts: &[&str], aggregation: &str) -> Scene {
        let home = Home::new(1, &config(&exchange, accounts, "", aggregation));
        let node = home.run();
        let mut scene = Scene { exchange, home, node, cursor: 0, fences: 0 };
        accounts.iter().for_each(|account| scene.follows(account));
        scene
    }

    /// Starts a node where the last one has ended.
    #[track_caller]
    fn run_again(&mut self, accounts: &[&str]) {
        self.node = self.home.run();
        self.cursor = 0;
        accounts.iter().for_each(|account| self.follows(account));
    }

    /// Waits until the node says that it follows an account.
    #[track_caller]
    fn follows(&mut self, account: &str) {
        self.node.err.wait_for(&format!("followed address={}", account.to_lowercase()));
    }

    /// The next signals.
    #[track_caller]
    fn lines(&mut self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        if count > 0 {
            self.node.out.wait(&mut self.cursor, "signal", |line| {
                lines.push(line.to_owned());
                lines.len() == count
            });
        }
        lines
    }

    /// The next signals, as JSON.
    #[track_caller]
    fn signals(&mut self, count: usize) -> Vec<Value> {
        let lines = self.lines(count);
        lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// The next signals are these.
    #[track_caller]
    fn expect(&mut self, wanted: &[&str]) {
        let found: Vec<String> = self.lines(wanted.len()).iter().map(|line| brief(line)).collect();
        assert_eq!(found, wanted);
    }

    /// An order of an account from its fill to its end, and its signal: what was sent before was taken before, and is
    /// durable.
    #[track_caller]
    fn fence(&mut self, user: &str) {
        self.fences += 1;
        let oid = 1_000_000 + self.fences;
        self.exchange.fills(user, &[fill(oid, oid, "@188 B 1.0 2.0 0.0 Buy")]);
        self.exchange.statuses(user, &status(oid, "filled", "0.0", "1.0"));
        let end = &user[user.len() - 2..].to_lowercase();
        self.expect(&[&format!("{end} {oid} Buy-1 1@2 final status")]);
    }

    /// Ends the node in good order: it has said nothing more. What it said on standard error.
    #[track_caller]
    fn ends(&mut self) -> String {
        let said = self.node.ends_well();
        let out = self.node.out.to_end();
        let rest: Vec<String> = out.lines().skip(self.cursor).map(brief).collect();
        assert_eq!(rest, [""; 0], "and nothing more");
        said
    }
}

/// Configuration of a node that follows accounts at an exchange.
fn config(exchange: &Exchange, accounts: &[&str], monitor: &str, aggregation: &str) -> String {
    let accounts: Vec<String> = accounts.iter().map(|account| (*account).to_owned()).collect();
    follow_at(&accounts, &exchange.source(), monitor, aggregation)
}
