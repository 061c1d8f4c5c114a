//! What no peer can make the state machine do: panic, grow without end, make more events than a batch holds, or lose
//! count of its revisions.

use super::*;
use crate::core::fills::TAKEN_PER_INPUT_MAX;
use crate::core::hold::HELD_FILLS_MAX;
use crate::core::order::ORDERS_ROOM;
use crate::fill::Dir;

/// Fills of a spot coin, each of an order of its own, at one time each: `from` to `to` of them.
fn spot_fills(from: u64, to: u64) -> Vec<Fill> {
    (from..to).map(|n| nth(n, n, fill("@1", "B", "1", "5", "0"))).collect()
}

/// Steps with `input`; how many events it made.
fn events_of(bed: &mut Bed, input: &Input<'_>) -> usize {
    let before = bed.events.len();
    bed.step(input);
    bed.events.len() - before
}

#[test]
fn what_is_held_twice_does_not_break_the_order() {
    let mut bed = Bed::watching(Policy::default());
    let at = |n: u64, ms: u64, side: &str, start: &str| Fill {
        time_ms: ms,
        ..nth(n, n, fill("BTC", side, "8", "1", start))
    };
    bed.live(&[Fill { sz: Decimal::ONE, ..at(1, 1_000, "B", "0") }]);
    bed.step(&Input::Disconnected { address: ME });
    let there_and_back = [at(2, 1_001, "B", "1"), at(3, 1_001, "A", "9")];
    let away = [at(4, 1_002, "B", "1"), at(5, 1_002, "A", "9")];
    // The first frame comes twice, and once more with the snapshot that ends the wait.
    bed.live(&there_and_back[..1]);
    bed.live(&there_and_back[..1]);
    bed.snapshot(&[&[at(1, 1_000, "B", "0")], &there_and_back[..], &away[..]].concat());
    assert_eq!((bed.core.counts().fills, bed.core.accounts[0].held.len()), (5, 0));
    bed.wait(SECOND);
    assert_eq!((bed.requests.len(), bed.gaps.len()), (0, 0));
}

#[test]
fn a_late_answer_to_an_earlier_question_tells_no_gap() {
    for failed in [false, true] {
        let mut bed = Bed::watching(Policy::default());
        let spot = |n: u64| nth(n, n, fill("@1", "B", "1", "5", "0"));
        bed.live(&[spot(1)]);
        bed.step(&Input::Disconnected { address: ME });
        bed.snapshot(&[spot(4)]);
        assert_eq!(bed.requests.len(), 1);
        // Another connection brings it all; then two frames are swapped; then the answer comes.
        bed.step(&Input::Disconnected { address: ME });
        bed.snapshot(&[spot(1), spot(2), spot(3), spot(4)]);
        bed.live(&[buy(9, 10, "1", "0")]);
        bed.live(&[buy(9, 12, "1", "2")]);
        if failed {
            bed.step(&Input::BackfillFailed { address: ME });
        } else {
            bed.backfill(&[spot(1), spot(2)]);
        }
        bed.live(&[buy(9, 11, "1", "1")]);
        assert_eq!((bed.core.counts().fills, bed.gaps.len()), (7, 0), "failed: {failed}");
    }
}

#[test]
fn repeated_snapshots_do_not_end_the_wait_for_an_answer() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&spot_fills(1, 2));
    let page = spot_fills(1_000, 3_000);
    for _ in 0..6 {
        bed.step(&Input::Disconnected { address: ME });
        bed.snapshot(&page);
        bed.live(&[]);
    }
    assert_eq!(bed.core.counts().fills, 1);
    bed.live(&spot_fills(3_000, 3_001));
    assert_eq!((bed.core.counts().fills, bed.core.accounts[0].held.len()), (1, 2_001));
}

#[test]
fn what_is_held_back_is_bounded_and_goes_on_in_parts() {
    let mut bed = Bed::watching(Policy { emit: Emit::Frame, ..Policy::default() });
    bed.live(&spot_fills(1, 2));
    bed.step(&Input::Disconnected { address: ME });
    bed.snapshot(&spot_fills(10, 11));
    let mut n = 11;
    while bed.core.counts().fills == 1 {
        let frame = spot_fills(n, n + FILLS_PER_INPUT_MAX as u64);
        n += frame.len() as u64;
        let input = Input::Fills { address: ME, origin: Origin::Live, fills: &frame };
        // One more says that the answer which was asked for never came.
        assert!(events_of(&mut bed, &input) <= TAKEN_PER_INPUT_MAX + bed.gaps.len());
        assert!(bed.core.accounts[0].held.len() <= HELD_FILLS_MAX);
    }
    assert_eq!(bed.core.counts().fills as usize, 1 + TAKEN_PER_INPUT_MAX);
    assert_eq!((bed.gaps.len(), bed.gaps[0].coin), (1, Coin::EMPTY));
    while bed.core.next_deadline_ns().is_some_and(|deadline_ns| deadline_ns <= bed.now_ns + 1) {
        bed.now_ns += 1;
        assert!(events_of(&mut bed, &Input::Tick) <= TAKEN_PER_INPUT_MAX);
    }
    assert_eq!((bed.core.counts().fills, bed.core.accounts[0].held.len()), (n - 9, 0));
    // A fill that came while the rest waited is not lost either.
    bed.live(&spot_fills(n, n + 1));
    assert_eq!(bed.signals.len() as u64, n - 8);
}

#[test]
fn a_first_half_that_comes_last_is_not_cut_in_two() {
    let mut bed = Bed::watching(Policy::default());
    // The spot fills are of the same millisecond and use up what one input takes.
    let spot = |n: u64| Fill { time_ms: 1_005, ..nth(n, n, fill("@1", "B", "1", "5", "0")) };
    let perp = |n: u64, start: &str| Fill { time_ms: 1_005, ..buy(n, 1, "1", start) };
    bed.live(&[perp(1, "7")]);
    bed.step(&Input::Disconnected { address: ME });
    let mut fills = vec![perp(1, "7")];
    fills.extend((1..TAKEN_PER_INPUT_MAX as u64).map(spot));
    fills.extend([perp(2, "5"), perp(3, "6")]);
    bed.snapshot(&fills);
    bed.wait(SECOND);
    assert_eq!(bed.core.counts().fills as usize, fills.len());
    assert_eq!((bed.requests.len(), bed.gaps.len()), (0, 0));
}

#[test]
fn a_break_behind_many_fills_is_still_given_time_to_mend() {
    let mut bed = Bed::watching(Policy::default());
    let many = TAKEN_PER_INPUT_MAX as u64 + 100;
    let mut fills: Vec<Fill> = (0..many).map(|n| buy(1, n, "1", &n.to_string())).collect();
    fills.push(buy(1, many + 1, "1", &(many + 1).to_string()));
    bed.live(&fills[..1]);
    bed.step(&Input::Disconnected { address: ME });
    bed.snapshot(&fills);
    assert_eq!(bed.core.counts().fills as usize, 1 + TAKEN_PER_INPUT_MAX);
    bed.wait(MS);
    assert_eq!((bed.core.counts().fills, bed.gaps.len()), (many, 0));
    bed.live(&[buy(1, many, "1", &many.to_string())]);
    assert_eq!((bed.core.counts().fills, bed.requests.len()), (many + 2, 0));
}

#[test]
fn time_outs_that_are_all_due_are_spread_over_ticks() {
    let mut bed = Bed::watching(Policy::default());
    let orders = 5_000;
    bed.live(&spot_fills(1, 1 + orders));
    // As after a long stop: the first input finds everything due.
    bed.now_ns += 400 * SECOND;
    bed.restart();
    let mut inputs = 1;
    while bed.core.next_deadline_ns().is_some_and(|deadline_ns| deadline_ns <= bed.now_ns) {
        let events = events_of(&mut bed, &Input::Tick) as u64;
        assert!(events <= TIMER_SIGNALS_PER_INPUT_MAX, "{events} events in one input");
        inputs += 1;
    }
    assert_eq!((bed.signals.len() as u64, inputs), (orders, 3));
}

#[test]
fn a_flip_of_a_position_with_very_many_digits_is_refused_and_does_not_panic() {
    let mut bed = Bed::watching(Policy::default());
    let flip = fill("BTC", "A", "1000000", "99999.1234567891", "999999.123456789012345678");
    assert_eq!(bed.live(&[flip]), Admission::Nothing);
    bed.step(&Input::Fills { address: ME, origin: Origin::Live, fills: &[flip] });
    assert_eq!((bed.admitted.unsound, bed.core.counts().fills), (1, 0));
    // The most digits that are taken.
    let flip = fill("BTC", "A", "9999999.9999999999", "99999.1234567891", "9999999.0000000001");
    bed.live(&[flip]);
    bed.status(1, "filled", "9999999.9999999999", "0");
    let sum = bed.signals[0].notional.checked_add(bed.signals[1].notional);
    assert_eq!(sum, flip.px.checked_mul(flip.sz));
}

#[test]
fn a_time_from_the_far_future_does_not_make_the_present_old() {
    let mut bed = Bed::watching(Policy::default());
    let micros = Fill { time_ms: 1_791_280_942_711_000, ..buy(1, 1, "1", "0") };
    for time_ms in [micros.time_ms, u64::MAX] {
        assert_eq!(bed.live(&[Fill { time_ms, ..micros }]), Admission::Nothing);
        assert_eq!(bed.admitted.unsound, 1);
    }
    bed.live(&[buy(1, 2, "1", "0")]);
    assert_eq!(bed.core.counts().fills, 1);
}

#[test]
fn the_largest_numbers_that_are_sound_add_up() {
    let mut bed = Bed::watching(Policy::default());
    let number = |text: &str| text.parse::<Decimal>().expect("a decimal");
    let large = Fill {
        closed_pnl: number("-99999999999999.999999999999999999"),
        fee: number("99999999999999.999999999999999999"),
        ..fill(
            "@1",
            "B",
            "9.9999999999",
            "99999999999.9999999999",
            "99999999999999.999999999999999999",
        )
    };
    assert!(large.is_sound());
    for at in 0..20u64 {
        let frame: Vec<Fill> = (0..500).map(|n| nth(1, at * 500 + n, large)).collect();
        bed.live(&frame);
    }
    bed.status(1, "filled", "99999.999999", "0");
    let exact = large.px.checked_mul(large.sz).and_then(|one| one.checked_mul(10_000u64.into()));
    assert_eq!(Some(bed.signals[0].notional), exact);
}

#[test]
fn an_order_that_rests_for_days_goes_on_with_its_next_revision() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(1, 1, "1", "0")]);
    bed.wait(30 * DAY);
    bed.live(&[buy(1, 2, "1", "1")]);
    bed.status(1, "filled", "2", "0");
    assert_eq!(bed.signals[1].order_size.to_string(), "2");
    bed.expect("Open Long 1 1 more timeout; Open Long 2 1 final status");
}

#[test]
fn a_fill_found_after_an_outage_of_hours_goes_on_with_the_next_revision() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(1, 1, "1", "0")]);
    bed.status(1, "filled", "2", "0");
    bed.step(&Input::Disconnected { address: ME });
    bed.wait(5 * 3600 * SECOND);
    bed.snapshot(&[buy(1, 1, "1", "0"), buy(1, 2, "1", "1")]);
    bed.expect("Open Long 1 1 more grace; Open Long 2 1 final status");
}

#[test]
fn orders_beyond_the_room_go_as_soon_as_they_can_be_spared() {
    let mut bed = Bed::watching(Policy { emit: Emit::Frame, ..Policy::default() });
    let room = ORDERS_ROOM as u64;
    bed.live(&spot_fills(1, room + 1));
    bed.wait(2 * DAY);
    assert_eq!(bed.core.orders(), ORDERS_ROOM);
    bed.live(&spot_fills(room + 1, room + 100));
    assert_eq!(bed.core.orders(), ORDERS_ROOM + 99);
    bed.wait(DAY);
    assert_eq!((bed.core.orders(), bed.core.legs.len()), (ORDERS_ROOM, ORDERS_ROOM));
    // Complete ones go first.
    bed.live(&spot_fills(room + 100, room + 200));
    for oid in room + 100..room + 200 {
        bed.status(oid, "filled", "1", "0");
    }
    bed.wait(120 * SECOND);
    assert_eq!(bed.core.orders(), ORDERS_ROOM);
    assert!(bed.core.by_oid.contains_key(&(room + 99)));
}

#[test]
fn an_account_that_is_followed_no_longer_gives_its_room_back() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&spot_fills(1, 5_000));
    bed.step(&Input::Unwatch { address: ME });
    let account = &bed.core.accounts[0];
    assert_eq!((account.keys.len(), account.held.capacity()), (1, 0));
    assert!(account.keys.capacity() < 10);
    // What was taken stays taken.
    bed.step(&Input::Watch { address: ME, start: StartFrom::Snapshot });
    assert_eq!(bed.live(&spot_fills(1, 5_000)), Admission::Nothing);
}

#[test]
fn statuses_that_wait_are_bounded() {
    let mut bed = Bed::watching(Policy::default());
    let statuses: Vec<OrderStatus> = (0..=WAITING_STATUSES_MAX as u64)
        .map(|oid| order_status(oid, "filled", "1", "0"))
        .collect();
    let (early, late) = statuses.split_at(10);
    bed.step(&Input::Statuses(early));
    // The oldest is heard again, which the journal of an earlier version may hold.
    bed.now_ns += MS;
    bed.step(&Input::Statuses(&early[..1]));
    bed.step(&Input::Statuses(late));
    assert_eq!(bed.core.waiting.len(), WAITING_STATUSES_MAX);
    assert!(bed.core.waiting.contains_key(&0) && !bed.core.waiting.contains_key(&1));
    assert_eq!(bed.core.waiting_order.len(), WAITING_STATUSES_MAX);
}

#[test]
fn timers_do_not_pile_up_on_a_busy_order() {
    let mut bed = Bed::watching(Policy { emit: Emit::Frame, ..Policy::default() });
    for n in 0..2_000 {
        bed.live(&[nth(1, n, fill("@1", "B", "1", "5", "0"))]);
        bed.now_ns += MS;
    }
    assert!(bed.core.timers.len() <= 2, "{}", bed.core.timers.len());
}

#[test]
fn orders_that_come_and_go_leave_no_timers_behind() {
    let mut bed = Bed::watching(Policy { emit: Emit::Frame, ..Policy::default() });
    for n in 1..1_000 {
        bed.live(&spot_fills(n, n + 1));
        bed.status(n, "filled", "1", "0");
        bed.wait(11 * SECOND);
        assert!(bed.core.orders() <= 1);
        assert!(bed.core.timers.len() <= 70, "{} timers", bed.core.timers.len());
    }
    // What counts is kept: an order without an end is signalled in time.
    bed.step(&Input::Policy(Policy::default()));
    bed.signals.clear();
    bed.live(&spot_fills(1_000, 1_001));
    for n in 1_001..1_100 {
        bed.live(&spot_fills(n, n + 1));
        bed.status(n, "filled", "1", "0");
    }
    bed.wait(300 * SECOND);
    assert_eq!(
        bed.signals.last().map(|signal| (signal.oid, signal.trigger)),
        Some((1_000, Trigger::Timeout))
    );
}

#[test]
fn timers_that_no_longer_count_do_not_decide_how_far_an_input_goes() {
    let mut bed = Bed::watching(Policy::default());
    let count = TIMERS_PER_INPUT_MAX as u64 + 500;
    // The time-outs of orders that are gone come before those of as many that are there.
    bed.live(&spot_fills(1, 1 + count));
    bed.now_ns += SECOND;
    bed.live(&spot_fills(1 + count, 1 + 2 * count));
    let statuses: Vec<OrderStatus> =
        (1..=count).map(|oid| order_status(oid, "filled", "1", "0")).collect();
    statuses.chunks(1_000).for_each(|part| bed.step(&Input::Statuses(part)));
    bed.wait(12 * SECOND);
    assert_eq!(bed.core.orders() as u64, count);
    // A shard that looks when to wake has dropped what is gone; its replay has not.
    assert_eq!(bed.core.timers.len() as u64, count);
    bed.now_ns += 300 * SECOND;
    assert_eq!(events_of(&mut bed, &Input::Tick) as u64, TIMER_SIGNALS_PER_INPUT_MAX);
}

#[test]
#[should_panic(expected = "time never goes back")]
fn time_that_goes_back_is_the_callers_mistake() {
    let mut core = Core::new();
    core.step(2, &Input::Tick, &mut ());
    core.step(1, &Input::Tick, &mut ());
}

/// The digest tells steps, also those that change nothing else.
fn hash_without_digest(core: &mut Core) -> u64 {
    let digest = std::mem::take(&mut core.digest);
    let hash = core.state_hash();
    core.digest = digest;
    hash
}

#[test]
fn inputs_of_strangers_change_nothing() {
    let mut bed = Bed::watching(Policy::default());
    let before = hash_without_digest(&mut bed.core);
    let (address, fills) = (Address([9; 20]), &[buy(1, 1, "1", "0")][..]);
    let baseline = crate::input::Baseline {
        newest_ms: 5,
        newest: fills,
        chain: &[],
        orders: &[(1, Decimal::ONE)],
    };
    for input in [
        Input::Unwatch { address },
        Input::Disconnected { address },
        Input::Baseline { address, baseline },
        Input::Fills { address, origin: Origin::Live, fills },
        Input::BackfillFailed { address },
        Input::Worth { address, account_value: Some(Decimal::ONE), spot_total: None },
        // A second baseline is none.
        Input::Baseline { address: ME, baseline },
    ] {
        assert_eq!(events_of(&mut bed, &input), 0);
        assert_eq!(hash_without_digest(&mut bed.core), before, "{input:?}");
    }
}

#[test]
fn orders_that_share_an_id_are_forgotten_one_by_one() {
    let accounts = [Address([1; 20]), Address([2; 20]), Address([3; 20])];
    // Which of the three is complete and goes, in a list of which the newest stands first.
    for gone in 0..3 {
        let mut bed = Bed::new(Policy { emit: Emit::Frame, ..Policy::default() });
        for (n, address) in accounts.into_iter().enumerate() {
            bed.step(&Input::Watch { address, start: StartFrom::Snapshot });
            let sz = if n == gone { "2" } else { "1" };
            let origin = Origin::Snapshot { last: true, reaches: true };
            bed.step(&Input::Fills { address, origin, fills: &[buy(1, 1, sz, "0")] });
        }
        bed.status(1, "filled", "2", "0");
        bed.wait(20 * SECOND);
        assert_eq!(bed.core.orders(), 2);
        bed.signals.clear();
        for (n, address) in accounts.into_iter().enumerate() {
            let start = if n == gone { "2" } else { "1" };
            let fills = &[buy(1, 2, "1", start)];
            bed.step(&Input::Fills { address, origin: Origin::Live, fills });
        }
        let found: Vec<(Address, u32)> =
            bed.signals.iter().map(|signal| (signal.address, signal.revision)).collect();
        let mut wanted = accounts.map(|address| (address, 2));
        wanted[gone].1 = 1;
        assert_eq!(found, wanted);
    }
}

#[test]
fn the_state_hash_sees_why_fills_are_held() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(1, 1, "1", "0")]);
    let mut hashes = vec![bed.core.state_hash()];
    bed.live(&[buy(1, 3, "1", "2")]);
    hashes.push(bed.core.state_hash());
    bed.wait(SECOND);
    hashes.push(bed.core.state_hash());
    bed.wait(30 * SECOND);
    hashes.push(bed.core.state_hash());
    let mut many = Bed::watching(Policy::default());
    many.live(&spot_fills(1, 2));
    many.step(&Input::Disconnected { address: ME });
    many.snapshot(&spot_fills(1, 4 + TAKEN_PER_INPUT_MAX as u64));
    assert_eq!(many.core.accounts[0].held.len(), 2);
    hashes.push(many.core.state_hash());
    let different: std::collections::BTreeSet<u64> = hashes.iter().copied().collect();
    assert_eq!(different.len(), hashes.len());
    assert_eq!(Core::default().state_hash(), Core::new().state_hash());
    assert_eq!(
        (Core::new().counts(), *Core::new().policy()),
        (Counts::default(), Policy::default())
    );
}

#[test]
fn the_state_hash_sees_what_a_signal_will_say() {
    let base = buy(1, 1, "1", "0");
    let hash_of = |fill: Fill| {
        let mut bed = Bed::watching(Policy::default());
        bed.live(&[fill]);
        bed.core.state_hash()
    };
    let fee = "0.02".parse().expect("a decimal");
    let variants = [
        base,
        Fill { cloid: Some([1; 16]), ..base },
        Fill { fee, ..base },
        Fill { fee_token: "USDH".into(), ..base },
        Fill { dir: Dir::Settlement, ..base },
        Fill { dir: Dir::new("Odd"), ..base },
        Fill { coin: Coin::new("ETH"), ..base },
    ];
    let hashes: std::collections::BTreeSet<u64> = variants.map(hash_of).into_iter().collect();
    assert_eq!(hashes.len(), variants.len());
}
