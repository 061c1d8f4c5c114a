//! Decoding allocates in proportion to the bytes it was given, whatever they claim: counted.

use book::{
    Book, BookConfig, Command, Discard, Lots, NewOrder, OrderId, Side, Terms, Ticks, Time, User,
};
use book_fuzz::mutate::mutate;
use book_fuzz::rng::Rng;
use book_fuzz::target::Target;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Bytes allocated for a byte of snapshot, at most, everything added up that doubling left behind.
/// The worst is a plain order alone on its page of the ladder: 33 were counted.
const BYTES_PER_BYTE: usize = 40;

/// What a book takes whatever is in it, its windows of near levels above all: 32 KiB were counted.
const BYTES_AT_LEAST: usize = 64 * 1024;

/// The system's allocator, adding up what each thread asks for. What is given back does not count.
struct Counting;

thread_local! {
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: usize) {
    BYTES.with(|sum| sum.set(sum.get() + bytes));
}

// SAFETY: every call goes to the system's allocator with the arguments it came with; counting
// touches a constant-initialised thread-local without a destructor, which does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count(bytes);
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { System.realloc(block, layout, bytes) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on unchanged.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Decodes, and returns whether that gave a book and how much it allocated.
fn decode(bytes: &[u8]) -> (bool, usize) {
    let config = BookConfig { orders: 0, levels: 0, ..BookConfig::default() };
    let before = BYTES.with(Cell::get);
    let decoded = Book::decode(bytes, config).is_ok();
    (decoded, BYTES.with(Cell::get) - before)
}

#[test]
fn decoding_allocates_by_the_bytes_and_not_by_what_they_claim() {
    let mut rng = Rng::new(5);
    let (mut decoded, mut refused) = (0, 0);
    for _ in 0..3000 {
        let other = Target::Snapshot.first(&mut rng);
        let mut bytes = Target::Snapshot.first(&mut rng);
        for _ in 0..4 {
            let (good, allocated) = decode(&bytes);
            *(if good { &mut decoded } else { &mut refused }) += 1;
            let bound = BYTES_AT_LEAST + bytes.len() * BYTES_PER_BYTE;
            assert!(allocated <= bound, "{allocated} bytes for {} of a snapshot", bytes.len());
            let in_place = rng.below(2) == 0;
            mutate(&mut bytes, &other, in_place, &mut rng);
        }
    }
    assert!(decoded >= 3000 && refused > 3000, "both must have been seen");
}

/// The shapes that take most for their bytes: every order alone on its page, plain or an iceberg
/// that expires, or waiting for a trigger of its own.
#[test]
fn the_worst_shapes_stay_within_the_bound() {
    for shape in 0..3 {
        let config = BookConfig { orders: 0, levels: 0, ..BookConfig::default() };
        let mut book = Book::new(config);
        for at in 0..20_000 {
            let price = Ticks(1 + at * 100_000);
            let id = OrderId(at.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let new = NewOrder::limit(id, User(1), Side::Buy, price, Lots(9));
            let terms = Terms { display: Some(Lots(2)), stop: None, expires: Some(Time(9)) };
            let command = match shape {
                0 => Command::New(new),
                1 => Command::NewWith(new, terms),
                _ => Command::NewWith(new, Terms { stop: Some(price), ..terms }),
            };
            assert_eq!(book.apply(&command, &mut Discard).code(), 0);
        }
        let mut bytes = Vec::new();
        book.encode(&mut bytes);
        let (good, allocated) = decode(&bytes);
        let bound = BYTES_AT_LEAST + bytes.len() * BYTES_PER_BYTE;
        assert!(good && allocated <= bound, "shape {shape}: {allocated} for {}", bytes.len());
    }
}

#[test]
fn a_claim_of_many_orders_allocates_nothing() {
    let mut bytes = Target::Snapshot.first(&mut Rng::new(6));
    for group in 0..6 {
        bytes[48 + 4 * group..][..4].copy_from_slice(&[255, 255, 39, 0]);
        let (good, allocated) = decode(&bytes);
        assert!(!good && allocated <= BYTES_AT_LEAST, "{allocated} bytes");
    }
}
