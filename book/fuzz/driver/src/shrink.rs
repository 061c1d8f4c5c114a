//! The shortest form of an input that fails: parts are left out, then bytes made zero, as long as
//! it still fails.

/// Most runs that shrinking may take.
const RUNS_MAX: usize = 20_000;

/// Makes an input shorter while `fails` says that it still fails.
pub fn shrink(input: &[u8], mut fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut best = input.to_vec();
    let mut runs = 0;
    let mut try_one = |candidate: &[u8]| {
        runs += 1;
        runs <= RUNS_MAX && fails(candidate)
    };
    loop {
        let before = best.clone();
        for size in [1024, 512, 256, 128, 64, 32, 8, 1] {
            let mut end = best.len();
            while end >= size {
                let mut candidate = best.clone();
                candidate.drain(end - size..end);
                if try_one(&candidate) {
                    best = candidate;
                }
                end = (end - size).min(best.len());
            }
        }
        for at in 0..best.len() {
            if best[at] != 0 {
                let mut candidate = best.clone();
                candidate[at] = 0;
                if try_one(&candidate) {
                    best = candidate;
                }
            }
        }
        if best == before {
            return best;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_stays() {
        let mut input = vec![9; 500];
        (input[100], input[400]) = (1, 2);
        let fails = |bytes: &[u8]| {
            let at = bytes.iter().position(|byte| *byte == 1);
            at.is_some_and(|at| bytes[at..].contains(&2))
        };
        assert_eq!(shrink(&input, fails), [1, 2]);
        assert_eq!(shrink(&[3, 4], |bytes| bytes.len() == 2), [0, 0]);
    }
}
