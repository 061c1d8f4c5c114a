//! What a node's files can do, one thing a test.

use super::*;
use Kind::{Fills, FillsByBlock, Statuses, StatusesByBlock};

/// Follows account 1 on shard 0 and 2 on shard 1, of files that hold block 1, and has read that.
fn followed(kind: Kind) -> Node {
    let mut node = Node::new(2, 64);
    node.append(kind, 8, &lines(kind, 1, &[user(1)]));
    node.reader.follow(0, user(1));
    node.reader.follow(1, user(2));
    node.reader.begin();
    node.read();
    assert_eq!(node.took(0), "joins 1 1", "block 1 is before");
    assert_eq!(node.took(1), "joins 2 1");
    let numbered = kind.is_by_block();
    assert_eq!(node.said(), if numbered { vec!["UPS021"] } else { vec!["UPS025", "UPS021"] });
    node
}

#[test]
fn fills_go_to_the_shard_of_their_account_and_others_nowhere() {
    let mut node = followed(FillsByBlock);
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 2, &[user(1), user(9), user(2), user(1)]));
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 3, &[user(9), user(2)]));
    node.read();
    assert_eq!(node.took(0), "fill 1 2000, fill 1 2003, block 2, block 3");
    assert_eq!(node.took(1), "fill 2 2002, block 2, fill 2 3001, block 3");
    node.reader.unfollow(&user(1));
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 4, &[user(1), user(2)]));
    node.read();
    assert_eq!(node.took(0), "block 4");
    node.reader.follow(0, user(1));
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 5, &[user(1)]));
    node.read();
    assert_eq!(node.took(0), "joins 1 4, fill 1 5000, block 5");
    assert_eq!(node.said(), [""; 0]);
}

#[test]
fn a_line_is_read_when_it_is_whole() {
    let mut node = followed(FillsByBlock);
    for byte in lines(FillsByBlock, 2, &[user(1)]).as_bytes().chunks(7) {
        assert_eq!(node.took(0), "");
        append(&node.path(FillsByBlock, 8), byte);
        node.read();
    }
    assert_eq!(node.took(0), "fill 1 2000, block 2");
}

#[test]
fn the_next_hour_is_read_when_the_last_one_is_done() {
    let mut node = followed(FillsByBlock);
    // Block 4 stands in the new file already; block 3 comes late into the old one.
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 2, &[user(1)]));
    node.append(FillsByBlock, 9, "");
    node.read();
    node.append(FillsByBlock, 9, &lines(FillsByBlock, 4, &[user(1)]));
    node.read();
    assert_eq!(node.took(0), "fill 1 2000, block 2");
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 3, &[user(1)]));
    node.read();
    assert_eq!(node.took(0), "fill 1 3000, block 3, fill 1 4000, block 4");
    // Over midnight, and an hour in which the node was down.
    node.append(FillsByBlock, 25, &lines(FillsByBlock, 5, &[user(1)]));
    node.read();
    assert_eq!(node.took(0), "fill 1 5000, block 5");
    assert_eq!(node.said(), [""; 0]);
}

#[test]
fn a_file_that_ends_within_a_line_is_left_after_a_while() {
    let mut node = followed(FillsByBlock);
    let cut = lines(FillsByBlock, 2, &[user(1)]);
    node.append(FillsByBlock, 8, &cut[..cut.len() / 2]);
    node.append(FillsByBlock, 9, &lines(FillsByBlock, 3, &[user(1)]));
    node.turn_after(Duration::from_millis(200));
    assert_eq!(node.took(0), "", "the rest may still come");
    node.turn_after(Duration::from_secs(1));
    node.read();
    assert_eq!(node.said(), ["UPS023", "UPS022"]);
    assert_eq!(node.took(0), "joins 1 3, fill 1 3000, block 3");
}

#[test]
fn missing_blocks_make_every_account_join_again_before_the_next_fill() {
    let mut node = followed(FillsByBlock);
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 5, &[user(1)]));
    node.read();
    assert_eq!(node.took(0), "joins 1 5, fill 1 5000, block 5");
    assert_eq!(node.took(1), "joins 2 5, block 5");
    let problem = node.reader.said().expect("told");
    let text = problem.one_line();
    assert!(
        problem.code == "UPS022" && text.contains("blocks 2 to 4 are missing (3 of them, 280 ms)"),
        "{text}"
    );
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 4, &[user(1)]));
    node.read();
    assert_eq!(node.took(0), "joins 1 4, fill 1 4000, block 6", "the shards' number rises");
    assert_eq!(node.said(), ["UPS022"]);
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 5, &[user(1)]));
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 6, &[]));
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 7, &[]));
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 8, &[]));
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 9, &[]));
    node.read();
    assert_eq!(node.took(0), "fill 1 5000, block 7, block 11");
    assert_eq!(node.said(), [""; 0]);
}

#[test]
fn statuses_come_as_they_are_and_the_same_hole_is_one() {
    let mut node = Node::new(1, 64);
    let write = |node: &Node, kind: Kind, block| {
        node.append(kind, 8, &lines(kind, block, &[user(9), user(1)]))
    };
    write(&node, FillsByBlock, 1);
    write(&node, StatusesByBlock, 1);
    node.reader.follow(0, user(1));
    node.reader.begin();
    node.read();
    write(&node, StatusesByBlock, 2);
    node.read();
    assert_eq!(node.took(0), "joins 1 1, status 2001");
    write(&node, FillsByBlock, 2);
    write(&node, FillsByBlock, 5);
    write(&node, StatusesByBlock, 5);
    node.read();
    assert_eq!(node.took(0), "fill 1 2001, block 2, joins 1 5, fill 1 5001, block 5, status 5001");
    write(&node, StatusesByBlock, 7);
    write(&node, FillsByBlock, 6);
    node.read();
    assert_eq!(node.took(0), "fill 1 6001, block 6, joins 1 7, status 7001");
    assert_eq!(node.said(), ["UPS022", "UPS022", "UPS022"]);
}

#[test]
fn a_line_that_cannot_be_read_is_left_out_and_asked_for() {
    let mut node = followed(FillsByBlock);
    let broken = lines(FillsByBlock, 2, &[user(1)]).replace("\"sz\":\"2\"", "\"sz\":\"2...\"");
    node.append(FillsByBlock, 8, &broken);
    node.read();
    let text = node.reader.said().expect("told").one_line();
    assert!(text.contains("UPS023") && text.contains("2..."), "{text}");
    assert_eq!(node.took(0), "", "of no block is told that it was given");
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 3, &[user(1)]));
    node.read();
    assert_eq!(node.took(0), "joins 1 3, fill 1 3000, block 3");
    assert_eq!(node.said(), [""; 0], "one loss is told once");
}

#[test]
fn a_line_that_is_too_long_is_left_out_and_asked_for() {
    let mut node = followed(FillsByBlock);
    let long = "x".repeat(super::super::tail::LINE_BYTES_MAX + (1 << 20)) + "\n";
    node.append(FillsByBlock, 8, &long);
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 3, &[user(1)]));
    node.read();
    assert_eq!(node.took(0), "joins 1 3, fill 1 3000, block 3");
    assert_eq!(node.said(), ["UPS023"]);
}

#[test]
fn a_file_that_was_changed_is_read_anew() {
    let mut node = followed(FillsByBlock);
    let path = node.path(FillsByBlock, 8);
    fs::write(&path, lines(FillsByBlock, 2, &[])).expect("shorter");
    node.read();
    assert_eq!(node.said(), ["UPS024"]);
    assert_eq!(node.took(0), "joins 1 2, block 2");
    fs::remove_file(&path).expect("removed");
    node.read();
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 3, &[user(1)]));
    node.read();
    assert_eq!(node.said(), ["UPS024"]);
    assert_eq!(node.took(0), "joins 1 3, fill 1 3000, block 3");
}

#[test]
fn files_that_are_not_there_are_waited_for() {
    let mut node = Node::new(1, 64);
    node.reader.follow(0, user(1));
    node.reader.begin();
    node.read();
    let text = node.reader.said().expect("told").render(false);
    assert!(text.contains("UPS020") && text.contains("node_dir of [[source]] 4"), "{text}");
    node.turn_after(Duration::from_secs(2));
    assert_eq!((node.took(0), node.said()), (String::new(), Vec::new()), "told once");
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 40, &[user(1)]));
    node.turn_after(Duration::from_secs(2));
    let now = (node.now.unix_ms - BEGAN_MS) as f64 / BLOCK_MS as f64;
    assert_eq!(node.took(0), format!("joins 1 {now}, fill 1 40000, block 40"));
}

#[test]
fn the_kind_with_the_newest_file_is_read_and_by_block_wins() {
    let mut node = Node::new(1, 64);
    node.append(Fills, 8, &lines(Fills, 1, &[user(1)]));
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 1, &[user(1)]));
    node.append(Statuses, 9, &lines(Statuses, 1, &[user(1)]));
    node.append(StatusesByBlock, 8, &lines(StatusesByBlock, 1, &[user(1)]));
    node.reader.follow(0, user(1));
    node.reader.begin();
    node.read();
    node.append(Fills, 8, &lines(Fills, 2, &[user(1)]));
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 2, &[user(1)]));
    node.append(Statuses, 9, &lines(Statuses, 2, &[user(1)]));
    node.read();
    assert_eq!(node.took(0), "joins 1 1, fill 1 2000, block 2, status 2000");
    assert_eq!(node.said(), [""; 0]);
    // The node is started again with other flags.
    node.append(Fills, 9, &lines(Fills, 3, &[user(1)]));
    node.turn_after(Duration::from_secs(2));
    assert_eq!(node.took(0), "joins 1 3, fill 1 3000, block 3");
    assert_eq!(node.said(), ["UPS025", "UPS024"]);
}

#[test]
fn single_fills_of_one_time_are_of_one_block() {
    let mut node = followed(Fills);
    node.append(Fills, 8, &lines(Fills, 2, &[user(1), user(2), user(1)]));
    node.append(Fills, 8, &lines(Fills, 3, &[user(1)]));
    node.read();
    assert_eq!(node.took(0), "fill 1 2000, fill 1 2002, block 1, fill 1 3000, block 2");
    assert_eq!(node.took(1), "fill 2 2001, block 1, block 2");
    // One more of block 3, after its end was given: another number.
    node.append(Fills, 8, &lines(Fills, 3, &[user(1)]));
    node.read();
    assert_eq!(node.took(0), "fill 1 3000, block 3");
}

#[test]
fn a_full_ring_holds_the_file_and_nothing_else() {
    let mut node = Node::new(2, 2);
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 1, &[]));
    node.reader.follow(0, user(1));
    node.reader.begin();
    node.read();
    for block in 2..40 {
        node.append(FillsByBlock, 8, &lines(FillsByBlock, block, &[user(1), user(1), user(1)]));
    }
    let mut took = Vec::new();
    for _ in 0..100 {
        if node.turn_after(Duration::from_millis(1)) == Progress::Full {
            node.reader.follow(1, user(2));
        }
        took.push(node.took(0));
        node.took(1);
    }
    let took: Vec<String> = took.into_iter().filter(|words| !words.is_empty()).collect();
    let fills = took.join(", ");
    let fills: Vec<&str> = fills.split(", ").filter(|word| word.starts_with("fill")).collect();
    let wanted: Vec<String> = (2..40)
        .flat_map(|block| (0..3).map(move |i| format!("fill 1 {}", tid(block, i))))
        .collect();
    assert_eq!(fills, wanted);
}

/// Account 1 is followed, and what was given up to block `to` is durable and in the position.
fn durable(node: &mut Node, to: u64) {
    for block in 2..=to {
        node.append(FillsByBlock, 8, &lines(FillsByBlock, block, &[user(1)]));
    }
    node.read();
    node.reader.acknowledge(0, to);
    node.reader.acknowledge(1, to);
    node.reader.save();
}

#[test]
fn a_restart_goes_on_where_the_shards_were() {
    let mut node = followed(FillsByBlock);
    durable(&mut node, 4);
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 5, &[user(1)]));
    node.append(FillsByBlock, 9, &lines(FillsByBlock, 6, &[user(1)]));
    node.restart(64);
    node.reader.follow(0, user(1));
    node.reader.follow(1, user(7));
    node.read();
    assert_eq!(node.took(0), "", "nothing before all accounts are known");
    node.reader.begin();
    node.read();
    assert_eq!(node.took(0), "continues 1 4, fill 1 5000, block 5, fill 1 6000, block 6");
    let who_is_new = node.took(1);
    assert!(who_is_new.starts_with("joins 7 "), "{who_is_new}");
    // Account 2 was followed up to block 4, and comes too late now.
    node.reader.follow(1, user(2));
    node.read();
    assert_eq!(node.took(1), "joins 2 6");
    assert_eq!(node.said(), ["UPS021"]);
}

#[test]
fn without_a_usable_position_reading_begins_at_the_end() {
    let position = |node: &Node| super::super::position::path_of(node.dir.path(), 3);
    let damage = |node: &Node| {
        let mut bytes = fs::read(position(node)).expect("a position");
        bytes[40] ^= 1;
        fs::write(position(node), bytes).expect("written");
    };
    let rotate = |node: &Node| fs::remove_file(node.path(FillsByBlock, 8)).expect("removed");
    let replace = |node: &Node| {
        let path = node.path(FillsByBlock, 8);
        let text = fs::read_to_string(&path).expect("the file");
        fs::write(path, text.replace("1.5", "1.6")).expect("written");
    };
    let none = |node: &Node| fs::remove_file(position(node)).expect("removed");
    for (what, said) in [
        (&damage as &dyn Fn(&Node), &["UPS026"][..]),
        (&rotate, &["UPS026"]),
        (&replace, &["UPS026"]),
        (&none, &[]),
    ] {
        let mut node = followed(FillsByBlock);
        durable(&mut node, 4);
        node.append(FillsByBlock, 9, &lines(FillsByBlock, 5, &[user(1)]));
        what(&node);
        node.restart(64);
        node.reader.follow(0, user(1));
        node.reader.begin();
        node.read();
        node.append(FillsByBlock, 9, &lines(FillsByBlock, 6, &[user(1)]));
        node.read();
        assert_eq!(node.took(0), "joins 1 5, fill 1 6000, block 6");
        let told: Vec<_> = node.said().into_iter().filter(|code| *code != "UPS021").collect();
        assert_eq!(told, said);
    }
}

#[test]
fn a_loss_that_no_shard_was_told_of_is_read_again() {
    let mut node = followed(FillsByBlock);
    durable(&mut node, 3);
    node.append(FillsByBlock, 8, "broken\n");
    node.read();
    node.reader.acknowledge(0, 3);
    node.reader.acknowledge(1, 3);
    node.reader.save();
    node.restart(64);
    node.reader.follow(0, user(1));
    node.reader.begin();
    node.read();
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 5, &[user(1)]));
    node.read();
    assert_eq!(node.took(0), "continues 1 3, joins 1 5, fill 1 5000, block 5");
}

#[test]
fn a_status_behind_the_last_durable_block_is_read_again() {
    let mut node = Node::new(1, 64);
    let write = |node: &Node, kind: Kind, block| {
        node.append(kind, 8, &lines(kind, block, &[user(1)]));
    };
    write(&node, FillsByBlock, 1);
    write(&node, StatusesByBlock, 1);
    node.reader.follow(0, user(1));
    node.reader.begin();
    node.read();
    write(&node, FillsByBlock, 2);
    write(&node, StatusesByBlock, 2);
    node.read();
    assert_eq!(node.took(0), "joins 1 1, fill 1 2000, block 2, status 2000");
    node.reader.acknowledge(0, 2);
    node.reader.save();
    node.restart(64);
    node.reader.follow(0, user(1));
    node.reader.begin();
    node.read();
    assert_eq!(node.took(0), "continues 1 2, status 2000");
}

#[test]
fn an_account_that_came_back_does_not_continue_what_it_missed() {
    let mut node = followed(FillsByBlock);
    durable(&mut node, 3);
    node.reader.unfollow(&user(1));
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 4, &[user(1)]));
    node.read();
    node.reader.follow(0, user(1));
    node.read();
    assert!(node.took(0).ends_with("block 4, joins 1 4"));
    node.reader.acknowledge(0, 4);
    node.reader.acknowledge(1, 4);
    node.reader.save();
    node.restart(64);
    node.reader.follow(0, user(1));
    node.reader.begin();
    node.read();
    assert_eq!(node.took(0), "joins 1 4");
}

#[test]
fn silence_and_its_end_are_told() {
    let mut node = followed(FillsByBlock);
    node.turn_after(Duration::from_secs(29));
    assert_eq!(node.said(), [""; 0]);
    node.turn_after(Duration::from_secs(2));
    node.turn_after(Duration::from_secs(2));
    assert_eq!(node.said(), ["UPS028"]);
    // What comes is old: the node is catching up.
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 2, &[]));
    node.turn_after(Duration::from_secs(1));
    assert_eq!(node.said(), [""; 0]);
    node.now.unix_ms = time_ms(4);
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 3, &[]));
    node.turn_after(Duration::from_millis(1));
    assert_eq!(node.said(), ["UPS028"]);
    node.now.unix_ms = time_ms(4) + 61_000;
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 4, &[]));
    node.turn_after(Duration::from_millis(1));
    let text = node.reader.said().expect("told").one_line();
    assert!(text.contains("61 s behind the chain"), "{text}");
}

#[test]
fn a_position_that_cannot_be_written_is_told_once() {
    let mut node = followed(FillsByBlock);
    let path = super::super::position::path_of(node.dir.path(), 3);
    fs::create_dir_all(path.join("x")).expect("a directory in its place");
    durable(&mut node, 2);
    durable(&mut node, 3);
    assert_eq!(node.said().iter().filter(|code| **code == "UPS027").count(), 1);
}

#[test]
fn the_thread_feeds_what_is_written_and_ends_with_its_position() {
    let node = Node::new(1, 64);
    let bell = Arc::new(Bell::new().expect("an eventfd"));
    let (sender, mut ring) = channel(64, &bell);
    let options = ReaderOptions {
        source: 3,
        node_dir: node.dir.path().join("node"),
        data_dir: node.dir.path().to_owned(),
    };
    node.append(FillsByBlock, 8, &lines(FillsByBlock, 1, &[]));
    let housekeeping = crate::lane::executor::Housekeeping::default();
    let mut feeder =
        super::super::start(options, vec![sender], &bell, &housekeeping).expect("started");
    feeder.follow(shards::ShardId(0), user(1));
    feeder.begin();
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut number = 1;
    while number < 20 {
        match ring.receive() {
            Some(Fed::Join { continues, .. }) => assert!(!continues),
            Some(Fed::Block { number: fed, .. }) => {
                assert_eq!(fed, number);
                feeder.fed(shards::ShardId(0), number);
            }
            Some(fed) => {
                assert!(matches!(fed, Fed::Fill { .. }));
                continue;
            }
            None => {
                assert!(Instant::now() < deadline, "block {number} did not come");
                bell.sleep(Duration::from_secs(1), || !ring.is_empty());
                continue;
            }
        }
        number += 1;
        node.append(FillsByBlock, 8, &lines(FillsByBlock, number, &[user(1)]));
    }
    feeder.fed(shards::ShardId(0), 19);
    drop(feeder);
    let position = super::super::position::path_of(node.dir.path(), 3);
    let position = super::super::position::read(&position).expect("readable").expect("written");
    assert_eq!((position.mark.number, position.followed), (19, vec![user(1)]));
}
