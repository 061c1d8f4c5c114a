//! Where an event stands in one shard's journal.

/// The place of an event: the input that it came of, and its place among that input's events.
///
/// Ordered by `seq`, then `index`. Inputs count from 1 and events from 0, so the default, `(0, 0)`,
/// lies before every event. "After `(seq, index)`" leaves out that input, its events up to and with
/// `index`, and everything before them: what follows is its next event, or the next input.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Position {
    /// The input.
    pub seq: u64,
    /// The event among those of that input, from 0.
    pub index: u32,
}

impl Position {
    /// Before everything.
    pub const START: Position = Position { seq: 0, index: 0 };

    /// Event `index` of input `seq`.
    pub fn new(seq: u64, index: u32) -> Position {
        Position { seq, index }
    }

    /// After the last event of input `seq`, however many it has.
    pub fn end_of(seq: u64) -> Position {
        Position { seq, index: u32::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::Position;

    #[test]
    fn positions_order_by_input_then_event() {
        let sorted = [
            Position::START,
            Position::new(1, 0),
            Position::new(1, 1),
            Position::end_of(1),
            Position::new(2, 0),
        ];
        assert!(sorted.is_sorted_by(|a, b| a < b));
        assert_eq!(Position::default(), Position::START);
    }
}
