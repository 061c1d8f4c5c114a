//! What a call has told: the sink of the book's events, read in place by C until the next call.

use crate::layout::{clb_event, clb_level};
use book::{Event, Events, LevelDepth};

/// The events, and the changes of levels if they are wanted, of one call.
pub(crate) struct Tape {
    pub(crate) events: Vec<clb_event>,
    pub(crate) levels: Vec<clb_level>,
    pub(crate) keeps_levels: bool,
    /// Number of the command that is being applied.
    pub(crate) command: u32,
}

impl Tape {
    /// An empty tape with room for so many events, and as many changes of levels.
    pub(crate) fn new(events: usize, keeps_levels: bool) -> Tape {
        let levels = if keeps_levels { events } else { 0 };
        let (events, levels) = (Vec::with_capacity(events), Vec::with_capacity(levels));
        Tape { events, levels, keeps_levels, command: 0 }
    }

    /// Forgets the last call.
    pub(crate) fn clear(&mut self) {
        self.events.clear();
        self.levels.clear();
        self.command = 0;
    }
}

/// Writes to a tape: what happens to levels only if `LEVELS`, so that a book that nobody follows
/// does not look at its levels for it.
pub(crate) struct Writer<'a, const LEVELS: bool>(pub(crate) &'a mut Tape);

impl<const LEVELS: bool> Events for Writer<'_, LEVELS> {
    #[inline]
    fn event(&mut self, event: Event) {
        self.0.events.push(clb_event::new(&event, self.0.command));
    }

    #[inline(always)]
    fn level(&mut self, level: LevelDepth) {
        if LEVELS {
            self.0.levels.push(level.into());
        }
    }
}
