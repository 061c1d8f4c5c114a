//! The levels of one side, in order of price: sorted chunks under one sorted directory, the best
//! last.
//!
//! A chunk holds up to 64 ranks in rising order with the slots of their levels; the directory
//! holds, for each chunk, the lowest rank that belongs there. A price is found by searching the
//! directory from its end, then the chunk. A full chunk splits in half; neighbours that fit into
//! half a chunk are merged, so there are at most `levels / 16 + 2` chunks whatever prices come and
//! go, and memory follows the number of levels, not their distance. Near the touch, adding or
//! removing a level moves a few words.

use crate::arena::{Arena, Slot};
use crate::level::Level;
use crate::units::Rank;

/// Ranks in a chunk. 64 are searched in six steps, and half of them are moved in one cache-line
/// copy.
const CHUNK_RANKS: usize = 64;

/// A chunk merges with its neighbour when both hold at most this many ranks: half a chunk, so that
/// the next change can't split it again.
const MERGE_MAX: usize = CHUNK_RANKS / 2;

/// Neighbouring chunks of the directory, sorted inside.
#[derive(Clone, Copy)]
struct Chunk {
    ranks: [Rank; CHUNK_RANKS],
    levels: [Slot<Level>; CHUNK_RANKS],
    len: usize,
}

const EMPTY_CHUNK: Chunk =
    Chunk { ranks: [Rank::EMPTY; CHUNK_RANKS], levels: [Slot::NONE; CHUNK_RANKS], len: 0 };

impl Chunk {
    fn ranks(&self) -> &[Rank] {
        &self.ranks[..self.len]
    }

    fn insert(&mut self, at: usize, rank: Rank, level: Slot<Level>) {
        self.ranks.copy_within(at..self.len, at + 1);
        self.levels.copy_within(at..self.len, at + 1);
        (self.ranks[at], self.levels[at]) = (rank, level);
        self.len += 1;
    }

    fn remove(&mut self, at: usize) {
        self.ranks.copy_within(at + 1..self.len, at);
        self.levels.copy_within(at + 1..self.len, at);
        self.len -= 1;
    }

    /// Moves the ranks from `at` on to the end of `to`.
    fn move_tail(&mut self, at: usize, to: &mut Chunk) {
        let moved = self.len - at;
        to.ranks[to.len..to.len + moved].copy_from_slice(&self.ranks[at..self.len]);
        to.levels[to.len..to.len + moved].copy_from_slice(&self.levels[at..self.len]);
        to.len += moved;
        self.len = at;
    }
}

/// A chunk in the directory: it holds the ranks from `from` up to the next entry's `from`.
#[derive(Clone, Copy)]
struct Entry {
    from: Rank,
    chunk: Slot<Chunk>,
}

/// Where a rank is, or where it would go. Holds until the ladder changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rung {
    entry: usize,
    at: usize,
}

/// The levels of one side in order.
pub(crate) struct Ladder {
    /// Never empty; the first entry is from [`Rank::EMPTY`], so that every rank belongs somewhere.
    directory: Vec<Entry>,
    chunks: Arena<Chunk>,
    best: Rank,
    best_level: Slot<Level>,
    len: usize,
    growths: u32,
}

impl Ladder {
    /// Room for `capacity` levels.
    pub(crate) fn new(capacity: usize) -> Ladder {
        let mut directory = Vec::with_capacity(chunks_max(capacity));
        let mut chunks = Arena::new(chunks_max(capacity));
        directory.push(Entry { from: Rank::EMPTY, chunk: chunks.insert(EMPTY_CHUNK) });
        let (best, best_level) = (Rank::EMPTY, Slot::NONE);
        Ladder { directory, chunks, best, best_level, len: 0, growths: 0 }
    }

    /// Levels on this side.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The rank that trades first; [`Rank::EMPTY`] when there is none.
    #[inline]
    pub(crate) fn best(&self) -> Rank {
        self.best
    }

    /// The level that trades first; [`Slot::NONE`] when there is none.
    #[inline]
    pub(crate) fn best_level(&self) -> Slot<Level> {
        self.best_level
    }

    /// The level of this rank, or the rung to insert it at.
    #[inline]
    pub(crate) fn find(&self, rank: Rank) -> Result<Slot<Level>, Rung> {
        if rank == self.best {
            return Ok(self.best_level);
        }
        let rung = self.lower_bound(rank);
        let chunk = self.chunk(rung.entry);
        match chunk.ranks().get(rung.at) {
            Some(found) if *found == rank => Ok(chunk.levels[rung.at]),
            _ => Err(rung),
        }
    }

    /// Adds a level at the rung that [`Ladder::find`] gave for its rank, with no change in between.
    pub(crate) fn insert(&mut self, rung: Rung, rank: Rank, level: Slot<Level>) {
        let rung = if self.chunk(rung.entry).len == CHUNK_RANKS { self.split(rung) } else { rung };
        let chunk = &mut self.chunks[self.directory[rung.entry].chunk];
        assert!(
            rung.at == 0 || chunk.ranks[rung.at - 1] < rank,
            "a level was inserted out of its order"
        );
        chunk.insert(rung.at, rank, level);
        self.len += 1;
        if rank > self.best {
            (self.best, self.best_level) = (rank, level);
        }
    }

    /// Takes the level of this rank out.
    pub(crate) fn remove(&mut self, rank: Rank) {
        let rung = self.lower_bound(rank);
        let chunk = &mut self.chunks[self.directory[rung.entry].chunk];
        assert!(chunk.ranks().get(rung.at) == Some(&rank), "a level was not in its ladder");
        chunk.remove(rung.at);
        self.len -= 1;
        if chunk.len < MERGE_MAX {
            self.merge_around(rung.entry);
        }
        if rank == self.best {
            (self.best, self.best_level) = self.iter().next().unwrap_or((Rank::EMPTY, Slot::NONE));
        }
    }

    /// Ranks and levels, the best first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Rank, Slot<Level>)> + '_ {
        self.directory.iter().rev().flat_map(|entry| {
            let chunk = &self.chunks[entry.chunk];
            (0..chunk.len).rev().map(|at| (chunk.ranks[at], chunk.levels[at]))
        })
    }

    /// The best level below `rank`: what follows it when levels leave while they are walked
    /// through.
    pub(crate) fn below(&self, rank: Rank) -> Option<(Rank, Slot<Level>)> {
        let mut rung = self.lower_bound(rank);
        while rung.at == 0 {
            rung.entry = rung.entry.checked_sub(1)?;
            rung.at = self.chunk(rung.entry).len;
        }
        let chunk = self.chunk(rung.entry);
        Some((chunk.ranks[rung.at - 1], chunk.levels[rung.at - 1]))
    }

    /// How often the capacity was exceeded.
    pub(crate) fn growths(&self) -> u32 {
        self.growths + self.chunks.growths()
    }

    /// Makes room for at least `capacity` levels in all.
    pub(crate) fn reserve(&mut self, capacity: usize) {
        self.chunks.reserve(chunks_max(capacity));
        self.directory.reserve(chunks_max(capacity).saturating_sub(self.directory.len()));
    }

    /// Whether order, bounds, sums and the cached best level hold; reads everything.
    pub(crate) fn is_sound(&self) -> bool {
        let rising = |ranks: &[Rank]| ranks.windows(2).all(|pair| pair[0] < pair[1]);
        let froms: Vec<Rank> = self.directory.iter().map(|entry| entry.from).collect();
        let held = |at: usize| {
            let until = froms.get(at + 1).copied().unwrap_or(Rank(i64::MAX));
            let ranks = self.chunk(at).ranks();
            rising(ranks) && ranks.iter().all(|rank| froms[at] <= *rank && *rank < until)
        };
        let packed = |at: usize| {
            let (before, here) = (self.chunk(at - 1).len, self.chunk(at).len);
            before > 0 && here > 0 && before + here > MERGE_MAX
        };
        froms[0] == Rank::EMPTY
            && rising(&froms)
            && (0..froms.len()).all(held)
            && (1..froms.len()).all(packed)
            && self.chunks.len() == froms.len()
            && self.iter().count() == self.len
            && self.iter().next().unwrap_or((Rank::EMPTY, Slot::NONE))
                == (self.best, self.best_level)
    }

    fn chunk(&self, entry: usize) -> &Chunk {
        &self.chunks[self.directory[entry].chunk]
    }

    /// The first place whose rank is not below `rank`, in the chunk that `rank` belongs to.
    #[inline]
    fn lower_bound(&self, rank: Rank) -> Rung {
        let last = self.directory.len() - 1;
        let entry = if self.directory[last].from <= rank {
            last
        } else {
            self.directory.partition_point(|entry| entry.from <= rank) - 1
        };
        Rung { entry, at: self.chunk(entry).ranks().partition_point(|held| *held < rank) }
    }

    /// Makes two chunks of a full one, and says where the rung is now.
    #[cold]
    fn split(&mut self, rung: Rung) -> Rung {
        let low = self.directory[rung.entry].chunk;
        let mut high = EMPTY_CHUNK;
        self.chunks[low].move_tail(CHUNK_RANKS / 2, &mut high);
        let (from, kept) = (high.ranks[0], self.chunks[low].len);
        if self.directory.len() == self.directory.capacity() {
            self.growths += 1;
        }
        let entry = Entry { from, chunk: self.chunks.insert(high) };
        self.directory.insert(rung.entry + 1, entry);
        // A rung at the border belongs to the lower chunk: its rank is below the upper one's first.
        if rung.at > kept { Rung { entry: rung.entry + 1, at: rung.at - kept } } else { rung }
    }

    /// Merges a chunk that got small with its neighbours, where both fit into half a chunk.
    fn merge_around(&mut self, entry: usize) {
        self.merge(entry);
        if let Some(before) = entry.checked_sub(1) {
            self.merge(before);
        }
    }

    /// Merges a chunk and the next one if both fit into half a chunk, or one of them is empty.
    fn merge(&mut self, entry: usize) {
        let Some(next) = self.directory.get(entry + 1) else { return };
        let low = self.directory[entry].chunk;
        let (before, after) = (self.chunks[low].len, self.chunks[next.chunk].len);
        if before > 0 && after > 0 && before + after > MERGE_MAX {
            return;
        }
        let mut high = self.chunks.remove(next.chunk);
        high.move_tail(0, &mut self.chunks[low]);
        self.directory.remove(entry + 1);
    }
}

/// Chunks that `levels` levels can need: any two neighbours hold more than half a chunk together.
fn chunks_max(levels: usize) -> usize {
    levels.div_ceil(MERGE_MAX) * 2 + 2
}

#[cfg(test)]
mod tests;
