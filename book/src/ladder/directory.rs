//! The pages of a ladder, in order: sorted chunks under one sorted list of them.
//!
//! A chunk holds up to 64 keys in rising order with the slots of their pages; the list holds, for
//! each chunk, the lowest key that belongs there. A key is found by searching the list from its
//! end, then the chunk. A full chunk splits in half; neighbours that fit into half a chunk are
//! merged, so there are at most `pages / 16 + 2` chunks whatever keys come and go, and memory
//! follows the number of pages, not their distance. Near the touch, adding or removing a page moves
//! a few words.

use super::page::Page;
use crate::arena::{Arena, Slot, Stored};

/// Keys in a chunk. 64 are searched in six steps, and half of them are moved in one short copy.
const CHUNK_KEYS: usize = 64;

/// A chunk merges with its neighbour when both hold at most this many keys: half a chunk, so that
/// the next change can't split it again.
const MERGE_MAX: usize = CHUNK_KEYS / 2;

/// Neighbouring pages, sorted.
#[derive(Clone, Copy)]
struct Chunk {
    keys: [i64; CHUNK_KEYS],
    pages: [Slot<Page>; CHUNK_KEYS],
    len: usize,
}

const EMPTY_CHUNK: Chunk = Chunk { keys: [0; CHUNK_KEYS], pages: [Slot::NONE; CHUNK_KEYS], len: 0 };

impl Chunk {
    fn keys(&self) -> &[i64] {
        &self.keys[..self.len]
    }

    fn insert(&mut self, at: usize, key: i64, page: Slot<Page>) {
        self.keys.copy_within(at..self.len, at + 1);
        self.pages.copy_within(at..self.len, at + 1);
        (self.keys[at], self.pages[at]) = (key, page);
        self.len += 1;
    }

    fn remove(&mut self, at: usize) {
        self.keys.copy_within(at + 1..self.len, at);
        self.pages.copy_within(at + 1..self.len, at);
        self.len -= 1;
    }

    /// Moves the keys from `at` on to the end of `to`.
    fn move_tail(&mut self, at: usize, to: &mut Chunk) {
        let moved = self.len - at;
        to.keys[to.len..to.len + moved].copy_from_slice(&self.keys[at..self.len]);
        to.pages[to.len..to.len + moved].copy_from_slice(&self.pages[at..self.len]);
        to.len += moved;
        self.len = at;
    }
}

impl Stored for Chunk {
    fn free(&mut self, next: Slot<Chunk>) {
        self.len = next.number() as usize;
    }

    fn next_free(&self) -> Slot<Chunk> {
        Slot::new(self.len as u32)
    }
}

/// A chunk in the list: it holds the keys from `from` up to the next entry's `from`.
#[derive(Clone, Copy)]
struct Entry {
    from: i64,
    chunk: Slot<Chunk>,
}

/// Where a key is, or where it would go. Holds until the directory changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    entry: usize,
    at: usize,
}

/// Pages by key, in order.
pub(super) struct Directory {
    /// Never empty; the first entry is from the lowest `i64`, so that every key belongs somewhere.
    list: Vec<Entry>,
    chunks: Arena<Chunk>,
    growths: u32,
}

impl Directory {
    /// Room for `capacity` pages.
    pub(super) fn new(capacity: usize) -> Directory {
        let mut list = Vec::with_capacity(chunks_max(capacity));
        let mut chunks = Arena::new(chunks_max(capacity));
        list.push(Entry { from: i64::MIN, chunk: chunks.insert(EMPTY_CHUNK) });
        Directory { list, chunks, growths: 0 }
    }

    /// The page with this key, or the place to insert it at.
    pub(super) fn find(&self, key: i64) -> Result<Slot<Page>, Place> {
        let place = self.lower_bound(key);
        let chunk = self.chunk(place.entry);
        match chunk.keys().get(place.at) {
            Some(found) if *found == key => Ok(chunk.pages[place.at]),
            _ => Err(place),
        }
    }

    /// Adds a page at the place that [`Directory::find`] gave for its key, with no change in
    /// between.
    pub(super) fn insert(&mut self, place: Place, key: i64, page: Slot<Page>) {
        let full = self.chunk(place.entry).len == CHUNK_KEYS;
        let place = if full { self.split(place) } else { place };
        let chunk = &mut self.chunks[self.list[place.entry].chunk];
        assert!(
            place.at == 0 || chunk.keys[place.at - 1] < key,
            "a page was inserted out of its order"
        );
        chunk.insert(place.at, key, page);
    }

    /// Takes the page with this key out.
    pub(super) fn remove(&mut self, key: i64) {
        let place = self.lower_bound(key);
        let chunk = &mut self.chunks[self.list[place.entry].chunk];
        assert!(chunk.keys().get(place.at) == Some(&key), "a page was not in its directory");
        chunk.remove(place.at);
        if chunk.len < MERGE_MAX {
            self.merge_around(place.entry);
        }
    }

    /// The page with the highest key below `key`.
    pub(super) fn below(&self, key: i64) -> Option<Slot<Page>> {
        let Place { entry, at } = self.lower_bound(key);
        if at > 0 {
            return Some(self.chunk(entry).pages[at - 1]);
        }
        // Only a lone chunk is empty.
        let before = self.chunk(entry.checked_sub(1)?);
        before.len.checked_sub(1).map(|last| before.pages[last])
    }

    /// The pages, the highest key first.
    pub(super) fn falling(&self) -> impl Iterator<Item = Slot<Page>> + '_ {
        self.list.iter().rev().flat_map(|entry| {
            let chunk = &self.chunks[entry.chunk];
            chunk.pages[..chunk.len].iter().rev().copied()
        })
    }

    /// The pages, the lowest key first.
    pub(super) fn rising(&self) -> impl Iterator<Item = Slot<Page>> + '_ {
        self.list.iter().flat_map(|entry| {
            let chunk = &self.chunks[entry.chunk];
            chunk.pages[..chunk.len].iter().copied()
        })
    }

    /// How often the capacity was exceeded.
    pub(super) fn growths(&self) -> u32 {
        self.growths + self.chunks.growths()
    }

    /// Makes room for at least `capacity` pages in all.
    pub(super) fn reserve(&mut self, capacity: usize) {
        self.chunks.reserve(chunks_max(capacity));
        self.list.reserve_exact(chunks_max(capacity).saturating_sub(self.list.len()));
    }

    /// Gives the memory beyond `capacity` back. For an empty directory.
    pub(super) fn shrink_to(&mut self, capacity: usize) {
        let growths = self.growths();
        *self = Directory { growths, ..Directory::new(capacity) };
    }

    /// Whether order and bounds hold; reads everything.
    pub(super) fn is_sound(&self) -> bool {
        let rising = |keys: &[i64]| keys.windows(2).all(|pair| pair[0] < pair[1]);
        let froms: Vec<i64> = self.list.iter().map(|entry| entry.from).collect();
        let held = |at: usize| {
            let until = froms.get(at + 1).copied().unwrap_or(i64::MAX);
            let keys = self.chunk(at).keys();
            rising(keys) && keys.iter().all(|key| froms[at] <= *key && *key < until)
        };
        let packed = |at: usize| {
            let (before, here) = (self.chunk(at - 1).len, self.chunk(at).len);
            before > 0 && here > 0 && before + here > MERGE_MAX
        };
        froms[0] == i64::MIN
            && rising(&froms)
            && (0..froms.len()).all(held)
            && (1..froms.len()).all(packed)
            && self.chunks.len() == froms.len()
    }

    fn chunk(&self, entry: usize) -> &Chunk {
        &self.chunks[self.list[entry].chunk]
    }

    /// The first place whose key is not below `key`, in the chunk that `key` belongs to.
    fn lower_bound(&self, key: i64) -> Place {
        let last = self.list.len() - 1;
        let entry = if self.list[last].from <= key {
            last
        } else {
            self.list.partition_point(|entry| entry.from <= key) - 1
        };
        Place { entry, at: self.chunk(entry).keys().partition_point(|held| *held < key) }
    }

    /// Makes two chunks of a full one, and says where the place is now.
    #[cold]
    fn split(&mut self, place: Place) -> Place {
        let low = self.list[place.entry].chunk;
        let mut high = EMPTY_CHUNK;
        self.chunks[low].move_tail(CHUNK_KEYS / 2, &mut high);
        let (from, kept) = (high.keys[0], self.chunks[low].len);
        if self.list.len() == self.list.capacity() {
            self.growths += 1;
        }
        let entry = Entry { from, chunk: self.chunks.insert(high) };
        self.list.insert(place.entry + 1, entry);
        // A place at the border belongs to the lower chunk: its key is below the upper one's first.
        if place.at > kept { Place { entry: place.entry + 1, at: place.at - kept } } else { place }
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
        let Some(next) = self.list.get(entry + 1) else { return };
        let low = self.list[entry].chunk;
        let (before, after) = (self.chunks[low].len, self.chunks[next.chunk].len);
        if before > 0 && after > 0 && before + after > MERGE_MAX {
            return;
        }
        let mut high = self.chunks.remove(next.chunk);
        high.move_tail(0, &mut self.chunks[low]);
        self.list.remove(entry + 1);
    }
}

/// Chunks that `pages` pages can need: any two neighbours hold more than half a chunk together.
fn chunks_max(pages: usize) -> usize {
    pages.div_ceil(MERGE_MAX) * 2 + 2
}
