//! Tests of a session: table-driven histories, and random ones.

use super::*;
use proptest::prelude::*;
use shards::Coin;
use std::borrow::Cow;

const ALICE: Address = Address([0xa1; 20]);
const BOB: Address = Address([0xb0; 20]);
const FILLS: Subscription = Subscription::UserFills { user: ALICE };
const ORDERS: Subscription = Subscription::OrderUpdates { user: ALICE };
const MIDS: Subscription = Subscription::AllMids { dex: Coin::EMPTY };

fn open_session() -> Session {
    let mut session = Session::new(Policy::default());
    session.on_open(0);
    session
}

/// All that the session says at this time, one short word each.
fn said(session: &mut Session, now_ms: u64) -> Vec<String> {
    let mut words = Vec::new();
    while let Some(action) = session.poll(now_ms) {
        words.push(match action {
            Action::Send(text) => {
                let method = if text.contains("\"unsubscribe\"") { "end" } else { "ask" };
                let subscription = Subscription::find_in(text).expect("a request names one");
                format!("{method} {}", subscription.kind())
            }
            Action::Ping => "ping".to_owned(),
            Action::Dead { why: Silence::NoFrame { silent_ms } } => format!("dead {silent_ms}"),
            Action::Subscribed(subscription) => format!("on {}", subscription.kind()),
            Action::Unsubscribed(subscription) => format!("off {}", subscription.kind()),
            Action::Followed(user) => format!("followed {}", &user.to_string()[..4]),
            Action::Refused { subscription, retry_at_ms, .. } => {
                let kind = subscription.map_or("unknown", |subscription| subscription.kind());
                format!("refused {kind} {}", retry_at_ms.is_some())
            }
            Action::TimedOut { subscription, .. } => format!("late {}", subscription.kind()),
            Action::Missed { .. } => "missed".to_owned(),
            Action::Unfollowed(user) => format!("unfollowed {}", user.0[0]),
        });
        assert!(words.len() < 10_000, "poll never ends: {:?}", &words[9_990..]);
    }
    words
}

fn ack(session: &mut Session, subscription: Subscription, now_ms: u64) {
    session.on_frame(&Frame::Subscribed { subscription }, now_ms);
}

fn end_ack(session: &mut Session, subscription: Subscription, now_ms: u64) {
    session.on_frame(&Frame::Unsubscribed { subscription }, now_ms);
}

fn snapshot(session: &mut Session, user: Address, now_ms: u64) {
    session.on_frame(&Frame::UserFills { user, snapshot: true }, now_ms);
}

fn error(session: &mut Session, text: &str, now_ms: u64) {
    session.on_frame(&Frame::Refused { text: Cow::Borrowed(text) }, now_ms);
}

#[test]
fn an_account_is_followed_after_all_acknowledgements_and_the_snapshot() {
    let mut session = open_session();
    session.want(FILLS);
    session.want(ORDERS);
    assert_eq!(said(&mut session, 1), ["ask userFills", "ask orderUpdates"]);
    ack(&mut session, FILLS, 2);
    assert_eq!(said(&mut session, 2), ["on userFills"]);
    ack(&mut session, ORDERS, 3);
    assert_eq!(said(&mut session, 3), ["on orderUpdates"]);
    assert!(!session.is_followed(ALICE) && !session.snapshot_seen(ALICE));
    session.on_frame(&Frame::UserFills { user: ALICE, snapshot: false }, 4);
    assert!(!session.is_followed(ALICE));
    snapshot(&mut session, ALICE, 5);
    assert_eq!(said(&mut session, 5), ["followed 0xa1"]);
    assert!(session.is_followed(ALICE) && session.snapshot_seen(ALICE));
    assert!(!session.is_followed(BOB));
    assert_eq!(session.in_force(), (2, 2));
}

#[test]
fn a_snapshot_may_overtake_its_acknowledgement() {
    let mut session = open_session();
    session.want(FILLS);
    said(&mut session, 1);
    snapshot(&mut session, ALICE, 2);
    assert!(!session.is_followed(ALICE));
    ack(&mut session, FILLS, 3);
    assert_eq!(said(&mut session, 3), ["on userFills", "followed 0xa1"]);
}

#[test]
fn a_new_connection_begins_from_nothing() {
    let mut session = open_session();
    session.want(FILLS);
    said(&mut session, 1);
    ack(&mut session, FILLS, 2);
    snapshot(&mut session, ALICE, 2);
    said(&mut session, 2);
    session.on_closed(3);
    assert!(!session.is_followed(ALICE));
    assert_eq!(session.next_deadline(), None);
    assert!(said(&mut session, 4).is_empty(), "nothing is sent without a connection");
    session.on_open(5);
    assert_eq!(said(&mut session, 5), ["ask userFills"]);
}

#[test]
fn the_wire_subscription_ends_with_the_last_that_wants_it() {
    let mut session = open_session();
    session.want(MIDS);
    session.want(MIDS);
    assert_eq!(said(&mut session, 1), ["ask allMids"]);
    ack(&mut session, MIDS, 2);
    said(&mut session, 2);
    session.unwant(MIDS);
    assert!(said(&mut session, 3).is_empty());
    session.unwant(MIDS);
    assert_eq!(said(&mut session, 4), ["end allMids"]);
    end_ack(&mut session, MIDS, 5);
    assert_eq!(said(&mut session, 5), ["off allMids"]);
    session.unwant(MIDS);
    assert_eq!(session.in_force(), (0, 0));
}

#[test]
fn a_late_acknowledgement_of_an_end_does_not_end_a_new_subscription() {
    let mut session = open_session();
    session.want(MIDS);
    said(&mut session, 0);
    ack(&mut session, MIDS, 1);
    session.unwant(MIDS);
    assert_eq!(said(&mut session, 2), ["on allMids", "end allMids"]);
    session.want(MIDS);
    assert!(said(&mut session, 3).is_empty(), "the end is answered first");
    assert_eq!(said(&mut session, 10_002), ["late allMids"]);
    assert_eq!(said(&mut session, 10_300), ["ask allMids"]);
    end_ack(&mut session, MIDS, 10_301);
    ack(&mut session, MIDS, 10_302);
    end_ack(&mut session, MIDS, 10_303);
    assert_eq!(said(&mut session, 10_303), ["on allMids"]);
    assert_eq!(session.in_force(), (1, 1));
}

#[test]
fn wanting_again_while_it_ends_asks_again_after_the_end() {
    let mut session = open_session();
    session.want(FILLS);
    said(&mut session, 0);
    // Not wanted any more before the answer, wanted again before the end was even sent.
    session.unwant(FILLS);
    session.want(FILLS);
    assert_eq!(said(&mut session, 1), ["end userFills"]);
    ack(&mut session, FILLS, 2);
    snapshot(&mut session, ALICE, 2);
    assert!(said(&mut session, 2).is_empty(), "answers to the old request");
    assert!(!session.is_followed(ALICE));
    end_ack(&mut session, FILLS, 3);
    assert_eq!(said(&mut session, 3), ["ask userFills"]);
    ack(&mut session, FILLS, 4);
    snapshot(&mut session, ALICE, 5);
    assert_eq!(said(&mut session, 5), ["on userFills", "followed 0xa1"]);
}

#[test]
fn an_end_that_is_not_answered_is_asked_again() {
    let mut session = open_session();
    session.want(MIDS);
    said(&mut session, 0);
    ack(&mut session, MIDS, 0);
    session.unwant(MIDS);
    assert_eq!(said(&mut session, 1), ["on allMids", "end allMids"]);
    session.on_traffic(10_000);
    assert_eq!(said(&mut session, 10_001), ["end allMids"]);
    error(&mut session, "Already unsubscribed: {\"type\":\"allMids\"}", 10_002);
    assert_eq!(said(&mut session, 10_002), ["off allMids"]);
}

#[test]
fn what_is_not_acknowledged_in_time_is_asked_again_with_growing_pauses() {
    let mut session = open_session();
    session.want(FILLS);
    let mut asked = Vec::new();
    for now_ms in (0..120_000).step_by(10) {
        session.on_traffic(now_ms);
        if said(&mut session, now_ms).iter().any(|word| word == "ask userFills") {
            asked.push(now_ms);
        }
    }
    let pauses: Vec<u64> = asked.windows(2).map(|pair| pair[1] - pair[0] - 10_000).collect();
    assert!(pauses.len() >= 7, "{pauses:?}");
    for (at, pause) in pauses.iter().enumerate() {
        let ceiling = 250 << at;
        assert!((ceiling / 2..=ceiling + 10).contains(pause), "{at}: {pauses:?}");
    }
}

#[test]
fn fills_without_their_snapshot_are_subscribed_anew() {
    let mut session = open_session();
    session.want(FILLS);
    said(&mut session, 0);
    ack(&mut session, FILLS, 100);
    assert_eq!(said(&mut session, 100), ["on userFills"]);
    session.on_traffic(10_099);
    assert!(said(&mut session, 10_099).is_empty());
    assert_eq!(said(&mut session, 10_100), ["late userFills", "end userFills"]);
    end_ack(&mut session, FILLS, 10_200);
    assert_eq!(said(&mut session, 10_200), ["ask userFills"]);
}

#[test]
fn refusals_are_attributed_by_echo_and_retried() {
    let mut session = open_session();
    session.want(MIDS);
    session.want(FILLS);
    said(&mut session, 0);
    let text = format!("Invalid subscription {FILLS}");
    error(&mut session, &text, 1);
    assert_eq!(said(&mut session, 1), ["refused userFills true"]);
    assert_eq!(said(&mut session, 260), ["ask userFills"]);
    let whole = format!(
        "Error parsing JSON into valid websocket request: {{\"method\": \"subscribe\", \"subscription\": {MIDS}}}"
    );
    error(&mut session, &whole, 261);
    assert_eq!(said(&mut session, 261), ["refused allMids true"]);
}

#[test]
fn a_limit_text_goes_to_the_oldest_request_that_it_can_be_about() {
    for (text, wanted) in [
        ("Cannot track more than 15 total users.", "refused userFills true"),
        ("Cannot subscribe to more than 1000 channels.", "refused allMids true"),
        ("Cannot send more than 2000 messages per minute.", "refused allMids true"),
        ("Something new.", "refused unknown false"),
        ("too many pending post requests id=1234", "refused unknown false"),
    ] {
        let mut session = open_session();
        for subscription in [MIDS, FILLS, ORDERS] {
            session.want(subscription);
        }
        said(&mut session, 0);
        error(&mut session, text, 1);
        assert_eq!(said(&mut session, 1), [wanted], "{text}");
    }
}

#[test]
fn a_limit_text_when_nothing_is_asked_is_only_reported() {
    let mut session = open_session();
    error(&mut session, "Cannot track more than 15 total users.", 1);
    assert_eq!(said(&mut session, 1), ["refused unknown false"]);
}

#[test]
fn already_subscribed_is_an_acknowledgement() {
    let mut session = open_session();
    session.want(MIDS);
    said(&mut session, 0);
    let text = format!("Already subscribed: {MIDS}");
    error(&mut session, &text, 1);
    assert_eq!(said(&mut session, 1), ["on allMids"]);
    error(&mut session, &text, 2);
    assert!(said(&mut session, 2).is_empty());
}

#[test]
fn when_the_refused_one_is_given_up_the_account_is_followed_without_it() {
    let mut session = open_session();
    session.want(FILLS);
    session.want(ORDERS);
    said(&mut session, 0);
    ack(&mut session, FILLS, 1);
    snapshot(&mut session, ALICE, 1);
    let text = format!("Invalid subscription {ORDERS}");
    error(&mut session, &text, 1);
    assert_eq!(said(&mut session, 1), ["on userFills", "refused orderUpdates true"]);
    session.unwant(ORDERS);
    assert_eq!(said(&mut session, 2), ["followed 0xa1"]);
}

#[test]
fn pings_keep_time_and_silence_is_death() {
    let mut session = open_session();
    assert!(said(&mut session, 14_999).is_empty());
    assert_eq!(session.next_deadline(), Some(15_000));
    assert_eq!(said(&mut session, 15_000), ["ping"]);
    session.on_frame(&Frame::Pong, 15_100);
    assert!(said(&mut session, 29_999).is_empty());
    assert_eq!(said(&mut session, 30_000), ["ping"]);
    assert!(said(&mut session, 44_999).is_empty());
    assert_eq!(said(&mut session, 45_100), ["dead 30000"]);
    assert!(said(&mut session, 99_000).is_empty(), "said once");
    session.on_open(99_001);
    assert!(said(&mut session, 99_001).is_empty());
    assert_eq!(session.next_deadline(), Some(114_001));
}

#[test]
fn any_frame_is_a_sign_of_life() {
    let mut session = open_session();
    for now_ms in (0..200_000).step_by(1000) {
        session.on_frame(&Frame::Trades { count: 1 }, now_ms);
        assert!(said(&mut session, now_ms).iter().all(|word| word == "ping"), "{now_ms}");
    }
}

#[test]
fn requests_keep_to_the_budget_and_take_turns_with_pings_where_nothing_comes() {
    let mut session = Session::new(Policy { messages_per_minute: 40, ..Policy::default() });
    for n in 0..100u8 {
        session.want(Subscription::SpotState { user: Address([n; 20]) });
    }
    session.on_open(0);
    assert_eq!(said(&mut session, 0).len(), 20);
    let mut sent = 20;
    for now_ms in (10..60_000).step_by(10) {
        session.on_traffic(now_ms);
        let words = said(&mut session, now_ms);
        assert!(words.iter().all(|word| word != "ping"), "{words:?}: nothing needs a ping");
        sent += words.iter().filter(|word| word.starts_with("ask")).count();
    }
    assert!((38..=40).contains(&sent), "{sent} messages in a minute");
    // Four messages a minute, which pings would use up.
    let mut session = Session::new(Policy { messages_per_minute: 8, ..Policy::default() });
    for n in 0..9u8 {
        session.want(Subscription::SpotState { user: Address([n; 20]) });
    }
    session.on_open(0);
    assert_eq!(said(&mut session, 0).len(), 4);
    let mut words = Vec::new();
    for now_ms in (10..75_000).step_by(10) {
        let news = said(&mut session, now_ms);
        if news.iter().any(|word| !word.starts_with("late")) {
            session.on_frame(&Frame::Pong, now_ms);
        }
        words.extend(news.into_iter().filter(|word| !word.starts_with("late")));
    }
    let asked = words.iter().filter(|word| word.starts_with("ask")).count();
    assert!(asked >= 2 && words.len() > asked, "{words:?}");
}

#[test]
fn a_spent_budget_pauses_everything() {
    let mut session = open_session();
    session.want(MIDS);
    said(&mut session, 0);
    error(&mut session, "Cannot send more than 2000 messages per minute.", 1);
    session.want(FILLS);
    assert_eq!(said(&mut session, 1), ["refused allMids true"]);
    // Half of 200 a minute flow in: the next message may go after 600 ms.
    assert_eq!(session.next_deadline(), Some(601));
    assert!(said(&mut session, 600).is_empty());
    assert_eq!(said(&mut session, 601).len(), 1);
}

#[test]
fn a_flood_of_refusals_stays_bounded() {
    let mut session = open_session();
    for _ in 0..3 * NOTICES_MAX {
        error(&mut session, "no", 1);
    }
    assert_eq!(said(&mut session, 1).len(), NOTICES_MAX);
}

proptest! {
    /// Whatever happens in whatever order: poll ends, the deadline lies ahead, and once the venue answers
    /// everything, what is wanted comes into force.
    #[test]
    fn every_history_ends_well(steps in proptest::collection::vec((0u8..9, 0usize..3, 0u64..4000), 0..200)) {
        let subscriptions = [FILLS, ORDERS, MIDS];
        let mut session = open_session();
        let mut now_ms = 0;
        for (step, which, passed) in steps {
            now_ms += passed;
            let subscription = subscriptions[which];
            match step {
                0 => session.want(subscription),
                1 => session.unwant(subscription),
                2 => ack(&mut session, subscription, now_ms),
                3 => end_ack(&mut session, subscription, now_ms),
                4 => snapshot(&mut session, ALICE, now_ms),
                5 => error(&mut session, "Cannot track more than 10 total users.", now_ms),
                6 => { session.on_closed(now_ms); session.on_open(now_ms); }
                7 => session.on_traffic(now_ms),
                _ => error(&mut session, &format!("Invalid subscription {subscription}"), now_ms),
            }
            said(&mut session, now_ms);
            if let Some(deadline) = session.next_deadline() {
                prop_assert!(deadline > now_ms, "{deadline} is not after {now_ms}");
            } else {
                session.on_open(now_ms);
            }
        }
        // From here on the venue answers each request.
        for _ in 0..100 {
            let mut requests = Vec::new();
            while let Some(action) = session.poll(now_ms) {
                match action {
                    Action::Send(text) => requests.push(text.to_owned()),
                    Action::Dead { .. } => prop_assert!(false, "dead while answered"),
                    _ => {}
                }
            }
            for text in requests {
                let subscription = Subscription::find_in(&text).expect("a request names one");
                if text.contains("\"unsubscribe\"") {
                    end_ack(&mut session, subscription, now_ms);
                } else {
                    ack(&mut session, subscription, now_ms);
                    if subscription == FILLS {
                        snapshot(&mut session, ALICE, now_ms);
                    }
                }
            }
            now_ms += 1000;
            session.on_traffic(now_ms);
        }
        let (in_force, wanted) = session.in_force();
        prop_assert_eq!(in_force, wanted);
        if session.entries.iter().any(|entry| entry.subscription == FILLS) {
            prop_assert!(session.is_followed(ALICE));
        }
    }
}
