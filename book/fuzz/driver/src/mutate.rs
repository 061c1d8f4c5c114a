//! Making inputs of inputs: flips, numbers at limits, records repeated, moved, left out, or taken
//! from another input.

use crate::rng::Rng;

/// Longest input.
pub const BYTES_MAX: usize = 4096;

/// Sizes of what inputs are made of: fields, short records, wide records.
const UNITS: [usize; 4] = [4, 8, 32, 64];

/// Numbers that things happen at.
const NUMBERS: [u64; 16] = [
    0,
    1,
    2,
    63,
    64,
    255,
    256,
    (1 << 24) - 1,
    u32::MAX as u64,
    1 << 40,
    (1 << 40) + 1,
    1 << 52,
    (1 << 52) + 1,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// Ways of changing an input, those that keep its length first.
const WAYS: usize = 11;
const WAYS_IN_PLACE: usize = 7;

/// Changes an input in one to four ways, or only in those that keep its length. `other` is one to
/// take from.
pub fn mutate(bytes: &mut Vec<u8>, other: &[u8], in_place: bool, rng: &mut Rng) {
    let ways = if in_place { WAYS_IN_PLACE } else { WAYS };
    for _ in 0..=rng.below(4) {
        once(bytes, other, ways, rng);
    }
    bytes.truncate(BYTES_MAX);
}

fn once(bytes: &mut Vec<u8>, other: &[u8], ways: usize, rng: &mut Rng) {
    if bytes.is_empty() {
        bytes.extend(other);
        return;
    }
    let unit = UNITS[rng.below(UNITS.len())];
    let at = rng.below(bytes.len());
    match rng.below(ways) {
        0 | 1 => bytes[at] ^= 1 << rng.below(8),
        2 => bytes[at] = rng.draw() as u8,
        3 => {
            let number = NUMBERS[rng.below(NUMBERS.len())].wrapping_add(rng.draw() % 3);
            put(bytes, at / 8 * 8, &number.to_le_bytes()[..[1, 2, 4, 8][rng.below(4)]]);
        }
        4 => {
            let near = i64::from(bytes[at].cast_signed()) + rng.below(5) as i64 - 2;
            bytes[at] = near as u8;
        }
        5 => {
            // Two records in each other's place.
            let (a, b) = (span(bytes.len(), unit, rng), span(bytes.len(), unit, rng));
            for (a, b) in a.zip(b) {
                bytes.swap(a, b);
            }
        }
        6 => {
            // A field that is already somewhere, somewhere else.
            let from = rng.below(bytes.len()) / 8 * 8;
            let field: Vec<_> = bytes[from..].iter().take(8).copied().collect();
            put(bytes, at / 8 * 8, &field);
        }
        7 => {
            // A record again, somewhere else or at once.
            let from = span(bytes.len(), unit, rng);
            let copy = bytes[from].to_vec();
            insert(bytes, &copy, unit, rng);
        }
        8 => {
            let gone = span(bytes.len(), unit * (1 + rng.below(4)), rng);
            bytes.drain(gone);
        }
        9 if !other.is_empty() => {
            let from = span(other.len(), unit * (1 + rng.below(8)), rng);
            insert(bytes, &other[from], unit, rng);
        }
        _ => {
            let mut new = vec![0; unit];
            rng.fill(&mut new);
            insert(bytes, &new, unit, rng);
        }
    }
}

/// Up to `bytes` bytes, at a multiple of that from the end: where headers end differs, records end
/// with the input.
fn span(len: usize, bytes: usize, rng: &mut Rng) -> std::ops::Range<usize> {
    let whole = len / bytes;
    let end = len - bytes * rng.below(whole.max(1));
    end.saturating_sub(bytes)..end
}

fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    for (byte, new) in bytes[at..].iter_mut().zip(new) {
        *byte = *new;
    }
}

fn insert(bytes: &mut Vec<u8>, new: &[u8], unit: usize, rng: &mut Rng) {
    let at = bytes.len() - unit * rng.below(bytes.len() / unit + 1);
    bytes.splice(at..at, new.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_inputs_and_none_is_too_long() {
        let make = || {
            let (mut rng, mut bytes) = (Rng::new(3), vec![7; 100]);
            let mut all = Vec::new();
            for _ in 0..3000 {
                mutate(&mut bytes, &[1, 2, 3, 4, 5, 6, 7, 8, 9], false, &mut rng);
                assert!(bytes.len() <= BYTES_MAX);
                all.push(bytes.clone());
            }
            all
        };
        let all = make();
        assert_eq!(all, make());
        assert!(all.iter().any(|bytes| bytes.len() > 300), "inputs grow");
        assert!(all.windows(2).filter(|pair| pair[0] != pair[1]).count() > 2000, "inputs change");
    }

    #[test]
    fn in_place_is_in_place() {
        let (mut rng, mut bytes) = (Rng::new(4), vec![7; 100]);
        (0..1000).for_each(|_| mutate(&mut bytes, &[1; 50], true, &mut rng));
        assert_eq!(bytes.len(), 100);
        assert!(bytes.iter().any(|byte| *byte != 7));
    }
}
