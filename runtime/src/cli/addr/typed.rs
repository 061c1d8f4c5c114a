//! Addresses that a person typed: what is wrong with them, and what was probably meant.
//!
//! A list of a file takes any case. Here capitals are looked at: who typed or pasted an address with a checksum wants to
//! know when it does not fit, before money depends on it.

use std::collections::HashMap;

use shards::Address;

use super::checksum;
use crate::config::address_fault;
use crate::diag::{Excerpt, Problem, Problems, Spot};

/// Digits of an address.
const DIGITS: usize = 40;
/// Digits of a transaction hash, and of a private key.
const HASH_DIGITS: usize = 64;

/// All of them, or everything that is wrong. `verb` is what stood before them.
pub(super) fn read(
    verb: &str,
    texts: &[String],
    checks_case: bool,
) -> Result<Vec<Address>, Problems> {
    let mut problems = Problems::new();
    let mut found = Vec::new();
    let mut first: HashMap<Address, usize> = HashMap::new();
    for (at, text) in texts.iter().enumerate() {
        match one(verb, text, checks_case) {
            Err(problem) => problems.push(problem),
            Ok(address) => match first.get(&address) {
                Some(first) => {
                    let label = format!("it is number {} already", first + 1);
                    let excerpt = excerpt(verb, text, &label);
                    problems.push(Problem::error("ADR002", "the same address twice").at(excerpt));
                }
                None => {
                    first.insert(address, at);
                    found.push(address);
                }
            },
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn one(verb: &str, text: &str, checks_case: bool) -> Result<Address, Problem> {
    let address = address_fault(text).map_err(|(code, what, label)| {
        if is_hash(text) {
            // It may be a private key: it is not shown again.
            let what = "64 hex digits are a transaction hash or a private key, not an account";
            return Problem::error(code, what).fix("write the account's address: 0x and 40 digits");
        }
        let problem = Problem::error(code, what).at(excerpt(verb, text, &label));
        match near(text) {
            Some(near) => problem.fix(format!("did you mean {near}?")),
            None => problem,
        }
    })?;
    if checks_case && !checksum::fits(text, &address) {
        let label = "the capitals are a checksum (EIP-55), and it does not fit";
        let right = checksum::checksummed(&address);
        return Err(Problem::error("ADR001", "checksum wrong")
            .at(excerpt(verb, text, label))
            .why("a digit is wrong, or the case of one is: compare it with where it comes from")
            .fix(format!("did you mean {right}?"))
            .fix("in lower case it is taken without a check"));
    }
    Ok(address)
}

fn is_hash(text: &str) -> bool {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    digits.len() == HASH_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The address that a text is but for how it is written.
fn near(text: &str) -> Option<String> {
    let stripped = text.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let digits = stripped.strip_prefix("0x").or_else(|| stripped.strip_prefix("0X"));
    let digits = digits.unwrap_or(stripped);
    let is_whole = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_whole.then(|| format!("0x{digits}"))
}

fn excerpt(verb: &str, text: &str, label: &str) -> Excerpt {
    let line = format!("corelane {verb} {text}");
    let width = text.chars().count();
    let column = line.chars().count() - width + 1;
    let spot = Spot { line: 0, column, width, text: line, label: label.to_owned() };
    Excerpt { source: "command line".to_owned(), spots: vec![spot] }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

    #[track_caller]
    fn check(text: &str, expect: &str) {
        let problems = read("addr add", &[text.to_owned()], true).expect_err("it is bad");
        assert!(problems.to_string().contains(expect), "{problems}");
    }

    #[test]
    fn what_is_wrong_is_said_with_what_was_meant() {
        check("0x162cc7c861ebd0c06b3d7231920115048251818", "0x and 39 hex digits; 40 are needed");
        check("vitalik.eth", "names are not resolved");
        check(&format!("0x{}", "0".repeat(40)), "the zero address");
        check(&GOOD[2..], &format!("did you mean {GOOD}?"));
        check(&format!("\"{GOOD}\","), &format!("did you mean {GOOD}?"));
        check(&GOOD.replace("Aed", "aed"), &format!("did you mean {GOOD}?"));
        let key = format!("0x{}", "ab".repeat(32));
        let problems = read("addr add", std::slice::from_ref(&key), true).expect_err("a key");
        assert!(!problems.to_string().contains(&key), "it is not repeated: {problems}");
    }

    #[test]
    fn the_place_is_pointed_at() {
        let problems = read("addr add", &["0x12".to_owned()], true).expect_err("it is bad");
        let lines = problems.to_string();
        assert!(lines.contains("corelane addr add 0x12"), "{lines}");
        assert!(lines.contains("[command line"), "{lines}");
    }

    #[test]
    fn all_of_them_are_looked_at_and_twice_is_once_too_often() {
        let texts = [GOOD, "0x1", "x", &GOOD.to_lowercase()].map(str::to_owned);
        assert_eq!(read("addr rm", &texts, true).expect_err("three are bad").len(), 3);
        let wrong = GOOD.replace("Aed", "aed");
        assert!(read("addr rm", &[wrong], false).is_ok(), "who lets go needs no checksum");
    }
}
