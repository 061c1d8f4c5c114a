//! The capitals of an address: a letter is upper case where the digit at its place in Keccak-256 of the lower-case text is 8
//! or more (EIP-55). An address in one case only carries no checksum.
//!
//! Keccak is that of the third round of the competition (padding 0x01), not the later standard SHA-3 (0x06).

use shards::Address;

/// Bytes that Keccak-256 takes in at a time.
const RATE: usize = 136;

/// The address as text with its checksum.
pub(super) fn checksummed(address: &Address) -> String {
    let text = address.to_string();
    let hash = keccak256(&text.as_bytes()[2..]);
    let digits = text[2..].chars().enumerate().map(|(at, digit)| {
        let nibble = hash[at / 2] >> (4 * (1 - at % 2)) & 15;
        if nibble >= 8 { digit.to_ascii_uppercase() } else { digit }
    });
    "0x".chars().chain(digits).collect()
}

/// Whether the capitals of `text`, which is an address, are not a checksum or a right one.
pub(super) fn fits(text: &str, address: &Address) -> bool {
    let digits = &text[2..];
    let has = |is: fn(&char) -> bool| digits.chars().any(|digit| is(&digit));
    let is_mixed = has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase);
    !is_mixed || checksummed(address)[2..] == *digits
}

/// Keccak-256 of at most one block.
fn keccak256(input: &[u8]) -> [u8; 32] {
    assert!(input.len() < RATE, "one block");
    let mut block = [0u8; 200];
    block[..input.len()].copy_from_slice(input);
    block[input.len()] ^= 0x01;
    block[RATE - 1] ^= 0x80;
    let mut lanes = [0u64; 25];
    for (lane, bytes) in lanes.iter_mut().zip(block.chunks_exact(8)) {
        *lane = u64::from_le_bytes(bytes.try_into().expect("a chunk of eight"));
    }
    permute(&mut lanes);
    let mut hash = [0; 32];
    for (bytes, lane) in hash.chunks_exact_mut(8).zip(lanes) {
        bytes.copy_from_slice(&lane.to_le_bytes());
    }
    hash
}

/// Keccak-f[1600]; lane (x, y) is at `x + 5 * y`. FIPS 202, section 3.
fn permute(lanes: &mut [u64; 25]) {
    // The round constants come out of a shift register, bit by bit (FIPS 202, algorithm 5).
    let mut register = 1u8;
    for _ in 0..24 {
        theta(lanes);
        rho_and_pi(lanes);
        chi(lanes);
        for power in 0..7 {
            if register & 1 != 0 {
                lanes[0] ^= 1 << ((1 << power) - 1);
            }
            let feedback = if register & 0x80 != 0 { 0x71 } else { 0 };
            register = register << 1 ^ feedback;
        }
    }
}

fn theta(lanes: &mut [u64; 25]) {
    let mut columns = [0u64; 5];
    for (at, lane) in lanes.iter().enumerate() {
        columns[at % 5] ^= lane;
    }
    for (at, lane) in lanes.iter_mut().enumerate() {
        *lane ^= columns[(at + 4) % 5] ^ columns[(at + 1) % 5].rotate_left(1);
    }
}

fn rho_and_pi(lanes: &mut [u64; 25]) {
    let (mut x, mut y) = (1, 0);
    let mut moved = lanes[x + 5 * y];
    for step in 0..24u32 {
        (x, y) = (y, (2 * x + 3 * y) % 5);
        let turned = moved.rotate_left((step + 1) * (step + 2) / 2 % 64);
        moved = std::mem::replace(&mut lanes[x + 5 * y], turned);
    }
}

fn chi(lanes: &mut [u64; 25]) {
    for row in lanes.chunks_exact_mut(5) {
        let old: [u64; 5] = (&*row).try_into().expect("a row of five");
        for (x, lane) in row.iter_mut().enumerate() {
            *lane = old[x] ^ !old[(x + 1) % 5] & old[(x + 2) % 5];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn keccak_is_the_published_one() {
        assert_eq!(
            hex(&keccak256(b"")),
            "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
        );
        assert_eq!(
            hex(&keccak256(b"abc")),
            "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"
        );
    }

    #[test]
    fn the_examples_of_the_standard_fit_and_no_other_case_does() {
        for text in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            let address: Address = text.parse().expect("an address");
            assert_eq!(checksummed(&address), text);
            assert!(fits(text, &address));
            assert!(fits(&text.to_lowercase(), &address));
            assert!(fits(&format!("0x{}", text[2..].to_uppercase()), &address));
            let at = text.rfind(|c: char| c.is_ascii_alphabetic()).expect("a letter");
            let mut other = text.to_owned();
            let letter = &text[at..=at];
            let turned = if letter.to_lowercase() == letter {
                letter.to_uppercase()
            } else {
                letter.to_lowercase()
            };
            other.replace_range(at..=at, &turned);
            assert!(!fits(&other, &address), "{other}");
        }
    }
}
