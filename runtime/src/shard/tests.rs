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
