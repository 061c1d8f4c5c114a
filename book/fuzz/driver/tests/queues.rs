//! A snapshot whose queue is in another order is another book, or none.

use book::{Book, BookConfig, Command, Discard, Lots, NewOrder, OrderId, Side, Terms, Ticks, User};

/// A book of these commands, as bytes.
fn bytes(commands: &[Command]) -> Vec<u8> {
    let mut book = Book::new(BookConfig::default());
    for command in commands {
        assert_eq!(book.apply(command, &mut Discard).code(), 0, "{command:?}");
    }
    let mut bytes = Vec::new();
    book.encode(&mut bytes);
    bytes
}

/// Puts the last two orders, of so many bytes each, in each other's place.
#[track_caller]
fn swap_is_refused(mut bytes: Vec<u8>, order_bytes: usize) {
    let at = bytes.len() - 2 * order_bytes;
    let (first, second) = bytes[at..].split_at_mut(order_bytes);
    first.swap_with_slice(second);
    let decoded = Book::decode(&bytes, BookConfig::default());
    assert!(decoded.is_err(), "orders that changed places were not noticed");
}

fn limit(id: u64) -> NewOrder {
    NewOrder::limit(OrderId(id), User(1), Side::Buy, Ticks(100), Lots(5))
}

#[test]
fn resting_orders_cannot_change_places() {
    swap_is_refused(bytes(&[Command::New(limit(1)), Command::New(limit(2))]), 32);
}

#[test]
fn stops_cannot_change_places() {
    let stop =
        |id| Command::NewWith(limit(id), Terms { stop: Some(Ticks(99)), ..Terms::default() });
    swap_is_refused(bytes(&[stop(1), stop(2)]), 64);
}
