//! What an input showed: a small set of marks, by which the driver tells an input that did
//! something new. It stands in for the coverage that libFuzzer counts.

/// Words of a set.
const WORDS: usize = 32;

/// A set of marks. What shows in an input is hashed to one of 2048.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Marks([u64; WORDS]);

impl Marks {
    /// Notes that the input showed this.
    pub fn note(&mut self, shown: &[u64]) {
        let mut hash = 0x243f_6a88_85a3_08d3_u64;
        for word in shown {
            hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash ^= hash >> 29;
        }
        let bit = hash % (WORDS as u64 * 64);
        self.0[(bit / 64) as usize] |= 1 << (bit % 64);
    }

    /// Adds the marks of another set. Whether any of them was new.
    pub fn add(&mut self, other: &Marks) -> bool {
        let before = *self;
        for (word, new) in self.0.iter_mut().zip(other.0) {
            *word |= new;
        }
        *self != before
    }

    /// How many marks the set has.
    pub fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_new_once() {
        let (mut all, mut one) = (Marks::default(), Marks::default());
        one.note(&[1, 2]);
        assert!(all.add(&one) && !all.add(&one));
        one.note(&[2, 1]);
        assert!(all.add(&one));
        assert_eq!(all.count(), 2);
    }
}
