//! How much a load brings.

use super::options::SimRates;
use super::trader::Trader;

/// Traders that are looked at.
const TRADERS: u64 = 8;
/// Live blocks of each of them.
const BLOCKS: usize = 500;

/// Live frames of fills in a block of a trader under load, on average: what a rate of blocks is
/// divided by to get one of frames. The same for the same seed.
pub fn fill_frames_per_block(seed: u64) -> f64 {
    let mut frames = 0;
    for number in 0..TRADERS {
        let mut trader = Trader::new(seed, number, SimRates::load(1, 1));
        trader.history();
        frames += (0..BLOCKS).filter(|_| !trader.next_block().fills.is_empty()).count();
    }
    frames as f64 / (TRADERS as usize * BLOCKS) as f64
}

#[cfg(test)]
mod tests {
    use super::fill_frames_per_block;

    #[test]
    fn nearly_every_block_of_a_load_has_fills_whatever_the_seed() {
        let [one, other] = [1, 2].map(fill_frames_per_block);
        assert!((0.7..=1.0).contains(&one) && (one - other).abs() < 0.03, "{one} {other}");
        assert_eq!(fill_frames_per_block(1), one);
    }
}
