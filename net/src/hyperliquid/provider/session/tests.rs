//! Tests of a provider's session: histories, and random ones against a provider that is played.

use super::*;
use crate::hyperliquid::session::Policy;
use proptest::prelude::*;
use std::borrow::Cow;

fn user(n: u8) -> Address {
    Address([n; 20])
}

fn open_session(users: impl IntoIterator<Item = u8>) -> Session {
    let mut session = Session::new(Policy::default());
    for n in users {
        session.want(user(n));
    }
    session.on_open(0);
    session
}

/// A request as a word: `+` or `-` and the first bytes of its addresses.
fn request(text: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(value["subscription"]["type"], "userFills");
    let sign = if value["method"] == "subscribe" { '+' } else { '-' };
    let addresses = value["subscription"]["addresses"].as_array().expect("a list");
    let name = |address: &serde_json::Value| {
        let address: Address = address.as_str().expect("text").parse().expect("an address");
        address.0[0].to_string()
    };
    format!("{sign}{}", addresses.iter().map(name).collect::<Vec<String>>().join(","))
}

/// All that the session says at this time, one short word each.
fn said(session: &mut Session, now_ms: u64) -> Vec<String> {
    let mut words = Vec::new();
    while let Some(action) = session.poll(now_ms) {
        words.push(match action {
            Action::Send(PONG_TEXT) => "pong".to_owned(),
            Action::Send(text) => request(text),
            Action::Ping => "ping".to_owned(),
            Action::Dead { why: Silence::NoFrame { silent_ms } } => format!("dead {silent_ms}"),
            Action::Followed(user) => format!("followed {}", user.0[0]),
            Action::Refused { said, retry_at_ms, .. } => {
                format!("{said} {}", retry_at_ms.is_some())
            }
            Action::Unfollowed(user) => format!("unfollowed {}", user.0[0]),
            Action::Missed { after_seq, next_seq } => format!("missed {after_seq} {next_seq}"),
            other => panic!("{other:?}"),
        });
        assert!(words.len() < 10_000, "poll never ends: {:?}", &words[9_990..]);
    }
    words
}

fn ack(session: &mut Session, now_ms: u64) {
    session.on_frame(&Frame::Acknowledged { begins: None, address: None }, now_ms);
}

fn error(session: &mut Session, text: &str, now_ms: u64) {
    session.on_frame(&Frame::Refused { text: Cow::Borrowed(text) }, now_ms);
}

fn fills(session: &mut Session, first: u8, seq: Option<u64>, now_ms: u64) {
    let position = Position { seq, ..Position::default() };
    let frame = Frame::Fills { snapshot: false, position, first: Some(user(first)) };
    session.on_frame(&frame, now_ms);
}

/// The refusal of a group.
fn refused(group: &str, why: &str) -> String {
    format!("{group}: {why} true")
}

#[test]
fn all_that_is_wanted_is_asked_for_at_once_and_followed_after_the_answer() {
    let mut session = open_session([3, 1, 2]);
    assert_eq!(said(&mut session, 1), ["+1,2,3"]);
    assert_eq!(session.in_force(), (0, 3));
    assert!(said(&mut session, 2).is_empty());
    ack(&mut session, 3);
    assert_eq!(said(&mut session, 3), ["followed 1", "followed 2", "followed 3"]);
    assert!(session.is_followed(user(2)) && !session.is_followed(user(9)));
    ack(&mut session, 4);
    assert!(said(&mut session, 4).is_empty(), "one more answer changes nothing");
}

#[test]
fn requests_have_no_more_addresses_than_a_provider_takes_and_go_one_by_one() {
    let mut session = Session::new(Policy::default());
    for n in 0..2500u32 {
        let mut address = [0; 20];
        address[..4].copy_from_slice(&n.to_be_bytes());
        session.want(Address(address));
    }
    session.on_open(0);
    let mut sizes = Vec::new();
    for _ in 0..4 {
        while let Some(action) = session.poll(1) {
            if let Action::Send(text) = action {
                assert!(text.len() < 64 << 10, "{} bytes", text.len());
                sizes.push(text.matches("0x").count());
            }
        }
        ack(&mut session, 1);
    }
    assert_eq!(sizes, [1000, 1000, 500]);
    assert_eq!(session.in_force(), (2500, 2500));
    let mut small = open_session([1, 2, 3]).with_addresses_max(2);
    assert_eq!(said(&mut small, 1), ["+1,2"]);
}

#[test]
fn one_more_address_disturbs_no_other() {
    let mut session = open_session([1, 2]);
    said(&mut session, 1);
    ack(&mut session, 1);
    said(&mut session, 1);
    session.want(user(3));
    session.want(user(3));
    assert_eq!(said(&mut session, 2), ["+3"]);
    ack(&mut session, 3);
    assert_eq!(said(&mut session, 3), ["followed 3"]);
    assert_eq!(session.in_force(), (3, 3));
}

#[test]
fn one_address_less_disturbs_no_other_and_a_group_ends_with_its_last() {
    let mut session = open_session([1, 2, 3, 4, 5]);
    said(&mut session, 1);
    ack(&mut session, 1);
    said(&mut session, 1);
    for n in [1, 2, 3, 9] {
        session.unwant(user(n));
    }
    assert!(said(&mut session, 2).is_empty());
    assert!(session.is_followed(user(4)) && session.is_followed(user(5)));
    assert_eq!(session.in_force(), (2, 2));
    session.want(user(2));
    assert_eq!(said(&mut session, 3), ["followed 2"], "it is still in force");
    for n in [2, 4] {
        session.unwant(user(n));
    }
    assert!(said(&mut session, 4).is_empty());
    session.unwant(user(5));
    assert_eq!(said(&mut session, 5), ["-1,2,3,4,5"], "by the body that began it");
    ack(&mut session, 6);
    assert!(said(&mut session, 6).is_empty() && session.is_empty());
}

#[test]
fn what_must_make_room_is_followed_no_longer_until_it_is_asked_for_again() {
    let mut session = open_session([1, 2, 3]);
    said(&mut session, 0);
    ack(&mut session, 0);
    said(&mut session, 0);
    session.unwant(user(1));
    session.want(user(4));
    assert_eq!(said(&mut session, 1), ["+4"]);
    error(&mut session, "no room", 2);
    let words = said(&mut session, 2);
    assert_eq!(words[1..], ["-1,2,3", "unfollowed 2", "unfollowed 3"]);
    assert_eq!(session.in_force(), (0, 3));
    ack(&mut session, 3);
    assert_eq!(said(&mut session, 3), ["+2,3"]);
    // The provider refuses what it had given: nobody says again that these are followed.
    error(&mut session, "your plan has ended", 4);
    assert_eq!(said(&mut session, 4).len(), 1);
    assert!(!session.is_followed(user(2)) && !session.is_followed(user(3)));
}

#[test]
fn requests_go_before_pings_on_a_small_budget() {
    let policy = Policy { messages_per_minute: 2, ..Policy::default() };
    let mut session = Session::new(policy).with_addresses_max(1);
    (1..=3).for_each(|n| session.want(user(n)));
    session.on_open(0);
    let mut words = Vec::new();
    for now_ms in (0..=120_000).step_by(1000) {
        session.on_traffic(now_ms);
        words.extend(said(&mut session, now_ms));
        ack(&mut session, now_ms);
    }
    words.retain(|word| !word.starts_with("followed"));
    assert_eq!(words, ["+1", "+2", "+3"], "a minute apart, and no ping took their place");
}

#[test]
fn what_is_wanted_again_while_its_group_ends_is_asked_for_again() {
    let mut session = open_session([1]);
    said(&mut session, 1);
    ack(&mut session, 1);
    said(&mut session, 1);
    session.unwant(user(1));
    assert_eq!(said(&mut session, 2), ["-1"]);
    session.want(user(1));
    assert!(said(&mut session, 3).is_empty());
    ack(&mut session, 4);
    assert_eq!(said(&mut session, 4), ["+1"]);
    ack(&mut session, 5);
    assert_eq!(said(&mut session, 5), ["followed 1"]);
}

#[test]
fn a_new_connection_forms_one_group_of_what_is_wanted() {
    let mut session = open_session([1, 2, 3]);
    said(&mut session, 1);
    ack(&mut session, 1);
    session.want(user(4));
    said(&mut session, 2);
    session.unwant(user(2));
    session.on_closed(3);
    assert_eq!((session.in_force(), session.next_deadline()), ((0, 3), None));
    assert!(said(&mut session, 4).is_empty());
    session.on_open(5);
    assert_eq!(said(&mut session, 5), ["+1,3,4"]);
}

#[test]
fn a_refusal_is_told_and_tried_again_and_what_is_dead_makes_room() {
    let mut session = open_session([1, 2, 3]);
    said(&mut session, 0);
    ack(&mut session, 0);
    said(&mut session, 0);
    session.unwant(user(1));
    session.want(user(4));
    assert_eq!(said(&mut session, 1), ["+4"]);
    error(&mut session, "Total subscription limit reached (3/3)", 2);
    let four = user(4).to_string();
    let words = said(&mut session, 2);
    assert_eq!(
        words[..2],
        [refused(&four, "Total subscription limit reached (3/3)"), "-1,2,3".into()]
    );
    ack(&mut session, 3);
    assert_eq!(said(&mut session, 3), ["+2,3"]);
    ack(&mut session, 4);
    assert_eq!(said(&mut session, 4), ["followed 2", "followed 3"]);
    assert_eq!(said(&mut session, 300), ["+4"], "after its pause");
    ack(&mut session, 301);
    assert_eq!(said(&mut session, 301), ["followed 4"]);
}

#[test]
fn what_is_not_answered_is_told_and_asked_again() {
    let mut session = open_session([1, 2]);
    said(&mut session, 0);
    session.on_traffic(10_000);
    let group = format!("2 addresses from {}", user(1));
    let words = said(&mut session, 10_000);
    assert_eq!(words, [refused(&group, "no answer within 10000 ms")]);
    assert_eq!(said(&mut session, 10_260), ["+1,2"]);
    ack(&mut session, 10_300);
    assert_eq!(said(&mut session, 10_300), ["followed 1", "followed 2"]);
}

#[test]
fn a_late_answer_is_not_taken_for_that_of_another_group() {
    let mut session = open_session([1]);
    said(&mut session, 0);
    session.want(user(2));
    session.on_traffic(10_000);
    let words = said(&mut session, 10_000);
    assert_eq!(words[1..], ["+2"], "the first has its pause");
    ack(&mut session, 10_001);
    assert!(said(&mut session, 10_001).is_empty(), "it was the first one's");
    ack(&mut session, 10_002);
    assert_eq!(said(&mut session, 10_002), ["followed 2"]);
    // An answer that names what it is about needs no guess.
    assert_eq!(said(&mut session, 10_300), ["+1"]);
    let echo = |begins, n| Frame::Acknowledged { begins: Some(begins), address: Some(user(n)) };
    session.on_frame(&echo(true, 2), 10_301);
    session.on_frame(&echo(false, 1), 10_302);
    assert!(said(&mut session, 10_302).is_empty());
    session.on_frame(&echo(true, 1), 10_303);
    assert_eq!(said(&mut session, 10_303), ["followed 1"]);
}

#[test]
fn fills_of_a_group_show_that_it_is_in_force() {
    let mut session = open_session([1, 2]);
    said(&mut session, 0);
    fills(&mut session, 9, None, 1);
    assert!(said(&mut session, 1).is_empty(), "of somebody else");
    fills(&mut session, 2, None, 2);
    assert_eq!(said(&mut session, 2), ["followed 1", "followed 2"]);
}

#[test]
fn an_end_that_is_refused_or_not_answered_is_an_end() {
    for answered in [true, false] {
        let mut session = open_session([1]);
        said(&mut session, 0);
        ack(&mut session, 0);
        session.unwant(user(1));
        assert_eq!(said(&mut session, 1), ["-1"]);
        session.want(user(1));
        let now_ms = if answered { 2 } else { 10_001 };
        match answered {
            true => error(&mut session, "no such subscription", now_ms),
            false => session.on_traffic(now_ms),
        }
        assert_eq!(said(&mut session, now_ms), ["+1"]);
    }
}

#[test]
fn a_number_that_is_left_out_is_told_and_everybody_is_followed_anew() {
    let mut session = open_session([1, 2]);
    said(&mut session, 0);
    ack(&mut session, 0);
    said(&mut session, 0);
    fills(&mut session, 1, Some(5), 1);
    fills(&mut session, 1, Some(6), 1);
    fills(&mut session, 1, Some(6), 1);
    fills(&mut session, 1, None, 1);
    assert!(said(&mut session, 1).is_empty());
    fills(&mut session, 1, Some(8), 2);
    assert_eq!(said(&mut session, 2), ["missed 6 8", "followed 1", "followed 2"]);
    fills(&mut session, 1, Some(1), 3);
    session.on_closed(4);
    session.on_open(5);
    fills(&mut session, 1, Some(70), 6);
    assert_eq!(said(&mut session, 6), ["+1,2"], "another connection counts anew");
}

#[test]
fn pings_are_sent_and_answered() {
    let mut session = open_session([]);
    assert_eq!(said(&mut session, 15_000), ["ping"]);
    session.on_frame(&Frame::Pong, 15_100);
    session.on_frame(&Frame::Ping, 15_200);
    assert_eq!(session.next_deadline(), Some(0));
    assert_eq!(said(&mut session, 15_200), ["pong"]);
    assert_eq!(said(&mut session, 30_000), ["ping"]);
    assert_eq!(said(&mut session, 45_200), ["dead 30000"]);
    assert!(said(&mut session, 99_000).is_empty(), "said once");
}

#[test]
fn a_provider_that_knows_no_pings_is_not_given_up_for_that() {
    let mut session = open_session([1]);
    said(&mut session, 0);
    ack(&mut session, 0);
    said(&mut session, 0);
    assert_eq!(said(&mut session, 15_000), ["ping"]);
    error(&mut session, "unknown method ping", 15_050);
    assert!(said(&mut session, 15_050).is_empty());
    assert!(said(&mut session, 74_000).is_empty(), "no more pings, and not dead");
    session.on_frame(&Frame::Ping, 75_000);
    assert_eq!(said(&mut session, 75_000), ["pong"]);
    assert_eq!(said(&mut session, 165_000), ["dead 90000"], "three times the usual silence");
    let mut session = open_session([]);
    error(&mut session, "your plan ends today", 14_000);
    assert_eq!(said(&mut session, 14_000), ["your plan ends today false"]);
}

#[test]
fn requests_keep_to_the_budget() {
    let policy = Policy { messages_per_minute: 20, ..Policy::default() };
    let mut session = Session::new(policy).with_addresses_max(1);
    (0..60).for_each(|n| session.want(user(n)));
    session.on_open(0);
    let mut sent = 0;
    for now_ms in (0..60_000).step_by(10) {
        session.on_traffic(now_ms);
        sent += said(&mut session, now_ms)
            .iter()
            .filter(|word| word.starts_with('+') || *word == "ping")
            .count();
        ack(&mut session, now_ms);
    }
    assert!((18..=20).contains(&sent), "{sent} messages in a minute");
}

#[test]
fn a_flood_of_refusals_stays_bounded() {
    let mut session = open_session([]);
    for _ in 0..3 * NOTICES_MAX {
        error(&mut session, "no", 14_000);
    }
    assert_eq!(said(&mut session, 14_000).len(), NOTICES_MAX);
}

/// A provider of one of two kinds: bodies are matched whole, or addresses are added and taken away.
struct Played {
    matches_bodies: bool,
    bodies: Vec<String>,
    addresses: BTreeSet<String>,
}

impl Played {
    fn take(&mut self, text: &str) {
        let word = request(text);
        let (sign, body) = word.split_at(1);
        let names: Vec<String> = body.split(',').map(str::to_owned).collect();
        match (sign, self.matches_bodies) {
            ("+", true) => self.bodies.push(body.to_owned()),
            ("+", false) => self.addresses.extend(names),
            (_, true) => {
                let at = self.bodies.iter().position(|known| known == body);
                self.bodies.remove(at.expect("the body that began it"));
            }
            (_, false) => names.iter().for_each(|name| {
                assert!(self.addresses.remove(name), "it was there");
            }),
        }
    }

    fn sends(&self) -> BTreeSet<String> {
        let of_bodies = self.bodies.iter().flat_map(|body| body.split(',').map(str::to_owned));
        of_bodies.chain(self.addresses.iter().cloned()).collect()
    }
}

proptest! {
    /// Whatever happens in whatever order: poll ends, the deadline lies ahead, and once a provider of either kind
    /// answers everything, it sends what is wanted and all of that is followed.
    #[test]
    fn every_history_ends_well(
        matches_bodies in any::<bool>(),
        group in 1usize..6,
        steps in proptest::collection::vec((0u8..10, 0u8..8, 0u64..3000), 0..200),
    ) {
        let mut session = Session::new(Policy::default()).with_addresses_max(group);
        let fresh = || Played { matches_bodies, bodies: Vec::new(), addresses: BTreeSet::new() };
        let (mut now_ms, mut unanswered) = (0, 0);
        session.on_open(0);
        for (step, which, passed) in steps {
            now_ms += passed;
            match step {
                0..=2 => session.want(user(which)),
                3 | 4 => session.unwant(user(which)),
                5 if unanswered > 0 => { unanswered -= 1; ack(&mut session, now_ms) }
                6 => session.on_traffic(now_ms),
                7 => fills(&mut session, which, Some(u64::from(which)), now_ms),
                8 if which == 0 => {
                    session.on_closed(now_ms);
                    session.on_open(now_ms);
                    unanswered = 0;
                }
                9 if which < 3 => error(&mut session, "no", now_ms),
                _ => {}
            }
            while let Some(action) = session.poll(now_ms) {
                if let Action::Send(text) = action {
                    prop_assert!(text != PONG_TEXT);
                    unanswered += 1;
                }
            }
            match session.next_deadline() {
                Some(deadline) => prop_assert!(deadline > now_ms, "{deadline} is not after {now_ms}"),
                None => session.on_open(now_ms),
            }
        }
        // A new connection, on which the provider answers each request.
        session.on_closed(now_ms);
        session.on_open(now_ms);
        let mut provider = fresh();
        for n in 0..4 {
            session.unwant(user(2 * n));
            session.want(user(n));
            for _ in 0..40 {
                let mut requests = Vec::new();
                while let Some(action) = session.poll(now_ms) {
                    match action {
                        Action::Send(text) => requests.push(text.to_owned()),
                        Action::Dead { .. } => prop_assert!(false, "dead while answered"),
                        _ => {}
                    }
                }
                prop_assert!(requests.len() <= 1, "one at a time");
                for text in requests {
                    provider.take(&text);
                    ack(&mut session, now_ms);
                }
                now_ms += 1000;
                session.on_traffic(now_ms);
            }
        }
        let (followed, wanted) = session.in_force();
        prop_assert_eq!(followed, wanted);
        let sends = provider.sends();
        for wanted in session.wanted.keys() {
            prop_assert!(sends.contains(&wanted.0[0].to_string()), "{} is not sent", wanted);
        }
        prop_assert!(sends.len() <= 2 * wanted + 8);
    }
}
