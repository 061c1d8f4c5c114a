//! Numbers drawn from a seed, the same on every machine.

/// SplitMix64 (Steele, Lea, Flood 2014): a counter and a bijective mix.
#[derive(Clone, Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Draw {
        Draw(mix(seed))
    }

    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// 0 to `bound - 1`; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.word()) * u128::from(bound)) >> 64) as u64
    }

    /// In 0..1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True so often in a thousand.
    pub(crate) fn per_mille(&mut self, share: u32) -> bool {
        self.below(1000) < u64::from(share)
    }

    /// 1 and more, `mean` on average, falling off geometrically.
    pub(crate) fn geometric(&mut self, mean: u64) -> u64 {
        // Three draws of a linear fall-off come near enough, without logarithms, which differ
        // between machines.
        1 + self.below(mean) * (1 + self.below(3) * self.below(3)) / 2
    }

    /// 10 to the power of `decades` times a number in 0..1 that is drawn evenly, as an integer.
    pub(crate) fn log_uniform(&mut self, decades: u32) -> u64 {
        // A whole decade, then a place in it in 16 steps of equal ratio.
        const STEPS: [u64; 16] = [
            1000, 1155, 1334, 1540, 1778, 2054, 2371, 2738, 3162, 3652, 4217, 4870, 5623, 6494,
            7499, 8660,
        ];
        let step = STEPS[self.below(16) as usize];
        10u64.pow(self.below(u64::from(decades)) as u32) * step / 1000
    }
}

/// The mixer of SplitMix64: a bijection, so that different counters give different ids.
pub(crate) fn mix(counter: u64) -> u64 {
    let word = (counter ^ counter >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}
