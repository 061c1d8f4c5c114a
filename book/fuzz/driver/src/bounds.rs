//! What is left out because one command could take hours, as the rules have it.
//!
//! An iceberg trades slice by slice, each with its own events, and nothing bounds their number: an
//! order for 2^40 lots that shows one of them is good for 2^40 trades with a single taker. Whoever
//! lets others enter icebergs has to bound the slices; here it is done for the fuzzer.

use book::{Book, Command, Lots, Side};

/// Most slices of an order.
const SLICES_MAX: u64 = 1024;

/// Whether a command leaves every iceberg with few slices, if they had few before.
pub fn has_few_slices(book: &Book, command: &Command) -> bool {
    let (qty, display) = match command {
        Command::NewWith(new, terms) => (new.qty, terms.display),
        Command::Replace { id, qty, .. } => {
            (*qty, book.order(*id).and_then(|(_, terms)| terms.display))
        }
        _ => return true,
    };
    few(qty, display)
}

/// Whether every order of a book has few slices.
pub fn all_have_few_slices(book: &Book) -> bool {
    Side::BOTH.into_iter().all(|side| {
        let resting = book.orders(side).map(|order| (order.id, order.qty.0 + order.hidden.0));
        let waiting = book.waiting(side).map(|order| (order.id, order.qty.0));
        resting.chain(waiting).all(|(id, open)| {
            let display = book.order(id).and_then(|(_, terms)| terms.display);
            few(Lots(open), display)
        })
    })
}

fn few(qty: Lots, display: Option<Lots>) -> bool {
    display.is_none_or(|display| qty.0 / display.0.max(1) <= SLICES_MAX)
}
