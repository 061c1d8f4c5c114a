//! Icebergs: what they show, in what order their slices trade, and what takes from which part.

use super::{check, check_outcome};

#[test]
fn the_slice_is_shown_and_the_rest_hidden() {
    check("s 10@100 #1 show3", "ok; rest 1 3+7@100", "s100 1=3+7");
    check("b 10@100 #1 show3 post", "ok; rest 1 3+7@100", "b100 1=3+7");
    check_outcome("s 10@100 #1 show3", [0, 10, 0]);
    // No larger than the order: shown whole.
    check("s 3@100 #1 show3", "ok; rest 1 3@100", "s100 1=3");
    check("s 3@100 #1 showMAX", "ok; rest 1 3@100", "s100 1=3");
    // What rests of a taker is sliced anew.
    check("b 4@100 #1; s 10@100 #2 show3", "ok; 1/2[6] 4@100; rest 2 3+3@100", "s100 2=3+3");
}

#[test]
fn an_iceberg_has_4096_slices_at_most() {
    check("s 4096@100 #1 show1", "ok; rest 1 1+4095@100", "s100 1=1+4095");
    check("s 4097@100 #1 show1", "no3", "");
    check("b 12288@100 #1 show3", "ok; rest 1 3+12285@100", "b100 1=3+12285");
    // The last slice may be a part of one.
    check("b 12287@100 #1 show3", "ok; rest 1 3+12284@100", "b100 1=3+12284");
    check("b 12289@100 #1 show3", "no3", "");
    check("b MAX@100 #1 show1", "no3", "");
    // All it asks for counts, not what would be left to rest; a stop is judged at once.
    check("b 1@100 #2; s 4097@100 #1 show1", "no3", "b100 2=1");
    check("s 4097@100 #1 show1 stop50", "no3", "");
    check("s 4096@100 #1 show1 stop50", "ok; wait 1 4096^50", "s^50 1=4096");
    check("phase auction; s 4097@100 #1 show1", "no3", "auction: ");
    // One taker goes through all of them.
    check_outcome("s 4096@100 #1 show1; b 4095@100 #2 fok", [4095, 0, 0]);
    check("s 4096@100 #1 show1; b 4095@100 #2; b 1@100 #3", "ok; 1/3 1@100", "");
}

#[test]
fn a_replaced_iceberg_has_4096_slices_at_most() {
    let iceberg = "s 5@100 #1 show2;";
    let kept = "s100 1=2+3";
    check(
        &format!("{iceberg} replace #1 8192@101"),
        "ok; cut 1 5@100 replaced; rest 1 2+8190@101",
        "s101 1=2+8190",
    );
    check(&format!("{iceberg} replace #1 8193@101"), "no3", kept);
    check(&format!("{iceberg} replace #1 MAX@100"), "no3", kept);
    // An order that shows all it has takes any quantity.
    check(
        "s 5@100 #1 till9; replace #1 8193@101",
        "ok; cut 1 5@100 replaced; rest 1 8193@101",
        "s101 1=8193",
    );
    // A stop keeps its display too.
    let stop = "s 5@100 #1 show2 stop50;";
    check(
        &format!("{stop} replace #1 8192@101"),
        "ok; cut 1 5 replaced; wait 1 8192^50",
        "s^50 1=8192",
    );
    check(&format!("{stop} replace #1 8193@101"), "no3", "s^50 1=5");
    // Behind price and unknown id, before the phase.
    check(&format!("{iceberg} replace #1 8193@0"), "no4", kept);
    check(&format!("{iceberg} replace #7 8193@100"), "no1", kept);
    check(&format!("{iceberg} phase halted; replace #1 8193@100"), "no3", "halted: s100 1=2+3");
    check(&format!("{iceberg} phase halted; replace #1 8192@100"), "no9", "halted: s100 1=2+3");
    check(&format!("{iceberg} phase auction; replace #1 8193@100"), "no3", "auction: s100 1=2+3");
}

#[test]
fn the_next_slice_joins_the_end_of_its_level() {
    let asks = "s 10@100 #1 show3; s 4@100 #2; s 4@101 #3;";
    check(&format!("{asks} b 2@100 #9"), "ok; 1[8]/9 2@100", "s100 1=1+7 2=4, s101 3=4");
    check(
        &format!("{asks} b 3@100 #9"),
        "ok; 1[7]/9 3@100; next 1 3+4@100",
        "s100 2=4 1=3+4, s101 3=4",
    );
    check(
        &format!("{asks} b 8@100 #9"),
        "ok; 1[7]/9[5] 3@100; next 1 3+4@100; 2/9[1] 4@100; 1[6]/9 1@100",
        "s100 1=2+4, s101 3=4",
    );
}

#[test]
fn one_taker_meets_an_iceberg_again_and_again() {
    check(
        "b 10@100 #1 show4; s 12@100 #2",
        "ok; 1[6]/2[8] 4@100; next 1 4+2@100; 1[2]/2[4] 4@100; next 1 2@100; 1/2[2] 2@100; \
         rest 2 2@100",
        "s100 2=2",
    );
    // All hidden lots of a level trade before the next level does.
    check(
        "s 6@100 #1 show2; s 5@101 #2; b 7@101 #3",
        "ok; 1[4]/3[5] 2@100; next 1 2+2@100; 1[2]/3[3] 2@100; next 1 2@100; 1/3[1] 2@100; \
         2[4]/3 1@101",
        "s101 2=4",
    );
}

#[test]
fn two_icebergs_take_turns() {
    check(
        "s 5@100 #1 show2; s 6@100 #2 show3; b 9@100 #3",
        "ok; 1[3]/3[7] 2@100; next 1 2+1@100; 2[3]/3[4] 3@100; next 2 3@100; \
         1[1]/3[2] 2@100; next 1 1@100; 2[1]/3 2@100",
        "s100 2=1 1=1",
    );
}

#[test]
fn fill_or_kill_counts_hidden_lots_and_post_only_meets_them() {
    check(
        "s 5@100 #1 show2; b 5@100 #2 fok",
        "ok; 1[3]/2[3] 2@100; next 1 2+1@100; 1[1]/2[1] 2@100; next 1 1@100; 1/2 1@100",
        "",
    );
    check("s 5@100 #1 show2; b 6@100 #2 fok", "no7", "s100 1=2+3");
    check("s 5@100 #1 show2; b 1@100 #2 post", "no6", "s100 1=2+3");
}

#[test]
fn reduce_takes_hidden_lots_first_and_keeps_the_place() {
    let asks = "s 10@100 #1 show3; s 4@100 #2;";
    check(&format!("{asks} reduce #1 6"), "ok; cut 1[4:3] 6@100 asked", "s100 1=3+1 2=4");
    check(&format!("{asks} reduce #1 7"), "ok; cut 1[3] 7@100 asked", "s100 1=3 2=4");
    check(&format!("{asks} reduce #1 9"), "ok; cut 1[1] 9@100 asked", "s100 1=1 2=4");
    check(&format!("{asks} reduce #1 10"), "ok; cut 1 10@100 asked", "s100 2=4");
    check_outcome(&format!("{asks} reduce #1 6"), [0, 4, 6]);
    // With a part of the slice gone.
    let partly = format!("{asks} b 1@100 #3;");
    check(&format!("{partly} reduce #1 6"), "ok; cut 1[3:2] 6@100 asked", "s100 1=2+1 2=4");
    check(&format!("{partly} reduce #1 8"), "ok; cut 1[1] 8@100 asked", "s100 1=1 2=4");
}

#[test]
fn a_cancel_takes_the_whole() {
    check("s 10@100 #1 show3; cancel #1", "ok; cut 1 10@100 asked", "");
    check_outcome("s 10@100 #1 show3; cancel #1", [0, 0, 10]);
    check_outcome("s 10@100 #1 show3 u7; b 4@90 #2 u7; mass u7", [0, 0, 14]);
}

#[test]
fn a_replace_keeps_the_display() {
    check(
        "s 10@100 #1 show3; replace #1 8@101",
        "ok; cut 1 10@100 replaced; rest 1 3+5@101",
        "s101 1=3+5",
    );
    check_outcome("s 10@100 #1 show3; replace #1 8@101", [0, 8, 0]);
    // Shown whole, and still an iceberg when it has grown.
    check(
        "s 3@100 #1 show3; replace #1 4@100",
        "ok; cut 1 3@100 replaced; rest 1 3+1@100",
        "s100 1=3+1",
    );
    check(
        "b 5@99 #2; s 10@100 #1 show3; replace #1 9@99",
        "ok; cut 1 10@100 replaced; 2/1[4] 5@99; rest 1 3+1@99",
        "s99 1=3+1",
    );
}
