//! Tests of a source's schedule, in made-up time.

use super::*;
use shards::{Address, ShardId};

const SHARD: ShardId = ShardId(0);

fn backfill(n: u8) -> Job {
    Job::Backfill { shard: SHARD, source: 0, address: Address([n; 20]), from_ms: 1 }
}

fn status(oid: u64) -> Job {
    Job::Status { shard: SHARD, source: 0, address: Address([1; 20]), oid }
}

fn word(job: &Job) -> String {
    match job {
        Job::Backfill { address, .. } => format!("backfill {}", address.0[0]),
        Job::Status { oid, .. } => format!("status {oid}"),
        Job::Symbols => "symbols".to_owned(),
    }
}

/// What goes next: a job's word, or for how long nothing does.
fn next(schedule: &mut Schedule, now_ms: u64) -> String {
    match schedule.next(now_ms) {
        Next::Ask(id) => word(&schedule.get_mut(id).job),
        Next::Until(ms) => format!("in {}", ms - now_ms),
        Next::Idle => "idle".to_owned(),
    }
}

/// Answers what goes next with so many items; it is done.
fn answer(schedule: &mut Schedule, now_ms: u64, items: usize) -> String {
    let Next::Ask(id) = schedule.next(now_ms) else { panic!("nothing goes at {now_ms}") };
    schedule.answered(id, now_ms, items);
    word(&schedule.remove(id).job)
}

#[test]
fn backfills_go_before_statuses_and_symbols_and_the_oldest_first() {
    let mut schedule = Schedule::new(1200, 0);
    for job in [Job::Symbols, status(9), backfill(2), status(8), backfill(1)] {
        schedule.push(0, job, 0);
    }
    let order: Vec<String> = (0..5).map(|_| answer(&mut schedule, 0, 0)).collect();
    assert_eq!(order, ["backfill 2", "backfill 1", "status 9", "status 8", "symbols"]);
    assert_eq!(next(&mut schedule, 0), "idle");
}

#[test]
fn repeated_asks_are_one() {
    let mut schedule = Schedule::new(1200, 0);
    for _ in 0..3 {
        for job in [backfill(1), status(1), Job::Symbols] {
            schedule.push(0, job, 0);
        }
    }
    assert_eq!(schedule.jobs.len(), 3);
    schedule.push(0, status(2), 0);
    schedule.push(0, backfill(2), 0);
    assert_eq!(schedule.jobs.len(), 5);
}

#[test]
fn what_waits_for_the_budget_is_told_once_and_once_that_it_no_longer_does() {
    let mut schedule = Schedule::new(120, 0);
    for n in 1..=3 {
        schedule.push(0, backfill(n), 0);
    }
    schedule.push(0, status(1), 0);
    assert_eq!(answer(&mut schedule, 0, 2000), "backfill 1");
    assert_eq!(schedule.said(), None);
    assert_eq!(next(&mut schedule, 10), "in 59990");
    let all_ms = 59_990 + (2 * 21 + 2) * 60_000 / 120;
    let waits = Said::Waits { backfills: 2, others: 1, wait_ms: 59_990, all_ms, refused: false };
    assert_eq!(schedule.said(), Some(waits));
    assert_eq!(next(&mut schedule, 20), "in 59980");
    assert_eq!(schedule.said(), None, "told once");
    assert_eq!(answer(&mut schedule, 60_000, 2000), "backfill 2");
    assert_eq!(next(&mut schedule, 60_000), "in 60000");
    assert_eq!(answer(&mut schedule, 120_000, 0), "backfill 3");
    assert_eq!(schedule.said(), None, "the status still waits");
    assert_eq!(answer(&mut schedule, 120_000, 0), "status 1");
    assert_eq!(next(&mut schedule, 120_000), "idle");
    assert_eq!(schedule.said(), Some(Said::GoesOn { after_ms: 119_990 }));
    assert_eq!(schedule.said(), None);
}

#[test]
fn a_failure_is_charged_as_the_most_that_the_venue_may_have_counted() {
    for (may_be_counted, spent) in [(false, 21), (true, 120)] {
        let mut schedule = Schedule::new(1200, 7);
        schedule.push(0, backfill(1), 0);
        let Next::Ask(id) = schedule.next(0) else { panic!("nothing goes") };
        schedule.failed(id, 100, 100, "no answer", may_be_counted);
        assert_eq!(schedule.budget.spent(100), spent);
    }
}

#[test]
fn a_failed_job_is_tried_again_and_others_go_meanwhile() {
    let mut schedule = Schedule::new(1200, 7);
    schedule.push(0, backfill(1), 0);
    schedule.push(0, status(1), 0);
    let Next::Ask(id) = schedule.next(0) else { panic!("nothing goes") };
    let wait_ms = schedule.failed(id, 100, 100, "refused", false).expect("it is tried again");
    assert!((125..=250).contains(&wait_ms), "{wait_ms}");
    assert_eq!(answer(&mut schedule, 100, 0), "status 1");
    assert_eq!(next(&mut schedule, 100), format!("in {wait_ms}"));
    assert_eq!(next(&mut schedule, 100 + wait_ms), "backfill 1");
    assert_eq!(schedule.said(), None, "a retry waits for no budget");
}

#[test]
fn attempts_end_after_their_time_and_waiting_for_the_budget_is_none() {
    let mut schedule = Schedule::new(180, 7);
    schedule.push(0, backfill(1), 0);
    let (mut now_ms, mut tried_ms, mut waited_ms) = (0, 0, 0);
    loop {
        assert_eq!(schedule.expired(now_ms).map(|(job, _)| word(&job.job)), None);
        match schedule.next(now_ms) {
            Next::Ask(id) => {
                now_ms += 10_000;
                tried_ms += 10_000;
                let Some(wait_ms) = schedule.failed(id, now_ms, 10_000, "refused", false) else {
                    break;
                };
                now_ms += wait_ms;
                tried_ms += wait_ms;
            }
            Next::Until(ms) => {
                waited_ms += ms - now_ms;
                now_ms = ms;
            }
            Next::Idle => panic!("the job is gone"),
        }
    }
    assert!(waited_ms > 0, "a budget of 180 lets three attempts a minute through");
    assert!((TRIED_MS_MAX - 30_000..TRIED_MS_MAX + 30_000).contains(&tried_ms), "{tried_ms}");
}

#[test]
fn what_waits_for_too_long_is_given_up() {
    let mut schedule = Schedule::new(120, 0);
    for n in 1..=64 {
        schedule.push(0, backfill(n), 0);
    }
    let (mut now_ms, mut asked, mut expired) = (0, 0, Vec::new());
    while expired.len() + asked < 64 {
        while let Some((job, why)) = schedule.expired(now_ms) {
            assert!(
                why.starts_with("it waited 3600 s for the REST budget of 120 a minute"),
                "{why}"
            );
            expired.push(word(&job.job));
        }
        match schedule.next(now_ms) {
            Next::Ask(id) => {
                schedule.answered(id, now_ms, 2000);
                schedule.remove(id);
                asked += 1;
            }
            Next::Until(ms) => now_ms = ms,
            Next::Idle => {}
        }
    }
    assert_eq!((asked, expired.len(), now_ms), (60, 4, BACKFILL_MS_MAX));
    assert_eq!(schedule.next(now_ms), Next::Idle);
}

#[test]
fn a_refusal_for_too_many_requests_pauses_the_source_and_fails_nothing() {
    let mut schedule = Schedule::new(1200, 3);
    schedule.push(0, backfill(1), 0);
    let Next::Ask(id) = schedule.next(0) else { panic!("nothing goes") };
    schedule.limited(id, 1_000, Some(5_000));
    assert_eq!(next(&mut schedule, 1_000), "in 5000");
    let Some(Said::Waits { refused: true, .. }) = schedule.said() else { panic!("not told") };
    assert_eq!(next(&mut schedule, 6_000), "backfill 1");
    let id = schedule.jobs[0].id;
    for refusal in 2..6 {
        schedule.limited(id, refusal * 61_000, None);
        let Next::Until(_) = schedule.next(refusal * 61_000) else { panic!("it is paused") };
    }
    assert_eq!(schedule.jobs[0].tried_ms, 0);
    let (_, why) = schedule.expired(BACKFILL_MS_MAX).expect("it has waited for too long");
    assert!(why.contains("429"), "{why}");
}

#[test]
fn an_ask_from_an_earlier_time_begins_anew_from_there() {
    let mut schedule = Schedule::new(1200, 0);
    let from = |from_ms| Job::Backfill {
        shard: ShardId(0),
        source: 0,
        address: Address([1; 20]),
        from_ms,
    };
    schedule.push(0, from(5_000), 0);
    schedule.push(0, from(7_000), 1);
    let asked = |schedule: &Schedule| schedule.jobs[0].pages.request(&Address([1; 20]));
    assert!(asked(&schedule).is_some_and(|body| body.contains("\"startTime\":5000")));
    schedule.push(0, from(3_000), 2);
    assert_eq!(schedule.jobs.len(), 1);
    assert!(asked(&schedule).is_some_and(|body| body.contains("\"startTime\":3000")));
}

#[test]
fn an_ask_during_the_last_request_makes_it_go_on() {
    let mut schedule = Schedule::new(1200, 0);
    schedule.push(0, backfill(1), 0);
    schedule.push(0, backfill(1), 0);
    let Next::Ask(id) = schedule.next(0) else { panic!("nothing goes") };
    schedule.get_mut(id).pages.take(&mut []).expect("an empty page");
    assert!(schedule.is_done(id), "the second ask came before the request");
    let Next::Ask(id) = schedule.next(1) else { panic!("nothing goes") };
    schedule.push(0, backfill(1), 2);
    assert!(!schedule.is_done(id), "the second ask came after it");
    assert_eq!(schedule.jobs.len(), 1);
}

#[test]
fn a_thousand_accounts_that_come_back_together_are_all_asked_for_in_time() {
    // A provider's connection is lost and back, or a node skips a block: each of its accounts asks. The server is quick,
    // and nothing was missed.
    let mut schedule = Schedule::new(1200, 0);
    for n in 0..1000u32 {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        let address = Address(bytes);
        schedule.push(0, Job::Backfill { shard: SHARD, source: 0, address, from_ms: 1 }, 0);
    }
    let (mut now_ms, mut answered, mut expired) = (0, 0, 0);
    loop {
        while schedule.expired(now_ms).is_some() {
            expired += 1;
        }
        match schedule.next(now_ms) {
            Next::Ask(id) => {
                schedule.answered(id, now_ms, 1);
                schedule.remove(id);
                answered += 1;
            }
            Next::Until(ms) => now_ms = ms,
            Next::Idle => break,
        }
    }
    assert_eq!((answered, expired), (1000, 0), "each that expires is told as a gap");
}
