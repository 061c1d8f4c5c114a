//! What is due comes up as from a sorted list: by deadline, then by owner, over jumps of time of months.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::core::timers::{Owner, Timers};

#[derive(Clone, Debug)]
enum Op {
    /// Sets a timer of an owner, so long after now.
    Set(u8, u64),
    /// Lets time go on: seconds, hours, days.
    Wait(u64),
    /// Drops what is not of even owners.
    Sweep,
}

fn ops() -> impl Strategy<Value = Op> {
    let spans = || prop_oneof![0u64..3, 0u64..5_000_000_000, 0u64..90 * 86_400_000_000_000];
    prop_oneof![
        8 => (any::<u8>(), spans()).prop_map(|(owner, span)| Op::Set(owner, span)),
        4 => spans().prop_map(Op::Wait),
        1 => Just(Op::Sweep),
    ]
}

fn owner(number: u8) -> Owner {
    match number % 8 {
        0 => Owner::Account(usize::from(number)),
        // Slab keys do not decide.
        _ => Owner::Order { generation: u64::from(number), key: usize::from(255 - number) },
    }
}

fn is_even(owner: Owner) -> bool {
    match owner {
        Owner::Account(key) => key % 2 == 0,
        Owner::Order { generation, .. } => generation % 2 == 0,
    }
}

proptest! {
    #[test]
    fn what_is_due_comes_up_as_from_a_sorted_list(ops in vec(ops(), 1..300)) {
        let (mut timers, mut list, mut now_ns) = (Timers::default(), BTreeSet::new(), 0u64);
        for op in ops {
            match op {
                Op::Set(number, span) => {
                    let entry = (now_ns.saturating_add(span), owner(number));
                    // An owner does not set the same deadline twice.
                    if list.insert(entry) {
                        timers.set(entry.0, entry.1);
                    }
                }
                Op::Wait(span) => {
                    now_ns = now_ns.saturating_add(span);
                    while let Some(due) = timers.first().filter(|(at_ns, _)| *at_ns <= now_ns) {
                        prop_assert_eq!(list.pop_first(), Some(due));
                        timers.pop();
                    }
                }
                Op::Sweep => {
                    timers.sweep(|_, owner| is_even(owner));
                    list.retain(|(_, owner)| is_even(*owner));
                }
            }
            prop_assert_eq!(timers.first(), list.first().copied());
            prop_assert_eq!(timers.len(), list.len());
        }
    }
}
