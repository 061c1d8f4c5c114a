//! Whether the node does all that is wanted of it, and why not.
//!
//! Never well while nothing arrives: the program that corelane replaces said so for hours.

use std::time::Duration;

use crate::admin::wire::{Health, Reason};

/// Nothing was received for so long: four pings stayed without an answer, each connection should be dead by now.
const QUIET_MAX: Duration = Duration::from_secs(60);

/// What health is judged by.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Vitals {
    /// Accounts that a list names.
    pub wanted: u64,
    /// Those of them that are followed.
    pub followed: u64,
    /// Those of them for which no source has room.
    pub uncovered: u64,
    /// Nodes whose files bring nothing of now.
    pub nodes_silent: u64,
    /// Lists of accounts that cannot be read.
    pub lists_unread: u64,
    /// Connections that are wanted and not open.
    pub links_down: u64,
    /// Since anything at all was received from an upstream; `None` if nothing ever was.
    pub quiet_for: Option<Duration>,
    /// Since the start.
    pub uptime: Duration,
}

impl Vitals {
    /// The judgement, the worst reason first.
    pub fn judge(&self) -> Health {
        let mut reasons = Vec::new();
        let mut say = |reason: &str, what: String| {
            reasons.push(Reason { reason: reason.to_owned(), what });
        };
        if self.wanted == 0 {
            say("no_accounts", "no account is watched; corelane addr add 0x...".to_owned());
        }
        match self.quiet_for {
            None if self.wanted > 0 => {
                let seconds = self.uptime.as_secs();
                say(
                    "nothing_received",
                    format!("nothing was received since the start, {seconds} s ago"),
                );
            }
            Some(quiet) if self.wanted > 0 && quiet > QUIET_MAX => {
                let seconds = quiet.as_secs();
                say("nothing_received", format!("nothing was received for {seconds} s"));
            }
            _ => {}
        }
        if self.nodes_silent > 0 {
            let what = format!(
                "the files of {} nodes bring nothing new: their accounts are not monitored",
                self.nodes_silent
            );
            say("node_silent", what);
        }
        if self.lists_unread > 0 {
            let what = format!(
                "{} lists of accounts cannot be read: who else is on them is not monitored",
                self.lists_unread
            );
            say("list_unread", what);
        }
        if self.uncovered > 0 {
            let what = format!("{} accounts are not monitored: no source has room", self.uncovered);
            say("uncovered", what);
        }
        let pending = self.wanted.saturating_sub(self.followed + self.uncovered);
        if pending > 0 {
            say("not_followed", format!("{pending} accounts are wanted and not followed yet"));
        }
        if self.links_down > 0 {
            say("connections_down", format!("{} connections are not open", self.links_down));
        }
        Health { ok: reasons.is_empty(), reasons, wanted: self.wanted, followed: self.followed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(vitals: Vitals, expect: &[&str]) {
        let health = vitals.judge();
        let reasons: Vec<&str> = health.reasons.iter().map(|r| r.reason.as_str()).collect();
        assert_eq!(reasons, expect);
        assert_eq!(health.ok, expect.is_empty());
    }

    #[test]
    fn it_is_well_only_while_everything_wanted_is_followed_and_something_arrives() {
        let second = Duration::from_secs(1);
        let well = Vitals { wanted: 3, followed: 3, quiet_for: Some(second), ..Vitals::default() };
        check(well, &[]);
        check(Vitals::default(), &["no_accounts"]);
        check(Vitals { quiet_for: None, ..well }, &["nothing_received"]);
        check(Vitals { quiet_for: Some(QUIET_MAX), ..well }, &[]);
        check(Vitals { quiet_for: Some(QUIET_MAX + second), ..well }, &["nothing_received"]);
        check(Vitals { followed: 2, ..well }, &["not_followed"]);
        check(Vitals { followed: 2, uncovered: 1, ..well }, &["uncovered"]);
        check(Vitals { followed: 1, uncovered: 1, ..well }, &["uncovered", "not_followed"]);
        check(Vitals { links_down: 1, ..well }, &["connections_down"]);
        check(Vitals { lists_unread: 1, ..well }, &["list_unread"]);
        check(Vitals { nodes_silent: 1, followed: 2, ..well }, &["node_silent", "not_followed"]);
    }
}
