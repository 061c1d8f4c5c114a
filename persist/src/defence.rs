//! What keeps a journal safe, by name, so that the tests of the tests can take one away at a time.
//!
//! Outside tests [`stands`] is a constant: the compiler removes the question.

/// A defence against losing, or bringing back, what was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Defence {
    /// Nothing counts as durable before its sync has completed.
    FlushWait,
    /// Batches of an earlier epoch than those before them are not believed.
    Epoch,
    /// A batch names the checksum of the one before it.
    Chain,
    /// A batch's checksum covers where it stands.
    Place,
    /// At rest, an empty batch follows the last one.
    Seal,
    /// Names are made durable before anything relies on them.
    DirSync,
    /// A batch says whether everything before it was durable.
    Settled,
    /// A batch says up to which seq everything was durable.
    DurableSeq,
    /// The superblock remembers where the journal ended.
    RememberedEnd,
}

/// Whether a defence is in place: always, but for tests.
#[cfg(not(test))]
pub(crate) const fn stands(_: Defence) -> bool {
    true
}

#[cfg(test)]
pub(crate) use tests::{stands, without};

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::Defence;

    thread_local! {
        static AWAY: Cell<Option<Defence>> = const { Cell::new(None) };
    }

    /// Whether a defence is in place on this thread.
    pub(crate) fn stands(defence: Defence) -> bool {
        AWAY.get() != Some(defence)
    }

    /// Runs `f` with a defence taken away on this thread; it is back afterwards, whatever happens.
    pub(crate) fn without<T>(defence: Defence, f: impl FnOnce() -> T) -> T {
        struct Back;
        impl Drop for Back {
            fn drop(&mut self) {
                AWAY.set(None);
            }
        }
        let _back = Back;
        AWAY.set(Some(defence));
        f()
    }
}
