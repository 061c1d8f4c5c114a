//! A shard without connections, and control at the other end of its rings.

use std::ops::ControlFlow;

use shards::StartFrom;

use super::*;
use crate::lane::channel::channel;
use crate::lane::events::ring;

/// A shard without connections, control's ends, and the directory of its journal.
fn shard() -> (Shard, Sender<Command>, Receiver<Reply>, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let journal = persist::Options {
        dir: dir.path().join("shard-0"),
        shard: 0,
        shard_count: 1,
        segment_bytes: 1 << 16,
        batch_bytes_max: 1 << 14,
        flights: 1,
    };
    let opened = persist::open::open(&journal, &mut |_| ControlFlow::Continue(()));
    let bell = Arc::new(Bell::new().expect("an eventfd"));
    let (to_shard, commands) = channel(4096, &bell);
    let (replies, from_shard) = channel(4096, &bell);
    let (_acks, acks) = channel(4, &bell);
    let options = ShardOptions {
        id: ShardId(0),
        journal,
        flush: persist::ring::Flush::Linked,
        policy: Policy::default(),
        check_every: u64::MAX,
        lock: None,
        wait: Wait::Spin,
        sources: Vec::new(),
        feeds: Vec::new(),
        caches: CacheSizes { symbols: 2, prices: 2 },
        bell: Arc::clone(&bell),
        commands,
        replies,
        events: ring(1 << 16).0,
        publisher_bell: bell,
        acks,
    };
    let news = Opened {
        last_seq: 0,
        records: 0,
        last_event: Position::START,
        snapshot: None,
        skipped: Vec::new(),
        torn: None,
        ring: crate::lane::ring::Flavour::Plain,
        direct: false,
        registered: false,
    };
    let journal = opened.expect("opened").journal;
    let replayed = Replayed { journal, opened: news, newest_ns: 0 };
    let shard = Shard::new(options, Core::new(), replayed).map_err(|(_, why)| why);
    (shard.expect("a shard"), to_shard, from_shard, dir)
}

fn account(n: u32) -> Address {
    let mut bytes = [7; 20];
    bytes[16..].copy_from_slice(&n.to_be_bytes());
    Address(bytes)
}

#[test]
fn a_shard_that_waits_for_a_segment_takes_it_when_it_comes() {
    let (mut shard, mut to_shard, mut from_shard, _dir) = shard();
    let mut orders = Vec::new();
    let turn = |shard: &mut Shard, from: &mut Receiver<Reply>, orders: &mut Vec<_>| {
        shard.turn().expect("no fault");
        shard.station.send_replies();
        while let Some(reply) = from.receive() {
            if let Reply::SegmentWanted(order) = reply {
                orders.push(order);
            }
        }
    };
    // The disk is full: input comes until the journal has no room.
    let mut n = 0;
    let until = Instant::now() + Duration::from_secs(20);
    let is_stuck =
        |shard: &Shard| shard.station.journal.wants_room() && !shard.flusher.is_flushing();
    while !is_stuck(&shard) {
        assert!(Instant::now() < until, "never full");
        if !shard.station.journal.wants_room() {
            n += 1;
            let watch = Input::Watch { address: account(n), start: StartFrom::Now };
            shard.station.apply(&watch, 0);
        }
        turn(&mut shard, &mut from_shard, &mut orders);
    }
    // There is space again: control hands over the segments that were asked for.
    assert!(!orders.is_empty(), "segments are wanted");
    for order in orders.drain(..) {
        let segment = persist::segment::prepare(&order).expect("prepared");
        assert!(to_shard.send(Command::Segment(segment)).is_ok());
    }
    let until = Instant::now() + Duration::from_secs(5);
    while shard.station.journal.wants_room() && Instant::now() < until {
        turn(&mut shard, &mut from_shard, &mut orders);
    }
    assert!(!shard.station.journal.wants_room(), "it goes on");
}

#[test]
fn an_account_that_comes_again_is_fed_from_the_join_of_its_second_watch() {
    let (mut shard, mut to_shard, mut from_shard, _dir) = shard();
    let bell = Arc::new(Bell::new().expect("an eventfd"));
    let (mut fed, feed) = channel(16, &bell);
    shard.feeds.push(Feed::new(feed));
    let (address, start) = (account(1), StartFrom::Now);
    let watch = |ticket| Command::Watch { address, source: 0, link: None, start, ticket };
    shard.command(watch(1));
    let join = |at_ms, ticket| Fed::Join { address, at_ms, continues: false, ticket };
    // Control let it go and wants it again; the feeder still had the first order.
    assert!(to_shard.send(Command::Unwatch(address)).is_ok() && to_shard.send(watch(2)).is_ok());
    assert!(fed.send(join(1_000, 1)).is_ok());
    shard.turn().expect("no fault");
    let text = r#"[{"coin":"@1","px":"1.5","sz":"2","side":"B","time":2000,"startPosition":"0","dir":"Buy",
        "closedPnl":"0","oid":1,"crossed":true,"fee":"0","tid":1,"feeToken":"USDC"}]"#;
    let mut fills = Vec::new();
    net::hyperliquid::rest::parse_fills(text.as_bytes(), &mut fills).expect("a fill");
    let block = Fed::Block { source: 0, number: 2, time_ms: 2_000 };
    let told = |shard: &mut Shard, from_shard: &mut Receiver<Reply>| {
        let mut told = Vec::new();
        let until = Instant::now() + Duration::from_secs(5);
        // What was applied is durable by then.
        while shard.station.journal.durable_seq() + 1 < shard.station.journal.next_seq() {
            assert!(Instant::now() < until, "never durable");
            shard.turn().expect("no fault");
        }
        shard.station.send_replies();
        while let Some(reply) = from_shard.receive() {
            if let Reply::Followed { ticket, .. } = reply {
                told.push(ticket);
            }
        }
        told
    };
    assert_eq!(told(&mut shard, &mut from_shard), [0; 0], "that join was of the watch before");
    assert!(fed.send(join(1_500, 2)).is_ok());
    assert!(fed.send(Fed::Fill { address, fill: fills[0] }).is_ok() && fed.send(block).is_ok());
    shard.turn().expect("no fault");
    assert_eq!(told(&mut shard, &mut from_shard), [2]);
    assert_eq!(shard.station.core.counts().fills, 1);
}

/// What a shard says of accounts: refused for want of space, or watched.
fn said(shard: &mut Shard, from_shard: &mut Receiver<Reply>) -> Vec<String> {
    shard.station.send_replies();
    let replies = std::iter::from_fn(|| from_shard.receive());
    let said = replies.filter_map(|reply| match reply {
        Reply::NoSpace { ticket, .. } => Some(format!("no space {ticket}")),
        Reply::Watched { ticket, .. } => Some(format!("watched {ticket}")),
        _ => None,
    });
    said.collect()
}

fn watch(n: u32, ticket: u64) -> Command {
    let (address, start) = (account(n), StartFrom::Now);
    Command::Watch { address, source: 0, link: None, start, ticket }
}

#[test]
fn what_was_refused_is_watched_when_space_comes_unless_it_was_let_go() {
    let (mut shard, mut to_shard, mut from_shard, _dir) = shard();
    shard.command(Command::Space(false));
    shard.command(watch(1, 1));
    shard.command(watch(2, 2));
    shard.command(Command::Unwatch(account(2)));
    assert_eq!(said(&mut shard, &mut from_shard), ["no space 1", "no space 2"]);
    shard.turn().expect("no fault");
    assert_eq!(said(&mut shard, &mut from_shard), [""; 0], "as long as it lasts, once");
    // One more is under way when space comes: it is refused before that, or not at all.
    assert!(to_shard.send(watch(3, 3)).is_ok());
    assert!(to_shard.send(Command::Space(true)).is_ok());
    shard.turn().expect("no fault");
    shard.turn().expect("no fault");
    let mut said = said(&mut shard, &mut from_shard);
    said.retain(|word| word != "no space 3");
    said.sort();
    assert_eq!(said, ["watched 1", "watched 3"]);
    assert!(!shard.station.core.is_watched(&account(2)));
}

#[test]
fn an_account_that_the_journal_knows_is_followed_when_the_disk_is_full() {
    let (mut shard, _to_shard, mut from_shard, _dir) = shard();
    // As the journal has left it: this is a restart.
    shard.station.apply(&Input::Watch { address: account(1), start: StartFrom::Now }, 0);
    shard.command(Command::Space(false));
    shard.command(watch(1, 1));
    shard.command(watch(2, 2));
    assert_eq!(said(&mut shard, &mut from_shard), ["watched 1", "no space 2"]);
}
