//! The target `snapshot`: bytes that may be a book.
//!
//! A mutation almost always breaks hash and checksum, and would be refused for that alone. The
//! refusal says what they should be; with these in place, the rest is judged as if somebody had made
//! the bytes on purpose. Damage that they are there to find is tried too, as the first of the two.

use crate::dense::{self, DENSE_BYTES};
use crate::marks::Marks;
use book::wide;
use book::{Book, BookConfig, Command, DecodeError, Discard, Phase, Side, Time, User};

/// Where a snapshot has its hash and the number of the next arrival in a queue, by the table in
/// `book/src/snapshot.rs`. Arrivals are counted modulo 2^23.
const HASH_AT: usize = 72;
const ARRIVALS_AT: usize = 80;
const ARRIVALS: u32 = 1 << 23;

/// Commands that a decoded book is tried with; they come from its bytes.
const COMMANDS: usize = 16;

/// Runs the target.
pub fn run(bytes: &[u8]) -> Marks {
    let mut marks = Marks::default();
    if let Ok(book) = Book::decode(bytes, config()) {
        try_book(book, bytes, &mut marks);
        return marks;
    }
    // What is refused for more than its sums is one mutation away from anything: not worth keeping.
    let mut mended = bytes.to_vec();
    if let Some(book) = mend(&mut mended, config()) {
        try_book(book, &mended, &mut marks);
    }
    marks
}

/// An empty book that has seen so many arrivals that few are left until they are counted from zero
/// again: what takes a long day otherwise.
pub(crate) fn after_a_long_day(config: BookConfig) -> Book {
    let mut bytes = Vec::new();
    Book::new(config).encode(&mut bytes);
    bytes[ARRIVALS_AT..ARRIVALS_AT + 4].copy_from_slice(&(ARRIVALS - 8).to_le_bytes());
    mend(&mut bytes, config).expect("all but hash and checksum is sound")
}

/// Puts the right hash and the right checksum into bytes that are sound but for these.
fn mend(bytes: &mut [u8], config: BookConfig) -> Option<Book> {
    // The hash first, then the checksum, which covers it.
    for _ in 0..2 {
        let (at, word) = match Book::decode(bytes, config) {
            Ok(book) => return Some(book),
            Err(DecodeError::Hash { computed, .. }) => (HASH_AT, computed),
            Err(DecodeError::Checksum { computed, .. }) => (bytes.len() - 8, computed),
            Err(_) => return None,
        };
        bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
    }
    match Book::decode(bytes, config) {
        Ok(book) => Some(book),
        Err(error) => panic!("all but the sums was sound, and with them: {error}"),
    }
}

/// Room for nothing: what a book has room for, the bytes made it have.
fn config() -> BookConfig {
    BookConfig { orders: 0, levels: 0, ..BookConfig::default() }
}

/// A decoded book is sound, is its bytes, and can be traded on.
fn try_book(mut book: Book, bytes: &[u8], marks: &mut Marks) {
    assert_eq!(book.check(), Ok(()), "what decodes is sound");
    let mut again = Vec::new();
    book.encode(&mut again);
    assert_eq!(again, bytes, "what decodes encodes to the same bytes");
    for side in Side::BOTH {
        let sizes = [book.orders(side).count(), book.waiting(side).count()];
        let [resting, waiting] = sizes.map(|size| u64::from((size + 1).ilog2()));
        marks.note(&[1, side as u64, book.phase() as u64, resting, waiting]);
    }
    for (at, chunk) in bytes.as_chunks::<DENSE_BYTES>().0.iter().rev().take(COMMANDS).enumerate() {
        let command = dense::decode(chunk);
        let outcome = book.apply(&command, &mut Discard);
        assert_eq!(book.check(), Ok(()), "after command {at}, {command:?}");
        let [filled, resting, cancelled] = [outcome.filled, outcome.resting, outcome.cancelled]
            .map(|lots| u64::from((lots.0 + 1).ilog2()));
        let op = u64::from(wide::encode(&command)[0]);
        marks.note(&[2, op, u64::from(outcome.code()), filled, resting, cancelled]);
    }
    // Everything that waits gets its turn, and everything can leave.
    for phase in [Phase::Auction, Phase::Halted] {
        book.apply(&Command::SetPhase { phase }, &mut Discard);
    }
    book.apply(&Command::SetPhase { phase: Phase::Auction }, &mut Discard);
    let uncrossed = book.apply(&Command::Uncross { then: Phase::Continuous }, &mut Discard);
    assert_eq!((uncrossed.reject, book.check()), (None, Ok(())), "an auction ends");
    book.apply(&Command::Expire { now: Time(u64::MAX) }, &mut Discard);
    assert_eq!(book.check(), Ok(()), "after the end of time");
    let ids: Vec<_> = Side::BOTH
        .into_iter()
        .flat_map(|side| book.orders(side).map(|order| order.id).collect::<Vec<_>>())
        .chain(Side::BOTH.into_iter().flat_map(|side| book.waiting(side).map(|order| order.id)))
        .collect();
    book.apply(&Command::MassCancel { user: User(0), side: None }, &mut Discard);
    for id in ids {
        book.apply(&Command::Cancel { id }, &mut Discard);
    }
    assert_eq!((book.order_count(), book.level_count()), (0, 0), "all can be cancelled");
    assert_eq!(book.check(), Ok(()), "an empty book");
}
