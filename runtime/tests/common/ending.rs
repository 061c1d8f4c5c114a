//! What tests of nodes that are killed, stopped or held up have in common: how such a story begins, and that it ends with the
//! whole truth.

use super::market::Market;
use super::node::Home;
use super::program::Program;
use super::sums::{LegSums, Signals};

/// Waits until a node has said of so many accounts that it follows them.
pub fn all_followed(node: &Program, accounts: usize) {
    let mut followed = 0;
    node.err.wait(&mut 0, "account that is followed", |line| {
        followed += usize::from(line.contains("followed address"));
        followed == accounts
    });
}

/// Takes what a node has written to its end.
pub fn take_rest(node: &Program, cursor: usize, signals: &mut Signals) {
    node.out.to_end().lines().skip(cursor).for_each(|line| signals.take(line));
}

/// Starts a node once more, ends the market, and waits until standard output has told the whole truth; then stops the
/// node: the database must tell it too. The truth, and what the node said.
#[track_caller]
pub fn finish(home: &Home, market: &Market, signals: &mut Signals) -> (LegSums, String) {
    let mut node = home.run();
    // It follows the market again: the rest is not only what was missed.
    let mut cursor = 0;
    node.out.wait(&mut cursor, "signal", |line| {
        signals.take(line);
        true
    });
    market.stop_trading();
    let truth = market.truth();
    if signals.sums != truth {
        let told = node.out.try_wait(&mut cursor, |line| {
            signals.take(line);
            signals.sums == truth
        });
        if let Err(why) = told {
            signals.sums.assert_equals(&truth, &why);
        }
    }
    let said = node.ends_well();
    take_rest(&node, cursor, signals);
    signals.sums.assert_equals(&truth, "standard output");
    LegSums::of_database(&home.database()).assert_equals(&truth, "the database");
    (truth, said)
}
