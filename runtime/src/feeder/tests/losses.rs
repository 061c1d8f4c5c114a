//! What a node loses or writes wrongly, and what a position may say of it.

use super::cases::followed;
use super::*;
use Kind::{Fills, FillsByBlock};

#[test]
fn a_block_number_without_a_next_one_ends_no_thread() {
    let mut node = followed(FillsByBlock);
    let line = lines(FillsByBlock, 2, &[user(1)]);
    let line = line.replace("\"block_number\":2", &format!("\"block_number\":{}", u64::MAX));
    node.append(FillsByBlock, 8, &line);
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 3, &[user(1)]));
    node.read();
    assert_eq!(node.took(0), "joins 1 3, fill 1 3000, block 3", "that line's fills are asked for");
    assert_eq!(node.said(), ["UPS023"]);
}

/// A node that has lost a block five times, among blocks that all have events; the number of its last block.
fn with_habit() -> (Node, u64) {
    let mut node = followed(FillsByBlock);
    for block in [3, 5, 7, 9, 11] {
        node.append(FillsByBlock, 8, &lines(FillsByBlock, block, &[user(9)]));
    }
    node.read();
    assert_eq!(node.took(0).matches("joins 1").count(), 5, "each of them is asked for");
    node.took(1);
    assert_eq!(node.said().last(), Some(&"UPS029"));
    (node, 11)
}

#[test]
fn blocks_that_a_node_skips_are_told_whatever_it_skipped_before() {
    let (mut node, last) = with_habit();
    // Then it loses 39 blocks, with the fills in them.
    let block = last + 40;
    node.append(FillsByBlock, 8, &lines(FillsByBlock, block, &[user(1)]));
    node.read();
    assert_eq!(node.took(0), format!("joins 1 {block}, fill 1 {block}000, block {block}"));
    assert_eq!(node.said(), ["UPS022"]);
}

#[test]
fn what_is_left_out_by_habit_is_asked_for_all_the_same_but_not_each_time() {
    let (mut node, last) = with_habit();
    let write = |node: &mut Node, block| {
        node.append(FillsByBlock, 8, &lines(FillsByBlock, block, &[user(1)]));
        node.read();
        node.took(0)
    };
    let (block, next) = (last + 2, last + 3);
    assert_eq!(write(&mut node, block), format!("fill 1 {block}000, block {block}"));
    // While that is not asked, no account is said to be whole.
    (0..2).for_each(|shard| node.reader.acknowledge(shard, block, 1));
    node.reader.save();
    let position = super::super::position::path_of(node.dir.path(), 3);
    let read = || super::super::position::read(&position).expect("readable").expect("written");
    assert_eq!(read().followed, []);
    node.turn_after(Duration::from_secs(3600));
    let wanted = format!("joins 1 {next}, fill 1 {next}000, block {next}");
    assert_eq!(write(&mut node, next), wanted);
    let next = next + 1;
    assert_eq!(write(&mut node, next), format!("fill 1 {next}000, block {next}"), "once");
    (0..2).for_each(|shard| node.reader.acknowledge(shard, next, 1));
    node.reader.save();
    assert_eq!((read().followed, read().mark.habits), (vec![user(1), user(2)], [2, 0]));
}

#[test]
fn a_node_that_is_behind_and_then_silent_is_said_to_be_both() {
    let mut node = followed(FillsByBlock);
    node.now.unix_ms += 120_000;
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 2, &[user(1)]));
    node.read();
    assert_eq!(node.said(), ["UPS028"], "behind");
    node.turn_after(Duration::from_secs(3600));
    let text = node.reader.said().expect("told").one_line();
    assert!(text.contains("written nothing for 3600 s"), "{text}");
    // It writes again, still behind, and is silent again.
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 3, &[]));
    node.turn_after(Duration::from_millis(1));
    assert_eq!(node.said(), [""; 0], "that it is behind is known");
    node.turn_after(Duration::from_secs(31));
    assert_eq!(node.said(), ["UPS028"], "silent");
    node.now.unix_ms = time_ms(4);
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 4, &[]));
    node.turn_after(Duration::from_millis(1));
    let text = node.reader.said().expect("told").one_line();
    assert!(text.contains("up to date again"), "{text}");
    assert_eq!(node.said(), [""; 0]);
}

#[test]
fn what_was_lost_is_said_before_what_follows_from_it() {
    let mut node = followed(FillsByBlock);
    // The node is started again with other flags.
    node.append(Fills, 9, &lines(Fills, 2, &[user(1)]));
    node.turn_after(Duration::from_secs(2));
    assert_eq!(node.took(0), "joins 1 2, fill 1 2000, block 1");
    assert_eq!(node.said(), ["UPS024", "UPS025"]);
}

#[test]
fn a_feeder_that_has_ended_by_itself_says_why() {
    let node = Node::new(1, 64);
    let bell = Arc::new(Bell::new().expect("an eventfd"));
    let options = ReaderOptions {
        source: 3,
        node_dir: node.dir.path().join("node"),
        data_dir: node.dir.path().to_owned(),
    };
    let housekeeping = crate::lane::executor::Housekeeping::default();
    let mut feeder = super::super::start(options, Vec::new(), &bell, &housekeeping);
    let feeder = feeder.as_mut().expect("started");
    assert_eq!(feeder.ended(), None);
    // There is no ring of that shard.
    feeder.follow(shards::ShardId(0), user(1), 1);
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut ended = None;
    while ended.is_none() {
        assert!(Instant::now() < deadline, "not noticed");
        bell.sleep(Duration::from_millis(10), || false);
        ended = feeder.ended();
    }
    assert_eq!(ended.as_deref(), Some("a ring for each shard"));
    assert_eq!(feeder.ended(), None, "said once");
}

/// Accounts 1 and 2 are whole up to block 2, which is durable, and the position says so.
fn durable() -> Node {
    let mut node = followed(FillsByBlock);
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 2, &[user(1)]));
    node.read();
    (0..2).for_each(|shard| node.reader.acknowledge(shard, 2, 1));
    node.reader.save();
    node
}

/// Starts again, with account 1, after blocks 3 to 5 were written.
fn start_again(node: &mut Node) -> String {
    for block in 3..6 {
        node.append(FillsByBlock, 8, &lines(FillsByBlock, block, &[user(1)]));
    }
    node.reader.follow(0, user(1), 1);
    node.reader.begin();
    node.read();
    node.took(0)
}

#[test]
fn an_account_that_was_let_go_does_not_continue_after_a_restart() {
    let mut node = durable();
    // Let go while the node is silent, and the end: what the position says of it is not true any more.
    node.reader.unfollow(&user(1));
    node.turn_after(Duration::from_millis(1));
    node.restart(64);
    let took = start_again(&mut node);
    assert!(took.starts_with("joins 1"), "a new beginning in the past: old fills are news: {took}");
}

#[test]
fn an_account_that_was_away_for_a_run_does_not_continue_after_it() {
    let mut node = durable();
    node.restart(64);
    node.reader.follow(1, user(2), 1);
    node.reader.begin();
    node.read();
    assert_eq!(node.took(1), "continues 2 2");
    node.restart(64);
    let took = start_again(&mut node);
    assert!(took.starts_with("joins 1"), "{took}");
}

#[test]
fn a_position_of_other_journals_is_not_gone_on_from() {
    for journals in [[0, 0], [1, 0], [0, 1]] {
        let mut node = durable();
        node.restart(64);
        (0..2).for_each(|shard| node.reader.journal(shard, journals[shard]));
        let took = start_again(&mut node);
        assert!(took.starts_with("joins 1"), "{took}");
        assert_eq!(node.said(), ["UPS026", "UPS021"]);
        // It does not become theirs when they have grown.
        node.restart(64);
        let took = start_again(&mut node);
        assert!(took.starts_with("joins 1"), "{took}");
    }
    let mut node = durable();
    node.restart(64);
    let took = start_again(&mut node);
    assert!(took.starts_with("continues 1 2, fill 1 3000"), "{took}");
}
