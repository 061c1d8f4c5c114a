//! What bytes claim costs nothing: a state that is read takes room for what is there, counted by the allocator. And a
//! cache that has been full takes no more room.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use shards::{Cache, Core, StateError};

/// Room per byte, as [`Core::decode`] promises, and what any state takes.
const PER_BYTE: usize = 64;
const ANY: usize = 4_096;

/// The system's allocator, counting what each thread has and had at most.
struct Counting;

thread_local! {
    static NOW: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

fn count(more: usize, less: usize) {
    // A block may be given back by a thread that did not take it.
    let now = (NOW.get() + more).saturating_sub(less);
    NOW.set(now);
    MOST.set(MOST.get().max(now));
    CALLS.set(CALLS.get() + usize::from(more > 0));
}

// SAFETY: every call goes to the system's allocator with the arguments it came with; counting
// touches constant-initialised thread-locals without destructors, which does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // Both blocks exist for a moment.
        count(bytes, 0);
        count(0, layout.size());
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { System.realloc(block, layout, bytes) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A state whose lists are those of `parts`: their number of items, and the items.
fn state(parts: [(u64, Vec<u8>); 5]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Core::new().encode(&mut bytes);
    // Without the five empty lists, and with generations for any number of orders.
    bytes.truncate(bytes.len() - parts.len());
    bytes.splice(2..3, [0xff, 0xff, 0xff, 0x7f]);
    for (count, items) in parts {
        varint(count, &mut bytes);
        bytes.extend(items);
    }
    bytes
}

/// `count` items, each by its number.
fn items(count: u64, item: impl Fn(u64, &mut Vec<u8>)) -> (u64, Vec<u8>) {
    let mut bytes = Vec::new();
    (0..count).for_each(|n| item(n, &mut bytes));
    (count, bytes)
}

/// The `n`-th text of four letters.
fn text(n: u64, out: &mut Vec<u8>) {
    out.push(4);
    out.extend([3, 2, 1, 0].map(|place| b'a' + (n / 26u64.pow(place) % 26) as u8));
}

fn none() -> (u64, Vec<u8>) {
    (0, Vec::new())
}

/// The account `n` with nothing but what `tail` says of its last list.
fn account(n: u64, tail: &[u8], out: &mut Vec<u8>) {
    out.extend(n.to_le_bytes());
    out.extend([0; 12 + 10]);
    out.extend(tail);
}

/// The smallest order, with the smallest leg.
fn order(n: u64, out: &mut Vec<u8>) {
    out.extend([1, 0]);
    varint(n, out);
    // No flags, no coin, nothing filled, a timer; a leg.
    out.extend([0, 0, 0, 0, 0, 0, 0, 1, 1]);
    out.extend([0; 14]);
}

fn fill(out: &mut Vec<u8>) {
    // Flags, three names, price, size 1, three more numbers; time, order, trade.
    out.extend([0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1]);
}

#[track_caller]
fn check(what: &str, bytes: &[u8], is_state: bool) {
    MOST.set(NOW.get());
    let before = NOW.get();
    let read = Core::decode(bytes);
    let room = MOST.get() - before;
    match read {
        Ok(_) => assert!(is_state, "{what}"),
        Err(error) => {
            assert!(!is_state, "{what}: {error}");
            assert!(matches!(error, StateError::Short { .. } | StateError::Invalid { .. }));
        }
    }
    assert!(room <= ANY + PER_BYTE * bytes.len(), "{what}: {room} for {} bytes", bytes.len());
}

#[test]
fn a_state_takes_room_for_what_is_there() {
    const MANY: u64 = 20_000;
    let one = || items(1, |n, out| account(n, &[0], out));
    let with = |tail: Vec<u8>| items(1, |n, out| account(n, &tail, out));
    let names = || items(MANY, text);
    let symbols = items(MANY, |n, out| {
        text(n, out);
        out.extend([0, 0, 0]);
    });
    let waiting = items(MANY, |n, out| {
        varint(n, out);
        out.extend([0; 4]);
    });
    let accounts = items(MANY, |n, out| account(n, &[0], out));
    let mut keys = Vec::new();
    varint(MANY, &mut keys);
    (0..MANY).for_each(|_| keys.extend([1, 0, 0]));
    let mut held = Vec::new();
    varint(MANY, &mut held);
    (0..MANY).for_each(|_| fill(&mut held));
    held.push(0);
    // In the place of the empty list of held fills.
    let holder = items(1, |n, out| {
        account(n, &[], out);
        out.pop();
        out.extend(&held);
    });
    let name = || items(1, text);
    for (what, parts) in [
        ("names", [names(), none(), none(), none(), none()]),
        ("symbols", [none(), symbols, none(), none(), none()]),
        ("waiting statuses", [none(), none(), waiting, none(), none()]),
        ("accounts", [none(), none(), none(), accounts, none()]),
        ("keys", [name(), none(), none(), with(keys), none()]),
        ("held fills", [none(), none(), none(), holder, none()]),
        ("orders", [none(), none(), none(), one(), items(MANY, order)]),
    ] {
        check(what, &state(parts), true);
    }
}

#[test]
fn a_count_that_lies_costs_nothing() {
    let lie = 1 << 60;
    let mut keys = Vec::new();
    varint(lie, &mut keys);
    keys.extend([1, 0, 0]);
    let one = |tail: &[u8]| items(1, |n, out| account(n, tail, out));
    for at in 0..5 {
        let mut parts = [none(), none(), none(), one(&[0]), none()];
        parts[at].0 = lie;
        check("a list", &state(parts), false);
    }
    check("keys", &state([items(1, text), none(), none(), one(&keys), none()]), false);
    let legs = items(1, |n, out| {
        order(n, out);
        out.truncate(out.len() - 15);
        varint(lie, out);
        out.extend([0; 14]);
    });
    check("legs", &state([none(), none(), none(), one(&[0]), legs]), false);
}

#[test]
fn a_cache_that_has_been_full_allocates_nothing() {
    let mut cache: Cache<u64, u64> = Cache::new(1_000);
    let turn = |cache: &mut Cache<u64, u64>, key: u64| {
        // Weights of 1 to 3: between 333 and 1000 entries.
        cache.insert(key, key, 1 + key % 3);
        cache.get(&(key / 2));
    };
    // Full of the lightest first, so that it has had as many entries as it can have.
    (0..1_000).for_each(|key| assert!(cache.insert(3 * key, key, 1)));
    let calls = CALLS.get();
    (3_000..203_000).for_each(|key| turn(&mut cache, key));
    assert_eq!(CALLS.get() - calls, 0, "allocations in 200,000 insertions");
    assert!(cache.counts().evictions > 190_000);
}
