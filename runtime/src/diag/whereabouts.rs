//! Where a sink or a journal stands, in words.

use persist::Position;

/// The place, for a sentence that goes before it: a cursor is "at event 12.0", or "after seq 12" where it is behind all
/// that came of an input, or "at the beginning".
pub(crate) fn whereabouts(at: Position) -> String {
    if at == Position::START {
        return "at the beginning".to_owned();
    }
    if at == Position::end_of(at.seq) {
        return format!("after seq {}", at.seq);
    }
    format!("at event {}.{}", at.seq, at.index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_without_the_number_that_stands_for_all_events() {
        assert_eq!(whereabouts(Position::START), "at the beginning");
        assert_eq!(whereabouts(Position::new(12, 0)), "at event 12.0");
        assert_eq!(whereabouts(Position::end_of(12)), "after seq 12");
        assert_eq!(whereabouts(Position::end_of(0)), "after seq 0");
    }
}
