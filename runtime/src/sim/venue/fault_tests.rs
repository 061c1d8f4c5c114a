//! Every kind of fault by itself, and the mix: each is made, and a patient reader loses nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use super::super::faults::{Fault, Occasion, Share};
use super::super::options::{FaultEvery, NodeOptions, SimLimits, SimRates};
use super::super::tape::wire;
use super::tests::ms;
use super::*;

const IP: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// A reader gives a connection up that was silent for so long, or did not answer.
const PATIENCE: Duration = Duration::from_millis(900);
const STEP: Duration = Duration::from_millis(50);

fn options() -> SimOptions {
    SimOptions {
        traders: 1,
        greeting: false,
        limits: SimLimits::none(),
        cuts_per_minute: u32::MAX,
        rates: SimRates { orders_per_mille: 400, history_blocks: 20, ..SimRates::default() },
        ..SimOptions::default()
    }
}

/// A reader of one account: reconnects, retries, merges snapshots, asks for what they do not reach.
struct Reader {
    user: Address,
    conn: Option<u64>,
    heard_at: Duration,
    asked_at: Duration,
    pinged_at: Duration,
    snapshot: bool,
    baseline: Option<BTreeSet<String>>,
    seen: BTreeSet<String>,
    newest_ms: u64,
    /// A back-fill that is to be made, from this time on.
    back_fill: Option<u64>,
    frames: BTreeMap<String, u64>,
    errors: BTreeSet<String>,
    unreadable: u64,
    largest: usize,
}

impl Reader {
    fn new(user: Address) -> Reader {
        Reader {
            user,
            conn: None,
            heard_at: ms(0),
            asked_at: ms(0),
            pinged_at: ms(0),
            snapshot: false,
            baseline: None,
            seen: BTreeSet::new(),
            newest_ms: 0,
            back_fill: None,
            frames: BTreeMap::new(),
            errors: BTreeSet::new(),
            unreadable: 0,
            largest: 0,
        }
    }

    fn say(&self, venue: &mut Venue, method: &str, kind: &str, now: Duration) {
        let text = format!(
            r#"{{"method":"{method}","subscription":{{"type":"{kind}","user":"{}"}}}}"#,
            self.user
        );
        venue.message(self.conn.expect("connected"), &text, now);
    }

    fn subscribe(&mut self, venue: &mut Venue, now: Duration) {
        self.say(venue, "subscribe", "orderUpdates", now);
        self.say(venue, "subscribe", "userFills", now);
        self.asked_at = now;
    }

    fn turn(&mut self, venue: &mut Venue, now: Duration) {
        let Some(conn) = self.conn else {
            self.conn = venue.connect(IP, now);
            if self.conn.is_some() {
                (self.heard_at, self.snapshot) = (now, false);
                self.subscribe(venue, now);
            }
            return;
        };
        let outs = venue.take_out(conn, usize::MAX);
        venue.sent(conn, now);
        for out in outs {
            self.heard_at = now;
            match out {
                Out::Text(text) => self.text(&text),
                Out::Half(_) | Out::Expire | Out::Drop => {
                    venue.disconnect(conn);
                    self.conn = None;
                    return;
                }
            }
        }
        if now >= self.pinged_at + PATIENCE / 3 {
            self.pinged_at = now;
            venue.message(conn, r#"{"method":"ping"}"#, now);
        }
        if now >= self.heard_at + PATIENCE {
            venue.disconnect(conn);
            self.conn = None;
        } else if !self.snapshot && now >= self.asked_at + PATIENCE {
            self.say(venue, "unsubscribe", "userFills", now);
            self.subscribe(venue, now);
        }
        self.fill_back(venue, now);
    }

    fn text(&mut self, text: &str) {
        self.largest = self.largest.max(text.len());
        let Ok(frame) = serde_json::from_str::<Value>(text) else {
            self.unreadable += 1;
            return;
        };
        let channel = frame["channel"].as_str().expect("a channel").to_owned();
        *self.frames.entry(channel.clone()).or_default() += 1;
        let data = &frame["data"];
        match channel.as_str() {
            "error" => drop(self.errors.insert(data.as_str().expect("a text").to_owned())),
            "userFills" if !data.is_null() => self.fills(data),
            _ => {}
        }
    }

    fn fills(&mut self, data: &Value) {
        let fills = data["fills"].as_array().expect("fills");
        if data["isSnapshot"] == true {
            self.snapshot = true;
            if self.baseline.is_none() {
                self.baseline = Some(fills.iter().map(key).collect());
                self.newest_ms = fills.iter().map(time).max().unwrap_or_default();
                return;
            }
            if fills.first().is_none_or(|oldest| time(oldest) > self.newest_ms) {
                self.back_fill.get_or_insert(self.newest_ms);
            }
        }
        self.take(fills);
    }

    fn take(&mut self, fills: &[Value]) {
        self.newest_ms = self.newest_ms.max(fills.iter().map(time).max().unwrap_or_default());
        self.seen.extend(fills.iter().map(key));
    }

    fn fill_back(&mut self, venue: &mut Venue, now: Duration) {
        while let Some(start) = self.back_fill {
            let Some(page) = self.page(venue, start, false, now) else { return };
            let last = page.last().map_or(start, time);
            self.take(&page);
            if page.len() < 2000 {
                self.back_fill = None;
            } else if last > start {
                self.back_fill = Some(last);
            } else {
                // A millisecond with more than a page: the rest of it from its other end.
                let Some(page) = self.page(venue, start, true, now) else { return };
                self.take(&page);
                self.back_fill = Some(start + 1);
            }
        }
    }

    fn page(
        &self,
        venue: &mut Venue,
        start: u64,
        one_ms: bool,
        now: Duration,
    ) -> Option<Vec<Value>> {
        let mut body = json!({"type": "userFillsByTime", "user": self.user.to_string(),
                              "startTime": start});
        if one_ms {
            body["endTime"] = json!(start);
            body["reversed"] = json!(true);
        }
        let reply = venue.request(IP, body.to_string().as_bytes(), now);
        if reply.status != 200 || reply.ending != super::super::rest::Ending::Whole {
            return None;
        }
        serde_json::from_str(&reply.body).expect("a list of fills")
    }

    /// Number of fills that are news.
    fn news(&self) -> u64 {
        self.seen.difference(self.baseline.as_ref().expect("a snapshot came")).count() as u64
    }
}

fn time(fill: &Value) -> u64 {
    fill["time"].as_u64().expect("a time")
}

fn key(fill: &Value) -> String {
    format!("{} {} {} {} {}", fill["coin"], fill["time"], fill["tid"], fill["oid"], fill["dir"])
}

/// Runs a market with a reader until `done`, or for a long time; then ends it.
fn run(options: SimOptions, done: impl Fn(&Venue) -> bool) -> (Venue, Reader, Duration) {
    let mut venue = Venue::new(options).expect("a venue");
    let mut reader = Reader::new(venue.addresses()[0]);
    let mut now = ms(0);
    for step in 0..20_000 {
        reader.turn(&mut venue, now);
        // Now and then it leaves and comes back.
        if step % 40 == 39 && reader.snapshot && reader.conn.is_some() {
            reader.say(&mut venue, "unsubscribe", "userFills", now);
            reader.say(&mut venue, "subscribe", "userFills", now);
        }
        now += STEP;
        while venue.tick(now).is_some_and(|next| next <= now) {}
        if done(&venue) {
            break;
        }
    }
    venue.stop(now);
    for _ in 0..80 {
        reader.turn(&mut venue, now);
        now += STEP;
        venue.tick(now);
    }
    // Answers to its last pings are of no interest.
    if let Some(conn) = reader.conn {
        venue.take_out(conn, usize::MAX);
        venue.sent(conn, now);
    }
    (venue, reader, now)
}

fn made(venue: &Venue, fault: Fault) -> u64 {
    venue.faults.made.get(&fault).copied().unwrap_or_default()
}

#[track_caller]
fn check_one(fault: Fault) -> Reader {
    let every = match fault.occasion() {
        Occasion::Frame | Occasion::Cut => 12,
        _ => 2,
    };
    let mut only_faults = vec![FaultEvery { fault, every }];
    if fault.occasion() == Occasion::Request {
        // Something must be asked for.
        only_faults.push(FaultEvery { fault: Fault::ShortSnapshot, every: 12 });
        only_faults.push(FaultEvery { fault: Fault::Gap, every: 30 });
    }
    let options = SimOptions { only_faults, seed: 3, ..options() };
    let (venue, reader, _) = run(options, |venue| made(venue, fault) >= 3);
    assert!(made(&venue, fault) >= 3, "{}: {:?}", fault.name(), venue.faults.made);
    let others: Vec<&Fault> = venue.faults.made.keys().filter(|kind| **kind != fault).collect();
    assert!(others.iter().all(|f| [Fault::ShortSnapshot, Fault::Gap].contains(f)), "{others:?}");
    let truth = venue.truth();
    if fault == Fault::BeyondHistory {
        assert!(!truth.gaps.is_empty() && truth.legs.iter().any(|leg| leg.lossy));
        assert!(reader.news() < venue.stats().fills, "some are lost");
    } else {
        assert!(truth.gaps.is_empty());
        assert_eq!(reader.news(), venue.stats().fills, "{}", fault.name());
    }
    assert!(venue.stats().quiet, "{}: {:?}", fault.name(), venue.stats());
    reader
}

fn is_of_stream(fault: Fault) -> bool {
    !matches!(fault.occasion(), Occasion::NodeBlock | Occasion::Tuples)
}

#[test]
fn each_kind_of_the_stream_is_made_when_asked_for_and_loses_nothing() {
    for fault in Fault::all().filter(|fault| is_of_stream(*fault)) {
        let reader = check_one(fault);
        // What a reader notices, where it notices something else than an end.
        let (errors, frames) = (&reader.errors, &reader.frames);
        let said = |start: &str| errors.iter().any(|text| text.starts_with(start));
        match fault {
            Fault::PlainText | Fault::BrokenFrame => assert!(reader.unreadable >= 3),
            Fault::HugeFrame => assert!(reader.largest > 3 << 20),
            Fault::PageInMillisecond | Fault::FullMillisecond => {}
            Fault::UnknownChannel => assert!(frames["weather"] >= 3),
            Fault::ErrorText => assert!(said("Cannot track") && errors.len() >= 3),
            Fault::AlreadySubscribed => assert!(said("Already subscribed: {\"type\":\"userFills")),
            Fault::RefuseInOtherWords => {
                assert!(said("Cannot subscribe to more") && said("Cannot send more"));
            }
            Fault::RefuseSubscription | Fault::OthersUsers => assert!(said("Cannot track")),
            Fault::OthersSubscriptions => assert!(said("Cannot subscribe to more")),
            Fault::OthersMessages => assert!(said("Cannot send more")),
            _ => {}
        }
    }
}

#[test]
fn the_mix_has_all_kinds_but_those_on_request() {
    let options = SimOptions { faults: true, frames_per_fault: 3, seed: 5, ..options() };
    let wanted: Vec<Fault> = Fault::all()
        .filter(|fault| is_of_stream(*fault) && fault.share() != Share::OnRequest)
        .collect();
    let rare = wanted.iter().filter(|fault| fault.share() == Share::Rare).count();
    let (venue, reader, now) =
        run(options, |venue| wanted.iter().all(|fault| made(venue, *fault) > 0));
    for fault in wanted {
        assert!(made(&venue, fault) > 0, "{}: {:?}", fault.name(), venue.faults.made);
    }
    assert!(now >= Duration::from_secs(60) * (rare as u32 - 1), "rare ones are rare: {now:?}");
    assert_eq!(made(&venue, Fault::BeyondHistory), 0);
    assert_eq!(reader.news(), venue.stats().fills);
    assert!(venue.truth().gaps.is_empty());
}

#[test]
fn each_kind_of_a_nodes_files_is_made() {
    for fault in Fault::all().filter(|fault| fault.occasion() == Occasion::NodeBlock) {
        let dir = tempfile::tempdir().expect("a directory");
        let node = NodeOptions { dir: dir.path().to_owned(), plain: false, hour: None };
        let options = SimOptions {
            only_faults: vec![FaultEvery { fault, every: 5 }],
            node: Some(node),
            starts_at_once: true,
            traders: 3,
            ..options()
        };
        let mut venue = Venue::new(options).expect("a venue");
        let mut now = ms(0);
        let mut text = String::new();
        let mut replaced = 0;
        let mut take = |venue: &mut Venue, text: &mut String| {
            for op in venue.take_node_ops() {
                match op {
                    super::super::chain::NodeOp::Append { kind, text: more, .. } => {
                        if kind == super::super::chain::NodeKind::Fills {
                            text.push_str(&more);
                        }
                    }
                    super::super::chain::NodeOp::Replace(_) => replaced += 1,
                }
            }
        };
        while made(&venue, fault) < 3 {
            now += STEP;
            while venue.tick(now).is_some_and(|next| next <= now) {}
            take(&mut venue, &mut text);
        }
        venue.stop(now);
        take(&mut venue, &mut text);
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("a whole line")).collect();
        let number = |line: &Value| line["block_number"].as_u64().expect("a number");
        let holes = lines.windows(2).filter(|w| number(&w[1]) != number(&w[0]) + 1).count();
        assert!(
            lines.windows(2).all(|w| w[0]["block_time"].as_str() < w[1]["block_time"].as_str())
        );
        let users: BTreeSet<String> =
            venue.addresses().iter().map(|address| address.to_string()).collect();
        let events = lines.iter().flat_map(|line| line["events"].as_array().expect("events"));
        let fills = events.filter(|event| users.contains(event[0].as_str().expect("a user")));
        let told = fills.count() as u64;
        let made = venue.stats().fills;
        match fault {
            Fault::NodeSkip => assert!(holes >= 2 && told < made, "{holes} {told} {made}"),
            _ => assert_eq!((holes, told), (0, made), "{}", fault.name()),
        }
        assert_eq!(replaced > 0, fault == Fault::NodeReplace);
        assert!(venue.stats().quiet);
    }
}

#[test]
fn the_provider_sends_tuples_of_many_accounts_and_its_faults() {
    for fault in [Fault::ProviderCut, Fault::ProviderDuplicate] {
        let options = SimOptions {
            only_faults: vec![FaultEvery { fault, every: 5 }],
            traders: 20,
            ..options()
        };
        let mut venue = Venue::new(options).expect("a venue");
        let users: Vec<String> = venue.addresses().iter().map(ToString::to_string).collect();
        let subscription = json!({"type": "userFills", "addresses": users});
        let text = json!({"method": "subscribe", "subscription": subscription}).to_string();
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        let mut many = 0;
        let (mut now, mut conn) = (ms(0), 0);
        let mut ends = 1;
        while made(&venue, fault) < 3 || ends > 0 {
            if ends > 0 {
                conn = venue.connect_provider(IP, now);
                venue.message(conn, &text, now);
                ends = 0;
            }
            now += STEP;
            venue.tick(now);
            for out in venue.take_out(conn, usize::MAX) {
                let Out::Text(text) = out else {
                    venue.disconnect(conn);
                    ends += 1;
                    continue;
                };
                let frame: Value = serde_json::from_str(&text).expect("JSON");
                if frame["channel"] == "subscriptionResponse" {
                    assert_eq!(frame["data"]["subscription"], subscription);
                    continue;
                }
                let tuples = frame["data"].as_array().expect("tuples");
                let of: BTreeSet<&str> = tuples.iter().filter_map(|t| t[0].as_str()).collect();
                many += usize::from(of.len() > 1);
                tuples.iter().for_each(|t| *seen.entry(key(&t[1])).or_default() += 1);
            }
            venue.sent(conn, now);
        }
        assert!(many > 0, "accounts of one block share a frame");
        let twice = seen.values().filter(|n| **n > 1).count();
        let made = venue.stats().fills;
        match fault {
            Fault::ProviderCut => assert!(twice == 0 && (seen.len() as u64) < made),
            _ => assert!(twice > 0 && seen.len() as u64 == made),
        }
        for (bad, wanted) in [
            (
                json!({"method": "subscribe", "subscription": {"type": "userFills", "addresses": []}}),
                "Invalid",
            ),
            (json!({"method": "subscribe", "subscription": subscription}), "Already subscribed"),
            (json!({"method": "dance"}), "Error parsing"),
        ] {
            venue.message(conn, &bad.to_string(), now);
            let outs = venue.take_out(conn, usize::MAX);
            let Some(Out::Text(text)) = outs.last() else { panic!("{outs:?}") };
            assert!(text.contains(wanted), "{text}");
        }
    }
}

#[test]
fn trades_of_a_coin_begin_with_the_thirty_last_ones() {
    let mut venue = Venue::new(options()).expect("a venue");
    let user = venue.addresses()[0];
    let conn = venue.connect(IP, ms(0)).expect("room");
    let fills = format!(
        r#"{{"method":"subscribe","subscription":{{"type":"userFills","user":"{user}"}}}}"#
    );
    venue.message(conn, &fills, ms(0));
    while venue.tick(ms(20_000)).is_some_and(|next| next <= ms(20_000)) {}
    venue.take_out(conn, usize::MAX);
    let trades = r#"{"method":"subscribe","subscription":{"type":"trades","coin":"BTC"}}"#;
    let mut replays = Vec::new();
    for _ in 0..2 {
        venue.message(conn, trades, ms(20_000));
        let Some(Out::Text(text)) = venue.take_out(conn, usize::MAX).pop() else {
            panic!("a frame")
        };
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        replays.push(frame["data"].clone());
        venue.message(
            conn,
            &trades.replace("subscribe\"", "unsubscribe\"").replace("ununsub", "unsub"),
            ms(20_000),
        );
        venue.take_out(conn, usize::MAX);
    }
    let list = replays[0].as_array().expect("trades");
    assert_eq!((list.len(), &replays[0]), (30, &replays[1]), "the same past, each time");
    assert!(list.iter().map(time).is_sorted());
    let own = list.iter().filter(|trade| trade["users"].to_string().contains(&user.to_string()));
    assert!(own.count() > 0, "the account's own trades are among them");
    let of = &venue.accounts[0];
    let newest = of.newest(2000).rev().find(|fill| fill.fill.coin.as_str() == "BTC");
    let newest = &newest.expect("the account traded it").fill;
    assert_eq!(list[29]["px"], wire(newest.px));
}
