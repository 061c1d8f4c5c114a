//! Which accounts' signals are live: moving over from another program, address by address.
//!
//! `FNV-1a 32 (the address as lower-case text with 0x) % 100 < ratio` is live, everything else goes to the shadow subject.
//! The other program decides by the same rule, so that the two never both send for one account. Raising the ratio only adds
//! accounts to those that are live.

use shards::Address;

/// What FNV-1a 32 begins with, and what it multiplies by.
const FNV: (u32, u32) = (0x811c_9dc5, 0x0100_0193);

/// The rule in force, and the subject of those that are not live.
#[derive(Clone, Debug)]
pub struct Canary {
    ratio: u8,
    /// What is put in place of the closing brace of a shadowed signal.
    ending: Vec<u8>,
}

impl Canary {
    /// `ratio` percent of the accounts are live.
    pub fn new(ratio: u8, shadow_subject: &str) -> Canary {
        let subject = serde_json::Value::from(shadow_subject);
        Canary { ratio, ending: format!(",\"subject\":{subject}}}").into_bytes() }
    }

    /// Every account is live.
    pub fn all_live() -> Canary {
        Canary::new(100, "")
    }

    /// Changes how many percent are live.
    pub fn set_ratio(&mut self, ratio: u8) {
        self.ratio = ratio;
    }

    /// Whether an account's signals are live.
    pub fn is_live(&self, address: &Address) -> bool {
        // Most programs move nothing over: they need no hash.
        self.ratio >= 100 || percentile(address) < self.ratio
    }

    /// Marks the signal that `line` ends with, if its account is not live. Allocates nothing but room in `line`.
    pub fn mark(&self, address: &Address, line: &mut Vec<u8>) {
        if !self.is_live(address) {
            assert_eq!(line.pop(), Some(b'}'), "a signal is a JSON object");
            line.extend_from_slice(&self.ending);
        }
    }
}

/// From 0 to 99.
fn percentile(address: &Address) -> u8 {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: &u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    let text = b"0x".iter().copied().chain(address.0.iter().flat_map(digits));
    let hash = text.fold(FNV.0, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(FNV.1));
    (hash % 100) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_that_of_the_other_program() {
        // From an implementation in Python, which was compared with the published test vectors of FNV-1a 32.
        for (address, expect) in [
            ("0x0000000000000000000000000000000000000001", 54),
            ("0x162cc7c861ebd0c06b3d72319201150482518185", 65),
            ("0x162CC7C861EBD0C06B3D72319201150482518185", 65),
            ("0x87f9cd15f5050a9283b8896300f7c8cf69ece2cf", 31),
            ("0xffffffffffffffffffffffffffffffffffffffff", 65),
        ] {
            let address: Address = address.parse().expect("an address");
            assert_eq!(percentile(&address), expect, "{address}");
            for (ratio, is_live) in
                [(0, false), (expect, false), (expect + 1, true), (99, true), (100, true)]
            {
                assert_eq!(Canary::new(ratio, "s").is_live(&address), is_live, "{ratio}");
            }
        }
    }

    #[test]
    fn a_higher_ratio_only_adds_accounts_and_the_share_is_right() {
        let account = |number: u16| {
            let mut bytes = [0x5a; 20];
            bytes[..2].copy_from_slice(&number.to_be_bytes());
            Address(bytes)
        };
        let live = |ratio: u8| {
            let canary = Canary::new(ratio, "s");
            (0..10_000).map(account).filter(|address| canary.is_live(address)).count()
        };
        let counts: Vec<usize> = (0..=100).map(live).collect();
        assert!(counts.is_sorted());
        assert_eq!((counts[0], counts[100]), (0, 10_000));
        assert!((4500..5500).contains(&counts[50]), "{}", counts[50]);
    }

    #[test]
    fn a_shadowed_signal_names_its_subject_last() {
        let address = Address([1; 20]);
        let marked = |canary: &Canary| {
            let mut line = b"{\"a\":1}".to_vec();
            canary.mark(&address, &mut line);
            String::from_utf8(line).expect("text")
        };
        let mut canary = Canary::new(0, "sha\"dow");
        assert_eq!(marked(&canary), "{\"a\":1,\"subject\":\"sha\\\"dow\"}");
        canary.set_ratio(100);
        assert_eq!(marked(&canary), "{\"a\":1}");
        assert_eq!(marked(&Canary::all_live()), "{\"a\":1}");
    }
}
