//! Tests of the state machine, each named after what it promises.

use super::*;
use crate::codec::{self, Scratch};
use crate::decimal::Decimal;
use crate::event::{Gap, Signal, Trigger};
use crate::fill::{Dir, Fill};
use crate::fixture::fill;
use crate::input::{Emit, FILLS_PER_INPUT_MAX, Origin};
use crate::text::Label;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const DAY: u64 = 24 * 3600 * SECOND;
const ME: Address = Address([7; 20]);

/// A shard with its journal and what came out.
struct Bed {
    core: Core,
    now_ns: u64,
    journal: Vec<(u64, u16, Vec<u8>)>,
    events: Vec<Vec<u8>>,
    signals: Vec<Signal>,
    gaps: Vec<Gap>,
    requests: Vec<Request>,
    admitted: Admitted,
}

#[derive(Default)]
struct Taken {
    events: Vec<Vec<u8>>,
    signals: Vec<Signal>,
    gaps: Vec<Gap>,
    requests: Vec<Request>,
}

impl Effects for Taken {
    fn event(&mut self, event: &Event) {
        let mut body = Vec::new();
        codec::encode_event(event, &mut body);
        self.events.push(body);
        match event {
            Event::Signal(signal) => self.signals.push(*signal),
            Event::Gap(gap) => self.gaps.push(*gap),
        }
    }

    fn request(&mut self, request: Request) {
        self.requests.push(request);
    }
}

impl Bed {
    fn new(policy: Policy) -> Bed {
        let mut bed = Bed {
            core: Core::new(),
            now_ns: 1_000 * SECOND,
            journal: Vec::new(),
            events: Vec::new(),
            signals: Vec::new(),
            gaps: Vec::new(),
            requests: Vec::new(),
            admitted: Admitted::default(),
        };
        bed.step(&Input::Policy(policy));
        bed
    }

    /// Watching [`ME`], whose first snapshot was empty.
    fn watching(policy: Policy) -> Bed {
        let mut bed = Bed::new(policy);
        bed.step(&Input::Watch { address: ME, start: StartFrom::Now });
        bed.snapshot(&[]);
        bed
    }

    fn step(&mut self, input: &Input<'_>) {
        let mut body = Vec::new();
        codec::encode_input(input, &mut body);
        self.journal.push((self.now_ns, codec::input_kind(input), body));
        let mut taken = Taken::default();
        self.core.step(self.now_ns, input, &mut taken);
        self.events.extend(taken.events);
        self.signals.extend(taken.signals);
        self.gaps.extend(taken.gaps);
        self.requests.extend(taken.requests);
    }

    fn frame(&mut self, snapshot: bool, fills: &[Fill]) -> Admission {
        let mut admitted = std::mem::take(&mut self.admitted);
        let admission = self.core.admit(&ME, snapshot, fills, &mut admitted);
        match admission {
            Admission::Baseline => {
                self.step(&Input::Baseline { address: ME, baseline: admitted.baseline() });
            }
            Admission::Fills { reaches } => {
                let count = admitted.fills.len().div_ceil(FILLS_PER_INPUT_MAX).max(1);
                for at in 0..count {
                    let start = at * FILLS_PER_INPUT_MAX;
                    let end = admitted.fills.len().min(start + FILLS_PER_INPUT_MAX);
                    let last = at + 1 == count;
                    let origin =
                        if snapshot { Origin::Snapshot { last, reaches } } else { Origin::Live };
                    let fills = &admitted.fills[start..end];
                    self.step(&Input::Fills { address: ME, origin, fills });
                }
            }
            Admission::Nothing | Admission::NotWatched => {}
        }
        self.admitted = admitted;
        admission
    }

    fn live(&mut self, fills: &[Fill]) -> Admission {
        self.frame(false, fills)
    }

    fn snapshot(&mut self, fills: &[Fill]) -> Admission {
        self.frame(true, fills)
    }

    fn backfill(&mut self, fills: &[Fill]) {
        let origin = Origin::Backfill { last: true };
        self.step(&Input::Fills { address: ME, origin, fills });
    }

    fn status(&mut self, oid: u64, status: &str, orig: &str, rest: &str) {
        let status = order_status(oid, status, orig, rest);
        let mut admitted = std::mem::take(&mut self.admitted);
        if self.core.admit_statuses(&[status], &mut admitted) {
            self.step(&Input::Statuses(&admitted.statuses));
        }
        self.admitted = admitted;
    }

    fn wait(&mut self, ns: u64) {
        let until_ns = self.now_ns + ns;
        while let Some(deadline_ns) = self.core.next_deadline_ns().filter(|d| *d <= until_ns) {
            self.now_ns = self.now_ns.max(deadline_ns);
            self.step(&Input::Tick);
        }
        self.now_ns = until_ns;
    }

    /// `leg revision size final trigger`, one signal after the other.
    #[track_caller]
    fn expect(&mut self, wanted: &str) {
        let text: Vec<String> = self
            .signals
            .drain(..)
            .map(|s| {
                let end = if s.is_final { "final" } else { "more" };
                format!("{} {} {} {end} {}", s.leg.as_str(), s.revision, s.size, s.trigger.as_str())
            })
            .collect();
        assert_eq!(text.join("; "), wanted);
    }

    /// A core behind the journal, and the events it made again.
    fn replayed(&self) -> (Core, Vec<Vec<u8>>) {
        let mut core = Core::new();
        let mut scratch = Scratch::default();
        let mut taken = Taken::default();
        for (now_ns, kind, body) in &self.journal {
            let input = codec::decode_input(*kind, body, &mut scratch).expect("our own record");
            core.step(*now_ns, &input, &mut taken);
        }
        (core, taken.events)
    }

    /// The process ends and begins again: what it knows is what its journal has.
    fn restart(&mut self) {
        self.core = self.replayed().0;
        self.step(&Input::Started);
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let (core, events) = self.replayed();
            assert_eq!(core.state_hash(), self.core.state_hash(), "a replay gives the same state");
            assert!(events == self.events, "a replay gives the same events");
            let mut bytes = Vec::new();
            self.core.encode(&mut bytes);
            let copy = Core::decode(&bytes).expect("our own state");
            assert_eq!(copy.state_hash(), self.core.state_hash(), "a copy has the same state");
            assert_eq!(copy.unsignalled(), self.core.unsignalled());
        }
    }
}

fn order_status(oid: u64, status: &str, orig: &str, rest: &str) -> OrderStatus {
    let number = |text: &str| text.parse().expect("a decimal");
    OrderStatus {
        oid,
        status: Label::new(status),
        orig_sz: number(orig),
        sz: number(rest),
        time_ms: 1,
    }
}

/// The `n`-th fill of order `oid`.
fn nth(oid: u64, n: u64, base: Fill) -> Fill {
    Fill { oid, tid: oid * 1000 + n, time_ms: 1_000 + n, ..base }
}

fn buy(oid: u64, n: u64, sz: &str, start: &str) -> Fill {
    nth(oid, n, fill("BTC", "B", sz, "100", start))
}

#[test]
fn status_after_fills_emits_the_leg_at_once() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(1, 1, "1", "0"), buy(1, 2, "0.5", "1")]);
    bed.expect("");
    bed.status(1, "filled", "1.5", "0");
    let signal = bed.signals[0];
    assert_eq!(signal.status, Some(Label::new("filled")));
    assert_eq!((signal.fills, signal.timestamp_ms), (2, 1_001));
    assert_eq!(signal.price.to_string(), "100");
    assert_eq!(signal.order_notional.to_string(), "150");
    bed.expect("Open Long 1 1.5 final status");
}

#[test]
fn status_before_fills_is_kept_and_emits_with_the_last_fill() {
    let mut bed = Bed::watching(Policy::default());
    bed.status(1, "filled", "1.5", "0.0");
    bed.live(&[buy(1, 1, "1", "0")]);
    bed.expect("");
    bed.live(&[buy(1, 2, "0.5", "1")]);
    bed.expect("Open Long 1 1.5 final status");
}

#[test]
fn an_early_flush_does_not_happen_on_the_first_of_several_fills() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(1, 1, "1", "0")]);
    bed.status(1, "filled", "3", "0");
    bed.expect("");
    bed.live(&[buy(1, 2, "2", "1")]);
    bed.expect("Open Long 1 3 final status");
}

#[test]
fn fills_that_do_not_add_up_are_emitted_after_the_grace_and_late_ones_follow() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(1, 1, "1", "0")]);
    bed.status(1, "canceled", "5", "2");
    bed.wait(SECOND);
    bed.expect("");
    bed.wait(SECOND);
    bed.expect("Open Long 1 1 more grace");
    bed.live(&[buy(1, 2, "2", "1")]);
    assert_eq!(bed.signals[0].order_size.to_string(), "3");
    bed.expect("Open Long 2 2 final status");
}

#[test]
fn without_a_status_the_time_out_emits_and_goes_on_listening() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(1, 1, "1", "0")]);
    bed.wait(200 * SECOND);
    bed.live(&[buy(1, 2, "1", "1")]);
    bed.wait(99 * SECOND);
    bed.expect("");
    bed.wait(SECOND);
    bed.expect("Open Long 1 2 more timeout");
    bed.live(&[buy(1, 3, "1", "2")]);
    bed.status(1, "filled", "3", "0");
    bed.expect("Open Long 2 1 final status");
}

#[test]
fn an_ended_order_emits_an_empty_final_only_when_asked_to() {
    for (emit_final, wanted) in [(false, ""), (true, "Open Long 2 0 final status")] {
        let mut bed = Bed::watching(Policy { emit_final, ..Policy::default() });
        bed.live(&[buy(1, 1, "1", "0")]);
        bed.wait(300 * SECOND);
        bed.expect("Open Long 1 1 more timeout");
        bed.status(1, "filled", "1", "0");
        bed.expect(wanted);
    }
}

#[test]
fn a_fill_is_counted_once_whatever_repeats_it() {
    let mut bed = Bed::watching(Policy::default());
    let fills = [buy(1, 1, "1", "0"), buy(1, 2, "1", "1")];
    bed.live(&fills);
    assert_eq!(bed.live(&fills), Admission::Nothing);
    assert_eq!(bed.snapshot(&fills), Admission::Nothing);
    bed.step(&Input::Disconnected { address: ME });
    assert_eq!(bed.snapshot(&fills), Admission::Fills { reaches: true });
    // Even an input that was not admitted first changes nothing.
    bed.step(&Input::Fills { address: ME, origin: Origin::Live, fills: &fills });
    bed.status(1, "filled", "2", "0");
    bed.expect("Open Long 1 2 final status");
    assert_eq!(bed.core.counts().fills, 2);
}

#[test]
fn equal_looking_fills_with_different_trade_ids_are_both_counted() {
    let mut bed = Bed::watching(Policy::default());
    let one = fill("@1", "B", "1", "2", "0");
    let dust = Fill { tid: 0, dir: Dir::new("Spot Dust Conversion"), ..one };
    bed.live(&[one, Fill { tid: 2, ..one }, dust, dust, Fill { oid: 9, ..dust }]);
    assert_eq!(bed.core.counts().fills, 4);
}

#[test]
fn flip_legs_go_out_closing_first_and_share_the_fill() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[nth(1, 1, fill("BTC", "A", "3", "10", "2"))]);
    bed.status(1, "filled", "3", "0");
    assert_eq!(bed.signals[0].close_rate, Decimal::ONE);
    assert_eq!(bed.signals[1].close_rate, Decimal::ZERO);
    bed.expect("Close Long 1 2 final status; Open Short 1 1 final status");
}

#[test]
fn close_rate_is_exact_for_shorts_too_and_uses_the_position_before_the_leg() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[
        nth(1, 1, fill("BTC", "B", "1", "10", "-8")),
        nth(1, 2, fill("BTC", "B", "1", "10", "-7")),
    ]);
    bed.status(1, "filled", "2", "0");
    assert_eq!(bed.signals[0].close_rate.to_string(), "0.25");
}

#[test]
fn position_rate_uses_the_worth_of_its_market_and_is_unknown_without() {
    let mut bed = Bed::watching(Policy { emit: Emit::Frame, ..Policy::default() });
    bed.live(&[buy(1, 1, "2", "0")]);
    assert_eq!(bed.signals[0].position_rate, None);
    let worth = |text: &str| Some(text.parse().expect("a decimal"));
    let input = Input::Worth { address: ME, account_value: worth("1000"), spot_total: worth("50") };
    bed.step(&input);
    assert!(!bed.core.admits_worth(&ME, worth("1000"), None));
    assert!(bed.core.admits_worth(&ME, worth("1000"), worth("51")));
    bed.live(&[buy(2, 1, "2", "2"), nth(3, 1, fill("@1", "B", "2", "5", "0"))]);
    assert_eq!(bed.signals[1].position_rate.map(|rate| rate.to_string()).as_deref(), Some("20"));
    assert_eq!(bed.signals[2].position_rate.map(|rate| rate.to_string()).as_deref(), Some("20"));
}

#[test]
fn frame_mode_emits_each_frame_and_names_the_end() {
    let mut bed = Bed::watching(Policy { emit: Emit::Frame, ..Policy::default() });
    bed.live(&[buy(1, 1, "1", "0"), buy(1, 2, "1", "1"), buy(2, 3, "1", "2")]);
    bed.expect("Open Long 1 2 more frame; Open Long 1 1 more frame");
    bed.status(1, "filled", "3", "0");
    bed.live(&[nth(1, 9, fill("BTC", "B", "1", "100", "3"))]);
    bed.expect("Open Long 2 1 final frame");
}

#[test]
fn the_first_snapshot_is_old_and_an_order_in_it_goes_on_with_partial_history() {
    let mut bed = Bed::new(Policy::default());
    bed.step(&Input::Watch { address: ME, start: StartFrom::Now });
    assert_eq!(bed.snapshot(&[buy(1, 1, "1", "0"), buy(1, 2, "1", "1")]), Admission::Baseline);
    bed.live(&[buy(1, 2, "1", "1"), buy(1, 3, "1", "2")]);
    bed.status(1, "filled", "3", "0");
    assert!(bed.signals[0].partial_history);
    bed.expect("Open Long 1 1 final status");
    // Old fills do not come back with a later snapshot either.
    assert_eq!(bed.snapshot(&[buy(1, 1, "1", "0"), buy(1, 3, "1", "2")]), Admission::Nothing);
}

#[test]
fn start_from_snapshot_takes_the_snapshot_as_news() {
    let mut bed = Bed::new(Policy::default());
    bed.step(&Input::Watch { address: ME, start: StartFrom::Snapshot });
    bed.snapshot(&[buy(1, 1, "1", "4"), buy(1, 2, "1", "5")]);
    bed.status(1, "filled", "2", "0");
    assert!(!bed.signals[0].partial_history);
    bed.expect("Open Long 1 2 final status");
    assert_eq!(bed.requests, []);
}

#[test]
fn live_fills_before_the_baseline_wait_for_it() {
    let mut bed = Bed::new(Policy::default());
    bed.step(&Input::Watch { address: ME, start: StartFrom::Now });
    bed.live(&[buy(1, 2, "1", "1")]);
    bed.snapshot(&[buy(1, 1, "1", "0")]);
    bed.status(1, "filled", "2", "0");
    bed.expect("Open Long 1 1 final status");
}

#[test]
fn frames_swapped_inside_a_millisecond_mend_themselves() {
    let mut bed = Bed::watching(Policy::default());
    let at = |n: u64, start: &str| Fill { time_ms: 1_005, ..buy(1, n, "1", start) };
    bed.live(&[at(1, "0")]);
    bed.live(&[at(3, "2")]);
    assert_eq!(bed.core.counts().fills, 1);
    bed.wait(5 * MS);
    bed.live(&[at(2, "1")]);
    assert_eq!(bed.core.counts().fills, 3);
    bed.wait(SECOND);
    assert_eq!(bed.requests, []);
}

#[test]
fn the_first_half_of_a_block_may_come_last_for_a_coin_that_is_new() {
    let mut bed = Bed::watching(Policy::default());
    let at = |n: u64, start: &str| Fill { time_ms: 1_005, ..buy(1, n, "1", start) };
    bed.live(&[at(3, "7"), at(4, "8")]);
    bed.live(&[at(1, "5"), at(2, "6")]);
    bed.live(&[Fill { time_ms: 1_006, ..buy(1, 5, "1", "9") }]);
    bed.wait(SECOND);
    assert_eq!((bed.core.counts().fills, &bed.requests[..], &bed.gaps[..]), (5, &[][..], &[][..]));
    // A known chain does not let it happen: what came before is known.
    bed.live(&[Fill { time_ms: 1_006, ..buy(1, 6, "1", "2") }]);
    bed.wait(SECOND);
    assert_eq!((bed.core.counts().fills, bed.requests.len()), (5, 1));
}

#[test]
fn the_first_halves_of_two_new_coins_may_come_last_side_by_side() {
    let mut bed = Bed::watching(Policy::default());
    let at = |coin: &str, n: u64, start: &str| Fill {
        time_ms: 1_005,
        ..nth(n, n, fill(coin, "B", "1", "100", start))
    };
    bed.live(&[at("BTC", 5, "7"), at("ETH", 6, "3")]);
    bed.live(&[at("BTC", 1, "5"), at("ETH", 2, "1"), at("BTC", 3, "6"), at("ETH", 4, "2")]);
    bed.wait(SECOND);
    assert_eq!((bed.core.counts().fills, &bed.requests[..], &bed.gaps[..]), (6, &[][..], &[][..]));
}

#[test]
fn a_broken_chain_asks_for_the_missing_fills_and_goes_on_in_order() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(1, 1, "1", "0")]);
    bed.live(&[buy(1, 3, "1", "2")]);
    bed.wait(SECOND);
    assert_eq!(bed.requests, [Request::Backfill { address: ME, from_ms: 1_001 }]);
    bed.live(&[buy(1, 4, "1", "3")]);
    assert_eq!(bed.core.counts().fills, 1);
    bed.backfill(&[buy(1, 1, "1", "0"), buy(1, 2, "1", "1"), buy(1, 3, "1", "2")]);
    bed.status(1, "filled", "4", "0");
    bed.expect("Open Long 1 4 final status");
    assert_eq!(bed.gaps, []);
}

#[test]
fn what_cannot_be_recovered_is_told_and_the_stream_goes_on() {
    for given_up in [false, true] {
        let mut bed = Bed::watching(Policy::default());
        bed.live(&[buy(1, 1, "1", "0")]);
        bed.live(&[buy(1, 3, "1", "2")]);
        bed.wait(SECOND);
        if given_up {
            bed.step(&Input::BackfillFailed { address: ME });
        } else {
            bed.backfill(&[]);
        }
        let gap = bed.gaps[0];
        assert_eq!((gap.from_ms, gap.to_ms), (1_001, 1_003));
        assert_eq!((gap.expected.to_string(), gap.found.to_string()), ("1".into(), "2".into()));
        bed.live(&[buy(1, 4, "1", "3")]);
        assert_eq!((bed.core.counts().fills, bed.core.counts().gaps), (3, 1));
    }
}

#[test]
fn a_hold_asks_again_and_ends_by_itself() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(1, 2, "1", "0")]);
    bed.live(&[buy(1, 4, "1", "2")]);
    bed.wait(299 * SECOND);
    assert_eq!(bed.requests.len(), 10);
    assert_eq!(bed.gaps.len(), 0);
    bed.wait(2 * SECOND);
    assert_eq!(bed.gaps.len(), 1);
    assert_eq!(bed.core.counts().fills, 2);
}

#[test]
fn a_snapshot_that_does_not_reach_back_is_completed_by_rest() {
    let mut bed = Bed::watching(Policy::default());
    // Spot has no chain: only the reach of the snapshot shows the hole.
    let spot = |n: u64| nth(n, n, fill("@1", "B", "1", "5", "0"));
    bed.live(&[spot(1)]);
    bed.step(&Input::Disconnected { address: ME });
    bed.snapshot(&[spot(4), spot(5)]);
    assert_eq!(bed.requests, [Request::Backfill { address: ME, from_ms: 1_001 }]);
    bed.live(&[spot(6)]);
    assert_eq!(bed.core.counts().fills, 1);
    bed.backfill(&[spot(1), spot(2), spot(3), spot(4), spot(5)]);
    assert_eq!(bed.core.counts().fills, 6);
    assert_eq!(bed.gaps, []);
}

#[test]
fn after_a_reconnect_live_fills_wait_for_the_snapshot() {
    let mut bed = Bed::watching(Policy::default());
    let spot = |n: u64| nth(n, n, fill("@1", "B", "1", "5", "0"));
    bed.live(&[spot(1)]);
    bed.step(&Input::Started);
    bed.live(&[spot(3)]);
    assert_eq!(bed.core.counts().fills, 1);
    bed.snapshot(&[spot(1), spot(2)]);
    assert_eq!(bed.core.counts().fills, 3);
}

#[test]
fn an_unknown_label_is_emitted_and_forgotten_like_any_other() {
    let mut bed = Bed::watching(Policy::default());
    let odd = Fill { dir: Dir::new("Merge Question"), ..buy(1, 1, "1", "0") };
    bed.live(&[odd]);
    bed.wait(300 * SECOND);
    assert_eq!(bed.signals[0].direction, crate::event::Direction::Other);
    bed.expect("Merge Question 1 1 more timeout");
    bed.wait(91 * DAY);
    assert_eq!(bed.core.orders(), 0);
    assert!(bed.core.legs.is_empty() && bed.core.by_oid.is_empty());
}

#[test]
fn two_accounts_with_the_same_order_id_stay_apart() {
    let mut bed = Bed::watching(Policy::default());
    let other = Address([8; 20]);
    bed.step(&Input::Watch { address: other, start: StartFrom::Snapshot });
    let origin = Origin::Snapshot { last: true, reaches: true };
    bed.live(&[buy(1, 1, "1", "0")]);
    bed.step(&Input::Fills { address: other, origin, fills: &[buy(1, 1, "1", "0")] });
    bed.status(1, "filled", "1", "0");
    let mut addresses: Vec<Address> = bed.signals.iter().map(|s| s.address).collect();
    addresses.sort();
    assert_eq!(addresses, [ME, other]);
    bed.wait(2 * 3600 * SECOND);
    assert!(bed.core.by_oid.is_empty() && bed.core.orders() == 0);
}

#[test]
fn statuses_that_say_nothing_new_do_not_reach_the_journal() {
    let mut bed = Bed::watching(Policy::default());
    let admits = |bed: &mut Bed, status: OrderStatus| {
        let mut admitted = Admitted::default();
        bed.core.admit_statuses(&[status], &mut admitted)
    };
    assert!(!admits(&mut bed, order_status(5, "open", "1", "1")));
    assert!(!admits(&mut bed, order_status(5, "canceled", "1", "1")));
    assert!(admits(&mut bed, order_status(5, "canceled", "2", "1")));
    bed.status(5, "canceled", "2", "1");
    assert!(!admits(&mut bed, order_status(5, "canceled", "2", "1")));
    bed.live(&[buy(5, 1, "1", "0")]);
    bed.expect("Open Long 1 1 final status");
    assert!(!admits(&mut bed, order_status(5, "filled", "2", "1")));
}

#[test]
fn waiting_statuses_are_forgotten_in_time() {
    let mut bed = Bed::watching(Policy::default());
    bed.status(5, "canceled", "2", "1");
    bed.wait(601 * SECOND);
    bed.live(&[buy(6, 1, "1", "0")]);
    assert!(bed.core.waiting.is_empty() && bed.core.waiting_order.is_empty());
}

#[test]
fn orders_whose_end_may_have_been_missed_are_named() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(2, 1, "1", "0"), buy(1, 1, "1", "1")]);
    bed.status(2, "filled", "1", "0");
    let mut open = Vec::new();
    bed.core.orders_without_end(|address, oid| open.push((address, oid)));
    assert_eq!(open, [(ME, 1)]);
}

#[test]
fn an_account_watched_again_begins_anew() {
    let mut bed = Bed::watching(Policy::default());
    bed.live(&[buy(1, 1, "1", "0")]);
    bed.step(&Input::Unwatch { address: ME });
    assert_eq!(bed.core.watched().count(), 0);
    assert_eq!(bed.live(&[buy(1, 2, "1", "1")]), Admission::NotWatched);
    bed.step(&Input::Watch { address: ME, start: StartFrom::Now });
    assert_eq!(bed.snapshot(&[buy(1, 1, "1", "0"), buy(1, 2, "1", "1")]), Admission::Baseline);
    bed.live(&[buy(1, 3, "1", "2")]);
    assert_eq!((bed.core.counts().fills, bed.gaps.len()), (2, 0));
    bed.wait(300 * SECOND);
    bed.expect("Open Long 1 2 more timeout");
}

#[test]
fn symbols_are_taken_from_the_table_and_the_raw_coin_stands_in() {
    let mut bed = Bed::watching(Policy { emit: Emit::Frame, ..Policy::default() });
    bed.live(&[buy(1, 1, "1", "0")]);
    let entry = SymbolEntry {
        coin: Coin::new("BTC"),
        symbol: "BTCUSDC".into(),
        asset_type: AssetType::Futures,
        coin_type: b'A',
    };
    bed.step(&Input::Symbols(&[entry]));
    assert_eq!(bed.core.symbol(&Coin::new("BTC")), Some(&entry));
    bed.live(&[buy(2, 1, "1", "1")]);
    let named: Vec<_> = bed.signals.iter().map(|s| (s.symbol.as_str(), s.coin_type)).collect();
    assert_eq!(named, [("BTC", b'D'), ("BTCUSDC", b'A')]);
}

#[test]
fn keys_are_forgotten_behind_the_window_and_stay_old() {
    let mut bed = Bed::watching(Policy { dedup_window_ms: 10, ..Policy::default() });
    let old = buy(1, 1, "1", "0");
    bed.live(&[old]);
    bed.live(&[Fill { time_ms: 2_000, ..buy(1, 2, "1", "1") }]);
    assert_eq!(bed.core.accounts[0].keys.len(), 1);
    assert_eq!(bed.live(&[old]), Admission::Nothing);
}

#[test]
fn unsound_fills_are_left_out_and_counted() {
    let mut bed = Bed::watching(Policy::default());
    let bad = Fill { sz: Decimal::ZERO, ..buy(1, 1, "1", "0") };
    assert_eq!(bed.live(&[bad]), Admission::Nothing);
    assert_eq!(bed.admitted.unsound, 1);
    bed.step(&Input::Fills { address: ME, origin: Origin::Live, fills: &[bad] });
    assert_eq!(bed.core.counts().fills, 0);
}

mod aggregate;
mod bounds;
mod digest;
mod faults;
mod fuzz;
mod golden;
mod hold;
mod joined;
mod logs;
mod order;
mod origin;
mod refuse;
mod reshard;
mod state;
mod timers;
